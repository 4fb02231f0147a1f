"""The calls: what the documentation promises the PBX's owner, tried one by one.

Each takes the `Bench`, raises AssertionError when a promise is not kept, and returns the figures it saw.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import httpx

from tools.asterisk.bench import Bench, LineCodec, heard
from tools.asterisk.sound import voiced

UPGRADE = {
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-protocol": "media",
}

Check = Callable[[Bench], Awaitable[str]]


async def conversation(bench: Bench) -> str:
    """Greeting heard, word understood, the bot hangs up; the variables of the b() handler arrive."""
    async with bench.call("bot", "600") as call:
        answered = await call.answered()
        await call.hears("Hello, this is Acme.")
        greeting = call.greeting_heard()
        await call.says("hours")
        await call.hears("We are open from nine to five")
        await call.says("queue-thankyou")
        ended = await call.phone.until_over(15)
        assert ended.by == "pbx", ended
        record = await call.record()
    assert record["to"] == "600", record["to"]
    assert record["custom"]["pbx_channel"].startswith("PJSIP/bot-"), record["custom"]
    assert record["custom"]["pbx_call"], record["custom"]
    assert record["by"] in ("bot", "gateway"), record["by"]
    assert outcome(bench, "600") == "ANSWER, cause 16"
    assert not bench.reception.invited, "a conversation that is over went on to people"
    return f"answered in {answered:.2f} s, {greeting}, understood {heard(record)}"


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
        await call.says("vm-num-i-have")
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
        whole = len(bench.greetings["ulaw"]) / 16000
        assert first["seconds"] < whole - 1, f"{first['seconds']} s of {whole:.1f} s were heard"
    return f"greeting stopped after {first['seconds']:.2f} of {whole:.1f} s, understood {heard(record)}"


async def _greeted(bench: Bench, context: str, number: str, codec: LineCodec = "ulaw") -> str:
    """Greeting, a word and its answer, the caller hangs up."""
    is_plain = number == "602"
    async with bench.call(context, number, known_as="" if is_plain else None) as call:
        answered = await call.answered()
        await call.hears("Hello, this is Acme.")
        greeting = call.greeting_heard(codec)
        await call.says("hours")
        await call.hears("We are open from nine to five")
        call.phone.hang_up()
        record = await call.record()
    assert record["by"] == "caller", record
    assert record["to"] == number, record
    return f"answered in {answered:.2f} s, {greeting}, understood {heard(record)}"


async def _to_people(bench: Bench, context: str, number: str, expected: str, within: float = 6.0) -> str:
    async with bench.call(context, number) as call:
        seconds = await call.reaches_people(within)
    said = outcome(bench, number)
    assert said == expected, said
    return f"people after {seconds:.2f} s; {said}"


def outcome(bench: Bench, number: str) -> str:
    """The last line that `bot-over` wrote about a number."""
    lines = [line for line in bench.pbx.log().splitlines() if f"Bot on {number}:" in line]
    assert lines, "the dialplan did not come to bot-over"
    return lines[-1].rpartition(f"Bot on {number}: ")[2]


# --- ways in -------------------------------------------------------------------------------------------------------
async def alaw(bench: Bench) -> str:
    return await _greeted(bench, "bot-alaw", "600", "alaw")


async def slin(bench: Bench) -> str:
    return await _greeted(bench, "bot-slin", "600", "slin")


async def slin16(bench: Bench) -> str:
    return await _greeted(bench, "bot-slin16", "600", "slin16")


async def tls(bench: Bench) -> str:
    return await _greeted(bench, "bot-tls", "600")


async def plain(bench: Bench) -> str:
    return await _greeted(bench, "bot-plain", "602")


async def plain_slin16(bench: Bench) -> str:
    return await _greeted(bench, "bot-plain-slin16", "602", "slin16")


async def incoming(bench: Bench) -> str:
    return await _greeted(bench, "bot-incoming", "600")


async def incoming_slin16(bench: Bench) -> str:
    return await _greeted(bench, "bot-incoming-slin16", "600", "slin16")


async def incoming_plain(bench: Bench) -> str:
    return await _greeted(bench, "bot-incoming-plain", "600")


async def media_port(bench: Bench) -> str:
    """Only the gateway's address gets as far as being told that a channel does not exist."""
    statuses = []
    for address in ("127.0.0.1", "127.0.0.2"):
        transport = httpx.AsyncHTTPTransport(local_address=address)
        async with httpx.AsyncClient(transport=transport, timeout=5.0) as client:
            statuses.append((await client.get("http://127.0.0.1:8088/media/nobody", headers=UPGRADE)).status_code)
    assert statuses == [404, 403], statuses
    return "404 for the gateway, 403 for others"


