"""What OpenAI's voice is asked, and what becomes of a server that misbehaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from audio.format import AudioFormat, Encoding
from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.kit.http import HttpClient
from gateway.speech.openai.settings import OpenAiSpeechSection
from gateway.speech.openai.synthesizer import OpenAiSynthesizer
from gateway.speech.scripted.signal import spoken_pcm
from gateway.speech_interfaces import Utterance
from gateway.tuning import Prosody
from tests.emulators.openai_speech import KEY, OpenAiEmulator, wav_header

LONG = Utterance(text="A text that is long enough to be cut off in the middle of it.")


@asynccontextmanager
async def speaking(
    emulator: OpenAiEmulator, *, key: str = KEY, rate: int = 24000, timeout: float = 10
) -> AsyncIterator[OpenAiSynthesizer]:
    async with emulator.serve() as base, HttpClient() as http:
        settings = OpenAiSpeechSection(url=base, api_key=SecretStr(key), speak_rate=rate, timeout=timeout)
        yield OpenAiSynthesizer("openai", settings, http)


async def said(synthesizer: OpenAiSynthesizer, utterance: Utterance) -> bytes:
    return b"".join([spoken.frame.data async for spoken in synthesizer.speak(utterance)])


@pytest.mark.asyncio
async def test_it_is_asked_in_the_words_of_the_api() -> None:
    emulator = OpenAiEmulator()
    utterance = Utterance(
        text="Bonjour.", voice="marin", prosody=Prosody(rate=1.2), options={"openaiOptions": {"instructions": "Calm."}}
    )
    async with speaking(emulator) as synthesizer:
        assert await said(synthesizer, utterance) == spoken_pcm("Bonjour.", 24000)
    assert emulator.requests[0].body == {
        "model": "gpt-4o-mini-tts",
        "input": "Bonjour.",
        "voice": "marin",
        "response_format": "pcm",
        "instructions": "Calm.",
        "speed": 1.2,
    }
    assert emulator.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.asyncio
@pytest.mark.parametrize("piece", [1, 7, 4801])
async def test_pieces_of_odd_sizes_lose_nothing(piece: int) -> None:
    emulator = OpenAiEmulator()
    emulator.piece = piece
    async with speaking(emulator) as synthesizer:
        assert await said(synthesizer, Utterance(text="Yes.")) == spoken_pcm("Yes.", 24000)


@pytest.mark.asyncio
async def test_a_server_that_answers_with_a_file_is_understood() -> None:
    emulator = OpenAiEmulator()
    emulator.lead, emulator.content_type, emulator.rate, emulator.piece = wav_header(16000), "audio/wav", 16000, 11
    async with speaking(emulator, rate=16000) as synthesizer:
        assert synthesizer.capabilities.formats == (AudioFormat(Encoding.L16, 16000),)
        assert await said(synthesizer, Utterance(text="Yes.")) == spoken_pcm("Yes.", 16000)


def refuses(status: int) -> Callable[[OpenAiEmulator], None]:
    return lambda emulator: setattr(emulator, "status", status)


def sends(content_type: str, lead: bytes = b"") -> Callable[[OpenAiEmulator], None]:
    def change(emulator: OpenAiEmulator) -> None:
        emulator.content_type, emulator.lead = content_type, lead

    return change


def breaks(size: int) -> Callable[[OpenAiEmulator], None]:
    return lambda emulator: setattr(emulator, "break_after", size)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "error", "reason"),
    [
        (refuses(400), VendorRejected, "status 400"),
        (refuses(429), VendorUnavailable, "too many requests"),
        (refuses(503), VendorUnavailable, "status 503"),
        (sends("application/json"), VendorReplyInvalid, "no sound"),
        (sends("text/html"), VendorReplyInvalid, "no sound"),
        (sends("audio/mpeg"), VendorReplyInvalid, "audio/mpeg"),
        (sends("audio/pcm; rate=8000"), VendorReplyInvalid, "8000 Hz"),
        (sends("audio/wav", wav_header(16000)), VendorReplyInvalid, "16000 Hz"),
        (sends("audio/pcm", b"\0"), VendorReplyInvalid, "middle of a sample"),
        (breaks(0), VendorReplyInvalid, "no sound"),
        (breaks(9000), VendorUnavailable, "broke"),
    ],
)
async def test_a_server_that_misbehaves_is_an_error(
    fault: Callable[[OpenAiEmulator], None], error: type[VendorError], reason: str
) -> None:
    emulator = OpenAiEmulator()
    fault(emulator)
    async with speaking(emulator) as synthesizer:
        with pytest.raises(error, match=reason):
            await said(synthesizer, LONG)


@pytest.mark.asyncio
async def test_a_wrong_key_is_refused_and_told_to_nobody() -> None:
    async with speaking(OpenAiEmulator(), key="sk-secret") as synthesizer:
        with pytest.raises(VendorRejected) as refusal:
            await said(synthesizer, LONG)
    assert refusal.value.status == 401
    assert refusal.value.request_id == "req_emulated"
    assert "sk-secret" not in str(refusal.value)


@pytest.mark.asyncio
async def test_a_server_that_falls_silent_is_not_waited_for() -> None:
    emulator = OpenAiEmulator()
    emulator.stall_after = 9600
    async with speaking(emulator, timeout=0.05) as synthesizer:
        with pytest.raises(VendorUnavailable, match="in time"):
            await said(synthesizer, LONG)


@pytest.mark.asyncio
async def test_sentences_in_a_row_share_a_connection() -> None:
    emulator = OpenAiEmulator()
    async with speaking(emulator) as synthesizer:
        for text in ("One.", "Two."):
            assert await said(synthesizer, Utterance(text=text)) == spoken_pcm(text, 24000)
    assert [request.finished for request in emulator.requests] == [True, True]
