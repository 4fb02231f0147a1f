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

    PCMU = "pcmu"
    PCMA = "pcma"
    L16 = "l16"

    @property
    def bytes_per_sample(self) -> int:
        return 2 if self is Encoding.L16 else 1

    @property
    def silence(self) -> bytes:
        """One sample of silence: 0xFF in mu-law, 0xD5 in A-law (ITU-T G.711), zero in L16."""
        return {Encoding.PCMU: b"\xff", Encoding.PCMA: b"\xd5", Encoding.L16: b"\x00\x00"}[self]


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
