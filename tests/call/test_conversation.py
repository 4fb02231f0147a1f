"""Whole calls as plays: greeting, turns, silence, failures, endings."""

from __future__ import annotations

import pytest

from gateway.actions import ActionBatch, Fail, Hangup, Listen, Menu, MenuOption, Pause, Record, Release, Say, SendDigits
from gateway.call.commands import (
    AbandonTurn,
    Answer,
    CloseEar,
    CloseLeg,
    FinishUtterance,
    KeepRecord,
    OpenEar,
    SendDigitsToCaller,
    SendToBot,
    StartPrompt,
    StopPlayout,
)
from gateway.call.facts import State
from gateway.caller_events import CallEnded, CallStarted, NoInput, PlaybackDone, UserChoice, UserDigits, UserText
from gateway.events import (
    BotFailed,
    BotReplied,
    CallAnswered,
    CallOffered,
    DigitPressed,
    LegClosed,
    OperatorAsked,
    PromptEnded,
    PromptStarted,
    RecognitionEnded,
    RecognizerFailed,
    SpeechStarted,
    SpeechStopped,
    SpeechSustained,
    Transcript,
    TranscriptUpdated,
)
from gateway.interfaces import BackendCapabilities, LegCapabilities
from tests.fakes.playbook import Playbook


# --- the beginning -------------------------------------------------------------------------------------------------
def test_an_offered_call_is_answered_and_the_bot_is_told_at_once() -> None:
    play = Playbook()
    play(CallOffered()).expect(Answer(), SendToBot(event=CallStarted(turn=0)))
    assert play.state is State.RINGING


def test_a_reply_before_the_answer_is_spoken_after_it() -> None:
    play = Playbook()
    play(CallOffered())
    play.reply("Welcome", at=0.05).refuse(StartPrompt)
    assert play(CallAnswered(), at=0.1).prompts == ["Welcome"]


def test_a_line_that_never_answers_ends_the_call() -> None:
    play = Playbook()
    play(CallOffered())
    outcome = play.until(31.0).outcome
    assert outcome is not None
    assert outcome.result == "leg_failed"


def test_the_greeting_is_heard_then_the_caller_is() -> None:
    play = Playbook()
    play.begin()
    assert play.reply("Welcome", at=0.2).prompts == ["Welcome"]
    assert play.state is State.SPEAKING
    played = play.play_out()
    played.expect(SendToBot(event=PlaybackDone(turn=0, complete=True, played=1.0, heard_text="Welcome")))
    assert play.state is State.LISTENING
    play.every.expect(OpenEar)


def test_a_bot_that_waits_for_the_caller_is_listened_for_at_once() -> None:
    play = Playbook(backend=BackendCapabilities(greets_first=False))
    play.begin()
    assert play.state is State.LISTENING


def test_the_recording_is_announced_before_the_first_sample_is_kept() -> None:
    play = Playbook(number={"recording": {"mode": "on", "announce": "Recorded."}}, has_recording=True)
    assert play.begin().prompts == ["Recorded."]
    assert not any(isinstance(command, KeepRecord) for command in play.every)
    play.reply("Welcome", at=0.1)
    kept = play.play_out()
    assert [command.kind for command in kept if isinstance(command, KeepRecord)] == ["recording_started"]


def test_without_anybody_to_record_nothing_is_announced() -> None:
    play = Playbook(number={"recording": {"mode": "on", "announce": "Recorded."}}, has_recording=False)
    assert play.begin().prompts == []


# --- a spoken turn -------------------------------------------------------------------------------------------------
def test_a_spoken_turn_reaches_the_bot_after_the_end_silence() -> None:
    play = Playbook()
    play.greet()
    sent = play.speak("opening hours", at=3.0, seconds=0.6, confidence=0.9).sent
    assert sent == [
        UserText(turn=1, text="opening hours", confidence=0.9, language="en-GB", started_at=3.0, ended_at=3.6)
    ]
    assert play.state is State.THINKING


