"""Whole calls on a trunk whose callers are transferred to somebody who is called first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from audio.rtp.packet import RtpPacket, is_rtcp
from tests.fakes.exchange import Exchange, Side, exchange, sent_to
from tests.fakes.office import NUMBER, Office
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time

TRANSFER = {"transfer": {"allow": ["2*"], "kind": "attended", "ring": 3}}


@asynccontextmanager
async def transferring(office: Office) -> AsyncIterator[tuple[Exchange, Side]]:
    """An exchange whose caller the operator sends to somebody else, and his call."""
    async with exchange(office.trunk) as trunk:
        caller = await trunk.calls(called=NUMBER)
        await hears_something(trunk)
        (call,) = office.operator.calls()
        await office.operator.transfer(call["call_id"], "200")
        yield trunk, caller
    await office.calls_over()


async def hears_something(trunk: Exchange) -> None:
    """Wait until the caller is spoken to."""
    async with asyncio.timeout(5):
        while True:
            data, _ = await trunk.media.arrived.get()
            if not is_rtcp(data) and len(set(RtpPacket.from_wire(data).payload)) > 1:
                return


async def hangs_up(trunk: Exchange, caller: Side) -> None:
    """The caller is with the bot still, is told that it did not work, and hangs up."""
    while not trunk.media.arrived.empty():
        trunk.media.arrived.get_nowait()
    await hears_something(trunk)
    assert not trunk.has_heard("BYE")
    trunk.ask("BYE", caller)
    assert (await trunk.response(caller)).status == 200


def failures(office: Office) -> list[dict[str, Any]]:
    return [note["data"] for note in office.record["notes"] if note["kind"] == "transfer_failed"]


@virtual_time
async def test_a_target_who_answers_gets_the_caller(tmp_path: Path) -> None:
    async with open_office(tmp_path, number=TRANSFER) as office, transferring(office) as (trunk, caller):
        invite = await trunk.request("INVITE")
        trunk.answers(invite, 180, tag="target")
        target = trunk.answers(invite, tag="target", extra=["Supported: replaces"], body=trunk.sdp())
        refer = await trunk.request("REFER")
        assert (sent_to(refer).header("Replaces") or "").startswith(f"{invite.call_id};to-tag=target;")
        trunk.answers(refer, 202)
        trunk.notifies(caller, "200 OK")
        byes = [await trunk.request("BYE"), await trunk.request("BYE")]
        assert [bye.call_id for bye in byes] == [target.call_id, caller.call_id]
        for bye in byes:
            trunk.answers(bye)
    assert office.outcome == ("transferred", "transfer")
    assert failures(office) == []


@pytest.mark.parametrize(
    ("status", "cause"), [(486, "busy"), (404, "unreachable"), (503, "unreachable"), (None, "no_answer")]
)
@virtual_time
async def test_a_target_who_does_not_leaves_him_with_the_bot(status: int | None, cause: str, tmp_path: Path) -> None:
    async with open_office(tmp_path, number=TRANSFER) as office, transferring(office) as (trunk, caller):
        invite = await trunk.request("INVITE")
        trunk.answers(invite, 180, tag="target")
        if status is None:
            trunk.answers(await trunk.request("CANCEL"))
        trunk.answers(invite, status or 487, tag="target")
        await hangs_up(trunk, caller)
    assert office.outcome == ("abandoned", "caller")
    (failure,) = failures(office)
    assert (failure["cause"], failure["sip_code"]) == (cause, status)


@virtual_time
async def test_a_refer_that_is_refused_leaves_him_with_the_bot(tmp_path: Path) -> None:
    async with open_office(tmp_path, number=TRANSFER) as office, transferring(office) as (trunk, caller):
        invite = await trunk.request("INVITE")
        target = trunk.answers(invite, tag="target", extra=["Supported: replaces"], body=trunk.sdp())
        trunk.answers(await trunk.request("REFER"), 405)
        bye = await trunk.request("BYE")
        assert bye.call_id == target.call_id
        trunk.answers(bye)
        await hangs_up(trunk, caller)
    assert office.outcome == ("abandoned", "caller")
    assert [(failure["cause"], failure["sip_code"]) for failure in failures(office)] == [("unsupported", 405)]


@virtual_time
async def test_a_caller_who_hangs_up_while_it_rings(tmp_path: Path) -> None:
    async with open_office(tmp_path, number=TRANSFER) as office, transferring(office) as (trunk, caller):
        invite = await trunk.request("INVITE")
        trunk.answers(invite, 180, tag="target")
        trunk.ask("BYE", caller)
        trunk.answers(await trunk.request("CANCEL", within=1.0))
        trunk.answers(invite, 487, tag="target")
    assert office.outcome == ("abandoned", "caller")


@virtual_time
async def test_by_itself_a_transfer_is_blind(tmp_path: Path) -> None:
    async with (
        open_office(tmp_path, number={"transfer": {"allow": ["2*"]}}) as office,
        transferring(office) as (trunk, caller),
    ):
        refer = await trunk.request("REFER")
        assert sent_to(refer).header("Replaces") is None
        trunk.answers(refer, 202)
        trunk.notifies(caller, "200 OK")
        trunk.answers(await trunk.request("BYE"))
    assert office.outcome == ("transferred", "transfer")
