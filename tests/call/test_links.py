"""Links the bot sends: by policy handed to a hook, or their text spoken, or nothing; never claimed sent unsent."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from gateway.actions import Hangup, Listen, SendLink
from gateway.call.commands import KeepRecord, StopPlayout
from gateway.call.conversation import Conversation
from gateway.call.facts import State
from gateway.events import CallInfo, LinkSent, SpeechStarted, SpeechStopped
from tests.fakes.playbook import Playbook

URL = "https://acme.example/way?id=1234567890"
SENT = "I've sent you the link in a text message."
TEXT = "The way to us"
TAKEN = LinkSent(url=URL, ok=True, text=TEXT)
NOT_TAKEN = LinkSent(url=URL, ok=False, text=TEXT)


def call(links: str, *, caller: str = "+33612345678", text: str | None = TEXT) -> Playbook:
    """A call whose bot sends a link after its first words, and then asks."""
    play = Playbook(number={"links": links, "link_hook": "sms"})
    setup = play.conversation.facts.setup
    info = CallInfo(call_id="call-1", caller=caller, called=setup.info.called)
    play.conversation = Conversation(dataclasses.replace(setup, info=info))
    play.begin()
    play.reply("Hello.", SendLink(url=URL, text=text), Listen(), at=0.2)
    return play


def notes(play: Playbook, kind: str) -> list[dict[str, Any]]:
    return [kept.data for kept in play.every if isinstance(kept, KeepRecord) and kept.kind == kind]


@pytest.mark.parametrize(("links", "heard"), [("speak", ["Hello.", TEXT]), ("drop", ["Hello."]), ("hook", ["Hello."])])
def test_what_the_caller_hears_at_first(links: str, heard: list[str]) -> None:
    play = call(links)
    assert list(play.outstanding.values()) == heard
    assert [(note["url"], note["text"], note["policy"]) for note in notes(play, "link")] == [(URL, TEXT, links)]


def test_a_link_without_a_text_is_not_spelled_out() -> None:
    assert list(call("speak", text=None).outstanding.values()) == ["Hello."]


def test_an_address_in_the_text_is_not_spelled_out_either() -> None:
    play = call("speak", text=f"The way to us: {URL}")
    assert list(play.outstanding.values()) == ["Hello.", "The way to us: the web page"]


def test_a_link_is_called_sent_once_the_hook_has_taken_it() -> None:
    play = call("hook")
    assert play(TAKEN, at=0.5).prompts == [SENT]
    assert notes(play, "link")[0]["hook"] == "sms"
    assert notes(play, "link_sent") == [{"url": URL}]


def test_a_hook_that_fails_leaves_the_caller_what_would_be_spoken_without_it() -> None:
    play = call("hook")
    assert play(NOT_TAKEN, at=0.5).prompts == [TEXT]
    assert notes(play, "link_not_sent") == [{"url": URL}]


def test_a_withheld_number_gets_no_message_so_the_text_is_spoken() -> None:
    play = call("hook", caller="")
    assert list(play.outstanding.values()) == ["Hello.", TEXT]
    assert notes(play, "link")[0]["policy"] == "speak"


def test_the_news_interrupts_no_caller_and_listening_starts_afresh_after_it() -> None:
    play = call("hook")
    play.play_out()
    play(SpeechStarted(at=play.now), at=play.now + 0.1)
    assert play.state is State.HEARING
    assert play(TAKEN, at=play.now + 0.1).prompts == []
    said = play(SpeechStopped(at=play.now), at=play.now + 0.1)
    while not said.prompts:
        deadline = play.conversation.next_deadline()
        assert deadline is not None
        assert deadline < 10.0
        said.extend(play.until(deadline))
    assert said.prompts == [SENT]


def test_while_listening_the_news_is_said_and_the_time_for_an_answer_begins_again() -> None:
    play = call("hook")
    play.play_out()
    play.until(play.now + 5.0)
    play(TAKEN, at=play.now + 1.0)
    play.play_out()
    assert play.state is State.LISTENING
    assert play.conversation.next_deadline() == pytest.approx(play.now + 7.0)


def test_what_comes_while_the_call_ends_is_only_noted() -> None:
    play = call("hook")
    play.reply(Hangup(after_speech=False), turn=None, at=0.5)
    assert play(TAKEN, at=0.6).prompts == []
    assert notes(play, "link_sent") == [{"url": URL}]


def test_a_bot_that_is_thinking_has_not_answered_by_it() -> None:
    play = call("hook")
    play.play_out()
    play.speak("and now", at=play.now)
    assert play.state is State.THINKING
    said = play(TAKEN)
    assert said.prompts == [SENT]
    said.refuse(StopPlayout)
    play.play_out()
    assert play.state is State.THINKING
