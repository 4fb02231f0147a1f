"""What every leg keeps to, over real sockets on loopback, in virtual time.

Lines by SIP differ in what RTP differs in: it carries audio all the time, and the far side has no buffer, so that audio
waits on our side, marks are our own, and what a clear drops was never sent.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from audio.format import L16_8K, L16_16K, PCMU_8K, AudioFormat
from audio.frame import Frame
from config.lines import AuthSection
from gateway.caller.asterisk_line import AsteriskCaller
from gateway.caller.line import CallerClient
from gateway.caller.peer import (
    Answered,
    AudioHeard,
    CallerAuth,
    Cleared,
    Complained,
    FarEvent,
    HungUp,
    Keyed,
    MarkAnswered,
)
from gateway.caller.sip import SipCaller
from gateway.caller.twilio import TwilioCaller
from gateway.clock import LoopClock
from gateway.errors import LocalProtocolError
from gateway.events import AudioReceived, DigitPressed, LegClosed, MarkReached
from gateway.interfaces import TransferTarget, Transport
from gateway.speech_interfaces import Utterance
from gateway.transports.asterisk.settings import AsteriskLine
from gateway.transports.asterisk.transport import AsteriskTransport
from gateway.transports.sip.settings import SipLine
from gateway.transports.sip.transport import SipTransport
from gateway.transports.sockets import LineContext
from gateway.transports.twilio.settings import TwilioLine
from gateway.transports.twilio.transport import TwilioTransport
from tests.fakes.desk import Desk, TakenCall, open_line
from tests.fakes.sip_line import rtp_ports, trunk_url
from tests.fakes.virtual_loop import virtual_time

TICK = 0.02
BASIC = AuthSection.model_validate({"basic": {"username": "pbx", "password": "secret"}})
DIGEST = AuthSection.model_validate({"digest": {"realm": "pbx", "users": {"pbx": "secret"}}})
TWILIO = AuthSection.model_validate({"twilio_signature": "12345"})


def context() -> LineContext:
    ids = itertools.count(1)
    return LineContext(new_id=lambda: f"call-{next(ids)}")


@dataclass(frozen=True)
class Kind:
    """A kind of leg: our side, the far side, and how the far side proves itself.

    Attributes:
        path: Of the socket on the shared port; empty: `trunk`.
        trunk: Finds the address of a line with a socket of its own.
        custom: A name for call data, as the line has it.
        is_sip: See the module.
    """

    transport: Callable[[], Transport]
    client: Callable[[], CallerClient]
    auth: CallerAuth
    path: str = ""
    trunk: Callable[[Transport], Awaitable[str]] | None = None
    carries_caller: bool = True
    waits_for_answer: bool = False
    custom: str = "Bot"
    is_sip: bool = False


def _size(event: FarEvent) -> int:
    return len(event.frame.data) if isinstance(event, AudioHeard) else 0


def asterisk(
    client: Callable[[], CallerClient], *, carries_caller: bool = True, waits_for_answer: bool = False
) -> Kind:
    return Kind(
        lambda: AsteriskTransport("line", AsteriskLine(auth=BASIC), context()),
        client,
        CallerAuth(username="pbx", password="secret"),
        "/media/asterisk",
        carries_caller=carries_caller,
        waits_for_answer=waits_for_answer,
    )


def sip(trunk: str = "") -> Kind:
    """Over UDP or TCP with RTP, or over WebSocket with WebRTC."""
    door = {"listen": f"{trunk}:127.0.0.1:0", "auth": DIGEST} if trunk else {"path": "/sip", "auth": BASIC}
    line = SipLine.model_validate({**door, "rtp": {"host": "127.0.0.1", "ports": rtp_ports()}})
    return Kind(
        lambda: SipTransport("line", line, context()),
        lambda: SipCaller(),
        CallerAuth(username="pbx", password="secret"),
        path="" if trunk else "/sip",
        trunk=trunk_url if trunk else None,
        custom="X-Bot",
        is_sip=True,
    )


KINDS = {
    "twilio": Kind(
        lambda: TwilioTransport("line", TwilioLine(auth=TWILIO), context()),
        lambda: TwilioCaller(),
        CallerAuth(twilio_token="12345"),
        "/media/twilio",
    ),
    "asterisk-json": asterisk(lambda: AsteriskCaller()),
    "asterisk-json-alaw-n": asterisk(lambda: AsteriskCaller(codec="alaw", answers_itself=False), waits_for_answer=True),
    "asterisk-plain-slin16": asterisk(lambda: AsteriskCaller(codec="slin16", is_json=False), carries_caller=False),
    "asterisk-20.16": asterisk(lambda: AsteriskCaller(is_old=True), carries_caller=False),
    "sip-udp-rtp": sip("udp"),
    "sip-tcp-rtp": sip("tcp"),
    "sip-ws-webrtc": sip(),
}
BUFFERED = {name: kind for name, kind in KINDS.items() if not kind.is_sip}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
each_buffered_kind = pytest.mark.parametrize("kind", BUFFERED.values(), ids=BUFFERED)
SIP = {name: kind for name, kind in KINDS.items() if kind.is_sip}
each_sip_kind = pytest.mark.parametrize("kind", SIP.values(), ids=SIP)


def tone(format: AudioFormat, seconds: float) -> bytes:
    """Bytes that are all different, so that a missing or doubled one shows."""
    size = format.size(seconds)
    return bytes((i * 7 + i // 251) % 256 for i in range(size))


class Call:
    """A call from both sides: `line` is the caller's, `taken` ours."""

    def __init__(self, kind: Kind, desk: Desk | None = None) -> None:
        self.kind = kind
        self.desk = desk or Desk()

    async def __aenter__(self) -> Call:
        transport = self.kind.transport()
        self._open = open_line(transport, self.desk)
        port = await self._open.__aenter__()
        self.url = await self.kind.trunk(transport) if self.kind.trunk else port.url + self.kind.path
        custom = {self.kind.custom: "x"}
        self.line = self.kind.client().connect(
            self.url, caller="+33612345678", called="+33100000000", custom=custom, auth=self.kind.auth
        )
        await self.line.__aenter__()
        self.taken: TakenCall = await self.desk.call()
        await self.desk.until(lambda: self.taken.is_answered)
        self.leg = self.taken.leg
        self.format = self.leg.capabilities.format
        if self.kind.waits_for_answer:
            await self.until_heard(lambda events: isinstance(events[-1], Answered))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.line.__aexit__(None, None, None)
        await self._open.__aexit__(None, None, None)

    async def closed(self) -> LegClosed:
        await self.desk.until(lambda: self.taken.is_over)
        assert [event for event in self.taken.events if isinstance(event, LegClosed)] == self.taken.events[-1:]
        closed = self.taken.events[-1]
        assert isinstance(closed, LegClosed)
        return closed

    async def until_heard(self, condition: Callable[[list[FarEvent]], bool], within: float = 30.0) -> list[FarEvent]:
        events: list[FarEvent] = []
        async with asyncio.timeout(within):
            async for event in self.line.events():
                events.append(event)
                if condition(events):
                    break
        return events

    async def say(self, seconds: float) -> bytes:
        """Have the gateway say something, ahead of time, in messages as the playout makes them; where little may wait
        to be heard, it takes its time."""
        data = tone(self.format, seconds)
        size = self.format.size(0.2)
        for start in range(0, len(data), size):
            await self.leg.send_audio(Frame(data[start : start + size], self.format))
        return data

    @asynccontextmanager
    async def saying(self, seconds: float) -> AsyncIterator[bytes]:
        """Have the gateway say something, and clear it before it is over."""
        saying = asyncio.create_task(self.say(seconds))
        yield tone(self.format, seconds)
        saying.cancel()
        await asyncio.wait([saying])
        await self.leg.clear()

    def heard(self) -> bytes:
        return b"".join(piece.data for piece in self.line.heard())


