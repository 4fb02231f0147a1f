"""Azure's adapter, pointed at its emulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr

from gateway.kit.http import HttpClient
from gateway.speech.azure.settings import AzureSpeechSection
from gateway.speech.azure.vendor import AzureSpeech
from tests.emulators.azure_speech import KEY, AzureEmulator


@asynccontextmanager
async def azure(emulator: AzureEmulator, **settings: Any) -> AsyncIterator[AzureSpeech]:
    """The plug-in, started, with the key the emulator knows, unless another one is given; serves the emulator."""
    async with emulator.serve() as url, HttpClient() as http:
        section = AzureSpeechSection(**{"url": url, "api_key": SecretStr(KEY), **settings})
        vendor = AzureSpeech("azure", section, http)
        await vendor.start()
        try:
            yield vendor
        finally:
            emulator.released.set()
            await vendor.close()
