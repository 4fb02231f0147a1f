"""Somebody takes the place of a caller (RFC 3891): over real sockets, with an exchange that does as a test wants."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from audio.frame import Frame
from gateway.events import HoldChanged, LegClosed, MarkReached
from gateway.interfaces import TransferOutcome, TransferTarget
from gateway.transports.sip.message import SipResponse
from gateway.transports.sip.settings import SipLine
from gateway.transports.sip.transport import SipTransport
from gateway.transports.sockets import LineContext
from tests.fakes.desk import Desk, TakenCall, open_line
from tests.fakes.exchange import ABILITIES, Exchange, Side, exchange
from tests.fakes.sip_line import rtp_ports, trunk_url
from tests.fakes.virtual_loop import virtual_time

WORD, OTHER = bytes(range(1, 161)), bytes(range(40, 200))


class House:
    """A gateway, and an exchange whose colleague is talking to it."""

    def __init__(self, desk: Desk, exchange: Exchange, colleague: Side, taken: TakenCall) -> None:
        self.desk = desk
        self.exchange = exchange
        self.colleague = colleague
        self.taken = taken

    def replaces(self, flags: str = "", *, side: Side | None = None) -> str:
        side = side or self.colleague
        to_tag, from_tag = side.theirs.partition("tag=")[2], side.ours.partition("tag=")[2]
        return f"Replaces: {side.call_id};to-tag={to_tag};from-tag={from_tag}{flags}"

    def comes(self, name: str = "customer", *, side: Side | None = None, body: str | None = None) -> Side:
        """The customer's INVITE."""
        return self.exchange.invites(name, extra=[*ABILITIES, self.replaces(side=side)], body=body)

    async def takes_over(self, name: str = "customer", *, side: Side | None = None, body: str | None = None) -> Side:
        """The customer is there, and the colleague is hung up on."""
        before = side or self.colleague
        customer = self.comes(name, side=side, body=body)
        answer = await self.exchange.response(customer)
        assert answer.status == 200, answer.status
        self.exchange.acknowledges(customer, answer)
        bye = await self.exchange.request("BYE")
        assert bye.call_id == before.call_id
        self.exchange.answers(bye)
        return customer

    async def refused(self, customer: Side) -> SipResponse:
        answer = await self.exchange.response(customer)
        self.exchange.ask("ACK", customer, number=answer.cseq.number)
        return answer

    async def still_talks(self, side: Side | None = None) -> None:
        """Who is with us."""
        assert not self.exchange.has_heard("BYE")
        self.exchange.ask("OPTIONS", side or self.colleague)
        assert (await self.exchange.response(side or self.colleague)).status == 200
        assert not self.taken.is_over

    async def hears(self, payload: bytes) -> None:
        await self.desk.until(lambda: payload in self.taken.audio, within=5.0)

    async def ended(self) -> LegClosed:
        await self.desk.until(lambda: self.taken.is_over, within=40.0)
        closed = self.taken.events[-1]
        assert isinstance(closed, LegClosed)
        return closed


@asynccontextmanager
async def house(*, extra: Sequence[str] = ABILITIES, **more: Any) -> AsyncIterator[House]:
    ids, desk = itertools.count(1), Desk()
    settings = {
        "listen": "udp:127.0.0.1:0",
        "allow": "127.0.0.1",
        "rtp": {"host": "127.0.0.1", "ports": rtp_ports()},
        "codecs": ["PCMU", "PCMA"],
        **more,
    }
    transport = SipTransport("line", SipLine.model_validate(settings), LineContext(new_id=lambda: f"call-{next(ids)}"))
    async with open_line(transport, desk), exchange(await trunk_url(transport)) as trunk:
        colleague = await trunk.calls("colleague", extra=extra)
        taken = await desk.call()
        await desk.until(lambda: taken.is_answered)
        yield House(desk, trunk, colleague, taken)


# --- it works ------------------------------------------------------------------------------------------------------
@virtual_time
async def test_the_same_call_goes_on_with_who_takes_over() -> None:
    async with house() as it:
        it.exchange.says(WORD, it.colleague.audio, sequence=1)
        await it.hears(WORD)
        customer = await it.takes_over()
        assert customer.audio != it.colleague.audio
        it.exchange.says(OTHER, customer.audio, sequence=900, ssrc=5)
        await it.hears(OTHER)
        leg = it.taken.leg
        await leg.send_audio(Frame(WORD, leg.capabilities.format))
        while (await it.exchange.hears(customer.audio)).payload != WORD:
            pass
        assert len(it.desk.calls) == 1
        assert it.taken.told == []
        it.exchange.ask("BYE", customer)
        assert (await it.exchange.response(customer)).status == 200
        assert await it.ended() == LegClosed(by="caller", reason="bye")