@each_kind
@virtual_time
async def test_who_calls_whom_is_known_when_the_leg_is_offered(kind: Kind) -> None:
    async with Call(kind) as call:
        info = call.leg.info
        assert (info.call_id, info.line, info.called) == ("call-1", "line", "+33100000000")
        assert info.leg_id
        if kind.carries_caller:
            assert info.caller == "+33612345678"
            assert info.custom[kind.custom] == "x"


@each_kind
@virtual_time
async def test_three_seconds_each_way_arrive_as_they_were_said(kind: Kind) -> None:
    async with Call(kind) as call:
        said = tone(call.format, 3.0)
        answered = await call.say(3.0)
        await call.line.say(Frame(said, call.format))
        await asyncio.sleep(0.2)
        audio = call.taken.audio
        if kind.is_sip:
            audio = audio[audio.index(said) :][: len(said)]
        assert audio == said
        frames = [event.frame for event in call.taken.events if isinstance(event, AudioReceived)]
        assert all(a.end_samples == b.pts_samples for a, b in itertools.pairwise(frames))
        assert frames[0].pts_samples == 0
        (heard,) = call.line.heard()
        assert heard.data == answered


@each_kind
@virtual_time
async def test_a_mark_comes_back_when_what_is_before_it_was_heard(kind: Kind) -> None:
    async with Call(kind) as call:
        start = LoopClock().now()
        await call.say(1.0)
        await call.leg.mark("one")
        await call.say(0.5)
        await call.leg.mark("two")
        one, two = MarkReached(mark_id="one"), MarkReached(mark_id="two")
        await call.desk.until(lambda: call.taken.told == [one, two])
        assert call.taken.time_of(one) - start == pytest.approx(1.0, abs=2 * TICK)
        assert call.taken.time_of(two) - start == pytest.approx(1.5, abs=2 * TICK)


