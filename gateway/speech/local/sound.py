"""What a worker does to espeak-ng's samples before they leave it: rate, loudness, silence at the end, encoding.

Everything is streaming: what can be sent is sent before the rest exists.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from audio.codecs import g711
from audio.format import AudioFormat, Encoding
from audio.resample import Resampler

Samples = npt.NDArray[np.float32]

TARGET_DBFS = -20.0
"""Active level of speech; what telephony prompts have, and 9 dB below what mu-law clips."""
ACTIVE_DBFS = -40.0
"""Blocks below this are pauses and do not count for the level."""
QUIET_DBFS = -50.0
KEPT_PAUSE = 0.04
LATER_PIECES = 0.2
"""Seconds of speech at a time after the first piece: fewer messages, less work each."""
LONGEST_TRIMMED_PAUSE = 0.45
"""A longer pause at the end was asked for, by a `break` in SSML."""
SOFT_LIMIT = 24000.0
FULL_SCALE = 32767.0


def _amplitude(dbfs: float) -> float:
    return 32768.0 * math.pow(10.0, dbfs / 20.0)


def active_level(samples: Samples, rate: int) -> float | None:
    """Root mean square of the blocks of 20 ms that are no pauses; None where there are none."""
    size = rate // 50
    blocks = samples[: len(samples) // size * size].reshape(-1, size)
    power = (blocks.astype(np.float64) ** 2).mean(axis=1)
    active = power[power > _amplitude(ACTIVE_DBFS) ** 2]
    return float(np.sqrt(active.mean())) if len(active) else None


def gain_for(samples: Samples, rate: int) -> float:
    """What brings speech like ``samples`` to the target level; at most 12 dB either way."""
    level = active_level(samples, rate)
    return min(max(_amplitude(TARGET_DBFS) / level, 0.25), 4.0) if level else 1.0


def limited(samples: Samples) -> Samples:
    """Bend what is above the soft limit so that nothing clips."""
    size = np.abs(samples)
    room = FULL_SCALE - SOFT_LIMIT
    bent = SOFT_LIMIT + room * np.tanh((size - SOFT_LIMIT) / room)
    return np.where(size > SOFT_LIMIT, np.copysign(bent, samples), samples).astype(np.float32)


class Outlet:
    """Turns espeak-ng's samples into the audio that was asked for.

    Args:
        send: Takes how many characters of the text are spoken by the end of the audio, and the audio.
    """

    def __init__(
        self, target: AudioFormat, *, source_rate: int, gain: float, length: int, send: Callable[[int, bytes], None]
    ) -> None:
        self._target = target
        self._gain = gain
        self._length = length
        self._send = send
        self._resampler = Resampler(source_rate, target.rate)
        self._ratio = target.rate / source_rate
        self._words: list[tuple[float, int]] = []  # output sample at which a word begins, and its character
        self._taken = bytearray()
        self._enough = round(LATER_PIECES * source_rate) * 2
        self._held: Samples = np.zeros(0, np.float32)
        self._sent = 0
        self._reached = 0

    @property
    def sent(self) -> int:
        """Samples handed over so far."""
        return self._sent

    def take(self, pcm: bytes, words: list[tuple[int, int]]) -> None:
        """Samples at the source rate, and the words that begin in them or soon after."""
        self._words += [(sample * self._ratio, position) for sample, position in words]
        self._taken += pcm
        if not self._sent or len(self._taken) >= self._enough:
            self._convert()

    def finish(self) -> None:
        """Send what was held back, but for the pause at the end."""
        self._convert()
        self._release(self._resampler.flush())
        if len(self._held) <= LONGEST_TRIMMED_PAUSE * self._target.rate:
            self._held = self._held[: round(KEPT_PAUSE * self._target.rate)]
        self._reached, self._words = self._length, []
        self._emit(self._held)

    def _convert(self) -> None:
        self._release(self._resampler.process(bytes(self._taken)))
        self._taken.clear()

    def _release(self, pcm: bytes) -> None:
        """Send up to the last sample that can be heard; the rest may turn out to be the pause at the end."""
        known = np.concatenate([self._held, np.frombuffer(pcm, "<i2")], dtype=np.float32)
        loud = np.nonzero(np.abs(known) * self._gain > _amplitude(QUIET_DBFS))[0]
        end = int(loud[-1]) if len(loud) else 0
        self._emit(known[:end])
        self._held = known[end:]

    def _emit(self, samples: Samples) -> None:
        """Send, cut where words begin: that is where it is known what has been said."""
        while len(samples):
            size = len(samples)
            if self._words:
                size = min(size, max(0, round(self._words[0][0]) - self._sent))
            self._sent += size
            if self._words and round(self._words[0][0]) <= self._sent:
                self._reached = max(self._reached, self._words.pop(0)[1])
            if size:
                self._send(self._reached, self._encoded(samples[:size]))
            samples = samples[size:]

    def _encoded(self, samples: Samples) -> bytes:
        pcm = np.rint(limited(samples * np.float32(self._gain))).astype("<i2").tobytes()
        return pcm if self._target.encoding is Encoding.L16 else g711.encode(pcm, self._target.encoding)
