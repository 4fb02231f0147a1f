"""The door for the bot's messages, over a real socket: who is let in, what is answered, what is played."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.actions import ActionBatch, Say
from gateway.lab.chatlayer import VERIFY_TOKEN
from gateway.routes import HttpRequest
from tests.fakes.chatlayer import CALL, SENDER, VECTORS, ChatRig, chat_rig
from tests.fakes.chatting import spoken
from tests.fakes.virtual_loop import virtual_time

HELLO = {"message": {"text": "Hello."}}


async def heard(rig: ChatRig) -> list[str]:
    return spoken(*await rig.taken())


# --- who and whose -------------------------------------------------------------------------------------------------
@virtual_time
async def test_c3_cl19_the_first_published_shape() -> None:
    async with chat_rig() as rig:
        answer = await rig.http.post(rig.webhook, json=VECTORS["webhook_text"])
        assert (answer.status_code, answer.text) == (200, "EVENT_RECEIVED")
        (batch,) = await rig.taken()
        assert batch == ActionBatch(actions=(Say(text="Hi, I'm a chatbot", format="markdown"),), turn=None)


@virtual_time
async def test_c4_cl19_cl20_the_second_published_shape() -> None:
    body = VECTORS["webhook_text_recipient"]
    async with chat_rig(sender=body["recipient"]["id"], verify_token=body["verifyToken"]) as rig:
        assert (await rig.http.post(rig.webhook, json=body)).status_code == 200
        assert await heard(rig) == ["test tekst message"]


@pytest.mark.parametrize("prefix", ["default-", "emulator-", "other-"])
@virtual_time
async def test_c4_cl20_a_prefix_before_our_id_is_looked_through(prefix: str) -> None:
    async with chat_rig() as rig:
        await rig.deliver(HELLO, senderId=prefix + SENDER)
        assert await heard(rig) == ["Hello."]


@pytest.mark.parametrize("path", ["senderId", "recipient.id", "sender.id", "conversationId", "sessionId", "userId"])
@virtual_time
async def test_cl20_every_name_for_the_user_is_understood(path: str) -> None:
    first, _, second = path.partition(".")
    async with chat_rig() as rig:
        named: Any = {second: SENDER} if second else SENDER
        await rig.deliver(HELLO, **{"senderId": None, first: named})
        assert await heard(rig) == ["Hello."]


@pytest.mark.parametrize("token", ["wrong", "", None, 3, VERIFY_TOKEN + "x"])
@virtual_time
async def test_c17_cl05_a_wrong_verify_token(token: Any) -> None:
    async with chat_rig() as rig:
        answer = await rig.deliver(HELLO, verifyToken=token)
        assert answer.status_code == 401
        assert VERIFY_TOKEN not in answer.text
        assert await heard(rig) == []


@pytest.mark.parametrize("sender", ["b" * 36, "", "default-" + "b" * 36, None, 3])
@virtual_time
async def test_c18_cl20_an_unknown_user_is_ignored_without_a_retry(sender: Any) -> None:
    async with chat_rig() as rig:
        answer = await rig.deliver(HELLO, senderId=sender)
        assert (answer.status_code, answer.json()) == (200, {"status": "ignored"})
        assert await heard(rig) == []


@virtual_time
async def test_c18_cl20_a_key_that_nobody_claimed_here_is_named_for_other_processes() -> None:
    async with chat_rig() as rig:
        (route,) = rig.backend.routes
        body = json.dumps({"senderId": "default-" + "c" * 36, "verifyToken": VERIFY_TOKEN, **HELLO}).encode()
        reply = await route.handle(HttpRequest(method="POST", path="", url="", headers={}, query={}, body=body))
        assert reply.unknown_call == "c" * 36


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"no json", 400),
        (b"[]", 400),
        (b"\xff\xfe", 400),
        (json.dumps({"senderId": SENDER, "verifyToken": VERIFY_TOKEN}).encode(), 400),
        (json.dumps({"senderId": SENDER, "verifyToken": VERIFY_TOKEN, "message": "text"}).encode(), 400),
        (b'{"message":' + b"[" * 20_000 + b"]" * 20_000 + b"}", 400),
        (b'{"message":{"text":"' + b"x" * (256 * 1024) + b'"}}', 413),
    ],
    ids=["empty", "garbage", "list", "bytes", "no-message", "no-object", "deep", "oversized"],
)
@virtual_time
async def test_bodies_that_are_no_messages_are_refused(body: bytes, status: int) -> None:
    async with chat_rig() as rig:
        assert (await rig.deliver(body)).status_code == status
        assert (await rig.deliver(HELLO)).status_code == 200  # and the next one is taken
        assert await heard(rig) == ["Hello."]


@virtual_time
async def test_the_platform_may_ask_whether_we_are_well() -> None:
    async with chat_rig() as rig:
        right = await rig.http.get(rig.webhook, params={"challenge.verifyToken": VERIFY_TOKEN})
        assert (right.status_code, right.json()) == (200, {"status": "ok"})
        assert (await rig.http.get(rig.webhook, params={"challenge.verifyToken": "wrong"})).status_code == 401
        assert (await rig.http.get(rig.webhook)).status_code == 401


# --- how often -----------------------------------------------------------------------------------------------------
@virtual_time
async def test_c14_cl09_what_we_answered_with_an_error_and_get_again_is_played_once() -> None:
    async with chat_rig() as rig:
        filled = 0
        while (answer := await rig.deliver({"message": {"text": f"{filled}"}})).status_code == 200:
            filled += 1
        assert answer.status_code == 503
        assert len(await rig.taken()) == filled
        last = {"message": {"text": f"{filled}"}}
        statuses = [(await rig.deliver(last)).status_code for _ in range(3)]
        assert statuses == [200, 200, 200]
        assert await heard(rig) == [f"{filled}"]


@virtual_time
async def test_c14_cl09_with_a_counter_an_error_and_three_more_are_played_once() -> None:
    async with chat_rig() as rig:
        filled = 0
        while (await rig.deliver({"message": {"text": "x"}}, messageCounter=filled + 1)).status_code == 200:
            filled += 1
        await rig.taken()
        last = {"message": {"text": "last"}, "messageCounter": filled + 1}
        assert [(await rig.deliver(last)).status_code for _ in range(3)] == [200, 200, 200]
        assert await heard(rig) == ["last"]


@virtual_time
async def test_c14_the_same_counter_after_a_success_is_played_once() -> None:
    async with chat_rig() as rig:
        for _ in range(4):
            assert (await rig.deliver(HELLO, messageCounter=1)).status_code == 200
        assert await heard(rig) == ["Hello."]


@virtual_time
async def test_c14_a_counter_is_forgotten_after_two_minutes() -> None:
    async with chat_rig() as rig:
        await rig.deliver(HELLO, messageCounter=1)
        await asyncio.sleep(119)
        await rig.deliver(HELLO, messageCounter=1)
        assert await heard(rig) == ["Hello."]
        await asyncio.sleep(2)
        await rig.deliver(HELLO, messageCounter=1)
        assert await heard(rig) == ["Hello."]


@pytest.mark.parametrize("counters", [(1, 2), (None, None), ("1", "2"), (1.0, 2.0)], ids=["c15", "c16", "c15b", "c15c"])
@virtual_time
async def test_c15_c16_the_same_words_twice_are_two_messages(counters: tuple[Any, Any]) -> None:
    async with chat_rig() as rig:
        for counter in counters:
            assert (await rig.deliver(HELLO, messageCounter=counter)).status_code == 200
        assert await heard(rig) == ["Hello.", "Hello."]


@virtual_time
async def test_c20_two_before_one() -> None:
    async with chat_rig() as rig:
        for counter in (2, 1):
            answer = await rig.deliver({"message": {"text": str(counter)}}, messageCounter=counter)
            assert answer.status_code == 200
        assert await heard(rig) == ["1", "2"]


@virtual_time
async def test_c20_a_gap_is_given_up_after_its_time() -> None:
    async with chat_rig(order_within=0.25) as rig:
        for counter in (1, 4, 3):
            await rig.deliver({"message": {"text": str(counter)}}, messageCounter=counter)
        assert await heard(rig) == ["1"]
        await asyncio.sleep(0.2)
        assert await heard(rig) == []
        await asyncio.sleep(0.06)
        assert await heard(rig) == ["3", "4"]
        await rig.deliver({"message": {"text": "2"}}, messageCounter=2)
        await rig.deliver({"message": {"text": "5"}}, messageCounter=5)
        assert await heard(rig) == ["2", "5"]


@virtual_time
async def test_what_waits_for_its_place_is_not_lost_when_there_is_no_room() -> None:
    async with chat_rig() as rig:
        await rig.deliver({"message": {"text": "2"}}, messageCounter=2)
        while (await rig.deliver(HELLO)).status_code == 200:
            pass
        await asyncio.sleep(1)
        assert (await heard(rig))[-1] == "Hello."
        await asyncio.sleep(0.3)
        assert await heard(rig) == ["2"]


@virtual_time
async def test_messages_are_taken_while_the_caller_s_are_on_their_way_and_after_the_call_ignored() -> None:
    async with chat_rig() as rig:
        pass
    async with chat_rig(call=replace(CALL, call_id="call-2"), sender="d" * 36) as other, httpx.AsyncClient() as http:
        body = {"senderId": rig.chat.sender, "verifyToken": VERIFY_TOKEN, **HELLO}
        assert (await http.post(other.webhook, json=body)).json() == {"status": "ignored"}
        assert await heard(other) == []


# --- beside the message --------------------------------------------------------------------------------------------
@virtual_time
async def test_what_the_bot_understood_is_kept() -> None:
    async with chat_rig() as rig:
        await rig.deliver({**HELLO, "nlp": {"intent": {"name": "greet", "score": 0.9, "x": []}}})
        (batch,) = await rig.taken()
        assert batch.actions[0].data == {"intent": {"name": "greet", "score": 0.9}}  # type: ignore[union-attr]  # a Record
        for nlp in (None, 3, {"intent": "greet"}, {"intent": {}}):
            await rig.deliver({**HELLO, "nlp": nlp})
        assert all(len(batch.actions) == 1 for batch in await rig.taken())
