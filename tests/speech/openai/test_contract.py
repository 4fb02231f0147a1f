"""OpenAI's adapter keeps what every recognizer and synthesizer must, against the emulator; with a key, the real one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from gateway.kit.http import HttpClient
from gateway.speech.openai.settings import Mode, OpenAiSpeechSection
from gateway.speech.openai.vendor import OpenAiSpeech
from gateway.speech_interfaces import Recognizer, Synthesizer
from tests.contracts import test_recognizers as recognizers
from tests.contracts import test_synthesizers as synthesizers
from tests.emulators.openai_speech import KEY, OpenAiEmulator

LIVE_KEY = os.environ.get("OPENAI_API_KEY", "")
needs_key = pytest.mark.skipif(not LIVE_KEY, reason="OPENAI_API_KEY is not set")


def opened(mode: Mode, listen_model: str | None = None) -> recognizers.Open:
    @asynccontextmanager
    async def open_recognizer() -> AsyncIterator[Recognizer]:
        async with OpenAiEmulator(recognizers.known()).serve() as base, HttpClient() as http:
            section = OpenAiSpeechSection(url=base, api_key=SecretStr(KEY), mode=mode, listen_model=listen_model)
            yield OpenAiSpeech("openai", section, http).recognizer

    return open_recognizer


@asynccontextmanager
async def synthesizer() -> AsyncIterator[Synthesizer]:
    async with OpenAiEmulator().serve() as base, HttpClient() as http:
        yield OpenAiSpeech("openai", OpenAiSpeechSection(url=base, api_key=SecretStr(KEY)), http).synthesizer


@pytest.mark.asyncio
@pytest.mark.recordings
@pytest.mark.parametrize(
    "open_recognizer",
    [opened("upload"), opened("realtime"), opened("realtime", "gpt-4o-transcribe")],
    ids=["upload", "live", "realtime"],
)
@recognizers.every(recognizers.CHECKS)
async def test_its_recognizers_keep_it(check: recognizers.Check, open_recognizer: recognizers.Open) -> None:
    await check(open_recognizer)


@pytest.mark.asyncio
@synthesizers.every(synthesizers.CHECKS)
async def test_its_synthesizer_keeps_it(check: synthesizers.Check) -> None:
    await check(synthesizer)


@asynccontextmanager
async def live_synthesizer() -> AsyncIterator[Synthesizer]:
    async with HttpClient() as http:
        yield OpenAiSpeech("openai", OpenAiSpeechSection(api_key=SecretStr(LIVE_KEY)), http).synthesizer


@pytest.mark.live
@needs_key
@pytest.mark.asyncio
@synthesizers.every(
    (
        synthesizers.speaks_in_the_nearest_of_its_formats,
        synthesizers.frames_follow_each_other_and_tell_what_has_been_said,
        synthesizers.a_text_without_a_word_is_no_error,
    )
)
async def test_the_real_synthesizer_keeps_it(check: synthesizers.Check) -> None:
    await check(live_synthesizer)


@pytest.mark.live
@pytest.mark.recordings
@needs_key
@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["upload", "realtime"])
async def test_the_real_recognizer_understands_a_recording(mode: Mode) -> None:
    async with HttpClient() as http:
        recognizer = OpenAiSpeech(
            "openai", OpenAiSpeechSection(api_key=SecretStr(LIVE_KEY), mode=mode), http
        ).recognizer
        await recognizers.most_words_are_heard(recognizer)
