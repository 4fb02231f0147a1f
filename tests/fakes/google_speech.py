"""Google's adapter, pointed at its emulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr

from gateway.speech.google.settings import GoogleSpeechSection
from gateway.speech.google.vendor import GoogleSpeech
from tests.emulators.google_rules import account_key
from tests.emulators.google_speech import GoogleEmulator
from tests.fakes.started import started


def section(emulator: GoogleEmulator, **settings: Any) -> GoogleSpeechSection:
    """Settings that reach the emulator with the key it knows, unless another one is given."""
    return GoogleSpeechSection(**{"url": emulator.url, "credentials": SecretStr(account_key()), **settings})


@asynccontextmanager
async def google(emulator: GoogleEmulator, **settings: Any) -> AsyncIterator[GoogleSpeech]:
    """The plug-in, started."""
    async with started(GoogleSpeech("google", section(emulator, **settings))) as vendor:
        yield vendor
