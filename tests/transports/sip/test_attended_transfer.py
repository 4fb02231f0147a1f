"""Attended transfers by a leg: the target is called first. Real sockets, and an exchange that does as a test wants."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from audio.rtp.packet import RtpPacket, is_rtcp
from gateway.clock import LoopClock
from gateway.events import LegClosed
from gateway.interfaces import TransferOutcome, TransferTarget
from gateway.transports.media.call_media import MediaSettings
from gateway.transports.media.ports import MediaOptions, PortRange
from gateway.transports.media.ticker import Ticker
from gateway.transports.sip.consulting import JOINED_WITHIN
from gateway.transports.sip.flow import CallKey
from gateway.transports.sip.message import SipRequest
from gateway.transports.sip.settings import SipLine
from gateway.transports.sip.transfers import Origin, Transfers, shown_as
from gateway.transports.sip.transport import SipTransport
from gateway.transports.sip.ua_events import CallEvent, Invited
from gateway.transports.sockets import LineContext
from tests.fakes.desk import Desk, TakenCall, open_line
from tests.fakes.exchange import ABILITIES, Exchange, Side, exchange, sent_to
from tests.fakes.plain_phone import port_in
from tests.fakes.sip_agent import ANSWER, OFFER, AgentAndPeer
from tests.fakes.sip_line import rtp_ports, trunk_url
from tests.fakes.virtual_loop import virtual_time

RING = 10.0
TARGET = TransferTarget(transfer_id="t", target="200", mode="attended", ring=RING, headers={"X-Case": "7"})
REPLACES = ["Supported: replaces"]
SILENCE = {0xFF, 0xFE}
"""In mu-law: as such, and as what a-law calls silence."""


class House:
    """A gateway, and the exchange that has called it."""

    def __init__(self, desk: Desk, exchange: Exchange, caller: Side, taken: TakenCall) -> None:
        self.desk = desk
        self.exchange = exchange
        self.caller = caller
        self.taken = taken

    @asynccontextmanager
    async def transferring(self, target: TransferTarget = TARGET) -> AsyncIterator[asyncio.Task[TransferOutcome]]:
        task = asyncio.create_task(self.taken.leg.transfer(target))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def answered(self) -> tuple[Side, SipRequest]:
        """The target has answered; his call, and the REFER."""
        invite = await self.exchange.request("INVITE")
        self.exchange.answers(invite, 180, tag="target")
        side = self.exchange.answers(invite, tag="target", extra=REPLACES, body=self.exchange.sdp())
        await self.exchange.request("ACK")
        return side, await self.exchange.request("REFER")

    async def hangs_up_on(self, side: Side) -> None:
        bye = await self.exchange.request("BYE")
        assert bye.call_id == side.call_id
        self.exchange.answers(bye)

    async def still_talks(self) -> None:
        """The caller is with us."""
        assert not self.exchange.has_heard("BYE")
        self.exchange.ask("OPTIONS", self.caller)
        assert (await self.exchange.response(self.caller)).status == 200
        assert self.taken.told == []


@asynccontextmanager
async def house(*, extra: Any = ABILITIES, **more: Any) -> AsyncIterator[House]:
    ids, desk = itertools.count(1), Desk()
    settings = {
        "listen": "udp:127.0.0.1:0",
        "allow": "127.0.0.1",
        "rtp": {"host": "127.0.0.1", "ports": rtp_ports()},
        **more,
    }
    transport = SipTransport("line", SipLine.model_validate(settings), LineContext(new_id=lambda: f"call-{next(ids)}"))
    async with open_line(transport, desk), exchange(await trunk_url(transport)) as trunk:
        caller = await trunk.calls(extra=extra)
        taken = await desk.call()
        await desk.until(lambda: taken.is_answered)
        yield House(desk, trunk, caller, taken)


# --- it works ------------------------------------------------------------------------------------------------------
@virtual_time
async def test_the_caller_is_sent_into_the_call_that_the_target_has_answered() -> None:
    async with house() as it, it.transferring() as transfer:
        invite = await it.exchange.request("INVITE")
        assert str(invite.uri) == "sip:200@127.0.0.1"
        assert (invite.from_.display, invite.headers.get("X-Case")) == ("Caller", "7")
        it.exchange.answers(invite, 180, tag="target")
        target = it.exchange.answers(invite, tag="target", extra=REPLACES, body=it.exchange.sdp())
        refer = await it.exchange.request("REFER")
        assert refer.call_id == it.caller.call_id
        uri = sent_to(refer)
        assert (uri.user, uri.host) == ("200", "127.0.0.1")
        assert uri.header("Replaces") == f"{invite.call_id};to-tag=target;from-tag={invite.from_.tag}"
        it.exchange.answers(refer, 202)
        it.exchange.notifies(it.caller, "100 Trying", "active;expires=60")
        assert not it.exchange.has_heard("BYE")
        it.exchange.notifies(it.caller, "200 OK")
        await it.hangs_up_on(target)
        assert await transfer == TransferOutcome(ok=True, sip_code=200)
        assert it.taken.told == []


@virtual_time
async def test_who_answers_hears_silence_until_the_caller_is_there() -> None:
    async with house() as it, it.transferring() as transfer:
        target, refer = await it.answered()
        senders = {RtpPacket.from_wire(data).ssrc for data in await packets(it.exchange, 20)}
        assert len(senders) == 2  # the caller hears silence, too
        it.exchange.answers(refer, 202)
        it.exchange.notifies(it.caller, "200 OK")
        await it.hangs_up_on(target)
        assert (await transfer).ok
        await packets(it.exchange, 10)
        after = {RtpPacket.from_wire(data).ssrc for data in await packets(it.exchange, 10)}
        assert len(after) == 1  # the media of the target's call are closed


async def packets(trunk: Exchange, count: int) -> list[bytes]:
    """The next ones of audio, all of them silent."""
    found: list[bytes] = []
    async with asyncio.timeout(5):
        while len(found) < count:
            data, _ = await trunk.media.arrived.get()
            if not is_rtcp(data):
                assert set(RtpPacket.from_wire(data).payload) <= SILENCE
                found.append(data)
    return found


@virtual_time
async def test_a_side_that_lets_go_of_us_has_the_caller_although_nobody_says_so() -> None:
    async with house() as it, it.transferring() as transfer:
        target, refer = await it.answered()
        it.exchange.answers(refer, 202)
        it.exchange.ask("BYE", target)
        assert (await it.exchange.response(target)).status == 200
        it.exchange.ask("BYE", it.caller)
        assert (await transfer) == TransferOutcome(ok=True)
        closed = await asyncio.wait_for(ended(it), 5)
        assert closed.by == "caller"


@virtual_time
async def test_a_side_that_lets_go_of_us_and_says_no_more_has_the_caller_when_time_is_up() -> None:
    async with house() as it, it.transferring() as transfer:
        target, refer = await it.answered()
        it.exchange.answers(refer, 202)
        it.exchange.ask("BYE", target)
        async with asyncio.timeout(RING + JOINED_WITHIN + 1):
            assert (await transfer) == TransferOutcome(ok=True)


async def ended(it: House) -> LegClosed:
    await it.desk.until(lambda: it.taken.is_over)
    closed = it.taken.events[-1]
    assert isinstance(closed, LegClosed)
    return closed


# --- nobody there --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (486, "busy"),
        (404, "unreachable"),
        (480, "no_answer"),
        (503, "unreachable"),
        (603, "rejected"),
        (403, "rejected"),
        (407, "rejected"),
        (302, "failed"),
        (500, "failed"),
    ],
)
@virtual_time
async def test_a_target_who_does_not_take_the_call_leaves_the_caller_with_the_bot(status: int, cause: str) -> None:
    async with house() as it, it.transferring() as transfer:
        invite = await it.exchange.request("INVITE")
        it.exchange.answers(invite, 180, tag="target")
        it.exchange.answers(invite, status, tag="target", extra=["Contact: <sip:990@elsewhere.example>"])
        assert await transfer == TransferOutcome(ok=False, cause=cause, sip_code=status)
        await it.exchange.request("ACK")
        assert not it.exchange.has_heard("REFER")
        assert not it.exchange.has_heard("INVITE")
        await it.still_talks()


@virtual_time
async def test_a_target_who_does_not_answer_is_given_up() -> None:
    async with house() as it, it.transferring() as transfer:
        began = asyncio.get_running_loop().time()
        invite = await it.exchange.request("INVITE")
        it.exchange.answers(invite, 180, tag="target")
        assert await transfer == TransferOutcome(ok=False, cause="no_answer")
        assert asyncio.get_running_loop().time() - began == pytest.approx(RING, abs=0.1)
        cancel = await it.exchange.request("CANCEL")
        assert cancel.vias[0].branch == invite.vias[0].branch
        it.exchange.answers(cancel)
        it.exchange.answers(invite, 487, tag="target")
        await it.exchange.request("ACK")
        await it.still_talks()


@virtual_time
async def test_an_answer_that_crosses_our_cancel_is_hung_up_on() -> None:
    async with house() as it, it.transferring() as transfer:
        invite = await it.exchange.request("INVITE")
        it.exchange.answers(invite, 180, tag="target")
        assert (await transfer).cause == "no_answer"
        target = it.exchange.answers(invite, tag="target", extra=REPLACES, body=it.exchange.sdp())
        it.exchange.answers(await it.exchange.request("CANCEL"), 481)
        await it.exchange.request("ACK")
        await it.hangs_up_on(target)
        await it.still_talks()


@virtual_time
async def test_where_nobody_says_anything_it_is_not_reached() -> None:
    async with house() as it, it.transferring() as transfer:
        await it.exchange.request("INVITE")
        assert await transfer == TransferOutcome(ok=False, cause="no_answer")
        await it.still_talks()


@virtual_time
async def test_what_is_no_target_is_not_called() -> None:
    async with house() as it:
        outcome = await it.taken.leg.transfer(TransferTarget(transfer_id="t", target="sip:", mode="attended"))
        assert outcome == TransferOutcome(ok=False, cause="no_target")
        await it.still_talks()


# --- the caller cannot be sent there -------------------------------------------------------------------------------
@pytest.mark.parametrize("extra", [[], ABILITIES[:1], ["Allow: INVITE, ACK, BYE", ABILITIES[1]]])
@virtual_time
async def test_nobody_is_called_for_a_caller_who_cannot_be_sent_there(extra: list[str]) -> None:
    async with house(extra=extra) as it:
        assert await it.taken.leg.transfer(TARGET) == TransferOutcome(ok=False, cause="unsupported")
        assert not it.exchange.has_heard("INVITE")
        await it.still_talks()


@virtual_time
async def test_a_target_whose_side_cannot_replace_a_call_is_hung_up_on() -> None:
    async with house() as it, it.transferring() as transfer:
        invite = await it.exchange.request("INVITE")
        target = it.exchange.answers(invite, tag="target", extra=["Supported: timer"], body=it.exchange.sdp())
        await it.hangs_up_on(target)
        assert await transfer == TransferOutcome(ok=False, cause="unsupported")
        await it.still_talks()


@virtual_time
async def test_a_target_who_answers_without_audio_is_hung_up_on() -> None:
    async with house() as it, it.transferring() as transfer:
        invite = await it.exchange.request("INVITE")
        target = it.exchange.answers(invite, tag="target", extra=REPLACES)
        await it.hangs_up_on(target)
        assert await transfer == TransferOutcome(ok=False, cause="failed", sip_code=488)
        await it.still_talks()


@pytest.mark.parametrize(("status", "cause"), [(405, "unsupported"), (501, "unsupported"), (603, "rejected")])
@virtual_time
async def test_a_refer_that_is_refused_leaves_the_caller_with_the_bot(status: int, cause: str) -> None:
    async with house() as it, it.transferring() as transfer:
        target, refer = await it.answered()
        it.exchange.answers(refer, status)
        await it.hangs_up_on(target)
        assert await transfer == TransferOutcome(ok=False, cause=cause, sip_code=status)
        await it.still_talks()


@virtual_time
async def test_a_target_that_the_caller_cannot_replace_leaves_him_with_the_bot() -> None:
    async with house() as it, it.transferring() as transfer:
        target, refer = await it.answered()
        it.exchange.answers(refer, 202)
        it.exchange.notifies(it.caller, "481 No Such Call")
        await it.hangs_up_on(target)
        assert await transfer == TransferOutcome(ok=False, cause="failed", sip_code=481)


@virtual_time
async def test_a_refer_of_which_no_more_is_heard_has_failed() -> None:
    async with house() as it, it.transferring() as transfer:
        target, refer = await it.answered()
        it.exchange.answers(refer, 202)
        assert await transfer == TransferOutcome(ok=False, cause="failed")
        await it.hangs_up_on(target)
        await it.still_talks()


# --- somebody leaves -----------------------------------------------------------------------------------------------
@virtual_time
async def test_a_caller_who_hangs_up_while_it_rings_has_it_cancelled() -> None:
    async with house() as it, it.transferring() as transfer:
        invite = await it.exchange.request("INVITE")
        it.exchange.answers(invite, 180, tag="target")
        it.exchange.ask("BYE", it.caller)
        it.exchange.answers(await it.exchange.request("CANCEL", within=1.0))
        it.exchange.answers(invite, 487, tag="target")
        assert await transfer == TransferOutcome(ok=False, cause="gone")
        assert (await ended(it)).by == "caller"


@virtual_time
async def test_a_caller_who_hangs_up_before_he_is_sent_has_the_target_hung_up_on() -> None:
    async with house() as it, it.transferring() as transfer:
        target, refer = await it.answered()
        it.exchange.ask("BYE", it.caller)
        await it.hangs_up_on(target)
        it.exchange.answers(refer, 481)
        assert await transfer == TransferOutcome(ok=False, cause="gone")


@virtual_time
async def test_a_target_who_hangs_up_before_the_caller_is_there() -> None:
    async with house() as it, it.transferring() as transfer:
        target, refer = await it.answered()
        it.exchange.ask("BYE", target)
        it.exchange.answers(refer, 202)
        it.exchange.notifies(it.caller, "481 No Such Call")
        assert await transfer == TransferOutcome(ok=False, cause="failed", sip_code=481)
        await it.still_talks()


@virtual_time
async def test_a_gateway_that_hangs_up_meanwhile_lets_go_of_both() -> None:
    async with house() as it, it.transferring() as transfer:
        invite = await it.exchange.request("INVITE")
        it.exchange.answers(invite, 180, tag="target")
        await it.taken.leg.hang_up("normal")
        await it.exchange.request("CANCEL", within=1.0)
        assert (await it.exchange.request("BYE")).call_id == it.caller.call_id
        assert await transfer == TransferOutcome(ok=False, cause="gone")


@virtual_time
async def test_a_transfer_that_is_broken_off_lets_go_of_the_target() -> None:
    async with house() as it:
        async with it.transferring():
            target, _ = await it.answered()
        await it.hangs_up_on(target)
        await it.still_talks()


# --- what happens in the targets call ------------------------------------------------------------------------------
@virtual_time
async def test_who_answers_second_is_hung_up_on_and_the_first_one_gets_the_caller() -> None:
    async with house() as it, it.transferring() as transfer:
        invite = await it.exchange.request("INVITE")
        it.exchange.answers(invite, 180, tag="one")
        it.exchange.answers(invite, 180, tag="two")
        it.exchange.answers(invite, tag="two", extra=REPLACES, body=it.exchange.sdp())
        it.exchange.answers(invite, tag="one", extra=REPLACES, body=it.exchange.sdp())
        bye = await it.exchange.request("BYE")
        assert bye.to.tag == "one"
        refer = await it.exchange.request("REFER")
        assert "to-tag=two;" in (sent_to(refer).header("Replaces") or "")
        it.exchange.answers(refer, 202)
        it.exchange.notifies(it.caller, "200 OK")
        assert (await transfer).ok


@virtual_time
async def test_a_new_offer_in_the_targets_call_is_answered() -> None:
    async with house() as it, it.transferring() as transfer:
        target, refer = await it.answered()
        it.exchange.ask("INVITE", target, it.exchange.sdp("a=sendonly"))
        answer = await it.exchange.response(target)
        assert answer.status == 200
        assert b"a=recvonly" in answer.body
        it.exchange.ask("ACK", target, number=answer.cseq.number)
        it.exchange.ask("INVITE", target)
        answer = await it.exchange.response(target)
        assert port_in(answer.body)
        it.exchange.ask("ACK", target, it.exchange.sdp(), number=answer.cseq.number)
        it.exchange.answers(refer, 202)
        it.exchange.notifies(it.caller, "200 OK")
        assert (await transfer).ok


# --- lines that cannot ---------------------------------------------------------------------------------------------
def test_only_lines_with_somebody_who_calls_others_for_us_can() -> None:
    phones = SipLine.model_validate({"path": "/sip", "auth": "none"})
    assert "path" in str(phones.attended_hindrance)
    account = {"registrar": "wss://pbx.example.com/ws", "aor": "sip:bot@pbx.example.com"}
    for more in ({"listen": "udp:127.0.0.1:0", "allow": "127.0.0.1"}, {"registrations": [account]}):
        assert SipLine.model_validate({"path": "/sip", "auth": "none", **more}).attended_hindrance is None


def transfers_of(line: AgentAndPeer, pump: Callable[[], None] = lambda: None) -> Transfers:
    media = MediaSettings(options=MediaOptions(ports=PortRange()), codecs=("PCMU",), ticker=Ticker(), clock=LoopClock())
    return Transfers(line.agent, media, LoopClock(), pump)


def up_with_abilities(line: AgentAndPeer) -> CallKey:
    """A call that is up, whose peer can do all that is wanted."""
    line.give(line.request(body=OFFER, extra=ABILITIES))
    call = line.event(Invited).call
    line.agent.accept(call, ANSWER, now=line.now)
    line.give(line.request("ACK", to_tag=line.responses()[-1].to.tag))
    line.seen.clear()
    line.take()
    return call


def test_nobody_is_called_by_a_telephone_that_is_connected_to_us() -> None:
    transfers = transfers_of(AgentAndPeer())
    call = CallKey("phone")
    transfers.add(call, Origin(domain="example.com", address="192.0.2.1", display="", can_consult=False))
    assert transfers.consultation(call, "dtls") is None
    transfers.remove(call)
    assert transfers.consultation(call, None) is None


@pytest.mark.parametrize("way", ["refused", "hung up", "given up"])
@virtual_time
async def test_nothing_is_left_of_a_call_to_a_target(way: str) -> None:
    line, has_called = AgentAndPeer(), asyncio.Event()
    transfers, caller = transfers_of(line, has_called.set), up_with_abilities(line)
    transfers.add(caller, Origin(domain="example.com", address="127.0.0.1", display="", can_consult=True))
    consultation = transfers.consultation(caller, None)
    assert consultation is not None
    reaching = asyncio.create_task(consultation.reach(TARGET))
    await asyncio.wait_for(has_called.wait(), 5)
    (invite,) = line.requests()
    if way == "refused":
        line.respond(invite, 486)
    elif way == "hung up":
        line.respond(invite, 200, extra=["Contact: <sip:t@192.0.2.9>", *REPLACES], body=OFFER)
        line.give(line.request("BYE", call_id=invite.call_id, to_tag=invite.from_.tag, from_tag="callee-tag"))
    for event in line.seen:
        if isinstance(event, CallEvent):
            transfers.take(event)
    if way == "given up":
        consultation.give_up()
    await reaching
    assert len(transfers) == 2 - (way == "given up")
    await consultation.close()
    transfers.remove(caller)
    assert len(transfers) == 0


@pytest.mark.parametrize(
    ("name", "number", "shown"),
    [("Ada", "601", "Ada"), ("", "601", "601"), ("", "", ""), ("A\r\nB\0" + "x" * 99, "", "AB" + "x" * 62)],
)
def test_what_the_target_reads_of_who_calls(name: str, number: str, shown: str) -> None:
    assert shown_as(name, number) == shown
