"""Whatever a bot sends is carried out, passed over or refused, and never more than that."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.actions import Hangup, Release, Transfer
from gateway.backends.userlike import names
from gateway.backends.userlike.carrying import carry_out, cut, listening
from gateway.backends.userlike.contacts import Contact, Contacts
from gateway.backends.userlike.payloads import READERS
from gateway.backends.userlike.protocol import (
    MAX_EVENTS,
    Unreadable,
    context_bytes,
    read_answer,
    read_event,
    read_request,
)
from gateway.backends.userlike.session import Session, info
from gateway.backends.userlike.settings import UserlikeBotSection
from gateway.backends.userlike.triggers import MAX_BODY, Delay, Message
from tests.fakes.userlike import CALL, CID, event

SETTINGS = UserlikeBotSection(webhook_url="https://bot.example.com", group="a", groups={"a": "100"})
KEYS = sorted(
    {
        *names.BODY,
        *names.FALLBACK,
        *names.OPTIONS,
        *names.OPTION_LABEL,
        *names.LINK,
        *names.ADDON,
        *names.SECONDS,
        *names.MILLISECONDS,
        *names.GROUP,
        *names.SKILLS,
        *names.CONTACT_FIELDS,
        *names.CONVERSATION_FIELDS,
        *names.NOTE_TEXT,
        *names.RECIPIENT_TYPE,
        *names.OPERATOR_ID,
        "on_failure",
        "text_format",
        "contact_identity_id",
    }
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["contact", "operator", "feedback", "markdown_v1", "de", "https://a.example"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
events = st.fixed_dictionaries(
    {
        "info": st.fixed_dictionaries({"cid": st.just(CID) | values}, optional={"context": values}),
        "packet": st.fixed_dictionaries(
            {
                "name": st.sampled_from([*READERS, "dance"]) | values,
                "payload": st.dictionaries(st.sampled_from(KEYS), values, max_size=6) | values,
            }
        ),
    }
)


def session() -> Session:
    return Session(cid=CID, call=CALL, contact=Contact(id="1"))


@given(st.lists(events | values, max_size=6))
def test_ul52_any_list_of_events_is_carried_out(items: list[Any]):
    read = [read_event(item) for item in items]
    after, actions = carry_out(read, session(), SETTINGS)
    leaving = [action for action in actions if isinstance(action, Hangup | Transfer | Release)]
    assert len(leaving) <= 1
    assert bool(leaving) == (after.is_over or after.pending is not None)
    assert bool(listening(after)) != bool(leaving)
    assert context_bytes(after.context) <= 10_240
    json.dumps(info(after, SETTINGS))


@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
def test_ul52_any_body_is_read_or_refused(body: bytes):
    for read in (read_answer, read_request):
        with suppress(Unreadable):
            assert len(read(body)) <= MAX_EVENTS


@given(st.dictionaries(st.sampled_from(["a", "b"]), values, max_size=3))
def test_ul44_a_context_replaces_the_one_before_unless_it_is_empty(context: dict[str, Any]):
    before = Session(cid=CID, call=CALL, contact=Contact(id="1"), context={"old": 1})
    after, _ = carry_out([read_event(event("message", {"body": "x"}, cid=CID, context=context))], before, SETTINGS)
    assert after.context == (context or {"old": 1})


def test_ul44_of_a_list_the_last_context_that_is_not_empty_counts():
    listed = [event("contact_update", {"name": "A"}, context=context) for context in ({}, {"a": 1}, {"b": 2}, {})]
    after, _ = carry_out([read_event(item) for item in listed], session(), SETTINGS)
    assert after.context == {"b": 2}


@given(st.text(alphabet="ab .!?\n", max_size=60), st.integers(min_value=1, max_value=60))
def test_u14_ul24_a_cut_message_is_the_beginning_of_it(text: str, more: int):
    whole = "x" * (MAX_BODY - 30) + text + "y" * more * 10
    kept = cut(whole)
    assert len(kept) <= MAX_BODY
    assert kept
    assert whole.startswith(kept)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x" * 6000, "x" * MAX_BODY),
        ("One. Two! " + "x" * 6000, "One. Two!"),
        ("one two " + "x" * 6000, "one two"),
        ("x" * (MAX_BODY - 1) + ". More", "x" * (MAX_BODY - 1) + "."),
        ("3.5 " + "x" * 6000, "3.5"),
    ],
)
def test_u14_a_message_is_cut_after_a_sentence_else_a_word_else_where_it_has_to_be(text: str, kept: str):
    assert cut(text) == kept


def test_more_events_than_a_list_may_have():
    item = json.dumps(event("end", cid=CID)).encode()
    assert len(read_answer(b"[" + b",".join([item] * MAX_EVENTS) + b"]")) == MAX_EVENTS
    with pytest.raises(Unreadable, match="more than 100 events"):
        read_answer(b"[" + b",".join([item] * (MAX_EVENTS + 1)) + b"]")


def test_numbers_as_texts_and_texts_as_numbers():
    read = read_event(event("message", {"body": 42}))
    assert read.trigger == Message(text="42")
    assert read_event(event("delay", {"seconds": "1.5"})).trigger == Delay(seconds=1.5)
    for wrong in (None, True, "soon", "nan", "1e999", -1, {}, []):
        assert read_event(event("delay", {"seconds": wrong})).problem == "delay: seconds are missing"


def test_ul48_contacts_are_known_by_their_number_and_the_oldest_are_forgotten():
    contacts = Contacts(new_id=iter(["1", "2", "3", "4", "5", "6"]).__next__, limit=2)
    first = contacts.of("+441", name="Ann", language="en-GB")
    assert (first.id, first.fields["name"], first.fields["mobile_number"]) == ("1", "Ann", "+441")
    contacts.keep("+441", first.updated({"email": "ann@example.com", "campaigns": True}))
    contacts.keep("+442", contacts.of("+442"))
    assert contacts.of("+441").fields["email"] == "ann@example.com"
    assert contacts.of("+441").campaigns is True
    contacts.keep("+441", contacts.of("+441"))
    contacts.keep("+443", contacts.of("+443"))
    assert contacts.of("+442").id == "4"  # forgotten, hence somebody new
    contacts.keep("", contacts.of(""))
    assert contacts.of("").id not in {"1", "2", "3", "4"}


def test_ul33_campaigns_are_a_wish_and_no_field():
    contact = Contact(id="1").updated({"campaigns": True})
    assert (contact.campaigns, contact.fields) == (True, {})
    assert contact.updated({"campaigns": "maybe", "name": "Ann"}).campaigns is True
    assert contact.updated({"campaigns": False}).campaigns is False
