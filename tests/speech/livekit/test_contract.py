"""A vendor behind LiveKit's plug-in keeps what every vendor must: Deepgram's plug-in against the emulated Deepgram."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import livekit.plugins.deepgram  # noqa: F401  here, because importing it takes a loop's whole patience
import pytest
from pydantic import SecretStr

from gateway.speech.livekit.settings import LivekitSpeechSection
from gateway.speech.livekit.vendor import LivekitSpeech
from gateway.speech_interfaces import Recognizer, Synthesizer
from tests.contracts import test_recognizers as recognizers
from tests.contracts import test_synthesizers as synthesizers
from tests.emulators.deepgram import KEY, Deepgram
from tests.fakes.started import started as ready
from tests.fakes.virtual_loop import virtual_time


@asynccontextmanager
async def started(emulator: Deepgram, **settings: object) -> AsyncIterator[LivekitSpeech]:
    async with emulator.serve():
        entry = {
            "plugin": "deepgram",
            "api_key": SecretStr(KEY),
            "listen_url": f"{emulator.url}/v1/listen",
            "speak_url": f"{emulator.url}/v1/speak",
            **settings,
        }
        async with ready(LivekitSpeech("livekit:deepgram", LivekitSpeechSection.model_validate(entry))) as vendor:
            yield vendor


@asynccontextmanager
async def recognizer() -> AsyncIterator[Recognizer]:
    known = recognizers.known()
    async with started(Deepgram(known), speaks=False) as vendor:
        assert vendor.recognizer is not None
        yield vendor.recognizer


@asynccontextmanager
async def synthesizer() -> AsyncIterator[Synthesizer]:
    async with started(Deepgram(), listens=False) as vendor:
        assert vendor.synthesizer is not None
        yield vendor.synthesizer


@pytest.mark.recordings
@recognizers.every(recognizers.CHECKS)
@virtual_time
async def test_its_recognizer_keeps_it(check: recognizers.Check) -> None:
    await check(recognizer)


@synthesizers.every(synthesizers.CHECKS)
@virtual_time
async def test_its_synthesizer_keeps_it(check: synthesizers.Check) -> None:
    await check(synthesizer)
