"""What every leg keeps to, over real sockets on loopback, in virtual time.

Lines by RTP, which are SIP and the browser's, differ in what RTP differs in: it carries audio all the time, and the far
side has no buffer, so that audio waits on our side, marks are our own, and what a clear drops was never sent. What else
a line can or cannot do, its capabilities say.
"""

from __future__ import annotations

import asyncio
import itertools

import pytest

from audio.format import L16_8K, L16_16K, PCMU_8K
from audio.frame import Frame
from gateway.caller.peer import (
    AudioHeard,
    Cleared,
    Complained,
    HungUp,
    Keyed,
    MarkAnswered,
)
from gateway.clock import LoopClock
from gateway.errors import LocalProtocolError
from gateway.events import AudioReceived, DigitPressed, LegClosed, MarkReached
from gateway.interfaces import DirectLeg, TransferTarget
from gateway.speech_interfaces import Utterance
from tests.contracts.leg_kinds import (
    TICK,
    Call,
    Kind,
    each_buffered_kind,
    each_kind,
    each_rtp_kind,
    each_webrtc_kind,
    size_of,
    tone,
)
from tests.fakes.virtual_loop import virtual_time


@each_kind
@virtual_time
async def test_who_calls_whom_is_known_when_the_leg_is_offered(kind: Kind) -> None:
    async with Call(kind) as call:
        info = call.leg.info
        assert (info.call_id, info.line, info.called) == ("call-1", "line", "+33100000000")
        assert info.leg_id
        if kind.carries_caller:
            assert info.caller == "+33612345678"
        assert not kind.custom or not kind.carries_caller or info.custom[kind.custom] == "x"


@each_kind
@virtual_time
async def test_three_seconds_each_way_arrive_as_they_were_said(kind: Kind) -> None:
    async with Call(kind) as call:
        said = tone(call.format, 3.0)
        answered = await call.say(3.0)
        await call.line.say(Frame(said, call.format))
        await asyncio.sleep(0.2)
        audio = call.taken.audio
        if not kind.has_buffer:
            audio = audio[audio.index(said) :][: len(said)]
        assert audio == said
        frames = [event.frame for event in call.taken.events if isinstance(event, AudioReceived)]
        assert all(a.end_samples == b.pts_samples for a, b in itertools.pairwise(frames))
        assert frames[0].pts_samples == 0
        (heard,) = call.line.heard()
        assert heard.data == answered


@each_rtp_kind
@virtual_time
async def test_audio_can_be_had_where_it_arrives_and_keys_still_come_as_events(kind: Kind) -> None:
    async with Call(kind) as call:
        said, heard = tone(call.format, 1.0), list[Frame]()
        assert isinstance(call.leg, DirectLeg)
        call.leg.pass_audio(heard.append)
        before = len(call.taken.audio)
        await call.line.say(Frame(said, call.format))
        await call.line.press("7")
        await call.desk.until(lambda: call.taken.told == [DigitPressed(digit="7")])
        assert said in b"".join(frame.data for frame in heard)
        assert len(call.taken.audio) == before
        await asyncio.sleep(1.0)  # the key sounds on, in place of audio
        call.leg.pass_audio(None)
        await call.line.say(Frame(said, call.format))
        await asyncio.sleep(0.2)
        assert said in call.taken.audio[before:]


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
        if kind.has_buffer:
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
        assert (over.by, over.code) == ("gateway", 1000 if kind.has_buffer else None)


@each_webrtc_kind
@virtual_time
async def test_a_caller_whose_media_say_goodbye_has_hung_up(kind: Kind) -> None:
    """Browsers close their media at once, and the BYE comes behind, or the page was closed and none comes."""
    async with Call(kind) as call:
        assert kind.close_media is not None
        await kind.close_media(call.line)
        assert (await call.closed()).by == "caller"


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
        other = call.client.connect(call.url, called="+33100000000", auth=kind.auth)
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


@each_kind
@virtual_time
async def test_keys_that_we_press_are_heard_and_speech_waits_for_them(kind: Kind) -> None:
    async with Call(kind) as call:
        if not call.leg.capabilities.can_send_digits:
            with pytest.raises(LocalProtocolError):
                await call.leg.send_digits("1")
            return
        saying = asyncio.create_task(call.say(1.0))
        await asyncio.sleep(0.3)
        await call.leg.send_digits("110#")
        said = await saying
        await call.leg.mark("end")
        await call.desk.until(lambda: MarkReached(mark_id="end") in call.taken.told)
        events = await call.until_heard(lambda events: sum(map(size_of, events)) >= len(said))
        assert [event.digit for event in events if isinstance(event, Keyed)] == list("110#")
        assert [event for event in events if isinstance(event, Complained)] == []
        assert call.heard() == said


@each_rtp_kind
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
        can = call.leg.capabilities
        assert (can.can_transfer, can.can_send_digits) == (kind.can_transfer, kind.can_send_digits)
        if not can.can_transfer:
            outcome = await call.leg.transfer(TransferTarget(transfer_id="t", target="sip:100@pbx"))
            assert (outcome.ok, outcome.cause) == (False, "unsupported")
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
        has_marks = kind.has_buffer
        events = await call.until_heard(
            lambda events: (
                has_marks <= any(isinstance(e, MarkAnswered) for e in events) and sum(map(size_of, events)) >= len(said)
            )
        )
        pieces = [event for event in events if isinstance(event, AudioHeard)]
        assert b"".join(piece.frame.data for piece in pieces) == said
        assert all(b.at == pytest.approx(a.at + a.frame.duration) for a, b in itertools.pairwise(pieces))
        assert [event.cleared for event in events if isinstance(event, MarkAnswered)] == [False] * has_marks
