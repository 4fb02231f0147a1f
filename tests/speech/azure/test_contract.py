"""Azure's adapter keeps what every recognizer and synthesizer must, against the emulator; with a key, the real one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from gateway.kit.http import HttpClient
from gateway.speech.azure.settings import AzureSpeechSection
from gateway.speech.azure.vendor import AzureSpeech
from gateway.speech_interfaces import Recognizer, Synthesizer
from tests.contracts import test_recognizers as recognizers
from tests.contracts import test_synthesizers as synthesizers
from tests.emulators.azure_speech import AzureEmulator
from tests.fakes.azure_speech import azure
from tests.fakes.started import started

LIVE_KEY, LIVE_REGION = os.environ.get("AZURE_SPEECH_KEY", ""), os.environ.get("AZURE_SPEECH_REGION", "")
needs_key = pytest.mark.skipif(
    not (LIVE_KEY and LIVE_REGION), reason="AZURE_SPEECH_KEY and AZURE_SPEECH_REGION are not set"
)


@asynccontextmanager
async def recognizer() -> AsyncIterator[Recognizer]:
    known = recognizers.known()
    async with azure(AzureEmulator(known=known)) as vendor:
        yield vendor.recognizer


@asynccontextmanager
async def synthesizer() -> AsyncIterator[Synthesizer]:
    async with azure(AzureEmulator()) as vendor:
        yield vendor.synthesizer


@asynccontextmanager
async def live() -> AsyncIterator[AzureSpeech]:
    async with HttpClient() as http:
        section = AzureSpeechSection(api_key=SecretStr(LIVE_KEY), region=LIVE_REGION)
        async with started(AzureSpeech("azure", section, http)) as vendor:
            yield vendor


@asynccontextmanager
async def live_synthesizer() -> AsyncIterator[Synthesizer]:
    async with live() as vendor:
        yield vendor.synthesizer


@pytest.mark.asyncio
@pytest.mark.recordings
@recognizers.every(recognizers.CHECKS)
async def test_its_recognizer_keeps_it(check: recognizers.Check) -> None:
    await check(recognizer)


@pytest.mark.asyncio
@synthesizers.every(synthesizers.CHECKS)
async def test_its_synthesizer_keeps_it(check: synthesizers.Check) -> None:
    await check(synthesizer)


@pytest.mark.asyncio
@pytest.mark.live
@needs_key
@synthesizers.every(synthesizers.CHECKS)
async def test_the_real_synthesizer_keeps_it(check: synthesizers.Check) -> None:
    await check(live_synthesizer)


@pytest.mark.asyncio
@pytest.mark.live
@pytest.mark.recordings
@needs_key
async def test_the_real_recognizer_hears_a_recording() -> None:
    async with live() as vendor:
        await recognizers.most_words_are_heard(vendor.recognizer)
