"""G.722 and Opus for calls, by the FFmpeg libraries that PyAV brings.

Import it only where one of them is spoken: PyAV takes 40 MB of memory. Per 20 ms on one modest core: G.722 20 µs to
encode and 10 to decode, Opus 60 and 50, of which 20 for the way from 48 kHz. Neither decoder is told of losses, which
PyAV has no means for: gaps are filled by our own concealment. Talking to libopus itself would decode in a quarter of
the time and could use what Opus packets repeat of the one before (RFC 7587 section 3.3).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec.context import CodecContext
from av.error import FFmpegError
from av.packet import Packet

from audio.codecs.concealment import HISTORY, Concealer
from audio.format import AudioFormat, Encoding, MediaError
from audio.levels import pcm_of, samples_of
from audio.resample import Resampler

FRAME = 0.02  # seconds in one packet of ours

_OPUS_RATE = 48000  # RFC 7587 section 4.1, whatever the encoder works at; FFmpeg's decoder, too
_OPUS_BITS = {8000: 24_000, 12000: 28_000, 16000: 32_000, 24000: 40_000, 48000: 48_000}  # RFC 6716 section 2.1
# For "voip" the encoder predicts speech rather than transforms it: a third less bits, but twice the work, and a sound
# that correlates with what went in by .7 to .97 instead of .99, as its phases are not kept.
_OPUS_OPTIONS = {"application": "audio", "frame_duration": "20", "compression_level": "5"}


def _context(name: str, mode: Literal["r", "w"]) -> AudioCodecContext:
    context = CodecContext.create(name, mode)
    assert isinstance(context, AudioCodecContext)  # of an audio codec it always is
    return context


class _Encoder:
    """PCM frames of one length to one packet each."""

    def __init__(self, name: str, rate: int, *, bits: int | None = None, options: dict[str, str] | None = None) -> None:
        context = _context(name, "w")
        context.format = "s16"
        context.layout = "mono"
        context.sample_rate = rate
        context.time_base = Fraction(1, rate)
        if bits:
            context.bit_rate = bits
        context.options = options or {}
        context.open()
        self._context = context
        self._samples = round(FRAME * rate)
        self._frame = AudioFrame(format="s16", layout="mono", samples=self._samples)
        self._frame.sample_rate = rate
        self._frame.time_base = context.time_base
        self._position = 0

    def encode(self, pcm: bytes) -> bytes:
        if len(pcm) != 2 * self._samples:
            raise MediaError(f"{len(pcm)} bytes are not the {self._samples} samples of a frame")
        frame = self._frame
        frame.make_writable()
        frame.planes[0].update(pcm)
        frame.pts = self._position
        self._position += self._samples
        return b"".join(map(bytes, self._context.encode(frame)))


class _Decoder:
    """Packets to PCM at one rate."""

    def __init__(self, name: str, rate: int) -> None:
        context = _context(name, "r")
        context.sample_rate = rate
        context.layout = "mono"
        self._context = context
        self._name = name

    def decode(self, payload: bytes) -> bytes:
        """Raises:
        MediaError: when the payload is none of this codec.
        """
        try:
            frames = self._context.decode(Packet(payload))
        except (FFmpegError, ValueError) as error:
            raise MediaError(f"{len(payload)} bytes are no packet of {self._name}") from error
        return b"".join(bytes(memoryview(frame.planes[0])[: 2 * frame.samples]) for frame in frames)


class _Smooth:
    """Fills the gaps of a decoded stream.

    Args:
        rate: Samples per second.
    """

    def __init__(self, rate: int) -> None:
        self._kept = 2 * round(HISTORY * rate)
        self._recent = b""
        self._concealer = Concealer(rate)

    def heard(self, pcm: bytes) -> bytes:
        """Decoded audio, joined to what was made up before it."""
        if self._concealer.is_active and pcm:
            pcm = pcm_of(self._concealer.rejoin(samples_of(pcm)))
        self._recent = (self._recent + pcm)[-self._kept :]
        return pcm

    def conceal(self, samples: int) -> bytes:
        pcm = pcm_of(self._concealer.conceal(samples_of(self._recent), samples))
        self._recent = (self._recent + pcm)[-self._kept :]
        return pcm

    def reset(self) -> None:
        self._recent = b""
        self._concealer.reset()


class G722Codec:
    """G.722 at 64 kbit/s (RFC 3551 section 4.5.2): 16 kHz, though its RTP clock says 8000 by an old mistake."""

    clock_rate = 8000
    format = AudioFormat(Encoding.L16, 16000)

    def __init__(self) -> None:
        self._encoder = _Encoder("g722", self.format.rate)
        self._smooth = _Smooth(self.format.rate)
        self.reset()

    def encode(self, data: bytes) -> bytes:
        return self._encoder.encode(data)

    def decode(self, payload: bytes) -> bytes:
        return self._smooth.heard(self._decoder.decode(payload))

    def conceal(self, samples: int) -> bytes:
        return self._smooth.conceal(samples)

    def reset(self) -> None:
        self._decoder = _Decoder("g722", self.format.rate)
        self._smooth.reset()


class OpusCodec:
    """Opus (RFC 6716, 7587), mono. Packets of any length, of stereo, and of silence (DTX) are decoded, too.

    Args:
        rate: Samples per second of the audio at this end; what is encoded has no more than that allows.
    Raises:
        MediaError: for a rate that Opus does not have.
    """

    clock_rate = _OPUS_RATE

    def __init__(self, rate: int = 16000) -> None:
        if rate not in _OPUS_BITS:
            raise MediaError(f"Opus does not work at {rate} Hz")
        self.format = AudioFormat(Encoding.L16, rate)
        self._encoder = _Encoder("libopus", rate, bits=_OPUS_BITS[rate], options=_OPUS_OPTIONS)
        self._smooth = _Smooth(rate)
        self.reset()

    def encode(self, data: bytes) -> bytes:
        return self._encoder.encode(data)

    def decode(self, payload: bytes) -> bytes:
        return self._smooth.heard(self._resampler.process(self._decoder.decode(payload)))

    def conceal(self, samples: int) -> bytes:
        return self._smooth.conceal(samples)

    def reset(self) -> None:
        self._decoder = _Decoder("libopus", _OPUS_RATE)
        self._resampler = Resampler(_OPUS_RATE, self.format.rate)
        self._smooth.reset()
