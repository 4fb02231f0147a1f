"""The same promises for the line that speaks SIP: five ways for Asterisk to call it, with the files of `asterisk-sip`.

Asterisk is a machine of its own here (a network namespace): ICE wants addresses that are not the loopback's, and both
sides want port 5060.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tools.asterisk.bench import (
    MAX_DRIFT,
    RESAMPLED,
    SAME,
    Bench,
    Call,
    LineCodec,
    Place,
    heard,
    until_last_word,
    until_said,
)
from tools.asterisk.calls import Check, outcome
from tools.asterisk.house import House
from tools.asterisk.media import Codec
from tools.asterisk.pbx import Setup
from tools.asterisk.sip import Phone
from tools.asterisk.sound import PIECE, RATE, correlation, likeness

ROOT = Path(__file__).resolve().parents[2]
PBX, GATEWAY, STRANGER = "192.0.2.1", "192.0.2.2", "192.0.2.6"
NEIGHBOURS = "192.0.2.0/30"  # who may use the trunk: the PBX, and the telephone that learns the greeting
PLACE = Place(phones=GATEWAY, pbx=PBX)
# A machine has to know itself by name: Asterisk writes that address into what it offers by TCP and WebSocket.
NAMES = f"127.0.0.1 localhost\n{GATEWAY} talkpath.example.com\n{PBX} pbx.example.com {socket.gethostname()}\n"
NAMESPACE = "pbx"
CONFIGURATION = ROOT / "examples" / "asterisk-sip" / "with-tls.yaml"
ENVIRONMENT = {"PBX_ADDRESS": NEIGHBOURS}
SETTLED_WITHIN = 20.0
LOST_AT_MOST = 0.1  # s of the greeting
ACCOUNTS = ("talkpath", "talkpath-webrtc")
TRUNKS = ("talkpath-trunk", "talkpath-digest", "talkpath-tls")
CODECS: tuple[Codec, ...] = ("ulaw", "alaw")
LEARNING_PORT = 5990
LEARNED_WITHIN = 4
LEARNED_DRIFT = 0.02  # s
WAYS = {"account": "bot", "webrtc": "bot-webrtc", "trunk": "bot-trunk", "digest": "bot-digest", "tls": "bot-tls"}
LEAVING = {"account": "CHANUNAVAIL, cause 3", "trunk": "CONGESTION, cause 34"}

PJSIP = """
[transport-udp]
type = transport
protocol = udp
bind = 0.0.0.0:5060

[phones](!)
type = endpoint
transport = transport-udp
disallow = all
allow = ulaw,alaw
direct_media = no
send_connected_line = no
trust_id_inbound = yes
"""
SETUP = Setup(
    examples=CONFIGURATION.parent,
    files=("pjsip.conf", "http.conf", "extensions.conf"),
    variants={
        "extensions.conf": [
            ("bot-trunk", "bot-info", "@talkpath-trunk", "@talkpath-info"),
            ("bot-digest", "bot-stranger", "@talkpath-digest", "@talkpath-stranger"),
            ("bot-tls", "bot-beside", "@talkpath-tls", "@talkpath-beside"),
            ("bot-tls", "bot-short", "@talkpath-tls", "@talkpath-short"),
        ],
        "pjsip.conf": [
            ("talkpath-trunk", "talkpath-info", "dtmf_mode = rfc4733", "dtmf_mode = info"),
            ("talkpath-digest", "talkpath-stranger", "= talkpath-trunk-auth", "= talkpath-stranger-auth"),
            ("talkpath-trunk-auth", "talkpath-stranger-auth", "change-me-too", "a-wrong-one"),
            ("talkpath-tls", "talkpath-beside", "= sdes ", "= sdes\nmedia_encryption_optimistic = yes ;"),
            ("talkpath-tls", "talkpath-short", "= sdes ", "= sdes\nsrtp_tag_32 = yes ;"),
        ],
    },
    modules=(
        "res_resolver_unbound",
        "res_crypto",
        "res_srtp",
        "res_pjsip_transport_websocket",
        "res_pjsip_registrar",
        "res_pjsip_authenticator_digest",
        "res_pjsip_outbound_authenticator_digest",
        "res_pjsip_refer",
        "res_pjsip_dtmf_info",
        "res_pjsip_header_funcs",
        "res_pjsip_nat",
        "res_pjsip_rfc3326",
        "res_pjsip_logger",
    ),
    pjsip=PJSIP,
    phones=GATEWAY,
    enter=("ip", "netns", "exec", NAMESPACE),
)


def connect_machines() -> None:
    """A cable between the machine we are on and Asterisk's."""
    ours, theirs = f"{GATEWAY}/29", f"{PBX}/29"
    for command in (
        "mount -t tmpfs tmpfs /run",
        "mkdir -p /run/netns",
        f"ip netns add {NAMESPACE}",
        f"ip link add gateway type veth peer name pbx netns {NAMESPACE}",
        f"ip addr add {ours} dev gateway",
        f"ip addr add {STRANGER}/29 dev gateway",
        "ip link set gateway up",
        f"ip -n {NAMESPACE} addr add {theirs} dev pbx",
        f"ip -n {NAMESPACE} link set pbx up",
        f"ip -n {NAMESPACE} link set lo up",
    ):
        subprocess.run(command.split(), check=True)


