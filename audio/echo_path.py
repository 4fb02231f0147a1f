"""How the bot's voice comes back: how late (`find_delay`), and through what filter (`EchoPath`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

WHITENING = 0.7  # exponent; 1 would be PHAT, which also lifts the bins that hold nothing but noise
BAND = (200, 3600)  # Hz: what a telephone line carries
REGULARISATION = 1e-3


class History:
    """The newest samples of a time line, addressed by position; what was never written is zero.

    Args:
        samples: How many to remember; a power of two.
    """

    def __init__(self, samples: int) -> None:
        self._samples = np.zeros(samples, np.int16)
        self.end = 0  # behind the newest sample

    def write(self, start: int, samples: npt.NDArray[np.int16]) -> None:
        """Put samples at a position; positions before `end` are overwritten, a hole behind it is silence."""
        size = len(self._samples)
        if start > self.end:
            hole = min(start - self.end, size)
            self._put(start - hole, np.zeros(hole, np.int16))
        self.end = max(self.end, start + len(samples))
        too_old = max(0, self.end - size - start)
        self._put(start + too_old, samples[too_old:])

    def _put(self, start: int, samples: npt.NDArray[np.int16]) -> None:
        at = start & (len(self._samples) - 1)
        first = len(self._samples) - at
        self._samples[at : at + len(samples)] = samples[:first]
        if len(samples) > first:
            self._samples[: len(samples) - first] = samples[first:]

    def read(self, start: int, count: int) -> Floats:
        """Samples from `start` on; zero where nothing was written or where it is forgotten."""
        size = len(self._samples)
        out = np.zeros(count, np.float32)
        low, high = max(start, self.end - size, 0), min(start + count, self.end)
        if low >= high:
            return out
        at = low & (size - 1)
        first = min(high - low, size - at)
        out[low - start : low - start + first] = self._samples[at : at + first]
        if first < high - low:
            out[low - start + first : high - start] = self._samples[: high - low - first]
        return out


def find_delay(late: Floats, early: Floats, rate: int = 8000) -> tuple[int, float]:
    """Where `late` is found in `early`, by whitened cross-correlation.

    Args:
        late: n samples, what came in.
        early: m >= n samples, what went out.
        rate: Samples per second.
    Returns:
        The offset in `early` that fits best, 0 to m - n, and how far its peak stands out: over 6.5 is rare for
        unrelated speech of 0.16 s or more (median 5), an echo has 10 to 25.
    """
    size = 1 << (len(early) - 1).bit_length()
    cross = np.fft.rfft(early, size) * np.fft.rfft(late, size).conj()
    magnitude = np.abs(cross)
    magnitude += 1e-3
    cross *= magnitude**-WHITENING
    cross[: BAND[0] * size // rate] = 0
    cross[BAND[1] * size // rate :] = 0
    correlation = np.fft.irfft(cross, size)[: len(early) - len(late) + 1]
    best = int(np.argmax(correlation))
    spread = float(np.sqrt(np.dot(correlation, correlation) / len(correlation)))
    return best, float(correlation[best]) / (spread + 1e-9)


class EchoPath:
    """A short filter from what went out to what came back, fitted by least squares.

    The sums behind it forget slowly, and a frame counts the less, the more of it was left unexplained: a caller who
    talks over the echo hardly changes the filter.

    Args:
        taps: Length of the filter.
        advance: How many of them lie before the delay.
    """

    def __init__(self, taps: int, advance: int) -> None:
        self.taps = taps
        self.advance = advance
        self.filter: Floats = np.zeros(taps, np.float32)  # the tap of the longest delay first
        self._sent = np.zeros((taps, taps), np.float32)  # covariance of what went out
        self._back = np.zeros(taps, np.float32)  # and of that with what came back

    def window(self, start: int, delay: int, count: int) -> tuple[int, int]:
        """Position and length of what went out and can be heard in `count` samples from `start` on."""
        return start - delay + self.advance - self.taps + 1, count + self.taps - 1

    def predict(self, sent: Floats) -> Floats:
        """The echo of `sent`, a stretch as `window` names it."""
        return np.correlate(sent, self.filter, "valid")

    def learn(self, sent: Floats, back: Floats, weight: float, forget: float) -> None:
        """Take a frame into the sums; `solve` makes a filter of them."""
        # Row k is `sent` from k on: a view made by hand, as the helpers for it cost more than the product.
        shifted: Floats = np.ndarray((self.taps, len(back)), np.float32, sent, 0, (4, 4)).copy()
        self._sent *= forget
        self._back *= forget
        self._sent += weight * (shifted @ shifted.T)
        self._back += weight * (shifted @ back)

    def solve(self) -> None:
        floor = REGULARISATION * float(np.trace(self._sent)) / self.taps + 1e-6
        matrix = self._sent.copy()
        matrix.flat[:: self.taps + 1] += floor
        self.filter = np.linalg.solve(matrix, self._back)


def power(samples: Floats) -> float:
    """Mean square."""
    return float(np.dot(samples, samples)) / max(1, len(samples))
