"""The emulator is honest: OpenAI's own client (3.52) speaks to it, without our adapter."""

from __future__ import annotations

import base64
import io

import pytest
from openai import APIStatusError, AsyncOpenAI, AuthenticationError, RateLimitError

from audio.codecs import convert
from audio.format import L16_8K, PCMU_8K
from audio.wav import header
from gateway.speech.scripted.signal import spoken_pcm
from tests.emulators.openai_speech import KEY, OpenAiEmulator
from tests.recordings import recording, transcripts

NAME = "agent-pass"


def client(base: str, key: str = KEY) -> AsyncOpenAI:
    return AsyncOpenAI(api_key=key, base_url=base, max_retries=0)


@pytest.mark.asyncio
async def test_the_client_gets_speech_as_raw_samples() -> None:
    async with OpenAiEmulator().serve() as base, client(base) as openai:
        request = openai.audio.speech.with_streaming_response.create(
            model="gpt-4o-mini-tts", voice="alloy", input="Hello.", response_format="pcm"
        )
        async with request as answer:
            pcm = b"".join([piece async for piece in answer.iter_bytes()])
    assert pcm == spoken_pcm("Hello.", 24000)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("key", "status", "error"), [("sk-wrong", None, AuthenticationError), (KEY, 429, RateLimitError)]
)
async def test_the_client_knows_its_refusals(key: str, status: int | None, error: type[APIStatusError]) -> None:
    emulator = OpenAiEmulator()
    emulator.status = status
    async with emulator.serve() as base, client(base, key) as openai:
        with pytest.raises(error):
            await openai.audio.speech.create(model="tts-1", voice="alloy", input="Hello.", response_format="pcm")


@pytest.mark.asyncio
@pytest.mark.recordings
async def test_the_client_gets_a_transcription() -> None:
    text = transcripts("en")[NAME]
    pcm = recording("en", NAME)
    emulator = OpenAiEmulator({text: pcm})
    async with emulator.serve() as base, client(base) as openai:
        answer = await openai.audio.transcriptions.create(
            model="gpt-transcribe",
            file=("turn.wav", io.BytesIO(header(len(pcm), 8000, 1) + pcm)),
            languages=["en", "fr"],
            keywords=["Billing", "Müller"],
        )
    assert answer.text == text
    fields = emulator.requests[0].body
    assert fields["languages[]"] == ["en", "fr"]
    assert fields["keywords[]"] == ["Billing", "Müller"]


@pytest.mark.asyncio
@pytest.mark.recordings
async def test_the_client_holds_a_realtime_transcription_session() -> None:
    text = transcripts("en")[NAME]
    pcm = recording("en", NAME)
    emulator = OpenAiEmulator({text: pcm})
    sound = convert(pcm, L16_8K, PCMU_8K)
    async with (
        emulator.serve() as base,
        client(base) as openai,
        openai.realtime.connect(extra_query={"intent": "transcription"}) as session,
    ):
        await session.session.update(
            session={
                "type": "transcription",
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcmu"},
                        "transcription": {"model": "gpt-live-transcribe", "languages": ["en"]},
                        "turn_detection": None,
                    }
                },
            }
        )
        for start in range(0, len(sound), 800):
            await session.input_audio_buffer.append(audio=base64.b64encode(sound[start : start + 800]).decode())
        await session.input_audio_buffer.commit()
        kinds, deltas = [], ""
        while (event := await session.recv()).type != "conversation.item.input_audio_transcription.completed":
            kinds.append(event.type)
            if event.type == "conversation.item.input_audio_transcription.delta":
                deltas += event.delta or ""
    assert event.transcript == deltas == text
    assert kinds[:2] == ["session.created", "session.updated"]
    assert "input_audio_buffer.committed" in kinds
    assert bytes(emulator.requests[0].audio) == sound
