"""Sample rate conversion by a polyphase FIR filter, streaming for calls and whole for prompts.

Libraries made for files hold back up to a hundred milliseconds and release it in lumps. Here every frame that goes in
comes out as one frame at once, always delayed by the same 2 ms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from audio.format import MediaError
from audio.levels import pcm_of

LIVE_DELAY = 0.002
"""Seconds by which `Resampler` delays: half its filter. To and from 8 kHz that leaves the telephone band (to 3.4 kHz)
whole; aliases that fall into it are under -70 dB."""
WHOLE_DELAY = 0.016
"""The same for `resample`, which takes it back out: a filter eight times as steep."""

_KAISER_BETA = 7.5  # stop band near -75 dB
_TRANSITION = 2.3  # half the transition band, in units of 1 / filter length in seconds, for that beta
_FOLD = 0.575  # the stop band begins here, relative to the lower rate: what folds back lands above 3.4 of 8 kHz
_MAX_COEFFICIENTS = 8_000_000
_CHUNK = 1.0  # seconds that `resample` works on at a time


@dataclass(frozen=True)
class _Filter:
    """A block of `down` input samples, after `history` older ones, times `matrix` gives `up` output samples."""

    up: int
    down: int
    history: int
    delay: int  # output samples
    matrix: npt.NDArray[np.float32]  # (history + down, up)

    def apply(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The output of all whole blocks in `samples`, which begin with the history."""
        windows = np.lib.stride_tricks.sliding_window_view(samples, self.history + self.down)[:: self.down]
        return (np.ascontiguousarray(windows) @ self.matrix).ravel()


@lru_cache(maxsize=32)
def _filter(source_rate: int, target_rate: int, delay: float) -> _Filter:
    """A low-pass at the lower rate's half, seen from the common multiple of both rates, cut into phases."""
    if source_rate <= 0 or target_rate <= 0:
        raise MediaError(f"a sample rate cannot be {min(source_rate, target_rate)} Hz")
    common = math.gcd(source_rate, target_rate)
    up, down = target_rate // common, source_rate // common
    delay_samples = max(1, round(delay * target_rate))
    taps = 2 * delay_samples * down + 1
    history = (taps - 1) // up
    if (history + down) * up > _MAX_COEFFICIENTS:
        raise MediaError(f"{source_rate} Hz and {target_rate} Hz have no ratio that can be computed with")
    low = min(source_rate, target_rate)
    cutoff = min(_FOLD * low - _TRANSITION / (2 * delay), low / 2) / (source_rate * up)
    times = np.arange(taps) - (taps - 1) / 2
    response = 2 * cutoff * np.sinc(2 * cutoff * times) * np.kaiser(taps, _KAISER_BETA)
    index = np.arange(up) * down - (np.arange(history + down)[:, None] - history) * up
    matrix = np.where((index >= 0) & (index < taps), response[np.clip(index, 0, taps - 1)], 0.0)
    matrix /= matrix.sum(axis=0)  # every phase passes a constant unchanged: no ripple at the input's rate
    return _Filter(up, down, history, delay_samples, matrix.astype(np.float32))


class Resampler:
    """Converts a live stream from one rate to another.

    Frames that hold a whole number of the ratio's blocks, as 20 ms frames do at 8, 16, 22.05, 24, 44.1 and 48 kHz,
    come out one for one. Of other sizes, less than one block (20 ms at most for those rates) waits for more.

    Args:
        source_rate: Samples per second that go in.
        target_rate: Samples per second that come out; where it is the same, nothing is changed or delayed.
    Raises:
        MediaError: for rates that are not positive or have no usable ratio.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        self.source_rate = source_rate
        self.target_rate = target_rate
        self._filter = None if source_rate == target_rate else _filter(source_rate, target_rate, LIVE_DELAY)
        self._odd = b""
        self._waiting = self._history()

    @property
    def delay_samples(self) -> int:
        """By how many samples of the target rate the output is late; constant."""
        return self._filter.delay if self._filter else 0

    def process(self, pcm: bytes) -> bytes:
        """Convert the next piece of the stream.

        Args:
            pcm: Signed 16-bit little-endian PCM of any size, also cut inside a sample; may be empty.
        Returns:
            PCM at the target rate.
        """
        if self._odd:
            pcm = self._odd + pcm
            self._odd = b""
        if len(pcm) % 2:
            pcm, self._odd = pcm[:-1], pcm[-1:]
        return self._convert(np.frombuffer(pcm, "<i2")) if self._filter else pcm

    def flush(self) -> bytes:
        """What is still inside: the last 2 ms and an incomplete block. Then the stream may begin anew."""
        self._odd = b""
        if self._filter is None:
            return b""
        waiting = len(self._waiting) - self._filter.history
        up, down = self._filter.up, self._filter.down
        missing = self._filter.delay + waiting * up // down
        blocks = -(-missing // up)
        tail = self._convert(np.zeros(blocks * down - waiting, np.int16))
        self._waiting = self._history()
        return tail[: 2 * missing]

    def _history(self) -> npt.NDArray[np.float32]:
        return np.zeros(self._filter.history if self._filter else 0, np.float32)

    def _convert(self, samples: npt.NDArray[np.int16]) -> bytes:
        assert self._filter is not None
        available = np.concatenate((self._waiting, samples), dtype=np.float32)
        blocks = (len(available) - self._filter.history) // self._filter.down
        used = blocks * self._filter.down
        self._waiting = available[used:].copy()  # not the whole piece, for the sake of its end
        return pcm_of(self._filter.apply(available[: used + self._filter.history])) if blocks else b""


def resample(pcm: bytes, source_rate: int, target_rate: int) -> bytes:
    """Convert a whole recording or prompt, with a steeper filter than a call affords and without delay.

    Args:
        pcm: Signed 16-bit little-endian PCM; a trailing odd byte is ignored.
        source_rate: Samples per second of `pcm`.
        target_rate: Samples per second of the result.
    Returns:
        PCM of the same duration, to the sample.
    Raises:
        MediaError: for rates that are not positive or have no usable ratio.
    """
    if source_rate == target_rate:
        return pcm
    by = _filter(source_rate, target_rate, WHOLE_DELAY)
    samples = np.frombuffer(pcm, "<i2", count=len(pcm) // 2)
    wanted = -(-len(samples) * by.up // by.down)
    blocks = -(-(wanted + by.delay) // by.up)
    padded = np.zeros(by.history + blocks * by.down, np.float32)
    padded[by.history : by.history + len(samples)] = samples[: blocks * by.down]
    step = max(1, round(source_rate * _CHUNK) // by.down)
    pieces = [
        by.apply(padded[start * by.down : min(start + step, blocks) * by.down + by.history])
        for start in range(0, blocks, step)
    ]
    return pcm_of(np.concatenate(pieces)[by.delay : by.delay + wanted]) if pieces else b""
