"""Speaking through Azure: what goes wrong, and what is cancelled."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from pydantic import SecretStr

from audio.format import L16_8K, PCMU_8K
from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.speech.scripted.signal import resemblance
from gateway.speech_interfaces import Synthesizer, Utterance
from tests.contracts.speech_connections import Leaving
from tests.emulators.azure_speech import AzureEmulator, Faults
from tests.fakes.azure_speech import azure

TEXT = "Bonjour, que puis-je faire pour vous ?"
UTTERANCE = Utterance(text=TEXT, plain=TEXT, vendor="azure", language="fr-FR", format=PCMU_8K)
WITHIN = 20.0


async def said(synthesizer: Synthesizer, utterance: Utterance) -> bytes:
    return b"".join([spoken.frame.pcm() async for spoken in synthesizer.speak(utterance)])


async def failure(emulator: AzureEmulator, utterance: Utterance = UTTERANCE, **section: Any) -> VendorError:
    async with azure(emulator, **section) as vendor:
        with pytest.raises(VendorError) as raised:
            await said(vendor.synthesizer, utterance)
    return raised.value


@pytest.mark.asyncio
async def test_samples_that_come_torn_apart_are_whole() -> None:
    utterance = Utterance(text=TEXT, plain=TEXT, language="fr-FR", format=L16_8K)
    async with azure(AzureEmulator()) as vendor:
        assert resemblance(await said(vendor.synthesizer, utterance), TEXT, 8000) > 0.99


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "error"),
    [(400, VendorRejected), (403, VendorRejected), (429, VendorUnavailable), (502, VendorUnavailable)],
)
async def test_refusals(status: int, error: type[VendorError]) -> None:
    found = await failure(AzureEmulator(faults=Faults(status=status)))
    assert isinstance(found, error)
    assert found.status == status
    assert TEXT not in str(found)


@pytest.mark.asyncio
async def test_a_key_that_azure_does_not_know() -> None:
    found = await failure(AzureEmulator(), api_key=SecretStr("0" * 32))
    assert (type(found), found.status) == (VendorRejected, 401)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (Faults(empty=True), VendorReplyInvalid),
        (Faults(content_type="text/html"), VendorReplyInvalid),
        (Faults(break_speech_after=3000), VendorUnavailable),
    ],
)
async def test_an_answer_that_is_not_what_was_asked_for(faults: Faults, error: type[VendorError]) -> None:
    assert type(await failure(AzureEmulator(faults=faults))) is error


@pytest.mark.asyncio
@pytest.mark.parametrize("stall", [0, 1601])
async def test_leaving_closes_the_request_at_once(stall: int) -> None:
    emulator = AzureEmulator(faults=Faults(stall_speech_after=stall))

    async def speak() -> None:
        async with aclosing(vendor.synthesizer.speak(UTTERANCE)) as frames:
            async for _ in frames:
                pass

    async with azure(emulator) as vendor:
        speaking = asyncio.create_task(speak())
        async with asyncio.timeout(WITHIN):
            await emulator.began.wait()
            await emulator.stalled.wait()
            leaving = Leaving()
            speaking.cancel()
            await asyncio.wait([speaking])
        await leaving.is_seen_by(emulator.spoken[0])


@pytest.mark.asyncio
async def test_its_voices_are_listed() -> None:
    async with azure(AzureEmulator()) as vendor:
        voices = {voice.name: voice for voice in await vendor.synthesizer.voices()}
    assert voices["fr-FR-DeniseNeural"].languages == ("fr-FR",)
    assert voices["fr-FR-DeniseNeural"].about == "female, chat"
