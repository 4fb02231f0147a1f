"""Prompts made equally loud: RMS of what is spoken at one level, and no true peak above a ceiling.

`audio.levels.normalise` stays under its target where a voice has high peaks; here the peaks give way instead, so that
recordings and voices of different vendors follow one another without a jump.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from audio.levels import FULL_SCALE, SILENT, active_level, pcm_of, peak, samples_of

TARGET_DBFS = -20.0
"""How loud prompts are: `active_level`, which leaves pauses out."""
CEILING_DBTP = -1.5
"""No true peak gets above this; half a decibel is left for the codec that follows (EBU R 128 has -1 at its end)."""
MOST_GAIN = 30.0
"""Decibels; a recording of nothing but hiss does not become a roar."""

_OVERSAMPLING = 4  # ITU-R BS.1770-5, annex 2
_REACH = 24  # samples on either side from which a value between two of them is computed
_LOOKAHEAD = 0.005  # s in which the limiter gets out of a peak's way, and back
_PASSES = 5  # limiting takes a little loudness away, which another pass gives back
_CLOSE_ENOUGH = 0.05  # dB

Samples = npt.NDArray[np.float32]


def true_peak(pcm: bytes) -> float:
    """The largest magnitude of the sound between the samples, too, in dBTP; at least `SILENT`.

    Args:
        pcm: Signed 16-bit little-endian PCM.
    """
    samples = samples_of(pcm)
    largest = float(_envelope(samples).max()) if samples.size else 0.0
    return max(SILENT, 20 * float(np.log10(largest / FULL_SCALE))) if largest > 0 else SILENT


def levelled(pcm: bytes, rate: int, target_dbfs: float = TARGET_DBFS, ceiling_dbtp: float = CEILING_DBTP) -> bytes:
    """Bring a prompt to the common loudness; what would get too loud on the way is limited, not clipped.

    Args:
        pcm: Signed 16-bit little-endian PCM, a whole prompt.
        rate: Samples per second.
        target_dbfs: Wanted `active_level`; reached within a tenth of a decibel unless `MOST_GAIN` does not suffice.
        ceiling_dbtp: Wanted bound of `true_peak`, kept within a tenth of a decibel.
    Returns:
        As many bytes as `pcm`. Silence is returned as it is.
    """
    if peak(pcm) <= SILENT:
        return pcm
    samples, ceiling = samples_of(pcm), FULL_SCALE * 10 ** (ceiling_dbtp / 20)
    gain, made = 0.0, pcm
    for _ in range(_PASSES):
        short = target_dbfs - active_level(made, rate)
        if abs(short) <= _CLOSE_ENOUGH and true_peak(made) <= ceiling_dbtp:
            break
        gain = min(gain + short, MOST_GAIN)
        made = pcm_of(_limited(samples * np.float32(10 ** (gain / 20)), rate, ceiling))
    return made


def _limited(samples: Samples, rate: int, ceiling: float) -> Samples:
    """Turned down around each peak, early enough to be smooth: the smallest gain needed nearby, smoothed as widely."""
    envelope = _envelope(samples)
    if float(envelope.max()) <= ceiling:
        return samples
    reach = max(1, round(_LOOKAHEAD * rate))
    needed = np.minimum(1.0, ceiling / np.maximum(envelope, 1.0))
    padded = np.pad(needed, 2 * reach, constant_values=1.0)
    lowest = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).min(axis=1)
    window = np.hanning(2 * reach + 3)[1:-1]
    smooth = np.convolve(lowest, window / window.sum(), mode="valid")
    return np.asarray(samples * smooth, dtype=np.float32)


def _envelope(samples: Samples) -> npt.NDArray[np.float64]:
    """For each sample, the largest magnitude from half-way after the one before it to half-way before the next."""
    largest = np.abs(samples).astype(np.float64)
    for shift, taps in _phases():
        between = np.abs(np.convolve(samples, taps)[_REACH : _REACH + samples.size])
        if shift < 0:
            largest[1:] = np.maximum(largest[1:], between[:-1])
        else:
            largest = np.maximum(largest, between)
    return largest


@cache
def _phases() -> tuple[tuple[int, Samples], ...]:
    """Filters that give the sound a quarter, a half and three quarters after each sample, and whose sample it is."""
    places = np.arange(-_REACH, _REACH + 1)
    made = []
    for step in range(1, _OVERSAMPLING):
        at = places + step / _OVERSAMPLING
        taps = np.sinc(at) * np.i0(6.0 * np.sqrt(np.clip(1 - (at / (_REACH + 1)) ** 2, 0, 1))) / np.i0(6.0)
        made.append((0 if 2 * step <= _OVERSAMPLING else -1, (taps / taps.sum()).astype(np.float32)))
    return tuple(made)
