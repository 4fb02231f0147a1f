"""What Wyoming servers see of their connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.speech.wyoming.settings import WyomingSpeechSection
from gateway.speech.wyoming.vendor import WyomingSpeech
from tests.contracts import speech_connections as connections
from tests.contracts.speech_connections import EarCheck, EarLine, VoiceLine
from tests.emulators.wyoming import WyomingEmulator

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def ear(*, goes_on: bool = True) -> AsyncIterator[EarLine]:
    emulator = WyomingEmulator(connections.KNOWN)
    emulator.goes_on = goes_on
    async with emulator.serve() as address:
        vendor = WyomingSpeech("house", WyomingSpeechSection(listen_url=address))
        assert vendor.recognizer is not None
        yield EarLine(
            vendor.recognizer,
            lambda: emulator.connections,
            emulator.arrived.is_set,
            break_all=emulator.break_all,
            close=vendor.close,
        )
        await vendor.close()


@asynccontextmanager
async def voice() -> AsyncIterator[VoiceLine]:
    emulator = WyomingEmulator()
    emulator.stall_after = 8192
    async with emulator.serve() as address:
        vendor = WyomingSpeech("house", WyomingSpeechSection(speak_url=address))
        assert vendor.synthesizer is not None
        yield VoiceLine(vendor.synthesizer, lambda: emulator.connections)


@connections.every((connections.a_turn_that_is_left_is_closed_at_once, *connections.WARM_CHECKS))
async def test_its_connections_keep_it(check: EarCheck) -> None:
    await check(ear)


async def test_a_server_that_hangs_up_after_a_turn_is_called_again() -> None:
    async with ear(goes_on=False) as line:
        for _ in range(2):
            await line.turn_is_heard()
        assert len(line.seen()) == 2


async def test_a_voice_that_is_left_knows_it_at_once() -> None:
    await connections.speech_that_is_left_is_closed_at_once(voice)
