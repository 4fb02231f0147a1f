"""Listening through Google: what goes wrong, what is cancelled, and what outlasts one of Google's streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from audio.format import PCMA_8K, PCMU_8K
from audio.frame import Frame
from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.speech.google.client import GoogleClients
from gateway.speech.google.recognizer import GoogleRecognizer
from gateway.speech.google.settings import GoogleSpeechSection
from gateway.speech_interfaces import ListenSettings, RecognitionStream, SpeechHeard, Utterance
from gateway.tuning import Tuning
from tests.contracts.speech_connections import Leaving
from tests.contracts.test_recognizers import audio, failure, hear, silence, texts
from tests.emulators.google_listening import Said
from tests.emulators.google_rules import account_key
from tests.emulators.google_speech import Faults, GoogleEmulator
from tests.fakes.google_speech import google, section
from tests.recordings import recording, transcripts

SETTINGS = ListenSettings(vendor="google", language="en-US", format=PCMU_8K)
VENDOR_ENDS = replace(SETTINGS, tuning=Tuning(endpointing="vendor"), end_silence=0.5)
QUIET = Frame(b"\xff" * 800, PCMU_8K)
WITHIN = 20.0


@asynccontextmanager
async def listening(
    emulator: GoogleEmulator, settings: ListenSettings = SETTINGS, **section: Any
) -> AsyncIterator[RecognitionStream]:
    async with emulator, google(emulator, **section) as vendor, vendor.recognizer.listen(settings) as stream:
        yield stream


async def pushed_until_closed(emulator: GoogleEmulator, stream: RecognitionStream, frames: list[Frame]) -> None:
    """As fast as the emulator takes them, as long as its stream is open."""
    for count, frame in enumerate(frames, 1):
        await stream.push(frame)
        if not await emulator.heard(count):
            return


@pytest.mark.asyncio
@pytest.mark.parametrize("api", ["v1", "v2"])
async def test_finals_add_up_and_partials_are_what_came_since(api: str) -> None:
    script = (
        Said(text="je", final=False, after=0.1),
        Said(text="je voudrais", after=0.2),
        Said(text=" un", final=False, after=0.3),
        Said(text=" un rendez-vous", others=(" un rendez vous",)),
    )
    settings = replace(SETTINGS, language="fr-FR", tuning=Tuning(alternatives=1))
    async with listening(GoogleEmulator(script=script), settings, api=api) as stream:
        results = await hear(stream, [QUIET] * 4)
    assert texts(results) == [("je", False), ("je voudrais", True), ("un", False), ("un rendez-vous", True)]
    last = results[-1]
    assert isinstance(last, Transcript)
    assert last.alternatives == ("un rendez vous",)
    assert last.confidence == pytest.approx(0.9)
    assert (last.language, last.ends_turn) == ("fr-FR", False)


@pytest.mark.asyncio
async def test_an_empty_final_takes_a_partial_back_and_a_late_partial_is_only_that() -> None:
    script = (Said(text="hm", final=False, after=0.1), Said(text="", after=0.2), Said(text="late", final=False))
    async with listening(GoogleEmulator(script=script)) as stream:
        results = await hear(stream, [QUIET] * 3)
    assert texts(results) == [("hm", False), ("", True), ("late", False)]


@pytest.mark.asyncio
async def test_no_partials_where_none_are_wanted() -> None:
    script = (Said(text="je", final=False, after=0.1), Said(text="je voudrais"))
    async with listening(GoogleEmulator(script=script), replace(SETTINGS, tuning=Tuning(interim=False))) as stream:
        assert texts(await hear(stream, [QUIET] * 2)) == [("je voudrais", True)]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("code", "error", "status"),
    [
        ("UNAUTHENTICATED", VendorRejected, 401),
        ("PERMISSION_DENIED", VendorRejected, 403),
        ("INVALID_ARGUMENT", VendorRejected, 400),
        ("RESOURCE_EXHAUSTED", VendorUnavailable, 429),
        ("UNAVAILABLE", VendorUnavailable, 503),
    ],
)
async def test_refusals(code: str, error: type[VendorError], status: int) -> None:
    async with listening(GoogleEmulator(faults=Faults(refuse=code))) as stream:
        found = await failure(stream)
    assert type(found) is error
    assert found.status == status
    assert found.reason.startswith(code)


@pytest.mark.asyncio
async def test_a_key_that_google_does_not_know() -> None:
    foreign = SecretStr(account_key(rsa.generate_private_key(65537, 2048)))
    async with listening(GoogleEmulator(), credentials=foreign) as stream:
        found = await failure(stream)
    assert (type(found), found.status) == (VendorRejected, 401)


@pytest.mark.asyncio
async def test_what_the_vendor_says_is_not_told_of_a_sensitive_turn() -> None:
    emulator = GoogleEmulator(faults=Faults(refuse="PERMISSION_DENIED"))
    async with listening(emulator, replace(SETTINGS, sensitive=True)) as stream:
        assert (await failure(stream)).reason == "PERMISSION_DENIED"


@pytest.mark.asyncio
async def test_a_stream_that_breaks_in_the_middle() -> None:
    async with listening(GoogleEmulator(script=(), faults=Faults(break_after=0.1))) as stream:
        await stream.push(QUIET)
        assert isinstance(await failure(stream), VendorUnavailable)


@pytest.mark.asyncio
async def test_a_server_that_is_gone_in_the_middle() -> None:
    emulator = GoogleEmulator(script=())
    async with listening(emulator) as stream:
        await stream.push(QUIET)
        async with asyncio.timeout(WITHIN):
            await emulator.began.wait()
        await emulator.vanish()
        assert isinstance(await failure(stream), VendorUnavailable)


@pytest.mark.asyncio
async def test_garbage() -> None:
    emulator = GoogleEmulator(script=(Said(text="x", after=0.1),), faults=Faults(garbage=True))
    async with listening(emulator) as stream:
        await stream.push(QUIET)
        assert isinstance(await failure(stream), VendorReplyInvalid)


@pytest.mark.asyncio
async def test_an_error_inside_an_answer() -> None:
    async with listening(GoogleEmulator(script=(Said(error=8, after=0.1),))) as stream:
        await stream.push(QUIET)
        found = await failure(stream)
    assert (type(found), found.status) == (VendorUnavailable, 429)


@pytest.mark.asyncio
async def test_nobody_is_there() -> None:
    async with GoogleEmulator() as emulator:
        pass
    async with google(emulator) as vendor:
        with pytest.raises(VendorUnavailable, match="no connection"):
            async with vendor.recognizer.listen(SETTINGS):
                pass


@pytest.mark.asyncio
async def test_a_connection_that_nobody_answers_is_given_up() -> None:
    over = asyncio.Event()

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(keep_silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = GoogleSpeechSection(url=f"http://127.0.0.1:{port}", credentials=SecretStr(account_key()))
        clients = GoogleClients("google", settings, connect_within=0.1)
        with pytest.raises(VendorUnavailable, match="no connection in time"):
            await clients.recognition("v1")
        await clients.close()
        over.set()


@pytest.mark.asyncio
async def test_a_late_final_still_counts() -> None:
    emulator = GoogleEmulator(script=(Said(text="late"),), faults=Faults(hold_final=True))
    async with listening(emulator) as stream:
        await stream.push(QUIET)
        await stream.finish()
        emulator.released.set()
        async with asyncio.timeout(WITHIN):
            assert texts([result async for result in stream.results()]) == [("late", True)]


@pytest.mark.asyncio
async def test_audio_that_nobody_takes_is_bounded() -> None:
    emulator = GoogleEmulator(script=(), faults=Faults(stall_after=0.0))
    async with listening(emulator) as stream:
        second = Frame(b"\xff" * 80_000, PCMU_8K)
        for _ in range(4):
            await stream.push(second)
        with pytest.raises(VendorUnavailable, match="takes no audio"):
            await stream.push(second)


@pytest.mark.asyncio
async def test_leaving_cancels_the_request_at_once() -> None:
    emulator = GoogleEmulator(script=())
    async with emulator, google(emulator) as vendor:
        async with asyncio.timeout(WITHIN), vendor.recognizer.listen(SETTINGS) as stream:
            await stream.push(QUIET)
            await emulator.began.wait()
            leaving = Leaving()
        await leaving.is_seen_by(emulator.recognitions[0])


@pytest.mark.asyncio
async def test_a_turn_longer_than_googles_stream_goes_on_in_another_one() -> None:
    emulator = GoogleEmulator(script=(Said(text="one", after=0.3), Said(text="two")), longest=0.55)
    async with emulator:
        settings = section(emulator)
        clients = GoogleClients("google", settings)
        try:
            recognizer = GoogleRecognizer(clients, settings, stream_seconds=0.5)
            async with recognizer.listen(SETTINGS) as stream:
                results = await hear(stream, [QUIET] * 8)
        finally:
            await clients.close()
    assert texts(results) == [("one", True), ("two", True), ("one", True), ("two", True)]
    assert [len(taken.audio) for taken in emulator.recognitions] == [4000, 2400]


@pytest.mark.asyncio
async def test_a_stream_that_google_ends_early_is_opened_anew() -> None:
    emulator = GoogleEmulator(script=(), faults=Faults(end_after=0.3))
    async with listening(emulator) as stream:
        await pushed_until_closed(emulator, stream, [QUIET] * 3)
        emulator.faults = Faults()
        emulator.script = (Said(text="hello"),)
        async with asyncio.timeout(WITHIN):
            await emulator.opened(2)
        await stream.push(QUIET)
        await stream.finish()
        async with asyncio.timeout(WITHIN):
            assert texts([result async for result in stream.results()]) == [("hello", True)]
    assert len(emulator.recognitions) == 2


@pytest.mark.asyncio
@pytest.mark.recordings
@pytest.mark.parametrize("api", ["v1", "v2"])
async def test_the_vendor_may_decide_that_the_turn_is_over(api: str) -> None:
    text = transcripts("en")["agent-pass"]
    emulator = GoogleEmulator(known={text: recording("en", "agent-pass")})
    async with listening(emulator, VENDOR_ENDS, api=api) as stream:
        await pushed_until_closed(emulator, stream, audio("agent-pass", PCMU_8K) + silence(2.0, PCMU_8K))
        async with asyncio.timeout(WITHIN):
            results = [result async for result in stream.results()]
    told = [result.started for result in results if isinstance(result, SpeechHeard)]
    assert told[0]
    assert not told[-1]
    last = results[-1]
    assert isinstance(last, Transcript)
    assert (last.text, last.final, last.ends_turn) == (text, True, True)


@pytest.mark.asyncio
@pytest.mark.recordings
async def test_version_1_gets_a_laws_words_as_linear_samples() -> None:
    text = transcripts("en")["agent-pass"]
    emulator = GoogleEmulator(known={text: recording("en", "agent-pass")})
    settings = replace(SETTINGS, format=PCMA_8K, options={"serviceVersion": "v1"})
    async with listening(emulator, settings, api="v2") as stream:
        results = await hear(stream, audio("agent-pass", PCMA_8K))
    assert texts(results)[-1] == (text, True)
    assert emulator.recognitions[0].version == "v1"


@pytest.mark.asyncio
async def test_turns_share_a_connection() -> None:
    emulator = GoogleEmulator(script=(Said(text="hello"),))
    async with emulator, google(emulator) as vendor:
        for _ in range(3):
            async with vendor.recognizer.listen(SETTINGS) as stream:
                assert texts(await hear(stream, [QUIET])) == [("hello", True)]
    assert len(emulator.recognitions) == 3
    assert len(emulator.peers) == 1


@pytest.mark.asyncio
async def test_listening_and_speaking_have_a_token_each() -> None:
    emulator = GoogleEmulator(script=(Said(text="hello"),))
    utterance = Utterance(text="Hello.", plain="Hello.", language="en-GB", format=PCMU_8K)
    async with emulator, google(emulator) as vendor:
        for _ in range(2):
            async with vendor.recognizer.listen(SETTINGS) as stream:
                assert texts(await hear(stream, [QUIET])) == [("hello", True)]
            assert [spoken async for spoken in vendor.synthesizer.speak(utterance)]
