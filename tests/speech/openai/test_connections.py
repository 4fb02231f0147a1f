"""What OpenAI sees of its connections."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
from pydantic import SecretStr

from gateway.kit.http import HttpClient
from gateway.speech.openai.settings import Mode, OpenAiSpeechSection
from gateway.speech.openai.vendor import OpenAiSpeech
from tests.contracts import speech_connections as connections
from tests.contracts.speech_connections import EarCheck, EarLine, VoiceLine
from tests.emulators.openai_speech import KEY, OpenAiEmulator

pytestmark = pytest.mark.asyncio


def held(emulator: OpenAiEmulator) -> Callable[[], None]:
    emulator.opened.clear()
    return emulator.opened.set


@asynccontextmanager
async def plugged(emulator: OpenAiEmulator, mode: Mode) -> AsyncIterator[OpenAiSpeech]:
    async with emulator.serve() as base, HttpClient() as http:
        vendor = OpenAiSpeech("openai", OpenAiSpeechSection(url=base, api_key=SecretStr(KEY), mode=mode), http)
        yield vendor
        await vendor.close()


@asynccontextmanager
async def session(*, late: bool = False) -> AsyncIterator[EarLine]:
    emulator = OpenAiEmulator(connections.KNOWN)
    emulator.late = late
    async with plugged(emulator, "realtime") as vendor:
        yield EarLine(
            vendor.recognizer,
            lambda: emulator.requests,
            emulator.arrived.is_set,
            break_all=emulator.break_all,
            hold=partial(held, emulator),
            close=vendor.close,
        )


@asynccontextmanager
async def upload() -> AsyncIterator[EarLine]:
    emulator = OpenAiEmulator(connections.KNOWN)
    emulator.stall_after = 0
    async with plugged(emulator, "upload") as vendor:
        yield EarLine(vendor.recognizer, lambda: emulator.requests, emulator.arrived.is_set, finishes=True)


@asynccontextmanager
async def voice() -> AsyncIterator[VoiceLine]:
    emulator = OpenAiEmulator()
    emulator.stall_after = 9600
    async with plugged(emulator, "upload") as vendor:
        yield VoiceLine(vendor.synthesizer, lambda: emulator.requests)


async def test_an_upload_that_is_left_is_closed_at_once() -> None:
    await connections.a_turn_that_is_left_is_closed_at_once(upload)


@connections.every((*connections.COLD_CHECKS, *connections.WARM_CHECKS))
async def test_its_sessions_keep_it(check: EarCheck) -> None:
    await check(session)


async def test_what_comes_late_is_not_heard_in_the_next_turn() -> None:
    async with session(late=True) as line:
        for _ in range(3):
            await line.turn_is_heard()
        assert len(line.seen()) == 1


async def test_a_voice_that_is_left_knows_it_at_once() -> None:
    await connections.speech_that_is_left_is_closed_at_once(voice)
