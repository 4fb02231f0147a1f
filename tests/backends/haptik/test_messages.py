"""Messages out and in: registration, sending, the signed webhook, and what HSL becomes on the phone."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from gateway.actions import Hangup, Menu, Record, Say, SendLink, Transfer
from gateway.caller_events import CallEnded, NoInput, UserChoice
from gateway.errors import VendorError, VendorRejected, VendorUnavailable
from gateway.events import CallInfo
from gateway.kit.http import failure_kind
from gateway.lab.server import LabReply, json_reply
from tests.fakes.chatting import of, spoken
from tests.fakes.haptik import (
    AUTH_ID,
    CALL,
    SECRET,
    USER_NAME,
    VECTORS,
    haptik_call,
    labels,
    message,
    post,
    sign,
    vector,
)

pytestmark = pytest.mark.asyncio

USER_PATH = "/v1.0/user/"
MESSAGE_PATH = "/v1.0/log_message_from_user/"
API = VECTORS["message_api"]
REGISTERED = {"auth_id": AUTH_ID, "mobile_no": None, "email": None, "name": None}
NOT_REGISTERED = json_reply(API["error_403"], 403)


# --- out -----------------------------------------------------------------------------------------------------------
async def test_h10_hp22_hp01_the_user_is_registered_before_the_first_message():
    async with haptik_call(REGISTERED, API["response"]) as call:
        await call.start()
    register, first = call.server.requests
    assert (register.method, register.path) == ("POST", USER_PATH)
    assert register.json() == {
        "auth_id": AUTH_ID,
        "mobile_no": CALL.caller,
        "language_code": "en",
        "custom_data": {"call_id": CALL.call_id, "called_number": CALL.called, "channel": "phone"},
    }
    assert (first.method, first.path) == ("POST", MESSAGE_PATH)
    request = API["request"]
    assert first.json() == {**request, "user": {"auth_id": AUTH_ID}, "message_body": "Hi"}
    for sent in (register, first):
        assert sent.headers["authorization"] == "Bearer lab-token"
        assert sent.headers["client-id"] == "lab-client"
        assert sent.headers["content-type"] == "application/json"


async def test_h10_a_withheld_number_is_left_out():
    async with haptik_call(call=CallInfo(call_id="c", called="+44", language="en")) as call:
        await call.start()
    assert "mobile_no" not in call.server.requests[0].json()


async def test_h10_hp22_a_user_nobody_knows_any_more_is_registered_and_the_message_sent_again():
    async with haptik_call(REGISTERED, API["response"], NOT_REGISTERED, REGISTERED, API["response"]) as call:
        await call.start()
        await call.say("my words")
    sent = [(request.path, request.json().get("message_body")) for request in call.server.requests]
    assert sent[2:] == [(MESSAGE_PATH, "my words"), (USER_PATH, None), (MESSAGE_PATH, "my words")]


async def test_h10_a_user_nobody_knows_twice_is_an_error():
    async with haptik_call(REGISTERED, API["response"], NOT_REGISTERED, REGISTERED, NOT_REGISTERED) as call:
        await call.start()
        with pytest.raises(VendorRejected):
            await call.say("my words")
    assert len(call.server.requests) == 5


async def test_h10_wrong_credentials_are_not_tried_again():
    async with haptik_call(json_reply(API["error_401"], 401)) as call:
        with pytest.raises(VendorRejected) as caught:
            await call.start()
    assert failure_kind(caught.value) == "auth"
    assert len(call.server.requests) == 1


async def test_a_message_that_may_have_arrived_is_never_sent_again():
    for trouble in (LabReply(status=500), LabReply(drop=True)):
        async with haptik_call(REGISTERED, API["response"], trouble) as call:
            await call.start()
            with pytest.raises(VendorUnavailable):
                await call.say("my words")
        assert len(call.server.requests) == 3
        assert call.waits == []


async def test_a_message_that_was_turned_away_is_sent_again():
    busy = LabReply(status=429, headers={"retry-after": "2"})
    async with haptik_call(REGISTERED, API["response"], busy) as call:
        await call.start()
        await call.say("my words")
    assert [request.json().get("message_body") for request in list(call.server.requests)[2:]] == ["my words"] * 2
    assert call.waits == [2.0]


async def test_a_message_without_a_connection_is_sent_again():
    async with haptik_call(REGISTERED, API["response"]) as call:
        await call.start()
        await call.server.stop()
        with pytest.raises(VendorUnavailable):
            await call.say("my words")
    assert call.waits == [1.0]


async def test_registering_is_tried_once_more():
    async with haptik_call(LabReply(status=503), REGISTERED, API["response"]) as call:
        await call.start()
    assert [request.path for request in call.server.requests] == [USER_PATH, USER_PATH, MESSAGE_PATH]
    assert call.waits == [1.0]


@pytest.mark.parametrize("body", [b"<html>", b'{"a":', b"[" * 20_000 + b"]" * 20_000])
async def test_an_answer_that_is_no_json_is_a_failed_turn(body: bytes):
    async with haptik_call(REGISTERED, LabReply(body=body)) as call:
        with pytest.raises(VendorError):
            await call.start()


async def test_a_greeting_of_the_gateways_own_comes_first():
    async with haptik_call(greeting="Welcome.") as call:
        await call.start()
        assert spoken(await call.next()) == ["Welcome."]
    async with haptik_call(start_message="") as call:
        await call.start()
        assert [request.path for request in call.server.requests] == [USER_PATH]
        assert not call.backend.capabilities.greets_first


# --- the webhook ---------------------------------------------------------------------------------------------------
async def test_h8_hp22_the_sample_is_spoken_once():
    async with haptik_call() as call:
        event = vector("message", user_name=USER_NAME)
        assert (await call.hook(event)).status == 200
        assert call.chat.user_name == USER_NAME
        assert of(Say, await call.next()) == []  # the transcript is booked
        assert spoken(await call.next()) == ["Hi"]
        assert (await call.hook(event)).status == 200
        await call.hook(message({"text": "next", "type": "TEXT"}, 2))
        assert spoken(await call.next()) == ["next"]


async def test_h8_one_byte_changed_is_not_let_in():
    async with haptik_call() as call:
        body = json.dumps(vector("message")).encode()
        for changed in (body.replace(b"Hi", b"Ho"), body + b" ", body[:-1]):
            reply = await post(call.backend, changed, {"x-hub-signature": f"sha1={sign(body)}"})
            assert reply.status == 401
        for headers in ({}, {"x-hub-signature": ""}, {"x-hub-signature": sign(body)}):
            assert (await post(call.backend, body, headers)).status == 401
        call.chat.close()
        assert [batch async for batch in call.batches] == []


async def test_h9_the_known_signature():
    known = VECTORS["webhook"]["hmac"]
    name, _, value = known["header"].partition(": ")
    body = known["raw_body"].encode()
    async with haptik_call(webhook_secret=known["secret"]) as call:
        assert (await post(call.backend, body, {name.lower(): value})).status == 200
        assert (await post(call.backend, b'{"a": 1}', {name.lower(): value})).status == 401


async def test_h9_the_longer_signature_is_taken_too():
    async with haptik_call() as call:
        body = b'{"a":1}'
        headers = {"x-hub-signature-256": f"sha256={sign(body, SECRET, hashlib.sha256)}"}
        assert (await post(call.backend, body, headers)).status == 200


async def test_h14_unknown_events_missing_keys_and_unknown_users_get_200():
    for odd in (
        {**vector("message"), "event_name": "agent_reassigned"},
        {"event_name": "message"},
        {"user": 3, "message": "x", "agent": None},
        {**vector("message"), "message": {"id": None, "body": None}},
        {**vector("message"), "user": {"auth_id": "somebody else"}},
        {},
    ):
        async with haptik_call() as call:
            reply = await call.hook(odd)
            assert reply.status == 200
            call.chat.close()
            heard = [action for batch in [each async for each in call.batches] for action in batch.actions]
            assert not of(Say, tuple(heard))
    async with haptik_call() as call:
        reply = await call.hook({**vector("message"), "user": {"auth_id": "another"}})
        assert reply.unknown_call == "another"


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{", b"[" * 20_000 + b"]" * 20_000])
async def test_h14_what_is_no_event_is_refused(body: bytes):
    async with haptik_call() as call:
        assert (await call.hook(body)).status == 400


async def test_more_than_a_call_can_take_is_refused_and_taken_when_it_comes_again():
    async with haptik_call() as call:
        statuses = [(await call.hook(message(f"text {place}", place))).status for place in range(300)]
        full = statuses.index(429)
        assert set(statuses[full:]) == {429}
        await call.next()
        assert (await call.hook(message(f"text {full}", full))).status == 200
        assert (await call.hook(message("text 0", 0))).status == 200  # known


# --- HSL -----------------------------------------------------------------------------------------------------------
async def test_h11_hp19_quick_replies_are_a_menu_and_their_payload_goes_back():
    async with haptik_call(start_message="") as call:
        await call.start()
        await call.hook(message(VECTORS["hsl_quick_replies"], 5))
        menu = await call.until(Menu)
        assert [option.label for option in menu.options] == ["Show another quote", "Thanks"]
        chosen = UserChoice(turn=1, menu_id=menu.menu_id, option_id=menu.options[0].id, label="x", source="digits")
        await call.send(chosen)
        await call.say("something else")
    sent = [request.json()["message_body"] for request in call.requests(MESSAGE_PATH)]
    assert sent == ["Show another quote{task}", "something else"]


async def test_h11_what_goes_back_is_the_bots_own_text_where_there_is_one():
    replies = [
        {"actionable_text": "One", "payload": {"message": "m", "gogo_message": "g{task}"}},
        {"actionable_text": "Two", "payload": {"message": " ", "gogo_message": " "}},
        {"actionable_text": "Three{task}", "payload": None},
        {"actionable_text": "", "payload": {"message": "Four"}},
        "Five",
        7,
    ]
    async with haptik_call(start_message="") as call:
        await call.start()
        await call.hook(message({"text": "", "type": "TEXT", "data": {"quick_replies": replies}}, 5))
        menu = await call.until(Menu)
        assert [option.label for option in menu.options] == ["One", "Two", "Three", "Four", "Five"]
        for turn, option in enumerate(menu.options, 1):
            await call.send(UserChoice(turn=turn, menu_id=menu.menu_id, option_id=option.id, label=option.label))
    sent = [request.json()["message_body"] for request in call.requests(MESSAGE_PATH)]
    assert sent == ["g{task}", "Two", "Three{task}", "Four", "Five"]


async def test_h16_hp19_a_button_with_a_link_is_a_link_and_no_menu():
    async with haptik_call() as call:
        await call.hook(message(VECTORS["hsl_button"], 5))
        await call.next()
        actions = await call.next()
    assert spoken(actions) == [VECTORS["hsl_button"]["text"]]
    assert of(SendLink, actions) == [SendLink(url="https://google.com", text="Google")]
    assert labels(actions) == []


async def test_hp19_buttons_answer_or_call_and_what_a_phone_cannot_do_is_left_out():
    items = [
        {"actionable_text": "Yes", "type": "TEXT_ONLY", "payload": {"message": "yes{task}"}},
        {"actionable_text": "Call us", "type": "APP_ACTION", "uri": "CALL", "payload": {"phone_number": "tel:+4412"}},
        {"actionable_text": "Where", "type": "APP_ACTION", "uri": "LOCATION", "payload": {}},
        {"actionable_text": "Share", "type": "APP_ACTION", "uri": "SHARE", "payload": {}},
    ]
    async with haptik_call() as call:
        await call.hook(message({"text": "Choose", "type": "BUTTON", "data": {"items": items}}, 5))
        menu = await call.until(Menu)
        assert [option.label for option in menu.options] == ["Yes", "Call us"]
        await call.send(UserChoice(turn=1, menu_id=menu.menu_id, option_id=menu.options[1].id, label="Call us"))
        assert (await call.until(Transfer)).target == "+4412"


async def test_hp19_a_carousel_is_read_card_by_card_with_one_menu_over_all():
    card: dict[str, Any] = {"sub_title": "80 euros", "description": "garden", "thumbnail": {"image": "x"}}
    book = {"actionable_text": "Book", "type": "TEXT_ONLY", "payload": {"message": "book"}}
    items = [{**card, "title": "Single", "actionables": [book]}, {"title": "Double", "actionable": book}, {"image": 1}]
    async with haptik_call() as call:
        await call.hook(message({"text": "Rooms", "type": "CAROUSEL", "data": {"items": items}}, 5))
        await call.next()
        actions = await call.next()
    assert spoken(actions) == ["Rooms", "Single, 80 euros, garden", "Double"]
    assert labels(actions) == ["Single", "Double"]


async def test_hp19_list_like_messages_are_menus():
    body = {"text": "Topics", "type": "TAB_LIST", "data": {"items": [{"title": "News"}, {"text": "Sport"}]}}
    async with haptik_call() as call:
        await call.hook(message(body, 5))
        menu = await call.until(Menu)
    assert [option.label for option in menu.options] == ["News", "Sport"]


async def test_hp19_a_form_is_collected_field_by_field_and_sent_as_one_line():
    fields = [
        {"label": "Your name"},
        {"label": "Your age:", "type": "number"},
        {"label": "Room", "options": ["a", "b"]},
    ]
    async with haptik_call(start_message="") as call:
        await call.start()
        await call.hook(message({"text": "Details", "type": "FORM_SHOW", "data": {"fields": fields}}, 5))
        await call.next()
        assert spoken(await call.next()) == ["Details", "Your name"]
        await call.say("Ann")
        assert spoken(await call.next()) == ["Your age:"]
        await call.say("forty two", value=42)
        actions = await call.next()
        (menu,) = of(Menu, actions)
        await call.send(UserChoice(turn=3, menu_id=menu.menu_id, option_id=menu.options[1].id, label="b"))
    sent = [request.json()["message_body"] for request in call.requests(MESSAGE_PATH)]
    assert sent == ["Your name: Ann, Your age: 42, Room: b"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("just words", ["just words"]),
        ('{"text": "in a string", "type": "TEXT"}', ["in a string"]),
        ("{not json", ["{not json"]),
        ({"text": "Show{task} it{reminder_list: 170, 3}", "type": "TEXT"}, ["Show it"]),
        ({"text": "seen", "type": "TEXT", "voice_text": "heard"}, ["heard"]),
        ({"text": "seen", "type": "TEXT", "data": {"voice": {"text": "heard"}}}, ["heard"]),
        ({"text": "new", "type": "HOLOGRAM", "data": 3}, ["new"]),
        ({"text": "seen by nobody", "type": "SYSTEM"}, []),
        ({"text": "", "type": "TEXT"}, []),
        (3, []),
        (None, []),
    ],
    ids=str,
)
async def test_hp19_what_is_said_of_a_message(body: Any, words: list[str]):
    async with haptik_call() as call:
        await call.hook(message(body, 5))
        await call.next()
        call.chat.close()
        assert [text async for batch in call.batches for text in spoken(batch.actions)] == words


async def test_hp19_a_text_for_the_voice_may_be_ssml():
    async with haptik_call() as call:
        await call.hook(message({"text": "x", "type": "TEXT", "ssml": "<speak>one <break/> two</speak>"}, 5))
        assert (await call.until(Say)).format == "ssml"


# --- people and ends -----------------------------------------------------------------------------------------------
async def test_h12_an_agent_joins_and_is_heard_in_a_voice_of_his_own():
    async with haptik_call(handoff={"agent_voice": "f3"}) as call:
        assert (await call.hook(vector("chat_pinned"))).status == 200
        joined = await call.until(Say)
        assert joined.text == "Prateek has entered the Conversation"
        agent = VECTORS["webhook"]["chat_pinned"]["agent"]
        await call.hook(message({"text": "How can I help?", "type": "TEXT"}, 9, agent=agent))
        await call.next()
        (said,) = of(Say, await call.next())
        assert (said.text, said.role, said.voice) == ("How can I help?", "agent", "f3")


async def test_h12_without_words_of_the_platform_the_gateway_has_its_own():
    event = vector("chat_pinned")
    del event["message"]
    async with haptik_call(texts={"agent_joined": "Here is {name}."}) as call:
        await call.hook(event)
        assert (await call.until(Say)).text == "Here is Prateek."


async def test_h13_the_end_of_a_conversation_is_kept_and_hangs_up():
    async with haptik_call() as call:
        await call.hook(vector("conversation_complete"))
        actions = await call.next()
    (kept,) = of(Record, actions)
    sample = VECTORS["webhook"]["conversation_complete"]["data"]
    assert kept == Record(kind="conversation", data={"event": "conversation_complete", **sample})
    assert len(of(Hangup, actions)) == 1


async def test_h13_the_call_may_go_on_where_that_is_wanted():
    for name in ("webhook_conversation_complete", "chat_complete"):
        async with haptik_call(hangup_on_complete=False) as call:
            await call.hook({**vector("conversation_complete"), "event_name": name})
            assert of(Hangup, await call.next()) == []


async def test_silence_is_not_sent_to_the_bot():
    async with haptik_call(start_message="") as call:
        await call.start()
        await call.send(NoInput(turn=1, count=3, elapsed=7, exhausted=True))
        assert spoken(await call.next()) == []
        await call.send(CallEnded(turn=1, by="caller"))
    assert call.requests(MESSAGE_PATH) == []
