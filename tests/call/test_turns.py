"""The bot's turns: which of its answers still count, what its actions do, and what its failures cost."""

from __future__ import annotations

import pytest

from gateway.actions import (
    ActionBatch,
    Fail,
    Hangup,
    Listen,
    Menu,
    MenuOption,
    PostCall,
    Record,
    Release,
    Say,
    SendDigits,
    SendLink,
    Transfer,
)
from gateway.call.commands import AbandonTurn, CloseLeg, KeepRecord, SendDigitsToCaller, SendToBot, StopPlayout
from gateway.call.facts import State
from gateway.caller_events import PlaybackDone, UserChoice, UserText
from gateway.events import (
    BotFailed,
    BotReplied,
    DigitPressed,
    LegClosed,
    LinkSent,
    SpeechStarted,
    SpeechStopped,
    SpeechSustained,
)
from gateway.interfaces import BackendCapabilities
from tests.fakes.playbook import Playbook

COLOURS = Menu(menu_id="m", options=(MenuOption(id="r", label="red"), MenuOption(id="g", label="green")))
SORRY = "Please call later."


def result(play: Playbook) -> str:
    """The caller is let go; how the call is booked."""
    play.play_out()
    outcome = play(LegClosed(by="gateway")).outcome
    assert outcome is not None
    return outcome.result


# --- which answers count -------------------------------------------------------------------------------------------
def test_a_caller_who_speaks_before_the_bot_has_finished_opens_a_new_turn() -> None:
    play = Playbook()
    play.greet()
    play.speak("one", at=3.0)
    play.reply("Which one?", Listen(), done=False, at=5.0)
    play.play_out()
    play.speak("two", at=play.now + 1).expect(AbandonTurn(turn=1), SendToBot)
    assert play.reply("Late", turn=1).prompts == []
    assert play.reply("In time", turn=2).prompts == ["In time"]


def test_what_still_waited_of_the_turn_before_is_dropped_but_for_its_records() -> None:
    play = Playbook()
    play.greet()
    play.speak("one", at=3.0)
    play.reply("Which one?", done=False, at=5.0)
    play.play_out()
    play(SpeechStarted(at=play.now + 1), at=play.now + 1.1)
    play.reply("More of it", Hangup(), Record(kind="note", data={"text": "x"}), turn=1, done=False)
    play.reply("News", turn=None)
    play(SpeechStopped(at=play.now + 0.5), at=play.now + 1)
    play.until(play.now + 1)
    play.recognize("two")
    ended = play.until(play.now + 2.1)
    assert isinstance(ended.sent[0], UserText)
    assert play.every.kept("note") == [{"text": "x"}]
    assert ended.prompts == ["News"]
    play.every.refuse(CloseLeg)


def test_a_turn_that_fails_half_way_takes_what_still_waited_with_it() -> None:
    play = Playbook()
    play.greet()
    play.speak("one", at=3.0)
    actions = (Say(text="First"), SendDigits(digits="1"), Say(text="Second"), PostCall(kind="email", data={"to": "x"}))
    play(BotReplied(batch=ActionBatch(actions=actions, turn=1, turn_done=False)))
    assert len(play(BotFailed(turn=1)).prompts) == 1
    rest = play.play_out().refuse(SendDigitsToCaller)
    assert rest.prompts == []
    assert play.every.kept("post_call_email") == [{"to": "x"}]
    assert play.state is State.LISTENING


def test_a_stale_batch_is_counted_and_its_records_are_kept() -> None:
    play = Playbook()
    play.greet()
    play.speak("one", at=3.0)
    late = play.reply("Late", PostCall(kind="webhook", data={"url": "u"}), turn=0)
    assert late.kept("post_call_webhook") == [{"url": "u"}]
    assert late.kept("stale_batch") == [{"turn": 0, "actions": 2}]
    assert play.state is State.THINKING


def test_records_alone_are_no_answer_and_the_caller_is_kept_company() -> None:
    play = Playbook(number={"filler_after": 1.5})
    play.greet()
    play.speak("one", at=3.0)
    play.reply(Record(kind="note", data={}), done=False)
    assert play.state is State.THINKING
    assert len(play.until(play.now + 1.6).prompts) == 1


def test_a_bot_that_has_nothing_to_say_has_answered() -> None:
    play = Playbook()
    play.greet()
    play.speak("one", at=3.0)
    play.reply(Record(kind="note", data={}))
    assert play.state is State.LISTENING


