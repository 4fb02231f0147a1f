"""The emulated Deepgram, proved by the vendor's own client (deepgram-sdk 7.17) without our adapter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment

from audio.codecs import g711
from audio.format import Encoding
from gateway.speech.scripted.signal import duration_of, resemblance
from tests.emulators.deepgram import KEY, Deepgram
from tests.recordings import recording, transcripts

NAME = "agent-pass"
PIECE = 800
TIMEOUT = 60
pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.recordings,
    pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning"),  # the client uses the old names
]


@asynccontextmanager
async def vendor() -> AsyncIterator[Deepgram]:
    async with Deepgram({transcripts("en")[NAME]: recording("en", NAME)}).serve() as office:
        yield office


@asynccontextmanager
async def client(office: Deepgram, key: str = KEY) -> AsyncIterator[AsyncDeepgramClient]:
    url = office.url
    sockets = url.replace("http", "ws")
    environment = DeepgramClientEnvironment(base=url, production=sockets, agent=sockets, agent_rest=url)
    async with httpx.AsyncClient(timeout=TIMEOUT) as http:
        yield AsyncDeepgramClient(api_key=key, environment=environment, httpx_client=http)


def audio() -> bytes:
    return g711.encode(recording("en", NAME), Encoding.PCMU)


async def until(socket: Any, kind: str, **wanted: Any) -> list[Any]:
    """Messages up to one of a kind, with fields as wanted."""
    found = []
    async with asyncio.timeout(TIMEOUT):
        while True:
            found.append(await socket.recv())
            last = found[-1]
            if getattr(last, "type", None) == kind and all(
                getattr(last, key) == value for key, value in wanted.items()
            ):
                return found


async def test_its_client_listens_by_nova() -> None:
    async with vendor() as office, client(office) as sdk:
        listening = sdk.listen.v1.connect(
            model="nova-3",
            language="en",
            encoding="mulaw",
            sample_rate=8000,
            interim_results=True,
            vad_events=True,
            endpointing=300,
        )
        async with listening as socket:
            for start in range(0, len(audio()), PIECE):
                await socket.send_media(audio()[start : start + PIECE])
            await socket.send_keep_alive()
            await socket.send_finalize()
            results = [each for each in await until(socket, "Results", from_finalize=True) if each.type == "Results"]
            await socket.send_close_stream()
            metadata = (await until(socket, "Metadata"))[-1]
    text = " ".join(result.channel.alternatives[0].transcript for result in results if result.is_final)
    assert transcripts("en")[NAME] in text
    assert metadata.duration == pytest.approx(len(audio()) / 8000)
    request = office.requests[0]
    assert bytes(request.audio) == audio()
    assert request.kinds() == ["KeepAlive", "Finalize", "CloseStream"]


async def test_its_client_listens_by_flux() -> None:
    async with vendor() as office, client(office) as sdk:
        listening = sdk.listen.v2.connect(
            model="flux-general-en", encoding="mulaw", sample_rate=8000, eot_threshold=1.0
        )
        async with listening as socket:
            assert (await socket.recv()).type == "Connected"
            await socket.send_media(audio())
            await socket.send_force_end_turn()
            heard = await until(socket, "TurnInfo", event="EndOfTurn")
    assert heard[0].event == "StartOfTurn"
    assert heard[-1].trigger == "manual"
    assert heard[-1].transcript == transcripts("en")[NAME]


async def test_its_client_speaks_by_request() -> None:
    async with vendor() as office, client(office) as sdk:
        speaking = sdk.speak.v1.audio.generate(
            text="Good morning", model="aura-2-thalia-en", encoding="mulaw", sample_rate=8000, container="none"
        )
        data = b"".join([piece async for piece in speaking])
    assert len(data) == round(duration_of("Good morning") * 8000)
    assert resemblance(g711.decode(data, Encoding.PCMU), "Good morning", 8000) > 0.9


async def test_its_client_speaks_by_socket() -> None:
    async with vendor() as office, client(office) as sdk:
        speaking = sdk.speak.v1.connect(model="aura-2-thalia-en", encoding="linear16", sample_rate="16000")
        async with speaking as socket:
            await socket.send_text(_text("Good morning"))
            await socket.send_flush()
            received = await until(socket, "Flushed")
            await socket.send_close()
    pcm = b"".join(piece for piece in received if isinstance(piece, bytes))
    assert received[0].model_name == "aura-2-thalia-en"
    assert np.frombuffer(pcm, "<i2").size == round(duration_of("Good morning") * 16000)
    assert resemblance(pcm, "Good morning", 16000) > 0.9


async def test_its_client_lists_voices() -> None:
    async with vendor() as office, client(office) as sdk:
        models = await sdk.manage.v1.models.list()
    assert models.tts is not None
    assert [model.canonical_name for model in models.tts] == ["aura-2-thalia-en"]


async def test_its_client_is_refused_without_the_key() -> None:
    async with vendor() as office, client(office, "wrong") as sdk:
        listening = sdk.listen.v1.connect(model="nova-3", language="en", encoding="mulaw", sample_rate=8000)
        with pytest.raises(ApiError) as refused:
            async with listening:
                pytest.fail("it was let in")
    assert refused.value.status_code == 401


async def test_its_client_is_told_of_a_wrong_query() -> None:
    async with vendor() as office, client(office) as sdk:
        listening = sdk.listen.v1.connect(
            model="nova-2", language="en", encoding="mulaw", sample_rate=8000, keyterm="pound key"
        )
        with pytest.raises(ApiError) as refused:
            async with listening:
                pytest.fail("it was let in")
    assert refused.value.status_code == 400


def _text(text: str) -> Any:
    from deepgram.speak.v1.types import SpeakV1Text

    return SpeakV1Text(text=text)
