"""Transfers by Asterisk that take more than REFER: nobody answers, or the gateway calls the colleague first."""

from __future__ import annotations

import asyncio
from functools import partial

from tools.asterisk.bench import POLL, Bench, Call, heard
from tools.asterisk.by_sip import WAYS, goes_on, transfer
from tools.asterisk.calls import Check

ATTENDED = "603"  # whose callers are transferred so


async def transfer_rings_out(bench: Bench) -> str:
    """Nobody answers: Asterisk's dialplan sends the caller to the bot again, as a new call."""
    bench.reception.is_deaf = True
    try:
        async with bench.call("bot", "600") as call:
            await call.answered()
            seen = await call.hears("Hello, this is Acme.")
            await bench.house.transfer(seen["call_id"], "100")
            await another_call(call, seen["call_id"])
            first = await bench.house.record(seen["call_id"])
            await call.hears("Hello, this is Acme.")
            await goes_on(call)
            second = await call.record()
    finally:
        bench.reception.is_deaf = False
    return f"the first call recorded as {first['result']}, the second as {second['result']}: {heard(second)}"


async def another_call(call: Call, before: str) -> None:
    """Wait until the same caller has another call than the one before."""
    async with asyncio.timeout(25):
        while True:
            if (await call.bench.house.call_from(call.caller))["call_id"] != before:
                return
            await asyncio.sleep(POLL)


async def transfer_attended(bench: Bench, way: str) -> str:
    """The colleague is called first, the caller is sent into that call, and the gateway is out of both."""
    figures = await transfer(bench, way, ATTENDED)
    channels = bench.pbx.ask("core show channels concise")
    assert "talkpath" not in channels, channels
    return figures


async def transfer_attended_refused(bench: Bench, way: str) -> str:
    """Nobody has that number."""
    return await _attended_in_vain(bench, way, "199", "unreachable")


async def transfer_attended_unanswered(bench: Bench, way: str) -> str:
    """It rings, and nobody answers: the conversation goes on where it was."""
    bench.reception.is_deaf = True
    try:
        return await _attended_in_vain(bench, way, "100", "no_answer")
    finally:
        bench.reception.is_deaf = False


async def _attended_in_vain(bench: Bench, way: str, target: str, cause: str) -> str:
    async with bench.call(WAYS[way], ATTENDED) as call:
        await call.answered()
        seen = await call.hears("Hello, this is Acme.")
        began = asyncio.get_running_loop().time()
        await bench.house.transfer(seen["call_id"], target)
        await call.hears("I couldn't put you through")
        seconds = asyncio.get_running_loop().time() - began
        await goes_on(call)
        record = await call.record()
    (failure,) = [note["data"] for note in record["notes"] if note["kind"] == "transfer_failed"]
    assert failure["cause"] == cause, failure
    return f"told after {seconds:.1f} s, {failure}; understood {heard(record)}"


CHECKS: dict[str, Check] = {
    "sip transfer rings out": transfer_rings_out,
    **{
        f"sip {way} {check.__name__.replace('_', ' ')}": partial(check, way=way)
        for way in ("account", "webrtc", "trunk")
        for check in (transfer_attended, transfer_attended_refused, transfer_attended_unanswered)
    },
}
