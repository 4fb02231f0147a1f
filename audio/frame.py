"""A piece of audio that knows its format and its place on the call's time line.

A frame keeps the bytes as the wire wrote them. That is deliberate: the voice activity detector's first stage reads
mu-law codes directly, recognizers that take mu-law get it unchanged, and a frame that nobody needs decoded never is.
`pcm` decodes on demand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from audio.format import AudioFormat, Encoding, MediaError


@dataclass(frozen=True, slots=True)
class Frame:
    """Immutable mono audio.

    Attributes:
        data: Encoded samples, ``format.encoding.bytes_per_sample`` bytes each.
        format: Encoding and rate of `data`.
        pts_samples: Position of the first sample, counted in samples at ``format.rate`` since the leg's first audio.
    """

    data: bytes
    format: AudioFormat
    pts_samples: int = 0

    @property
    def samples(self) -> int:
        return len(self.data) // self.format.encoding.bytes_per_sample

    @property
    def duration(self) -> float:
        return self.format.seconds(len(self.data))

    @property
    def end_samples(self) -> int:
        return self.pts_samples + len(self.data) // self.format.encoding.bytes_per_sample

    def pcm(self) -> bytes:
        """The samples as signed 16-bit little-endian PCM at the frame's own rate."""
        if self.format.encoding is Encoding.L16:
            return self.data
        from audio.codecs import g711  # a codec imports nothing from here; late to keep a Frame cheap to import

        return g711.decode(self.data, self.format.encoding)


def join(frames: Iterable[Frame]) -> Frame:
    """One frame from consecutive ones.

    Raises:
        MediaError: when there is no frame, or when formats differ.
    """
    pieces = list(frames)
    if not pieces:
        raise MediaError("there is no frame to join")
    first = pieces[0]
    if any(piece.format is not first.format and piece.format != first.format for piece in pieces):
        raise MediaError("frames of different formats cannot be joined")
    return Frame(b"".join(piece.data for piece in pieces), first.format, first.pts_samples)
