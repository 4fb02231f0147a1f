"""What the vendor behind LiveKit's plug-in sees of its connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.contracts import speech_connections as connections
from tests.contracts.speech_connections import EarLine, VoiceLine
from tests.emulators.deepgram import Deepgram
from tests.speech.livekit.test_contract import started

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def ear() -> AsyncIterator[EarLine]:
    emulator = Deepgram(connections.KNOWN)
    async with started(emulator, speaks=False) as vendor:
        assert vendor.recognizer is not None
        yield EarLine(
            vendor.recognizer, lambda: emulator.requests, lambda: any(request.audio for request in emulator.requests)
        )


@asynccontextmanager
async def voice() -> AsyncIterator[VoiceLine]:
    emulator = Deepgram()
    emulator.faults.stall_after = 24_000
    async with started(emulator, listens=False) as vendor:
        assert vendor.synthesizer is not None
        yield VoiceLine(vendor.synthesizer, lambda: emulator.requests)


async def test_a_turn_that_is_left_is_closed_at_once() -> None:
    await connections.a_turn_that_is_left_is_closed_at_once(ear)


async def test_a_voice_that_is_left_knows_it_at_once() -> None:
    await connections.speech_that_is_left_is_closed_at_once(voice)
