"""What was heard, compared with what should have been."""

from __future__ import annotations

import numpy as np

RATE = 8000
PIECE = RATE // 2 * 2  # bytes of half a second
AUDIBLE = -45.0  # dBFS


def correlation(heard: bytes, expected: bytes) -> tuple[float, float]:
    """Find a sound in another.

    Args:
        heard, expected: Signed 16-bit PCM at 8 kHz.
    Returns:
        The normalised cross-correlation where it is best, from -1 to 1, and that place in seconds. A sound that lacks
        a piece, or has a gap, fits from one of its ends only.
    """
    track = np.frombuffer(heard, "<i2").astype(np.float64)
    pattern = np.frombuffer(expected, "<i2").astype(np.float64)
    if not len(pattern) or len(track) < len(pattern):
        return 0.0, 0.0
    size = 1 << (len(track) + len(pattern) - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(track, size) * np.conj(np.fft.rfft(pattern, size)), size)
    products = products[: len(track) - len(pattern) + 1]
    power = np.concatenate([[0.0], np.cumsum(track**2)])
    energies = power[len(pattern) :] - power[: len(power) - len(pattern)]
    scores = products / np.sqrt(np.maximum(energies, 1.0) * np.sum(pattern**2))
    best = int(np.argmax(scores))
    return float(scores[best]), best / RATE


def likeness(heard: bytes, expected: bytes) -> tuple[float, float]:
    """Find a speech in what was heard, half a second at a time.

    Returns:
        A correlation that nine pieces in ten reach, and the seconds by which pauses have grown or shrunk. A stutter of
        a busy machine moves all that follows it, and spoils only the piece it is in.
    """
    pieces = [(i, expected[i : i + PIECE]) for i in range(0, len(expected) - PIECE + 1, PIECE)]
    found = [(i, *correlation(heard, piece)) for i, piece in pieces if level(piece) > AUDIBLE]
    shifts = [place - i / 2 / RATE for i, _, place in found]
    return sorted(score for _, score, _ in found)[len(found) // 10], max(shifts) - min(shifts)


def level(pcm: bytes) -> float:
    """dBFS; -inf for silence."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    power = float(np.mean(samples**2)) if len(samples) else 0.0
    return 10 * np.log10(power / 32768**2) if power else float("-inf")


def tone(frequency: float, seconds: float) -> bytes:
    moments = np.arange(round(seconds * RATE)) / RATE
    return (8000 * np.sin(2 * np.pi * frequency * moments)).astype("<i2").tobytes()


def share_of(pcm: bytes, frequency: float) -> float:
    """How much of a sound's power is at a frequency, from 0 to 1."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    middle = round(frequency * len(samples) / RATE)
    return float(power[middle - 3 : middle + 4].sum() / max(power.sum(), 1.0))


def voiced(pcm: bytes, threshold: float = AUDIBLE) -> list[bool]:
    """Whether each 20 ms hold a sound."""
    size = RATE // 50 * 2
    return [level(pcm[i : i + size]) > threshold for i in range(0, len(pcm) - size + 1, size)]
