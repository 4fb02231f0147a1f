"""The emulated ElevenLabs, proved by the vendor's own client (elevenlabs 2.78) without our adapter.

The client speaks through the socket for one text; for the one of many contexts it has only the messages' types, which
must be able to read what the emulator says.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from elevenlabs import AsyncElevenLabs, ElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.realtime.connection import RealtimeEvents
from elevenlabs.realtime.scribe import AudioFormat, CommitStrategy
from elevenlabs.types import AudioOutputMulti, FinalOutputMulti
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from audio.codecs import g711
from audio.format import Encoding
from gateway.speech.scripted.signal import duration_of, resemblance
from tests.emulators.elevenlabs import KEY, VOICE
from tests.emulators.elevenlabs import ElevenLabs as Emulator
from tests.recordings import recording, transcripts

NAME = "agent-pass"
TEXT = "Good morning to you."
MODEL = "eleven_flash_v2_5"
TIMEOUT = 60
pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.recordings,
    pytest.mark.filterwarnings("ignore:ConnectionClosed:DeprecationWarning"),  # the client reads the old names
]


@asynccontextmanager
async def vendor() -> AsyncIterator[Emulator]:
    async with Emulator({transcripts("en")[NAME]: recording("en", NAME)}).serve() as office:
        yield office


@asynccontextmanager
async def client(office: Emulator, key: str = KEY) -> AsyncIterator[AsyncElevenLabs]:
    async with httpx.AsyncClient(timeout=TIMEOUT) as http:
        yield AsyncElevenLabs(api_key=key, base_url=office.url, httpx_client=http)


async def test_its_client_listens() -> None:
    committed: asyncio.Queue[dict[str, Any]] = asyncio.Queue(10)
    partials: list[str] = []
    audio = g711.encode(recording("en", NAME), Encoding.PCMU)
    async with vendor() as office, client(office) as sdk:
        connection = await sdk.speech_to_text.realtime.connect(
            {
                "model_id": "scribe_v2_realtime",
                "audio_format": AudioFormat.ULAW_8000,
                "sample_rate": 8000,
                "commit_strategy": CommitStrategy.MANUAL,
                "language_code": "en",
            }
        )
        connection.on(RealtimeEvents.PARTIAL_TRANSCRIPT, lambda data: partials.append(data["text"]))
        connection.on(RealtimeEvents.COMMITTED_TRANSCRIPT, committed.put_nowait)
        for start in range(0, len(audio), 800):
            await connection.send({"audio_base_64": base64.b64encode(audio[start : start + 800]).decode()})
        await connection.commit()
        async with asyncio.timeout(TIMEOUT):
            heard = await committed.get()
        await connection.close()
        assert bytes(office.requests[0].audio) == audio
    assert heard["text"] == transcripts("en")[NAME]
    assert partials


async def test_its_client_speaks_by_socket() -> None:
    async with vendor() as office:
        with httpx.Client() as http:
            sdk = ElevenLabs(api_key=KEY, base_url=office.url, httpx_client=http)
            speech = sdk.text_to_speech
            speech._ws_base_url = office.url  # it would insist on TLS

            def speak() -> bytes:
                pieces = speech.convert_realtime(VOICE, text=iter([TEXT]), model_id=MODEL, output_format="ulaw_8000")
                return b"".join(pieces)

            data = await asyncio.to_thread(speak)
    assert len(data) == round(duration_of(TEXT) * 8000)
    assert resemblance(g711.decode(data, Encoding.PCMU), TEXT, 8000) > 0.9


async def test_its_client_speaks_by_request() -> None:
    async with vendor() as office, client(office) as sdk:
        pieces = sdk.text_to_speech.stream(VOICE, text=TEXT, model_id=MODEL, output_format="pcm_16000")
        pcm = b"".join([piece async for piece in pieces])
    assert len(pcm) == 2 * round(duration_of(TEXT) * 16000)
    assert resemblance(pcm, TEXT, 16000) > 0.9


async def test_its_types_read_what_comes_for_a_context() -> None:
    address = f"/v1/text-to-speech/{VOICE}/multi-stream-input?model_id={MODEL}&output_format=ulaw_8000"
    async with vendor() as office:
        url = office.url.replace("http", "ws") + address
        async with connect(url, additional_headers={"xi-api-key": KEY}) as socket, asyncio.timeout(TIMEOUT):
            for message in (
                {"text": " ", "context_id": "c1"},
                {"text": f"{TEXT} ", "context_id": "c1", "flush": True},
                {"context_id": "c1", "close_context": True},
            ):
                await socket.send(json.dumps(message))
            pieces: list[AudioOutputMulti] = []
            while True:
                value = json.loads(await socket.recv())
                if value.get("isFinal"):
                    break
                pieces.append(AudioOutputMulti(**value))
            final = FinalOutputMulti(**value)
            await socket.send(json.dumps({"close_socket": True}))
            await socket.wait_closed()
    data = b"".join(base64.b64decode(piece.audio) for piece in pieces)
    assert resemblance(g711.decode(data, Encoding.PCMU), TEXT, 8000) > 0.9
    assert {piece.context_id for piece in pieces} == {"c1"} == {final.context_id}
    assert "".join("".join(piece.alignment.chars or ()) for piece in pieces if piece.alignment) == TEXT


async def test_its_client_lists_voices() -> None:
    async with vendor() as office, client(office) as sdk:
        found = await sdk.voices.get_all()
    assert [(voice.voice_id, voice.name) for voice in found.voices] == [(VOICE, "George")]


async def test_its_client_is_refused_without_the_key() -> None:
    async with vendor() as office, client(office, "wrong") as sdk:
        with pytest.raises(ApiError) as refused:
            [piece async for piece in sdk.text_to_speech.stream(VOICE, text=TEXT, output_format="ulaw_8000")]
        with pytest.raises(InvalidStatus):
            await sdk.speech_to_text.realtime.connect(
                {"model_id": "scribe_v2_realtime", "audio_format": AudioFormat.ULAW_8000, "sample_rate": 8000}
            )
    assert refused.value.status_code == 401