def test_utterances_with_a_short_pause_are_one_turn() -> None:
    play = Playbook()
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play(SpeechStopped(at=3.5), at=3.9)
    play(SpeechStarted(at=4.1), at=4.2).refuse(FinishUtterance)
    assert play.state is State.HEARING
    play(SpeechStopped(at=4.6), at=5.0)
    play.until(5.4).expect(FinishUtterance(stream=play.stream))


def test_words_after_the_end_silence_but_before_the_text_are_merged() -> None:
    play = Playbook()
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play(SpeechStopped(at=3.5), at=4.0)
    play.until(4.31).expect(FinishUtterance(stream=1))
    play(SpeechStarted(at=4.35), at=4.4)
    first = Transcript(text="a table", final=True)
    play(TranscriptUpdated(stream=1, transcript=first), at=4.5)
    play(RecognitionEnded(stream=1)).expect(OpenEar).refuse(SendToBot)
    second = Transcript(text="for two", final=True)
    play(SpeechStopped(at=5.0), at=5.5)
    play.until(5.9)
    play(TranscriptUpdated(stream=2, transcript=second), at=6.0)
    (event,) = play(RecognitionEnded(stream=2)).sent
    assert event.text == "a table for two"


def test_a_recognizer_that_does_not_deliver_is_waited_for_until_the_timeout() -> None:
    play = Playbook()
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play(TranscriptUpdated(stream=1, transcript=Transcript(text="hello", final=False)), at=3.4)
    play(SpeechStopped(at=3.5), at=4.0)
    (event,) = play.until(4.3 + 2.01).sent
    assert event.text == "hello"


def test_a_turn_detecting_model_closes_a_free_turn_at_once() -> None:
    play = Playbook()
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    done = Transcript(text="goodbye", final=True, ends_turn=True)
    (event,) = play(TranscriptUpdated(stream=1, transcript=done), at=3.5).sent
    assert event.text == "goodbye"


def test_a_turn_detecting_model_does_not_close_a_number() -> None:
    play = Playbook()
    play.greet("Your number?", Listen(kind="phone"))
    play(SpeechStarted(at=3.0), at=3.1)
    done = Transcript(text="zero six", final=True, ends_turn=True)
    assert not play(TranscriptUpdated(stream=play.stream, transcript=done), at=3.5).sent


def test_a_caller_who_talks_on_and_on_is_cut_at_the_maximum() -> None:
    play = Playbook(number={"max_length": 5})
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play.until(8.01).expect(FinishUtterance(stream=1))


def test_the_pre_roll_never_reaches_into_the_turn_before() -> None:
    play = Playbook()
    play.greet()
    play.speak("one", at=3.0, seconds=0.6)
    ears = [command for command in play.reply("Yes", at=5.0) if isinstance(command, OpenEar)]
    assert ears[0].since == pytest.approx(3.6)


def test_speech_while_the_bot_thinks_is_the_turn_after_its_answer() -> None:
    play = Playbook()
    play.greet()
    play.speak("one", at=3.0)
    play(SpeechStarted(at=5.0), at=5.1).expect(OpenEar)
    play(SpeechStopped(at=5.5), at=6.0)
    play(TranscriptUpdated(stream=play.stream, transcript=Transcript(text="two", final=True)), at=6.1)
    assert play.reply("Answer one", at=6.2).prompts == ["Answer one"]
    sent = play.play_out().sent
    assert [type(event) for event in sent] == [PlaybackDone]
    play(RecognitionEnded(stream=play.stream))
    assert play.every.sent[-1].text == "two"
    assert not play.every.sent[-1].barged_in


def test_speech_while_the_bot_thinks_can_be_dropped() -> None:
    play = Playbook(number={"thinking_input": "drop"})
    play.greet()
    play.speak("one", at=3.0)
    play(SpeechStarted(at=5.0), at=5.1).expect(KeepRecord(kind="speech_dropped")).refuse(OpenEar)


