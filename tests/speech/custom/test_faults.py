"""What becomes of an engine that breaks its contract; and that leaving it is noticed at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from pydantic import SecretStr

from audio.format import L16_8K
from audio.frame import Frame
from audio.wav import header
from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.http import HttpClient
from gateway.speech.custom.settings import CustomSpeechSection
from gateway.speech.custom.vendor import CustomSpeech
from gateway.speech_interfaces import ListenSettings, RecognitionStream, SpeechHeard, Utterance
from gateway.tuning import Tuning
from tests.emulators.custom_speech import KEY, CustomEmulator

HELLO = Utterance(text="Hello.")
SETTINGS = ListenSettings(vendor="house", format=L16_8K)
FRAMES = [Frame(b"\x10\x20" * 800, L16_8K, 800 * i) for i in range(10)]
Fault = Callable[[CustomEmulator], None]
Results = list[Transcript | SpeechHeard]


def transcription(text: str, *, final: bool = True, **more: object) -> str:
    alternatives = [{"transcript": text, "confidence": 0.5}]
    return json.dumps({"type": "transcription", "is_final": final, "alternatives": alternatives, **more})


@asynccontextmanager
async def engine(
    emulator: CustomEmulator, *, key: str = KEY, timeout: float = 10, ends_turns: bool = False
) -> AsyncIterator[CustomSpeech]:
    async with emulator.serve() as base, HttpClient() as http:
        section = CustomSpeechSection(url=base, api_key=SecretStr(key), timeout=timeout, ends_turns=ends_turns)
        yield CustomSpeech("house", section, http)


def voice(vendor: CustomSpeech) -> AsyncIterator[object]:
    assert vendor.synthesizer is not None
    return vendor.synthesizer.speak(HELLO)


@asynccontextmanager
async def listening(vendor: CustomSpeech, settings: ListenSettings = SETTINGS) -> AsyncIterator[RecognitionStream]:
    assert vendor.recognizer is not None
    async with vendor.recognizer.listen(settings) as stream:
        for frame in FRAMES:
            await stream.push(frame)
        yield stream


async def rest(stream: RecognitionStream) -> Results:
    await stream.finish()
    async with asyncio.timeout(30):
        return [result async for result in stream.results()]


def given(**attributes: object) -> Fault:
    def change(emulator: CustomEmulator) -> None:
        for name, value in attributes.items():
            setattr(emulator, name, value)

    return change


# --- speaking --------------------------------------------------------------------------------------------------------
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "error", "reason"),
    [
        (given(status=429), VendorUnavailable, "too many"),
        (given(status=502), VendorUnavailable, "502"),
        (given(status=422), VendorRejected, "422"),
        (given(content_type="audio/mpeg"), VendorReplyInvalid, "audio/mpeg"),
        (given(content_type="application/json"), VendorReplyInvalid, "no sound"),
        (given(content_type="audio/l16;rate=44100"), VendorReplyInvalid, "44100"),
        (given(content_type="audio/wav", sound=header(99, 8000, 2) + bytes(99)), VendorReplyInvalid, "2 channels"),
        (given(sound=b""), VendorReplyInvalid, "no sound"),
        (given(sound=b"\1\2\3\4\5"), VendorReplyInvalid, "middle"),
        (given(break_after=5000), VendorUnavailable, "broke"),
    ],
)
async def test_speech_that_breaks_the_contract_is_an_error(fault: Fault, error: type[VendorError], reason: str) -> None:
    emulator = CustomEmulator()
    fault(emulator)
    async with engine(emulator) as vendor:
        with pytest.raises(error, match=reason):
            assert [piece async for piece in voice(vendor)]


@pytest.mark.asyncio
async def test_a_voice_that_falls_silent_is_not_waited_for() -> None:
    emulator = CustomEmulator()
    emulator.stall_after = 3200
    async with engine(emulator, timeout=0.05) as vendor:
        with pytest.raises(VendorUnavailable, match="in time"):
            assert [piece async for piece in voice(vendor)]


# --- listening -------------------------------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_a_turn_is_told_as_it_comes() -> None:
    emulator = CustomEmulator()
    emulator.during = (
        (1600, json.dumps({"type": "speech", "started": True, "at": 0.1})),
        (3200, transcription("good", final=False)),
        (6400, transcription("good day", language="en-GB")),
        (8000, transcription("", final=True)),
        (9600, transcription("late", final=False)),
        (11200, json.dumps({"type": "news from a later version"})),
    )
    emulator.answers = [transcription("to you.")]
    async with engine(emulator) as vendor, listening(vendor) as stream:
        results = await rest(stream)
    assert results == [
        SpeechHeard(started=True, at=0.1),
        Transcript(text="good", final=False, confidence=0.5),
        Transcript(text="good day", final=True, confidence=0.5, language="en-GB"),
        Transcript(text="late", final=False, confidence=0.5),
        Transcript(text="to you.", final=True, confidence=0.5),
    ]
    assert len(emulator.requests[0].audio) == 16000
    assert [message["type"] for message in emulator.requests[0].messages] == ["start", "stop"]


@pytest.mark.asyncio
@pytest.mark.parametrize(("endpointing", "ends"), [("vendor", True), ("gateway", False)])
async def test_an_engine_ends_a_turn_only_where_it_may(endpointing: str, ends: bool) -> None:
    emulator = CustomEmulator()
    emulator.answers = [transcription("yes", ends_turn=True)]
    settings = replace(SETTINGS, tuning=Tuning(endpointing=endpointing))  # type: ignore[arg-type]  # one of the two
    async with engine(emulator, ends_turns=True) as vendor, listening(vendor, settings) as stream:
        assert [result.ends_turn for result in await rest(stream) if isinstance(result, Transcript)] == [ends]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "error", "reason"),
    [
        (given(status=429), VendorUnavailable, "429"),
        (given(status=500), VendorUnavailable, "500"),
        (given(status=403), VendorRejected, "403"),
        (given(answers=["hello"]), VendorReplyInvalid, "no JSON"),
        (given(answers=["[]"]), VendorReplyInvalid, "no object"),
        (given(answers=['{"type": "transcription"}']), VendorReplyInvalid, "no alternatives"),
        (given(answers=['{"type": "transcription", "alternatives": [1]}']), VendorReplyInvalid, "no transcript"),
        (given(answers=['{"type": "error", "error": "no  free\\nslot"}']), VendorUnavailable, "no free slot"),
        (given(answers=['{"type": "error", "retryable": false}']), VendorRejected, "an error"),
        (given(break_after=4000), VendorUnavailable, "1011"),
    ],
)
async def test_an_ear_that_breaks_the_contract_is_an_error(fault: Fault, error: type[VendorError], reason: str) -> None:
    emulator = CustomEmulator()
    fault(emulator)
    async with engine(emulator) as vendor, listening(vendor) as stream:
        with pytest.raises(error, match=reason):
            await rest(stream)


@pytest.mark.asyncio
async def test_what_an_engine_says_of_a_sensitive_turn_is_not_repeated() -> None:
    emulator = CustomEmulator()
    emulator.answers = ['{"type": "error", "error": "cannot understand 1234"}']
    async with engine(emulator) as vendor, listening(vendor, replace(SETTINGS, sensitive=True)) as stream:
        with pytest.raises(VendorUnavailable) as error:
            await rest(stream)
    assert "1234" not in str(error.value)
    assert emulator.requests[0].messages[0]["sensitive"] is True


@pytest.mark.asyncio
@pytest.mark.parametrize("answers", [None, [transcription("yes")]])
async def test_an_end_that_does_not_come_is_not_waited_for(answers: list[str] | None) -> None:
    emulator = CustomEmulator()
    emulator.answers, emulator.hangs_up = answers, False
    async with engine(emulator, timeout=0.2) as vendor, listening(vendor) as stream:
        with pytest.raises(VendorUnavailable, match="in time"):
            await rest(stream)
