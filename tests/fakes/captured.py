"""What a caller heard, by correlation: which sentences or words, when, and the silences between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import numpy as np

from audio.codecs import g711
from audio.format import L16_8K, Encoding
from audio.frame import Frame
from gateway.speech.scripted.signal import SECONDS_PER_CHARACTER, likeness, spoken_pcm
from gateway.speech_interfaces import SpokenFrame, SynthesizerCapabilities, Utterance
from tests.fakes.callers import Phone

Sound = Callable[[str, int], bytes]
LIKE = 0.9


def capture(caller: Phone) -> np.ndarray:
    """Everything the caller has heard since the call began, 8 kHz, -1 to 1."""
    heard = caller.line.heard()
    end = max((stretch.at - caller.began + len(stretch.data) / 8000 for stretch in heard), default=0.0)
    sound = np.zeros(round(end * 8000) + 1)
    for stretch in heard:
        pcm = np.frombuffer(g711.decode(stretch.data, Encoding.PCMU), "<i2") / 32768
        start = round((stretch.at - caller.began) * 8000)
        sound[start : start + len(pcm)] = pcm[: len(sound) - start]
    return sound


def places_of(text: str, sound: np.ndarray, says: Sound = spoken_pcm) -> list[float]:
    """When a sentence is heard, from its beginning to its end; seconds since the call began."""
    wanted = np.frombuffer(says(text, 8000), "<i2") / 32768
    if len(sound) < len(wanted):
        return []
    alike = likeness(sound, wanted, quietest=1e-6)
    found: list[float] = []
    while alike.max() > LIKE:
        best = int(alike.argmax())
        found.append(best / 8000)
        alike[max(0, best - len(wanted) // 2) : best + len(wanted) // 2] = 0
    return sorted(found)


def silences(sound: np.ndarray) -> list[tuple[float, float]]:
    """Stretches of more than 20 ms in which nothing is heard, with sound before and behind them: begin, end."""
    loud = np.flatnonzero(np.abs(sound) > 0.002)
    gaps = np.flatnonzero(np.diff(loud) > 160)
    return [(loud[gap] / 8000, loud[gap + 1] / 8000) for gap in gaps]


def word_by_word(text: str, rate: int) -> bytes:
    """What a text sounds like where every word is to be heard for itself: as long as `spoken_pcm`, evenly spread."""
    size = len(spoken_pcm(text, rate))
    parts = [(len(word), spoken_pcm(word, rate)) for word in text.split(" ")]
    each = round(rate * SECONDS_PER_CHARACTER) * 2
    return b"".join(sound[: each * length] + bytes(each) for length, sound in parts)[:size].ljust(size, b"\0")


def word(text: str, rate: int) -> bytes:
    """One of the words that `word_by_word` is made of."""
    return word_by_word(text, rate)[: round(rate * SECONDS_PER_CHARACTER) * 2 * len(text)]


async def until_heard(caller: Phone, text: str, says: Sound = spoken_pcm, within: float = 30.0) -> None:
    async with asyncio.timeout(within):
        while not places_of(text, capture(caller), says):  # noqa: ASYNC110 - no event says that a sound was heard
            await asyncio.sleep(0.25)


class WordByWord:
    """A voice whose every word can be heard for itself, in place of the scripted one."""

    capabilities = SynthesizerCapabilities(word_times=True, formats=(L16_8K,))

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        pcm = word_by_word(utterance.plain or utterance.text, 8000)
        each = len(pcm) // len(utterance.plain or utterance.text)
        for start in range(0, len(pcm), each * 4):
            piece = pcm[start : start + each * 4]
            yield SpokenFrame(Frame(piece, L16_8K, start // 2), (start + len(piece)) // each)
