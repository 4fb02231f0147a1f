"""The scripted vendor: what it says and hears, and the faults it can have."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from audio.format import L16_8K, PCMU_8K
from audio.frame import Frame
from gateway.errors import VendorUnavailable
from gateway.events import Transcript
from gateway.speech.scripted.client import ScriptedRecognizer, ScriptedSynthesizer
from gateway.speech.scripted.settings import ScriptedSpeechSection
from gateway.speech.scripted.signal import duration_of, resemblance, spoken, spoken_pcm
from gateway.speech_interfaces import ListenSettings, SpeechHeard, SpokenFrame, Utterance

TEXTS = ["Yes.", "No.", "Welcome to the bank.", "Welcome to the tank.", "How can I help you today?"]
SETTINGS = ListenSettings(vendor="acme", kind="free")


@pytest.mark.parametrize("said", TEXTS)
def test_every_text_is_told_from_every_other_by_its_sound(said: str) -> None:
    pcm = bytes(2 * 1234) + spoken_pcm(said, 8000) + bytes(2 * 567)
    heard = {text: resemblance(pcm, text, 8000) for text in TEXTS}
    assert heard.pop(said) > 0.99
    assert max(heard.values()) < 0.4


def test_the_sound_is_as_long_as_the_text_and_as_loud_as_speech() -> None:
    long, short = TEXTS[-1], TEXTS[0]
    assert len(spoken(long, 8000)) == round(duration_of(long) * 8000)
    assert duration_of(long) > 3 * duration_of(short)
    assert 20 * np.log10(np.sqrt((spoken(long, 8000) ** 2).mean())) == pytest.approx(-20, abs=1)
    assert np.abs(spoken(long, 8000)).max() < 0.9


def test_it_is_the_same_sound_at_every_rate() -> None:
    wide = spoken(TEXTS[2], 16000)
    assert resemblance(np.rint(wide[::2] * 32767).astype("<i2").tobytes(), TEXTS[2], 8000) > 0.95


async def said(synthesizer: ScriptedSynthesizer, utterance: Utterance) -> float:
    return sum([piece.frame.duration async for piece in synthesizer.speak(utterance)])


async def collect(synthesizer: ScriptedSynthesizer, pieces: list[SpokenFrame]) -> None:
    async for piece in synthesizer.speak(Utterance(text="How can I help you today?")):
        pieces.append(piece)


@pytest.mark.asyncio
async def test_requests_are_remembered_as_they_came() -> None:
    synthesizer = ScriptedSynthesizer(ScriptedSpeechSection(), vendor="acme")
    utterance = Utterance(text="Hello.", plain="Hello.", vendor="acme", voice="anna", options={"style": "calm"})
    assert await said(synthesizer, utterance) == pytest.approx(duration_of("Hello."), abs=0.01)
    assert synthesizer.requests == [utterance]
    assert synthesizer.finished == 1


@pytest.mark.parametrize("after", [0.0, 0.5])
@pytest.mark.asyncio
async def test_it_fails_where_the_script_says(after: float) -> None:
    script = ScriptedSpeechSection(fail_speech_after=after, faulty_requests=1)
    synthesizer = ScriptedSynthesizer(script, vendor="acme")
    pieces: list[SpokenFrame] = []
    with pytest.raises(VendorUnavailable, match="acme"):
        await collect(synthesizer, pieces)
    assert sum(piece.frame.duration for piece in pieces) == pytest.approx(after, abs=0.1)
    assert await said(synthesizer, Utterance(text="How can I help you today?")) > 1  # the fault befell one request
    assert synthesizer.finished == 1


@pytest.mark.asyncio
async def test_it_stalls_where_the_script_says() -> None:
    synthesizer = ScriptedSynthesizer(ScriptedSpeechSection(stall_speech_after=0.1))
    pieces = synthesizer.speak(Utterance(text="How can I help you today?"))
    await anext(pieces)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(pieces), 0.02)


def frames(pcm: bytes) -> list[Frame]:
    return [Frame(pcm[start : start + 320], L16_8K, start // 2) for start in range(0, len(pcm), 320)]


async def heard(
    recognizer: ScriptedRecognizer, pcm: bytes, settings: ListenSettings = SETTINGS
) -> list[Transcript | SpeechHeard]:
    async with recognizer.listen(settings) as stream:
        for frame in frames(pcm):
            await stream.push(frame)
        await stream.finish()
        return [result async for result in stream.results()]


def ear(**script: object) -> ScriptedRecognizer:
    return ScriptedRecognizer(ScriptedSpeechSection(**script), vendor="acme")


SPEECH, SILENCE = spoken_pcm("Hello there.", 8000), bytes(16000)


@pytest.mark.asyncio
async def test_texts_come_in_order_and_only_when_somebody_speaks() -> None:
    recognizer = ear(texts=["first one", "second one"], partials=False)
    results = [await heard(recognizer, pcm) for pcm in (SILENCE, SPEECH, SILENCE, SPEECH, SPEECH)]
    texts = [[result.text for result in turn if isinstance(result, Transcript)] for turn in results]
    assert texts == [[], ["first one"], [], ["second one"], ["second one"]]


@pytest.mark.asyncio
async def test_a_partial_comes_while_the_caller_speaks() -> None:
    assert await heard(ear(texts=["sales please"]), SPEECH) == [
        Transcript(text="sales", final=False),
        Transcript(text="sales please", final=True, confidence=0.9),
    ]


@pytest.mark.asyncio
async def test_answers_go_by_the_kind_of_question() -> None:
    recognizer = ear(texts=["something"], answers={"digits": "one two"}, partials=False)
    for kind, expected in (("digits", "one two"), ("free", "something")):
        (result,) = await heard(recognizer, SPEECH, ListenSettings(vendor="acme", kind=kind))
        assert isinstance(result, Transcript)
        assert result.text == expected


@pytest.mark.parametrize(
    ("pcm", "expected"),
    [(spoken_pcm("support", 8000), ["support"]), (spoken_pcm("something else", 8000), []), (SILENCE, [])],
    ids=["a hint", "another text", "silence"],
)
@pytest.mark.asyncio
async def test_echo_hears_what_the_scripted_voice_says(pcm: bytes, expected: list[str]) -> None:
    settings = ListenSettings(vendor="acme", hints=("sales", "support"))
    results = await heard(ear(echo=True), SILENCE + pcm, settings)
    assert [result.text for result in results if isinstance(result, Transcript)] == expected


@pytest.mark.asyncio
async def test_it_can_end_the_turn_itself() -> None:
    recognizer = ear(texts=["that is all"], turn_after=0.3, partials=False)
    (result,) = await heard(recognizer, SPEECH)
    assert isinstance(result, Transcript)
    assert result.ends_turn
    assert recognizer.capabilities.own_endpointing == "turn"


@pytest.mark.asyncio
async def test_streams_are_remembered_with_their_audio() -> None:
    recognizer = ear(texts=["hello"])
    settings = ListenSettings(vendor="acme", hints=("hello",), options={"tier": "phone"}, format=PCMU_8K)
    await heard(recognizer, SPEECH, settings)
    (stream,) = recognizer.streams
    assert stream.settings is settings
    assert stream.finished
    assert stream.seconds == pytest.approx(len(SPEECH) / 16000)


@pytest.mark.parametrize("after", [0, 0.2])
@pytest.mark.asyncio
async def test_a_stream_breaks_where_the_script_says(after: float) -> None:
    recognizer = ear(texts=["hello"], fail_listening_after=after, faulty_requests=1)
    with pytest.raises(VendorUnavailable, match="acme"):
        await heard(recognizer, SPEECH)
    assert await heard(recognizer, SPEECH)


@pytest.mark.asyncio
async def test_a_stream_stalls_where_the_script_says() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(heard(ear(texts=["hello"], stall_listening=True), SPEECH), 0.05)
