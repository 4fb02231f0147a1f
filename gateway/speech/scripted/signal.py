"""A sound for every text: always the same one, as long as the text is, with pitch and formants, like no other text's.

Tests hear by `resemblance` which text reached the caller. Nothing here is a voice.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]

SECONDS_PER_CHARACTER = 0.06
SHORTEST = 0.3
SYLLABLE = 0.18
LEVEL = 0.1  # -20 dBFS, as a telephone prompt
HIGHEST = 3400.0
FORMANT_WIDTH = 150.0


def duration_of(text: str) -> float:
    """Seconds that a text takes."""
    return max(SHORTEST, round(len(text) * SECONDS_PER_CHARACTER, 2))


def spoken(text: str, rate: int) -> Samples:
    """The sound of a text, between -1 and 1."""
    total = round(duration_of(text) * rate)
    chance = np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
    size = round(SYLLABLE * rate)
    pieces = [_syllable(size, rate, chance) for _ in range(-(-total // size))]
    return np.concatenate(pieces)[:total]


def spoken_pcm(text: str, rate: int) -> bytes:
    """`spoken` as signed 16-bit little-endian samples."""
    return np.rint(spoken(text, rate) * 32767).astype("<i2").tobytes()


def resemblance(pcm: bytes, text: str, rate: int) -> float:
    """How clearly a text is heard somewhere in a recording: 1 exactly, around 0.1 for another text.

    Args:
        pcm: Signed 16-bit little-endian samples.
        text: What may be in it, from its beginning to its end.
    """
    heard = np.frombuffer(pcm, "<i2").astype(np.float64)
    wanted = spoken(text, rate)
    if len(heard) < len(wanted):
        heard = np.concatenate([heard, np.zeros(len(wanted) - len(heard))])
    length = 1 << (len(heard) + len(wanted)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, length) * np.conj(np.fft.rfft(wanted, length)), length)
    places = len(heard) - len(wanted) + 1
    energy = np.cumsum(np.concatenate([[0.0], heard**2]))
    loudness = np.sqrt((energy[len(wanted) :] - energy[: len(energy) - len(wanted)]).clip(min=1.0))
    return float((product[:places] / loudness[:places]).max() / np.sqrt((wanted**2).sum()))


def _syllable(size: int, rate: int, chance: np.random.Generator) -> Samples:
    """Harmonics of a gliding pitch under three formants, swelling and fading."""
    time = np.arange(size) / rate
    pitch = chance.uniform(95, 220)
    phase = 2 * np.pi * pitch * (time + chance.uniform(-0.8, 0.8) * time**2)
    formants = np.array([chance.uniform(300, 800), chance.uniform(900, 2000), chance.uniform(2200, 3200)])
    number = np.arange(1, int(HIGHEST / (pitch * 1.2)))
    weight = np.exp(-(((number[:, None] * pitch - formants) / FORMANT_WIDTH) ** 2)) @ np.array([1.0, 0.6, 0.4])
    offsets = chance.uniform(0, 2 * np.pi, len(number))
    tone = ((weight + 0.02)[:, None] * np.sin(number[:, None] * phase + offsets[:, None])).sum(axis=0)
    shaped = tone * (0.15 + 0.85 * np.sin(np.pi * (np.arange(size) + 0.5) / size))
    return np.asarray(LEVEL * shaped / np.sqrt((shaped**2).mean()))
