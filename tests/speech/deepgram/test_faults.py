"""Deepgram refuses, stalls, breaks off, babbles, is late, and is left in the middle: nothing hangs, nothing leaks."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from audio.codecs import g711
from audio.format import L16_8K, PCMU_8K, Encoding, MediaError
from audio.frame import Frame
from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.hearing import HearingLimits
from gateway.speech.deepgram.recognizer import DeepgramRecognizer
from gateway.speech.deepgram.settings import DeepgramSpeechSection
from gateway.speech.scripted.signal import duration_of, resemblance
from gateway.speech_interfaces import ListenSettings, SpeechHeard, Utterance
from gateway.tuning import Tuning
from tests.contracts import test_recognizers as recognizers
from tests.contracts.speech_connections import Leaving
from tests.contracts.test_recognizers import framed, heard
from tests.emulators.deepgram import KEY, Faults, Request
from tests.fakes.deepgram_speech import emulated
from tests.fakes.processes import until
from tests.recordings import recording, transcripts

NAME = "vm-goodbye"
SHORT = HearingLimits(rest=0.05, close=0.2, keep_alive=0.02)
TIMEOUT = 30
QUESTION = ListenSettings(language="en-US", format=PCMU_8K)
GREETING = Utterance(text="Good morning to you", language="en-GB", format=PCMU_8K)
pytestmark = [pytest.mark.asyncio, pytest.mark.recordings]


def frames(quiet: float = 0.0) -> list[Frame]:
    return framed(recording("en", NAME) + bytes(round(quiet * 8000) * 2), PCMU_8K)


def words() -> str:
    return transcripts("en")[NAME]


def finals(results: list[Transcript | SpeechHeard]) -> str:
    return " ".join(filter(None, recognizers.finals(results)))


async def closed(request: Request) -> float:
    """When the emulator saw it end."""
    async with asyncio.timeout(TIMEOUT):
        await request.closed.wait()
    assert request.closed_at is not None
    return request.closed_at


# --- recognition ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        (Faults(refuse=401), VendorRejected),
        (Faults(refuse=402), VendorRejected),
        (Faults(refuse=400), VendorRejected),
        (Faults(refuse=429), VendorUnavailable),
        (Faults(refuse=503), VendorUnavailable),
        (Faults(abort_after=2000), VendorUnavailable),
        (Faults(close_after=(2000, 1011, "NET-0000")), VendorUnavailable),
        (Faults(close_after=(2000, 1000, "")), VendorUnavailable),
        (Faults(error_after=2000), VendorUnavailable),
        (Faults(stall_after=2000), VendorUnavailable),
        (Faults(never_final=True), VendorUnavailable),
        (Faults(garbage=True), VendorReplyInvalid),
    ],
)
@pytest.mark.parametrize("model", ["nova-3", "flux"])
async def test_a_stream_that_breaks_says_how(model: str, faults: Faults, kind: type[VendorError]) -> None:
    async with emulated(NAME, model=model) as (_, office):
        office.faults = faults
        settings = DeepgramSpeechSection(api_key=KEY, url=office.url, model=model)  # type: ignore[arg-type]  # pydantic makes it a secret
        recognizer = DeepgramRecognizer("deepgram", settings, SHORT)
        async with recognizer.listen(QUESTION) as stream:
            with pytest.raises(kind) as raised:
                await heard(stream, frames())
        await recognizer.close()
        await closed(office.requests[0])
    assert KEY not in str(raised.value)
    assert words() not in str(raised.value)


async def test_a_wrong_key_is_refused() -> None:
    async with emulated(NAME, api_key="wrong") as (vendor, _), vendor.recognizer.listen(QUESTION) as stream:
        with pytest.raises(VendorRejected, match="401"):
            await heard(stream, frames())


@pytest.mark.parametrize("model", ["nova-3", "flux"])
async def test_a_final_that_only_closing_brings_is_heard(model: str) -> None:
    async with emulated(NAME) as (_, office):
        office.faults = Faults(late_final=True)
        settings = DeepgramSpeechSection(api_key=KEY, url=office.url, model=model)  # type: ignore[arg-type]  # pydantic makes it a secret
        recognizer = DeepgramRecognizer("deepgram", settings, SHORT)
        async with recognizer.listen(QUESTION) as stream:
            assert finals(await heard(stream, frames())) == words()
        await recognizer.close()
        assert office.requests[0].kinds()[-1] == "CloseStream"


@pytest.mark.parametrize("faults", [Faults(two_finals=True), Faults(empty_final=True), Faults(late_interim=True)])
async def test_odd_orders_of_finals_are_put_right(faults: Faults) -> None:
    async with emulated("agent-pass") as (vendor, office):
        office.faults = faults
        data = g711.encode(recording("en", "agent-pass"), Encoding.PCMU)
        async with vendor.recognizer.listen(QUESTION) as stream:
            results = await heard(stream, [Frame(data, PCMU_8K)])
    assert finals(results) == transcripts("en")["agent-pass"]
    assert isinstance(results[-1], Transcript)
    assert results[-1].final


async def test_audio_arrives_whole_and_in_order() -> None:
    async with emulated(NAME) as (vendor, office), vendor.recognizer.listen(QUESTION) as stream:
        await heard(stream, frames())
        assert bytes(office.requests[0].audio) == b"".join(frame.data for frame in frames())


async def test_a_frame_of_another_format_is_refused() -> None:
    async with emulated() as (vendor, _), vendor.recognizer.listen(QUESTION) as stream:
        with pytest.raises(MediaError):
            await stream.push(Frame(bytes(320), L16_8K))


async def test_a_vendor_that_takes_nothing_does_not_hold_up_the_call() -> None:
    async with emulated() as (vendor, office):
        office.faults.hold_handshake = asyncio.Event()
        async with vendor.recognizer.listen(QUESTION) as stream:
            minute = Frame(bytes(PCMU_8K.size(59)), PCMU_8K)
            await stream.push(minute)
            with pytest.raises(VendorUnavailable, match="takes no audio"):
                await stream.push(minute)
        office.faults.hold_handshake.set()


@pytest.mark.parametrize("model", ["nova-3", "flux"])
async def test_the_vendor_ends_turns_where_it_may(model: str) -> None:
    async with emulated(NAME, model=model) as (vendor, _):
        for endpointing, ends in (("vendor", True), ("gateway", False)):
            settings = replace(QUESTION, tuning=Tuning(endpointing=endpointing))  # type: ignore[arg-type]  # one of the two
            async with vendor.recognizer.listen(settings) as stream:
                results = await heard(stream, frames(quiet=1.5))
            assert finals(results) == words()
            assert any(isinstance(each, Transcript) and each.ends_turn for each in results) == ends
            assert next(each.started for each in results if isinstance(each, SpeechHeard))


# --- connections that stay -----------------------------------------------------------------------------------------
async def test_the_next_turn_has_no_handshake_to_wait_for() -> None:
    async with emulated(NAME) as (vendor, office):
        for _ in range(3):
            async with vendor.recognizer.listen(QUESTION) as stream:
                results = await heard(stream, frames())
            assert finals(results) == words()
            at = [each.at for each in results if isinstance(each, SpeechHeard)]
            assert all(0 <= each < 1 for each in at)
            assert at
        assert len(office.requests) == 1
        assert office.requests[0].closed_at is None
    await closed(office.requests[0])


async def test_another_question_has_a_connection_of_its_own() -> None:
    async with emulated(NAME) as (vendor, office):
        for settings in (QUESTION, replace(QUESTION, hints=("sales",))):
            async with vendor.recognizer.listen(settings) as stream:
                await heard(stream, frames())
        assert len(office.requests) == 2


async def test_a_connection_that_waits_is_kept_alive() -> None:
    async with emulated(NAME) as (_, office):
        settings = DeepgramSpeechSection(api_key=KEY, url=office.url)  # type: ignore[arg-type]  # pydantic makes it a secret
        recognizer = DeepgramRecognizer("deepgram", settings, SHORT)
        async with recognizer.listen(QUESTION) as stream:
            await heard(stream, frames())
        await until(lambda: office.requests[0].kinds().count("KeepAlive") >= 2)
        async with recognizer.listen(QUESTION) as stream:
            assert finals(await heard(stream, frames())) == words()
        await recognizer.close()
        await closed(office.requests[0])
        assert len(office.requests) == 1


# --- synthesis -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        (Faults(refuse=401), VendorRejected),
        (Faults(refuse=400), VendorRejected),
        (Faults(refuse=429), VendorUnavailable),
        (Faults(refuse=500), VendorUnavailable),
        (Faults(abort_after=2000), VendorUnavailable),
        (Faults(empty_audio=True), VendorReplyInvalid),
    ],
)
@pytest.mark.parametrize("synthesis", ["http", "websocket"])
async def test_speech_that_breaks_off_says_how(synthesis: str, faults: Faults, kind: type[VendorError]) -> None:
    async with emulated(synthesis=synthesis) as (vendor, office):
        office.faults = faults
        with pytest.raises(kind) as raised:
            async with asyncio.timeout(TIMEOUT):
                [spoken async for spoken in vendor.synthesizer.speak(GREETING)]
    assert KEY not in str(raised.value)
    assert GREETING.text not in str(raised.value)


@pytest.mark.parametrize("kind", ["application/json", "text/html", "audio/mpeg"])
async def test_what_is_no_sound_is_not_spoken(kind: str) -> None:
    async with emulated() as (vendor, office):
        office.faults = Faults(content_type=kind)
        with pytest.raises(VendorReplyInvalid):
            [spoken async for spoken in vendor.synthesizer.speak(GREETING)]


@pytest.mark.parametrize("synthesis", ["http", "websocket"])
async def test_pieces_of_odd_size_make_whole_samples(synthesis: str) -> None:
    async with emulated(synthesis=synthesis) as (vendor, office):
        office.faults = Faults(odd_chunks=True)
        spoken = [each async for each in vendor.synthesizer.speak(replace(GREETING, format=L16_8K))]
    pcm = b"".join(each.frame.data for each in spoken)
    assert all(len(each.frame.data) % 2 == 0 for each in spoken)
    assert len(pcm) == 2 * round(duration_of(GREETING.text) * 8000)
    assert resemblance(pcm, GREETING.text, 8000) > 0.99


@pytest.mark.parametrize("stalled", [False, True])
@pytest.mark.parametrize("synthesis", ["http", "websocket"])
async def test_speech_that_is_left_is_cancelled_at_once(synthesis: str, stalled: bool) -> None:
    async with emulated(synthesis=synthesis) as (vendor, office):
        office.faults = Faults(stall_after=800)
        async with aclosing(vendor.synthesizer.speak(replace(GREETING, text="Good morning. " * 100))) as pieces:
            await anext(pieces)
            if stalled:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await anext(pieces)
            leaving = Leaving()
        await leaving.is_seen_by(office.requests[0])
        assert not office.requests[0].was_complete


async def test_one_text_after_another_on_one_connection() -> None:
    async with emulated(synthesis="websocket") as (vendor, office):
        for text in ("One", "Two", "Three"):
            spoken = [each async for each in vendor.synthesizer.speak(replace(GREETING, text=text))]
            assert resemblance(b"".join(each.frame.pcm() for each in spoken), text, 8000) > 0.9
        assert len(office.requests) == 1


async def test_no_connection_is_asked_to_flush_too_often() -> None:
    async with emulated(synthesis="websocket") as (vendor, office):
        for _ in range(16):
            [each async for each in vendor.synthesizer.speak(replace(GREETING, text="Yes"))]
        assert [request.kinds().count("Flush") for request in office.requests] == [15, 1]


async def test_a_long_text_is_spoken_to_its_end() -> None:
    text = "This is one of many sentences. " * 80
    async with emulated() as (vendor, office):
        spoken = [each async for each in vendor.synthesizer.speak(replace(GREETING, text=text))]
        said = [str(request.messages[0]["text"]) for request in office.requests]
    assert " ".join(said) == text.strip()
    assert len(said) == 2
    ends = [0, *(each.frame.end_samples for each in spoken)]
    assert [each.frame.pts_samples for each in spoken] == ends[:-1]


async def test_its_voices_are_listed() -> None:
    async with emulated() as (vendor, _):
        voices = await vendor.synthesizer.voices()
    assert [(voice.name, voice.languages) for voice in voices] == [("aura-2-thalia-en", ("en", "en-US"))]
