"""What the caller answers to a sensitive question reaches no sink, whenever and however he says it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.actions import ActionBatch, Listen, Menu, MenuOption, Record, SendDigits
from gateway.events import (
    BotFailed,
    BotReplied,
    CallAnswered,
    CallOffered,
    DigitPressed,
    PromptStarted,
    SpeechStarted,
    SpeechStopped,
    Transcript,
    TranscriptUpdated,
)
from gateway.interfaces import BackendCapabilities
from gateway.records.secrecy import MASK, blot, mask_words
from tests.call.test_never_silent import NUMBERS, STEPS, Chaos
from tests.fakes.journalling import KeptPlaybook, assert_replays

SECRET = "zebra walrus quokka"
PIN = "4711"
ASK = Listen(kind="digits", sensitive=True)


@pytest.fixture
def play(tmp_path: Path) -> KeptPlaybook:
    return KeptPlaybook(tmp_path)


def key_in(play: KeptPlaybook, keys: str, *, at: float) -> None:
    for index, key in enumerate(keys):
        play(DigitPressed(digit=key), at=at + index / 5)


def keys_in(journal: Path) -> str:
    return "".join(step.event.digit for step in assert_replays(journal) if isinstance(step.event, DigitPressed))


def assert_untold(play: KeptPlaybook, *secrets: str) -> str:
    """The call ends; none of the secrets is in its record or journal, which replays. Returns both as text."""
    journal = play.finish()
    assert_replays(journal)
    written = journal.read_text() + json.dumps(play.record.to_json())
    for secret in secrets:
        assert secret not in written
    return written


def test_the_words_of_a_sensitive_answer_are_written_nowhere(play: KeptPlaybook) -> None:
    play.greet("Your PIN, please", ASK)
    (sent,) = play.speak(SECRET, at=3.0).sent
    assert sent.text == SECRET
    assert play.record.turns[1].text == f"{MASK} {MASK} {MASK}"
    assert "Your PIN, please" in assert_untold(play, SECRET, "quokka")


def test_the_keys_of_a_sensitive_answer_are_written_nowhere(play: KeptPlaybook) -> None:
    play.greet("Your PIN, please", ASK)
    key_in(play, PIN + "#", at=3.0)
    assert play.every.sent[-1].text == PIN
    assert_untold(play, PIN)
    assert keys_in(play.path) == "xxxx#"


def test_what_is_said_before_and_after_is_written(play: KeptPlaybook) -> None:
    play.greet("Hello")
    play.speak("my balance", at=3.0)
    play.reply("Your PIN, please", ASK)
    play.play_out()
    play.speak(SECRET, at=play.now + 1)
    play.reply("Thank you. Anything else?")
    play.play_out()
    play.speak("no thanks", at=play.now + 1)
    written = assert_untold(play, SECRET, "quokka")
    assert "my balance" in written
    assert "no thanks" in written
    assert [turn.is_masked for turn in play.record.turns] == [False, False, True, False]


def test_keys_typed_ahead_of_the_sensitive_question_are_masked_once_it_is_known(play: KeptPlaybook) -> None:
    play.greet("Hello")
    play.speak("my balance", at=3.0)
    key_in(play, PIN + "#", at=play.now + 0.2)
    play.reply("Your PIN, please", ASK)
    play.play_out()
    assert play.every.sent[-1].text == PIN
    assert_untold(play, PIN)
    assert keys_in(play.path) == "xxxx#"


def test_keys_typed_ahead_of_any_other_question_are_written(play: KeptPlaybook) -> None:
    play.greet("Hello")
    play.speak("my balance", at=3.0)
    key_in(play, PIN + "#", at=play.now + 0.2)
    play.reply("Your customer number, please", Listen(kind="digits"))
    play.play_out()
    assert play.every.sent[-1].text == PIN
    play.finish()
    assert keys_in(play.path) == PIN + "#"


def test_words_spoken_while_the_bot_thinks_are_masked_when_they_answer_a_sensitive_question(play: KeptPlaybook) -> None:
    play.greet("Hello")
    play.speak("my balance", at=3.0)
    play(SpeechStarted(at=play.now + 0.5), at=play.now + 0.6)
    play(
        TranscriptUpdated(stream=play.stream, transcript=Transcript(text="zebra walrus", final=False)), at=play.now + 1
    )
    play.reply("Your PIN, please", ASK)
    play(SpeechStopped(at=play.now + 0.1), at=play.now + 0.5)
    assert_untold(play, "zebra", "walrus")


def test_a_transcript_that_comes_after_the_turn_was_sent_is_masked(play: KeptPlaybook) -> None:
    play.greet("Your PIN, please", ASK)
    play(SpeechStarted(at=3.0), at=3.1)
    play(SpeechStopped(at=3.6), at=4.0)
    stream = play.stream
    key_in(play, PIN + "#", at=4.5)
    play.reply("Thank you")
    play.play_out()
    play(TranscriptUpdated(stream=stream, transcript=Transcript(text=SECRET, final=True)), at=play.now + 1)
    assert_untold(play, SECRET, PIN)


def test_the_rest_of_an_answer_that_was_cut_too_early_is_masked(play: KeptPlaybook) -> None:
    play.greet("Your PIN, please", ASK)
    play.speak("zebra walrus", at=3.0)
    play.speak("quokka", at=play.now + 0.3)
    play.reply("Thank you")
    play.play_out()
    assert play.every.sent[-1].text == "quokka"
    assert_untold(play, "zebra", "quokka")


def test_an_answer_that_has_to_be_repeated_after_a_failure_is_masked_again(play: KeptPlaybook) -> None:
    play.greet("Your PIN, please", ASK)
    play.speak(SECRET, at=3.0)
    play(BotFailed(turn=1))
    play.play_out()
    play.speak("I said walrus quokka", at=play.now + 1)
    assert_untold(play, "quokka")


def test_keys_pressed_while_a_sensitive_question_waits_behind_speech_are_masked(play: KeptPlaybook) -> None:
    play.begin()
    play.reply("Your PIN, please", SendDigits(digits="9"), ASK, at=0.1)
    play.start_prompt(at=0.2)
    play(DigitPressed(digit="4"), at=0.3)
    assert_untold(play)
    assert keys_in(play.path) == "x"


def test_what_the_bot_notes_of_a_sensitive_answer_is_masked_and_of_others_is_not(play: KeptPlaybook) -> None:
    play.greet("Your PIN, please", ASK, Record(kind="note", data={"asked": "pin"}))
    play.speak(SECRET, at=3.0)
    play.reply("Thank you", Record(kind="variables", data={"pin": PIN, "tries": [1, None]}))
    play.play_out()
    play.speak("opening hours", at=play.now + 1)
    play.reply("From nine", Record(kind="note", data={"topic": "hours"}))
    notes = [note["data"] for note in play.record.notes if note["kind"] in ("note", "variables")]
    assert notes == [{"asked": "pin"}, {"pin": MASK, "tries": [MASK, None]}, {"topic": "hours"}]
    assert_untold(play, PIN, SECRET)


def test_a_late_note_about_a_sensitive_answer_is_masked(play: KeptPlaybook) -> None:
    play.greet("Your PIN, please", ASK)
    play.speak(SECRET, at=3.0)
    play.reply("Thank you", done=False)
    play.play_out()
    play.speak("opening hours", at=play.now + 1)
    late = ActionBatch(actions=(Record(kind="note", data={"pin": PIN}),), turn=1)
    play(BotReplied(batch=late))
    assert_untold(play, PIN, SECRET)


def test_the_choice_from_a_sensitive_menu_is_masked_and_the_call_still_replays(play: KeptPlaybook) -> None:
    options = (MenuOption(id="opt-a", label="diabetes"), MenuOption(id="opt-b", label="asthma"))
    play.greet("Which?", Listen(sensitive=True), Menu(menu_id="m", options=options))
    (sent,) = play(DigitPressed(digit="2"), at=play.now + 1).sent
    assert sent.option_id == "opt-b"
    play.reply("Thank you")
    play.play_out()
    play.speak("opening hours", at=play.now + 1)
    turn = play.record.turns[1]
    assert (turn.kind, turn.text) == ("choice", MASK)
    play.finish()
    steps = assert_replays(play.path)
    assert [step.event.digit for step in steps if isinstance(step.event, DigitPressed)] == ["x"]
    assert any(not step.is_masked and isinstance(step.event, PromptStarted) for step in steps)


def test_digits_of_a_bot_that_wants_digits_are_masked(tmp_path: Path) -> None:
    play = KeptPlaybook(tmp_path, backend=BackendCapabilities(wants_digits=True))
    play.greet("Your PIN, please", ASK)
    key_in(play, PIN + "#", at=3.0)
    assert play.every.sent[-1].digits == PIN
    assert play.record.turns[-1].text == MASK
    assert_untold(play, PIN)


class SecretChaos(Chaos):
    """A bot that asks nothing but sensitive questions, and a caller who says and keys nothing but secrets."""

    def event(self, name: str, detail: Any) -> Any:
        event = super().event(name, detail)
        match event:
            case BotReplied(batch=batch):
                asked = (
                    dataclasses.replace(action, sensitive=True) if isinstance(action, Listen) else action
                    for action in batch.actions
                )
                batch = ActionBatch(actions=(ASK, *asked, ASK), turn=batch.turn, turn_done=batch.turn_done)
                return BotReplied(batch=batch)
            case TranscriptUpdated(transcript=heard) if heard.text:
                heard = Transcript(text=SECRET, final=heard.final, ends_turn=heard.ends_turn, alternatives=(SECRET,))
                return TranscriptUpdated(stream=event.stream, transcript=heard)
            case DigitPressed(digit=digit) if digit not in "*#":
                return DigitPressed(digit="8")
        return event


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(number=NUMBERS, steps=st.lists(STEPS, min_size=5, max_size=40))
def test_a_bot_that_asks_only_sensitive_questions_leaves_no_trace_of_the_answers(
    tmp_path_factory: pytest.TempPathFactory, number: dict[str, Any], steps: list[tuple[tuple[str, Any], float]]
) -> None:
    play = KeptPlaybook(tmp_path_factory.getbasetemp(), number=number)
    play(CallOffered())
    play(CallAnswered(), at=0.01)
    play.reply("Your PIN, please", ASK)
    chaos = SecretChaos(play)
    for (name, detail), wait in steps:
        play(chaos.event(name, detail), at=play.now + wait)
    written = assert_untold(play, "walrus")
    assert '"digit":"8"' not in written
    assert '"8"' not in written


def test_masking_keeps_the_number_of_words_and_the_shape_of_data() -> None:
    assert mask_words("a bb  ccc") == f"{MASK} {MASK}  {MASK}"
    assert mask_words("  ") == "  "
    assert blot({"a": [1, {"b": None}], "c": True}) == {"a": [MASK, {"b": None}], "c": MASK}
