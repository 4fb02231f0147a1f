"""What an engine of one's own sees of its connections."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
from pydantic import SecretStr

from gateway.kit.http import HttpClient
from gateway.speech.custom.settings import CustomSpeechSection
from gateway.speech.custom.vendor import CustomSpeech
from tests.contracts import speech_connections as connections
from tests.contracts.speech_connections import EarCheck, EarLine, VoiceLine
from tests.emulators.custom_speech import KEY, CustomEmulator

pytestmark = pytest.mark.asyncio


def held(emulator: CustomEmulator) -> Callable[[], None]:
    emulator.opened.clear()
    return emulator.opened.set


@asynccontextmanager
async def plugged(emulator: CustomEmulator) -> AsyncIterator[CustomSpeech]:
    async with emulator.serve() as base, HttpClient() as http:
        vendor = CustomSpeech("house", CustomSpeechSection(url=base, api_key=SecretStr(KEY)), http)
        yield vendor
        await vendor.close()


@asynccontextmanager
async def ear(*, goes_on: bool = True) -> AsyncIterator[EarLine]:
    emulator = CustomEmulator()
    emulator.known, emulator.goes_on = connections.KNOWN, goes_on
    async with plugged(emulator) as vendor:
        assert vendor.recognizer is not None
        yield EarLine(
            vendor.recognizer,
            lambda: emulator.requests,
            emulator.arrived.is_set,
            break_all=emulator.break_all,
            hold=partial(held, emulator),
            close=vendor.close,
        )


@asynccontextmanager
async def voice() -> AsyncIterator[VoiceLine]:
    emulator = CustomEmulator()
    emulator.stall_after = 3200
    async with plugged(emulator) as vendor:
        assert vendor.synthesizer is not None
        yield VoiceLine(vendor.synthesizer, lambda: emulator.requests)


@connections.every((*connections.COLD_CHECKS, *connections.WARM_CHECKS))
async def test_its_connections_keep_it(check: EarCheck) -> None:
    await check(ear)


async def test_an_engine_that_hangs_up_after_a_turn_is_called_again() -> None:
    async with ear(goes_on=False) as line:
        for _ in range(2):
            await line.turn_is_heard()
        assert [seen.closed_at is None for seen in line.seen()] == [False, False]


async def test_a_voice_that_is_left_knows_it_at_once() -> None:
    await connections.speech_that_is_left_is_closed_at_once(voice)
