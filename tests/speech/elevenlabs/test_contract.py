"""ElevenLabs' adapter keeps both contracts, against the emulated vendor; with a key, against the real one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.speech_interfaces import Recognizer, Synthesizer
from tests.contracts import test_recognizers as hearing
from tests.contracts import test_synthesizers as speaking
from tests.fakes.elevenlabs_speech import emulated, plugin

LIVE_KEY = os.environ.get("ELEVENLABS_API_KEY", "")
needs_key = pytest.mark.skipif(not LIVE_KEY, reason="ELEVENLABS_API_KEY is not set")


@asynccontextmanager
async def scribe() -> AsyncIterator[Recognizer]:
    async with emulated(*hearing.NAMES) as (vendor, _):
        yield vendor.recognizer


@asynccontextmanager
async def multi() -> AsyncIterator[Synthesizer]:
    async with emulated() as (vendor, _):
        yield vendor.synthesizer


@asynccontextmanager
async def single() -> AsyncIterator[Synthesizer]:
    async with emulated(synthesis="single") as (vendor, _):
        yield vendor.synthesizer


@asynccontextmanager
async def by_request() -> AsyncIterator[Synthesizer]:
    async with emulated(synthesis="http") as (vendor, _):
        yield vendor.synthesizer


@pytest.mark.asyncio
@pytest.mark.recordings
@hearing.every(hearing.CHECKS)
async def test_it_listens_as_every_recognizer(check: hearing.Check) -> None:
    await check(scribe)


@pytest.mark.asyncio
@pytest.mark.parametrize("open_synthesizer", [multi, single, by_request])
@speaking.every(speaking.CHECKS)
async def test_it_speaks_as_every_synthesizer(check: speaking.Check, open_synthesizer: speaking.Open) -> None:
    await check(open_synthesizer)


@asynccontextmanager
async def live_recognizer() -> AsyncIterator[Recognizer]:
    async with plugin(api_key=LIVE_KEY) as vendor:
        yield vendor.recognizer


@asynccontextmanager
async def live_synthesizer() -> AsyncIterator[Synthesizer]:
    async with plugin(api_key=LIVE_KEY) as vendor:
        yield vendor.synthesizer


@pytest.mark.live
@needs_key
@pytest.mark.asyncio
@pytest.mark.recordings
@hearing.every(hearing.REAL_CHECKS)
async def test_the_real_one_listens(check: hearing.Check) -> None:
    await check(live_recognizer)


@pytest.mark.live
@needs_key
@pytest.mark.asyncio
@speaking.every(speaking.CHECKS)
async def test_the_real_one_speaks(check: speaking.Check) -> None:
    await check(live_synthesizer)