def test_what_is_dropped_while_the_bot_thinks_is_dropped_to_its_end() -> None:
    """Also where a filler plays meanwhile, and where the answer has begun before the caller stops."""
    play = Playbook(number={"thinking_input": "drop"})
    play.greet()
    play.speak("one", at=3.0)
    assert play.until(6.0).refuse(OpenEar).prompts  # the filler
    play(SpeechStarted(at=6.2), at=6.3).expect(KeepRecord).refuse(OpenEar)
    play.play_out(at=6.4)
    play.reply("Answer", at=7.5).refuse(OpenEar)
    play.start_prompt(at=7.6)
    play(SpeechSustained(at=8.2, voiced=2.0), at=8.3).refuse(StopPlayout, OpenEar)
    (opened,) = [command for command in play(SpeechStopped(at=8.4), at=8.9) if isinstance(command, OpenEar)]
    assert opened.since == pytest.approx(8.4)
    assert [event.text for event in play.every.sent if isinstance(event, UserText)] == ["one"]


def test_after_what_was_dropped_the_caller_is_heard_again() -> None:
    play = Playbook(number={"thinking_input": "drop"})
    play.greet()
    play.speak("one", at=3.0)
    play(SpeechStarted(at=5.0), at=5.1)
    play(SpeechStopped(at=5.6), at=6.1)
    play.reply("Answer", at=6.2)
    play.play_out(at=6.3)
    assert play.speak("two", at=9.0).sent[-1].text == "two"


# --- keys ----------------------------------------------------------------------------------------------------------
def test_keys_with_a_terminator_are_sent_without_it() -> None:
    play = Playbook()
    play.greet()
    for index, key in enumerate("1234"):
        play(DigitPressed(digit=key), at=3.0 + index / 5).refuse(SendToBot)
    (event,) = play(DigitPressed(digit="#"), at=4.0).sent
    assert (event.text, event.source) == ("1234", "digits")


def test_keys_without_a_terminator_are_sent_after_the_pause() -> None:
    play = Playbook()
    play.greet()
    play(DigitPressed(digit="7"), at=3.0)
    assert play.until(5.9).sent == []
    (event,) = play.until(6.01).sent
    assert event.text == "7"


def test_the_clear_key_forgets_what_was_typed() -> None:
    play = Playbook()
    play.greet()
    for index, key in enumerate("12*34#"):
        sent = play(DigitPressed(digit=key), at=3.0 + index / 5).sent
    assert sent[0].text == "34"


def test_keys_beat_speech_that_overlaps_them() -> None:
    play = Playbook()
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play(DigitPressed(digit="5"), at=3.2).expect(CloseEar)
    (event,) = play(DigitPressed(digit="#"), at=3.4).sent
    assert event.text == "5"


def test_a_bot_that_wants_digits_gets_digits() -> None:
    play = Playbook(backend=BackendCapabilities(wants_digits=True))
    play.greet()
    play(DigitPressed(digit="4"), at=3.0)
    assert play(DigitPressed(digit="#"), at=3.1).sent == [UserDigits(turn=1, digits="4", terminator="#")]


def test_keys_that_may_not_interrupt_are_typed_ahead() -> None:
    play = Playbook(number={"barge_in": {"by": ["speech"]}})
    play.begin()
    play.reply("A long question", at=0.1)
    play.start_prompt(at=0.2)
    play(DigitPressed(digit="1"), at=1.0).refuse(StopPlayout)
    play(DigitPressed(digit="#"), at=1.1).refuse(StopPlayout)
    sent = play.play_out(at=2.0).sent
    assert [event.text for event in sent if isinstance(event, UserText)] == ["1"]


def test_a_key_of_a_menu_is_a_choice_at_once() -> None:
    play = Playbook()
    options = (MenuOption(id="s", label="sales"), MenuOption(id="h", label="support"))
    play.greet("Hello", Menu(menu_id="m", options=options))
    (event,) = play(DigitPressed(digit="2"), at=5.0).sent
    assert isinstance(event, UserChoice)
    assert (event.option_id, event.source) == ("h", "digits")


def test_a_label_of_a_menu_is_a_choice_and_other_words_are_text() -> None:
    options = (MenuOption(id="s", label="sales"), MenuOption(id="h", label="support"))
    play = Playbook()
    play.greet("Hello", Menu(menu_id="m", options=options))
    (event,) = play.speak("support please", at=5.0).sent
    assert event.option_id == "h"
    play = Playbook()
    play.greet("Hello", Menu(menu_id="m", options=options))
    (event,) = play.speak("something else", at=5.0).sent
    assert event.text == "something else"


