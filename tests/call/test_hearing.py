"""The caller's spoken turn: what belongs to it, when it is over, and which recognition stream hears it."""

from __future__ import annotations

import pytest

from gateway.actions import ActionBatch, Fail, Listen, Menu, MenuOption, Say, SendDigits
from gateway.call.commands import CloseEar, FinishUtterance, OpenEar, ResumePlayout, SendToBot, StartPrompt, StopPlayout
from gateway.call.ears import RING
from gateway.call.facts import State
from gateway.call.hearing import REACH
from gateway.caller_events import UserChoice, UserText
from gateway.events import (
    BotFailed,
    BotReplied,
    CallAnswered,
    CallOffered,
    RecognitionEnded,
    RecognizerFailed,
    SpeechStarted,
    SpeechStopped,
    SpeechSustained,
)
from gateway.interfaces import BackendCapabilities, LegCapabilities
from gateway.speech_interfaces import RecognizerCapabilities
from tests.fakes.playbook import Commands, Playbook

SILENT = BackendCapabilities(greets_first=False)
PARDON = {"no_input": {"prompts": ["Pardon?"], "then": "hangup"}}


def opened(commands: Commands) -> list[OpenEar]:
    return [command for command in commands if isinstance(command, OpenEar)]


def unheard(**number: object) -> Playbook:
    """A prompt plays, and what is said meanwhile is not recognised."""
    play = Playbook(number={"barge_in": {"by": ["digits"]}, **number})
    play.begin()
    play.reply("A long question", at=0.1)
    play.start_prompt(at=0.2)
    return play


# --- one turn ------------------------------------------------------------------------------------------------------
def test_a_turn_in_two_stretches_begins_with_the_first_and_has_the_words_of_both() -> None:
    play = Playbook()
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play(SpeechStopped(at=3.5), at=3.7)
    play.recognize("a table", at=3.8)
    play(SpeechStarted(at=4.0), at=4.1)
    play(SpeechStopped(at=4.5), at=5.0)
    play.until(5.31)
    play.recognize("for two", at=5.4)
    ended = play(RecognitionEnded(stream=play.stream)).refuse(CloseEar)
    assert ended.sent == [
        UserText(turn=1, text="a table for two", language="en-GB", started_at=3.0, ended_at=4.5),
    ]


def test_a_partial_gives_way_to_the_next_one_and_to_the_final_text() -> None:
    play = Playbook()
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play.recognize("a", final=False, at=3.3)
    play.recognize("a table", final=False, at=3.5)
    play(SpeechStopped(at=3.6), at=4.0)
    play.until(4.41)
    play.recognize("a table please", at=4.5)
    (event,) = play(RecognitionEnded(stream=play.stream)).sent
    assert event.text == "a table please"


def test_a_partial_that_the_recognizer_takes_back_was_never_said() -> None:
    play = Playbook(number=PARDON)
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play.recognize("uh", final=False, at=3.3)
    play(SpeechSustained(at=3.4, voiced=0.4), at=3.5)
    play(SpeechStopped(at=3.6), at=4.0)
    play.until(4.41)
    play.recognize("", final=True, at=4.5)
    ended = play(RecognitionEnded(stream=play.stream))
    assert ended.sent == []
    assert ended.prompts == ["Pardon?"]


def test_a_partial_is_not_taken_back_by_a_partial_of_nothing() -> None:
    play = Playbook()
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play.recognize("yes", final=False, at=3.3)
    play.recognize(" ", final=False, at=3.4)
    play(SpeechStopped(at=3.6), at=4.0)
    play.until(4.41)
    (event,) = play(RecognitionEnded(stream=play.stream)).sent
    assert event.text == "yes"


def test_what_a_recognizer_knows_of_the_text_is_told_with_it() -> None:
    play = Playbook()
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play.recognize("bonjour", final=False, language="fr-FR", at=3.3)
    play(SpeechStopped(at=3.6), at=4.0)
    play.until(4.41)
    play.recognize("bonjour", confidence=0.9, at=4.5)
    play.recognize("madame", confidence=0.6, alternatives=("mesdames",))
    (event,) = play(RecognitionEnded(stream=play.stream)).sent
    assert (event.text, event.language, event.confidence) == ("bonjour madame", "fr-FR", 0.6)
    assert event.alternatives == ("mesdames",)