@each_kind
@virtual_time
async def test_a_mark_behind_nothing_comes_back_at_once(kind: Kind) -> None:
    async with Call(kind) as call:
        start = LoopClock().now()
        await call.leg.mark("now")
        await call.desk.until(lambda: call.taken.told == [MarkReached(mark_id="now")])
        assert LoopClock().now() - start <= 2 * TICK


@each_kind
@virtual_time
async def test_a_clear_takes_back_what_was_not_heard(kind: Kind) -> None:
    async with Call(kind) as call:
        async with call.saying(3.0) as said:
            await asyncio.sleep(1.0)
        if not kind.is_sip:
            events = await call.until_heard(lambda events: isinstance(events[-1], Cleared))
            cleared = events[-1]
            assert isinstance(cleared, Cleared)
            assert cleared.seconds == pytest.approx(2.0, abs=2 * TICK)
        await asyncio.sleep(3.0)
        heard = call.heard()
        assert heard == said[: len(heard)]
        assert call.format.seconds(len(heard)) == pytest.approx(1.0, abs=2 * TICK)


@each_kind
@virtual_time
async def test_after_a_clear_speech_goes_on_at_once(kind: Kind) -> None:
    async with Call(kind) as call:
        async with call.saying(3.0):
            await asyncio.sleep(0.5)
            await call.leg.mark("old")
        start = LoopClock().now()
        await call.say(0.4)
        await call.leg.mark("new")
        await call.desk.until(lambda: MarkReached(mark_id="new") in call.taken.told)
        assert LoopClock().now() - start == pytest.approx(0.4, abs=2 * TICK)


@each_kind
@virtual_time
async def test_audio_of_any_length_is_heard_once_a_mark_is_behind_it(kind: Kind) -> None:
    async with Call(kind) as call:
        data = tone(call.format, 0.05)
        for start in range(0, len(data), 34):
            await call.leg.send_audio(Frame(data[start : start + 34], call.format))
        await call.leg.mark("end")
        await call.desk.until(lambda: call.taken.told == [MarkReached(mark_id="end")])
        await asyncio.sleep(0.1)
        heard = call.heard()
        silence = call.format.silence(call.format.samples(len(heard) - len(data)))
        assert heard == data + silence
        assert call.format.seconds(len(silence)) < TICK


@each_kind
@virtual_time
async def test_the_peer_has_nothing_to_complain_about(kind: Kind) -> None:
    async with Call(kind) as call:
        await call.say(1.0)
        await call.leg.mark("a" * 36)
        await call.leg.clear()
        sending = asyncio.create_task(call.leg.send_audio(Frame(tone(call.format, 10.0), call.format)))
        await asyncio.sleep(0)
        await call.leg.hang_up("normal")
        await sending
        events = await call.until_heard(lambda events: isinstance(events[-1], HungUp))
        assert [event for event in events if isinstance(event, Complained)] == []


@each_kind
@virtual_time
async def test_keys_arrive_in_order(kind: Kind) -> None:
    async with Call(kind) as call:
        await call.line.press("0189*#")
        await call.desk.until(lambda: len(call.taken.told) == 6)
        assert call.taken.told == [DigitPressed(digit=digit) for digit in "0189*#"]


@each_kind
@virtual_time
async def test_the_caller_hangs_up(kind: Kind) -> None:
    async with Call(kind) as call:
        await call.line.hang_up()
        assert (await call.closed()).by == "caller"


@each_kind
@virtual_time
async def test_we_hang_up_and_twice_is_harmless(kind: Kind) -> None:
    async with Call(kind) as call:
        await call.leg.hang_up("no_input")
        await call.leg.hang_up("normal")
        assert await call.closed() == LegClosed(by="gateway", reason="no_input")
        over = await call.line.wait_until_over()
        assert (over.by, over.code) == ("gateway", None if kind.is_sip else 1000)


@each_kind
@virtual_time
async def test_the_connection_is_lost(kind: Kind) -> None:
    async with Call(kind) as call:
        call.line.vanish()
        assert (await call.closed()).by == "failure"


