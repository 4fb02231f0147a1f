"""The local ear through its real workers: what it is asked, what it survives, and what it leaves unheard."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from structlog.testing import capture_logs

from audio.codecs import g711
from audio.format import L16_16K, PCMA_8K, PCMU_8K, Encoding, MediaError
from audio.frame import Frame
from gateway.errors import VendorUnavailable
from gateway.events import Transcript
from gateway.speech.local.process import PROJECT
from gateway.speech.local.recognizer import LocalRecognizer
from gateway.speech.local.settings import LocalSpeechSection
from gateway.speech.local.wire import Kind
from gateway.speech_interfaces import ListenSettings, RecognitionStream
from tests.recordings import recording, transcripts

pytestmark = pytest.mark.workers
needs_recordings = pytest.mark.recordings
SAID = "agent-pass"


@asynccontextmanager
async def local(workers: int = 1, **settings: object) -> AsyncIterator[LocalRecognizer]:
    recognizer = LocalRecognizer(LocalSpeechSection(listen_workers=workers, **settings))
    try:
        yield recognizer
    finally:
        await recognizer.close()


def question() -> ListenSettings:
    texts = transcripts("en")
    return ListenSettings(language="en-US", hints=(texts[SAID], texts["auth-incorrect"], texts["vm-goodbye"]))


def audio(name: str = SAID) -> list[Frame]:
    data = g711.encode(recording("en", name), Encoding.PCMU)
    return [Frame(data[start : start + 160], PCMU_8K, start) for start in range(0, len(data), 160)]


async def collected(stream: RecognitionStream) -> list[Transcript]:
    async with asyncio.timeout(60):
        return [result async for result in stream.results() if isinstance(result, Transcript)]


def finals(results: list[Transcript]) -> list[str]:
    return [result.text for result in results if result.final]


@needs_recordings
@pytest.mark.asyncio
async def test_a_call_goes_on_when_the_worker_dies_in_the_middle_of_a_turn() -> None:
    async with local() as recognizer, recognizer.listen(question()) as stream:
        await recognizer.start()
        frames = audio()
        for frame in frames[: len(frames) // 2]:
            await stream.push(frame)
        os.kill(recognizer.pool.pids[0], signal.SIGKILL)
        for frame in frames[len(frames) // 2 :]:
            await stream.push(frame)
        await stream.finish()
        assert finals(await collected(stream)) == [transcripts("en")[SAID]]


@needs_recordings
@pytest.mark.asyncio
async def test_a_call_goes_on_when_the_worker_dies_after_the_turn_has_ended() -> None:
    async with local() as recognizer:
        await recognizer.start()
        async with recognizer.listen(question()) as stream:
            pid = recognizer.pool.pids[0]
            with stopped(pid):
                for frame in audio():
                    await stream.push(frame)
                await stream.finish()
                os.kill(pid, signal.SIGKILL)
            assert finals(await collected(stream)) == [transcripts("en")[SAID]]


@needs_recordings
@pytest.mark.asyncio
async def test_a_call_goes_on_when_the_worker_hangs() -> None:
    async with local(hang_after=3.0) as recognizer:
        await recognizer.start()
        async with recognizer.listen(question()) as stream:
            with stopped(recognizer.pool.pids[0]):
                for frame in audio():
                    await stream.push(frame)
                await stream.finish()
                assert finals(await collected(stream)) == [transcripts("en")[SAID]]


@needs_recordings
@pytest.mark.asyncio
async def test_digits_are_heard_as_words_that_follow_each_other() -> None:
    async with local() as recognizer, recognizer.listen(ListenSettings(language="en-US", kind="digits")) as stream:
        for frame in [*audio("digits/4"), *audio("digits/9"), *audio("digits/4")]:
            await stream.push(frame)
        await stream.finish()
        (text,) = finals(await collected(stream))
    assert set(text.split()) <= {"four", "nine", "oh", "eight"}
    assert text.split()[0] == "four"


@needs_recordings
@pytest.mark.asyncio
async def test_what_seemed_to_be_said_is_taken_back_when_it_is_rejected() -> None:
    """A partial may never stand as the answer when there is no final."""
    async with local(rejection=0.0) as recognizer:
        texts = transcripts("en")
        settings = ListenSettings(language="en-US", phrases=(texts["vm-goodbye"], texts["activated"]))
        async with recognizer.listen(settings) as stream:
            reader = asyncio.create_task(collected(stream))
            for frame in [*audio("vm-goodbye"), *audio("agent-user")]:
                await stream.push(frame)
                await asyncio.sleep(0)
            await stream.finish()
            results = await reader
    assert finals(results) == []
    assert [result.text for result in results][-1:] in ([], [""])


@pytest.mark.asyncio
async def test_a_free_question_without_hints_is_not_heard_and_said_so_once() -> None:
    async with local() as recognizer:
        with capture_logs() as logs:
            for _ in range(2):
                async with recognizer.listen(ListenSettings(kind="free")) as stream:
                    await stream.push(Frame(PCMU_8K.silence(160), PCMU_8K))
                    await stream.finish()
                    assert await collected(stream) == []
        assert [entry["event"] for entry in logs if "dictation" in entry["event"]] == [
            "the local recognizer takes no dictation: a question without hints cannot be heard"
        ]
        assert recognizer.pool.jobs == 0
    assert recognizer.capabilities.needs_hints


@pytest.mark.asyncio
async def test_hints_that_cannot_be_pronounced_are_no_text_and_no_error() -> None:
    async with local() as recognizer, recognizer.listen(ListenSettings(hints=("!?", "…"))) as stream:
        await stream.push(Frame(PCMU_8K.silence(1600), PCMU_8K))
        await stream.finish()
        assert await collected(stream) == []


@pytest.mark.asyncio
async def test_audio_it_does_not_take_is_refused() -> None:
    async with local() as recognizer, recognizer.listen(ListenSettings(hints=("yes",))) as stream:
        with pytest.raises(MediaError):
            await stream.push(Frame(L16_16K.silence(160), L16_16K))
        await stream.push(Frame(PCMU_8K.silence(160), PCMU_8K))
        with pytest.raises(MediaError):
            await stream.push(Frame(PCMA_8K.silence(160), PCMA_8K))


@pytest.mark.asyncio
async def test_too_many_callers_are_refused_when_the_stream_is_opened() -> None:
    async with local(max_streams=1) as recognizer, recognizer.listen(ListenSettings(hints=("yes",))):
        with pytest.raises(VendorUnavailable, match="too much"):
            async with recognizer.listen(ListenSettings(hints=("yes",))):
                pass


@pytest.mark.asyncio
async def test_the_audio_kept_of_a_turn_is_bounded() -> None:
    async with local() as recognizer, recognizer.listen(ListenSettings(hints=("yes",), max_length=1.0)) as stream:
        for index in range(100):
            await stream.push(Frame(PCMU_8K.silence(8000), PCMU_8K, 8000 * index))
        told = sum(len(body) for kind, body in stream.opening() if kind is Kind.AUDIO_IN)
        assert 8000 < told < 20 * 8000


def test_the_gateways_process_never_loads_the_engines() -> None:
    """Neither is imported by what the gateway imports: espeak-ng's licence and pocketsphinx's lock stay outside."""
    script = (
        "import sys, gateway.speech.directory, gateway.speech.local.recognizer, gateway.speech.local.synthesizer\n"
        "print([name for name in ('espeakng_loader', 'pocketsphinx', 'gateway.speech.local.espeak',"
        " 'gateway.speech.local.decoding') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True, cwd=PROJECT
    )
    assert done.stdout.strip() == "[]"


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process stands still meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        if pid_exists(pid):
            os.kill(pid, signal.SIGCONT)


def pid_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
