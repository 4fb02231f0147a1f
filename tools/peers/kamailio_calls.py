"""Calls by SIPp to Kamailio, from there by WebSocket and DTLS-SRTP to the gateway, which has registered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tools.peers import attended_calls, sipp_calls
from tools.peers.bench import GREETING, Bench, Caller, Check, heard, must_have_said, recording, until_said
from tools.peers.kamailio import registrations, until_registered
from tools.peers.scenario import NEW_TARGET, answered, bye, invite, pause, play, refused, reinvited, until_bye
from tools.peers.talk import ENDS

LONGEST_GAP = 0.5
"""Seconds that a caller may hear nothing while the registrar is away; two processors are shared by all of this."""


async def conversation_ulaw(bench: Bench) -> str:
    """Greeting, a word and its answer, the caller hangs up."""
    return await sipp_calls.conversation(bench, "ulaw", "udp")


async def conversation_alaw(bench: Bench) -> str:
    return await sipp_calls.conversation(bench, "alaw", "udp")


async def bot_hangs_up(bench: Bench) -> str:
    return await sipp_calls.bot_hangs_up(bench, "udp")


async def keys(bench: Bench) -> str:
    return await sipp_calls.keys(bench, "udp", ENDS)


async def keys_with_two_ends_lost(bench: Bench) -> str:
    return await sipp_calls.keys(bench, "udp", 1)


async def keys_by_info(bench: Bench) -> str:
    return await sipp_calls.keys_by_info(bench, "udp")


async def hold(bench: Bench) -> str:
    return await sipp_calls.hold(bench, "udp")


async def refer(bench: Bench) -> str:
    """Kamailio forwards the REFER; the caller's side carries it out."""
    return await sipp_calls.refer(bench, "udp")


async def refer_fails(bench: Bench) -> str:
    return await sipp_calls.refer_fails(bench)


async def replaced(bench: Bench) -> str:
    """A customer takes the place of a colleague: another call from the trunk, with DTLS-SRTP of its own."""
    return await attended_calls.replaced(bench, "udp")


ROUTES = "Record-Route: *<sip:192[.]0[.]2[.]10:8088;transport=ws;r2=on.*Record-Route: *<sip:192[.]0[.]2[.]10;r2=on"


async def record_routes(bench: Bench) -> str:
    """The gateway answers with both, in order; requests of both sides go through them."""
    caller = bench.caller()
    await caller.run(invite(), answered(ROUTES), pause(1.0), *bye())
    record = await caller.record()
    assert record["by"] == "caller", record["by"]
    return "two Record-Routes, ACK and BYE came by them"


async def refused_number(bench: Bench) -> str:
    caller = bench.caller()
    await caller.run(invite(), refused(404), called="699")
    return "404 from Kamailio"


# --- the registrar goes, and comes again -----------------------------------------------------------------------------
@asynccontextmanager
async def _without_kamailio(bench: Bench, caller: Caller, seconds: float) -> AsyncIterator[None]:
    """Within the block Kamailio is up again, after it went in the caller's call."""
    assert bench.pbx is not None, "there is no Kamailio"
    await until_said(bench.house, caller.number, GREETING[:20])
    bench.pbx.kamailio.stop()
    await asyncio.sleep(seconds)
    await bench.pbx.start_kamailio()
    yield


async def registrar_restarted(bench: Bench) -> str:
    """The call goes on, the gateway registers again, tells the caller where it is now, and may hang up."""
    caller = bench.caller()
    talk = caller.talk().until(20.0).say(recording("queue-thankyou")).silence(25)
    before = registrations(bench.house)
    async with asyncio.TaskGroup() as group:
        steps = (invite(), answered(), play(caller.plays(talk)), *reinvited("ulaw", 2), *until_bye())
        group.create_task(caller.run(*steps))
        async with _without_kamailio(bench, caller, 1.0):
            seconds = await until_registered(bench.house, more_than=before)
    record = await caller.record()
    must_have_said(record, "Goodbye!")
    quiet = caller.heard().gaps()[-1]
    assert quiet < LONGEST_GAP, f"the caller heard nothing for {quiet:.1f} s"
    again = await sipp_calls.conversation(bench, "ulaw", "udp")
    return (
        f"registered {seconds:.1f} s after Kamailio was back; the call went on, longest gap {1000 * quiet:.0f} ms; "
        f"understood {heard(record)} and was hung up by the gateway; the next call: {again}"
    )


async def registrar_restarted_caller_hangs_up(bench: Bench) -> str:
    """The new offer has told the caller the way by the new connection."""
    caller = bench.caller()
    talk = caller.talk().silence(40)
    async with asyncio.TaskGroup() as group:
        moved = (*reinvited("ulaw", 2), pause(2.0), *bye(target=NEW_TARGET))
        group.create_task(caller.run(invite(), answered(), play(caller.plays(talk)), *moved))
        async with _without_kamailio(bench, caller, 0.5):
            pass
    record = await caller.record()
    assert record["by"] == "caller", record["by"]
    return f"recorded as {record['result']} by {record['by']}"


TOGETHER: tuple[Check, ...] = (
    conversation_ulaw,
    conversation_alaw,
    bot_hangs_up,
    keys,
    keys_with_two_ends_lost,
    keys_by_info,
    hold,
    refer,
    refer_fails,
    replaced,
    record_routes,
    refused_number,
)
ALONE: tuple[Check, ...] = (registrar_restarted, registrar_restarted_caller_hangs_up)
