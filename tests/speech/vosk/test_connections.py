"""What a Vosk server sees of its connections."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest

from gateway.speech.vosk.settings import VoskSpeechSection
from gateway.speech.vosk.vendor import VoskSpeech
from tests.contracts import speech_connections as connections
from tests.contracts.speech_connections import EarCheck, EarLine
from tests.emulators.vosk import VoskEmulator
from tests.fakes.virtual_loop import virtual_time


def held(emulator: VoskEmulator) -> Callable[[], None]:
    emulator.opened.clear()
    return emulator.opened.set


@asynccontextmanager
async def ear(*, resets: bool = True, is_in_cpp: bool = False) -> AsyncIterator[EarLine]:
    emulator = VoskEmulator(connections.KNOWN)
    emulator.is_in_cpp = is_in_cpp
    async with emulator.serve() as address:
        vendor = VoskSpeech("vosk", VoskSpeechSection(url=address, resets=resets))
        yield EarLine(
            vendor.recognizer,
            lambda: emulator.connections,
            emulator.arrived.is_set,
            break_all=emulator.break_all,
            hold=partial(held, emulator),
            close=vendor.close,
            spelt=lambda text: text.lower().rstrip("."),
        )
        await vendor.close()


@pytest.mark.asyncio
@connections.every((*connections.COLD_CHECKS, *connections.WARM_CHECKS))
async def test_its_connections_keep_it(check: EarCheck) -> None:
    await check(ear)


@pytest.mark.parametrize(("resets", "is_in_cpp"), [(False, False), (True, True)])
@virtual_time
async def test_a_server_that_cannot_reset_hears_one_turn_on_a_connection(resets: bool, is_in_cpp: bool) -> None:
    async with ear(resets=resets, is_in_cpp=is_in_cpp) as line:
        for _ in range(2):
            await line.turn_is_heard()
        assert [seen.closed_at is None for seen in line.seen()] == [False, False]