async def learn_greetings(house: House) -> Mapping[LineCodec, bytes]:
    """What the gateway says first, as telephones hear it that call without any PBX.

    All must have heard the same: one that a busy machine has made stutter would make every call after it look wrong.
    """
    for again in range(LEARNED_WITHIN):
        greetings: dict[LineCodec, bytes] = {codec: await _learn_greeting(house, codec, again) for codec in CODECS}
        if all(_is_alike(one, other) for one in greetings.values() for other in greetings.values()):
            return greetings
        print("a greeting without a PBX stuttered; once more", flush=True)
    raise RuntimeError(f"the gateway's greeting was never the same in {' and '.join(CODECS)}")


def _is_alike(heard: bytes, expected: bytes) -> bool:
    score, drift = likeness(heard, expected)
    return score > RESAMPLED and drift < LEARNED_DRIFT


async def _learn_greeting(house: House, codec: Codec, again: int) -> bytes:
    caller = f"+4420794608{again}{CODECS.index(codec)}"  # the record of each call is found by it
    port = LEARNING_PORT + CODECS.index(codec)
    async with Phone(caller, port, codec=codec, host=GATEWAY, pbx_host=GATEWAY) as phone:
        phone.call("600")
        await phone.until_answered(5)
        await until_said(house, caller, "Hello, this is Acme.")
        return until_last_word(phone.media.timeline()[1])


async def settled(bench: Bench) -> None:
    """Wait until Asterisk knows where the gateway is, after one of them has started."""
    async with asyncio.timeout(SETTLED_WITHIN):
        while True:
            contacts = bench.pbx.ask("pjsip show contacts")
            if all(f" {name}/" in contacts for name in (*ACCOUNTS, *TRUNKS)) and "Unavail" not in contacts:
                return
            for name in TRUNKS:
                bench.pbx.ask(f"pjsip qualify {name}")
            await asyncio.sleep(0.3)


# --- every way -----------------------------------------------------------------------------------------------------
async def talk(bench: Bench, way: str, codec: Codec = "ulaw") -> str:
    """Greeting heard, phrase understood, keys understood; the caller hangs up."""
    async with bench.call(WAYS.get(way, way), "600", codec=codec) as call:
        answered = await call.answered()
        await call.hears("Hello, this is Acme.")
        greeting = greeting_heard(call, codec)
        await call.says("vm-num-i-have")
        await call.hears("four digit code")
        await call.phone.media.press("1290#")
        await call.hears("Your code is 1 2 9 0")
        call.phone.hang_up()
        record = await call.record()
    assert (record["to"], record["by"]) == ("600", "caller"), record
    assert record["custom"]["X-Pbx-Channel"].startswith("PJSIP/bot"), record["custom"]
    assert record["custom"]["X-Pbx-Call"], record["custom"]
    return f"answered in {answered:.2f} s, {greeting}, understood {heard(record)}"


