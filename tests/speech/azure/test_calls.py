"""Whole calls through the emulated Azure: the bot's choice is obeyed, and no failure is noticed.

Microsoft's SDK, which listens, keeps time by threads of its own, so those calls take place in real time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.contracts import test_speech_calls as calls
from tests.contracts.test_speech_calls import EarCheck, EarRig, VoiceCheck, VoiceRig, Where
from tests.emulators.azure_speech import AzureEmulator, Faults
from tests.fakes.azure_speech import azure
from tests.fakes.virtual_loop import virtual_time


@asynccontextmanager
async def voice() -> AsyncIterator[VoiceRig]:
    emulator = AzureEmulator()
    emulator.sounds = calls.fading

    def breaks(where: Where) -> None:
        whole = len(calls.fading(calls.SENTENCES[0], 8000)) // 2
        after = calls.bytes_until(where, whole)
        emulator.faults = Faults(status=503 if where == "connect" else 0, break_speech_after=after)

    def asked() -> list[tuple[str, str]]:
        return [spoken_in(spoken.body) for spoken in emulator.spoken]

    async with azure(emulator) as vendor:
        yield VoiceRig(vendor, breaks, asked, voice="en-GB-SoniaNeural", name="azure")


def spoken_in(markup: str) -> tuple[str, str]:
    """The text and the voice of a request."""
    root = ElementTree.fromstring(markup)
    return "".join(root.itertext()), next(element.attrib["name"] for element in root if element.tag.endswith("}voice"))


@asynccontextmanager
async def ear() -> AsyncIterator[EarRig]:
    emulator = AzureEmulator(known=calls.known())

    def breaks(where: Where) -> None:
        emulator.faults = Faults(
            status=503 if where == "connect" else 0,
            close_after={"first": 0.01, "middle": 1.0}.get(where),
            close_at_end=where == "last",
        )

    def languages() -> list[str]:
        return [session.query["language"] for session in emulator.sessions]

    async with azure(emulator) as vendor:
        yield EarRig(vendor, breaks, languages, name="azure")


@calls.every(calls.VOICE_CHECKS)
@virtual_time
async def test_tk24_it_speaks_in_calls(check: VoiceCheck, tmp_path: Path) -> None:
    await check(voice, tmp_path)


@pytest.mark.recordings
@calls.every_in_real_time(calls.EAR_CHECKS)
@pytest.mark.asyncio
async def test_tk25_it_listens_in_calls(check: EarCheck, tmp_path: Path) -> None:
    await check(ear, tmp_path)
