"""What a stretch of audio bytes means: encoding and sample rate. Always mono."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from config.errors import GatewayError


class MediaError(GatewayError):
    """A packet, payload or format that cannot be used."""


class Encoding(StrEnum):
    """How samples are written. Names are those of RFC 3551 section 6, in lower case; L16 is little-endian here.

    RFC 3551 has L16 in network order; every media WebSocket protocol sends it little-endian, and so do we.
    """

    bytes_per_sample: int
    silence: bytes
    """One sample of silence: 0xFF in mu-law, 0xD5 in A-law (ITU-T G.711), zero in L16."""

    PCMU = "pcmu"
    PCMA = "pcma"
    L16 = "l16"

    def __init__(self, value: str) -> None:
        # Plain attributes: they are read several times for every frame of every call.
        self.silence = {"pcmu": b"\xff", "pcma": b"\xd5", "l16": b"\x00\x00"}[value]
        self.bytes_per_sample = len(self.silence)


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """An encoding at a rate; mono."""

    encoding: Encoding
    rate: int

    @property
    def bytes_per_second(self) -> int:
        return self.rate * self.encoding.bytes_per_sample

    def samples(self, size: int) -> int:
        """How many samples ``size`` bytes hold (a trailing odd byte of L16 does not count)."""
        return size // self.encoding.bytes_per_sample

    def seconds(self, size: int) -> float:
        return self.samples(size) / self.rate

    def size(self, seconds: float) -> int:
        """Bytes of ``seconds`` of audio, rounded to whole samples."""
        return round(seconds * self.rate) * self.encoding.bytes_per_sample

    def silence(self, samples: int) -> bytes:
        return self.encoding.silence * samples


PCMU_8K = AudioFormat(Encoding.PCMU, 8000)
PCMA_8K = AudioFormat(Encoding.PCMA, 8000)
L16_8K = AudioFormat(Encoding.L16, 8000)
L16_16K = AudioFormat(Encoding.L16, 16000)
