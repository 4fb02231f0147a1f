"""Agents, transcripts and FAQ files: what goes over the wire, word for word, and what becomes of every answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.actions import Pause, PostCall, Record, Say, Transfer
from gateway.backends.haptik.client import HaptikRefused
from gateway.backends.haptik.history import parse_history
from gateway.backends.haptik.protocol import classify, history_query
from gateway.errors import LocalProtocolError, VendorError, VendorRejected, VendorUnavailable
from gateway.interfaces import AfterCallJob
from gateway.kit.http import failure_kind
from gateway.lab.server import LabReply, json_reply
from tests.fakes.chatting import of, spoken
from tests.fakes.haptik import AUTH_ID, CALL, USER_NAME, VECTORS, HaptikCall, haptik_call, message

pytestmark = pytest.mark.asyncio

AGENT_PATH = "/integration/external/v2.0/send_chat_to_agent/"
HISTORY_PATH = "/integration/external/v2.0/get_chat_history/"
AGENT = VECTORS["send_chat_to_agent"]
HISTORY = VECTORS["get_chat_history"]
SENT = VECTORS["message_api"]["response"]
TEAM = {"team_name": "Support", "phrases": ["agent"]}


async def known(call: HaptikCall) -> None:
    """The call has begun, and the platform has named its user."""
    await call.start()
    await call.hook(message({"text": "Hello", "type": "TEXT"}, 7))
    await call.until(Say)


async def ask_for_agent(call: HaptikCall) -> dict[str, Any]:
    """The request that moves the chat."""
    await known(call)
    await call.say("an agent please")
    async with asyncio.timeout(5):
        await call.server.received(3)
    return call.requests(AGENT_PATH)[0].json()


# --- send_chat_to_agent --------------------------------------------------------------------------------------------
async def test_h1_hp01_hp02_hp04_hp05_the_request_has_its_five_fields_and_headers():
    handoff = {"team_name": "<Name of the team>", "phrases": ["agent"], "countdown": 5}
    async with haptik_call(
        SENT, SENT, AGENT["response"], handoff=handoff, token="<TOKEN>", client_id="<CLIENT_ID>"
    ) as call:
        body = await ask_for_agent(call)
        pause = await call.until(Pause)
    request = call.requests(AGENT_PATH)[0]
    assert (request.method, set(body)) == ("POST", set(AGENT["request"]))
    assert body == {**AGENT["request"], "user_name": USER_NAME, "business_id": 343, "countdown": 5}
    assert request.headers["authorization"] == "Bearer <TOKEN>"
    assert request.headers["client-id"] == "<CLIENT_ID>"
    assert request.headers["content-type"] == "application/json"
    assert (pause.seconds, pause.filler) == (5.0, "soft")


@pytest.mark.parametrize(("wish", "sent"), [(3, 5), (60, 10), (7, 7), (None, None)])
async def test_h2_hp03_a_countdown_is_moved_into_five_to_ten(wish: float | None, sent: int | None):
    async with haptik_call(SENT, SENT, AGENT["response"], handoff={**TEAM, "countdown": wish}) as call:
        body = await ask_for_agent(call)
        pause = await call.until(Pause)
    assert body.get("countdown") == sent
    assert ("countdown" in body) is (wish is not None)
    assert pause.seconds == float(sent or 10)


CLASSES = {
    "client_id missing in headers": "auth",
    "invalid client_id in headers": "auth",
    "invalid authorization in headers": "auth",
    "token missing in headers": "auth",
    "invalid token provided": "auth",
    "user_name missing in the request": "user",
    "business_id missing in the request": "config",
    "team_name missing in the request": "config",
    "invalid user_name": "user",
    "invalid business_id provided": "config",
    'business "<business_id>" is inactive': "config",
    "invalid team_name provided": "config",
    'team "<team_name>" is inactive': "config",
    "user has not sent a message": "state",
    "user is not registered": "user",
}


async def test_h3_hp06_every_documented_message_has_its_class():
    assert {*AGENT["error_messages"], AGENT["error"]["error_message"]} == set(CLASSES)
    assert {message: classify(message) for message in CLASSES} == CLASSES
    assert classify('business "343" is inactive') == "config"
    assert classify("something new") == "unknown"


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("words", sorted(set(CLASSES) - {"user has not sent a message"}))
async def test_h3_hp05_hp06_a_refusal_is_noted_and_the_caller_goes_back_to_the_bot(words: str, status: int):
    refusal = json_reply({"error_message": words}, status)
    async with haptik_call(SENT, SENT, refusal, handoff=TEAM) as call:
        await ask_for_agent(call)
        note = await call.until(Record)
        while "handoff_failed" not in note.data:
            note = await call.until(Record)
        sorry = await call.until(Say)
        assert note.data == {"handoff_failed": words, "class": CLASSES[words]}
        assert sorry.text == call.chat.words.say("sorry")
        await call.say("go on")
    assert [request.json()["message_body"] for request in call.requests("/v1.0/log_message_from_user/")][-1] == "go on"


async def test_h3_hp05_success_false_is_a_failure():
    async with haptik_call(SENT, SENT, {"success": False}, handoff=TEAM) as call:
        await ask_for_agent(call)
        note = await call.until(Record)
        while "handoff_failed" not in note.data:
            note = await call.until(Record)
        assert note.data == {"handoff_failed": "success is false", "class": "unknown"}
        assert (await call.until(Say)).text == call.chat.words.say("sorry")


async def test_h3_hp21_who_has_not_written_gets_a_line_written_and_a_second_try():
    refusal = json_reply({"error_message": "user has not sent a message"}, 400)
    async with haptik_call(SENT, SENT, refusal, SENT, AGENT["response"], handoff=TEAM) as call:
        await ask_for_agent(call)
        pause = await call.until(Pause)
        assert call.waits == [1.0]
        written = [request.json()["message_body"] for request in call.requests("/v1.0/log_message_from_user/")]
    assert written == ["Hi", "The caller asks for an agent."]
    assert len(call.requests(AGENT_PATH)) == 2
    assert pause.seconds == 10.0


async def test_h3_who_has_not_written_even_then_goes_on_with_the_bot():
    refusal = json_reply({"error_message": "user has not sent a message"}, 200)
    async with haptik_call(SENT, SENT, refusal, SENT, refusal, handoff=TEAM) as call:
        await ask_for_agent(call)
        sorry = await call.until(Say)
        while sorry.text != call.chat.words.say("sorry"):
            sorry = await call.until(Say)
    assert len(call.requests(AGENT_PATH)) == 2


async def test_hp21_a_refusal_never_stands_in_a_transfers_way():
    refusal = json_reply({"error_message": "invalid team_name provided"}, 400)
    handoff = {**TEAM, "target": "sip:100@pbx"}
    async with haptik_call(SENT, SENT, refusal, handoff=handoff) as call:
        await ask_for_agent(call)
        assert (await call.until(Transfer)).target == "sip:100@pbx"


async def test_hp21_a_server_error_is_tried_once_more_after_a_second():
    async with haptik_call(SENT, SENT, LabReply(status=503), AGENT["response"], handoff=TEAM) as call:
        await ask_for_agent(call)
        await call.until(Pause)
        assert call.waits == [1.0]


# --- get_chat_history ----------------------------------------------------------------------------------------------
def job(call_notes: list[dict[str, Any]] | None = None, **data: Any) -> AfterCallJob:
    about = {"job": "history", "auth_id": AUTH_ID, **data}
    return AfterCallJob(key="k", kind="backend", data=about, call={"call_id": "call-1", "notes": call_notes or []})


def completed(number: Any) -> list[dict[str, Any]]:
    return [{"kind": "conversation", "data": {"event": "conversation_complete", "conversation_no": number}}]


async def test_h6_hp07_group_one_is_asked_for_as_a_query():
    group = HISTORY["group1"]
    async with haptik_call(HISTORY["json"], business_id=1234) as call:
        await call.backend.after_call(job(completed(2), user_name=group["user_name"]))
    (request,) = call.requests(HISTORY_PATH)
    assert (request.method, request.body) == ("GET", b"")
    assert request.query == {name: str(value) for name, value in group.items()}
    assert request.headers["authorization"] == "Bearer lab-token"
    assert (request.headers["client-id"], request.headers["content-type"]) == ("lab-client", "application/json")


async def test_h6_hp08_group_two_is_for_who_has_a_tract_token():
    group = HISTORY["group2"]
    async with haptik_call(HISTORY["json"]) as call:
        await call.backend.after_call(job(completed("2"), pxut=group["pxut"]))
    (request,) = call.requests(HISTORY_PATH)
    assert request.query == {name: str(value) for name, value in group.items()}


async def test_h6_hp07_hp08_both_groups_are_group_one_and_neither_is_refused_here():
    both = history_query(conversation_no=2, business_id=1234, user_name="u", pxut="p")
    assert both == {"business_id": "1234", "user_name": "u", "conversation_no": "2"}
    for incomplete in ({"user_name": "u"}, {"business_id": 1234}, {}):
        with pytest.raises(LocalProtocolError):
            history_query(conversation_no=2, **incomplete)  # type: ignore[arg-type]  # incomplete on purpose
    with pytest.raises(LocalProtocolError):
        history_query(conversation_no=None, pxut="p")


async def test_h6_hp08_the_token_comes_with_the_call():
    async with haptik_call(history={"pxut_variable": "pxut"}) as call:
        await call.start()
        (booked,) = of(PostCall, await call.next())
    assert booked.kind == "backend"
    assert booked.data == {"job": "history", "auth_id": AUTH_ID, "pxut": CALL.custom["pxut"], "delay": 5.0}


async def test_h4_hp09_hp10_the_transcript_as_json_joins_the_record():
    async with haptik_call(HISTORY["json"], history={"limit": 50}) as call:
        (record,) = await call.backend.after_call(job(completed(2), user_name=USER_NAME))
    assert call.requests(HISTORY_PATH)[0].query["limit"] == "50"
    assert "response_type" not in call.requests(HISTORY_PATH)[0].query
    assert record.kind == "conversation"
    assert record.data["conversation_no"] == 2
    assert record.data["lines"] == [
        {
            "sender": "user",
            "text": "Search places to visit",
            "raw": "Search places to visit{task}",
            "at": "2020-06-22T07:24:25Z",
            "id": "1742",
        },
        {"sender": "bot", "text": "TEXT", "at": "2020-06-22T07:24:26Z", "id": "1743"},
    ]


async def test_h5_hp09_the_transcript_as_text_says_the_same():
    async with haptik_call(HISTORY["text"], history={"response_type": "text"}) as call:
        (record,) = await call.backend.after_call(job(completed(2), user_name=USER_NAME))
    assert call.requests(HISTORY_PATH)[0].query["response_type"] == "text"
    as_json = parse_history(json_reply(HISTORY["json"]).body)
    assert [(line["sender"], line["text"]) for line in record.data["lines"]] == [
        (line.sender, line.text) for line in as_json
    ]
    assert record.data["lines"][0]["raw"] == "Search places to visit{task}"


async def test_hp10_an_agent_is_a_sender_by_name():
    lines = parse_history(b'{"chat_text": "Prateek: Hello\\nthere\\nuser: yes: please\\n"}')
    assert [(line.sender, line.text) for line in lines] == [("Prateek", "Hello\nthere"), ("user", "yes: please")]


HISTORY_CLASSES = {
    "Invalid business_id": "config",
    "Invalid token": "auth",
    "Either the user has not sent a message yet, or the provided user_name-business_id pair is invalid.": "state",
    "Unable to decode pxut-client_id pair": "user",
    "Argument group validation: no valid group.": "config",
    "Argument group validation: invalid group found.": "config",
    "An unknown error occurred": "unknown",
}


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("words", HISTORY["error_messages"])
async def test_hp11_every_error_of_the_transcript_is_an_error_of_ours(words: str, status: int):
    refusals = [json_reply({"error_message": words}, status)] * 2
    async with haptik_call(*refusals) as call:
        with pytest.raises(VendorError) as caught:
            await call.backend.after_call(job(user_name=USER_NAME))
    again = words == "An unknown error occurred"
    assert isinstance(caught.value, HaptikRefused)
    assert caught.value.retryable is again
    assert len(call.server.requests) == (2 if again else 1)
    assert caught.value.error_class == HISTORY_CLASSES[words]


async def test_hp11_a_platform_that_is_away_is_asked_again_later():
    async with haptik_call(LabReply(status=503), LabReply(status=503)) as call:
        with pytest.raises(VendorUnavailable) as caught:
            await call.backend.after_call(job(user_name=USER_NAME))
    assert caught.value.retryable
    assert failure_kind(caught.value) == "unavailable"


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[1]", b'{"chat_json": 3}'])
async def test_hp11_what_is_no_transcript_is_given_up(body: bytes):
    async with haptik_call(LabReply(body=body)) as call:
        with pytest.raises(VendorError) as caught:
            await call.backend.after_call(job(user_name=USER_NAME))
    assert not caught.value.retryable


async def test_hp07_the_first_conversation_of_a_user_who_lasts_one_call():
    async with haptik_call(HISTORY["json"]) as call:
        await call.backend.after_call(job(user_name=USER_NAME))
    assert call.requests(HISTORY_PATH)[0].query["conversation_no"] == "1"


async def test_hp07_a_user_who_comes_again_has_the_next_conversation_or_the_last():
    unknown = json_reply({"error_message": HISTORY["error_messages"][2]}, 400)
    caller = {"user": "caller", "user_secret": "s"}
    async with haptik_call(SENT, SENT, unknown, HISTORY["json"], **caller) as call:
        auth_id = call.backend._auth_id(CALL)
        assert auth_id.isalnum()
        assert auth_id != AUTH_ID
        event = VECTORS["webhook"]["conversation_complete"]
        done = {**event, "user": {"auth_id": auth_id}, "data": {**event["data"], "conversation_no": 4}}
        assert (await call.hook(done)).status == 200
        await call.start()
        (record,) = await call.backend.after_call(job(user_name=USER_NAME, auth_id=auth_id))
    asked = [request.query["conversation_no"] for request in call.requests(HISTORY_PATH)]
    assert asked == ["5", "4"]
    assert record.data["conversation_no"] == 4


async def test_a_job_of_another_kind_is_refused():
    async with haptik_call() as call:
        with pytest.raises(VendorRejected):
            await call.backend.after_call(AfterCallJob(key="k", kind="backend", data={"job": "other"}, call={}))


async def test_the_transcript_is_booked_once_the_platform_has_named_the_user():
    async with haptik_call(history={"delay": 3}) as call:
        await known(call)
        await call.hook(message({"text": "More", "type": "TEXT"}, 8))
        assert spoken(await call.next()) == ["More"]
    async with haptik_call(history={"enabled": False}) as call:
        await call.start()
        await call.hook(message({"text": "Hello", "type": "TEXT"}, 7))
        assert not of(PostCall, await call.next())
