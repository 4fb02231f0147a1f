"""Calls by baresip, straight to the gateway: a telephone with its own jitter buffer, and its own idea of SIP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from audio.wav import write_wav
from tools.asterisk.sound import correlation
from tools.asterisk.tls import AUTHORITY
from tools.peers.baresip import CODECS, Baresip, Codec, Encryption, baresip, media_ports
from tools.peers.bench import (
    GREETED,
    GREETING,
    HOURS,
    Bench,
    Caller,
    Check,
    heard,
    hears,
    must_have_said,
    recording,
    until_said,
)
from tools.peers.capture import Heard

ANSWERS_WITHIN = 10.0
TALKS = 60.0
"""Seconds for which the telephone says something, silence at the end: it hangs up when its file is at an end."""
OVERHEARD = 0.2
"""Most correlation with the prompt of what somebody on the wire takes for audio, where it is encrypted."""
LEAST: dict[Codec, float] = {"ulaw": 0.95, "alaw": 0.95, "g722": 0.95, "opus": 0.9}
"""Least correlation of what comes out of baresip's jitter buffer, which may leave out or repeat a packet."""


@dataclass(frozen=True)
class Security:
    """How a telephone calls.

    Attributes:
        encryption: Of its audio.
        is_tls: Its signalling goes by TLS.
    """

    encryption: Encryption | None = None
    is_tls: bool = False


PLAIN = Security()


@asynccontextmanager
async def _calling(
    bench: Bench, codec: Codec, word: str, security: Security = PLAIN
) -> AsyncIterator[tuple[Caller, Baresip]]:
    caller = bench.caller()
    speech = bytes(round(GREETED * 8000) * 2) + recording(word)
    says = speech + bytes(round(TALKS * 8000) * 2 - len(speech))
    where = f"{bench.target}:5061;transport=tls" if security.is_tls else bench.target
    async with baresip(
        *(caller.file("baresip"), caller.place, caller.number, codec, says),
        encryption=security.encryption,
        believes=bench.house.folder / AUTHORITY if security.is_tls else None,
    ) as telephone:
        await telephone.tell("dial", f"sip:600@{where}")
        await telephone.hears_of("CALL_ESTABLISHED", ANSWERS_WITHIN)
        yield caller, telephone


def _greeting_heard(bench: Bench, caller: Caller, telephone: Baresip, codec: Codec, security: Security = PLAIN) -> str:
    found, prompt = bench.capture.heard_within(media_ports(caller.place)), bench.prompts[GREETING]
    write_wav(caller.file("heard.wav"), found.pcm(), 8000)
    assert telephone.speaks() == CODECS[codec].partition("/")[0], f"baresip speaks {telephone.speaks()}"
    sound = telephone.decoded()
    write_wav(caller.file("played.wav"), sound, 8000)
    played, _ = correlation(sound, prompt)
    assert played >= LEAST[codec], f"what baresip played is not the prompt: {played:.3f}"
    return f"{_on_the_wire(found, prompt, codec, security)}; played by baresip {played:.4f}"


def _on_the_wire(found: Heard, prompt: bytes, codec: Codec, security: Security) -> str:
    if security.encryption is not None:
        overheard, _ = correlation(found.pcm(), prompt)
        assert overheard < OVERHEARD, f"the prompt can be heard on the wire: {overheard:.3f}"
        return f"{found.summary()}, on the wire {overheard:.3f} of the prompt"
    return hears(found, prompt) if codec in ("ulaw", "alaw") else found.summary()


async def _caller_hangs_up(bench: Bench, codec: Codec, security: Security = PLAIN) -> str:
    async with _calling(bench, codec, "hours", security) as (caller, telephone):
        await until_said(bench.house, caller.number, HOURS)
        await telephone.tell("hangup")
        record = await caller.record()
        await telephone.hears_of("CALL_CLOSED", ANSWERS_WITHIN)
    assert record["by"] == "caller", record["by"]
    return f"{_greeting_heard(bench, caller, telephone, codec, security)}; understood {heard(record)}"


async def conversation_ulaw(bench: Bench) -> str:
    return await _caller_hangs_up(bench, "ulaw")


async def conversation_alaw(bench: Bench) -> str:
    return await _caller_hangs_up(bench, "alaw")


async def conversation_g722(bench: Bench) -> str:
    return await _caller_hangs_up(bench, "g722")


async def conversation_opus(bench: Bench) -> str:
    return await _caller_hangs_up(bench, "opus")


async def conversation_tls_srtp(bench: Bench) -> str:
    return await _caller_hangs_up(bench, "ulaw", Security("srtp-mand", is_tls=True))


async def conversation_tls_srtp_opus(bench: Bench) -> str:
    return await _caller_hangs_up(bench, "opus", Security("srtp-mandf", is_tls=True))


async def conversation_tls_alone(bench: Bench) -> str:
    return await _caller_hangs_up(bench, "alaw", Security(is_tls=True))


async def conversation_srtp_by_udp_beside_plain_audio(bench: Bench) -> str:
    return await _caller_hangs_up(bench, "alaw", Security("srtp"))


async def _bot_hangs_up(bench: Bench, codec: Codec, security: Security = PLAIN) -> str:
    async with _calling(bench, codec, "queue-thankyou", security) as (caller, telephone):
        await telephone.hears_of("CALL_CLOSED", TALKS - GREETED)
        record = await caller.record()
    must_have_said(record, "Goodbye!")
    assert record["by"] in ("bot", "gateway"), record["by"]
    return f"{_greeting_heard(bench, caller, telephone, codec, security)}; {record['result']} by {record['by']}"


async def bot_hangs_up_ulaw(bench: Bench) -> str:
    return await _bot_hangs_up(bench, "ulaw")


async def bot_hangs_up_alaw(bench: Bench) -> str:
    return await _bot_hangs_up(bench, "alaw")


async def bot_hangs_up_tls_srtp(bench: Bench) -> str:
    return await _bot_hangs_up(bench, "ulaw", Security("srtp-mand", is_tls=True))


async def hold(bench: Bench) -> str:
    return await _hold(bench, PLAIN)


async def hold_tls_srtp(bench: Bench) -> str:
    return await _hold(bench, Security("srtp-mand", is_tls=True))


async def _hold(bench: Bench, security: Security) -> str:
    """The telephone's own way of holding and resuming."""
    async with _calling(bench, "ulaw", "hours", security) as (caller, telephone):
        await until_said(bench.house, caller.number, GREETING[:20])
        await telephone.tell("hold")
        await asyncio.sleep(4)
        quiet = bench.capture.heard_within(media_ports(caller.place))
        await telephone.tell("resume")
        await asyncio.sleep(3)
        after = bench.capture.heard_within(media_ports(caller.place))
        await telephone.tell("hangup")
        record = await caller.record()
    assert len(after.taken) - len(quiet.taken) > 50, "the gateway sent nothing after the hold"
    assert record["by"] == "caller", record["by"]
    return f"nothing sent for {after.gaps()[-1]:.1f} s, {len(after.taken) - len(quiet.taken)} packets after it"


TOGETHER: tuple[Check, ...] = (
    conversation_ulaw,
    conversation_alaw,
    conversation_g722,
    conversation_opus,
    bot_hangs_up_ulaw,
    bot_hangs_up_alaw,
    hold,
    conversation_tls_srtp,
    conversation_tls_srtp_opus,
    conversation_tls_alone,
    conversation_srtp_by_udp_beside_plain_audio,
    bot_hangs_up_tls_srtp,
    hold_tls_srtp,
)
