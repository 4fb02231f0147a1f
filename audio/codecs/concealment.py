"""Speech in place of a lost packet: the last pitch period again, fading out (after ITU-T G.711 Appendix I).

Unlike there, nothing is delayed for the sake of a loss that may come: the joint at its beginning is made by shifting
the repeated period to where the speech had left off.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

HISTORY = 0.04
"""Seconds of audio before the gap that `Concealer.conceal` makes use of."""

_SHORTEST, _LONGEST = 0.005, 0.015  # seconds of pitch period: 66-200 Hz; higher voices repeat two or three periods
_COMPARED = 0.02  # seconds that are compared to find the period
_FULL, _GONE = 0.01, 0.06  # seconds until which a gap is filled at full level, and after which there is silence
_JOIN, _LONGEST_JOIN = 0.004, 0.01  # seconds in which concealed and real audio are mixed when real audio begins again
_JOIN_SHARE = 5  # between both, this part of the gap
_VOICED = 0.6  # correlation of one period with the next from which one period is repeated; else several are
_ALMOST_NOTHING = 1.0


class Concealer:
    """Fills gaps in one stream, each from the audio before it.

    Args:
        rate: Samples per second.
    """

    def __init__(self, rate: int) -> None:
        self._shortest, self._longest = round(_SHORTEST * rate), round(_LONGEST * rate)
        self._compared = round(_COMPARED * rate)
        self._full, self._gone = round(_FULL * rate), round(_GONE * rate)
        self._join, self._longest_join = round(_JOIN * rate), round(_LONGEST_JOIN * rate)
        self._period: Samples | None = None
        self._offset = 0.0
        self._filled = 0  # samples since the gap began

    @property
    def is_active(self) -> bool:
        """Whether audio was concealed last, so that what follows has to go through `rejoin`."""
        return self._period is not None

    def conceal(self, recent: Samples, samples: int) -> Samples:
        """The next `samples` of the gap.

        Args:
            recent: Audio before the gap, `HISTORY` seconds or what there is; looked at only when the gap begins.
            samples: How many are wanted.
        """
        if self._period is None:
            self._begin(recent)
        filled = self._go_on(samples)
        self._filled += samples
        return filled

    def rejoin(self, samples: Samples) -> Samples:
        """Real audio after the gap, its first 4 to 10 ms mixed with what concealment would have gone on with."""
        length = min(max(self._join, self._filled // _JOIN_SHARE), self._longest_join, len(samples))
        ramp = _ramp(length)
        joined = samples.copy()
        joined[:length] = samples[:length] * ramp + self._go_on(length) * (1 - ramp)
        self.reset()
        return joined

    def reset(self) -> None:
        """Forget the gap."""
        self._period, self._offset, self._filled = None, 0.0, 0

    def _begin(self, recent: Samples) -> None:
        needed = self._longest + self._compared
        if len(recent) < needed:
            recent = np.concatenate((np.zeros(needed - len(recent), np.float32), recent))
        length = self._period_length(recent)
        overlap = self._shortest // 4
        period = recent[-length:].copy()
        ramp = _ramp(overlap)
        period[-overlap:] = period[-overlap:] * (1 - ramp) + recent[-length - overlap : -length] * ramp
        self._period = period
        self._offset = float(recent[-1] - recent[-length - 1])

    def _period_length(self, recent: Samples) -> int:
        """The lag at which the newest speech resembles itself most; several periods where it hardly does."""
        newest = recent[-self._compared :]
        reach = recent[-self._compared - self._longest : -self._shortest]
        windows = np.lib.stride_tricks.sliding_window_view(reach, self._compared)
        power = np.square(windows).sum(axis=1) + _ALMOST_NOTHING
        likeness = windows @ newest / np.sqrt(power * (np.square(newest).sum() + _ALMOST_NOTHING))
        best = int(likeness.argmax())
        length = self._longest - best
        return length if likeness[best] >= _VOICED else length * max(1, self._longest // length)

    def _go_on(self, samples: int) -> Samples:
        """The repeated period from where it stands, with the shift at its beginning and the fading."""
        assert self._period is not None
        position = np.arange(self._filled, self._filled + samples)
        repeated = self._period.take(position, mode="wrap")
        shift = self._offset * np.clip(1 - position / self._shortest, 0, 1)
        level = np.clip((self._gone - position) / (self._gone - self._full), 0, 1)
        return ((repeated + shift) * level).astype(np.float32)


def _ramp(length: int) -> Samples:
    """From nearly 0 to nearly 1, without corners."""
    return (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / max(length, 1))).astype(np.float32)
