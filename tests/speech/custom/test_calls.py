"""Whole calls through an engine of one's own: the bot's choice is obeyed, and no failure is noticed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.kit.http import HttpClient
from gateway.speech.custom.settings import CustomSpeechSection
from gateway.speech.custom.vendor import CustomSpeech
from tests.contracts import test_speech_calls as calls
from tests.contracts.test_speech_calls import EarCheck, EarRig, VoiceCheck, VoiceRig, Where
from tests.emulators.custom_speech import KEY, CustomEmulator
from tests.fakes.virtual_loop import virtual_time


@asynccontextmanager
async def plugged(emulator: CustomEmulator) -> AsyncIterator[CustomSpeech]:
    async with emulator.serve() as base, HttpClient() as http:
        yield CustomSpeech("house", CustomSpeechSection(url=base, api_key=SecretStr(KEY), partials=False), http)


@asynccontextmanager
async def voice() -> AsyncIterator[VoiceRig]:
    emulator = CustomEmulator()
    emulator.sounds = calls.fading

    def breaks(where: Where) -> None:
        whole = len(calls.fading(calls.SENTENCES[0], 8000))
        emulator.status = 503 if where == "connect" else None
        emulator.break_after = calls.bytes_until(where, whole)

    def asked() -> list[tuple[str, str]]:
        return [(request.body["text"], request.body["voice"]) for request in emulator.requests]

    async with plugged(emulator) as vendor:
        yield VoiceRig(vendor, breaks, asked, voice="claire", name="house")


@asynccontextmanager
async def ear() -> AsyncIterator[EarRig]:
    emulator = CustomEmulator()
    emulator.known = calls.known()

    def breaks(where: Where) -> None:
        emulator.status = 503 if where == "connect" else None
        emulator.break_after = {"first": 1, "middle": 16_000}.get(where)
        emulator.leaves_unanswered = where == "last"

    def languages() -> list[str]:
        return [str(request.messages[0]["language"]) for request in emulator.requests]

    async with plugged(emulator) as vendor:
        yield EarRig(vendor, breaks, languages, name="house")


@calls.every(calls.VOICE_CHECKS)
@virtual_time
async def test_tk24_it_speaks_in_calls(check: VoiceCheck, tmp_path: Path) -> None:
    await check(voice, tmp_path)


@pytest.mark.recordings
@calls.every(calls.EAR_CHECKS)
@virtual_time
async def test_tk25_it_listens_in_calls(check: EarCheck, tmp_path: Path) -> None:
    await check(ear, tmp_path)
