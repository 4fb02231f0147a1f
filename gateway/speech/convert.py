"""Audio from one format to another while it streams: G.711 and sample rate, and both at once."""

from __future__ import annotations

from audio.codecs import g711
from audio.format import AudioFormat, Encoding
from audio.frame import Frame
from audio.resample import Resampler


class Converter:
    """Puts frames into one format, and numbers their samples from the first one on.

    The source's format may change in between, as when another voice takes over.
    """

    def __init__(self, target: AudioFormat) -> None:
        self._target = target
        self._resampler: Resampler | None = None
        self._position = 0

    def convert(self, frame: Frame) -> Frame:
        """The same sound in the target's format; empty where the filter waits for more.

        Raises:
            MediaError: the rates have no usable ratio.
        """
        return self._numbered(self._converted(frame))

    def flush(self) -> Frame:
        """What the filter still holds: 2 ms and less than one block."""
        return self._numbered(self._encoded(self._resampler.flush()) if self._resampler else b"")

    def _converted(self, frame: Frame) -> bytes:
        source = frame.format
        if source == self._target:
            return frame.data
        if source.rate == self._target.rate:
            if Encoding.L16 not in (source.encoding, self._target.encoding):
                return g711.transcode(frame.data, source.encoding, self._target.encoding)
            return self._encoded(frame.pcm())
        if self._resampler is None or self._resampler.source_rate != source.rate:
            self._resampler = Resampler(source.rate, self._target.rate)
        return self._encoded(self._resampler.process(frame.pcm()))

    def _encoded(self, pcm: bytes) -> bytes:
        encoding = self._target.encoding
        return pcm if encoding is Encoding.L16 else g711.encode(pcm, encoding)

    def _numbered(self, data: bytes) -> Frame:
        frame = Frame(data, self._target, self._position)
        self._position += frame.samples
        return frame


def nearest(wanted: AudioFormat, possible: tuple[AudioFormat, ...]) -> AudioFormat:
    """What of the possible formats costs least to convert to or from: the same, the same rate, a multiple, the first.

    An empty ``possible`` means that everything is.
    """
    if not possible or wanted in possible:
        return wanted
    same_rate = [format for format in possible if format.rate == wanted.rate]
    higher = sorted((format for format in possible if format.rate > wanted.rate), key=lambda format: format.rate)
    return (same_rate or higher or list(possible))[0]
