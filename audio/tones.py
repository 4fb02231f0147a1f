"""Sounds that are computed: keys, ringing, waiting, comfort noise; and keys recognised from sound.

All of it is signed 16-bit little-endian PCM, and everything starts and ends without a click.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audio.format import MediaError
from audio.levels import FULL_SCALE, pcm_of, samples_of

LOW_GROUP = (697, 770, 852, 941)  # Hz; ITU-T Q.23
HIGH_GROUP = (1209, 1336, 1477, 1633)
KEYS = ("123A", "456B", "789C", "*0#D")  # a row per low frequency, a column per high one
DIGITS = frozenset("".join(KEYS))

_FADE = 0.005  # seconds
_WAITING_PITCH = 440.0  # Hz
_WAITING_BLIP = 0.12  # seconds of the half second between two blips
_RMS_OF_SQUARED_HANN = math.sqrt(3 / 16)  # of a sine under a raised cosine

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Cadence:
    """A call progress tone: frequencies sounding together, and seconds on and off (ITU-T E.180 supplement 2)."""

    frequencies: tuple[float, ...]
    on: float
    off: float


RINGBACK = {
    "fr": Cadence((440,), 1.5, 3.5),
    "de": Cadence((425,), 1.0, 4.0),
    "be": Cadence((425,), 1.0, 3.0),
    "nl": Cadence((425,), 1.0, 4.0),
    "es": Cadence((425,), 1.5, 3.0),
    "us": Cadence((440, 480), 2.0, 4.0),
    "default": Cadence((425,), 1.0, 4.0),
}


def dtmf(digit: str, seconds: float = 0.1, rate: int = 8000, dbfs: float = -9.0) -> bytes:
    """The sound of one key.

    Args:
        digit: One of ``0123456789*#ABCD``; letters in either case.
        seconds: How long it sounds; receivers must accept 40 ms (ITU-T Q.24), many want 70.
        rate: Samples per second.
        dbfs: RMS of the higher frequency; the lower one is 2 dB under it, as lines attenuate the higher one more.
    Raises:
        MediaError: when there is no such key.
    """
    low, high = _frequencies(digit)
    length = round(seconds * rate)
    sound = _sine(high, length, rate, dbfs) + _sine(low, length, rate, dbfs - 2)
    return pcm_of(_faded(sound, rate))


def dtmf_string(digits: str, seconds: float = 0.1, pause: float = 0.1, rate: int = 8000) -> bytes:
    """Several keys with `pause` after each; a comma is a pause of two seconds, as modems have it.

    Raises:
        MediaError: when there is no such key.
    """
    pieces = [bytes(2 * 2 * rate) if d == "," else dtmf(d, seconds, rate) + silence(pause, rate) for d in digits]
    return b"".join(pieces)


def silence(seconds: float, rate: int = 8000) -> bytes:
    return bytes(2 * round(seconds * rate))


def ringback(seconds: float, rate: int = 8000, country: str = "default", dbfs: float = -20.0) -> bytes:
    """What a caller hears while the other side rings; the cadence of a country code in `RINGBACK`."""
    cadence = RINGBACK.get(country.lower(), RINGBACK["default"])
    length = round(cadence.on * rate)
    share = dbfs - 10 * math.log10(len(cadence.frequencies))
    ring = sum((_sine(f, length, rate, share) for f in cadence.frequencies), np.zeros(length, np.float32))
    return _repeated(pcm_of(_faded(ring, rate)) + silence(cadence.off, rate), seconds, rate)


def waiting_tone(seconds: float = 1.0, rate: int = 8000, dbfs: float = -30.0) -> bytes:
    """Two soft blips a second: the call is still there. Whole seconds can be repeated without a seam.

    Args:
        seconds: How long.
        rate: Samples per second.
        dbfs: RMS of a blip, well under speech so that neither a caller nor an open microphone mistakes it.
    """
    length = round(_WAITING_BLIP * rate)
    window = np.hanning(length).astype(np.float32)
    peak = FULL_SCALE * 10 ** (dbfs / 20) / _RMS_OF_SQUARED_HANN
    blip = peak * window * np.sin(2 * np.pi * _WAITING_PITCH * np.arange(length) / rate)
    return _repeated(pcm_of(blip) + silence(0.5 - length / rate, rate), seconds, rate)


def comfort_noise(seconds: float, rate: int = 8000, dbfs: float = -62.0, seed: int = 0) -> bytes:
    """Soft low-pass noise, so that a line on which nobody speaks does not sound dead. The same seed, the same noise."""
    white = np.random.default_rng(seed).standard_normal(round(seconds * rate) + 3).astype(np.float32)
    soft = np.convolve(white, np.array([1, 3, 3, 1], np.float32) / math.sqrt(20), mode="valid")
    return pcm_of(soft * FULL_SCALE * 10 ** (dbfs / 20))


def fade(pcm: bytes, rate: int, seconds: float = _FADE) -> bytes:
    """`pcm` with its first and last `seconds` faded, so that what stands beside it does not click."""
    return pcm_of(_faded(samples_of(pcm), rate, seconds))


def concatenate(pieces: Iterable[bytes], rate: int, pause: float = 0.0) -> bytes:
    """One sound from several, each faded at both ends, with `pause` seconds between them."""
    return silence(pause, rate).join(fade(piece, rate) for piece in pieces)


def _frequencies(digit: str) -> tuple[int, int]:
    for row, low in zip(KEYS, LOW_GROUP, strict=True):
        if len(digit) == 1 and digit.upper() in row:
            return low, HIGH_GROUP[row.index(digit.upper())]
    raise MediaError("there is no such key on a telephone")


def _sine(frequency: float, length: int, rate: int, dbfs: float) -> Samples:
    peak = FULL_SCALE * math.sqrt(2) * 10 ** (dbfs / 20)
    return (peak * np.sin(2 * np.pi * frequency * np.arange(length) / rate)).astype(np.float32)


def _faded(sound: Samples, rate: int, seconds: float = _FADE) -> Samples:
    length = min(round(seconds * rate), len(sound) // 2)
    if not length:
        return sound
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / length)).astype(np.float32)
    envelope = np.concatenate((ramp, np.ones(len(sound) - 2 * length, np.float32), ramp[::-1]))
    return sound * envelope


def _repeated(period: bytes, seconds: float, rate: int) -> bytes:
    size = 2 * round(seconds * rate)
    return (period * (size // len(period) + 1))[:size]


@dataclass(frozen=True, slots=True)
class DetectedDigit:
    """A key that was recognised; `pts_samples` is where its tone was first found, in samples since the stream began."""

    digit: str
    pts_samples: int


class DtmfDetector:
    """Recognises keys in a stream, for lines that carry them as sound only.

    After ITU-T Q.24: 40 ms of tone suffice, 20 ms do not; twist and level may vary as far as networks make them; and
    speech must not be taken for keys. Windows of 20 ms every 10 ms are compared with all eight frequencies; a key
    counts when two successive windows agree, and once until two show no key. About 20 µs per 20 ms.

    Args:
        rate: Samples per second of what is pushed.
    """

    LEAST_DBFS = -40.0
    """Level of the weaker frequency below which nothing is taken for a key."""
    MOST_TWIST = 10.0
    """Decibels between both frequencies; Q.24 has administrations ask for up to 8 one way and 4 the other."""
    LEAST_SHARE = 0.8
    """Of a window's power, how much both frequencies must have: speech has overtones, keys have none."""
    _STRONGER = 6.0  # dB over the next frequency of the same group

    def __init__(self, rate: int = 8000) -> None:
        self._window = rate // 50
        self._hop = rate // 100
        times = np.arange(self._window) / rate
        waves = np.exp(-2j * np.pi * np.array([*LOW_GROUP, *HIGH_GROUP])[:, None] * times)
        self._waves = np.concatenate((waves.real, waves.imag)).astype(np.float32).T
        self._least = (FULL_SCALE * 10 ** (self.LEAST_DBFS / 20)) ** 2
        self._waiting = np.zeros(0, np.float32)
        self._position = 0
        self._candidate = self._current = ""

    def push(self, pcm: bytes) -> list[DetectedDigit]:
        """The keys that began in this piece of the stream (whole samples of PCM; any length)."""
        samples = np.concatenate((self._waiting, samples_of(pcm)))
        found: list[DetectedDigit] = []
        start = 0
        while start + self._window <= len(samples):
            digit = self._digit(samples[start : start + self._window])
            if digit == self._candidate and digit != self._current:
                self._current = digit
                if digit:
                    found.append(DetectedDigit(digit, self._position - self._hop))
            self._candidate = digit
            self._position += self._hop
            start += self._hop
        self._waiting = samples[start:]
        return found

    def _digit(self, window: Samples) -> str:
        """The key that sounds throughout `window`, or nothing."""
        total = float(np.mean(np.square(window)))
        if total < self._least:
            return ""
        parts = (window @ self._waves).reshape(2, 8)
        power = (2 / len(window) ** 2 * np.square(parts).sum(axis=0)).reshape(2, 4)
        (low, low_power), (high, high_power) = _strongest(power[0]), _strongest(power[1])
        if min(low_power, high_power) < self._least or low_power + high_power < self.LEAST_SHARE * total:
            return ""
        if abs(_decibels(low_power / high_power)) > self.MOST_TWIST or not self._stand_out(power):
            return ""
        return KEYS[low][high]

    def _stand_out(self, power: npt.NDArray[np.float32]) -> bool:
        ordered = np.sort(power, axis=1)
        return bool((ordered[:, 3] >= ordered[:, 2] * 10 ** (self._STRONGER / 10)).all())


def _strongest(power: npt.NDArray[np.float32]) -> tuple[int, float]:
    index = int(power.argmax())
    return index, float(power[index])


def _decibels(ratio: float) -> float:
    return 10 * math.log10(ratio)
