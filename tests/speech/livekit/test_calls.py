"""Whole calls through Deepgram behind LiveKit's plug-in: the bot's choice is obeyed, and no failure is noticed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.contracts import test_speech_calls as calls
from tests.contracts.test_speech_calls import EarCheck, EarRig, VoiceCheck, VoiceRig, Where
from tests.emulators.deepgram import Deepgram, Faults
from tests.fakes.virtual_loop import virtual_time
from tests.speech.livekit.test_contract import started

RATE = 24000
"""What the plug-in asks for."""


def breaking(office: Deepgram, whole: int) -> calls.Breaks:
    def breaks(where: Where) -> None:
        after = calls.bytes_until(where, whole)
        office.faults = Faults(refuse=503 if where == "connect" else None, abort_after=after)

    return breaks


@asynccontextmanager
async def voice() -> AsyncIterator[VoiceRig]:
    office = Deepgram()
    office.sounds = calls.fading

    def asked() -> list[tuple[str, str]]:
        return [
            (message["text"], request.query["model"][0])
            for request in office.requests
            for message in request.messages
            if "text" in message
        ]

    whole = len(calls.fading(calls.SENTENCES[0], RATE))
    async with started(office, listens=False) as vendor:
        yield VoiceRig(vendor, breaking(office, whole), asked, voice="aura-2-thalia-en", name="livekit:deepgram")


@asynccontextmanager
async def ear() -> AsyncIterator[EarRig]:
    office = Deepgram(calls.known())

    def languages() -> list[str]:
        return [request.query["language"][0] for request in office.requests]

    async with started(office, speaks=False) as vendor:
        yield EarRig(vendor, breaking(office, 16_000), languages, name="livekit:deepgram")


@calls.every(calls.VOICE_CHECKS)
@virtual_time
async def test_tk24_it_speaks_in_calls(check: VoiceCheck, tmp_path: Path) -> None:
    await check(voice, tmp_path)


@pytest.mark.recordings
@calls.every(calls.EAR_CHECKS)
@virtual_time
async def test_tk25_it_listens_in_calls(check: EarCheck, tmp_path: Path) -> None:
    await check(ear, tmp_path)