# --- failures ------------------------------------------------------------------------------------------------------
def test_the_third_failure_in_a_row_that_comes_as_a_reply_falls_back() -> None:
    play = Playbook(number={"fallback": {"say": SORRY}})
    play.greet()
    for _ in range(2):
        play.speak("hello", at=play.now + 1)
        assert SORRY not in play.reply(Fail(kind="protocol")).prompts
        play.play_out()
        assert play.state is State.LISTENING
    play.speak("hello", at=play.now + 1)
    assert play.reply(Fail(kind="protocol")).prompts == [SORRY]
    assert result(play) == "bot_failed"


def test_a_bot_that_leaves_the_first_word_to_the_caller_may_fail_twice_as_well() -> None:
    play = Playbook(backend=BackendCapabilities(greets_first=False), number={"fallback": {"say": SORRY}})
    play.begin()
    for turn in (1, 2):
        play.speak("hello", at=play.now + 1)
        assert SORRY not in play(BotFailed(turn=turn)).prompts
        play.play_out()
    play.speak("hello", at=play.now + 1)
    assert play(BotFailed(turn=3)).prompts == [SORRY]


def test_a_bot_that_fails_before_its_first_word_falls_back_at_once() -> None:
    play = Playbook(number={"fallback": {"say": SORRY}})
    play.begin()
    assert play.reply(Fail(kind="auth", detail="401"), at=0.5).prompts == [SORRY]
    assert play.every.kept("fallback") == [{"reason": "auth: 401"}]


def test_a_failure_after_the_greeting_is_apologised_for() -> None:
    play = Playbook(number={"fallback": {"say": SORRY}})
    play.greet()
    (apology,) = play.reply(Fail(kind="unavailable", detail="503"), turn=None).prompts
    assert apology != SORRY
    assert play.every.kept("failed_turn") == [{"reason": "unavailable: 503", "in_a_row": 1}]


def test_a_failure_after_silent_first_turns_is_apologised_for() -> None:
    """Nothing was said yet, but the bot is no stranger any more."""
    play = Playbook(number={"fallback": {"say": SORRY}})
    play.begin()
    play.reply(at=0.1)
    play.speak("hello", at=1.0)
    (apology,) = play.reply(Fail(kind="unavailable")).prompts
    assert apology != SORRY


def test_a_failure_while_the_greeting_is_waited_for_falls_back() -> None:
    play = Playbook(number={"fallback": {"say": SORRY}})
    play.begin()
    assert play.reply(Fail(kind="unavailable"), turn=None, at=0.5).prompts == [SORRY]


def test_a_failure_the_caller_does_not_notice_is_a_warning() -> None:
    """The turn was answered; what fails is an event after it, such as the account of what was heard."""
    play = Playbook()
    play.greet()
    play.speak("hello", at=3.0)
    play.reply("Yes?")
    failed = play(BotFailed(turn=1, detail="500"))
    assert failed.prompts == []
    assert failed.kept("warning") == [{"what": "bot_event_failed", "turn": 1, "detail": "500"}]


def test_the_failure_of_a_turn_that_is_history_is_nothing() -> None:
    play = Playbook()
    play.greet()
    play.speak("hello", at=3.0)
    assert play(BotFailed(turn=0)) == []
    assert play.state is State.THINKING


@pytest.mark.parametrize(("policy", "expected"), [("failed", "bot_failed"), ("fallback", "completed")])
def test_a_bot_that_leaves_says_whether_it_has_failed(policy: str, expected: str) -> None:
    play = Playbook()
    play.greet()
    play.reply(Release(policy=policy), turn=None)
    assert result(play) == expected


# --- actions -------------------------------------------------------------------------------------------------------
def test_the_rest_of_a_streamed_text_is_said_before_whatever_comes_next() -> None:
    play = Playbook()
    play.greet()
    play.speak("hello", at=3.0)
    play.reply(Say(text="We are open. Until", more=True), done=False)
    assert play.reply(Listen(kind="yesno"), done=False).prompts == ["Until"]
    play.reply(Say(text="One more", more=True), done=False)
    assert play.reply(Hangup()).prompts == ["One more"]
    play.play_out().expect(CloseLeg)


@pytest.mark.parametrize("question", [Listen(kind="yesno"), COLOURS])
def test_after_a_question_nobody_waits_for_a_vendor_that_cannot_tell_when_it_is_done(question: Listen | Menu) -> None:
    play = Playbook(number={"batch_gap": 5})
    play.greet()
    play.speak("hello", at=3.0)
    play.reply("Well", question, turn=None)
    play.play_out()
    assert play.state is State.LISTENING


