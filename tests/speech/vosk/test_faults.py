"""What a Vosk server is told, what its answers mean, and what becomes of one that misbehaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from hypothesis import given as supposing
from hypothesis import strategies as st
from pydantic import ValidationError

from audio.format import L16_8K
from audio.frame import Frame
from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.options import understood
from gateway.speech.scripted.signal import spoken_pcm
from gateway.speech.vosk.options import ListenOptions
from gateway.speech.vosk.protocol import VoskTurn, config
from gateway.speech.vosk.settings import VoskSpeechSection
from gateway.speech.vosk.vendor import VoskSpeech
from gateway.speech_interfaces import ListenSettings, RecognitionStream, SpeechHeard
from gateway.tuning import Tuning
from tests.contracts.test_recognizers import texts
from tests.emulators.vosk import VoskEmulator

WORDS = "Good morning to all of you."
SPELT = "good morning to all of you"
SETTINGS = ListenSettings(vendor="vosk", format=L16_8K)
Fault = Callable[[VoskEmulator], None]
Results = list[Transcript | SpeechHeard]


def emulated() -> VoskEmulator:
    return VoskEmulator({WORDS: spoken_pcm(WORDS, 8000)})


def given(**attributes: object) -> Fault:
    def change(emulator: VoskEmulator) -> None:
        for name, value in attributes.items():
            setattr(emulator, name, value)

    return change


@asynccontextmanager
async def listening(
    emulator: VoskEmulator, settings: ListenSettings = SETTINGS, *, timeout: float = 10, pcm: bytes | None = None
) -> AsyncIterator[RecognitionStream]:
    async with emulator.serve() as address:
        recognizer = VoskSpeech("vosk", VoskSpeechSection(url=address, timeout=timeout)).recognizer
        async with recognizer.listen(settings) as stream:
            sound = spoken_pcm(WORDS, 8000) if pcm is None else pcm
            for start in range(0, len(sound), 1600):
                await stream.push(Frame(sound[start : start + 1600], L16_8K, start // 2))
            yield stream


async def rest(stream: RecognitionStream) -> Results:
    await stream.finish()
    async with asyncio.timeout(30):
        return [result async for result in stream.results()]


# --- messages --------------------------------------------------------------------------------------------------------
def test_an_open_question_names_the_rate_only() -> None:
    told = json.loads(config(ListenSettings(hints=("Acme",), model="big"), ListenOptions(), 8000, grammar=True))
    assert told == {"config": {"sample_rate": 8000, "words": True}}


@pytest.mark.parametrize(
    ("options", "grammar", "phrases"),
    [
        ({}, True, ["oui", "non merci", "l'été", "[unk]"]),
        ({}, False, None),
        ({"phrase_list": ["Allô"]}, True, ["allô", "[unk]"]),
        ({"grammar": ["Allô"]}, False, ["allô", "[unk]"]),
    ],
)
def test_what_a_question_allows_is_all_that_can_be_heard(
    options: dict[str, object], grammar: bool, phrases: list[str] | None
) -> None:
    settings = ListenSettings(phrases=("Oui", "Non, merci !", "oui.", "L'été", "?"))
    found, problems = understood(ListenOptions, options)
    assert problems == []
    assert json.loads(config(settings, found, 8000, grammar=grammar))["config"].get("phrase_list") == phrases


def test_other_readings_are_counted_as_the_server_counts_them() -> None:
    settings = ListenSettings(tuning=Tuning(alternatives=2))
    assert json.loads(config(settings, ListenOptions(), 8000, grammar=True))["config"]["max_alternatives"] == 3


def test_an_answer_is_written_as_the_menu_has_it() -> None:
    turn = VoskTurn("vosk", "{}", ["Non, merci !"], partials=True)
    assert turn.receive('{"text": "non merci"}') == [Transcript(text="Non, merci !", final=True)]
    assert turn.receive('{"text": "[unk] non [unk]"}') == [Transcript(text="non", final=True)]
    assert turn.receive('{"text": "[unk]"}') == []


def test_a_partial_that_repeats_itself_is_told_once() -> None:
    turn = VoskTurn("vosk", "{}", [], partials=True)
    answers = ['{"partial": ""}', '{"partial": "a"}', '{"partial": "a"}', '{"text": "a"}', '{"partial": "a"}']
    assert [texts(list(turn.receive(answer))) for answer in answers] == [
        [],
        [("a", False)],
        [],
        [("a", True)],
        [("a", False)],
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["text", "conf", "result", "partial"]), inner),
)
ANSWERS = st.dictionaries(st.sampled_from(["text", "partial", "result", "alternatives"]), JSON)


@supposing(st.text() | st.binary() | JSON.map(json.dumps) | ANSWERS.map(json.dumps))
def test_any_answer_is_understood_or_refused(answer: str | bytes) -> None:
    with suppress(VendorError):
        assert all(isinstance(result, Transcript) for result in VoskTurn("v", "{}", [], True).receive(answer))


def test_the_address_is_a_websocket() -> None:
    with pytest.raises(ValidationError):
        VoskSpeechSection(url="http://a")


# --- calls -----------------------------------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_a_turn_of_two_utterances_has_two_finals() -> None:
    emulator = emulated()
    pcm = (spoken_pcm(WORDS, 8000) + bytes(16000)) * 2
    async with listening(emulator, pcm=pcm) as stream:
        results = await rest(stream)
    finals = [result for result in results if isinstance(result, Transcript) and result.final]
    assert [(final.text, final.confidence) for final in finals] == [(SPELT, pytest.approx(0.8))] * 2
    assert ("good morning", False) in texts(results)
    assert len(emulator.connections[0].audio) == len(pcm)


@pytest.mark.asyncio
async def test_other_readings_come_with_the_final() -> None:
    settings = replace(SETTINGS, tuning=Tuning(alternatives=1, interim=False))
    async with listening(emulated(), settings) as stream:
        assert await rest(stream) == [Transcript(text=SPELT, final=True, alternatives=(f"{SPELT} too",))]


@pytest.mark.asyncio
async def test_what_the_grammar_does_not_have_is_not_heard() -> None:
    async with listening(emulated(), replace(SETTINGS, phrases=("yes", "no"))) as stream:
        assert await rest(stream) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "error", "reason"),
    [
        (given(status=503), VendorUnavailable, "503"),
        (given(status=401), VendorRejected, "401"),
        (given(garbage="hello"), VendorReplyInvalid, "no JSON"),
        (given(garbage="[]"), VendorReplyInvalid, "no object"),
        (given(garbage="{}"), VendorReplyInvalid, "no text"),
        (given(break_after=3200), VendorUnavailable, "1011"),
    ],
)
async def test_a_server_that_misbehaves_is_an_error(fault: Fault, error: type[VendorError], reason: str) -> None:
    emulator = emulated()
    fault(emulator)
    async with listening(emulator) as stream:
        with pytest.raises(error, match=reason):
            await rest(stream)


@pytest.mark.asyncio
async def test_answers_that_do_not_come_are_not_waited_for() -> None:
    emulator = emulated()
    emulator.stall_after = 3200
    async with listening(emulator, timeout=0.2) as stream:
        with pytest.raises(VendorUnavailable, match="in time"):
            await rest(stream)
