"""A turn that is heard to its end, though the vendor is not there, or goes away in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from audio.codecs import g711
from audio.format import PCMU_8K
from audio.frame import Frame
from config.call import FallbackRecognizerSection
from gateway.errors import VendorError, VendorUnavailable
from gateway.events import Transcript
from gateway.speech.attempt import OVERLAP
from gateway.speech.directory import SpeechDirectory
from gateway.speech.scripted.client import ScriptedRecognizer
from gateway.speech.scripted.settings import ScriptedSpeechSection
from gateway.speech.scripted.signal import spoken_pcm
from gateway.speech_interfaces import (
    ListenSettings,
    RecognitionStream,
    RecognizerCapabilities,
    SpeechHeard,
    SpeechUsed,
)
from tests.fakes.virtual_loop import virtual_time

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
    assert local.streams[0].seconds == pytest.approx(len(AUDIO) / 16000 + OVERLAP, abs=0.1)


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


# --- late, hung, gone ----------------------------------------------------------------------------------------------
def chain(**recognizers: ScriptedRecognizer) -> SpeechDirectory:
    return SpeechDirectory({}, recognizers)


def behind(*vendors: str) -> list[FallbackRecognizerSection]:
    return [FallbackRecognizerSection(vendor=vendor) for vendor in vendors]


async def heard(directory: SpeechDirectory, *vendors: str, **more: Any) -> list[Transcript]:
    """A turn in which the fallbacks of these names stand behind ``acme``."""
    results: list[Transcript] = []

    async def read(stream: RecognitionStream) -> None:
        async for result in stream.results():
            if isinstance(result, Transcript):
                results.append(result)

    async with (
        asyncio.timeout(60),
        directory.listen(MENU, PCMU_8K, fallback=behind(*vendors), **more) as stream,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(read(stream))
        for frame in FRAMES:
            await stream.push(frame)
            await asyncio.sleep(0.02)
        await stream.finish()
    return results


def finals(results: list[Transcript]) -> list[str]:
    return [result.text for result in results if result.final]


@virtual_time
async def test_recognizers_take_over_in_their_order_and_each_hears_everything() -> None:
    one, two = ear(fail_listening_after=0.3, partials=False), ear(fail_listening_after=0.6, partials=False)
    local = ear(echo=True)
    troubles: list[VendorError] = []
    directory = chain(acme=one, second=two, local=local)
    results = await heard(directory, "second", on_trouble=troubles.append)
    assert finals(results) == [TEXT]
    assert len(troubles) == 2
    assert local.streams[0].seconds == pytest.approx(len(AUDIO) / 8000)
    assert two.streams[0].settings.vendor == "second"


@virtual_time
async def test_a_fallback_has_its_own_settings_and_only_the_question_in_common() -> None:
    second = ear(echo=True)
    directory = chain(acme=ear(fail_listening_after=0), second=second)
    section = FallbackRecognizerSection(vendor="second", language="fr-FR", model="tiny", options={"a": 1})
    async with directory.listen(replace(MENU, model="big", options={"b": 2}), PCMU_8K, fallback=[section]) as stream:
        await stream.finish()
        assert [result async for result in stream.results()] == []
    assert second.streams[0].settings == replace(
        MENU, vendor="second", language="fr-FR", model="tiny", options={"a": 1}, format=PCMU_8K
    )


@virtual_time
async def test_the_last_partial_is_taken_when_the_final_is_late() -> None:
    troubles: list[VendorError] = []
    slow, local = ear(texts=["the hours please"], result_delay=30), ear(echo=True)
    before = asyncio.get_running_loop().time()
    results = await heard(chain(acme=slow, local=local), on_trouble=troubles.append, final_within=0.5)
    assert finals(results) == ["the"]
    assert asyncio.get_running_loop().time() - before == pytest.approx(len(AUDIO) / 8000 + 0.5, abs=0.05)
    assert [error.reason for error in troubles] == ["its final is late"]
    assert local.streams == []


@virtual_time
async def test_the_next_recognizer_hears_the_turn_as_well_when_there_is_not_even_a_partial() -> None:
    slow, local = ear(texts=["too late"], result_delay=30, partials=False), ear(echo=True)
    assert finals(await heard(chain(acme=slow, local=local), final_within=0.5)) == [TEXT]
    assert local.streams[0].seconds == pytest.approx(len(AUDIO) / 8000)


@virtual_time
async def test_the_first_one_has_the_word_if_it_understands_before_the_second() -> None:
    slow = ear(texts=["just in time"], result_delay=0.8, partials=False)
    slower = ear(texts=["too late"], result_delay=5, partials=False)
    assert finals(await heard(chain(acme=slow, local=slower), final_within=0.5)) == ["just in time"]
    assert len(slower.streams) == 1


@virtual_time
async def test_the_second_one_is_waited_for_when_the_first_understands_nothing_after_all() -> None:
    slow = ear(texts=[""], result_delay=0.8, partials=False)
    second = ear(texts=["it was this"], result_delay=1.0, partials=False)
    assert finals(await heard(chain(acme=slow, local=second), final_within=0.5)) == ["it was this"]


@virtual_time
async def test_a_recognizer_that_hangs_is_left_for_the_next() -> None:
    assert finals(await heard(chain(acme=ear(stall_listening=True), local=ear(echo=True)))) == [TEXT]


class _Unreachable:
    """Never opens a stream, or never keeps one open."""

    capabilities = RecognizerCapabilities()

    def __init__(self, *, stalls: bool) -> None:
        self._stalls = stalls
        self.left = 0

    @asynccontextmanager
    async def listen(self, settings: ListenSettings) -> AsyncIterator[RecognitionStream]:
        try:
            if self._stalls:
                await asyncio.get_running_loop().create_future()
            yield ClosesAtOnce()
        finally:
            self.left += 1


class ClosesAtOnce:
    """A stream that ends in order, but long before the turn does."""

    async def push(self, frame: Frame) -> None:
        pass

    async def finish(self) -> None:
        pass

    async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
        return
        yield


@virtual_time
@pytest.mark.parametrize("stalls", [True, False])
async def test_a_vendor_that_does_not_open_or_closes_at_once_costs_no_word(stalls: bool) -> None:
    acme, local = _Unreachable(stalls=stalls), ear(echo=True)
    troubles: list[VendorError] = []
    directory = SpeechDirectory({}, {"acme": acme, "local": local})
    assert finals(await heard(directory, on_trouble=troubles.append)) == [TEXT]
    assert local.streams[0].seconds == pytest.approx(len(AUDIO) / 8000)
    assert [error.reason for error in troubles] == ["its final is late" if stalls else "it stopped listening"]
    assert acme.left == 1


@virtual_time
async def test_a_vendor_that_does_not_open_is_left_before_the_turn_is_over() -> None:
    local = ear(echo=True)
    directory = SpeechDirectory({}, {"acme": _Unreachable(stalls=True), "local": local})
    troubles: list[VendorError] = []
    async with directory.listen(MENU, PCMU_8K, troubles.append) as stream, asyncio.TaskGroup() as group:
        reading = group.create_task(anext(stream.results()))
        for _ in range(150):
            await stream.push(Frame(PCMU_8K.silence(160), PCMU_8K))
            await asyncio.sleep(0.02)
        assert [error.reason for error in troubles] == ["no connection in time"]
        assert local.streams[0].seconds == pytest.approx(3.0, abs=0.05)
        reading.cancel()


@virtual_time
async def test_a_vendor_whose_own_model_ends_the_turn_may_stop_listening() -> None:
    class EndsTheTurn(ClosesAtOnce):
        async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
            yield Transcript(text="done", final=True, ends_turn=True)

    class Model(_Unreachable):
        @asynccontextmanager
        async def listen(self, settings: ListenSettings) -> AsyncIterator[RecognitionStream]:
            yield EndsTheTurn()

    local = ear(echo=True)
    directory = SpeechDirectory({}, {"acme": Model(stalls=False), "local": local})
    assert finals(await heard(directory)) == ["done"]
    assert local.streams == []


@virtual_time
async def test_leaving_in_the_middle_leaves_nothing_behind() -> None:
    slow, second = ear(stall_listening=True), ear(result_delay=50, texts=["x"], partials=False)
    async with chain(acme=slow, local=second).listen(MENU, PCMU_8K, final_within=0.1) as stream:
        for frame in FRAMES:
            await stream.push(frame)
        await stream.finish()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream.results()), 1)
    assert len(second.streams) == 1
    assert {task.get_name() for task in asyncio.all_tasks() if "ear of" in task.get_name()} == set()


@virtual_time
async def test_what_each_recognizer_was_given_is_in_the_books() -> None:
    uses: list[SpeechUsed] = []
    directory = chain(acme=ear(fail_listening_after=0.5, partials=False), local=ear(echo=True))
    await heard(directory, on_use=uses.append)
    assert [(use.part, use.vendor) for use in uses] == [("recognizer", "acme"), ("recognizer", "local")]
    assert uses[0].seconds == pytest.approx(0.5, abs=0.05)
    assert uses[1].seconds == pytest.approx(len(AUDIO) / 8000)


@virtual_time
async def test_words_after_a_final_are_not_lost_with_the_vendor() -> None:
    """Two sentences with a pause; the vendor breaks after the first one's final."""
    first, second = "the opening hours", "of the sales department"

    class BreaksLater(_Unreachable):
        @asynccontextmanager
        async def listen(self, settings: ListenSettings) -> AsyncIterator[RecognitionStream]:
            yield HearsOneSentence()

    class HearsOneSentence(ClosesAtOnce):
        def __init__(self) -> None:
            self._seconds = 0.0
            self._news: asyncio.Queue[Transcript | None] = asyncio.Queue()

        async def push(self, frame: Frame) -> None:
            before, self._seconds = self._seconds, self._seconds + frame.duration
            if before < length + 0.5 <= self._seconds:
                self._news.put_nowait(Transcript(text=first, final=True))
            if before < length + 1.5 <= self._seconds:
                self._news.put_nowait(None)

        async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
            while (result := await self._news.get()) is not None:
                yield result
            raise VendorUnavailable("closed", vendor="acme", operation="listen")

    length = len(spoken_pcm(first, 8000)) / 16000
    pcm = spoken_pcm(first, 8000) + bytes(16000) + spoken_pcm(second, 8000)
    data = g711.encode(pcm, PCMU_8K.encoding)
    local = ear(echo=True, texts=[second])
    directory = SpeechDirectory({}, {"acme": BreaksLater(stalls=False), "local": local})
    results: list[Transcript] = []

    async def read(stream: RecognitionStream) -> None:
        async for result in stream.results():
            assert isinstance(result, Transcript)
            results.append(result)

    async with directory.listen(MENU, PCMU_8K) as stream, asyncio.TaskGroup() as group:
        group.create_task(read(stream))
        for start in range(0, len(data), 160):
            await stream.push(Frame(data[start : start + 160], PCMU_8K, start))
            await asyncio.sleep(0.02)
        await stream.finish()
    assert finals(results) == [first, second]


@virtual_time
async def test_a_bug_in_an_adapter_costs_no_word_either() -> None:
    class Buggy(ClosesAtOnce):
        async def results(self) -> AsyncIterator[Transcript | SpeechHeard]:
            await asyncio.sleep(0.3)
            raise KeyError("results")
            yield

    class Adapter(_Unreachable):
        @asynccontextmanager
        async def listen(self, settings: ListenSettings) -> AsyncIterator[RecognitionStream]:
            yield Buggy()

    troubles: list[VendorError] = []
    directory = SpeechDirectory({}, {"acme": Adapter(stalls=False), "local": ear(echo=True)})
    assert finals(await heard(directory, on_trouble=troubles.append)) == [TEXT]
    assert [error.reason for error in troubles] == ["its adapter raised KeyError"]
