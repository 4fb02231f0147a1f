"""Whole calls through the emulated Google: the bot's choice is obeyed, and no failure is noticed. In real time, which
gRPC keeps by threads of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest

from tests.contracts import test_speech_calls as calls
from tests.contracts.test_speech_calls import EarCheck, EarRig, VoiceCheck, VoiceRig, Where
from tests.emulators.google_speech import Faults, GoogleEmulator
from tests.fakes.google_speech import google

WHOLE, STREAMED = "en-GB-Standard-A", "en-GB-Chirp3-HD-Kore"


@asynccontextmanager
async def streamed() -> AsyncIterator[VoiceRig]:
    async with GoogleEmulator() as emulator, google(emulator) as vendor:
        emulator.sounds = calls.fading

        def breaks(where: Where) -> None:
            whole = len(calls.fading(calls.SENTENCES[0], 8000)) // 2
            after = calls.bytes_until(where, whole)
            emulator.faults = Faults(refuse="UNAVAILABLE" if where == "connect" else "", break_speech_after=after)

        def asked() -> list[tuple[str, str]]:
            return [
                (synthesis.input.text, synthesis.request.streaming_config.voice.name)
                for synthesis in emulator.syntheses
            ]

        yield VoiceRig(vendor, breaks, asked, voice=STREAMED, name="google")


@asynccontextmanager
async def whole() -> AsyncIterator[VoiceRig]:
    """A voice whose answers come in one piece, which is not there, or cut off."""
    async with GoogleEmulator() as emulator, google(emulator) as vendor:
        emulator.sounds = calls.fading

        def breaks(where: Where) -> None:
            emulator.faults = Faults(refuse="UNAVAILABLE" if where == "connect" else "", cut=where != "connect")

        def asked() -> list[tuple[str, str]]:
            return [(synthesis.request.input.text, synthesis.request.voice.name) for synthesis in emulator.syntheses]

        yield VoiceRig(vendor, breaks, asked, voice=WHOLE, name="google")


@asynccontextmanager
async def listening(api: Literal["v1", "v2"]) -> AsyncIterator[EarRig]:
    async with GoogleEmulator(known=calls.known()) as emulator, google(emulator, api=api) as vendor:

        def breaks(where: Where) -> None:
            emulator.faults = Faults(
                refuse="UNAVAILABLE" if where == "connect" else "",
                break_after={"first": 0.01, "middle": 1.0}.get(where),
                break_at_end=where == "last",
            )

        def languages() -> list[str]:
            configs = [taken.opening.streaming_config.config for taken in emulator.recognitions]
            return [config.language_code if api == "v1" else config.language_codes[0] for config in configs]

        yield EarRig(vendor, breaks, languages, name="google")


@asynccontextmanager
async def by_v1() -> AsyncIterator[EarRig]:
    async with listening("v1") as rig:
        yield rig


@asynccontextmanager
async def by_v2() -> AsyncIterator[EarRig]:
    async with listening("v2") as rig:
        yield rig


@calls.every_in_real_time(calls.VOICE_CHECKS)
@pytest.mark.asyncio
async def test_tk24_it_speaks_in_calls(check: VoiceCheck, tmp_path: Path) -> None:
    await check(streamed, tmp_path)


@pytest.mark.demonstration
@calls.every([calls.a_bot_chooses_the_voice, calls.breaking_at("connect"), calls.breaking_at("middle")])
@pytest.mark.asyncio
async def test_tk24_its_other_voices_speak_in_calls(check: VoiceCheck, tmp_path: Path) -> None:
    await check(whole, tmp_path)


@pytest.mark.recordings
@calls.every_in_real_time(calls.EAR_CHECKS)
@pytest.mark.asyncio
async def test_tk25_it_listens_in_calls(check: EarCheck, tmp_path: Path) -> None:
    await check(by_v1, tmp_path)


@pytest.mark.demonstration
@pytest.mark.recordings
@calls.every(calls.EAR_CHECKS)
@pytest.mark.asyncio
async def test_tk25_its_second_version_listens_in_calls(check: EarCheck, tmp_path: Path) -> None:
    await check(by_v2, tmp_path)
