"""Attended transfers by Asterisk: the gateway calls the colleague first, by the way by which the caller has come."""

from __future__ import annotations

import asyncio
from functools import partial

from tools.asterisk.bench import Bench, heard
from tools.asterisk.by_sip import WAYS, goes_on, transfer
from tools.asterisk.calls import Check

ATTENDED = "603"  # whose callers are transferred so


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
    f"sip {way} {check.__name__.replace('_', ' ')}": partial(check, way=way)
    for way in ("account", "webrtc", "trunk")
    for check in (transfer_attended, transfer_attended_refused, transfer_attended_unanswered)
}
