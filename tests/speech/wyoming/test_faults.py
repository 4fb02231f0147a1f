"""How Wyoming servers are asked, and what becomes of one that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from wyoming.error import Error

from audio.format import L16_8K, L16_16K
from audio.frame import Frame
from audio.resample import resample
from gateway.errors import VendorError, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.speech.scripted.signal import resemblance, spoken_pcm
from gateway.speech.wyoming.client import WyomingSynthesizer
from gateway.speech.wyoming.framing import Event
from gateway.speech.wyoming.protocol import WyomingTurn
from gateway.speech.wyoming.settings import WyomingSpeechSection
from gateway.speech.wyoming.vendor import WyomingSpeech
from gateway.speech_interfaces import ListenSettings, ListsVoices, RecognitionStream, SpeechHeard, Utterance, VoiceInfo
from gateway.tuning import Tuning
from tests.emulators.wyoming import WyomingEmulator

WORDS = "Good morning to all of you."
HELLO = Utterance(text="A text that is long enough to be cut off in the middle.", format=L16_8K)
SETTINGS = ListenSettings(vendor="house", language="en-GB", format=L16_16K)
Fault = Callable[[WyomingEmulator], None]
Results = list[Transcript | SpeechHeard]


def emulated() -> WyomingEmulator:
    return WyomingEmulator({WORDS: spoken_pcm(WORDS, 8000)})


def given(**attributes: object) -> Fault:
    def change(emulator: WyomingEmulator) -> None:
        for name, value in attributes.items():
            setattr(emulator, name, value)

    return change


@asynccontextmanager
async def speaking(emulator: WyomingEmulator, **settings: object) -> AsyncIterator[WyomingSynthesizer]:
    async with emulator.serve() as address:
        section = WyomingSpeechSection.model_validate({"speak_url": address, **settings})
        synthesizer = WyomingSpeech("house", section).synthesizer
        assert synthesizer is not None
        yield synthesizer


@asynccontextmanager
async def listening(
    emulator: WyomingEmulator, settings: ListenSettings = SETTINGS, **section: object
) -> AsyncIterator[RecognitionStream]:
    async with emulator.serve() as address:
        entry = WyomingSpeechSection.model_validate({"listen_url": address, **section})
        recognizer = WyomingSpeech("house", entry).recognizer
        assert recognizer is not None
        async with recognizer.listen(settings) as stream:
            pcm = resample(spoken_pcm(WORDS, 8000), 8000, 16000)
            for start in range(0, len(pcm), 3200):
                await stream.push(Frame(pcm[start : start + 3200], L16_16K, start // 2))
            yield stream


async def rest(stream: RecognitionStream) -> Results:
    await stream.finish()
    async with asyncio.timeout(30):
        return [result async for result in stream.results()]


# --- speaking --------------------------------------------------------------------------------------------------------
@pytest.mark.asyncio
@pytest.mark.parametrize(("rate", "piece"), [(22050, 2047), (16000, 1), (8000, 33), (24000, 4096)])
async def test_voices_of_any_rate_are_heard_as_they_are(rate: int, piece: int) -> None:
    emulator = WyomingEmulator()
    emulator.rate, emulator.piece = rate, piece
    async with speaking(emulator) as synthesizer:
        utterance = Utterance(text="Yes.", format=L16_8K)
        pcm = b"".join([spoken.frame.data async for spoken in synthesizer.speak(utterance)])
    assert resemblance(pcm, "Yes.", 8000) > 0.95


@pytest.mark.asyncio
async def test_a_voice_is_asked_by_name_else_by_language() -> None:
    emulator = WyomingEmulator()
    async with speaking(emulator) as synthesizer:
        named = replace(HELLO, voice="alba", options={"speaker": 3})
        for utterance in (HELLO, named):
            async for _ in synthesizer.speak(utterance):
                pass
    assert [connection.asked for connection in emulator.connections] == [
        {"text": HELLO.text, "voice": {"language": "en-GB"}},
        {"text": HELLO.text, "voice": {"name": "alba", "speaker": "3"}},
    ]


@pytest.mark.asyncio
async def test_markup_goes_to_a_server_that_understands_it() -> None:
    emulator = WyomingEmulator()
    async with speaking(emulator, ssml=True, voice="alba") as synthesizer:
        assert synthesizer.capabilities.ssml
        utterance = Utterance(text="<speak>Hi</speak>", plain="Hi", ssml=True)
        assert [spoken async for spoken in synthesizer.speak(utterance)]
    assert emulator.connections[0].asked == {
        "text": "<speak>Hi</speak>",
        "voice": {"name": "alba"},
        "text_format": "ssml",
    }


@pytest.mark.asyncio
async def test_the_installed_voices_are_listed() -> None:
    async with speaking(WyomingEmulator()) as synthesizer:
        assert isinstance(synthesizer, ListsVoices)
        assert await synthesizer.voices() == [VoiceInfo(name="en_GB-alba-medium", languages=("en-GB",), about="Alba")]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "error", "reason"),
    [
        (given(error=Error(text="no such voice", code="voice-unknown")), VendorUnavailable, "voice-unknown"),
        (given(garbage=b"HTTP/1.1 400 Bad Request\r\n\r\n"), VendorReplyInvalid, "no JSON"),
        (given(garbage=b'{"type": 1}\n'), VendorReplyInvalid, "no type"),
        (given(garbage=b'{"type": "audio-start"}'), VendorUnavailable, "middle of an event"),
        (given(garbage=b'{"type": "audio-chunk", "payload_length": 99999999}\n'), VendorReplyInvalid, "payload_length"),
        (given(garbage=b""), VendorUnavailable, "hung up"),
        (given(is_mute=True), VendorReplyInvalid, "no sound"),
        (given(break_after=4096), VendorUnavailable, "hung up"),
        (given(width=4), VendorReplyInvalid, "4 bytes"),
        (given(other_rate=16000), VendorReplyInvalid, "changes its rate"),
    ],
)
async def test_a_voice_that_misbehaves_is_an_error(fault: Fault, error: type[VendorError], reason: str) -> None:
    emulator = WyomingEmulator()
    fault(emulator)
    async with speaking(emulator) as synthesizer:
        with pytest.raises(error, match=reason):
            assert [spoken async for spoken in synthesizer.speak(HELLO)]


@pytest.mark.asyncio
async def test_a_voice_that_falls_silent_is_not_waited_for() -> None:
    emulator = WyomingEmulator()
    emulator.stall_after = 4096
    async with speaking(emulator, timeout=0.05) as synthesizer:
        with pytest.raises(VendorUnavailable, match="in time"):
            assert [spoken async for spoken in synthesizer.speak(HELLO)]


@pytest.mark.asyncio
async def test_nobody_there_is_an_error() -> None:
    async with WyomingEmulator().serve() as address:
        pass
    synthesizer = WyomingSpeech("house", WyomingSpeechSection(url=address)).synthesizer
    assert synthesizer is not None
    with pytest.raises(VendorUnavailable, match="no connection"):
        await anext(synthesizer.speak(HELLO))


# --- listening -------------------------------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_a_turn_is_told_with_what_is_likely() -> None:
    emulator = emulated()
    settings = replace(SETTINGS, phrases=("yes",), hints=("Talkpath",), model="base")
    async with listening(emulator, settings) as stream:
        assert await rest(stream) == [Transcript(text=WORDS, final=True, language="en")]
    connection = emulator.connections[0]
    assert connection.asked == {
        "name": "base",
        "language": "en",
        "transcript_names": ["yes"],
        "transcript_terms": ["Talkpath"],
    }
    assert (connection.rate, len(connection.audio)) == (16000, 2 * len(spoken_pcm(WORDS, 8000)))


@pytest.mark.asyncio
async def test_a_streaming_server_is_heard_before_its_last_word() -> None:
    emulator = emulated()
    emulator.streams, emulator.script = True, "good day"
    async with listening(emulator, partials=True) as stream:
        heard = [(result.text, result.final) for result in await rest(stream) if isinstance(result, Transcript)]
    assert heard[-2:] == [("good day", False), ("good day", True)]


def test_each_piece_of_a_transcript_is_told_with_those_before_it() -> None:
    turn = WyomingTurn("house", Event("transcribe"), L16_16K, partials=True)
    told = [turn.receive(Event("transcript-chunk", {"text": text})) for text in ("good ", "day ")]
    assert told == [[Transcript(text="good", final=False)], [Transcript(text="good day", final=False)]]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        (replace(SETTINGS, tuning=Tuning(alt_languages=("fr-FR",))), None),
        (replace(SETTINGS, options={"language": "en_US"}), {"language": "en_US"}),
    ],
)
async def test_languages_are_named_as_the_server_wants_them(settings: ListenSettings, asked: object) -> None:
    emulator = emulated()
    async with listening(emulator, settings) as stream:
        await rest(stream)
    assert (emulator.connections[0].asked or None) == asked


@pytest.mark.asyncio
@pytest.mark.parametrize("script", ["", "  "])
async def test_a_transcript_of_nothing_is_no_words(script: str) -> None:
    emulator = emulated()
    emulator.script = script
    async with listening(emulator) as stream:
        assert await rest(stream) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "error", "reason"),
    [
        (given(error=Error(text=f"cannot hear {WORDS}")), VendorUnavailable, "reports an error"),
        (given(garbage=b"hello\n"), VendorReplyInvalid, "no JSON"),
        (given(garbage=b'{"type": "transcript", "data": []}\n'), VendorReplyInvalid, "no text"),
        (given(garbage=b'{"type": "transcript", "data": {"text": 1}}\n'), VendorReplyInvalid, "no text"),
        (given(garbage=b""), VendorUnavailable, "hung up|broke"),
        (given(break_after=3200), VendorUnavailable, "hung up|broke"),
    ],
)
async def test_an_ear_that_misbehaves_is_an_error(fault: Fault, error: type[VendorError], reason: str) -> None:
    emulator = emulated()
    fault(emulator)
    async with listening(emulator) as stream:
        with pytest.raises(error, match=reason) as raised:
            await rest(stream)
    assert WORDS not in str(raised.value)


@pytest.mark.asyncio
async def test_a_transcript_that_does_not_come_is_not_waited_for() -> None:
    emulator = emulated()
    emulator.stall_after = 1
    async with listening(emulator, timeout=0.1) as stream:
        with pytest.raises(VendorUnavailable, match="in time"):
            await rest(stream)
