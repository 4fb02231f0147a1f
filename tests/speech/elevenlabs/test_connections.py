"""What ElevenLabs sees of its connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest

from tests.contracts import speech_connections as connections
from tests.contracts.speech_connections import EarCheck, EarLine
from tests.emulators.elevenlabs import ElevenLabs
from tests.fakes.elevenlabs_speech import emulated

pytestmark = pytest.mark.asyncio


def held(office: ElevenLabs) -> Callable[[], None]:
    office.faults.hold_handshake = asyncio.Event()
    return office.faults.hold_handshake.set


@asynccontextmanager
async def ear() -> AsyncIterator[EarLine]:
    async with emulated() as (vendor, office):
        office.known = connections.KNOWN
        yield EarLine(
            vendor.recognizer,
            lambda: office.requests,
            lambda: any(request.audio for request in office.requests),
            break_all=office.break_all,
            hold=partial(held, office),
            close=vendor.close,
        )


@connections.every((*connections.COLD_CHECKS, *connections.WARM_CHECKS))
async def test_its_connections_keep_it(check: EarCheck) -> None:
    await check(ear)
