"""The emulator is honest: the protocol's own client (wyoming 1.10) speaks to it, without our adapter."""

from __future__ import annotations

import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize, SynthesizeVoice

from gateway.speech.scripted.signal import spoken_pcm
from tests.emulators.wyoming import WyomingEmulator
from tests.recordings import recording, transcripts

NAME = "agent-pass"
FORMAT = {"rate": 8000, "width": 2, "channels": 1}


@pytest.mark.asyncio
async def test_the_client_gets_speech() -> None:
    emulator = WyomingEmulator()
    async with emulator.serve() as address, AsyncClient.from_uri(address, read_timeout=30) as client:
        voice = SynthesizeVoice(name="en_GB-alba-medium", speaker="2")
        await client.write_event(Synthesize(text="Hello.", voice=voice).event())
        sound = b""
        while (event := await client.read_event()) is not None and not AudioStop.is_type(event.type):
            sound += AudioChunk.from_event(event).audio if AudioChunk.is_type(event.type) else b""
    assert sound == spoken_pcm("Hello.", 22050)
    assert emulator.connections[0].asked == {
        "text": "Hello.",
        "voice": {"name": "en_GB-alba-medium", "speaker": "2"},
    }


@pytest.mark.asyncio
@pytest.mark.recordings
async def test_the_client_gets_a_transcript() -> None:
    text, pcm = transcripts("en")[NAME], recording("en", NAME)
    async with (
        WyomingEmulator({text: pcm}).serve() as address,
        AsyncClient.from_uri(address, read_timeout=30) as client,
    ):
        await client.write_event(Transcribe(language="en").event())
        await client.write_event(AudioStart(**FORMAT).event())
        for start in range(0, len(pcm), 1600):
            await client.write_event(AudioChunk(audio=pcm[start : start + 1600], **FORMAT).event())
        await client.write_event(AudioStop().event())
        event = await client.read_event()
    assert event is not None
    assert Transcript.from_event(event) == Transcript(text=text, language="en")


@pytest.mark.asyncio
async def test_the_client_learns_what_there_is() -> None:
    async with WyomingEmulator().serve() as address, AsyncClient.from_uri(address, read_timeout=30) as client:
        await client.write_event(Describe().event())
        event = await client.read_event()
    assert event is not None
    info = Info.from_event(event)
    assert info.tts[0].voices[0].name == "en_GB-alba-medium"
    assert info.asr[0].models[0].languages == ["en"]
