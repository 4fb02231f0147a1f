"""Listening through Azure: what goes wrong, what is cancelled, and who ends a turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from audio.format import PCMU_8K
from audio.frame import Frame
from gateway.errors import VendorError, VendorRejected, VendorUnavailable
from gateway.events import Transcript
from gateway.speech_interfaces import ListenSettings, RecognitionStream, SpeechHeard
from gateway.tuning import Tuning
from tests.contracts.speech_connections import Leaving
from tests.contracts.test_recognizers import audio, failure, hear, silence, texts
from tests.emulators.azure_speech import AzureEmulator, Faults, Said
from tests.fakes.azure_speech import azure
from tests.recordings import recording, transcripts

SETTINGS = ListenSettings(vendor="azure", language="fr-FR", format=PCMU_8K)
VENDOR_ENDS = replace(SETTINGS, language="en-US", tuning=Tuning(endpointing="vendor"), end_silence=0.4)
QUIET = Frame(b"\xff" * 800, PCMU_8K)
WITHIN = 20.0


@asynccontextmanager
async def listening(
    emulator: AzureEmulator, settings: ListenSettings = SETTINGS, **section: Any
) -> AsyncIterator[RecognitionStream]:
    async with azure(emulator, **section) as vendor, vendor.recognizer.listen(settings) as stream:
        yield stream


@pytest.mark.asyncio
async def test_finals_add_up_and_partials_are_what_came_since() -> None:
    script = (
        Said(text="je", final=False, after=0.1),
        Said(text="Je voudrais.", after=0.2),
        Said(text="un", final=False, after=0.3),
        Said(text="Un rendez-vous.", others=("Un rendez vous.", "Hein ?")),
    )
    settings = replace(SETTINGS, tuning=Tuning(alternatives=1))
    async with listening(AzureEmulator(script=script), settings) as stream:
        results = await hear(stream, [QUIET] * 4)
    assert texts(results) == [("je", False), ("Je voudrais.", True), ("un", False), ("Un rendez-vous.", True)]
    last = [result for result in results if isinstance(result, Transcript)][-1]
    assert last.alternatives == ("Un rendez vous.",)
    assert (last.confidence, last.ends_turn) == (0.9, False)


@pytest.mark.asyncio
async def test_what_was_not_understood_is_no_text_and_a_late_partial_is_only_that() -> None:
    script = (Said(status="NoMatch", after=0.1), Said(text="Oui.", after=0.2), Said(text="late", final=False))
    async with listening(AzureEmulator(script=script)) as stream:
        assert texts(await hear(stream, [QUIET] * 3)) == [("Oui.", True), ("late", False)]


@pytest.mark.asyncio
async def test_neither_partials_nor_marks_where_none_are_wanted() -> None:
    script = (Said(text="je", final=False, after=0.1), Said(text="Je voudrais, oui."))
    settings = replace(SETTINGS, tuning=Tuning(interim=False, punctuation=False))
    async with listening(AzureEmulator(script=script), settings) as stream:
        assert texts(await hear(stream, [QUIET] * 2)) == [("je voudrais oui", True)]


@pytest.mark.asyncio
async def test_the_language_that_was_found_out() -> None:
    settings = replace(SETTINGS, tuning=Tuning(alt_languages=("en-GB",)))
    emulator = AzureEmulator(script=(Said(text="Bonjour."),))
    async with listening(emulator, settings) as stream:
        results = await hear(stream, [QUIET] * 2)
    assert [r.language for r in results if isinstance(r, Transcript)] == ["fr-FR"]
    assert emulator.sessions[0].context["languageId"]["languages"] == ["fr-FR", "en-GB"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "error"),
    [(401, VendorRejected), (403, VendorRejected), (429, VendorUnavailable), (503, VendorUnavailable)],
)
async def test_refusals(status: int, error: type[VendorError]) -> None:
    async with listening(AzureEmulator(faults=Faults(status=status))) as stream:
        assert type(await failure(stream)) is error


@pytest.mark.asyncio
async def test_a_key_that_azure_does_not_know() -> None:
    async with listening(AzureEmulator(), api_key=SecretStr("0" * 32)) as stream:
        found = await failure(stream)
    assert (type(found), found.status) == (VendorRejected, 401)
    assert "0000" not in str(found)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "emulator",
    [
        AzureEmulator(script=(), faults=Faults(close_after=0.3)),
        AzureEmulator(script=(Said(status="Error", after=0.3),)),
    ],
    ids=["closed", "error"],
)
async def test_a_service_that_breaks_off_is_tried_again_by_the_sdk_and_then_given_up(emulator: AzureEmulator) -> None:
    async with listening(emulator) as stream:
        failing = asyncio.create_task(failure(stream))
        async with asyncio.timeout(WITHIN):
            while not failing.done():  # it is more audio that makes the SDK connect again
                await stream.push(QUIET)
                await asyncio.wait([failing], timeout=0.02)
        found = await failing
    assert (type(found), found.reason) == (VendorUnavailable, "ServiceError")
    assert len(emulator.sessions) > 1


@pytest.mark.asyncio
async def test_garbage_is_passed_over_by_the_sdk() -> None:
    emulator = AzureEmulator(script=(Said(text="x", after=0.1),), faults=Faults(garbage=True))
    async with listening(emulator) as stream:
        assert texts(await hear(stream, [QUIET] * 3)) == []


@pytest.mark.asyncio
async def test_nobody_is_there() -> None:
    async with listening(AzureEmulator(), url="http://127.0.0.1:9") as stream:
        assert isinstance(await failure(stream), VendorUnavailable)


@pytest.mark.asyncio
async def test_a_handshake_that_takes_its_time_loses_nothing() -> None:
    emulator = AzureEmulator(script=(Said(text="Oui."),), faults=Faults(hold_handshake=True))
    async with listening(emulator) as stream:
        for _ in range(4):
            await stream.push(QUIET)
        await stream.finish()
        emulator.released.set()
        async with asyncio.timeout(WITHIN):
            assert texts([result async for result in stream.results()]) == [("Oui.", True)]
    assert len(emulator.sessions[0].audio) == 3200


@pytest.mark.asyncio
async def test_a_late_final_still_counts() -> None:
    emulator = AzureEmulator(script=(Said(text="Oui."),), faults=Faults(hold_final=True))
    async with listening(emulator) as stream:
        await stream.push(QUIET)
        await stream.finish()
        emulator.released.set()
        async with asyncio.timeout(WITHIN):
            assert texts([result async for result in stream.results()]) == [("Oui.", True)]


@pytest.mark.asyncio
async def test_a_turn_that_never_ends_is_bounded() -> None:
    async with listening(AzureEmulator(script=())) as stream:
        await stream.push(Frame(b"\xff" * 8000 * 899, PCMU_8K))
        with pytest.raises(VendorUnavailable, match="does not end"):
            await stream.push(Frame(b"\xff" * 16_000, PCMU_8K))


@pytest.mark.asyncio
async def test_leaving_closes_the_connection_at_once() -> None:
    emulator = AzureEmulator(script=())
    async with azure(emulator) as vendor:
        async with asyncio.timeout(WITHIN), vendor.recognizer.listen(SETTINGS) as stream:
            await stream.push(QUIET)
            await emulator.began.wait()
            leaving = Leaving()
        await leaving.is_seen_by(emulator.sessions[0])


@pytest.mark.asyncio
@pytest.mark.recordings
async def test_the_vendor_may_decide_that_the_turn_is_over() -> None:
    text = transcripts("en")["agent-pass"]
    emulator = AzureEmulator(known={text: recording("en", "agent-pass")})
    async with listening(emulator, VENDOR_ENDS) as stream:
        for frame in audio("agent-pass", PCMU_8K) + silence(1.0, PCMU_8K):
            await stream.push(frame)
        results = []
        async with asyncio.timeout(WITHIN):
            async for result in stream.results():
                results.append(result)
                if isinstance(result, Transcript) and result.ends_turn:
                    break
    assert isinstance(results[0], SpeechHeard)
    assert results[0].started
    assert texts(results)[-1] == (text, True)
    segmentation = emulator.sessions[0].context["phraseDetection"]["CONVERSATION"]["segmentation"]
    assert segmentation["segmentationSilenceTimeoutMs"] == 400
