"""Wire encodings of speech."""

from __future__ import annotations

from audio.codecs import g711
from audio.format import AudioFormat

__all__ = ["convert", "g711"]


def convert(data: bytes, source: AudioFormat, target: AudioFormat) -> bytes:
    """Write a whole prompt or recording in another format, as well as it can be done.

    Live audio takes `audio.resample.Resampler` instead, which answers frame by frame.

    Args:
        data: All of the audio, in format `source`.
        source: What `data` is.
        target: What is wanted.
    Returns:
        The same duration, to the sample, in format `target`.
    Raises:
        MediaError: when L16 `data` ends in half a sample, or for rates that are not positive or have no usable ratio.
    """
    if source.rate == target.rate:
        return g711.transcode(data, source.encoding, target.encoding)
    from audio.resample import resample  # late: it stands on this package

    pcm = g711.decode(data, source.encoding)
    return g711.encode(resample(pcm, source.rate, target.rate), target.encoding)
