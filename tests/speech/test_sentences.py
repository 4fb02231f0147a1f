"""A voice that cannot say how far it came speaks sentence by sentence; each is heard once, whoever breaks off where."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from audio.codecs import g711
from audio.format import PCMU_8K
from audio.frame import Frame
from gateway.errors import VendorError, VendorUnavailable
from gateway.speech.cache import CachedSynthesizer, PromptCache
from gateway.speech.directory import SpeechDirectory
from gateway.speech.scripted.client import ScriptedSynthesizer
from gateway.speech.scripted.settings import ScriptedSpeechSection
from gateway.speech.scripted.signal import resemblance, spoken_pcm
from gateway.speech_interfaces import SpeechUsed, SpokenFrame, SynthesizerCapabilities, Utterance

FIRST, SECOND = "This is the first.", "And this is the second."
TWO = Utterance(text=f"{FIRST} {SECOND}", vendor="acme", language="en-GB")
PAUSE = bytes(1600)  # 0.1 s, with which vendors' audio ends
LENGTH = len(g711.encode(spoken_pcm(SECOND, 8000) + PAUSE, PCMU_8K.encoding))
PIECE = 400


class Wordless(ScriptedSynthesizer):
    """Says the scripted sounds and cannot tell how far it came.

    Args:
        breaks: By sentence, the bytes of it that come before the connection breaks.
    """

    def __init__(self, breaks: Mapping[str, int] | None = None) -> None:
        super().__init__(ScriptedSpeechSection(), vendor="acme")
        self.breaks = dict(breaks or {})
        self.capabilities = SynthesizerCapabilities(formats=(PCMU_8K,))

    @property
    def asked(self) -> list[str]:
        return [request.text for request in self.requests]

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        self.requests.append(utterance)
        data = g711.encode(spoken_pcm(utterance.text, 8000) + PAUSE, PCMU_8K.encoding)
        end = min(self.breaks.get(utterance.text, len(data)), len(data))
        for start in range(0, end, PIECE):
            yield SpokenFrame(Frame(data[start : min(start + PIECE, end)], PCMU_8K, start))
        if utterance.text in self.breaks:
            raise VendorUnavailable("the connection broke", vendor="acme", operation="speak")


async def spoken_by(directory: SpeechDirectory, utterance: Utterance = TWO) -> list[SpokenFrame]:
    return [spoken async for spoken in directory.speak(utterance, PCMU_8K)]


def times_heard(frames: list[SpokenFrame], text: str) -> int:
    """How often a sentence is heard from its beginning to its end."""
    pcm = b"".join(spoken.frame.pcm() for spoken in frames)
    length, count, start = len(spoken_pcm(text, 8000)), 0, 0
    while start + length <= len(pcm) + 1600:
        if resemblance(pcm[start : start + length + 1600], text, 8000) > 0.9:
            count, start = count + 1, start + length
        else:
            start += 800
    return count


@pytest.mark.asyncio
async def test_each_sentence_is_asked_for_by_itself_and_all_of_them_are_heard() -> None:
    acme = Wordless()
    frames = await spoken_by(SpeechDirectory({"acme": acme}, {}))
    assert acme.asked == [FIRST, SECOND]
    assert [times_heard(frames, sentence) for sentence in (FIRST, SECOND)] == [1, 1]


@pytest.mark.asyncio
async def test_what_was_heard_is_known_to_the_sentence() -> None:
    frames = await spoken_by(SpeechDirectory({"acme": Wordless()}, {}))
    reached = [spoken.chars for spoken in frames]
    assert set(reached) == {None, len(FIRST) + 1}
    assert reached == sorted(reached, key=lambda chars: chars or 0)


@pytest.mark.asyncio
async def test_a_voice_that_knows_its_words_gets_the_whole_text() -> None:
    acme = ScriptedSynthesizer(ScriptedSpeechSection())
    await spoken_by(SpeechDirectory({"acme": acme}, {}))
    assert [request.text for request in acme.requests] == [TWO.text]


@pytest.mark.asyncio
@pytest.mark.parametrize("after", [0, 1, PIECE, LENGTH // 2, LENGTH])
@pytest.mark.parametrize("broken", [FIRST, SECOND])
async def test_wherever_a_voice_breaks_off_each_sentence_is_heard_once(after: int, broken: str) -> None:
    acme, local = Wordless({broken: after}), Wordless()
    frames = await spoken_by(SpeechDirectory({"acme": acme, "local": local}, {}))
    assert [times_heard(frames, sentence) for sentence in (FIRST, SECOND)] == [1, 1]
    if after < LENGTH // 2 + 1:
        assert local.asked == ([FIRST, SECOND] if broken == FIRST else [SECOND])


@pytest.mark.asyncio
async def test_a_voice_that_failed_is_not_waited_for_at_the_next_sentence() -> None:
    acme, local = Wordless({FIRST: 0}), Wordless()
    await spoken_by(SpeechDirectory({"acme": acme, "local": local}, {}))
    assert acme.asked == [FIRST]
    assert local.asked == [FIRST, SECOND]


@pytest.mark.asyncio
async def test_it_is_asked_once_more_where_nobody_else_is_left() -> None:
    acme = Wordless()
    directory = SpeechDirectory({"acme": acme}, {})
    await spoken_by(directory)
    await spoken_by(directory)
    assert acme.asked == [FIRST, SECOND] * 2


@pytest.mark.asyncio
async def test_what_was_asked_of_whom_is_in_the_books() -> None:
    acme, local = CachedSynthesizer(Wordless({SECOND: 0}), PromptCache()), Wordless()
    directory = SpeechDirectory({"acme": acme, "local": local}, {})
    uses: list[SpeechUsed] = []
    for _ in range(2):
        assert [spoken async for spoken in directory.speak(TWO, PCMU_8K, on_use=uses.append)]
    assert [(use.vendor, use.characters, use.cached) for use in uses] == [
        ("acme", len(FIRST), False), ("acme", len(SECOND), False), ("local", len(SECOND), False),
        ("acme", len(FIRST), True), ("acme", len(SECOND), False), ("local", len(SECOND), False),
    ]  # fmt: skip


@pytest.mark.asyncio
async def test_the_first_audio_has_the_time_the_number_gives_it() -> None:
    slow, local = ScriptedSynthesizer(ScriptedSpeechSection(speech_delay=30)), Wordless()
    directory = SpeechDirectory({"acme": slow, "local": local}, {})
    trouble: list[VendorError] = []
    async with asyncio.timeout(5):
        assert [it async for it in directory.speak(TWO, PCMU_8K, (), trouble.append, first_within=0.05)]
    assert [error.reason for error in trouble] == ["no audio came in time"]