def test_without_a_question_such_a_vendor_is_waited_for() -> None:
    play = Playbook(number={"batch_gap": 5})
    play.begin()
    play.reply("Welcome", turn=None, at=0.1)
    play.play_out(seconds=1.0)
    assert play.state is State.GAP
    play.until(5.09)
    assert play.state is State.GAP
    play.until(5.11)
    assert play.state is State.LISTENING


def test_a_transfer_that_fails_ends_that_wait_too() -> None:
    play = Playbook(number={"batch_gap": 5})
    play.greet()
    play.speak("hello", at=3.0)
    play.reply(Transfer(transfer_id="t", target="sip:1@pbx"), turn=None)
    play.play_out()
    assert play.state is State.LISTENING


def test_keys_for_the_caller_are_sent_once_the_words_before_them_were_heard() -> None:
    play = Playbook()
    play.begin()
    play.reply("Listen", SendDigits(digits="12"), SendDigits(digits="34"), at=0.1)
    sent = [command for command in play.play_out() if isinstance(command, SendDigitsToCaller)]
    assert [command.digits for command in sent] == ["12", "34"]


def test_a_hang_up_may_cut_the_words_before_it() -> None:
    play = Playbook()
    play.begin()
    play.reply("A long goodbye", Hangup(after_speech=False), at=0.1).expect(StopPlayout(), CloseLeg(reason="normal"))


# --- an interruption -----------------------------------------------------------------------------------------------
def test_a_menu_that_was_about_to_be_read_out_is_open_although_the_caller_interrupts() -> None:
    play = Playbook()
    play.begin()
    play.reply("Listen", SendDigits(digits="1"), "Now", COLOURS, Record(kind="note", data={"text": "x"}), at=0.1)
    play.start_prompt(at=0.2)
    pressed = play(DigitPressed(digit="2"), at=2.0)
    pressed.expect(SendDigitsToCaller(digits="1"), KeepRecord(kind="note", data={"text": "x"}), StopPlayout())
    assert pressed.prompts == []
    sent = play.report_stopped(at=2.1).sent
    assert isinstance(sent[0], PlaybackDone)
    assert isinstance(sent[1], UserChoice)
    assert sent[1].option_id == "g"


def test_an_interruption_of_something_else_does_not_give_up_the_answer() -> None:
    """The notice that a link was sent plays while the bot thinks."""
    play = Playbook(number={"filler_after": 60})
    play.greet("Hello", SendLink(url="https://example.com/a", text="here"))
    play.speak("hello", at=play.now + 1)
    play(LinkSent(url="https://example.com/a", text="here", ok=True))
    play.start_prompt()
    play(SpeechStarted(at=play.now + 1), at=play.now + 1.1)
    play(SpeechSustained(at=play.now + 0.2, voiced=0.3), at=play.now + 0.2).expect(StopPlayout()).refuse(AbandonTurn)
    play.report_stopped()
    assert play.reply("Here you are", turn=1).prompts == ["Here you are"]


def test_a_streamed_text_that_is_interrupted_is_not_taken_up_again() -> None:
    play = Playbook()
    play.greet()
    play.speak("hello", at=3.0)
    play.reply(Say(text="We are open. Until", more=True), done=False)
    play.start_prompt()
    play.press("1", at=play.now + 1).expect(AbandonTurn(turn=1), StopPlayout())
    play.report_stopped()
    play.press("#")
    assert play.reply("Something new.").prompts == ["Something new."]


# --- an answer that was lost -----------------------------------------------------------------------------------------
def test_after_a_failed_turn_the_question_is_open_again() -> None:
    """Whoever is asked to say it again can press the same key, and a secret is one the second time, too."""
    play = Playbook()
    play.greet("Which?", COLOURS, Listen(sensitive=True, hints=("blue",)))
    for turn in (1, 2):
        (chosen,) = play.press("1").sent
        assert (chosen.turn, chosen.option_id) == (turn, "r")
        play(BotFailed(turn=turn, detail="500"))
        play.play_out()
        assert play.conversation.is_sensitive
        assert play.conversation.question.settings().hints == ("blue",)
    play.press("1")
    play.reply("Red it is.")
    assert not play.conversation.is_sensitive
    assert play.conversation.question.menu is None


def test_what_the_bot_has_asked_before_it_failed_stays_open() -> None:
    play = Playbook()
    play.greet("Which?", COLOURS)
    play.press("1")
    other = Menu(menu_id="n", options=(MenuOption(id="b", label="blue"),))
    play.reply("And now?", other, done=False)
    play.play_out()
    play(BotFailed(turn=1, detail="cut"))
    play.play_out()
    (chosen,) = play.press("1").sent
    assert chosen.menu_id == "n"