@each_kind
@virtual_time
async def test_a_peer_that_freezes_is_noticed_within_20_s(kind: Kind) -> None:
    async with Call(kind) as call:
        start = LoopClock().now()
        call.line.freeze()
        assert (await call.closed()).by == "failure"
        assert LoopClock().now() - start <= 20.0 + 2 * TICK  # in RTP it is the silence that is noticed, and by slots
        call.line.vanish()


@each_kind
@virtual_time
async def test_nothing_is_raised_by_a_leg_that_is_gone(kind: Kind) -> None:
    async with Call(kind) as call:
        await call.line.hang_up()
        await call.closed()
        await call.say(0.2)
        await call.leg.mark("late")
        await call.leg.clear()
        await call.leg.answer()
        await call.leg.hang_up("normal")


@each_buffered_kind
@virtual_time
async def test_one_malformed_message_costs_that_call_only(kind: Kind) -> None:
    async with Call(kind) as call:
        other = kind.client().connect(call.url, called="+33100000000", auth=kind.auth)
        async with other:
            second = await call.desk.call(1)
            await call.line.send_raw('{"event":' if kind.path.endswith("twilio") else "}{")
            assert (await call.closed()).by == "failure"
            over = await call.line.wait_until_over()
            assert (over.code, bool(over.reason)) == (1007, True)
            await other.press("7")
            await call.desk.until(lambda: second.told == [DigitPressed(digit="7")])


@each_buffered_kind
@virtual_time
async def test_an_oversized_message_ends_the_call(kind: Kind) -> None:
    async with Call(kind) as call:
        await call.line.send_raw("x" * ((1 << 20) + 1))
        assert (await call.closed()).by == "failure"
        assert (await call.line.wait_until_over()).code == 1009


@each_sip_kind
@virtual_time
async def test_keys_that_we_press_are_heard_and_speech_waits_for_them(kind: Kind) -> None:
    async with Call(kind) as call:
        saying = asyncio.create_task(call.say(1.0))
        await asyncio.sleep(0.3)
        await call.leg.send_digits("110#")
        said = await saying
        await call.leg.mark("end")
        await call.desk.until(lambda: MarkReached(mark_id="end") in call.taken.told)
        events = await call.until_heard(lambda events: sum(map(_size, events)) >= len(said))
        assert [event.digit for event in events if isinstance(event, Keyed)] == list("110#")
        assert [event for event in events if isinstance(event, Complained)] == []
        assert call.heard() == said


@each_sip_kind
@virtual_time
async def test_malformed_messages_and_packets_cost_nothing(kind: Kind) -> None:
    async with Call(kind) as call:
        await call.line.send_raw("INVITE sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n")
        await call.line.send_raw(b"\x80\x00")
        await call.line.send_raw(bytes(range(64)))
        await call.line.press("7")
        await call.desk.until(lambda: call.taken.told == [DigitPressed(digit="7")])
        assert call.line.hung_up is None


@each_kind
@virtual_time
async def test_what_the_line_cannot_do_is_said(kind: Kind) -> None:
    async with Call(kind) as call:
        assert call.leg.capabilities.can_transfer is kind.is_sip
        target = TransferTarget(transfer_id="t", target="sip:100@pbx", mode="attended" if kind.is_sip else "blind")
        outcome = await call.leg.transfer(target)
        assert (outcome.ok, outcome.cause) == (False, "unsupported")
        if not kind.is_sip:
            with pytest.raises(LocalProtocolError):
                await call.leg.send_digits("1")
        with pytest.raises(LocalProtocolError):
            await call.leg.speak(Utterance(text="hello"), "m")
        wrong = L16_8K if call.format in (PCMU_8K, L16_16K) else PCMU_8K
        with pytest.raises(LocalProtocolError):
            await call.leg.send_audio(Frame(b"\0\0", wrong))


@each_kind
@virtual_time
async def test_the_far_side_tells_what_it_heard_piece_by_piece(kind: Kind) -> None:
    async with Call(kind) as call:
        said = await call.say(0.5)
        await call.leg.mark("end")
        has_marks = not kind.is_sip
        events = await call.until_heard(
            lambda events: (
                has_marks <= any(isinstance(e, MarkAnswered) for e in events) and sum(map(_size, events)) >= len(said)
            )
        )
        pieces = [event for event in events if isinstance(event, AudioHeard)]
        assert b"".join(piece.frame.data for piece in pieces) == said
        assert all(b.at == pytest.approx(a.at + a.frame.duration) for a, b in itertools.pairwise(pieces))
        assert [event.cleared for event in events if isinstance(event, MarkAnswered)] == [False] * has_marks
