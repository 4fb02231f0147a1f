"""ElevenLabs refuses, stalls, breaks off, babbles, is late, and is left in the middle: nothing hangs, nothing leaks."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from audio.format import L16_8K, L16_16K, PCMU_8K, AudioFormat
from audio.frame import Frame
from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.hearing import HearingLimits
from gateway.speech.elevenlabs.recognizer import ElevenLabsRecognizer
from gateway.speech.elevenlabs.settings import ElevenLabsSpeechSection
from gateway.speech.scripted.signal import duration_of, resemblance
from gateway.speech_interfaces import ListenSettings, RecognitionStream, SpeechHeard, Utterance
from gateway.tuning import Tuning
from tests.contracts import test_recognizers as recognizers
from tests.contracts.speech_connections import Leaving
from tests.contracts.test_recognizers import audio, framed, heard
from tests.emulators.elevenlabs import KEY, ElevenLabs, Faults
from tests.fakes.elevenlabs_speech import emulated
from tests.fakes.processes import until
from tests.recordings import recording, transcripts

NAME = "agent-pass"
SHORT = HearingLimits(rest=0.05, close=0.2, keep_alive=0.02)
TIMEOUT = 30
QUESTION = ListenSettings(language="en-US", format=PCMU_8K)
GREETING = Utterance(text="Good morning to you", plain="Good morning to you", language="en-GB", format=PCMU_8K)
WAYS = pytest.mark.parametrize("synthesis", ["multi", "single", "http"])
pytestmark = [pytest.mark.asyncio, pytest.mark.recordings]


def frames(quiet: float = 0.0) -> list[Frame]:
    return framed(recording("en", NAME) + bytes(round(quiet * 8000) * 2), PCMU_8K)


def words() -> str:
    return transcripts("en")[NAME]


async def pushed_and_taken(stream: RecognitionStream, office: ElevenLabs, pushed: list[Frame]) -> None:
    """Push audio, and wait until the emulator has it and has said what it has to say."""
    before = len(office.requests[0].audio) if office.requests else 0
    for frame in pushed:
        await stream.push(frame)
    size = before + sum(len(frame.data) for frame in pushed)
    await until(lambda: bool(office.requests) and len(office.requests[0].audio) == size)


def finals(results: list[Transcript | SpeechHeard]) -> str:
    return " ".join(filter(None, recognizers.finals(results)))


# --- recognition ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        (Faults(refuse=401), VendorRejected),
        (Faults(refuse=403), VendorRejected),
        (Faults(refuse=429), VendorUnavailable),
        (Faults(refuse=503), VendorUnavailable),
        (Faults(abort_after=4000), VendorUnavailable),
        (Faults(close_after=(4000, 1011, "internal")), VendorUnavailable),
        (Faults(error_after=(4000, "quota_exceeded")), VendorRejected),
        (Faults(error_after=(4000, "rate_limited")), VendorUnavailable),
        (Faults(never_final=True), VendorUnavailable),
        (Faults(garbage=True), VendorReplyInvalid),
    ],
)
async def test_a_stream_that_breaks_says_how(faults: Faults, kind: type[VendorError]) -> None:
    async with emulated(NAME) as (_, office):
        office.faults = faults
        recognizer = ElevenLabsRecognizer(
            "elevenlabs",
            ElevenLabsSpeechSection(api_key=KEY, url=office.url),  # type: ignore[arg-type]  # pydantic makes it a secret
            SHORT,
        )
        async with recognizer.listen(QUESTION) as stream:
            with pytest.raises(kind) as raised:
                await heard(stream, frames())
        await recognizer.close()
        async with asyncio.timeout(TIMEOUT):
            await office.requests[0].closed.wait()
    assert KEY not in str(raised.value)
    assert words() not in str(raised.value)


async def test_a_wrong_key_is_refused() -> None:
    async with emulated(NAME, api_key="wrong") as (vendor, _), vendor.recognizer.listen(QUESTION) as stream:
        with pytest.raises(VendorRejected, match="401"):
            await heard(stream, frames())


@pytest.mark.parametrize(
    "faults", [Faults(two_finals=True), Faults(empty_final=True), Faults(late_interim=True), Faults(copies=True)]
)
async def test_odd_orders_of_finals_are_put_right(faults: Faults) -> None:
    async with emulated(NAME) as (vendor, office):
        office.faults = faults
        async with vendor.recognizer.listen(QUESTION) as stream:
            await pushed_and_taken(stream, office, frames()[:-5])  # which commit an answer is to cannot be seen
            await pushed_and_taken(stream, office, frames()[-5:])
            results = await heard(stream, [])
    assert finals(results) == words()
    assert isinstance(results[-1], Transcript)
    assert results[-1].final


async def test_the_vendor_ends_turns_where_it_may() -> None:
    async with emulated(NAME) as (vendor, office):
        for endpointing, ends in (("vendor", True), ("gateway", False)):
            settings = replace(QUESTION, tuning=Tuning(endpointing=endpointing))  # type: ignore[arg-type]  # one of the two
            async with vendor.recognizer.listen(settings) as stream:
                office.requests.clear()
                await pushed_and_taken(stream, office, frames(quiet=2.0))
                results = await heard(stream, [])
            assert finals(results) == words()
            assert any(isinstance(each, Transcript) and each.ends_turn for each in results) == ends


@pytest.mark.parametrize("format", [PCMU_8K, L16_16K])
async def test_the_next_turn_has_no_handshake_to_wait_for(format: AudioFormat) -> None:
    async with emulated(NAME) as (_, office):
        recognizer = ElevenLabsRecognizer(
            "elevenlabs",
            ElevenLabsSpeechSection(api_key=KEY, url=office.url),  # type: ignore[arg-type]  # pydantic makes it a secret
            replace(SHORT, rest=5.0, close=5.0),
        )
        for turn in range(3):
            async with recognizer.listen(replace(QUESTION, format=format)) as stream:
                assert finals(await heard(stream, audio(NAME, format))) == words()
            signs = len(office.requests[0].messages)
            await until(lambda known=signs: len(office.requests[0].messages) > known)  # type: ignore[misc]  # mypy cannot infer it
            assert len(office.requests) == 1, f"turn {turn} opened a connection"
        await recognizer.close()
        await office.requests[0].closed.wait()


# --- synthesis -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        (Faults(refuse=401), VendorRejected),
        (Faults(refuse=400), VendorRejected),
        (Faults(refuse=429), VendorUnavailable),
        (Faults(refuse=500), VendorUnavailable),
        (Faults(abort_after=4000), VendorUnavailable),
        (Faults(empty_audio=True), VendorReplyInvalid),
    ],
)
@WAYS
async def test_speech_that_breaks_off_says_how(synthesis: str, faults: Faults, kind: type[VendorError]) -> None:
    async with emulated(synthesis=synthesis) as (vendor, office):
        office.faults = faults
        with pytest.raises(kind) as raised:
            async with asyncio.timeout(TIMEOUT):
                [spoken async for spoken in vendor.synthesizer.speak(GREETING)]
    assert KEY not in str(raised.value)
    assert GREETING.text not in str(raised.value)


@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        (Faults(error_after=(0, "quota_exceeded")), VendorRejected),
        (Faults(error_after=(0, "max_active_conversations")), VendorUnavailable),
        (Faults(garbage=True), VendorReplyInvalid),
    ],
)
@pytest.mark.parametrize("synthesis", ["multi", "single"])
async def test_a_socket_that_refuses_after_all_says_why(
    synthesis: str, faults: Faults, kind: type[VendorError]
) -> None:
    async with emulated(synthesis=synthesis) as (vendor, office):
        office.faults = faults
        with pytest.raises(kind):
            [spoken async for spoken in vendor.synthesizer.speak(GREETING)]


async def test_a_text_whose_end_is_never_told_has_broken_off() -> None:
    async with emulated(synthesis="single") as (vendor, office):
        office.faults = Faults(never_final=True)
        with pytest.raises(VendorUnavailable, match="closed before the end"):
            [spoken async for spoken in vendor.synthesizer.speak(GREETING)]


@pytest.mark.parametrize("kind", ["application/json", "text/html", "audio/mpeg"])
async def test_what_is_no_sound_is_not_spoken(kind: str) -> None:
    async with emulated(synthesis="http") as (vendor, office):
        office.faults = Faults(content_type=kind)
        with pytest.raises(VendorReplyInvalid):
            [spoken async for spoken in vendor.synthesizer.speak(GREETING)]


@WAYS
async def test_pieces_of_odd_size_make_whole_samples(synthesis: str) -> None:
    async with emulated(synthesis=synthesis) as (vendor, office):
        office.faults = Faults(odd_chunks=True)
        spoken = [each async for each in vendor.synthesizer.speak(replace(GREETING, format=L16_8K))]
    pcm = b"".join(each.frame.data for each in spoken)
    assert all(len(each.frame.data) % 2 == 0 for each in spoken)
    assert len(pcm) == 2 * round(duration_of(GREETING.text) * 8000)
    assert resemblance(pcm, GREETING.text, 8000) > 0.99


@pytest.mark.parametrize("stalled", [False, True])
@WAYS
async def test_speech_that_is_left_is_cancelled_at_once(synthesis: str, stalled: bool) -> None:
    text = "Good morning. " * 20
    async with emulated(synthesis=synthesis) as (vendor, office):
        office.faults = Faults(stall_after=4800)
        async with aclosing(vendor.synthesizer.speak(replace(GREETING, text=text, plain=text))) as pieces:
            await anext(pieces)
            if stalled:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        [each async for each in pieces]
            leaving = Leaving()
        await leaving.is_seen_by(office.requests[0])
        assert not office.requests[0].was_complete


async def test_one_text_after_another_on_one_connection() -> None:
    async with emulated() as (vendor, office):
        for text in ("One moment", "Two moments", "Three moments"):
            utterance = replace(GREETING, text=text, plain=text)
            spoken = [each async for each in vendor.synthesizer.speak(utterance)]
            assert resemblance(b"".join(each.frame.pcm() for each in spoken), text, 8000) > 0.9
        contexts = [message["context_id"] for message in office.requests[0].messages]
        assert len(office.requests) == 1
        assert len(set(contexts)) == 3


async def test_audio_of_a_text_before_is_not_played() -> None:
    async with emulated() as (vendor, office):
        office.faults = Faults(stray_context=True)
        spoken = [each async for each in vendor.synthesizer.speak(GREETING)]
    assert sum(each.frame.samples for each in spoken) == round(duration_of(GREETING.text) * 8000)


async def test_it_is_told_how_far_a_text_has_come() -> None:
    async with emulated() as (vendor, _):
        spoken = [each async for each in vendor.synthesizer.speak(GREETING)]
    whole = duration_of(GREETING.text)
    for each in spoken:
        assert each.chars is not None
        expected = len(GREETING.plain) * each.frame.end_samples / 8000 / whole
        assert each.chars == pytest.approx(expected, abs=3)
    assert len(spoken) > 4


async def test_without_times_only_the_end_is_known() -> None:
    async with emulated() as (vendor, office):
        office.faults = Faults(no_alignment=True)
        spoken = [each async for each in vendor.synthesizer.speak(GREETING)]
    assert [each.chars for each in spoken] == [0] * (len(spoken) - 1) + [len(GREETING.plain)]


async def test_a_model_that_no_socket_serves_is_asked_by_request() -> None:
    async with emulated() as (vendor, office):
        spoken = [each async for each in vendor.synthesizer.speak(replace(GREETING, model="eleven_v3"))]
        assert office.requests[0].kind == "stream"
        assert office.requests[0].messages[0]["model_id"] == "eleven_v3"
    assert spoken


async def test_its_voices_are_listed() -> None:
    async with emulated() as (vendor, _):
        voices = await vendor.synthesizer.voices()
    assert [(voice.languages, voice.about) for voice in voices] == [(("en", "fr"), "George, british, male")]
