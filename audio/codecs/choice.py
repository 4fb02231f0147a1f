"""The codec of a name, at the format a call works in."""

from __future__ import annotations

from audio.codecs import g711
from audio.codecs.live import Codec, G711Codec
from audio.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding, MediaError
from audio.resample import Resampler

NATIVE = {"pcmu": PCMU_8K, "pcma": PCMA_8K, "g722": L16_16K, "opus": L16_16K}
"""By name, as in SDP but in lower case: the format in which a codec costs least."""


def live_codec(name: str, audio_format: AudioFormat | None = None) -> Codec:
    """A codec for one call.

    Args:
        name: As in SDP (``PCMU``, ``opus`` ...), in any case.
        audio_format: What the call works in; the codec's native format if not said. A call that changes its codec
            keeps its format.
    Raises:
        MediaError: for a name that is not in `NATIVE`, or a format that cannot be converted to.
    """
    key = name.lower()
    if key not in NATIVE:
        raise MediaError(f"there is no codec {name}")
    wanted = audio_format or NATIVE[key]
    if key in ("pcmu", "pcma"):
        law = Encoding(key)
        return G711Codec(law, wanted) if wanted.rate == G711Codec.clock_rate else Converted(G711Codec(law), wanted)
    from audio.codecs.wide import G722Codec, OpusCodec  # late: it brings PyAV

    codec: Codec = G722Codec() if key == "g722" else OpusCodec(wanted.rate)
    return codec if codec.format == wanted else Converted(codec, wanted)


class Converted:
    """A codec at another format than its own.

    Resampling delays by 2 ms each way.

    Args:
        codec: Used by nobody else.
        audio_format: Of the audio at this end.
    """

    def __init__(self, codec: Codec, audio_format: AudioFormat) -> None:
        self.format = audio_format
        self.clock_rate = codec.clock_rate
        self._codec = codec
        self._inner = codec.format
        self._out = Resampler(audio_format.rate, self._inner.rate)
        self.reset()

    def encode(self, data: bytes) -> bytes:
        pcm = self._out.process(g711.decode(data, self.format.encoding))
        return self._codec.encode(g711.encode(pcm, self._inner.encoding))

    def decode(self, payload: bytes) -> bytes:
        return self._converted(self._codec.decode(payload))

    def conceal(self, samples: int) -> bytes:
        return self._converted(self._codec.conceal(samples * self._inner.rate // self.format.rate))

    def reset(self) -> None:
        self._codec.reset()
        self._in = Resampler(self._inner.rate, self.format.rate)

    def _converted(self, data: bytes) -> bytes:
        pcm = self._in.process(g711.decode(data, self._inner.encoding))
        return g711.encode(pcm, self.format.encoding)
