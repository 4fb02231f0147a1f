"""The Vosk adapter keeps what every recognizer must, against the emulated server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import pytest

from gateway.speech.vosk.settings import VoskSpeechSection
from gateway.speech.vosk.vendor import VoskSpeech
from gateway.speech_interfaces import Recognizer
from tests.contracts import test_recognizers as recognizers
from tests.emulators.vosk import VoskEmulator


def opened(rate: Literal[8000, 16000]) -> recognizers.Open:
    @asynccontextmanager
    async def recognizer() -> AsyncIterator[Recognizer]:
        emulator = VoskEmulator(recognizers.known())
        async with emulator.serve() as address:
            yield VoskSpeech("vosk", VoskSpeechSection(url=address, rate=rate)).recognizer

    return recognizer


@pytest.mark.asyncio
@pytest.mark.recordings
@pytest.mark.parametrize("rate", [8000, 16000])
@recognizers.every(recognizers.CHECKS)
async def test_its_recognizer_keeps_it(check: recognizers.Check, rate: Literal[8000, 16000]) -> None:
    await check(opened(rate))
