"""Whole calls through the emulated Deepgram: the bot's choice is obeyed, and no failure is noticed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.speech.scripted.signal import spoken_pcm
from tests.contracts import test_speech_calls as calls
from tests.contracts.test_speech_calls import EarCheck, EarRig, VoiceCheck, VoiceRig, Where
from tests.emulators.deepgram import Deepgram, Faults
from tests.fakes.deepgram_speech import emulated
from tests.fakes.virtual_loop import virtual_time

VOICE = "aura-2-thalia-en"
SENTENCE_BYTES = len(spoken_pcm(calls.SENTENCES[0], 8000)) // 2


def breaking(office: Deepgram, *, sent: bool) -> calls.Breaks:
    def breaks(where: Where) -> None:
        whole = SENTENCE_BYTES + 800 if sent else 8000
        after = calls.bytes_until(where, whole)
        office.faults = Faults(refuse=503 if where == "connect" else None, abort_after=after)

    return breaks


@asynccontextmanager
async def voice(synthesis: str) -> AsyncIterator[VoiceRig]:
    async with emulated(synthesis=synthesis) as (vendor, office):
        office.sounds = calls.fading

        def asked() -> list[tuple[str, str]]:
            return [
                (message["text"], request.query["model"][0])
                for request in office.requests
                for message in request.messages
                if "text" in message
            ]

        yield VoiceRig(vendor, breaking(office, sent=True), asked, voice=VOICE, name="deepgram")


@asynccontextmanager
async def by_request() -> AsyncIterator[VoiceRig]:
    async with voice("http") as rig:
        yield rig


@asynccontextmanager
async def by_socket() -> AsyncIterator[VoiceRig]:
    async with voice("websocket") as rig:
        yield rig


@asynccontextmanager
async def ear() -> AsyncIterator[EarRig]:
    async with emulated(*calls.SPOKEN) as (vendor, office):
        yield EarRig(
            vendor,
            breaking(office, sent=False),
            lambda: [request.query["language"][0] for request in office.requests],
            name="deepgram",
        )


@pytest.mark.parametrize("open_rig", [by_request, by_socket])
@calls.every(calls.VOICE_CHECKS)
@virtual_time
async def test_tk24_it_speaks_in_calls(check: VoiceCheck, open_rig: calls.OpenVoice, tmp_path: Path) -> None:
    await check(open_rig, tmp_path)


@pytest.mark.recordings
@calls.every(calls.EAR_CHECKS)
@virtual_time
async def test_tk25_it_listens_in_calls(check: EarCheck, tmp_path: Path) -> None:
    await check(ear, tmp_path)
