"""How loud speech is, in dBFS (0 dBFS: a full-scale square wave), and making it as loud as it should be."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from audio.codecs import g711
from audio.format import Encoding, MediaError

FULL_SCALE = 32768.0
SILENT = -96.0
"""What an empty or all-zero buffer measures: below one step of 16-bit PCM, and finite so that it can be compared."""

_QUIET_BELOW = 256  # -42 dBFS: under speech on any line, above the hiss of most
_QUIET_SHARE = 8  # one sample in eight may be louder: clicks do not make a frame speech
_ACTIVE_WINDOW = 0.02  # seconds
_ACTIVE_RANGE = 25.0  # dB under the loudest window in which speech counts as active


def samples_of(pcm: bytes) -> npt.NDArray[np.float32]:
    """Signed 16-bit little-endian PCM as numbers, one per sample, in -32768 … 32767.

    Raises:
        MediaError: when `pcm` ends in half a sample.
    """
    if len(pcm) % 2:
        raise MediaError(f"{len(pcm)} bytes do not hold whole 16-bit samples")
    return np.frombuffer(pcm, "<i2").astype(np.float32)


def pcm_of(samples: npt.NDArray[np.floating]) -> bytes:
    """The opposite of `samples_of`: rounded, and clipped where a sample does not fit."""
    whole: npt.NDArray[np.int16] = np.clip(np.rint(samples), -32768, 32767).astype("<i2")
    return whole.tobytes()


def rms(pcm: bytes) -> float:
    """Root mean square in dBFS, at least `SILENT`."""
    samples = samples_of(pcm)
    return _dbfs(float(np.sqrt(np.mean(np.square(samples)))) if samples.size else 0.0)


def peak(pcm: bytes) -> float:
    """The largest magnitude in dBFS, at least `SILENT`."""
    samples = samples_of(pcm)
    return _dbfs(float(np.abs(samples).max()) if samples.size else 0.0)


def active_level(pcm: bytes, rate: int) -> float:
    """RMS over the 20 ms windows in which somebody speaks, in dBFS.

    Pauses say nothing about how loud a voice is. A window counts as speech when it is within 25 dB of the loudest;
    on prompts this agrees with ITU-T P.56 to about one decibel.
    """
    window = max(1, round(rate * _ACTIVE_WINDOW))
    samples = samples_of(pcm)
    if samples.size < window:
        return rms(pcm)
    whole = samples[: samples.size // window * window].reshape(-1, window)
    power = np.mean(np.square(whole), axis=1)
    active = power[power >= power.max() * 10 ** (-_ACTIVE_RANGE / 10)]
    return _dbfs(math.sqrt(float(active.mean())))


def gain(pcm: bytes, decibels: float) -> bytes:
    """`pcm` made louder or, with a negative number, quieter; clipped where a sample does not fit."""
    return pcm_of(samples_of(pcm) * np.float32(10 ** (decibels / 20)))


def normalise(pcm: bytes, rate: int, target_dbfs: float = -20.0, peak_dbfs: float = -1.0) -> bytes:
    """Bring speech to a common loudness, so that voices of different vendors follow one another without a jump.

    Args:
        pcm: Signed 16-bit little-endian PCM.
        rate: Samples per second.
        target_dbfs: Wanted `active_level`.
        peak_dbfs: No sample gets louder than this; a voice with high peaks stays under its target instead of clipping.
    Returns:
        As many bytes as `pcm`. Silence is returned as it is.
    """
    level, loudest = active_level(pcm, rate), peak(pcm)
    if loudest <= SILENT:
        return pcm
    return gain(pcm, min(target_dbfs - level, peak_dbfs - loudest))


def _dbfs(amplitude: float) -> float:
    return max(SILENT, 20 * math.log10(amplitude / FULL_SCALE)) if amplitude > 0 else SILENT


def _quiet_codes(law: Encoding) -> bytes:
    linear = np.frombuffer(g711.decode(bytes(range(256)), law), "<i2").astype(np.int32)
    return bytes(np.flatnonzero(np.abs(linear) < _QUIET_BELOW).astype(np.uint8))


_QUIET_CODES = {law: _quiet_codes(law) for law in (Encoding.PCMU, Encoding.PCMA)}


def is_quiet(data: bytes, encoding: Encoding) -> bool:
    """Whether a piece of wire audio holds nothing that would be missed: seven samples in eight under -42 dBFS.

    Half a microsecond for a G.711 frame; the samples are not decoded.
    """
    if encoding is Encoding.L16:
        loud = int(np.count_nonzero(np.abs(samples_of(data)) >= _QUIET_BELOW))
        return loud * _QUIET_SHARE * 2 <= len(data)
    return len(data.translate(None, _QUIET_CODES[encoding])) * _QUIET_SHARE <= len(data)