async def hostile_caller(bench: Bench) -> str:
    """A caller's number that tries to be part of the dialplan is only a number."""
    async with bench.call("bot", "600", caller="+4420)n^evil(1)", known_as="+4420nevil1") as call:
        await call.answered()
        record = await call.hears("Hello, this is Acme.")
    return f"known as {record['from']}"


# --- transfers -----------------------------------------------------------------------------------------------------
async def transfer(bench: Bench) -> str:
    """The gateway sends the caller on: he and the colleague hear each other, and the call is over for the gateway."""
    async with bench.call("bot", "600") as call:
        await call.answered()
        seen = await call.hears("Hello, this is Acme.")
        await bench.house.transfer(seen["call_id"], "sip:reception@pbx")
        await call.reaches_people()
        record = await call.record()
        assert not call.phone.over.is_set(), "the caller lost his colleague"
    assert (record["result"], record["by"]) == ("transferred", "transfer"), record
    return f"recorded as {record['result']}"


async def transfer_fails(bench: Bench) -> str:
    """Nobody there: the caller is told so, and the conversation goes on where it was."""
    async with bench.call("bot", "600") as call:
        await call.answered()
        seen = await call.hears("Hello, this is Acme.")
        began = asyncio.get_running_loop().time()
        await bench.house.transfer(seen["call_id"], "sip:nobody@pbx")
        await call.hears("I couldn't put you through")
        seconds = asyncio.get_running_loop().time() - began
        sound = call.phone.media.timeline()[1]
        await call.says("hours")
        await call.hears("We are open from nine to five")
        call.phone.hang_up()
        record = await call.record()
    assert "unreachable" in str(record["notes"]), record["notes"]
    assert sum(voiced(sound[-16000 * 2 :])) > 20, "the caller does not hear the gateway any more"
    assert record["by"] == "caller", record
    return f"told after {seconds:.1f} s, understood {heard(record)}"


async def transfer_rings_out(bench: Bench) -> str:
    """It rings, and nobody answers: after the ring time the caller is back."""
    bench.reception.is_deaf = True
    try:
        async with bench.call("bot", "600") as call:
            await call.answered()
            seen = await call.hears("Hello, this is Acme.")
            began = asyncio.get_running_loop().time()
            await bench.house.transfer(seen["call_id"], "sip:reception@pbx")
            await call.hears("I couldn't put you through")
            seconds = asyncio.get_running_loop().time() - began
            await call.says("hours")
            await call.hears("We are open from nine to five")
            call.phone.hang_up()
            record = await call.record()
    finally:
        bench.reception.is_deaf = False
    assert "no_answer" in str(record["notes"]), record["notes"]
    return f"told after {seconds:.1f} s, understood {heard(record)}"


async def transfer_caller_hangs_up(bench: Bench) -> str:
    """The caller gives up while it rings."""
    bench.reception.is_deaf = True
    try:
        async with bench.call("bot", "600") as call:
            await call.answered()
            seen = await call.hears("Hello, this is Acme.")
            await bench.house.transfer(seen["call_id"], "sip:reception@pbx")
            await asyncio.sleep(1.5)
            call.phone.hang_up()
            record = await call.record()
    finally:
        bench.reception.is_deaf = False
    assert record["by"] == "caller", record
    return f"recorded as {record['result']} by {record['by']}"


