"""Google's adapter keeps what every recognizer and synthesizer must, against the emulator; with a key, the real one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Literal

import pytest

from gateway.speech.google.settings import GoogleSpeechSection
from gateway.speech.google.vendor import GoogleSpeech
from gateway.speech_interfaces import Recognizer, SpokenFrame, Synthesizer, Utterance
from tests.contracts import test_recognizers as recognizers
from tests.contracts import test_synthesizers as synthesizers
from tests.emulators.google_speech import GoogleEmulator
from tests.fakes.google_speech import google
from tests.fakes.started import started

needs_key = pytest.mark.skipif(
    not os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"), reason="GOOGLE_APPLICATION_CREDENTIALS is not set"
)


def opened(api: Literal["v1", "v2"]) -> recognizers.Open:
    @asynccontextmanager
    async def open_recognizer() -> AsyncIterator[Recognizer]:
        async with GoogleEmulator(known=recognizers.known()) as emulator, google(emulator, api=api) as vendor:
            yield vendor.recognizer

    return open_recognizer


def speaking(voice: str | None) -> synthesizers.Open:
    @asynccontextmanager
    async def open_synthesizer() -> AsyncIterator[Synthesizer]:
        async with GoogleEmulator() as emulator, google(emulator) as vendor:
            yield WithVoice(vendor.synthesizer, voice)

    return open_synthesizer


class WithVoice:
    """A synthesizer all of whose utterances name a voice."""

    def __init__(self, synthesizer: Synthesizer, voice: str | None) -> None:
        self._synthesizer = synthesizer
        self._voice = voice
        self.capabilities = synthesizer.capabilities

    def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        return self._synthesizer.speak(replace(utterance, voice=self._voice))


@pytest.mark.asyncio
@pytest.mark.recordings
@pytest.mark.parametrize("open_recognizer", [opened("v1"), opened("v2")], ids=["v1", "v2"])
@recognizers.every(recognizers.CHECKS)
async def test_its_recognizers_keep_it(check: recognizers.Check, open_recognizer: recognizers.Open) -> None:
    await check(open_recognizer)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "open_synthesizer", [speaking(None), speaking("en-GB-Chirp3-HD-Kore")], ids=["whole", "streamed"]
)
@synthesizers.every(synthesizers.CHECKS)
async def test_its_synthesizer_keeps_it(check: synthesizers.Check, open_synthesizer: synthesizers.Open) -> None:
    await check(open_synthesizer)


def live() -> AbstractAsyncContextManager[GoogleSpeech]:
    return started(GoogleSpeech("google", GoogleSpeechSection()))


@asynccontextmanager
async def live_synthesizer() -> AsyncIterator[Synthesizer]:
    async with live() as vendor:
        yield vendor.synthesizer


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
