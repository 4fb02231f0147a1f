"""What a bot of any language is told, what its answers mean, and what is wrong with its settings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.actions import (
    Action,
    Hangup,
    Listen,
    Menu,
    MenuOption,
    Pause,
    Play,
    PostCall,
    Record,
    Say,
    SetSpeech,
    SynthesizerChoice,
    Transfer,
)
from gateway.backends.rest.dialect import read_by_paths
from gateway.backends.rest.protocol import MAX_ACTIONS, Reply, call_of, event_body, parse_reply, read_reply, type_of
from gateway.backends.rest.settings import ResponseSection, RestBotSection
from gateway.caller_events import (
    CallEnded,
    CallerEvent,
    CallStarted,
    ContactOptOut,
    NoInput,
    PlaybackDone,
    TransferResult,
    UserChoice,
    UserDigits,
    UserLocation,
    UserMedia,
    UserText,
)
from gateway.events import CallInfo
from gateway.kit.jsonbody import JsonRefused

CALL = CallInfo(
    call_id="c1", caller="+331", called="+332", number="+332", line="pbx", language="fr-FR", custom={"k": "v"}
)


@pytest.mark.parametrize(
    ("event", "kind", "details"),
    [
        (CallStarted(), "start", {}),
        (
            UserText(turn=1, text="hi", confidence=0.9, value=5),
            "message",
            {"text": "hi", "source": "speech", "barged_in": False, "confidence": 0.9, "value": 5},
        ),
        (
            UserChoice(turn=1, menu_id="m", option_id="a", label="A", source="digits"),
            "choice",
            {"text": "A", "source": "digits", "choice": {"menu": "m", "id": "a", "label": "A"}, "barged_in": False},
        ),
        (
            UserDigits(turn=1, digits="12", terminator="#"),
            "dtmf",
            {"text": "12", "source": "digits", "digits": "12", "terminator": "#"},
        ),
        (
            NoInput(turn=1, count=2, elapsed=7.5, exhausted=True),
            "no_input",
            {"no_input": {"count": 2, "elapsed": 7.5, "exhausted": True}},
        ),
        (
            TransferResult(turn=1, transfer_id="t", ok=False, cause="busy", sip_code=486),
            "transfer_result",
            {"transfer": {"id": "t", "ok": False, "cause": "busy", "sip_code": 486}},
        ),
        (
            UserMedia(turn=1, url="https://a", mime="audio/wav"),
            "media",
            {"media": {"url": "https://a", "mime": "audio/wav", "duration": None}},
        ),
        (
            UserLocation(turn=1, lat=1.0, lon=2.0, label="x"),
            "location",
            {"location": {"lat": 1.0, "lon": 2.0, "label": "x"}},
        ),
        (ContactOptOut(turn=1, channel="sms"), "opt_out", {"channel": "sms"}),
        (CallEnded(turn=4, by="caller", cause="1000"), "end", {"end": {"by": "caller", "cause": "1000"}}),
    ],
)
def test_every_event_as_it_is_sent(event: CallerEvent, kind: str, details: dict[str, Any]) -> None:
    call = call_of(CALL, None)
    assert event_body(event, call, {"n": 1}) == {
        "version": 1,
        "type": kind,
        "call": {
            "id": "c1",
            "from": "+331",
            "to": "+332",
            "direction": "inbound",
            "language": "fr-FR",
            "number": "+332",
            "line": "pbx",
            "display_name": "",
            "custom": {"k": "v"},
        },
        "turn": event.turn,
        **details,
        "session": {"n": 1},
    }
    assert call_of(CALL, "https://x/1")["callback_url"] == "https://x/1"


def test_bots_are_not_told_what_was_heard() -> None:
    assert type_of(PlaybackDone(turn=1, complete=True, played=1.0, heard_text="x")) is None


def actions_of(value: Any) -> tuple[Action, ...]:
    return read_reply(value, "a1", "markdown").actions


@pytest.mark.parametrize(
    ("value", "actions"),
    [
        ("Hello.", (Say(text="Hello.", format="markdown"),)),
        ({"text": "Hello."}, (Say(text="Hello.", format="markdown"),)),
        (["Hello.", {"text": "You."}], (Say(text="Hello.", format="markdown"), Say(text="You.", format="markdown"))),
        (
            {"text": "A.", "actions": [{"type": "say", "text": "B.", "format": "plain", "interruptible": False}]},
            (Say(text="A.", format="markdown"), Say(text="B.", interruptible=False)),
        ),
        ({"actions": [{"type": "pause", "seconds": "2"}]}, (Pause(seconds=2.0),)),
        (
            {
                "actions": [
                    {"type": "menu", "options": [{"id": "a", "label": "A", "aliases": ["x"]}], "prompt": "Which?"}
                ]
            },
            (Menu(menu_id="a1.0", prompt="Which?", options=(MenuOption(id="a", label="A", aliases=("x",)),)),),
        ),
        ({"actions": [{"type": "transfer", "target": "100"}]}, (Transfer(transfer_id="a1.0", target="100"),)),
        ({"actions": [{"type": "hangup"}]}, (Hangup(),)),
        (
            {"actions": [{"type": "listen", "kind": "digits", "end_silence": 2}]},
            (Listen(kind="digits", end_silence=2.0),),
        ),
        (
            {"actions": [{"type": "set_speech", "language": "fr-FR", "synthesizer": {"voice": "x"}}]},
            (SetSpeech(language="fr-FR", synthesizer=SynthesizerChoice(voice="x")),),
        ),
        ({"actions": [{"type": "play", "url": "https://a/b.wav"}]}, (Play(url="https://a/b.wav"),)),
        ({"actions": [{"type": "play", "path": "/etc/passwd"}]}, (Play(),)),
        (
            {"actions": [{"type": "post_call", "kind": "addon", "data": {"a": 1}}]},
            (PostCall(kind="addon", data={"a": 1}),),
        ),
        ({}, ()),
        ({"text": " "}, ()),
        ({"text": 5, "actions": "x"}, ()),
        (None, ()),
        (17, ()),
    ],
)
def test_what_an_answer_means(value: Any, actions: tuple[Action, ...]) -> None:
    assert actions_of(value) == actions


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"type": "explode"}, "there is no such action"),
        ({"text": 5}, "Expected `str`, got `int` - at `$.text`"),
        ({"type": "pause"}, "Object missing required field `seconds`"),
        ({"type": "post_call", "kind": "backend", "data": {}}, "there is no such thing to do after the call"),
    ],
)
def test_an_action_that_cannot_be_read_is_kept_and_the_others_count(item: dict[str, Any], why: str) -> None:
    odd, say = actions_of({"actions": [item, "Yes."]})
    assert odd == Record(kind="event", data={"event": "action not understood", "why": why, "action": item})
    assert say == Say(text="Yes.", format="markdown")


def test_an_answer_has_bounds() -> None:
    assert len(actions_of({"actions": ["x"] * 1000})) == MAX_ACTIONS


@pytest.mark.parametrize(
    ("body", "content_type", "reply"),
    [
        (b"", "application/json", Reply()),
        (b" \n", "", Reply()),
        (b"Just words.", "text/plain", Reply(actions=(Say(text="Just words.", format="html"),))),
        (b'{"text": "x", "session": {"n": 1}, "turn": 3, "done": false}', "", None),
    ],
)
def test_the_forms_of_a_body(body: bytes, content_type: str, reply: Reply | None) -> None:
    expected = reply or Reply(actions=(Say(text="x", format="html"),), session={"n": 1}, turn=3, is_last=False)
    assert parse_reply(body, content_type, "a1", "html") == expected


@pytest.mark.parametrize(("body", "kind"), [(b"<html>", "application/json"), (b"\xff", "text/plain"), (b"[" * 99, "")])
def test_what_says_that_it_is_json_must_be(body: bytes, kind: str) -> None:
    with pytest.raises(JsonRefused):
        parse_reply(body, kind, "a1", "html")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "text", "actions", "options", "id", "label", "target"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(VALUES)
def test_any_answer_means_something_or_nothing(value: Any) -> None:
    for action in actions_of(value):
        json.dumps(action.data if isinstance(action, Record) else str(action))


WHERE = ResponseSection(
    text="$.messages[*].text",
    choices="$.buttons",
    choice_id="$.value",
    choice_label="$.title",
    transfer="$.handover.to",
    hangup="$.done",
    language="$.lang",
    session="$.state",
)


def test_an_answer_is_read_by_its_paths() -> None:
    answer = {
        "messages": [{"text": "A"}, {"image": "x"}, {"text": "B"}],
        "buttons": [{"title": "Yes", "value": 1}, {"title": "No"}, "Later", {"value": "x"}, {"title": " "}],
        "handover": {"to": "100"},
        "done": True,
        "lang": "fr-FR",
        "state": {"n": 1},
    }
    assert read_by_paths(answer, WHERE, "a1", "plain") == Reply(
        actions=(
            SetSpeech(language="fr-FR"),
            Say(text="A"),
            Say(text="B"),
            Menu(
                menu_id="a1",
                options=(
                    MenuOption(id="1", label="Yes"),
                    MenuOption(id="No", label="No"),
                    MenuOption(id="Later", label="Later"),
                ),
            ),
            Transfer(transfer_id="a1", target="100"),
            Hangup(),
        ),
        session={"n": 1},
    )


@pytest.mark.parametrize("done", [False, 0, "", None, [], {}, "false", "0"])
def test_what_does_not_mean_that_the_call_ends(done: Any) -> None:
    assert read_by_paths({"done": done}, WHERE, "a1", "plain") == Reply()


@given(VALUES)
def test_any_answer_can_be_read_by_paths(value: Any) -> None:
    read_by_paths(value, WHERE, "a1", "plain")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "ftp://x"}, "must begin with http"),
        ({"url": "https://x", "auth": {"bearer": "a", "hmac": "b"}}, "says one of"),
        ({"url": "https://x", "events": ["message"]}, "needs a `greeting`"),
        ({"url": "https://x", "request": {"body": {"a": "{{cal.from}}"}}}, "nothing is known as {{cal.from}}"),
        ({"url": "https://x", "request": {"headers": {"a": "{{call..b}}"}}}, "is no path"),
        ({"url": "https://x", "response": {"text": "$..x"}}, "is no path"),
    ],
)
def test_wrong_settings_are_said(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=r"(?s)" + said.replace("{", r"\{").replace("[", r"\[")):
        RestBotSection.model_validate(settings)
