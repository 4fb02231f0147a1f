"""The calls: what the documentation promises the PBX's owner, tried one by one.

Each takes the `Bench`, raises AssertionError when a promise is not kept, and returns the figures it saw.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

from tools.asterisk.bench import Bench, Call, heard

Check = Callable[[Bench], Awaitable[str]]
SAME = 0.99
RESAMPLED = 0.9
"""Correlation of a greeting that went through 16 kHz."""


async def conversation(bench: Bench) -> str:
    """Greeting heard, word understood, the bot hangs up; the variables of the b() handler arrive."""
    async with bench.call("bot", "600") as call:
        answered = await call.answered()
        await call.hears("Hello, this is Acme.")
        likeness = call.greeting_heard()
        assert likeness > SAME, f"the greeting is not what was sent: {likeness:.3f}"
        await call.says("hours")
        await call.hears("We are open from nine to five")
        await call.says("goodbye")
        ended = await call.phone.until_over(15)
        assert ended.by == "pbx", ended
        record = await call.record()
    assert record["called"] == "600", record["called"]
    assert record["custom"]["pbx_channel"].startswith("PJSIP/bot-"), record["custom"]
    assert record["custom"]["pbx_call"], record["custom"]
    assert record["result"] == "completed", record
    assert record["by"] == "bot", record
    assert not bench.reception.invited, "a conversation that is over went on to people"
    return f"answered in {answered:.2f} s, greeting {likeness:.3f}, understood {heard(record)}"


async def caller_hangs_up(bench: Bench) -> str:
    async with bench.call("bot", "600") as call:
        await call.answered()
        await call.hears("Hello, this is Acme.")
        call.phone.hang_up()
        record = await call.record()
    assert record["by"] == "caller", record
    return f"recorded as {record['result']} by {record['by']}"


async def keys(bench: Bench) -> str:
    """Telephone events become digits."""
    async with bench.call("bot", "600") as call:
        await call.answered()
        await call.hears("Hello, this is Acme.")
        await call.says("vm-password")
        await call.hears("four digit code")
        await call.phone.media.press("1290#")
        record = await call.hears("Your code is 1 2 9 0")
    return f"understood {heard(record)}"


async def interruption(bench: Bench) -> str:
    """A word over the greeting silences it: what Asterisk has queued is flushed."""
    async with bench.call("bot", "600") as call:
        await call.answered()
        await asyncio.sleep(1.5)
        await call.says("location")
        record = await call.hears("12 Station Road")
        first = record["said"][0]
        assert first["result"] == "stopped", first
        whole = len(bench.greeting) / 16000
        assert first["seconds"] < whole - 1, f"{first['seconds']} s of {whole:.1f} s were heard"
    return f"greeting stopped after {first['seconds']:.2f} of {whole:.1f} s, understood {heard(record)}"


async def _greeted(bench: Bench, context: str, number: str, least: float) -> tuple[Call, str]:
    async with bench.call(context, number) as call:
        answered = await call.answered()
        await call.hears("Hello, this is Acme.")
        likeness = call.greeting_heard()
        assert likeness > least, f"the greeting is not what was sent: {likeness:.3f}"
        await call.says("hours")
        await call.hears("We are open from nine to five")
        await call.phone.media.press("1")
        call.phone.hang_up()
        record = await call.record()
        assert record["by"] == "caller", record
        assert record["called"] == number, record
    return call, f"answered in {answered:.2f} s, greeting {likeness:.3f}, understood {heard(record)}"


async def refused_number(bench: Bench) -> str:
    """A number the gateway does not know: refused before the answer, and the next route is taken."""
    async with bench.call("bot", "699") as call:
        seconds = await call.reaches_people()
    return f"people after {seconds:.2f} s; {outcome(bench, '699')}"


def outcome(bench: Bench, number: str) -> str:
    """The last line that `bot-over` wrote about a number."""
    lines = [line for line in bench.pbx.log().splitlines() if f"Bot on {number}:" in line]
    assert lines, "the dialplan did not come to bot-over"
    return lines[-1].rpartition(f"Bot on {number}: ")[2]


CHECKS: dict[str, Check] = {
    "conversation": conversation,
    "caller hangs up": caller_hangs_up,
    "keys": keys,
    "interruption": interruption,
    "refused number": refused_number,
}
_ = signal
