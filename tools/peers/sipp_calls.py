"""Calls by SIPp, straight to the gateway: what the documentation promises a trunk's owner, tried one by one.

Each takes the `Bench`, raises AssertionError when a promise is not kept, and returns the figures it saw.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from tools.asterisk.media import Codec
from tools.peers import line
from tools.peers.bench import (
    GREETED,
    GREETING,
    HOURS,
    Bench,
    Caller,
    Check,
    Way,
    all_over,
    heard,
    must_have_said,
    recording,
    until_said,
)
from tools.peers.network import GATEWAY
from tools.peers.process import Process, load_average, until_accepts
from tools.peers.scenario import (
    IGNORE_UNEXPECTED,
    answered,
    bye,
    cancel_race,
    info,
    invite,
    notify,
    pause,
    play,
    referred_to,
    refused,
    reinvite,
    reply,
    until_bye,
)
from tools.peers.talk import ENDS, Talk

ANSWERED_IN = 6.0
"""Seconds within which the bot has answered a word, from its end."""


async def conversation(bench: Bench, codec: Codec, way: Way) -> str:
    """Greeting heard, word understood, answer heard, the caller hangs up."""
    caller = bench.caller(codec=codec, way=way)
    talk = caller.talk().until(GREETED).say(recording("hours")).silence(ANSWERED_IN)
    await caller.run(invite(codec), answered(), play(caller.plays(talk)), pause(talk.seconds), *bye())
    record = await caller.record()
    figures = caller.hears(GREETING)
    must_have_said(record, HOURS)
    caller.hears(HOURS)
    assert record["by"] == "caller", record["by"]
    return f"{figures}; understood {heard(record)}"


async def conversation_ulaw_udp(bench: Bench) -> str:
    return await conversation(bench, "ulaw", "udp")


async def conversation_alaw_udp(bench: Bench) -> str:
    return await conversation(bench, "alaw", "udp")


async def conversation_ulaw_tcp(bench: Bench) -> str:
    return await conversation(bench, "ulaw", "tcp")


async def conversation_alaw_tcp(bench: Bench) -> str:
    return await conversation(bench, "alaw", "tcp")


async def bot_hangs_up(bench: Bench, way: Way) -> str:
    caller = bench.caller(way=way)
    talk = caller.talk().until(GREETED).say(recording("queue-thankyou")).silence(20)
    await caller.run(invite(), answered(), play(caller.plays(talk)), *until_bye())
    record = await caller.record()
    must_have_said(record, "Goodbye!")
    assert record["by"] in ("bot", "gateway"), record["by"]
    return f"{record['result']} by {record['by']}; understood {heard(record)}"


async def bot_hangs_up_udp(bench: Bench) -> str:
    return await bot_hangs_up(bench, "udp")


async def bot_hangs_up_tcp(bench: Bench) -> str:
    return await bot_hangs_up(bench, "tcp")


# --- keys ----------------------------------------------------------------------------------------------------------
CODE = "1290#"
ASKED = 8.0
"""Seconds from the caller's words until the bot has asked for the code."""


def asks_for_code(talk: Talk) -> Talk:
    return talk.until(GREETED).say(recording("vm-num-i-have")).silence(ASKED)


async def keys(bench: Bench, way: Way, ends: int) -> str:
    """Telephone events become digits."""
    caller = bench.caller(way=way)
    talk = asks_for_code(caller.talk()).press(CODE, ends=ends).silence(ANSWERED_IN)
    await caller.run(invite(), answered(), play(caller.plays(talk)), pause(talk.seconds), *bye())
    record = await caller.record()
    must_have_said(record, "Your code is 1 2 9 0")
    return f"understood {heard(record)}"


async def keys_udp(bench: Bench) -> str:
    return await keys(bench, "udp", ENDS)


async def keys_tcp(bench: Bench) -> str:
    return await keys(bench, "tcp", ENDS)


async def keys_with_two_ends_lost(bench: Bench) -> str:
    return await keys(bench, "udp", 1)


async def keys_with_all_ends_lost(bench: Bench) -> str:
    return await keys(bench, "udp", 0)


async def keys_by_info(bench: Bench, way: Way) -> str:
    caller = bench.caller(way=way)
    talk = asks_for_code(caller.talk())
    asked = talk.seconds
    talk.silence(3 + ANSWERED_IN)
    presses = [step for number, key in enumerate(CODE, 2) for step in (*info(key, number), pause(0.3))]
    await caller.run(invite(), answered(), play(caller.plays(talk)), pause(asked), *presses, pause(ANSWERED_IN), *bye())
    record = await caller.record()
    must_have_said(record, "Your code is 1 2 9 0")
    return f"understood {heard(record)}"


