"""A sound for every text: always the same one, as long as the text is, with pitch and formants, like no other text's.

Tests hear by `resemblance` which text reached the caller. Nothing here is a voice.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

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


@lru_cache(maxsize=64)
def spoken(text: str, rate: int) -> Samples:
    """The sound of a text, between -1 and 1; not to be written to, since it is kept."""
    total = round(duration_of(text) * rate)
    chance = np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
    size = round(SYLLABLE * rate)
    sound = np.concatenate([_syllable(size, rate, chance) for _ in range(-(-total // size))])[:total]
    sound.flags.writeable = False
    return sound


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
    return float(likeness(heard, wanted).max())


def likeness(heard: Samples, wanted: Samples, quietest: float = 1.0) -> Samples:
    """How much a recording resembles a sound at each place where all of that can begin: the normalised correlation.

    Args:
        heard: At least as long as ``wanted``.
        quietest: The energy of a stretch below which it counts as silence.
    """
    length = _convenient(len(heard))
    product = np.fft.irfft(np.fft.rfft(heard, length) * np.conj(np.fft.rfft(wanted, length)), length)
    energy = np.cumsum(np.concatenate([[0.0], heard**2]))
    loudness = np.sqrt((energy[len(wanted) :] - energy[: len(energy) - len(wanted)]).clip(min=quietest))
    found: Samples = product[: len(loudness)] / loudness / np.sqrt((wanted**2).sum())
    return found


def _convenient(length: int) -> int:
    """The next length that a Fourier transform is quick at: one of the factors 2, 3 and 5."""
    best = 1 << (length - 1).bit_length()
    fives = 1
    while fives < best:
        threes = fives
        while threes < best:
            best = min(best, threes << max(0, (-(-length // threes) - 1).bit_length()))
            threes *= 3
        fives *= 5
    return best


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
