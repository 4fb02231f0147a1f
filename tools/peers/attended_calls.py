"""Calls by SIPp that have to do with two at once: somebody is called before a caller is sent to him, and somebody takes
a caller's place."""

from __future__ import annotations

import asyncio
import re

from tools.peers.bench import GREETED, HOURS, Bench, Caller, Check, Way, heard, must_have_said, recording, until_said
from tools.peers.scenario import (
    answered,
    bye,
    invite,
    notify,
    pause,
    play,
    referred_to,
    reply,
    request,
    scenario,
    sdp,
    until_bye,
)
from tools.peers.sipp_calls import ANSWERED_IN

ABILITIES = "Allow: INVITE, ACK, BYE, CANCEL, NOTIFY, REFER\nSupported: replaces"
LEARN_TAG = (
    '<action><ereg regexp="tag=([^;]*)" search_in="hdr" header="To:" check_it="true" assign_to="whole,tag"/>'
    '<log message="tag [$tag]"/></action>'
)
TARGET = "sip:reception@pbx.example.com"


def inviting(tag: str, extra: str = "") -> str:
    """An INVITE with a tag of our choice, and what else its sender can do."""
    text = invite().replace("[pid]t[call_number]", tag)
    return text.replace(
        "Content-Type: application/sdp", "\n".join((*extra.splitlines(), ABILITIES, "Content-Type: application/sdp"))
    )


def with_tag(tag: str, *steps: str) -> list[str]:
    return [step.replace("[pid]t[call_number]", tag) for step in steps]


# --- to us ---------------------------------------------------------------------------------------------------------
async def replaced(bench: Bench, way: Way) -> str:
    """A colleague has consulted the bot, and hands a customer over: one conversation, one record."""
    colleague, customer = bench.caller(way=way), bench.caller(way=way)
    call_id, tag = f"consulting-{colleague.place}", f"colleague{colleague.place}"
    taken = answered().replace('rrs="true"></recv>', f'rrs="true">{LEARN_TAG}</recv>\n<Reference variables="whole"/>')
    consulting = with_tag(tag, inviting(tag), taken, play(colleague.plays(colleague.talk().silence(60))), *until_bye())
    logs = ("-cid_str", call_id, "-trace_logs", "-log_file", str(colleague.file("tag")))
    async with asyncio.TaskGroup() as group:
        group.create_task(colleague.run(*consulting, options=logs))
        await until_said(bench.house, colleague.number, "Hello, this is Acme.")
        found = re.search(r"tag (\S+)", colleague.file("tag").read_text(encoding="utf-8"))
        assert found is not None, "SIPp has not kept the gateway's tag"
        replaces = f"Replaces: {call_id};to-tag={found[1]};from-tag={tag}\nRequire: replaces"
        talk = customer.talk().silence(2.0).say(recording("hours")).silence(ANSWERED_IN)
        mine = f"customer{customer.place}"
        await customer.run(
            *with_tag(
                mine, inviting(mine, replaces), answered(), play(customer.plays(talk)), pause(talk.seconds), *bye()
            )
        )
    record = await colleague.record()
    must_have_said(record, HOURS)
    assert record["by"] == "caller", record["by"]
    assert not await bench.house.calls_from(customer.number), "the customer is a call of his own"
    return f"the customer heard {customer.hears(HOURS)}; understood {heard(record)}"


async def replaced_udp(bench: Bench) -> str:
    return await replaced(bench, "udp")


async def replaced_tcp(bench: Bench) -> str:
    return await replaced(bench, "tcp")


# --- by us ---------------------------------------------------------------------------------------------------------
def _target(caller: Caller, *steps: str) -> tuple[str, str]:
    """What SIPp does with the gateway's own call, beside that of the caller."""
    file = caller.file("target.xml")
    file.write_text(scenario(*steps, name="target"), encoding="utf-8")
    return "-oocsf", str(file)


def _as_target(status: str, extra: str = "", body: str = "") -> str:
    """What he says to the INVITE, under a tag of his own."""
    return reply(status, extra, body).replace("[last_To:]", "[last_To:];tag=target")


async def _transferring(bench: Bench, caller: Caller) -> None:
    record = await until_said(bench.house, caller.number, "Hello, this is Acme.")
    await bench.house.transfer(record["call_id"], TARGET)


async def attended(bench: Bench, way: Way) -> str:
    """The target is called and answers, the caller is sent into that call, and both are hung up on."""
    caller = bench.caller(way=way)
    rings, answers = _as_target("180 Ringing"), _as_target("200 OK", "Supported: replaces", sdp("ulaw"))
    target = _target(caller, request("INVITE"), rings, pause(1), answers, request("ACK"), *until_bye())
    async with asyncio.TaskGroup() as group:
        group.create_task(_transferring(bench, caller))
        await caller.run(
            *(inviting("[pid]t[call_number]"), answered(), play(caller.plays(caller.talk().silence(30)))),
            *(referred_to(f"{TARGET}[?]Replaces=[^;]*to-tag%3Dtarget"), reply("202 Accepted")),
            *(*notify("100 Trying", "active;expires=60", 2), pause(0.3)),
            *notify("200 OK", "terminated;reason=noresource", 3),
            *until_bye(),
            called="603",
            options=target,
        )
    record = await caller.record()
    assert record["result"] == "transferred", record["result"]
    return f"recorded as {record['result']}"


async def attended_udp(bench: Bench) -> str:
    return await attended(bench, "udp")


async def attended_tcp(bench: Bench) -> str:
    return await attended(bench, "tcp")


async def attended_busy(bench: Bench) -> str:
    """The target is busy: the caller is told, and talks to the bot again."""
    caller = bench.caller()
    target = _target(caller, request("INVITE"), _as_target("486 Busy Here"), request("ACK"))
    talk = caller.talk().until(GREETED + 8).say(recording("hours")).silence(ANSWERED_IN)
    async with asyncio.TaskGroup() as group:
        group.create_task(_transferring(bench, caller))
        await caller.run(
            *(inviting("[pid]t[call_number]"), answered(), play(caller.plays(talk)), pause(talk.seconds), *bye()),
            called="603",
            options=target,
        )
    record = await caller.record()
    must_have_said(record, "I couldn't put you through")
    must_have_said(record, HOURS)
    (failure,) = [note["data"] for note in record["notes"] if note["kind"] == "transfer_failed"]
    assert failure == {"cause": "busy", "sip_code": 486}, failure
    return f"told, then {caller.hears(HOURS)}; understood {heard(record)}"


TOGETHER: tuple[Check, ...] = (replaced_udp, replaced_tcp, attended_udp, attended_tcp, attended_busy)
