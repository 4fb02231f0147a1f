"""How OpenAI's ears take a turn, and what becomes of a server that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from pydantic import SecretStr

from audio.codecs import convert
from audio.format import L16_8K, PCMU_8K, AudioFormat
from audio.frame import Frame
from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.http import HttpClient
from gateway.speech.openai.settings import Mode, OpenAiSpeechSection
from gateway.speech.openai.vendor import OpenAiSpeech
from gateway.speech.scripted.signal import spoken_pcm
from gateway.speech_interfaces import ListenSettings, RecognitionStream, Recognizer, SpeechHeard
from gateway.tuning import Tuning
from tests.contracts.test_recognizers import texts
from tests.emulators.openai_speech import KEY, OpenAiEmulator

WORDS = "Good morning to all of you."
SETTINGS = ListenSettings(vendor="openai", language="en-GB")
UPLOAD, REALTIME = replace(SETTINGS, format=L16_8K), replace(SETTINGS, format=PCMU_8K)
Results = list[Transcript | SpeechHeard]


def emulated() -> OpenAiEmulator:
    return OpenAiEmulator({WORDS: spoken_pcm(WORDS, 8000)})


@asynccontextmanager
async def listening(
    emulator: OpenAiEmulator, mode: Mode, *, key: str = KEY, model: str | None = None, timeout: float = 10
) -> AsyncIterator[Recognizer]:
    async with emulator.serve() as base, HttpClient() as http:
        section = OpenAiSpeechSection(url=base, api_key=SecretStr(key), mode=mode, listen_model=model, timeout=timeout)
        yield OpenAiSpeech("openai", section, http).recognizer


def frames(format: AudioFormat, pcm: bytes) -> list[Frame]:
    data = convert(pcm, L16_8K, format)
    size = format.size(0.1)
    return [Frame(data[start : start + size], format, format.samples(start)) for start in range(0, len(data), size)]


async def heard(stream: RecognitionStream, format: AudioFormat, pcm: bytes | None = None) -> Results:
    for frame in frames(format, spoken_pcm(WORDS, 8000) if pcm is None else pcm):
        await stream.push(frame)
    await stream.finish()
    return await rest(stream)


async def rest(stream: RecognitionStream) -> Results:
    async with asyncio.timeout(30):
        return [result async for result in stream.results()]


@pytest.mark.asyncio
async def test_an_upload_tells_the_model_what_to_expect() -> None:
    emulator = emulated()
    settings = replace(UPLOAD, hints=("Talkpath", "Müller"), tuning=Tuning(alt_languages=("fr-FR",)))
    async with listening(emulator, "upload") as recognizer, recognizer.listen(settings) as stream:
        assert texts(await heard(stream, L16_8K)) == [(WORDS, True)]
    assert emulator.requests[0].body == {
        "response_format": ["json"],
        "model": ["gpt-transcribe"],
        "languages[]": ["en", "fr"],
        "keywords[]": ["Talkpath", "Müller"],
    }
    assert bytes(emulator.requests[0].audio) == spoken_pcm(WORDS, 8000)


@pytest.mark.asyncio
async def test_a_turn_without_sound_uploads_nothing() -> None:
    emulator = emulated()
    async with listening(emulator, "upload") as recognizer, recognizer.listen(UPLOAD) as stream:
        assert await heard(stream, L16_8K, bytes(800)) == []
    assert emulator.requests == []


@pytest.mark.asyncio
async def test_a_live_model_writes_while_the_caller_speaks() -> None:
    emulator = emulated()
    async with (
        listening(emulator, "realtime") as recognizer,
        recognizer.listen(REALTIME) as stream,
        asyncio.timeout(30),
    ):
        for frame in frames(PCMU_8K, spoken_pcm(WORDS, 8000)):
            await stream.push(frame)
        assert await anext(aiter(stream.results())) == Transcript(text="Good", final=False)
        await stream.finish()
        assert texts(await rest(stream)) == [(WORDS, False), (WORDS, True)]
    assert len(emulator.requests[0].audio) == len(spoken_pcm(WORDS, 8000)) // 2


@pytest.mark.asyncio
async def test_partials_that_nobody_wants_are_kept_back() -> None:
    settings = replace(REALTIME, tuning=Tuning(interim=False))
    async with listening(emulated(), "realtime") as recognizer, recognizer.listen(settings) as stream:
        assert texts(await heard(stream, PCMU_8K)) == [(WORDS, True)]


@pytest.mark.asyncio
async def test_a_vendor_that_ends_turns_says_so_and_finals_add_up() -> None:
    settings = replace(REALTIME, end_silence=0.5, tuning=Tuning(endpointing="vendor"))
    twice = spoken_pcm(WORDS, 8000) + bytes(16000)
    emulator = emulated()
    async with (
        listening(emulator, "realtime", model="gpt-4o-transcribe") as recognizer,
        recognizer.listen(settings) as stream,
    ):
        for frame in frames(PCMU_8K, twice * 2):
            await stream.push(frame)
        reading = aiter(stream.results())
        async with asyncio.timeout(30):
            results = [await anext(reading) for _ in range(6)]
        await stream.finish()
        results += await rest(stream)
    finals = [result for result in results if isinstance(result, Transcript)]
    assert [(final.text, final.ends_turn) for final in finals] == [(WORDS, True)] * 2
    assert [result.started for result in results if isinstance(result, SpeechHeard)] == [True, False] * 2
    assert not any(message["type"] == "input_audio_buffer.commit" for message in emulator.requests[0].messages)


@pytest.mark.asyncio
async def test_what_is_still_being_said_at_the_end_is_committed() -> None:
    settings = replace(REALTIME, options={"turn_detection": "server_vad"})
    async with (
        listening(emulated(), "realtime", model="gpt-4o-transcribe") as recognizer,
        recognizer.listen(settings) as stream,
    ):
        results = await heard(stream, PCMU_8K)
    assert texts(results) == [(WORDS, True)]
    assert not any(result.ends_turn for result in results if isinstance(result, Transcript))


@pytest.mark.asyncio
async def test_an_empty_final_and_a_late_interim_are_no_words() -> None:
    emulator = emulated()
    emulator.script, emulator.late = [], True
    async with listening(emulator, "realtime") as recognizer, recognizer.listen(REALTIME) as stream:
        assert [text for text, final in texts(await heard(stream, PCMU_8K)) if final] == []


Fault = Callable[[OpenAiEmulator], None]


def given(**attributes: object) -> Fault:
    def change(emulator: OpenAiEmulator) -> None:
        for name, value in attributes.items():
            setattr(emulator, name, value)

    return change


INVALID = {"type": "invalid_request_error", "code": "invalid_value", "message": "no"}
BROKEN = {"type": "server_error", "code": None, "message": f"cannot hear {WORDS}"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("mode", "fault", "error", "reason"),
    [
        ("upload", given(status=429), VendorUnavailable, "too many"),
        ("upload", given(status=500), VendorUnavailable, "500"),
        ("upload", given(status=400), VendorRejected, "400"),
        ("upload", given(garbage="<html>"), VendorReplyInvalid, "no JSON"),
        ("upload", given(garbage="{}"), VendorReplyInvalid, "no text"),
        ("realtime", given(status=429), VendorUnavailable, "429"),
        ("realtime", given(status=403), VendorRejected, "403"),
        ("realtime", given(garbage="hello"), VendorReplyInvalid, "no JSON"),
        ("realtime", given(garbage="[]"), VendorReplyInvalid, "no object"),
        ("realtime", given(error=INVALID), VendorRejected, "invalid_value"),
        ("realtime", given(error=BROKEN), VendorUnavailable, "server_error"),
        ("realtime", given(break_after=4000), VendorUnavailable, "1011"),
    ],
)
async def test_a_server_that_misbehaves_is_an_error(
    mode: Mode, fault: Fault, error: type[VendorError], reason: str
) -> None:
    emulator = emulated()
    fault(emulator)
    settings = UPLOAD if mode == "upload" else REALTIME
    assert settings.format is not None
    async with listening(emulator, mode) as recognizer, recognizer.listen(settings) as stream:
        with pytest.raises(error, match=reason) as raised:
            await heard(stream, settings.format)
    assert WORDS not in str(raised.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["upload", "realtime"])
async def test_a_wrong_key_is_refused(mode: Mode) -> None:
    settings = UPLOAD if mode == "upload" else REALTIME
    assert settings.format is not None
    async with listening(emulated(), mode, key="sk-secret") as recognizer, recognizer.listen(settings) as stream:
        with pytest.raises(VendorRejected) as refusal:
            await heard(stream, settings.format)
    assert refusal.value.status == 401
    assert "sk-secret" not in str(refusal.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["upload", "realtime"])
async def test_a_final_that_does_not_come_is_not_waited_for(mode: Mode) -> None:
    emulator = emulated()
    emulator.stall_after = 100
    settings = UPLOAD if mode == "upload" else REALTIME
    assert settings.format is not None
    async with listening(emulator, mode, timeout=0.2) as recognizer, recognizer.listen(settings) as stream:
        with pytest.raises(VendorUnavailable, match="in time"):
            await heard(stream, settings.format)
