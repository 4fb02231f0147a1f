"""Codecs of live streams: a packet's payload to audio and back, and something plausible where a packet is missing.

Whole prompts and recordings take `audio.codecs.convert`.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from audio.codecs import g711
from audio.codecs.concealment import HISTORY, Concealer, Samples
from audio.format import AudioFormat, Encoding
from audio.levels import pcm_of, samples_of


class Codec(Protocol):
    """One direction pair of one call; keeps state between packets, so never share one."""

    @property
    def format(self) -> AudioFormat:
        """Of the audio that goes into `encode` and comes out of `decode`."""
        ...

    @property
    def clock_rate(self) -> int:
        """Of the RTP timestamps, in Hz; not always the rate of `format` (RFC 3551 section 4.5.2, RFC 7587)."""
        ...

    def encode(self, data: bytes) -> bytes:
        """One packet's payload from one frame in `format`."""
        ...

    def decode(self, payload: bytes) -> bytes:
        """The audio of one payload, joined smoothly to concealed audio before it.

        Raises:
            MediaError: when it is none of this codec. Nothing is changed then.
        """
        ...

    def conceal(self, samples: int) -> bytes:
        """As many samples, in `format`, in place of a lost packet; also repeatedly, fading out."""
        ...

    def reset(self) -> None:
        """Another stream begins: forget what was decoded."""
        ...


_KEPT = 8
"""Payloads: `HISTORY` of the shortest that are sent, 5 ms."""


class G711Codec:
    """PCMU or PCMA (RFC 3551). Nothing is computed for packets that arrive.

    Args:
        law: Of the wire.
        audio_format: What this end works in; the wire's own encoding if not said.
    """

    clock_rate = 8000

    def __init__(self, law: Encoding, audio_format: AudioFormat | None = None) -> None:
        self.format = audio_format or AudioFormat(law, self.clock_rate)
        self._law = law
        self._encoding = self.format.encoding
        self._recent: deque[bytes] = deque(maxlen=_KEPT)  # payloads, as the wire wrote them
        self._concealer = Concealer(self.clock_rate)

    def encode(self, data: bytes) -> bytes:
        return data if self._law is self._encoding else g711.transcode(data, self._encoding, self._law)

    def decode(self, payload: bytes) -> bytes:
        if self._concealer.is_active:
            payload = self._compress(self._concealer.rejoin(samples_of(g711.decode(payload, self._law))))
        self._recent.append(payload)
        return payload if self._law is self._encoding else g711.transcode(payload, self._law, self._encoding)

    def conceal(self, samples: int) -> bytes:
        recent = b"".join(self._recent)[-round(HISTORY * self.clock_rate) :]
        payload = self._compress(self._concealer.conceal(samples_of(g711.decode(recent, self._law)), samples))
        self._recent.append(payload)
        return g711.transcode(payload, self._law, self._encoding)

    def reset(self) -> None:
        self._recent.clear()
        self._concealer.reset()

    def _compress(self, samples: Samples) -> bytes:
        return g711.encode(pcm_of(samples), self._law)