# --- silence -------------------------------------------------------------------------------------------------------
def test_silence_is_met_with_the_bots_own_retries_then_a_hang_up() -> None:
    play = Playbook()
    listen = Listen(no_input_prompts=("Sorry?",), no_input_retries=1, on_exhausted="hangup", start_timeout=5)
    play.greet("Hello", listen)
    since = play.now
    assert play.until(since + 4.9).prompts == []
    assert play.until(since + 5.01).prompts == ["Sorry?"]
    play.play_out()
    since = play.now
    play.until(since + 5.01).expect(CloseLeg(reason="no_input"))
    outcome = play(LegClosed(by="gateway")).outcome
    assert outcome is not None
    assert (outcome.result, outcome.by) == ("no_input", "gateway")


def test_a_blank_retry_prompt_repeats_the_answer_without_the_waiting_message() -> None:
    play = Playbook()
    play.begin()
    waiting = Say(text="Please wait", role="waiting")
    play.reply(waiting, Pause(seconds=0.4), "Here it is", Listen(no_input_prompts=("",)), at=0.1)
    play.play_out()
    assert play.until(play.now + 7.1).prompts == ["Here it is"]


def test_idle_after_the_last_retry_listens_on_then_falls_back() -> None:
    play = Playbook(number={"no_input": {"retries": 0, "timeout": 5}, "idle_limit": 20})
    play.greet()
    play.until(play.now + 5.01).refuse(CloseLeg, StartPrompt)
    assert play.state is State.IDLE
    (prompt,) = play.until(play.now + 20.01).prompts
    assert "can't help" in prompt
    play.play_out()
    outcome = play(LegClosed(by="gateway")).outcome
    assert outcome is not None
    assert outcome.result == "no_input"


def test_speech_ends_idling() -> None:
    play = Playbook(number={"no_input": {"retries": 0, "timeout": 5}})
    play.greet()
    play.until(play.now + 6)
    (event,) = play.speak("I am here", at=play.now + 1).sent
    assert event.text == "I am here"


def test_exhausted_silence_can_be_told_to_the_bot() -> None:
    play = Playbook()
    play.greet("Hello", Listen(no_input_retries=0, on_exhausted="event"))
    (event,) = play.until(play.now + 7.1).sent
    assert event == NoInput(turn=1, count=1, elapsed=7.0, exhausted=True)
    assert play.state is State.THINKING


def test_the_counter_starts_again_with_every_input() -> None:
    play = Playbook(number={"no_input": {"retries": 1, "timeout": 5, "then": "hangup"}})
    play.greet()
    play.until(play.now + 5.1)
    play.play_out()
    play.speak("hello", at=play.now + 1)
    play.reply("Yes?")
    play.play_out()
    assert play.until(play.now + 5.1).prompts == ["Yes?"]


def test_speech_that_is_not_understood_uses_up_a_retry() -> None:
    play = Playbook(number={"no_input": {"retries": 1, "prompts": ["Pardon?"], "then": "hangup"}})
    play.greet()
    assert play.speak("", at=3.0).prompts == ["Pardon?"]
    play.play_out()
    play.speak("", at=play.now + 1).expect(CloseLeg(reason="no_input"))


def test_a_cough_is_no_turn_and_does_not_start_the_wait_afresh() -> None:
    play = Playbook()
    play.greet()
    began = play.now
    play.speak("", at=began + 2, seconds=0.1).refuse(StartPrompt)
    assert play.state is State.LISTENING
    assert play.conversation.next_deadline() == pytest.approx(began + 7.0)


def test_low_confidence_is_not_understood() -> None:
    play = Playbook(number={"recognizer": {"min_confidence": 0.5}, "no_input": {"prompts": ["Pardon?"]}})
    play.greet()
    assert play.speak("mumble", at=3.0, confidence=0.2).prompts == ["Pardon?"]