def test_text_that_is_just_sure_enough_is_understood() -> None:
    play = Playbook(number={"recognizer": {"min_confidence": 0.5}})
    play.greet()
    (event,) = play.speak("hello", at=3.0, confidence=0.5).sent
    assert event.text == "hello"


@pytest.mark.parametrize(("said", "value"), [("twenty five", 25), ("I could not say", None)])
def test_an_answer_to_a_question_for_a_number_comes_with_the_number(said: str, value: int | None) -> None:
    play = Playbook()
    play.greet("How many?", Listen(kind="number"))
    (event,) = play.speak(said, at=4.0).sent
    assert (event.text, event.value) == (said, value)


def test_an_answer_in_keys_comes_with_its_value_as_well() -> None:
    play = Playbook()
    play.greet("How many?", Listen(kind="number"))
    (event,) = play.press("25#", at=4.0).sent
    assert event.value == 25


def test_numbers_in_a_free_answer_are_words() -> None:
    play = Playbook()
    play.greet()
    (event,) = play.speak("twenty five", at=4.0).sent
    assert event.value is None


def test_a_spoken_choice_tells_all_about_itself() -> None:
    play = Playbook()
    options = (MenuOption(id="s", label="sales"), MenuOption(id="h", label="support"))
    play.greet("Hello", Menu(menu_id="m", options=options))
    (event,) = play.speak("sales", at=play.now + 1, confidence=0.8).sent
    assert isinstance(event, UserChoice)
    assert (event.turn, event.menu_id, event.label, event.source) == (1, "m", "sales", "speech")
    assert (event.confidence, event.barged_in) == (0.8, False)
    assert (event.ended_at or 0) - (event.started_at or 0) == pytest.approx(0.6)


def test_a_turn_that_has_become_too_long_is_sent_although_the_caller_goes_on() -> None:
    play = Playbook(number={"max_length": 5})
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play(SpeechStopped(at=6.0), at=6.5)
    play.until(6.9).expect(FinishUtterance)
    play(SpeechStarted(at=7.0), at=7.1)
    play.recognize("a long story", at=8.2)
    (event,) = play(RecognitionEnded(stream=play.stream)).sent
    assert event.text == "a long story"


def test_text_is_not_asked_for_twice() -> None:
    play = Playbook()
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play(SpeechStopped(at=3.5), at=4.0)
    play.until(4.31).expect(FinishUtterance)
    sent = play.recognize("bye", ends_turn=True, at=4.4).refuse(FinishUtterance).sent
    assert [event.text for event in sent] == ["bye"]


# --- a line that carries text --------------------------------------------------------------------------------------
def test_text_without_any_voice_is_a_message() -> None:
    play = Playbook(leg=LegCapabilities(hears_text=True))
    play.greet()
    (event,) = play.recognize("good evening", ends_turn=True, at=5.0).sent
    assert event == UserText(
        turn=1, text="good evening", source="message", language="en-GB", started_at=5.0, ended_at=5.0
    )


def test_a_message_ends_the_turn_whatever_was_asked() -> None:
    play = Playbook(leg=LegCapabilities(hears_text=True))
    play.greet("Your number?", Listen(kind="phone"))
    (event,) = play.recognize("0612345678", ends_turn=True, at=5.0).sent
    assert event.text == "0612345678"


def test_words_the_detector_did_not_notice_are_a_turn_after_the_end_silence() -> None:
    play = Playbook()
    play.greet()
    play.recognize("hello", at=4.0)
    assert play.state is State.CLOSING
    assert play.until(4.79).refuse(FinishUtterance).sent == []
    play.until(4.81).expect(FinishUtterance)
    (event,) = play(RecognitionEnded(stream=play.stream), at=4.9).sent
    assert (event.text, event.started_at, event.ended_at) == ("hello", 4.0, 4.0)


# --- streams that are not ours any more ----------------------------------------------------------------------------
def test_text_of_a_stream_that_was_closed_is_nobodys() -> None:
    play = Playbook()
    play.greet()
    play.speak("one", at=3.0)
    old = play.stream
    play.reply("Yes?")
    play.start_prompt(at=6.0)
    play.recognize("again", stream=old, at=7.0).refuse(StopPlayout)
    play.play_out()
    play.recognize("again", stream=old).refuse(FinishUtterance)
    assert play.state is State.LISTENING


