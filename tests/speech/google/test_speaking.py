"""Speaking through Google: what goes wrong, and what is cancelled."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from audio.format import L16_8K, PCMU_8K
from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.speech.scripted.signal import resemblance
from gateway.speech_interfaces import Synthesizer, Utterance
from tests.contracts.speech_connections import Leaving
from tests.emulators.google_speech import Faults, GoogleEmulator
from tests.fakes.google_speech import google

TEXT = "Bonjour, que puis-je faire pour vous ?"
WHOLE = Utterance(text=TEXT, plain=TEXT, vendor="google", language="fr-FR", format=PCMU_8K)
STREAMED = Utterance(
    text=TEXT, plain=TEXT, vendor="google", language="fr-FR", voice="fr-FR-Chirp3-HD-Kore", format=L16_8K
)
EITHER = pytest.mark.parametrize("utterance", [WHOLE, STREAMED], ids=["whole", "streamed"])
WITHIN = 20.0


async def said(synthesizer: Synthesizer, utterance: Utterance) -> bytes:
    return b"".join([spoken.frame.pcm() async for spoken in synthesizer.speak(utterance)])


async def failure(emulator: GoogleEmulator, utterance: Utterance) -> VendorError:
    async with emulator, google(emulator) as vendor:
        with pytest.raises(VendorError) as raised:
            await said(vendor.synthesizer, utterance)
    return raised.value


@pytest.mark.asyncio
@EITHER
async def test_the_text_is_said(utterance: Utterance) -> None:
    async with GoogleEmulator() as emulator, google(emulator) as vendor:
        pcm = await said(vendor.synthesizer, utterance)
    assert resemblance(pcm, TEXT, 8000) > 0.95


@pytest.mark.asyncio
@EITHER
@pytest.mark.parametrize(
    ("code", "error", "status"),
    [
        ("UNAUTHENTICATED", VendorRejected, 401),
        ("INVALID_ARGUMENT", VendorRejected, 400),
        ("RESOURCE_EXHAUSTED", VendorUnavailable, 429),
        ("UNAVAILABLE", VendorUnavailable, 503),
    ],
)
async def test_refusals(code: str, error: type[VendorError], status: int, utterance: Utterance) -> None:
    found = await failure(GoogleEmulator(faults=Faults(refuse=code)), utterance)
    assert (type(found), found.status, found.reason) == (error, status, code)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        (Faults(empty=True), "no WAV header"),
        (Faults(cut=True), "cut off"),
        (Faults(wrong_rate=True), "not in the format"),
        (Faults(garbage=True), "not a message"),
    ],
)
async def test_a_whole_answer_that_is_not_what_was_asked_for(faults: Faults, reason: str) -> None:
    found = await failure(GoogleEmulator(faults=faults), WHOLE)
    assert isinstance(found, VendorReplyInvalid)
    assert reason in found.reason


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (Faults(empty=True), VendorReplyInvalid),
        (Faults(garbage=True), VendorReplyInvalid),
        (Faults(break_speech_after=3000), VendorUnavailable),
    ],
)
async def test_a_stream_that_is_not_what_was_asked_for(faults: Faults, error: type[VendorError]) -> None:
    assert type(await failure(GoogleEmulator(faults=faults), STREAMED)) is error


@pytest.mark.asyncio
async def test_an_unknown_voice_is_refused_without_words_of_the_text() -> None:
    utterance = Utterance(text=TEXT, plain=TEXT, language="fr-FR", voice="fr-FR-Nobody", format=PCMU_8K)
    found = await failure(GoogleEmulator(), utterance)
    assert (type(found), found.reason) == (VendorRejected, "INVALID_ARGUMENT")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("utterance", "stall"), [(WHOLE, 0), (STREAMED, 0), (STREAMED, 1601)], ids=["whole", "first", "middle"]
)
async def test_leaving_cancels_the_request_at_once(utterance: Utterance, stall: int) -> None:
    emulator = GoogleEmulator(faults=Faults(stall_speech_after=stall))

    async def speak() -> None:
        async with aclosing(vendor.synthesizer.speak(utterance)) as frames:
            async for _ in frames:
                pass

    async with emulator, google(emulator) as vendor:
        speaking = asyncio.create_task(speak())
        async with asyncio.timeout(WITHIN):
            await emulator.began.wait()
            leaving = Leaving()
            speaking.cancel()
            await asyncio.wait([speaking])
        await leaving.is_seen_by(emulator.syntheses[0])


@pytest.mark.asyncio
async def test_its_voices_are_listed() -> None:
    async with GoogleEmulator() as emulator, google(emulator) as vendor:
        voices = {voice.name: voice for voice in await vendor.synthesizer.voices()}
    assert voices["fr-FR-Chirp3-HD-Kore"].languages == ("fr-FR",)
    assert "female" in voices["fr-FR-Chirp3-HD-Kore"].about
