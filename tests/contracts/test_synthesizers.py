"""What every synthesizer must do, whoever makes the sound; the local and the scripted voice do it here.

A vendor's adapter does it in ``tests/speech/VENDOR/test_contract.py``, against its emulator, which says the sounds of
`gateway.speech.scripted.signal`: an asynchronous context manager that yields the synthesizer goes through each of
`CHECKS`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest

from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K
from gateway.speech.convert import nearest
from gateway.speech.local.settings import LocalSpeechSection
from gateway.speech.local.synthesizer import LocalSynthesizer
from gateway.speech.scripted.client import ScriptedSynthesizer
from gateway.speech.scripted.settings import ScriptedSpeechSection
from gateway.speech_interfaces import SpokenFrame, Synthesizer, Utterance

Open = Callable[[], AbstractAsyncContextManager[Synthesizer]]
Check = Callable[[Open], Awaitable[None]]
WELCOME = Utterance(text="Welcome to our service.", plain="Welcome to our service.", language="en-GB")
GOODBYE = Utterance(text="Good bye.", plain="Good bye.", language="en-GB")
WITH_MARKUP = Utterance(
    text="<speak>Fish &amp; <emphasis>chips</emphasis></speak>", plain="Fish & chips", ssml=True, language="en-GB"
)


@asynccontextmanager
async def local() -> AsyncIterator[Synthesizer]:
    synthesizer = LocalSynthesizer(LocalSpeechSection(speak_workers=1))
    try:
        yield synthesizer
    finally:
        await synthesizer.close()


@asynccontextmanager
async def scripted() -> AsyncIterator[Synthesizer]:
    yield ScriptedSynthesizer(ScriptedSpeechSection())


async def said(synthesizer: Synthesizer, utterance: Utterance) -> list[SpokenFrame]:
    return [frame async for frame in synthesizer.speak(utterance)]


def seconds(frames: list[SpokenFrame]) -> float:
    return sum(spoken.frame.duration for spoken in frames)


def loudness(frames: list[SpokenFrame]) -> float:
    samples = np.frombuffer(b"".join(spoken.frame.pcm() for spoken in frames), "<i2").astype(float)
    return float(20 * np.log10(np.sqrt((samples**2).mean()) / 32768))


async def speaks_in_the_nearest_of_its_formats(open_synthesizer: Open) -> None:
    async with open_synthesizer() as synthesizer:
        for line in (PCMU_8K, PCMA_8K, L16_8K, L16_16K):
            wanted = nearest(line, synthesizer.capabilities.formats)
            frames = await said(synthesizer, replace(WELCOME, format=wanted))
            assert {spoken.frame.format for spoken in frames} == {wanted}
            assert 0.8 < seconds(frames) < 3
            assert -30 < loudness(frames) < -15


async def frames_follow_each_other_and_tell_what_has_been_said(open_synthesizer: Open) -> None:
    async with open_synthesizer() as synthesizer:
        for utterance in (WELCOME, WITH_MARKUP) if synthesizer.capabilities.ssml else (WELCOME,):
            frames = await said(synthesizer, utterance)
            ends = [0, *(spoken.frame.end_samples for spoken in frames)]
            assert [spoken.frame.pts_samples for spoken in frames] == ends[:-1]
            assert all(spoken.frame.data for spoken in frames)
            if synthesizer.capabilities.word_times:
                reached = [spoken.chars for spoken in frames]
                assert None not in reached
                assert reached == sorted(count for count in reached if count is not None)
                assert reached[-1] == len(utterance.plain)
                assert reached[0] is not None
                assert reached[0] < len(utterance.plain)


async def whoever_stops_listening_leaves_nothing_behind(open_synthesizer: Open) -> None:
    async with open_synthesizer() as synthesizer:
        async with aclosing(synthesizer.speak(WELCOME)) as frames:
            async for _ in frames:
                break
        assert seconds(await said(synthesizer, GOODBYE)) == pytest.approx(
            seconds(await said(synthesizer, GOODBYE)), abs=0.05
        )


async def texts_spoken_at_the_same_time_do_not_mix(open_synthesizer: Open) -> None:
    async with open_synthesizer() as synthesizer:
        alone = [seconds(await said(synthesizer, utterance)) for utterance in (WELCOME, GOODBYE)]
        pair = [aiter(synthesizer.speak(utterance)) for utterance in (WELCOME, GOODBYE)]
        together = [0.0, 0.0]
        open_ends = {0, 1}
        while open_ends:
            for index in sorted(open_ends):
                spoken = await anext(pair[index], None)
                if spoken is None:
                    open_ends.discard(index)
                else:
                    together[index] += spoken.frame.duration
    assert together == pytest.approx(alone, abs=0.05)


async def a_text_without_a_word_is_no_error(open_synthesizer: Open) -> None:
    async with open_synthesizer() as synthesizer:
        assert seconds(await said(synthesizer, Utterance(text=" ", plain=" ", language="en-GB"))) < 1


CHECKS = (
    speaks_in_the_nearest_of_its_formats,
    frames_follow_each_other_and_tell_what_has_been_said,
    whoever_stops_listening_leaves_nothing_behind,
    texts_spoken_at_the_same_time_do_not_mix,
    a_text_without_a_word_is_no_error,
)


def every(checks: Sequence[Check]) -> pytest.MarkDecorator:
    """A test of each of them, by its name, as ``check``."""
    return pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)


@pytest.mark.asyncio
@pytest.mark.parametrize("open_synthesizer", [pytest.param(local, marks=pytest.mark.workers), scripted])
@every(CHECKS)
async def test_ours_keep_it(check: Check, open_synthesizer: Open) -> None:
    await check(open_synthesizer)