# --- a slow or failing bot -----------------------------------------------------------------------------------------
def test_a_slow_bot_is_bridged_by_fillers_and_given_up() -> None:
    play = Playbook(number={"filler_after": 1.5, "filler_every": 8, "answer_timeout": 12})
    play.greet()
    play.speak("hello", at=3.0)
    sent_at = play.now
    (first,) = play.until(sent_at + 1.6).prompts
    play.play_out()
    (second,) = play.until(sent_at + 9.7).prompts
    assert first != second
    play.play_out()
    gave_up = play.until(sent_at + 12.1)
    gave_up.expect(AbandonTurn(turn=1), StartPrompt)
    play.play_out()
    assert play.state is State.LISTENING


def test_an_answer_to_a_turn_that_was_given_up_is_stale_but_its_records_count() -> None:
    play = Playbook(number={"answer_timeout": 2, "filler_after": 60})
    play.greet()
    play.speak("hello", at=3.0)
    play.until(play.now + 3)
    late = play.reply("Too late", Record(kind="note", data={"text": "x"}), turn=1)
    assert late.prompts == []
    assert [command.kind for command in late if isinstance(command, KeepRecord)] == ["note", "stale_batch"]


def test_a_failed_turn_is_apologised_for_and_the_third_in_a_row_falls_back() -> None:
    play = Playbook()
    play.greet()
    for turn in (1, 2):
        play.speak("hello", at=play.now + 1)
        assert len(play(BotFailed(turn=turn, detail="500")).prompts) == 1
        play.play_out()
        assert play.state is State.LISTENING
    play.speak("hello", at=play.now + 1)
    play(BotFailed(turn=3, detail="500"))
    play.play_out()
    outcome = play(LegClosed(by="gateway")).outcome
    assert outcome is not None
    assert outcome.result == "bot_failed"


def test_a_good_turn_forgives_the_failures_before_it() -> None:
    play = Playbook()
    play.greet()
    for turn in range(1, 7, 2):
        play.speak("hello", at=play.now + 1)
        play(BotFailed(turn=turn))
        play.play_out()
        play.speak("hello", at=play.now + 1)
        play.reply("Fine")
        play.play_out()
    assert play.state is State.LISTENING


def test_a_failure_on_the_first_words_falls_back_at_once() -> None:
    play = Playbook(number={"fallback": {"say": "Please call later."}})
    play.begin()
    assert play(BotFailed(turn=0, kind="config", detail="404"), at=0.5).prompts == ["Please call later."]
    play.play_out().expect(CloseLeg(reason="failure"))


def test_a_bot_that_is_gone_falls_back() -> None:
    play = Playbook()
    play.greet()
    play(BotFailed(turn=None, detail="socket closed"))
    play.play_out().expect(CloseLeg)


def test_trouble_reported_by_the_adapter_is_a_failed_turn() -> None:
    play = Playbook()
    play.greet()
    play.speak("hello", at=3.0)
    assert len(play.reply(Fail(kind="protocol", detail="nothing to say")).prompts) == 1


def test_the_fallback_transfers_where_the_line_can() -> None:
    number = {"fallback": {"say": "One moment.", "transfer": "sip:100@pbx"}, "transfer": {"allow": ["sip:*@pbx"]}}
    play = Playbook(number=number, leg=LegCapabilities(can_transfer=True))
    play.begin()
    play(BotFailed(turn=0), at=0.5)
    play.play_out()
    assert play.state is State.TRANSFERRING


def test_a_transfer_that_fails_in_the_middle_of_the_fallback_ends_the_call() -> None:
    play = Playbook(number={"transfer": {"allow": ["sip:*@pbx"]}})
    play.begin()
    play(BotFailed(turn=0), at=0.5)
    play(OperatorAsked(target="sip:1@pbx"), at=0.6)
    play.report_stopped(at=0.7)
    play.play_out()
    play.every.expect(CloseLeg)


# --- batches -------------------------------------------------------------------------------------------------------
def test_a_vendor_that_cannot_tell_when_it_is_done_is_given_the_batch_gap() -> None:
    play = Playbook(number={"batch_gap": 0.7})
    play.greet()
    play.speak("hello", at=3.0)
    play.reply("First", turn=None)
    play.play_out(seconds=0.3)
    assert play.state is State.GAP
    assert play.reply("Second", turn=None).prompts == ["Second"]
    play.play_out(seconds=0.3)
    assert play.state is State.GAP
    play.until(play.now + 0.71)
    assert play.state is State.LISTENING


