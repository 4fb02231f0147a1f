"""The Wyoming adapter keeps what every recognizer and synthesizer must, against the protocol's own server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.speech.wyoming.settings import WyomingSpeechSection
from gateway.speech.wyoming.vendor import WyomingSpeech
from gateway.speech_interfaces import Recognizer, Synthesizer
from tests.contracts import test_recognizers as recognizers
from tests.contracts import test_synthesizers as synthesizers
from tests.emulators.wyoming import WyomingEmulator


def opened(*, streams: bool) -> recognizers.Open:
    @asynccontextmanager
    async def recognizer() -> AsyncIterator[Recognizer]:
        emulator = WyomingEmulator(recognizers.known())
        emulator.streams = streams
        async with emulator.serve() as address:
            found = WyomingSpeech("house", WyomingSpeechSection(listen_url=address, partials=streams)).recognizer
            assert found is not None
            yield found

    return recognizer


@asynccontextmanager
async def synthesizer() -> AsyncIterator[Synthesizer]:
    async with WyomingEmulator().serve() as address:
        found = WyomingSpeech("house", WyomingSpeechSection(speak_url=address)).synthesizer
        assert found is not None
        yield found


@pytest.mark.asyncio
@pytest.mark.recordings
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streams"])
@recognizers.every(recognizers.CHECKS)
async def test_its_recognizer_keeps_it(check: recognizers.Check, streams: bool) -> None:
    await check(opened(streams=streams))


@pytest.mark.asyncio
@synthesizers.every(synthesizers.CHECKS)
async def test_its_synthesizer_keeps_it(check: synthesizers.Check) -> None:
    await check(synthesizer)