def greeting_heard(call: Call, codec: Codec) -> str:
    """How well the greeting was heard, and how much of its beginning was not: Asterisk connects the two sides after it
    has answered the caller, and what comes before is lost."""
    track, greeting = call.phone.media.timeline()[1], call.bench.greetings[codec]
    begins = round(LOST_AT_MOST * RATE)
    score, drift = likeness(track, greeting[2 * begins :])
    place = correlation(track, greeting[2 * begins : 2 * begins + PIECE])[1]
    lost = max(0.0, LOST_AT_MOST - place)
    assert score > SAME, f"the greeting is not what was sent: {score:.3f}"
    assert drift < MAX_DRIFT, f"the greeting has holes of {drift:.3f} s"
    return f"greeting {score:.3f} but for its first {1000 * lost:.0f} ms, {1000 * drift:.0f} ms of stutter"


async def bot_hangs_up(bench: Bench, way: str) -> str:
    """To a number whose bot is ready before the call is answered: its first word is said at once."""
    async with bench.call(WAYS[way], "601") as call:
        answered = await call.answered()
        await call.hears("Hello, this is Acme.")
        greeting = greeting_heard(call, "ulaw")
        await call.says("queue-thankyou")
        ended = await call.phone.until_over(15)
        assert ended.by == "pbx", ended
        record = await call.record()
    assert record["by"] in ("bot", "gateway"), record["by"]
    said = outcome(bench, "601")
    assert said == "ANSWER, cause 16", said
    assert not bench.reception.invited, "a conversation that is over went on to people"
    return f"answered in {answered:.2f} s; {greeting}; {said}"


async def transfer(bench: Bench, way: str, number: str = "600") -> str:
    """The caller and the colleague hear each other, and the call is over for the gateway."""
    async with bench.call(WAYS[way], number) as call:
        await call.answered()
        seen = await call.hears("Hello, this is Acme.")
        began = asyncio.get_running_loop().time()
        await bench.house.transfer(seen["call_id"], "100")
        await call.reaches_people()
        record = await call.record()
        seconds = asyncio.get_running_loop().time() - began
        assert not call.phone.over.is_set(), "the caller lost his colleague"
    assert (record["result"], record["by"]) == ("transferred", "transfer"), record
    return f"recorded as {record['result']}, {seconds:.1f} s"


async def transfer_refused(bench: Bench, way: str) -> str:
    """The PBX knows no such extension: the caller is told so, and the conversation goes on where it was."""
    async with bench.call(WAYS[way], "600") as call:
        await call.answered()
        seen = await call.hears("Hello, this is Acme.")
        await bench.house.transfer(seen["call_id"], "199")
        await call.hears("I couldn't put you through")
        await goes_on(call)
        record = await call.record()
    assert "unreachable" in str(record["notes"]), record["notes"]
    assert record["by"] == "caller", record
    return f"understood {heard(record)}"


async def goes_on(call: Call) -> None:
    await call.says("hours")
    await call.hears("We are open from nine to five")
    call.phone.hang_up()


async def refused_number(bench: Bench, way: str) -> str:
    """A number the gateway does not know: the dialplan's next route is taken, the caller unanswered until then."""
    return await to_people(bench, WAYS[way], "699", "CHANUNAVAIL, cause 1")


async def to_people(bench: Bench, context: str, number: str, expected: str, within: float = 6.0) -> str:
    async with bench.call(context, number) as call:
        seconds = await call.reaches_people(within)
    said = outcome(bench, number)
    assert said == expected, said
    return f"people after {seconds:.2f} s; {said}"


# --- once ----------------------------------------------------------------------------------------------------------
async def alaw(bench: Bench) -> str:
    return await talk(bench, "trunk", "alaw")


async def keys_beside_plain_audio(bench: Bench) -> str:
    """RTP/AVP with a=crypto (RFC 8643)."""
    return await talk(bench, "bot-beside")


