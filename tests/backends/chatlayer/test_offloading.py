"""The offloading webhook, over a real socket: the bot gives its caller to a person."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.actions import ActionBatch, Transfer
from gateway.lab.chatlayer import VERIFY_TOKEN
from tests.fakes.chatlayer import SENDER, ChatRig, chat_rig
from tests.fakes.virtual_loop import virtual_time

BEGUN = {"offloadSuccess": True, "pauseBot": True}
REFUSED = {"offloadSuccess": False, "pauseBot": False}
OFFLOAD = {
    "event": "offload",
    "botId": "11",
    "version": "LIVE",
    "sessionId": SENDER,
    "channel": "webhook",
    "payload": {"reason": "complaint"},
    "transcript": [{"actor": "user", "message": {"text": "A person, please."}}],
}


async def told(rig: ChatRig, body: Any = OFFLOAD, token: str | None = VERIFY_TOKEN, **changes: Any) -> httpx.Response:
    """What the platform posts, with the token in the address."""
    query = {} if token is None else {"verifyToken": token}
    return await rig.http.post(f"{rig.webhook}/offloading", params=query, json={**body, **changes})


@virtual_time
async def test_an_offloaded_caller_is_transferred() -> None:
    async with chat_rig(offload_to="+32 2 555 01 00") as rig:
        answer = await told(rig)
        assert (answer.status_code, answer.json()) == (200, BEGUN)
        (batch,) = await rig.taken()
        assert batch == ActionBatch(actions=(Transfer(transfer_id="offload", target="+3225550100"),), turn=None)


@virtual_time
async def test_a_prefix_before_our_id_is_looked_through() -> None:
    async with chat_rig(offload_to="sip:desk@pbx") as rig:
        assert (await told(rig, sessionId=f"default-{SENDER}")).json() == BEGUN
        ((transfer,),) = [batch.actions for batch in await rig.taken()]
        assert isinstance(transfer, Transfer)
        assert transfer.target == "sip:desk@pbx"


@pytest.mark.parametrize("whose", ["b" * 36, "", None])
@virtual_time
async def test_a_call_that_is_over_is_not_offloaded(whose: str | None) -> None:
    async with chat_rig(offload_to="+3225550100") as rig:
        answer = await told(rig, sessionId=whose)
        assert (answer.status_code, answer.json()) == (200, REFUSED)
        assert await rig.taken() == []


@virtual_time
async def test_without_room_for_the_transfer_there_is_none() -> None:
    async with chat_rig(offload_to="+3225550100") as rig:
        while (await rig.deliver({"message": {"text": "On and on."}})).status_code == 200:
            pass
        assert (await told(rig)).json() == REFUSED


@virtual_time
async def test_what_people_would_read_along_is_taken_and_nothing_comes_of_it() -> None:
    messages = {"event": "messages", "sessionId": SENDER, "messages": [{"actor": "user", "message": {"text": "Hi"}}]}
    async with chat_rig(offload_to="+3225550100") as rig:
        assert (await told(rig, messages)).status_code == 200
        assert await rig.taken() == []


@pytest.mark.parametrize("token", ["wrong", "", None])
@virtual_time
async def test_without_the_verify_token_nobody_is_transferred(token: str | None) -> None:
    async with chat_rig(offload_to="+3225550100") as rig:
        assert (await told(rig, token=token)).status_code == 401
        assert await rig.taken() == []


@virtual_time
async def test_the_verify_token_may_stand_in_the_body() -> None:
    async with chat_rig(offload_to="+3225550100") as rig:
        assert (await told(rig, token=None, verifyToken=VERIFY_TOKEN)).json() == BEGUN


@virtual_time
async def test_what_is_no_object_is_refused() -> None:
    async with chat_rig(offload_to="+3225550100") as rig:
        answer = await rig.http.post(f"{rig.webhook}/offloading?verifyToken={VERIFY_TOKEN}", content=b"[]")
        assert answer.status_code == 400


@virtual_time
async def test_the_platform_finds_the_address_in_good_health() -> None:
    async with chat_rig(offload_to="+3225550100") as rig:
        for token, status in ((VERIFY_TOKEN, 200), ("wrong", 401)):
            answer = await rig.http.get(f"{rig.webhook}/offloading", params={"challenge.verifyToken": token})
            assert answer.status_code == status


@virtual_time
async def test_without_a_number_there_is_no_such_address() -> None:
    async with chat_rig() as rig:
        assert (await told(rig)).status_code == 404