@virtual_time
async def test_what_waits_to_be_said_is_said_to_who_takes_over() -> None:
    async with house() as it:
        leg = it.taken.leg
        customer = it.comes()
        for number in range(20):  # 0.4 s
            await leg.send_audio(Frame(bytes([number + 1]) * 160, leg.capabilities.format))
        await leg.mark("end")
        answer = await it.exchange.response(customer)
        it.exchange.acknowledges(customer, answer)
        first = (await it.exchange.hears(customer.audio)).payload[0]
        heard = [(await it.exchange.hears(customer.audio)).payload[0] for _ in range(20 - first)]
        assert heard == list(range(first + 1, 21))
        await it.desk.until(lambda: MarkReached(mark_id="end") in it.taken.events, within=5)


@virtual_time
async def test_samples_are_counted_on() -> None:
    async with house() as it:
        for number in range(3):
            it.exchange.says(WORD, it.colleague.audio, sequence=number + 1)
        await it.hears(WORD * 3)
        customer = await it.takes_over()
        it.exchange.says(OTHER, customer.audio, sequence=40_000, ssrc=5)
        await it.hears(OTHER)
        places = [event.frame.pts_samples for event in it.taken.events if hasattr(event, "frame")]
        assert places == [0, 160, 320, 480]


@virtual_time
async def test_a_call_on_hold_is_no_more() -> None:
    async with house() as it:
        it.exchange.ask("INVITE", it.colleague, it.exchange.sdp("a=sendonly"))
        held = await it.exchange.response(it.colleague)
        it.exchange.ask("ACK", it.colleague, number=held.cseq.number)
        await it.desk.until(lambda: it.taken.told == [HoldChanged(held=True)])
        customer = await it.takes_over()
        await it.desk.until(lambda: it.taken.told[1:] == [HoldChanged(held=False)])
        it.exchange.says(OTHER, customer.audio, sequence=1, ssrc=5)
        await it.hears(OTHER)


@virtual_time
async def test_who_takes_over_may_speak_another_codec() -> None:
    async with house() as it:
        customer = await it.takes_over(body=it.exchange.sdp(payload_type=8))
        it.exchange.says(b"\xd5" * 160, customer.audio, sequence=1, ssrc=5, payload_type=8)
        await it.desk.until(lambda: len(it.taken.audio) == 160)
        assert set(it.taken.audio) <= {0xFE, 0xFF}  # silence of a-law, in what this leg carries
        assert (await it.exchange.hears(customer.audio)).payload_type == 8


@virtual_time
async def test_who_takes_over_without_an_offer_answers_ours() -> None:
    async with house() as it:
        customer = it.comes(body="")
        answer = await it.exchange.response(customer)
        it.exchange.acknowledges(customer, answer, it.exchange.sdp())
        assert (await it.exchange.request("BYE")).call_id == it.colleague.call_id
        it.exchange.says(OTHER, customer.audio, sequence=1, ssrc=5)
        await it.hears(OTHER)


@virtual_time
async def test_one_may_take_over_after_the_other() -> None:
    async with house(rtp={"host": "127.0.0.1", "ports": ports_for(2)}) as it:
        side = it.colleague
        for name in ("one", "two", "three", "four", "five"):  # more than there are ports
            side = await it.takes_over(name, side=side)
        await it.still_talks(side)
        assert len(it.desk.calls) == 1


def ports_for(calls: int) -> str:
    """Room for so many calls and no more, where nobody else is."""
    first = 28000 + 4 * (os.getpid() % 1000)
    return f"{first}-{first + 2 * calls - 1}"


@virtual_time
async def test_who_has_taken_over_can_be_transferred() -> None:
    async with house() as it:
        customer = await it.takes_over()
        target = TransferTarget(transfer_id="t", target="200", ring=5.0)
        transfer = asyncio.create_task(it.taken.leg.transfer(target))
        refer = await it.exchange.request("REFER")
        assert refer.call_id == customer.call_id
        it.exchange.answers(refer, 202)
        it.exchange.notifies(customer, "200 OK")
        assert await transfer == TransferOutcome(ok=True, sip_code=200)


@virtual_time
async def test_a_transfer_under_way_is_over_with_who_was_to_be_transferred() -> None:
    async with house() as it:
        target = TransferTarget(transfer_id="t", target="200", ring=5.0, mode="attended")
        transfer = asyncio.create_task(it.taken.leg.transfer(target))
        invite = await it.exchange.request("INVITE")
        it.exchange.answers(invite, 180, tag="target")
        customer = it.comes()
        it.exchange.acknowledges(customer, await it.exchange.response(customer))
        assert await transfer == TransferOutcome(ok=False, cause="gone")
        assert (await it.exchange.request("CANCEL")).call_id == invite.call_id
        assert (await it.exchange.request("BYE")).call_id == it.colleague.call_id


# --- it does not ---------------------------------------------------------------------------------------------------
@virtual_time
async def test_who_cannot_be_understood_takes_no_place() -> None:
    async with house() as it:
        answer = await it.refused(it.comes(body=it.exchange.sdp(payload_type=3)))
        assert answer.status == 488
        await it.still_talks()
        it.exchange.says(WORD, it.colleague.audio, sequence=1)
        await it.hears(WORD)


