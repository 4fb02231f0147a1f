"""What every recognizer must do, whoever listens; the local and the scripted one do it here.

A vendor's adapter does it in ``tests/speech/VENDOR/test_contract.py``, against its emulator, which hears by resemblance
which of `NAMES` was said (`tests.fakes.resembling`): an asynchronous context manager that yields the recognizer goes
through each of `CHECKS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest

from audio.format import L16_8K, PCMA_8K, PCMU_8K, AudioFormat
from audio.frame import Frame
from gateway.errors import VendorError
from gateway.events import Transcript
from gateway.speech.convert import Converter, nearest
from gateway.speech.local.recognizer import LocalRecognizer
from gateway.speech.local.settings import LocalSpeechSection
from gateway.speech.scripted.client import ScriptedRecognizer
from gateway.speech.scripted.settings import ScriptedSpeechSection
from gateway.speech_interfaces import ListenSettings, RecognitionStream, Recognizer, SpeechHeard
from tests.recordings import recording, transcripts

Open = Callable[[], AbstractAsyncContextManager[Recognizer]]
Check = Callable[[Open], Awaitable[None]]
NAMES = ("agent-pass", "auth-incorrect", "conf-getpin", "vm-goodbye")
FRAME = 0.02
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


pytestmark = pytest.mark.recordings


def spoken(name: str) -> str:
    return transcripts("en")[name]


def menu(recognizer: Recognizer) -> ListenSettings:
    phrases = tuple(spoken(name) for name in NAMES)
    return ListenSettings(language="en-US", phrases=phrases, format=nearest(PCMU_8K, recognizer.capabilities.formats))


def line(recognizer: Recognizer) -> AudioFormat | None:
    return menu(recognizer).format


def audio(name: str, format: AudioFormat | None) -> list[Frame]:
    """A recording as a line of this format brings it."""
    return framed(recording("en", name), format or PCMU_8K)


def silence(seconds: float, format: AudioFormat | None) -> list[Frame]:
    return framed(bytes(round(seconds * L16_8K.rate) * 2), format or PCMU_8K)


def framed(pcm: bytes, format: AudioFormat) -> list[Frame]:
    converter = Converter(format)
    whole = Frame(pcm, L16_8K)
    data = converter.convert(whole).data + converter.flush().data
    size = format.size(FRAME)
    return [Frame(data[start : start + size], format, format.samples(start)) for start in range(0, len(data), size)]


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


async def heard(stream: RecognitionStream, frames: list[Frame]) -> list[Transcript | SpeechHeard]:
    """As `hear`, but read after everything was pushed; an error comes as it is."""
    async with asyncio.timeout(TIMEOUT):
        for frame in frames:
            await stream.push(frame)
        await stream.finish()
        return [result async for result in stream.results()]


def finals(results: list[Transcript | SpeechHeard]) -> list[str]:
    return [result.text for result in results if isinstance(result, Transcript) and result.final]


def texts(results: list[Transcript | SpeechHeard]) -> list[tuple[str, bool]]:
    """What was heard, and whether it was final."""
    return [(result.text, result.final) for result in results if isinstance(result, Transcript)]


async def failure(stream: RecognitionStream) -> VendorError:
    """What the results end with."""
    try:
        async with asyncio.timeout(TIMEOUT):
            results = [result async for result in stream.results()]
    except VendorError as error:
        return error
    pytest.fail(f"there was no error after {results}")


async def a_phrase_is_heard_and_then_the_results_end(open_recognizer: Open) -> None:
    async with open_recognizer() as recognizer, recognizer.listen(menu(recognizer)) as stream:
        results = await hear(stream, audio("agent-pass", line(recognizer)))
    assert finals(results) == [spoken("agent-pass")]
    transcripts = [result for result in results if isinstance(result, Transcript)]
    assert transcripts[-1].final
    assert transcripts[-1].confidence is None or 0 <= transcripts[-1].confidence <= 1
    if not recognizer.capabilities.partials:
        assert len(transcripts) == 1


async def silence_is_no_text_and_no_error(open_recognizer: Open) -> None:
    async with open_recognizer() as recognizer, recognizer.listen(menu(recognizer)) as stream:
        assert "".join(finals(await hear(stream, silence(1.0, line(recognizer))))) == ""


async def a_turn_without_any_audio_ends_too(open_recognizer: Open) -> None:
    async with open_recognizer() as recognizer, recognizer.listen(menu(recognizer)) as stream:
        assert "".join(finals(await hear(stream, []))) == ""


async def finishing_twice_and_pushing_afterwards_is_harmless(open_recognizer: Open) -> None:
    async with open_recognizer() as recognizer, recognizer.listen(menu(recognizer)) as stream:
        results = await hear(stream, audio("agent-pass", line(recognizer)))
        await stream.finish()
        await stream.push(audio("agent-pass", line(recognizer))[0])
    assert finals(results) == [spoken("agent-pass")]


async def results_that_nobody_reads_do_not_hold_up_the_audio(open_recognizer: Open) -> None:
    async with open_recognizer() as recognizer, recognizer.listen(menu(recognizer)) as stream:
        async with asyncio.timeout(TIMEOUT):
            for frame in audio("agent-pass", line(recognizer)):
                await stream.push(frame)
            await stream.finish()
            results = [result async for result in stream.results()]
    assert finals(results) == [spoken("agent-pass")]


async def a_stream_can_be_left_at_any_moment(open_recognizer: Open) -> None:
    async with open_recognizer() as recognizer:
        for pushed in (0, 1, 40):
            async with recognizer.listen(menu(recognizer)) as stream:
                for frame in audio("agent-pass", line(recognizer))[:pushed]:
                    await stream.push(frame)
        async with recognizer.listen(menu(recognizer)) as stream:
            assert len(finals(await hear(stream, audio("auth-incorrect", line(recognizer))))) == 1


async def streams_at_the_same_time_do_not_mix(open_recognizer: Open) -> None:
    names = ["agent-pass", "auth-incorrect"]
    async with (
        open_recognizer() as recognizer,
        recognizer.listen(menu(recognizer)) as first,
        recognizer.listen(menu(recognizer)) as second,
    ):
        readers = [asyncio.create_task(collected(stream)) for stream in (first, second)]
        recordings = [audio(name, line(recognizer)) for name in names]
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


async def every_format_it_takes_is_heard(open_recognizer: Open) -> None:
    async with open_recognizer() as recognizer:
        formats = recognizer.capabilities.formats or (PCMU_8K, PCMA_8K, L16_8K)
    for format in formats:
        async with (
            open_recognizer() as recognizer,
            recognizer.listen(replace(menu(recognizer), format=format)) as stream,
        ):
            assert finals(await hear(stream, audio("agent-pass", format))) == [spoken("agent-pass")]


async def most_words_are_heard(recognizer: Recognizer) -> None:
    """What a real one, whose spelling is its own, can keep of `a_phrase_is_heard_and_then_the_results_end`."""
    async with recognizer.listen(menu(recognizer)) as stream:
        results = await hear(stream, audio("agent-pass", line(recognizer)))
    heard = set(" ".join(finals(results)).lower().replace(".", "").split())
    wanted = set(spoken("agent-pass").lower().replace(".", "").split())
    assert len(heard & wanted) > len(wanted) / 2


CHECKS = (
    a_phrase_is_heard_and_then_the_results_end,
    silence_is_no_text_and_no_error,
    a_turn_without_any_audio_ends_too,
    finishing_twice_and_pushing_afterwards_is_harmless,
    results_that_nobody_reads_do_not_hold_up_the_audio,
    a_stream_can_be_left_at_any_moment,
    streams_at_the_same_time_do_not_mix,
    every_format_it_takes_is_heard,
)


REAL_CHECKS = (
    silence_is_no_text_and_no_error,
    a_turn_without_any_audio_ends_too,
    a_stream_can_be_left_at_any_moment,
)
"""Those that a real one can keep, whose words need not be ours to the letter."""


def known() -> dict[str, bytes]:
    """What an emulated recognizer has to know: L16 at 8 kHz, by what is said in it."""
    return {spoken(name): recording("en", name) for name in NAMES}


def every(checks: Sequence[Check]) -> pytest.MarkDecorator:
    """A test of each of them, by its name, as ``check``."""
    return pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)


@pytest.mark.asyncio
@pytest.mark.parametrize("open_recognizer", [pytest.param(local, marks=pytest.mark.workers), scripted])
@every(CHECKS)
async def test_ours_keep_it(check: Check, open_recognizer: Open) -> None:
    await check(open_recognizer)