def test_text_while_nobody_listens_is_nobodys() -> None:
    play = unheard()
    play.recognize("hello", stream=1, at=1.0).refuse(StopPlayout)
    play.play_out()
    assert play.state is State.LISTENING


def test_a_stream_that_ends_late_does_not_end_the_one_after_it() -> None:
    play = Playbook()
    play.greet()
    play.speak("one", at=3.0)
    old = play.stream
    play.reply("Yes?")
    play.play_out()
    play(RecognitionEnded(stream=old)).refuse(OpenEar)


# --- when a stream is open -----------------------------------------------------------------------------------------
def test_the_first_stream_hears_the_call_from_its_beginning() -> None:
    play = Playbook(backend=SILENT)
    play(CallOffered())
    play(SpeechStarted(at=0.0), at=0.2)
    (ear,) = opened(play(CallAnswered(), at=0.5))
    assert ear.since == 0.0
    play(SpeechStopped(at=0.8), at=1.2)
    play.until(1.61)
    play.recognize("hello", at=1.7)
    (event,) = play(RecognitionEnded(stream=ear.stream)).sent
    assert event.started_at == 0.0


def test_a_voice_that_began_before_somebody_listened_is_a_turn_as_soon_as_somebody_does() -> None:
    play = unheard()
    play(SpeechStarted(at=2.5), at=2.6).refuse(OpenEar)
    play.play_out(at=3.0)
    assert play.state is State.HEARING
    play(SpeechStopped(at=4.6), at=5.0)
    play.until(5.41)
    play.recognize("yes", at=5.5)
    (event,) = play(RecognitionEnded(stream=play.stream)).sent
    assert (event.text, event.started_at) == ("yes", 2.5)


def test_a_caller_who_talks_all_through_a_long_prompt_is_heard_and_not_asked_whether_he_is_there() -> None:
    assert REACH == RING
    play = unheard(max_length=5)
    play(SpeechStarted(at=1.0), at=1.1)
    finished = play.play_out(at=9.0)
    assert finished.prompts == []
    assert play.state is State.HEARING
    assert play.every.kept("no_input") == []
    play(SpeechStopped(at=11.0), at=11.4)
    play.until(11.81)
    play.recognize("at last", at=11.9)
    (event,) = play(RecognitionEnded(stream=play.stream)).sent
    assert event.started_at == 8.0  # what nobody listened to before that is lost


def test_a_caller_who_has_talked_for_longer_than_a_turn_by_then_is_cut_and_not_asked_whether_he_is_there() -> None:
    play = unheard(max_length=1.5)
    play(SpeechStarted(at=1.0), at=1.1)
    finished = play.play_out(at=9.0)
    finished.expect(OpenEar, FinishUtterance)
    assert play.every.kept("no_input") == []


def test_speech_of_the_turn_before_that_goes_on_is_a_new_turn_from_there() -> None:
    play = Playbook(number={"max_length": 5, "filler_after": 60})
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play.until(8.01).expect(FinishUtterance)
    play.recognize("on and on", at=8.2)
    assert play(RecognitionEnded(stream=play.stream)).sent[0].ended_at == 8.2
    (ear,) = opened(play.reply("Yes?", at=8.5))
    assert ear.since == 8.2
    play.report_stopped()
    play(SpeechStopped(at=9.0), at=9.4)
    play.until(9.81)
    play.recognize("and on", at=9.9)
    (event,) = play(RecognitionEnded(stream=play.stream)).sent
    assert event.started_at == 8.2


def test_noise_under_a_prompt_that_nobody_hears_is_no_turn_when_it_ends() -> None:
    play = unheard(**PARDON)
    play(SpeechStarted(at=2.0), at=2.1)
    play(SpeechSustained(at=2.8, voiced=0.8), at=2.9)
    play.play_out(at=3.0)
    play(SpeechStopped(at=4.05), at=4.5)
    play.until(4.9)
    assert play(RecognitionEnded(stream=play.stream)).prompts == []
    assert play.state is State.LISTENING


def test_a_cough_under_a_prompt_leaves_the_words_after_it_whole() -> None:
    play = unheard()
    play(SpeechStarted(at=2.5), at=2.6)
    play(SpeechStopped(at=2.8), at=3.2)
    (ear,) = opened(play.play_out(at=3.3))
    assert ear.since == 0.0