@virtual_time
async def test_where_no_port_is_free_all_stays_as_it_was() -> None:
    async with house(rtp={"host": "127.0.0.1", "ports": ports_for(1)}) as it:
        assert (await it.refused(it.comes())).status == 500
        await it.still_talks()


@pytest.mark.parametrize(
    ("flags", "status"), [(";early-only", 486), (";from-tag=two", 400)]
)  # what else may be wrong is for the user agent
@virtual_time
async def test_what_names_no_call_that_may_be_taken(flags: str, status: int) -> None:
    async with house() as it:
        customer = it.exchange.invites("customer", extra=[it.replaces(flags)])
        assert (await it.refused(customer)).status == status
        await it.still_talks()
        assert len(it.desk.calls) == 1


@virtual_time
async def test_a_call_that_is_over_is_not_to_be_taken() -> None:
    async with house() as it:
        it.exchange.ask("BYE", it.colleague)
        await it.ended()
        assert (await it.refused(it.comes())).status == 481
        assert len(it.desk.calls) == 1


@virtual_time
async def test_our_call_to_the_target_of_a_transfer_is_not_to_be_taken() -> None:
    async with house() as it:
        target = TransferTarget(transfer_id="t", target="200", ring=5.0, mode="attended")
        transfer = asyncio.create_task(it.taken.leg.transfer(target))
        invite = await it.exchange.request("INVITE")
        side = it.exchange.answers(invite, tag="target", extra=ABILITIES, body=it.exchange.sdp())
        await it.exchange.request("REFER")
        swapped = Side(side.call_id, side.ours, side.theirs, side.target)
        assert (await it.refused(it.comes(side=swapped))).status == 481
        transfer.cancel()
        await asyncio.wait([transfer])
        await it.exchange.request("BYE")


@virtual_time
async def test_who_takes_it_back_at_once_leaves_the_call_as_it_was() -> None:
    async with house() as it:
        customer = Side("customer-call", "<sip:601@127.0.0.1>;tag=customer", "<sip:600@h>", "sip:600@h")
        it.exchange.ask("INVITE", customer, it.exchange.sdp(), number=1, branch="taken-back", extra=[it.replaces()])
        it.exchange.ask("CANCEL", customer, number=1, branch="taken-back")
        statuses = {(await it.exchange.response(customer)).status for _ in range(2)}
        assert statuses == {200, 487}
        await it.still_talks()
        it.exchange.says(WORD, it.colleague.audio, sequence=1)
        await it.hears(WORD)


@virtual_time
async def test_two_who_want_the_same_place_do_not_both_get_it() -> None:
    async with house() as it:
        sides = [it.comes("one"), it.comes("two")]
        answers = [await it.exchange.response(side) for side in sides]
        assert sorted(answer.status for answer in answers)[0] == 200
        assert sorted(answer.status for answer in answers)[1] in (480, 603)
        winner = sides[0] if answers[0].status == 200 else sides[1]
        loser, refusal = (sides[1], answers[1]) if winner is sides[0] else (sides[0], answers[0])
        it.exchange.acknowledges(winner, answers[sides.index(winner)])
        it.exchange.ask("ACK", loser, number=refusal.cseq.number)
        assert (await it.exchange.request("BYE")).call_id == it.colleague.call_id
        assert len(it.desk.calls) == 1


@virtual_time
async def test_a_colleague_who_hangs_up_himself_meanwhile() -> None:
    async with house() as it:
        customer = it.comes()
        it.exchange.acknowledges(customer, await it.exchange.response(customer))
        it.exchange.ask("BYE", it.colleague)
        assert (await it.exchange.response(it.colleague)).status in (200, 481)
        await it.desk.until(lambda: not it.taken.is_over)
        it.exchange.says(OTHER, customer.audio, sequence=1, ssrc=5)
        await it.hears(OTHER)


@virtual_time
async def test_who_takes_over_and_never_acknowledges_is_given_up() -> None:
    async with house(rtp={"host": "127.0.0.1", "ports": rtp_ports(), "silence_limit": 100}) as it:
        customer = it.comes()
        await it.exchange.response(customer)
        it.exchange.answers(await it.exchange.request("BYE"))
        assert await it.ended() == LegClosed(by="failure", reason="no_ack")


@virtual_time
async def test_who_takes_over_and_answers_nothing_usable_is_hung_up_on() -> None:
    async with house() as it:
        customer = it.comes(body="")
        answer = await it.exchange.response(customer)
        it.exchange.acknowledges(customer, answer, it.exchange.sdp(payload_type=3))
        assert (await it.ended()).by == "failure"
        byes = {(await it.exchange.request("BYE")).call_id for _ in range(2)}
        assert byes == {it.colleague.call_id, customer.call_id}