async def keys_by_info_udp(bench: Bench) -> str:
    return await keys_by_info(bench, "udp")


async def keys_by_info_tcp(bench: Bench) -> str:
    return await keys_by_info(bench, "tcp")


# --- refusals and races --------------------------------------------------------------------------------------------
async def _refused_number(bench: Bench, way: Way) -> str:
    caller = bench.caller(way=way)
    await caller.run(invite(), refused(404), called="699")
    return "404, acknowledged"


async def refused_number_udp(bench: Bench) -> str:
    return await _refused_number(bench, "udp")


async def refused_number_tcp(bench: Bench) -> str:
    return await _refused_number(bench, "tcp")


async def full(bench: Bench) -> str:
    """All places are taken: 503, and when to come again; the call that is up goes on."""
    bench.house.gateway.stop()
    await bench.house.open(MAX_CALLS="1")
    try:
        first, second = bench.caller(), bench.caller()
        talk = first.talk().silence(GREETED)
        async with asyncio.TaskGroup() as group:
            call = first.run(invite(), answered(), play(first.plays(talk)), pause(talk.seconds), *bye())
            group.create_task(call)
            await until_said(bench.house, first.number, "")
            await second.run(invite(), refused(503, "Retry-After"))
        figures = first.hears(GREETING)
    finally:
        bench.house.gateway.stop()
    return f"503 with Retry-After; the first call: {figures}"


async def repeated_invite(bench: Bench) -> str:
    """The same INVITE three times is one call."""
    caller = bench.caller()
    again = invite(attributes="")
    await caller.run(again, again, again, answered(), pause(1.0), *bye(), options=IGNORE_UNEXPECTED)
    await caller.record()
    calls = await bench.house.calls_from(caller.number)
    assert len(calls) == 1, f"{len(calls)} calls"
    return "3 INVITEs, 1 call"


RACES = 60
RACE_LONGEST = 0.06


async def cancel_and_answer_race(bench: Bench) -> str:
    caller = bench.caller()
    await caller.run(*cancel_race(RACE_LONGEST), calls=RACES, options=("-r", "20", *IGNORE_UNEXPECTED))
    calls = await all_over(bench.house, caller.number)
    assert len(calls) == RACES, f"{len(calls)} calls"
    results = Counter(call["result"] for call in calls)
    return f"{RACES} calls cancelled within {1000 * RACE_LONGEST:.0f} ms, all over: {dict(results)}"


# --- within the call -----------------------------------------------------------------------------------------------
async def hold(bench: Bench, way: Way) -> str:
    """On hold nothing comes in; then it goes on where it was."""
    seconds = bench.hold_seconds
    caller = bench.caller(way=way)
    talk = caller.talk().until(GREETED)
    before = len(talk.sent)
    talk.silence(seconds + 1)
    after = len(talk.sent)
    resumed = talk.sent[after - 1].at
    talk.silence(1).say(recording("hours")).silence(ANSWERED_IN)
    rest = [replace(one, at=one.at - resumed) for one in talk.sent[after:]]
    await caller.run(
        *(invite(), answered(), play(caller.plays(talk.sent[:before], "before")), pause(GREETED)),
        *reinvite("ulaw", "sendonly", 2, 2),
        pause(seconds),
        *reinvite("ulaw", "sendrecv", 3, 3),
        *(play(caller.plays(rest, "after")), pause(talk.seconds - resumed), *bye()),
        within=60 + seconds,
    )
    record = await caller.record()
    must_have_said(record, HOURS)
    quiet = caller.heard().gaps()[-1]
    assert quiet > seconds - 1, f"the gateway sent on hold: longest silence {quiet:.1f} s"
    return f"nothing sent for {quiet:.1f} s; then {caller.hears(HOURS)}; understood {heard(record)}"


async def hold_udp(bench: Bench) -> str:
    return await hold(bench, "udp")


async def hold_tcp(bench: Bench) -> str:
    return await hold(bench, "tcp")


TARGET = "sip:reception@pbx.example.com"


async def _transferring(bench: Bench, caller: Caller) -> None:
    """An operator transfers the call once the greeting is over."""
    record = await until_said(bench.house, caller.number, "Hello, this is Acme.")
    await bench.house.transfer(record["call_id"], TARGET)


