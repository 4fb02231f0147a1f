"""A turn that is heard to its end, though the vendor is not there, or goes away in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from audio.codecs import g711
from audio.format import PCMU_8K
from audio.frame import Frame
from gateway.errors import VendorUnavailable
from gateway.events import Transcript
from gateway.speech.directory import SpeechDirectory
from gateway.speech.scripted.client import ScriptedRecognizer
from gateway.speech.scripted.settings import ScriptedSpeechSection
from gateway.speech.scripted.signal import spoken_pcm
from gateway.speech_interfaces import ListenSettings, RecognitionStream, RecognizerCapabilities, SpeechHeard

TEXT = "the opening hours"
MENU = ListenSettings(vendor="acme", phrases=("sales", TEXT))
AUDIO = g711.encode(spoken_pcm(TEXT, 8000), PCMU_8K.encoding)
FRAMES = [Frame(AUDIO[start : start + 160], PCMU_8K, start) for start in range(0, len(AUDIO), 160)]


def ear(**script: object) -> ScriptedRecognizer:
    return ScriptedRecognizer(ScriptedSpeechSection(**script), vendor="acme")


async def turn(directory: SpeechDirectory, settings: ListenSettings = MENU) -> list[Transcript]:
    results: list[Transcript] = []

    async def read(stream: RecognitionStream) -> None:
        async for result in stream.results():
            if isinstance(result, Transcript):
                results.append(result)

    async with asyncio.timeout(10), directory.listen(settings, PCMU_8K) as stream:
        reader = asyncio.create_task(read(stream))
        for frame in FRAMES:
            await stream.push(frame)
            await asyncio.sleep(0)
        await stream.finish()
        await reader
    return results


@pytest.mark.parametrize("after", [0, 0.3, 0.9])
@pytest.mark.asyncio
async def test_the_local_recognizer_hears_the_whole_turn_when_the_vendor_breaks(after: float) -> None:
    local = ear(echo=True)
    directory = SpeechDirectory(
        {}, {"acme": ear(texts=["x"], fail_listening_after=after, partials=False), "local": local}
    )
    assert [result.text for result in await turn(directory)] == [TEXT]
    (stream,) = local.streams
    assert stream.seconds == pytest.approx(len(AUDIO) / 8000)


@pytest.mark.asyncio
async def test_while_the_vendor_works_nobody_else_listens() -> None:
    local, acme = ear(), ear(echo=True)
    assert [result.text for result in await turn(SpeechDirectory({}, {"acme": acme, "local": local}))] == [TEXT]
    assert local.streams == []


class BreaksAfterItsFirstFinal:
    """Delivers one final, then breaks, as a vendor does that closes the connection between two sentences."""

    capabilities = RecognizerCapabilities()

    def listen(self, settings: ListenSettings) -> AbstractAsyncContextManager[RecognitionStream]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[RecognitionStream]:
            yield self

        return opened()

    def __init__(self) -> None:
        self.pushed = 0
        self.half = asyncio.Event()

    async def push(self, frame: Frame) -> None:
        self.pushed += 1
        if self.pushed == len(FRAMES) // 2:
            self.half.set()

    async def finish(self) -> None:
        pass

    async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        await self.half.wait()
        yield Transcript(text="first half", final=True)
        raise VendorUnavailable("closed", vendor="acme", operation="listen")


@pytest.mark.asyncio
async def test_what_has_become_text_is_not_heard_again() -> None:
    local = ear(texts=["second half"], partials=False)
    results = await turn(SpeechDirectory({}, {"acme": BreaksAfterItsFirstFinal(), "local": local}))
    assert [result.text for result in results] == ["first half", "second half"]
    assert local.streams[0].seconds == pytest.approx(len(AUDIO) / 16000, abs=0.1)


@pytest.mark.parametrize("after", [0, 0.3])
@pytest.mark.asyncio
async def test_the_call_learns_of_it_when_the_question_is_none_for_the_local_recognizer(after: float) -> None:
    local = ear(needs_hints=True)
    directory = SpeechDirectory({}, {"acme": ear(fail_listening_after=after), "local": local})
    with pytest.raises(VendorUnavailable):
        await turn(directory, ListenSettings(vendor="acme", kind="free"))
    assert local.streams == []
    assert directory.hears("local").needs_hints


@pytest.mark.asyncio
async def test_a_question_for_digits_is_one_for_the_local_recognizer_without_any_hint() -> None:
    local = ear(needs_hints=True, answers={"digits": "one two"}, partials=False)
    directory = SpeechDirectory({}, {"acme": ear(fail_listening_after=0.3), "local": local})
    results = await turn(directory, ListenSettings(vendor="acme", kind="digits", language="en-GB"))
    assert [result.text for result in results] == ["one two"]


@pytest.mark.asyncio
async def test_the_call_learns_of_it_when_both_break() -> None:
    directory = SpeechDirectory({}, {"acme": ear(fail_listening_after=0.3), "local": ear(fail_listening_after=0.6)})
    with pytest.raises(VendorUnavailable):
        await turn(directory)
