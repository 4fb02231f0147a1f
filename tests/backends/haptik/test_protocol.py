"""Haptik's wire without a socket: bodies, queries, errors, events, HSL, transcripts. Any bytes are read or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.actions import Listen, Menu, Say, SendLink
from gateway.backends.haptik import protocol
from gateway.backends.haptik.compose import ask_field, compose, form_line, menu_of
from gateway.backends.haptik.history import Line, parse_history, records_of, utc_time
from gateway.backends.haptik.hsl import (
    Choice,
    Field,
    Link,
    Message,
    commands_in,
    parse_body,
    payload_text,
    without_commands,
)
from gateway.backends.haptik.protocol import Agent
from gateway.backends.haptik.settings import HaptikBotSection
from gateway.backends.haptik.values import first_text, identity, items, number, text
from gateway.backends.haptik.words import NAMES, Words
from gateway.errors import RemoteProtocolError
from tests.fakes.haptik import VECTORS, bot_settings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
HSL_KEYS = st.sampled_from(
    ["text", "type", "data", "items", "quick_replies", "actionables", "payload", "message", "title", "fields", "voice"]
)
HSL = st.recursive(
    st.none() | st.integers() | st.sampled_from(["TEXT", "BUTTON", "CAROUSEL", "FORM_SHOW", "SYSTEM", "LINK", "x{y}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HSL_KEYS, inner, max_size=5),
    max_leaves=30,
)


# --- values --------------------------------------------------------------------------------------------------------
def test_values_are_read_strictly() -> None:
    assert [text(value) for value in (" a ", 1, None, True, ["a"])] == ["a", "", "", "", ""]
    assert len(text("x" * 30_000)) == 20_000
    assert text("a\ud800") == "a?"
    assert [identity(value) for value in (7, -7, True, " a ", 1 << 65, None)] == ["7", "-7", "", "a", "", ""]
    assert len(identity("x" * 300)) == 200
    assert [number(value) for value in (7, "8", "x", "", -1, None, "1" * 19)] == [7, 8, None, None, None, None, None]
    assert items({"a": 1}) == [{"a": 1}]
    assert items("a") == []
    assert items(list(range(200))) == list(range(100))
    assert first_text({"a": " ", "b": 3, "c": "x", "d": "y"}, "a", "b", "c", "d") == "x"


# --- out -----------------------------------------------------------------------------------------------------------
def test_bodies() -> None:
    assert protocol.headers("t", "c") == {"Authorization": "Bearer t", "client-id": "c"}
    assert protocol.message_body("a", "x" * 5000, 3) == {
        "user": {"auth_id": "a"},
        "message_body": "x" * 4000,
        "message_type": 0,
        "business_id": 3,
    }
    assert protocol.user_body("a", caller="", language="", custom={"k": "v"}) == {
        "auth_id": "a",
        "custom_data": {"k": "v"},
    }
    assert protocol.user_body("a", caller="+1", language="en", custom={}, name="N") == {
        "auth_id": "a",
        "mobile_no": "+1",
        "name": "N",
        "language_code": "en",
        "custom_data": {},
    }


@pytest.mark.parametrize(
    ("wish", "sent"), [(4.9, 5), (5, 5), (5.4, 5), (5.6, 6), (10, 10), (10.2, 10), (-1, 5), (None, None)]
)
def test_h2_hp03_countdowns(wish: float | None, sent: int | None) -> None:
    assert protocol.countdown_of(wish) == sent


def test_h6_hp09_queries() -> None:
    whole = protocol.history_query(
        conversation_no=1, business_id=0, user_name="u", pxut="", limit=9, response_type="text"
    )
    assert whole == {
        "business_id": "0",
        "user_name": "u",
        "conversation_no": "1",
        "limit": "9",
        "response_type": "text",
    }


# --- errors --------------------------------------------------------------------------------------------------------
def test_h3_messages_are_told_whatever_their_case_and_stop() -> None:
    assert protocol.classify("INVALID  user_name.") == "user"
    assert protocol.classify('Team "a "b" c" is inactive') == "config"
    assert protocol.classify('team "x" is active') == "unknown"
    assert protocol.is_error(" User is not registered. ", protocol.NOT_REGISTERED)
    assert not protocol.is_error("user", protocol.NOT_REGISTERED)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error_message": "no"}', "no"),
        (b'{"error_message": 7}', "7"),
        (b'{"error_message": ""}', None),
        (b'{"error_message": null, "success": true}', None),
        (b'{"success": false}', "success is false"),
        (b'{"success": false, "error": "why"}', "why"),
        (b'{"success": "false"}', None),
        (b"[]", None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_h3_hp05_what_counts_as_an_error(body: bytes, message: str | None) -> None:
    assert protocol.error_message(body) == message


def test_h10_wrong_credentials_are_told_by_their_words() -> None:
    for message in (VECTORS["message_api"]["error_401"]["error_message"], "Invalid Authorization  Details."):
        assert protocol.classify(message) == "auth"
    assert protocol.classify("duplicate feedback") == "state"


def test_an_error_of_any_length_is_kept_in_part() -> None:
    for name in ("error_message", "error"):
        body = json.dumps({"success": False, name: "x" * 501}).encode()
        found = protocol.error_message(body)
        assert found is not None
        assert len(found) <= 500
    identical = protocol.error_message(json.dumps({"success": False, "message": "y" * 500}).encode())
    assert identical == "y" * 500


# --- in ------------------------------------------------------------------------------------------------------------
def test_events() -> None:
    event = protocol.parse_event(json.dumps(VECTORS["webhook"]["message"]).encode())
    assert (event.name, event.auth_id, event.user_name, event.message_id) == (
        "message",
        "<AUTH_ID>",
        "<USER_NAME>",
        "1982371",
    )
    assert event.agent == Agent(name="gogo", is_automated=True)
    assert not event.is_completion
    assert event.conversation_no is None
    pinned = protocol.parse_event(json.dumps(VECTORS["webhook"]["chat_pinned"]).encode())
    assert pinned.agent == Agent(name="Prateek", is_automated=False)
    assert pinned.joined == "Prateek"
    nameless = protocol.parse_event(
        b'{"event_name":"chat_pinned","message":{"body":{"data":{"payload":{"agent_name":"Ann"}}}}}'
    )
    assert nameless.joined == "Ann"
    placeholder = b'{"event_name":"chat_pinned","message":{"body":{"data":{"payload":{"agent_name":"<AGENT_NAME>"}}}}}'
    assert protocol.parse_event(placeholder).joined == ""
    done = protocol.parse_event(b'{"event_name":"chat_complete","data":{"conversation_no":"12"}}')
    assert (done.is_completion, done.conversation_no) == (True, 12)


@given(st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()))
def test_h14_any_bytes_are_an_event_or_refused(body: bytes) -> None:
    for parse in (protocol.parse_event, protocol.parse_sync, parse_history):
        try:
            assert parse(body) is not None
        except RemoteProtocolError as error:
            refusal = error
        else:
            continue
        assert str(refusal)


def test_h9_signatures_need_their_algorithms_name() -> None:
    good = "f8446672f033e4b2beafc5ca3a71eafcd2cafb6e"
    for header, fits in (
        (f"sha1={good}", True),
        (f" sha1={good} ", True),
        (good, False),
        (f"sha256={good}", False),
        (f"SHA1={good}", False),
        ("", False),
        ("sha1=é", False),
    ):
        assert protocol.is_signed("secret", b'{"a":1}', {"x-hub-signature": header}) is fits
    assert not protocol.is_signed("secret", b'{"a":1}', {"x-hub-signature-256": f"sha1={good}"})


def test_the_synchronous_answer() -> None:
    agent, bodies = protocol.parse_sync(
        b'{"agent":{"name":"gogo"},"message":[{"id":1,"body":{"text":"a"}},{"text":"b"}]}'
    )
    assert agent == Agent(name="gogo")
    assert bodies == [{"text": "a"}, {"text": "b"}]
    assert protocol.parse_sync(b'{"messages":{"body":"x"}}')[1] == ["x"]


# --- HSL -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "plain", "names"),
    [
        ("Show another quote{task}", "Show another quote", {"task"}),
        ("a {reminder_list: 170, x} b", "a b", {"reminder_list"}),
        ("{task}", "", {"task"}),
        ("no {123} braces", "no {123} braces", set()),
        (" plain ", "plain", set()),
        ("{Talk_To_Agent} x {task}", "x", {"talk_to_agent", "task"}),
        ("line\n{task}\nline", "line\n \nline", {"task"}),
    ],
)
def test_hp19_commands_are_never_said(said: str, plain: str, names: set[str]) -> None:
    assert without_commands(said) == plain
    assert commands_in(said) == names


@given(HSL)
def test_hp19_any_message_is_read(body: Any) -> None:
    message = parse_body(body)
    assert all(message.says)
    assert all(choice.label and (choice.sends or choice.calls) for choice in message.choices)
    assert not any("{task}" in said for said in message.says)
    compose(message, "m", Agent(), None)


def test_h11_h16_the_samples() -> None:
    quick = parse_body(VECTORS["hsl_quick_replies"])
    assert quick.choices == (
        Choice(label="Show another quote", sends="Show another quote{task}"),
        Choice(label="Thanks", sends="Thanks"),
    )
    assert parse_body(json.dumps(VECTORS["hsl_quick_replies"])) == quick
    button = parse_body(VECTORS["hsl_button"])
    assert (button.choices, button.links) == ((), (Link("https://google.com", "Google"),))


def test_hp19_what_is_on_several_cards_is_told_apart() -> None:
    def button(label: str) -> dict[str, Any]:
        return {"actionable_text": label, "type": "TEXT", "payload": {"message": label}}

    cards = [
        {"title": "One", "actionables": [button("Book"), button("More")]},
        {"title": "Two", "actionables": [button("book")]},
        {"actionables": [button("Book")]},
    ]
    message = parse_body({"type": "CAROUSEL", "text": "", "data": {"items": cards}})
    assert [choice.label for choice in message.choices] == ["Book, One", "More", "Two", "Book"]
    assert message.says == ("One", "Two")


def test_hp19_which_buttons_answer() -> None:
    def labels_of(*found: dict[str, Any]) -> list[str]:
        message = parse_body({"type": "BUTTON", "text": "x", "data": {"items": list(found)}})
        return [choice.label for choice in message.choices]

    assert labels_of({"title": "a", "type": "text"}, {"title": "b"}, {"title": "c", "uri": "X"}) == ["a", "b"]
    assert labels_of({"title": "d", "type": "APP_ACTION"}, {"type": "TEXT"}, {"title": "e", "uri": "CALL"}) == []
    called = {"title": "f", "uri": "call", "payload": {"number": "tel:+44"}}
    message = parse_body({"type": "BUTTON", "data": {"items": [called]}})
    assert message.choices == (Choice(label="f", calls="+44"),)


def test_hp19_a_plain_text_with_items_is_no_menu() -> None:
    data = {"items": [{"title": "a"}]}
    assert parse_body({"type": "TEXT", "text": "x", "data": data}).choices == ()
    assert parse_body({"text": "x", "data": data}).choices == ()
    for key in ("items", "options", "tabs", "list_items", "list"):
        assert parse_body({"type": "TAB_LIST", "data": {key: [{"title": "a"}]}}).choices


@pytest.mark.parametrize(
    ("type_", "kind"),
    [("number", "number"), ("INT", "number"), ("tel", "phone"), ("email", "email"), ("date", "date"), ("text", "free")],
)
def test_hp19_fields_of_forms(type_: str, kind: str) -> None:
    for key in ("fields", "form_fields", "inputs", "items"):
        body = {"type": "FORM", "text": "x", "data": {key: [{"label": "L{task}", "type": type_}, {"type": "x"}]}}
        assert parse_body(body).fields == (Field("L", kind),)  # type: ignore[arg-type]  # one of a table of tests


@pytest.mark.parametrize("key", ["voice_text", "voice_says", "ssml"])
def test_hp19_where_words_for_the_voice_stand(key: str) -> None:
    for body in ({key: "heard"}, {"data": {key: "heard"}}, {"voice": "heard"}, {"voice": {"ssml": "heard"}}):
        assert parse_body({"type": "TEXT", "text": "seen", **body}).says == ("heard",)


def test_hp19_what_a_payload_sends() -> None:
    assert payload_text({"payload": "plain"}) == "plain"
    assert payload_text({"title": "T"}) == "T"
    assert payload_text({"payload": {"message": " kept "}, "title": "T"}) == " kept "
    assert payload_text({}) == ""


def test_hp19_menus_keys_and_forms() -> None:
    choices = tuple(Choice(label=str(place), sends="x") for place in range(120))
    menu, found = menu_of(choices, "m")
    assert menu is not None
    assert (len(menu.options), menu.max_digits, len(found)) == (99, 2, 99)
    small, _ = menu_of(choices[:9], "m")
    assert small is not None
    assert small.max_digits == 1
    assert menu_of((), "m") == (None, {})
    assert ask_field(Field("Age", "number"), "f") == (Say(text="Age", format="markdown"), Listen(kind="number"))
    asked = ask_field(Field("Room", "free", ("a", "b")), "f")
    assert isinstance(asked[1], Menu)
    assert form_line([("Your name:", "Ann"), ("Age?", "4")]) == "Your name: Ann, Age: 4"


def test_compose_says_then_sends_then_asks() -> None:
    message = Message(says=("a", "<b>b</b>"), links=(Link("u", ""),), choices=(Choice(label="c", sends="d"),))
    composed = compose(message, "m", Agent(name="Ann", is_automated=False), "f3")
    bot = compose(message, "m", Agent(), "f3").actions[0]
    assert bot == Say(text="a", format="markdown")
    first, second, link, menu = composed.actions
    assert first == Say(text="a", format="markdown", role="agent", voice="f3")
    assert isinstance(second, Say)
    assert second.format == "html"
    assert link == SendLink(url="u", text=None)
    assert isinstance(menu, Menu)
    assert composed.choices == {"1": Choice(label="c", sends="d")}
    assert compose(Message(kind="system", says=("x",)), "m", Agent(), None).actions == ()


# --- transcripts ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("06/22/20 07:24:25 AM UTC", "2020-06-22T07:24:25Z"),
        ("06/22/20 12:00:00 AM UTC", "2020-06-22T00:00:00Z"),
        ("06/22/20 12:00:00 pm gmt", "2020-06-22T12:00:00Z"),
        ("06/22/20 01:02:03 PM Z", "2020-06-22T13:02:03Z"),
        ("06/22/20 07:24:25 AM IST", "06/22/20 07:24:25 AM IST"),
        ("13/22/20 07:24:25 AM UTC", "13/22/20 07:24:25 AM UTC"),
        ("now", "now"),
        ("", ""),
    ],
)
def test_h4_times(stamp: str, at: str) -> None:
    assert utc_time(stamp) == at


def test_h5_lines_without_a_sender_go_on() -> None:
    found = parse_history(b'{"chat_text": "lost\\nuser: a\\n\\n  b\\n"}')
    assert [(line.sender, line.raw) for line in found] == [("user", "a\n  b")]


def test_hp10_many_lines_are_several_records() -> None:
    lines = [Line(sender="bot", text=str(place), raw=str(place)) for place in range(201)]
    records = records_of(lines, 3)
    assert [len(record.data["lines"]) for record in records] == [100, 100, 1]
    assert all(record.data["conversation_no"] == 3 for record in records)
    assert records[0].data["lines"][7] == {"sender": "bot", "text": "7"}


# --- settings and words --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"webhook_secret": None}, "needs webhook_secret"),
        ({"mode": "sync"}, "needs message_url"),
        ({"user": "caller"}, "needs user_secret"),
        ({"handoff": {"by": "chat"}}, "needs handoff.team_name"),
        ({"handoff": {"by": "both", "team_name": "x"}}, "needs handoff.target"),
        ({"url": "ftp://x"}, "http"),
        ({"url": "https://x/?a=b"}, "without a query"),
        ({"texts": {"x": "y"}}, "unknown x"),
        ({"webhook_path": "no-slash"}, "pattern"),
        ({"business_id": -1}, "greater than or equal"),
        ({"nonsense": 1}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_work_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        HaptikBotSection(**{**bot_settings("http://127.0.0.1"), **changed})


@pytest.mark.parametrize(
    ("handoff", "ways"),
    [
        ({}, set()),
        ({"team_name": "t"}, {"chat"}),
        ({"target": "sip:1@x"}, {"sip"}),
        ({"team_name": "t", "target": "sip:1@x"}, {"chat", "sip"}),
        ({"team_name": "t", "target": "sip:1@x", "by": "sip"}, {"sip"}),
        ({"team_name": "t", "target": "sip:1@x", "by": "chat"}, {"chat"}),
        ({"team_name": "t", "target": "sip:1@x", "by": "off"}, set()),
    ],
)
def test_hp21_which_ways_are_open(handoff: dict[str, Any], ways: set[str]) -> None:
    assert HaptikBotSection(**bot_settings("http://x", handoff=handoff)).handoff.ways == ways


def test_hp18_every_sentence_is_there_in_every_language_and_can_be_replaced() -> None:
    for language in ("en", "fr", "de", "nl", "es", "it", "pt", "fr-CA", "xx"):
        words = Words(language, {})
        assert all(words.say(name) for name in NAMES)
    assert Words("de", {}).say("yes") == "Ja"
    assert Words("en", {"transfer": "Wait."}).say("transfer") == "Wait."
    assert Words("en", {}).say("agent_joined", name="Ann") == Words("en", {}).say("agent_joined").replace(
        "{name}", "Ann"
    )