async def refer(bench: Bench, way: Way) -> str:
    caller = bench.caller(way=way)
    async with asyncio.TaskGroup() as group:
        group.create_task(_transferring(bench, caller))
        await caller.run(
            *(invite(), answered(), play(caller.plays(caller.talk().silence(30)))),
            *(referred_to(TARGET), reply("202 Accepted")),
            *(*notify("100 Trying", "active;expires=60", 2), pause(0.5)),
            *notify("200 OK", "terminated;reason=noresource", 3),
            *until_bye(),
        )
    record = await caller.record()
    assert record["result"] == "transferred", record["result"]
    return f"recorded as {record['result']}"


async def refer_udp(bench: Bench) -> str:
    return await refer(bench, "udp")


async def refer_tcp(bench: Bench) -> str:
    return await refer(bench, "tcp")


async def _not_put_through(bench: Bench, *steps: str) -> str:
    """The caller is told, and talks to the bot again."""
    caller = bench.caller()
    talk = caller.talk().silence(18).say(recording("hours")).silence(ANSWERED_IN)
    async with asyncio.TaskGroup() as group:
        group.create_task(_transferring(bench, caller))
        await caller.run(
            *(invite(), answered(), play(caller.plays(talk)), referred_to(TARGET), *steps),
            *(pause(talk.seconds - 7), *bye()),
        )
    record = await caller.record()
    must_have_said(record, "I couldn't put you through")
    must_have_said(record, HOURS)
    return f"told, then {caller.hears(HOURS)}; understood {heard(record)}"


async def refer_refused(bench: Bench) -> str:
    return await _not_put_through(bench, reply("603 Decline"))


async def refer_fails(bench: Bench) -> str:
    """Accepted, and then there is nobody."""
    ends = notify("404 Not Found", "terminated;reason=noresource", 3)
    return await _not_put_through(
        bench, reply("202 Accepted"), *notify("100 Trying", "active;expires=60", 2), pause(0.3), *ends
    )


# --- many ----------------------------------------------------------------------------------------------------------
BOTS_RATE, BOTS_CALLS = 20, 200
ROOT = str(Path(__file__).resolve().parents[2])


async def load_with_bots(bench: Bench) -> str:
    """Calls that the bot takes, and that are hung up as soon as they are answered."""
    return await _load(bench.caller(), BOTS_RATE, BOTS_CALLS, bench.house.gateway)


async def _load(caller: Caller, rate: int, calls: int, process: Process) -> str:
    """Signalling only. SIPp fails when a single call fails, or takes another way."""
    began, busy = asyncio.get_running_loop().time(), process.busy_seconds
    options = ("-r", str(rate), "-l", str(calls))
    await caller.run(invite(), answered(), *bye(), calls=calls, options=options, within=30 + 4 * calls / rate)
    seconds, busy = asyncio.get_running_loop().time() - began, process.busy_seconds - busy
    return (
        f"{calls} calls at {rate} a second took {seconds:.1f} s, 0 failed, {caller.repeated()} messages sent "
        f"again; {1000 * busy / calls:.1f} ms of a processor "
        f"each; the machine's load average {load_average()}"
    )


async def _load_of_line(bench: Bench, way: Way) -> str:
    """The line alone: it answers, and nobody talks."""
    caller = bench.caller(way=way, port=line.PORT)
    command = [sys.executable, "-m", "tools.peers.line"]
    with Process(f"line-{way}", command, bench.house.folder, {"PYTHONPATH": ROOT}) as process:
        await until_accepts(GATEWAY, line.PORT, process)
        return await _load(caller, *bench.load, process)


async def load_udp(bench: Bench) -> str:
    return await _load_of_line(bench, "udp")


async def load_tcp(bench: Bench) -> str:
    return await _load_of_line(bench, "tcp")


TOGETHER: tuple[Check, ...] = (
    conversation_ulaw_udp,
    conversation_alaw_udp,
    conversation_ulaw_tcp,
    conversation_alaw_tcp,
    bot_hangs_up_udp,
    bot_hangs_up_tcp,
    keys_udp,
    keys_tcp,
    keys_with_two_ends_lost,
    keys_with_all_ends_lost,
    keys_by_info_udp,
    keys_by_info_tcp,
    refused_number_udp,
    refused_number_tcp,
    repeated_invite,
    hold_udp,
    hold_tcp,
    refer_udp,
    refer_tcp,
    refer_refused,
    refer_fails,
)
"""Calls that do not mind each other."""
ALONE: tuple[Check, ...] = (cancel_and_answer_race, full, load_with_bots, load_udp, load_tcp)