def test_nobody_listens_during_the_last_words() -> None:
    play = Playbook()
    play.greet()
    play(BotFailed(turn=None)).expect(StartPrompt).refuse(OpenEar)
    play(SpeechStarted(at=play.now + 0.5), at=play.now + 0.6).refuse(OpenEar)
    play.play_out().refuse(OpenEar)
    assert play.state is State.ENDING


def test_a_new_question_is_heard_with_its_own_settings_at_once() -> None:
    play = Playbook(backend=BackendCapabilities(pushes=True))
    play.greet()
    before = play.stream
    asked = play.reply(Listen(kind="yesno"), turn=None, at=4.0)
    asked.expect(CloseEar(stream=before), OpenEar)
    assert opened(asked)[0].settings.kind == "yesno"
    play.reply(Listen(kind="yesno"), turn=None, at=4.5).refuse(CloseEar, OpenEar)


def test_a_caller_who_speaks_is_not_cut_off_by_a_new_question() -> None:
    play = Playbook(number={"barge_in": {"confirm_within": 0.6}}, backend=BackendCapabilities(pushes=True))
    play.begin()
    play.reply("A long answer", at=0.1)
    play.start_prompt(at=1.0)
    play(SpeechStarted(at=2.0), at=2.1)
    play(SpeechSustained(at=2.3, voiced=0.3), at=2.3)
    play.until(2.91).expect(ResumePlayout())
    play.reply(Listen(kind="yesno"), turn=None, at=3.0).refuse(CloseEar, OpenEar)
    play(SpeechStopped(at=3.4), at=3.8).expect(CloseEar, OpenEar)


# --- streams that break --------------------------------------------------------------------------------------------
def test_a_stream_that_ends_by_itself_is_followed_by_another_and_the_third_time_by_none() -> None:
    play = Playbook(number={"no_input": {"timeout": 60}})
    play.greet()
    play(RecognitionEnded(stream=play.stream), at=20.0)  # that one had lasted
    play(RecognitionEnded(stream=play.stream)).expect(OpenEar).refuse(CloseEar)
    play(RecognitionEnded(stream=play.stream)).expect(OpenEar)
    given_up = play(RecognitionEnded(stream=play.stream)).refuse(OpenEar)
    assert given_up.kept("warning") == [{"what": "recognizer_given_up", "vendor": "local"}]
    assert len(play.every.kept("warning")) == 1
    assert play.press("1#", at=play.now + 1).sent[0].text == "1"


def test_a_recognizer_that_ends_its_streams_after_long_silences_is_used_to_the_end() -> None:
    play = Playbook(number={"no_input": {"timeout": 60}})
    play.greet()
    for _ in range(2):
        play(RecognitionEnded(stream=play.stream)).expect(OpenEar)
    for _ in range(5):
        play(RecognitionEnded(stream=play.stream), at=play.now + 5).expect(OpenEar)
    for _ in range(2):
        play(RecognitionEnded(stream=play.stream), at=play.now + 4.9).expect(OpenEar)
    assert play.every.kept("warning") == []


def test_a_caller_whom_nobody_can_hear_any_more_is_told_so_when_he_speaks() -> None:
    """He spoke while the bot was thinking; the recognizer was given up before."""
    play = Playbook(number={"no_input": {"timeout": 60, "prompts": ["Pardon?"]}, "filler_after": 60})
    play.greet()
    for _ in range(3):
        play(RecognitionEnded(stream=play.stream))
    play.press("1#")
    play(SpeechStarted(at=play.now + 0.1), at=play.now + 0.2).refuse(OpenEar)
    play(SpeechSustained(at=play.now + 0.3, voiced=0.3), at=play.now + 0.4)
    play(SpeechStopped(at=play.now), at=play.now + 0.1)
    play.reply("Yes?")
    play.play_out()
    assert play.every.prompts == ["Welcome", "Yes?", "Pardon?"]
    assert play.state is State.LISTENING


def test_words_make_good_for_the_breaks_before_them() -> None:
    play = Playbook()
    play.greet()
    for _ in range(2):
        play(RecognizerFailed(stream=play.stream, reason="gone"), at=play.now + 1)
    play.speak("hello", at=play.now + 1)
    play.reply("Yes?")
    play.play_out()
    for _ in range(2):
        assert play(RecognizerFailed(stream=play.stream, reason="gone"), at=play.now + 1).prompts == []
    assert len(play(RecognizerFailed(stream=play.stream, reason="gone"), at=play.now + 1).prompts) == 1


