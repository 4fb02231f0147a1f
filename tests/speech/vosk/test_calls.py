"""Whole calls that an emulated Vosk server listens in: the bot's choice is obeyed, and no failure is noticed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.speech.vosk.settings import VoskSpeechSection
from gateway.speech.vosk.vendor import VoskSpeech
from tests.contracts import test_speech_calls as calls
from tests.contracts.test_speech_calls import EarCheck, EarRig, Where
from tests.emulators.vosk import VoskEmulator
from tests.fakes.virtual_loop import virtual_time

LANGUAGE = "en-US"


def spelt(text: str) -> str:
    """As its dictionary has the words."""
    return "".join(letter for letter in text.lower() if letter.isalnum() or letter in " '")


@asynccontextmanager
async def ear() -> AsyncIterator[EarRig]:
    emulator = VoskEmulator(calls.known())

    def breaks(where: Where) -> None:
        emulator.status = 503 if where == "connect" else None
        emulator.break_after = {"first": 1, "middle": 8000}.get(where)
        emulator.leaves_unanswered = where == "last"

    def languages() -> list[str]:
        """A server has one language, and is not told any."""
        return [LANGUAGE for noted in emulator.connections if noted.finished]

    async with emulator.serve() as address:
        vendor = VoskSpeech("vosk", VoskSpeechSection(url=address, languages=(LANGUAGE,)))
        yield EarRig(vendor, breaks, languages, name="vosk", language=LANGUAGE, spelt=spelt)


@pytest.mark.recordings
@calls.every(calls.EAR_CHECKS)
@virtual_time
async def test_tk25_it_listens_in_calls(check: EarCheck, tmp_path: Path) -> None:
    await check(ear, tmp_path)