async def short_authentication_tag(bench: Bench) -> str:
    return await talk(bench, "bot-short")


async def keys_by_info(bench: Bench) -> str:
    return await talk(bench, "bot-info")


async def wrong_password(bench: Bench) -> str:
    return await to_people(bench, "bot-stranger", "600", "CHANUNAVAIL, cause 21")


async def stranger(bench: Bench) -> str:
    """An address that is not in `allow` gets no answer at all."""
    async with Phone("stranger", 5989, host=STRANGER, pbx_host=GATEWAY) as phone:
        phone.call("600")
        try:
            await phone.until_answered(1)
        except TimeoutError:
            return "no answer within a second"
    raise AssertionError(f"a stranger was answered: {phone.ended}")


async def full(bench: Bench) -> str:
    bench.house.gateway.stop()
    await bench.house.open(MAX_CALLS="1")
    await settled(bench)
    try:
        async with bench.call("bot-trunk", "600") as first:
            await first.answered()
            figures = await to_people(bench, "bot", "600", "CONGESTION, cause 34")
            await first.hears("Hello, this is Acme.")
    finally:
        bench.house.gateway.stop()
    return figures


async def draining(bench: Bench, way: str) -> str:
    """After SIGTERM the call that is up goes on, and new ones go to people."""
    async with bench.call(WAYS[way], "600") as first:
        await first.answered()
        bench.house.gateway.send(signal.SIGTERM)
        await asyncio.sleep(0.5)
        figures = await to_people(bench, WAYS[way], "600", LEAVING[way])
        await first.hears("Hello, this is Acme.")
        await goes_on(first)
    bench.house.gateway.stop()
    return figures


async def killed(bench: Bench, way: str) -> str:
    """The gateway dies in mid-call: its silence ends the call, and the caller gets people."""
    async with bench.call(WAYS[way], "600") as call:
        await call.answered()
        await asyncio.sleep(1)
        bench.house.gateway.stop(signal.SIGKILL)
        killed_at = asyncio.get_running_loop().time()
        seconds = await call.reaches_people(15) - (killed_at - call.began)
    said = outcome(bench, "600")
    assert said == "ANSWER, cause 44", said
    return f"people {seconds:.2f} s later; {said}"


async def bot_fails(bench: Bench, way: str) -> str:
    """The gateway answers and its bot does not: the number's fallback is heard, and the caller is sent on."""
    bench.house.bot.stop()
    async with bench.call(WAYS[way], "600") as call:
        await call.answered()
        await call.hears("I am putting you through to a colleague")
        await call.reaches_people()
        record = await call.record()
    assert record["result"] == "transferred", record["result"]
    return f"recorded as {record['result']}"


async def down(bench: Bench, way: str) -> str:
    bench.house.gateway.stop()
    return await to_people(bench, WAYS[way], "600", "CHANUNAVAIL, cause 3")


async def down_unnoticed(bench: Bench, way: str) -> str:
    """Before Asterisk has asked again, the first callers wait."""
    bench.house.gateway.stop()
    return await to_people(bench, WAYS[way], "600", "NOANSWER, cause 0", within=15)


CHECKS: dict[str, Check] = {
    **{
        f"sip {way} {check.__name__.replace('_', ' ')}": partial(check, way=way)
        for way in WAYS
        for check in (talk, bot_hangs_up, transfer, transfer_refused, refused_number)
    },
    **{
        f"sip {check.__name__.replace('_', ' ')}": check
        for check in (
            alaw,
            keys_by_info,
            keys_beside_plain_audio,
            short_authentication_tag,
            wrong_password,
            stranger,
            full,
        )
    },
    **{
        f"sip {way} {check.__name__.replace('_', ' ')}": partial(check, way=way)
        for way, check in (
            ("account", bot_fails),
            ("account", draining),
            ("trunk", draining),
            ("account", killed),
            ("trunk", killed),
            ("account", down),
            ("webrtc", killed),
            ("trunk", down_unnoticed),
        )
    },
}