def test_the_third_break_in_a_row_is_the_fallback_also_before_the_first_word() -> None:
    play = Playbook(backend=SILENT, number={"fallback": {"say": "Please call later."}})
    play.begin()
    for _ in range(2):
        broken = RecognizerFailed(stream=play.stream, reason="gone", vendor="acme")
        play(broken, at=play.now + 1).expect(OpenEar)
    last = play(RecognizerFailed(stream=play.stream, reason="gone", vendor="other"), at=play.now + 1)
    assert last.prompts == ["Please call later."]
    assert play.every.kept("warning") == [{"what": "recognizer_failed", "vendor": "acme", "detail": "gone"}]


def test_what_is_being_said_is_heard_to_its_end_when_nobody_can_listen() -> None:
    play = Playbook(number={"fallback": {"say": "Please call later."}})
    play.begin()
    play.reply("Welcome")
    for _ in range(3):
        play(RecognizerFailed(stream=play.stream, reason="gone")).refuse(StopPlayout)
    assert play.every.prompts == ["Welcome", "Please call later."]
    play.play_out()
    play.play_out()
    assert play.every.kept("fallback") == [{"reason": "recognizer: gone"}]


def test_the_break_of_an_old_stream_is_nothing() -> None:
    play = Playbook()
    play.greet()
    play.speak("one", at=3.0)
    old = play.stream
    play.reply("Yes?")
    play.play_out()
    play(RecognizerFailed(stream=old, reason="gone")).refuse(OpenEar, StartPrompt)
    assert play.every.kept("warning") == []


# --- reversible barge-in and the ear -------------------------------------------------------------------------------
def test_without_partials_a_recognizer_that_never_answers_is_replaced_after_the_pause() -> None:
    play = Playbook(
        number={"barge_in": {"confirm_within": 0.6}, "transcript_timeout": 5},
        recognizer=RecognizerCapabilities(partials=False),
    )
    play.begin()
    play.reply("A long answer", at=0.1)
    play.start_prompt(at=1.0)
    for _ in range(4):  # more than the breaks that are forgiven
        began = play.now + 1
        play(SpeechStarted(at=began), at=began + 0.1)
        play(SpeechSustained(at=began + 0.3, voiced=0.3), at=began + 0.3)
        play(SpeechStopped(at=began + 0.4), at=began + 0.8).expect(FinishUtterance)
        play.until(began + 1.41).expect(CloseEar, ResumePlayout(), OpenEar)
    assert play.state is State.SPEAKING


def test_coughs_over_a_prompt_do_not_wear_the_recognizer_out() -> None:
    play = Playbook(number={"barge_in": {"confirm_within": 0.6}}, recognizer=RecognizerCapabilities(partials=False))
    play.begin()
    play.reply("A long answer", at=0.1)
    play.start_prompt(at=1.0)
    for _ in range(4):
        began = play.now + 1
        play(SpeechStarted(at=began), at=began + 0.1)
        play(SpeechSustained(at=began + 0.3, voiced=0.3), at=began + 0.3)
        play(SpeechStopped(at=began + 0.4), at=began + 0.8)
        play(RecognitionEnded(stream=play.stream), at=began + 1).expect(ResumePlayout(), OpenEar)
    assert play.every.kept("warning") == []


def test_trouble_that_is_reported_with_the_answer_does_not_stand_in_the_way_of_the_caller() -> None:
    """The bot's failure waited behind keys for the caller; his words interrupt and bring it to light."""
    play = Playbook(leg=LegCapabilities(hears_text=True), number={"fallback": {"say": "Please call later."}})
    play.greet()
    for turn in (1, 2):
        play.recognize("hello", ends_turn=True, at=play.now + 1)
        play(BotFailed(turn=turn))
        play.play_out()
    play.recognize("hello", ends_turn=True, at=play.now + 1)
    actions = (Say(text="Listen"), SendDigits(digits="1"), Fail(kind="unavailable"))
    play(BotReplied(batch=ActionBatch(actions=actions, turn=3, turn_done=False)))
    play.start_prompt()
    assert play.recognize("stop", ends_turn=True, at=play.now + 1).refuse(SendToBot).expect(StopPlayout())
    play.report_stopped()
    assert play.every.prompts[-1] == "Please call later."
