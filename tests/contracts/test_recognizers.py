"""What every recognizer must do, whoever listens: the local one and the scripted one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest

from audio.codecs import g711
from audio.format import PCMA_8K, PCMU_8K, AudioFormat
from audio.frame import Frame
from gateway.events import Transcript
from gateway.speech.local.recognizer import LocalRecognizer
from gateway.speech.local.settings import LocalSpeechSection
from gateway.speech.scripted.client import ScriptedRecognizer
from gateway.speech.scripted.settings import ScriptedSpeechSection
from gateway.speech_interfaces import ListenSettings, RecognitionStream, Recognizer, SpeechHeard
from tests.recordings import recording, transcripts

Open = Callable[[], AbstractAsyncContextManager[Recognizer]]
NAMES = ("agent-pass", "auth-incorrect", "conf-getpin", "vm-goodbye")
FRAME = 160
TIMEOUT = 60.0


@asynccontextmanager
async def local() -> AsyncIterator[Recognizer]:
    recognizer = LocalRecognizer(LocalSpeechSection(listen_workers=1))
    try:
        yield recognizer
    finally:
        await recognizer.close()


@asynccontextmanager
async def scripted() -> AsyncIterator[Recognizer]:
    yield ScriptedRecognizer(ScriptedSpeechSection(texts=(spoken("agent-pass"), spoken("auth-incorrect"))))


every_recognizer = pytest.mark.parametrize(
    "open_recognizer", [pytest.param(local, marks=pytest.mark.workers), scripted], ids=["local", "scripted"]
)
pytestmark = pytest.mark.recordings


def spoken(name: str) -> str:
    return transcripts("en")[name]


def menu() -> ListenSettings:
    return ListenSettings(language="en-US", phrases=tuple(spoken(name) for name in NAMES), format=PCMU_8K)


def audio(name: str, format: AudioFormat = PCMU_8K) -> list[Frame]:
    data = g711.encode(recording("en", name), format.encoding)
    return [Frame(data[start : start + FRAME], format, start) for start in range(0, len(data), FRAME)]


def silence(seconds: float) -> list[Frame]:
    return [Frame(PCMU_8K.silence(FRAME), PCMU_8K, FRAME * index) for index in range(round(seconds * 50))]


async def hear(stream: RecognitionStream, frames: list[Frame]) -> list[Transcript | SpeechHeard]:
    """Push a whole turn while somebody reads the results, as a call does."""
    results: list[Transcript | SpeechHeard] = []

    async def read() -> None:
        async for result in stream.results():
            results.append(result)

    async with asyncio.timeout(TIMEOUT), asyncio.TaskGroup() as tasks:
        tasks.create_task(read())
        for frame in frames:
            await stream.push(frame)
        await stream.finish()
    return results


def finals(results: list[Transcript | SpeechHeard]) -> list[str]:
    return [result.text for result in results if isinstance(result, Transcript) and result.final]


@pytest.mark.asyncio
@every_recognizer
async def test_a_phrase_is_heard_and_then_the_results_end(open_recognizer: Open) -> None:
    async with open_recognizer() as recognizer, recognizer.listen(menu()) as stream:
        results = await hear(stream, audio("agent-pass"))
    assert finals(results) == [spoken("agent-pass")]
    assert isinstance(results[-1], Transcript)
    assert results[-1].final
    assert results[-1].confidence is None or 0 <= results[-1].confidence <= 1
    if not recognizer.capabilities.partials:
        assert len(results) == 1


@pytest.mark.asyncio
@every_recognizer
async def test_silence_is_no_text_and_no_error(open_recognizer: Open) -> None:
    async with open_recognizer() as recognizer, recognizer.listen(menu()) as stream:
        assert "".join(finals(await hear(stream, silence(1.0)))) == ""


@pytest.mark.asyncio
@every_recognizer
async def test_a_turn_without_any_audio_ends_too(open_recognizer: Open) -> None:
    async with open_recognizer() as recognizer, recognizer.listen(menu()) as stream:
        assert "".join(finals(await hear(stream, []))) == ""


@pytest.mark.asyncio
@every_recognizer
async def test_finishing_twice_and_pushing_afterwards_is_harmless(open_recognizer: Open) -> None:
    async with open_recognizer() as recognizer, recognizer.listen(menu()) as stream:
        results = await hear(stream, audio("agent-pass"))
        await stream.finish()
        await stream.push(audio("agent-pass")[0])
    assert finals(results) == [spoken("agent-pass")]


@pytest.mark.asyncio
@every_recognizer
async def test_results_that_nobody_reads_do_not_hold_up_the_audio(open_recognizer: Open) -> None:
    async with open_recognizer() as recognizer, recognizer.listen(menu()) as stream:
        async with asyncio.timeout(TIMEOUT):
            for frame in audio("agent-pass"):
                await stream.push(frame)
            await stream.finish()
            results = [result async for result in stream.results()]
    assert finals(results) == [spoken("agent-pass")]


@pytest.mark.asyncio
@every_recognizer
async def test_a_stream_can_be_left_at_any_moment(open_recognizer: Open) -> None:
    async with open_recognizer() as recognizer:
        for pushed in (0, 1, 40):
            async with recognizer.listen(menu()) as stream:
                for frame in audio("agent-pass")[:pushed]:
                    await stream.push(frame)
        async with recognizer.listen(menu()) as stream:
            assert len(finals(await hear(stream, audio("auth-incorrect")))) == 1


@pytest.mark.asyncio
@every_recognizer
async def test_streams_at_the_same_time_do_not_mix(open_recognizer: Open) -> None:
    names = ["agent-pass", "auth-incorrect"]
    async with (
        open_recognizer() as recognizer,
        recognizer.listen(menu()) as first,
        recognizer.listen(menu()) as second,
    ):
        readers = [asyncio.create_task(collected(stream)) for stream in (first, second)]
        recordings = [audio(name) for name in names]
        for index in range(max(map(len, recordings))):
            for stream, frames in zip((first, second), recordings, strict=True):
                if index < len(frames):
                    await stream.push(frames[index])
        await first.finish()
        await second.finish()
        async with asyncio.timeout(TIMEOUT):
            heard = [finals(await reader) for reader in readers]
    assert heard == [[spoken(name)] for name in names]


async def collected(stream: RecognitionStream) -> list[Transcript | SpeechHeard]:
    return [result async for result in stream.results()]


@pytest.mark.asyncio
@every_recognizer
async def test_another_encoding_of_the_line_makes_no_difference(open_recognizer: Open) -> None:
    async with open_recognizer() as recognizer:
        assert recognizer.capabilities.formats == () or PCMA_8K in recognizer.capabilities.formats
        async with recognizer.listen(replace(menu(), format=PCMA_8K)) as stream:
            assert finals(await hear(stream, audio("agent-pass", PCMA_8K))) == [spoken("agent-pass")]
