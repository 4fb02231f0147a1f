"""Whole calls through the emulated OpenAI: the bot's choice is obeyed, and no failure is noticed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.kit.http import HttpClient
from gateway.speech.openai.settings import Mode, OpenAiSpeechSection
from gateway.speech.openai.vendor import OpenAiSpeech
from tests.contracts import test_speech_calls as calls
from tests.contracts.test_speech_calls import EarCheck, EarRig, VoiceCheck, VoiceRig, Where
from tests.emulators.openai_speech import KEY, Noted, OpenAiEmulator
from tests.fakes.virtual_loop import virtual_time


@asynccontextmanager
async def plugged(emulator: OpenAiEmulator, mode: Mode = "upload") -> AsyncIterator[OpenAiSpeech]:
    async with emulator.serve() as base, HttpClient() as http:
        section = OpenAiSpeechSection(url=base, api_key=SecretStr(KEY), mode=mode)
        yield OpenAiSpeech("openai", section, http)


@asynccontextmanager
async def voice() -> AsyncIterator[VoiceRig]:
    emulator = OpenAiEmulator()
    emulator.sounds = calls.fading

    def breaks(where: Where) -> None:
        whole = len(calls.fading(calls.SENTENCES[0], emulator.rate))
        emulator.status = 503 if where == "connect" else None
        emulator.break_after = calls.bytes_until(where, whole)

    def asked() -> list[tuple[str, str]]:
        return [(request.body["input"], request.body["voice"]) for request in emulator.requests]

    async with plugged(emulator) as vendor:
        yield VoiceRig(vendor, breaks, asked, voice="nova", name="openai")


@asynccontextmanager
async def ear(mode: Mode) -> AsyncIterator[EarRig]:
    """What is uploaded is the whole turn, so it breaks off at bytes of that."""
    emulator = OpenAiEmulator(calls.known())

    def breaks(where: Where) -> None:
        emulator.status = 503 if where == "connect" else None
        emulator.break_after = {"first": 1, "middle": 8000}.get(where)
        emulator.leaves_unanswered = where == "last"

    def languages() -> list[str]:
        return [language for noted in emulator.requests for language in told(noted)]

    async with plugged(emulator, mode) as vendor:
        yield EarRig(vendor, breaks, languages, name="openai", language="en")


def told(noted: Noted) -> list[str]:
    """The languages that an upload, or a session, may be in."""
    if noted.body is not None:
        return list(noted.body["languages[]"])
    return list(noted.messages[0]["session"]["audio"]["input"]["transcription"]["languages"])


@asynccontextmanager
async def by_upload() -> AsyncIterator[EarRig]:
    async with ear("upload") as rig:
        yield rig


@asynccontextmanager
async def by_session() -> AsyncIterator[EarRig]:
    async with ear("realtime") as rig:
        yield rig


@calls.every(calls.VOICE_CHECKS)
@virtual_time
async def test_tk24_it_speaks_in_calls(check: VoiceCheck, tmp_path: Path) -> None:
    await check(voice, tmp_path)


@pytest.mark.recordings
@pytest.mark.parametrize("open_rig", [by_upload, by_session])
@calls.every(calls.EAR_CHECKS)
@virtual_time
async def test_tk25_it_listens_in_calls(check: EarCheck, open_rig: calls.OpenEar, tmp_path: Path) -> None:
    await check(open_rig, tmp_path)
