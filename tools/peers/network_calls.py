"""Calls by SIPp over a network that loses packets, and with a clock that is wrong.

What came in is judged by the gateway's own recording, which has the caller on the left: packet by packet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from audio.codecs.g711 import decode, encode
from audio.format import Encoding
from tools.asterisk.media import SAMPLES
from tools.asterisk.sound import correlation, level
from tools.peers.bench import GREETED, Bench, Caller, Check, heard, must_have_said, recording
from tools.peers.scenario import answered, bye, invite, pause, play
from tools.peers.sipp_calls import ANSWERED_IN, CODE, asks_for_code
from tools.peers.talk import Sent, lose, run_at

SPEECH = ("demo-congrats",)
SAME_DELAY = 0.02
"""Seconds by which the delay may differ between the beginning and the end of a speech: one packet."""
SAME_ANSWER = 0.2
"""Seconds by which the time to an answer may differ between the beginning and the end of a call."""
GATEWAY_PORTS = range(21000, 22000)
TRIES = 3
HELD_UP = 0.06
"""Seconds by which a caller may be late himself."""


def lost_slots(track: bytes, speech: bytes) -> tuple[int, float, float]:
    """Compare a recorded speech with what was said.

    Args:
        track, speech: PCM at 8 kHz; the speech as it was before it was coded.
    Returns:
        How many of its packets are not in the recording as they were sent, and where its first and its second half
        are, in seconds.
    """
    sent = decode(encode(speech, Encoding.PCMU), Encoding.PCMU)
    half = len(sent) // (4 * SAMPLES) * 2 * SAMPLES
    places = [correlation(track, part)[1] for part in (sent[:half], sent[half:])]
    missing = 0
    for part, place in zip((sent[:half], sent[half:]), places, strict=True):
        was = np.frombuffer(part[: len(part) // (2 * SAMPLES) * 2 * SAMPLES], "<i2").reshape(-1, SAMPLES)
        start = round(place * 8000)
        found = np.frombuffer(track, "<i2")[start : start + was.size]
        found = np.pad(found, (0, was.size - len(found))).reshape(-1, SAMPLES)
        missing += int(np.sum(np.mean(found == was, axis=1) < 0.5))
    return missing, places[0], places[1] - half / 16000


async def _loss(bench: Bench, share: float, seed: int) -> str:
    """A code is keyed in and a speech is held; no more is lost than the network loses, and nothing comes later.

    A busy machine holds SIPp up as well. What comes in a burst then is more than a network does that loses packets.
    """
    for _ in range(TRIES - 1):
        caller = bench.caller()
        try:
            return await _talk_with_loss(bench, caller, share, seed)
        except AssertionError as error:
            if (late := caller.lateness(GATEWAY_PORTS)) < HELD_UP:
                raise
            print(f"     loss: SIPp was {1000 * late:.0f} ms late itself, so once more; {error}", flush=True)
    return await _talk_with_loss(bench, bench.caller(), share, seed)


async def _talk_with_loss(bench: Bench, caller: Caller, share: float, seed: int) -> str:
    speech = b"".join(recording(name) for name in SPEECH)
    talk = asks_for_code(caller.talk()).press(CODE).silence(ANSWERED_IN)
    began = len(talk.sent)
    talk.say(speech)
    ended = len(talk.sent)
    talk.silence(1.0)
    kept = lose(talk.sent, share, seed)
    lost = len(talk.sent[began:ended]) - sum(one in set(kept) for one in talk.sent[began:ended])
    await caller.run(invite(), answered(), play(caller.plays(kept)), pause(talk.seconds), *bye())
    record = await caller.record()
    must_have_said(record, "Your code is 1 2 9 0")
    missing, first, second = lost_slots(await bench.house.recorded(record["call_id"]), speech)
    figures = (
        f"of {ended - began} packets the network lost {lost}, the gateway lacks {missing}; "
        f"delay grew by {1000 * (second - first):.0f} ms; understood {heard(record)[:2]}"
    )
    assert missing <= lost, figures
    assert abs(second - first) < SAME_DELAY, figures
    return figures


async def loss_1_percent(bench: Bench) -> str:
    return await _loss(bench, 0.01, seed=1)


async def loss_2_percent(bench: Bench) -> str:
    return await _loss(bench, 0.02, seed=2)


async def loss_5_percent(bench: Bench) -> str:
    return await _loss(bench, 0.05, seed=5)


async def _clock(bench: Bench, ppm: float) -> str:
    """A word at the beginning and one at the end are answered alike. In between the caller keeps talking."""
    caller = bench.caller()
    talk = caller.talk().until(GREETED).say(recording("hours"))
    first = talk.seconds
    while talk.silence(ANSWERED_IN).seconds < bench.clock_seconds:
        talk.say(recording("hours"))
    talk.say(recording("location"))
    last = talk.seconds
    talk.silence(ANSWERED_IN)
    sent = run_at(talk.sent, ppm)
    await caller.run(
        *(invite(), answered(), play(caller.plays(sent)), pause(sent[-1].at), *bye()), within=sent[-1].at + 30
    )
    record = await caller.record()
    must_have_said(record, "We are open from nine to five")
    must_have_said(record, "12 Station Road")
    began = _began(bench, sent)
    delays = [_answered_after(caller, began + moment / (1 + ppm / 1e6)) for moment in (first, last)]
    understood = dict(Counter(heard(record)))
    figures = f"in {sent[-1].at:.0f} s; answers after {delays[0]:.2f} and {delays[1]:.2f} s; understood {understood}"
    assert abs(delays[1] - delays[0]) < SAME_ANSWER, figures
    return figures


def _began(bench: Bench, sent: Iterable[Sent]) -> float:
    """When the first packet of a talk was on the wire."""
    first = next(iter(sent)).packet
    return next(one.at for one in bench.capture.heard_within(GATEWAY_PORTS).taken if one.data == first)


def _answered_after(caller: Caller, moment: float) -> float:
    """Seconds from a moment until the gateway says something."""
    found = caller.heard()
    for one in found.taken:
        if one.at > moment and level(decode(one.data[12:], Encoding.PCMU)) > -45:
            return one.at - moment
    raise AssertionError("the gateway said nothing")


async def clock_500_ppm_fast(bench: Bench) -> str:
    return await _clock(bench, 500)


async def clock_500_ppm_slow(bench: Bench) -> str:
    return await _clock(bench, -500)


TOGETHER: tuple[Check, ...] = (
    clock_500_ppm_fast,
    clock_500_ppm_slow,
    loss_1_percent,
    loss_2_percent,
    loss_5_percent,
)
