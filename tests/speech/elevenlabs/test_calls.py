"""Whole calls through the emulated ElevenLabs: the bot's choice is obeyed, and no failure is noticed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.speech.scripted.signal import spoken_pcm
from tests.contracts import test_speech_calls as calls
from tests.contracts.test_speech_calls import EarCheck, EarRig, VoiceCheck, VoiceRig, Where
from tests.emulators.elevenlabs import ElevenLabs, Faults
from tests.fakes.captured import Sound, word_by_word
from tests.fakes.elevenlabs_speech import emulated
from tests.fakes.virtual_loop import virtual_time

OTHER_VOICE = "onwK4e9ZLuTAKqWW03F9"


def fading(says: Sound) -> Sound:
    """What a text sounds like, with the silence that ElevenLabs' audio ends in."""
    return lambda text, rate: says(text, rate) + bytes(rate // 5)


def breaking(office: ElevenLabs, whole: int) -> calls.Breaks:
    def breaks(where: Where) -> None:
        after = calls.bytes_until(where, whole)
        office.faults = Faults(refuse=503 if where == "connect" else None, abort_after=after)

    return breaks


@asynccontextmanager
async def voice(synthesis: str) -> AsyncIterator[VoiceRig]:
    async with emulated(synthesis=synthesis) as (vendor, office):
        office.sounds = fading(spoken_pcm if synthesis == "http" else word_by_word)

        def asked() -> list[tuple[str, str]]:
            return [
                (message["text"], request.path.split("/")[3])
                for request in office.requests
                for message in request.messages
                if message.get("text", "").strip()
            ]

        whole = len(office.sounds(calls.SENTENCES[0] if synthesis == "http" else calls.TEXT, 8000)) // 2
        yield VoiceRig(vendor, breaking(office, whole), asked, OTHER_VOICE, name="elevenlabs")


@asynccontextmanager
async def multi() -> AsyncIterator[VoiceRig]:
    async with voice("multi") as rig:
        yield rig


@asynccontextmanager
async def single() -> AsyncIterator[VoiceRig]:
    async with voice("single") as rig:
        yield rig


@asynccontextmanager
async def by_request() -> AsyncIterator[VoiceRig]:
    async with voice("http") as rig:
        yield rig


@asynccontextmanager
async def ear() -> AsyncIterator[EarRig]:
    async with emulated(*calls.SPOKEN) as (vendor, office):
        yield EarRig(
            vendor,
            breaking(office, 8000),
            lambda: [request.query["language_code"][0] for request in office.requests],
            name="elevenlabs",
            language="en",
        )


@pytest.mark.parametrize("open_rig", [multi, single, by_request])
@calls.every(calls.VOICE_CHECKS)
@virtual_time
async def test_tk24_it_speaks_in_calls(check: VoiceCheck, open_rig: calls.OpenVoice, tmp_path: Path) -> None:
    await check(open_rig, tmp_path)


@pytest.mark.recordings
@calls.every(calls.EAR_CHECKS)
@virtual_time
async def test_tk25_it_listens_in_calls(check: EarCheck, tmp_path: Path) -> None:
    await check(ear, tmp_path)