def test_an_unasked_batch_is_spoken_while_listening_and_waits_while_the_caller_speaks() -> None:
    play = Playbook(backend=BackendCapabilities(pushes=True))
    play.greet()
    assert play.reply("By the way", turn=None).prompts == ["By the way"]
    play.play_out()
    play(SpeechStarted(at=play.now + 1), at=play.now + 1.1)
    assert play.reply("Another thing", turn=None).prompts == []
    play(SpeechStopped(at=play.now + 0.5), at=play.now + 1)
    play.until(play.now + 1)
    play(TranscriptUpdated(stream=play.stream, transcript=Transcript(text="hm", final=True)))
    assert play(RecognitionEnded(stream=play.stream)).prompts == ["Another thing"]


def test_streamed_text_is_spoken_sentence_by_sentence() -> None:
    play = Playbook()
    play.greet()
    play.speak("hello", at=3.0)
    first = play.reply(Say(text="We are open today. And tom", more=True), done=False)
    assert first.prompts == ["We are open today."]
    second = play.reply(Say(text="orrow, too.", more=False))
    assert second.prompts == ["And tomorrow, too."]


def test_digits_to_the_caller_wait_for_the_speech_before_them() -> None:
    play = Playbook()
    play.begin()
    play.reply("Listen to this", SendDigits(digits="12"), "Done", at=0.1).refuse(SendDigitsToCaller)
    rest = play.play_out()
    rest.expect(SendDigitsToCaller(digits="12"), StartPrompt)


def test_every_batch_of_a_running_turn_is_spoken() -> None:
    play = Playbook()
    play.greet()
    play.speak("hello", at=3.0)
    play(BotReplied(batch=ActionBatch(actions=(Say(text="One"),), turn=1, turn_done=False)))
    assert play.reply("Two").prompts == ["Two"]


# --- endings -------------------------------------------------------------------------------------------------------
def test_a_hang_up_waits_for_the_last_words() -> None:
    play = Playbook()
    play.begin()
    play.reply("Goodbye", Hangup(reason="bot"), at=0.1).refuse(CloseLeg)
    play.play_out().expect(CloseLeg(reason="normal"))
    assert play.state is State.ENDING
    closed = play(LegClosed(by="gateway"))
    assert closed.sent == [CallEnded(turn=0, by="bot", cause="bot")]
    assert closed.outcome is not None
    assert (closed.outcome.result, closed.outcome.by) == ("completed", "bot")


def test_a_leg_that_does_not_close_is_given_up() -> None:
    play = Playbook()
    play.begin()
    play.reply(Hangup(reason="bot"), at=0.1)
    assert play.until(2.2).outcome is not None


def test_last_words_cannot_be_interrupted() -> None:
    play = Playbook()
    play.begin()
    play.reply("Goodbye then", Hangup(reason="bot"), at=0.1)
    play.start_prompt(at=0.2)
    play(DigitPressed(digit="1"), at=1.0).refuse(StopPlayout)


def test_a_caller_who_hangs_up_ends_the_call() -> None:
    play = Playbook()
    play.greet()
    ended = play(LegClosed(by="caller"), at=5.0)
    assert ended.sent == [CallEnded(turn=0, by="caller", cause="abandoned")]
    play = Playbook()
    play.greet()
    play.speak("hello", at=3.0)
    outcome = play(LegClosed(by="caller"), at=5.0).outcome
    assert outcome is not None
    assert outcome.result == "completed"


def test_what_played_when_the_caller_hung_up_is_in_the_account() -> None:
    play = Playbook()
    play.begin()
    play.reply("Welcome to Acme", at=0.1)
    play.start_prompt(at=0.2)
    closed = play(LegClosed(by="caller"), at=1.0)
    closed.expect(StopPlayout())
    assert closed.outcome is None
    ended = play.report_stopped(seconds=0.8, heard="Welcome to")
    heard = PlaybackDone(turn=0, complete=False, played=0.8, heard_text="Welcome to")
    assert ended.sent == [heard, CallEnded(turn=0, by="caller", cause="abandoned")]
    assert ended.outcome is not None
    assert (ended.outcome.result, ended.outcome.by) == ("abandoned", "caller")


