"""ElevenLabs' plug-in in front of its emulator, as tests of it need it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.kit.http import HttpClient
from gateway.speech.elevenlabs.settings import ElevenLabsSpeechSection
from gateway.speech.elevenlabs.vendor import ElevenLabsSpeech
from tests.emulators.elevenlabs import KEY, ElevenLabs
from tests.fakes.started import started
from tests.recordings import recording, transcripts


@asynccontextmanager
async def plugin(**settings: Any) -> AsyncIterator[ElevenLabsSpeech]:
    async with (
        HttpClient() as http,
        started(ElevenLabsSpeech("elevenlabs", ElevenLabsSpeechSection(**settings), http)) as vendor,
    ):
        yield vendor


@asynccontextmanager
async def emulated(*names: str, **settings: Any) -> AsyncIterator[tuple[ElevenLabsSpeech, ElevenLabs]]:
    """The plug-in and the emulator, which knows the English recordings of these names."""
    known = {transcripts("en")[name]: recording("en", name) for name in names}
    async with (
        ElevenLabs(known).serve() as office,
        plugin(**{"api_key": KEY, "url": office.url, **settings}) as vendor,
    ):
        yield vendor, office
