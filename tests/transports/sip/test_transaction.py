"""Transactions by themselves: what is the same again, timers, and what is left."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from gateway.transports.sip.flow import Flow
from gateway.transports.sip.message import SipRequest, SipResponse, parse, response_to
from gateway.transports.sip.timers import Timing
from gateway.transports.sip.transaction import TransactionLimits, Transactions, server_key
from gateway.transports.sip.wire import Failure, Wire
from tests.fakes.sip_agent import OFFER, UDP, WS, AgentAndPeer, counting

PEER = AgentAndPeer()


def request(method: str = "OPTIONS", **fields: Any) -> SipRequest:
    message = parse(PEER.request(method, **fields))
    assert isinstance(message, SipRequest)
    return message


class Table:
    """A table of transactions, and time."""

    def __init__(self) -> None:
        self.wire = Wire(Timing())
        self.table = Transactions(self.wire, counting("b"), TransactionLimits())
        self.heard: list[tuple[float, SipResponse | Failure]] = []
        self.times: list[float] = []
        self.now = 0.0

    def ask(self, method: str, flow: Flow = UDP) -> SipRequest:
        self.client = self.table.ask(request(method, body=OFFER), flow, self.hear, self.now)
        self.times.append(self.now)
        self.wire.outgoing.clear()
        return self.client.request

    def hear(self, answer: SipResponse | Failure, now: float) -> None:
        self.heard.append((now, answer))

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.wire.timers.next_timeout()) is not None and due <= until:
            self.now = due
            self.wire.timers.run(self.now)
            self.times += [self.now] * len(self.wire.outgoing)
            self.wire.outgoing.clear()
        self.now = until

    def sent(self) -> list[bytes]:
        sent = [data for _, data in self.wire.outgoing]
        self.wire.outgoing.clear()
        return sent


# --- keys ----------------------------------------------------------------------------------------------------------
def test_the_branch_and_who_wrote_it_make_a_request_the_same() -> None:
    first = request(branch="z9hG4bKx")
    assert server_key(first) == server_key(request(branch="z9hG4bKx", number=9, call_id="another"))
    assert server_key(first) != server_key(request(branch="z9hG4bKy"))
    assert server_key(first) != server_key(request("INFO", branch="z9hG4bKx"))
    assert server_key(request("ACK", branch="z9hG4bKx"), "INVITE") == server_key(request("INVITE", branch="z9hG4bKx"))


def test_before_rfc_3261_all_the_rest_does() -> None:
    first = request("INVITE", branch="1", body=OFFER)
    assert server_key(first) == server_key(request("INVITE", branch="1", body=OFFER))
    assert server_key(first) == server_key(request("ACK", branch="1", to_tag="ours"), "INVITE")
    assert server_key(first) != server_key(request("INVITE", branch="1", number=2))
    assert server_key(first) != server_key(request("INVITE", branch="1", call_id="another"))
    assert server_key(first) != server_key(request("INVITE", branch="1", from_tag="another"))


# --- asked ---------------------------------------------------------------------------------------------------------
def test_other_requests_are_repeated_ever_more_slowly_and_given_up() -> None:
    table = Table()
    table.ask("OPTIONS")
    table.wait(100)
    assert table.times == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]  # timer E
    assert table.heard == [(32.0, Failure.TIMEOUT)]
    assert len(table.table) == len(table.wire.timers) == 0


def test_an_invite_is_repeated_in_doubled_intervals_and_given_up() -> None:
    table = Table()
    table.ask("INVITE")
    table.wait(100)
    assert table.times == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]  # timer A
    assert table.heard == [(32.0, Failure.TIMEOUT)]
    assert len(table.table) == len(table.wire.timers) == 0


@pytest.mark.parametrize("method", ["OPTIONS", "INVITE"])
def test_over_streams_nothing_is_repeated(method: str) -> None:
    table = Table()
    table.ask(method, WS)
    table.wait(100)
    assert table.times == [0]
    assert table.heard == [(32.0, Failure.TIMEOUT)]


def test_something_heard_slows_repetitions_down() -> None:
    table = Table()
    sent = table.ask("OPTIONS")
    table.wait(0.6)
    assert table.table.respond(response_to(sent, 100), table.now)
    table.wait(10)
    assert table.times == [0, 0.5, 1.5, 5.5, 9.5]
    assert table.table.respond(response_to(sent, 200), table.now)
    table.wait(4)
    assert table.table.respond(response_to(sent, 200), table.now)  # absorbed, timer K
    table.wait(2)
    assert not table.table.respond(response_to(sent, 200), table.now)
    assert [answer.status for _, answer in table.heard if isinstance(answer, SipResponse)] == [100, 200]
    assert len(table.wire.timers) == 0


def test_a_refused_invite_is_acknowledged_as_often_as_it_is_refused() -> None:
    table = Table()
    sent = table.ask("INVITE")
    refusal = response_to(sent, 486, to_tag="x")
    for _ in range(3):
        table.table.respond(refusal, table.now)
    acks = table.sent()
    assert len(set(acks)) == 1
    assert len(acks) == 3
    assert len(table.heard) == 1
    table.wait(33)  # timer D
    assert not table.table.respond(refusal, table.now)


def test_every_2xx_of_an_invite_is_told_for_half_a_minute() -> None:
    table = Table()
    sent = table.ask("INVITE")
    for tag in ("x", "y", "x"):
        table.table.respond(response_to(sent, 200, to_tag=tag), table.now)
    table.table.respond(response_to(sent, 486, to_tag="z"), table.now)
    assert len(table.heard) == 3
    assert table.sent() == []
    table.wait(33)  # timer M
    assert len(table.table) == 0


def test_a_closed_flow_answers_nothing_any_more() -> None:
    table = Table()
    table.ask("OPTIONS", WS)
    table.ask("INVITE", WS)
    table.ask("OPTIONS", UDP)
    table.table.flow_closed(WS, table.now)
    assert table.heard == [(0.0, Failure.FLOW_CLOSED)] * 2


# --- asked us ------------------------------------------------------------------------------------------------------
def test_a_request_of_theirs_is_answered_the_same_for_half_a_minute() -> None:
    table = Table()
    asked = request()
    server = table.table.serve(asked, UDP)
    assert len(table.table) == 2  # it, and by what else it would be known
    assert table.table.absorb(asked, table.now)
    assert table.sent() == []  # nothing has been answered
    server.respond(response_to(asked, 200, to_tag="x"), table.now)
    (first,) = table.sent()
    server.respond(response_to(asked, 500, to_tag="x"), table.now)
    assert table.sent() == []  # one final answer
    table.now = 31.0
    assert table.table.absorb(asked, table.now)
    assert table.sent() == [first]
    table.wait(2)  # timer J
    assert not table.table.absorb(asked, table.now)
    assert len(table.table) == 0


def test_over_streams_an_answer_is_not_kept() -> None:
    table = Table()
    asked = request()
    table.table.serve(asked, WS).respond(response_to(asked, 200), table.now)
    assert len(table.table) == len(table.wire.timers) == 0


def test_a_refused_invite_is_refused_until_acknowledged() -> None:
    table = Table()
    asked = request("INVITE", branch="z9hG4bKinv")
    ack = request("ACK", branch="z9hG4bKinv")
    server = table.table.serve(asked, UDP)
    assert not table.table.absorb_ack(ack, table.now)
    server.respond(response_to(asked, 486, to_tag="x"), table.now)
    table.sent()
    table.wait(8)
    assert table.times == [0.5, 1.5, 3.5, 7.5]  # timer G
    assert table.table.absorb_ack(ack, table.now)
    assert table.table.absorb_ack(ack, table.now)
    table.wait(100)
    assert len(table.times) == 4
    assert len(table.table) == len(table.wire.timers) == 0


def test_a_refused_invite_that_nobody_acknowledges_is_forgotten() -> None:
    table = Table()
    asked = request("INVITE")
    table.table.serve(asked, UDP).respond(response_to(asked, 486, to_tag="x"), table.now)
    table.sent()
    table.wait(31.9)
    assert len(table.times) == 10  # timer G, as E
    table.wait(33)  # timer H, and as long again for copies that come late
    assert len(table.table) == len(table.wire.timers) == 0


def test_an_invite_is_not_new_when_it_comes_late() -> None:
    table = Table()
    asked = request("INVITE")
    table.table.serve(asked, UDP).respond(response_to(asked, 200, to_tag="x"), table.now)
    table.wait(33)
    assert table.table.absorb(asked, table.now)
    table.wait(33)
    assert not table.table.absorb(asked, table.now)


def test_the_room_is_counted_by_flow() -> None:
    wire = Wire(Timing())
    table = Transactions(wire, counting("b"), TransactionLimits(total=3, per_flow=2))
    numbers = itertools.count()

    def serve(flow: Flow) -> None:
        table.serve(request(call_id=f"c{next(numbers)}"), flow)

    serve(UDP)
    serve(UDP)
    assert not table.has_room(UDP)
    assert table.has_room(WS)
    serve(WS)
    assert not table.has_room(WS)


def test_requests_of_ours_take_room_too_and_give_it_back() -> None:
    wire = Wire(Timing())
    table = Transactions(wire, counting("b"), TransactionLimits(total=3, per_flow=2))
    for _ in range(10):
        sent = [table.ask(request(), WS, lambda *_: None, 0.0).request for _ in range(2)]
        assert not table.has_room(WS)
        for each in sent:
            table.respond(response_to(each, 200), 0.0)
        assert table.has_room(WS)