def test_a_call_ends_also_where_the_account_stays_open() -> None:
    play = Playbook(number={"max_call": 10})
    play.begin()
    play.reply("Welcome to Acme", at=0.1)
    play(LegClosed(by="failure", reason="lost"), at=9.0)
    outcome = play.until(11.1).outcome
    assert outcome is not None
    assert outcome.result == "leg_failed"


def test_nothing_happens_after_the_end() -> None:
    play = Playbook()
    play.greet()
    play(LegClosed(by="caller"))
    assert play.reply("Hello?") == []
    assert play.conversation.next_deadline() is None


def test_a_bot_that_releases_the_call_leaves_it_to_the_fallback() -> None:
    play = Playbook()
    play.greet()
    play.speak("hello", at=3.0)
    play.reply("I am leaving", Release())
    assert len(play.play_out().prompts) == 1


def test_an_operator_can_end_a_call_in_the_middle_of_a_prompt() -> None:
    play = Playbook()
    play.begin()
    play.reply("A long story", at=0.1)
    play(OperatorAsked(), at=1.0).expect(StopPlayout(), CloseLeg(reason="operator"))


def test_a_call_that_is_too_long_ends_with_a_goodbye() -> None:
    play = Playbook(number={"max_call": 60, "no_input": {"timeout": 100}})
    play.greet()
    (goodbye,) = play.until(60.1).prompts
    assert "time limit" in goodbye
    play.play_out()
    outcome = play(LegClosed(by="gateway")).outcome
    assert outcome is not None
    assert outcome.result == "too_long"


# --- speech that fails ---------------------------------------------------------------------------------------------
def test_a_recognizer_that_breaks_while_the_caller_speaks_is_apologised_for() -> None:
    play = Playbook()
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    broken = play(RecognizerFailed(stream=1, reason="gone"), at=3.3)
    assert len(broken.prompts) == 1
    broken.expect(OpenEar)


def test_a_recognizer_that_never_works_falls_back() -> None:
    play = Playbook()
    play.greet()
    for _ in range(3):
        play(RecognizerFailed(stream=play.stream, reason="gone"))
    assert len(play.every.prompts) == 2
    assert play.conversation.facts.fell_back


def test_what_was_understood_before_a_break_is_the_turn() -> None:
    play = Playbook()
    play.greet()
    play(SpeechStarted(at=3.0), at=3.1)
    play(TranscriptUpdated(stream=1, transcript=Transcript(text="sales", final=True)), at=3.5)
    (event,) = play(RecognizerFailed(stream=1, reason="gone"), at=3.6).sent
    assert event.text == "sales"


def test_a_prompt_that_nothing_can_speak_is_replaced_by_the_gateways_own() -> None:
    play = Playbook()
    play.begin()
    play.reply("Welcome", at=0.1)
    (prompt_id,) = play.outstanding
    assert len(play(PromptEnded(prompt_id=prompt_id, result="failed"), at=0.5).prompts) == 1


def test_when_nothing_can_speak_at_all_the_call_ends() -> None:
    play = Playbook()
    play.begin()
    play.reply("Welcome", at=0.1)
    for _ in range(6):
        if not play.outstanding:
            break
        play(PromptEnded(prompt_id=next(iter(play.outstanding)), result="failed"), at=play.now + 0.2)
        play.until(play.now + 8)
    play.every.expect(CloseLeg)


def test_a_playout_that_owes_reports_is_not_waited_for_for_ever() -> None:
    play = Playbook()
    play.begin()
    play.reply("A question", at=0.1)
    play(PromptStarted(prompt_id=1), at=0.2)
    play(DigitPressed(digit="1"), at=1.0).expect(StopPlayout())
    assert play.state is State.STOPPING
    play.until(2.01)
    assert play.state is State.DIGITS