# --- refusals and failures -----------------------------------------------------------------------------------------
async def refused_number(bench: Bench) -> str:
    """A number the gateway does not know: refused before the answer, and the next route is taken."""
    return await _to_people(bench, "bot", "699", "NOANSWER, cause 16")


async def refused_number_incoming(bench: Bench) -> str:
    return await _to_people(bench, "bot-incoming", "699", "NOANSWER, cause 16")


async def wrong_password(bench: Bench) -> str:
    return await _to_people(bench, "bot-stranger", "600", "CHANUNAVAIL, cause 3")


async def down(bench: Bench) -> str:
    bench.house.gateway.stop()
    return await _to_people(bench, "bot", "600", "CHANUNAVAIL, cause 3")


async def down_incoming(bench: Bench) -> str:
    bench.house.gateway.stop()
    return await _to_people(bench, "bot-incoming", "600", "CHANUNAVAIL, cause 16")


async def frozen(bench: Bench) -> str:
    """Asterisk waits for ever for a gateway that accepts and does not answer; a proxy that gives up ends the wait."""
    bench.house.gateway.send(signal.SIGSTOP)
    try:
        return await _to_people(bench, "bot-tls", "600", "CHANUNAVAIL, cause 3", within=8)
    finally:
        bench.house.gateway.send(signal.SIGCONT)


async def wrong_codec(bench: Bench) -> str:
    return await _to_people(bench, "bot-g722", "600", "NOANSWER, cause 16")


async def passthrough(bench: Bench) -> str:
    return await _to_people(bench, "bot-passthrough", "600", "NOANSWER, cause 16")


async def bot_fails(bench: Bench) -> str:
    """The gateway answers and its bot does not: the number's fallback is heard, and people are next."""
    bench.house.bot.stop()
    async with bench.call("bot-then-people", "600") as call:
        await call.answered()
        await call.hears("I am putting you through to a colleague")
        await call.reaches_people()
        record = await call.record()
    assert record["result"] == "bot_failed", record["result"]
    return f"recorded as {record['result']}"


async def full(bench: Bench) -> str:
    bench.house.gateway.stop()
    await bench.house.open(MAX_CALLS="1")
    try:
        async with bench.call("bot", "600") as first:
            await first.answered()
            figures = await _to_people(bench, "bot", "600", "CHANUNAVAIL, cause 3")
            await first.hears("Hello, this is Acme.")
    finally:
        bench.house.gateway.stop()
    return figures


async def draining(bench: Bench) -> str:
    """After SIGTERM the call that is up goes on, and new ones go to people."""
    async with bench.call("bot", "600") as first:
        await first.answered()
        bench.house.gateway.send(signal.SIGTERM)
        await asyncio.sleep(0.3)
        figures = await _to_people(bench, "bot", "600", "CHANUNAVAIL, cause 3")
        await first.hears("Hello, this is Acme.")
        await first.says("hours")
        await first.hears("We are open from nine to five")
    bench.house.gateway.stop()
    return figures


async def killed(bench: Bench) -> str:
    """The gateway dies in mid-call: the caller is put through to people at once."""
    async with bench.call("bot", "600") as call:
        await call.answered()
        await asyncio.sleep(1)
        bench.house.gateway.stop(signal.SIGKILL)
        killed_at = asyncio.get_running_loop().time()
        seconds = await call.reaches_people() - (killed_at - call.began)
    said = outcome(bench, "600")
    assert said == "ANSWER, cause 38", said
    return f"people {seconds:.2f} s later; {said}"


CHECKS: dict[str, Check] = {
    check.__name__.replace("_", " "): check
    for check in (
        conversation,
        caller_hangs_up,
        keys,
        interruption,
        alaw,
        slin,
        slin16,
        tls,
        plain,
        plain_slin16,
        incoming,
        incoming_slin16,
        incoming_plain,
        media_port,
        hostile_caller,
        transfer,
        transfer_fails,
        transfer_rings_out,
        transfer_caller_hangs_up,
        refused_number,
        refused_number_incoming,
        wrong_password,
        full,
        draining,
        frozen,
        wrong_codec,
        bot_fails,
        passthrough,
        down,
        down_incoming,
        killed,
    )
}
