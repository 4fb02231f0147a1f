"""Calls by SIPp, straight to the gateway: what the documentation promises a trunk's owner, tried one by one.

Each takes the `Bench`, raises AssertionError when a promise is not kept, and returns the figures it saw.
"""

from __future__ import annotations

from tools.asterisk.media import Codec
from tools.peers.bench import GREETED, GREETING, HOURS, Bench, Check, Way, heard, must_have_said, recording
from tools.peers.scenario import answered, bye, invite, pause, play, until_bye

ANSWERED_IN = 6.0
"""Seconds within which the bot has answered a word, from its end."""


async def _conversation(bench: Bench, codec: Codec, way: Way) -> str:
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
    return await _conversation(bench, "ulaw", "udp")


async def conversation_alaw_udp(bench: Bench) -> str:
    return await _conversation(bench, "alaw", "udp")


async def conversation_ulaw_tcp(bench: Bench) -> str:
    return await _conversation(bench, "ulaw", "tcp")


async def conversation_alaw_tcp(bench: Bench) -> str:
    return await _conversation(bench, "alaw", "tcp")


async def _bot_hangs_up(bench: Bench, way: Way) -> str:
    caller = bench.caller(way=way)
    talk = caller.talk().until(GREETED).say(recording("queue-thankyou")).silence(20)
    await caller.run(invite(), answered(), play(caller.plays(talk)), *until_bye())
    record = await caller.record()
    must_have_said(record, "Goodbye!")
    assert record["by"] in ("bot", "gateway"), record["by"]
    return f"{record['result']} by {record['by']}; understood {heard(record)}"


async def bot_hangs_up_udp(bench: Bench) -> str:
    return await _bot_hangs_up(bench, "udp")


async def bot_hangs_up_tcp(bench: Bench) -> str:
    return await _bot_hangs_up(bench, "tcp")


CHECKS: dict[str, Check] = {
    f"sipp {check.__name__.replace('_', ' ')}": check
    for check in (
        conversation_ulaw_udp,
        conversation_alaw_udp,
        conversation_ulaw_tcp,
        conversation_alaw_tcp,
        bot_hangs_up_udp,
        bot_hangs_up_tcp,
    )
}
