"""Whole calls through an emulated Wyoming server: the bot's choice is obeyed, and no failure is noticed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.speech.wyoming.settings import WyomingSpeechSection
from gateway.speech.wyoming.vendor import WyomingSpeech
from tests.contracts import test_speech_calls as calls
from tests.contracts.test_speech_calls import EarCheck, EarRig, VoiceCheck, VoiceRig, Where
from tests.emulators.wyoming import WyomingEmulator
from tests.fakes.virtual_loop import virtual_time


@asynccontextmanager
async def voice() -> AsyncIterator[VoiceRig]:
    emulator = WyomingEmulator()
    emulator.sounds = calls.fading

    def breaks(where: Where) -> None:
        whole = len(calls.fading(calls.SENTENCES[0], emulator.rate))
        emulator.is_down = where == "connect"
        emulator.break_after = calls.bytes_until(where, whole)

    def asked() -> list[tuple[str, str]]:
        requests = [noted.asked for noted in emulator.connections if noted.asked]
        return [(request["text"], request["voice"]["name"]) for request in requests]

    async with emulator.serve() as address:
        vendor = WyomingSpeech("house", WyomingSpeechSection(speak_url=address))
        yield VoiceRig(vendor, breaks, asked, voice="en_GB-alba-medium", name="house")


@asynccontextmanager
async def ear() -> AsyncIterator[EarRig]:
    emulator = WyomingEmulator(calls.known())

    def breaks(where: Where) -> None:
        emulator.is_down = where == "connect"
        emulator.break_after = {"first": 1, "middle": 16_000}.get(where)
        emulator.leaves_unanswered = where == "last"

    def languages() -> list[str]:
        return [noted.asked["language"] for noted in emulator.connections if noted.asked]

    async with emulator.serve() as address:
        vendor = WyomingSpeech("house", WyomingSpeechSection(listen_url=address))
        yield EarRig(vendor, breaks, languages, name="house", language="en")


@calls.every(calls.VOICE_CHECKS)
@virtual_time
async def test_tk24_it_speaks_in_calls(check: VoiceCheck, tmp_path: Path) -> None:
    await check(voice, tmp_path)


@pytest.mark.recordings
@calls.every(calls.EAR_CHECKS)
@virtual_time
async def test_tk25_it_listens_in_calls(check: EarCheck, tmp_path: Path) -> None:
    await check(ear, tmp_path)
