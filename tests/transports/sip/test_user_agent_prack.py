"""Callers that want to be sure to hear that it rings (RFC 3262)."""

from __future__ import annotations

import pytest

from gateway.transports.sip.message import SipResponse
from gateway.transports.sip.ua_events import Acked, CallLost, Cancelled, Invited
from tests.fakes.sip_agent import ANSWER, OFFER, AgentAndPeer


class Demanding:
    """A call of theirs that demands 100rel."""

    def __init__(self, body: bytes = OFFER, extra: str = "Require: 100rel") -> None:
        line = self.line = AgentAndPeer()
        line.give(line.request(body=body, extra=[extra], branch="z9hG4bKinvite"))
        self.call = line.event(Invited).call
        line.take()
        self.number = 1

    def ring(self, status: int = 180, sdp: bytes | None = None) -> None:
        self.line.agent.ring(self.call, status, sdp, now=self.line.now)

    def said(self) -> SipResponse:
        (response,) = self.line.responses()
        self.tag = response.to.tag
        return response

    def prack(self, rack: str, body: bytes = b"") -> list[int]:
        self.number += 1
        line = self.line
        line.take()
        line.give(line.request("PRACK", number=self.number, to_tag=self.tag, extra=[f"RAck: {rack}"], body=body))
        return line.statuses()


def test_ringing_is_said_until_it_is_heard() -> None:
    call = Demanding()
    call.ring()
    said = call.said()
    assert said.headers.all("Require") == ["100rel"]
    assert said.headers.get("RSeq") == "1"
    call.line.wait(3.6)
    assert call.line.statuses() == [180, 180, 180]
    assert call.prack("1 1 INVITE") == [200]
    call.line.wait(50)
    assert call.line.statuses() == []


def test_the_next_thing_waits_until_the_first_is_heard() -> None:
    call = Demanding()
    call.ring()
    call.said()
    call.ring(182)
    call.ring(183, ANSWER)
    assert call.line.statuses() == []
    assert call.prack("1 1 INVITE") == [200, 183]
    call.line.wait(0.6)
    said = call.said()
    assert (said.status, said.headers.get("RSeq"), said.body) == (183, "2", ANSWER)


def test_the_answer_waits_when_a_session_was_described_before() -> None:
    call = Demanding()
    call.ring(183, ANSWER)
    call.said()
    call.line.agent.accept(call.call, ANSWER, now=call.line.now)
    call.line.wait(0.6)
    assert call.line.statuses() == [183]
    assert call.prack("1 1 INVITE") == [200, 200]
    call.line.give(call.line.request("ACK", to_tag=call.tag))
    call.line.event(Acked)


def test_the_answer_does_not_wait_for_bare_ringing() -> None:
    call = Demanding()
    call.ring()
    call.said()
    call.line.agent.accept(call.call, ANSWER, now=call.line.now)
    assert call.line.statuses() == [200]
    call.line.wait(0.6)
    assert call.line.statuses() == [200]
    assert call.prack("1 1 INVITE") == [200]  # it was on its way


@pytest.mark.parametrize(
    "rack", ["2 1 INVITE", "1 2 INVITE", "0 1 INVITE", "1 1 BYE", "x", "", "1 1", "99999999999 1 INVITE"]
)
def test_a_prack_for_nothing(rack: str) -> None:
    call = Demanding()
    call.ring()
    call.said()
    assert call.prack(rack) == [481]
    call.line.wait(0.6)
    assert call.line.statuses() == [180]


def test_another_offer_in_a_prack_is_refused() -> None:
    call = Demanding()
    call.ring()
    call.said()
    assert call.prack("1 1 INVITE", body=OFFER) == [488]
    call.line.wait(5)
    assert call.line.statuses() == []


def test_a_caller_that_never_hears_it_is_given_up() -> None:
    call = Demanding()
    call.ring()
    call.line.wait(31.9)
    assert set(call.line.statuses()) == {180}
    call.line.wait(0.2)
    assert call.line.event(CallLost).cause == "no_ack"
    assert call.line.statuses() == [504]
    call.line.wait(200)
    assert len(call.line.agent) == 0


def test_a_cancel_ends_the_repetitions() -> None:
    call = Demanding()
    call.ring()
    call.line.give(call.line.request("CANCEL", branch="z9hG4bKinvite"))
    call.line.event(Cancelled)
    call.line.take()
    call.line.wait(1.1)
    assert set(call.line.statuses()) == {487}
    call.line.wait(200)
    assert len(call.line.agent) == 0


def test_an_offer_of_ours_is_kept_for_the_answer() -> None:
    call = Demanding(body=b"")
    call.ring(183, OFFER)
    assert call.said().body == b""


def test_it_is_said_again_each_minute_with_another_number() -> None:
    call = Demanding()
    call.ring()
    call.said()
    call.prack("1 1 INVITE")
    call.line.wait(60)
    assert call.said().headers.get("RSeq") == "2"


def test_who_can_but_does_not_demand_it_is_told_once() -> None:
    call = Demanding(extra="Supported: 100rel")
    call.ring()
    assert "RSeq" not in call.said().headers
    call.line.wait(50)
    assert call.line.statuses() == []
