"""What a request gets that is none of a call's, or not in order, or not understood."""

from __future__ import annotations

import pytest

from gateway.transports.sip.digest import DigestClient, DigestServer
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.message import SipRequest, SipResponse, parse
from gateway.transports.sip.transaction import TransactionLimits
from gateway.transports.sip.ua_events import Invited
from gateway.transports.sip.user_agent import UserAgentSettings
from tests.fakes.sip_agent import ANSWER, OFFER, UDP, AgentAndPeer, counting, up


def test_options_are_answered_with_what_we_can() -> None:
    line = AgentAndPeer()
    answer = line.ask("OPTIONS")
    assert answer.status == 200
    assert {"INVITE", "BYE", "UPDATE"} <= set(answer.headers.all("Allow"))
    assert answer.headers.get("Accept") == "application/sdp"
    assert answer.to.tag
    line.agent.is_available = False
    assert line.ask("OPTIONS", number=2).status == 503


def test_without_hops_left_it_is_still_for_us() -> None:
    """Max-Forwards concerns those who forward (RFC 4475 section 3.1.2.17, RFC 3261 section 20.22)."""
    line = AgentAndPeer()
    data = line.request("OPTIONS").replace(b"Max-Forwards: 70", b"Max-Forwards: 0")
    line.give(data)
    assert line.statuses() == [200]


@pytest.mark.parametrize(
    ("method", "fields", "status", "header"),
    [
        ("MESSAGE", {}, 405, "Allow"),
        ("PUBLISH", {}, 405, "Allow"),
        ("REFER", {}, 405, "Allow"),
        ("REGISTER", {}, 405, "Allow"),
        ("NEWMETHOD", {}, 501, "Allow"),
        ("invite", {}, 501, "Allow"),
        ("SUBSCRIBE", {"extra": ["Event: presence"]}, 489, "Allow-Events"),
        ("NOTIFY", {"extra": ["Event: message-summary"]}, 489, "Allow-Events"),
        ("BYE", {}, 481, None),
        ("BYE", {"to_tag": "nobody"}, 481, None),
        ("INFO", {"to_tag": "nobody"}, 481, None),
        ("UPDATE", {"to_tag": "nobody"}, 481, None),
        ("NOTIFY", {"to_tag": "nobody", "extra": ["Event: refer"]}, 481, None),
        ("OPTIONS", {"to_tag": "nobody"}, 481, None),
        ("INVITE", {"to_tag": "nobody", "body": OFFER}, 481, None),
        ("OPTIONS", {"extra": ["Require: nothing-we-know, other"]}, 420, "Unsupported"),
        ("INVITE", {"extra": ["Require: nothing-we-know"], "body": OFFER}, 420, "Unsupported"),
        ("OPTIONS", {"uri": "mailto:bot@example.com"}, 416, None),
        ("OPTIONS", {"uri": "tel:+331234"}, 200, "Allow"),
    ],
)
def test_what_is_not_for_us(method: str, fields: dict[str, object], status: int, header: str | None) -> None:
    line = AgentAndPeer()
    answer = line.ask(method, **fields)
    assert answer.status == status
    assert header is None or header in answer.headers
    assert line.kinds() == []


def test_what_is_lacking_is_named() -> None:
    line = AgentAndPeer()
    assert line.ask("OPTIONS", extra=["Require: foo, bar"]).headers.get("Unsupported") == "foo, bar"


@pytest.mark.parametrize(
    ("change", "status"),
    [((b"Max-Forwards: 70", b"Max-Forwards: x"), 400), ((b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia"), 505)],
)
def test_what_cannot_be_read_is_answered_where_that_is_possible(change: tuple[bytes, bytes], status: int) -> None:
    line = AgentAndPeer()
    line.give(line.request("OPTIONS").replace(*change))
    assert line.statuses() == [status]
    assert line.agent.counts["unreadable"] == 1


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"\0\0", b"\r\n"])
def test_keep_alives_are_nothing(data: bytes) -> None:
    line = AgentAndPeer()
    line.give(data)
    assert line.take() == []
    assert not line.agent.counts


def test_a_response_to_nothing_is_counted() -> None:
    line = AgentAndPeer()
    request = parse(line.request("OPTIONS"))
    assert isinstance(request, SipRequest)
    line.respond(request, 200)
    assert line.agent.counts["stray response"] == 1
    assert line.take() == []


# --- twice ---------------------------------------------------------------------------------------------------------
def test_the_same_call_by_two_ways_is_answered_once() -> None:
    line = AgentAndPeer()
    line.give(line.request(body=OFFER, branch="z9hG4bKway1"))
    line.event(Invited)
    line.take()
    line.give(line.request(body=OFFER, branch="z9hG4bKway2"))
    assert line.statuses() == [482]
    assert line.kinds() == []


def test_a_call_that_we_refused_may_come_by_another_way() -> None:
    """A proxy tries its targets one after the other, and may come to us twice."""
    line = AgentAndPeer()
    line.give(line.request(body=OFFER, branch="z9hG4bKway1"))
    line.agent.reject(line.event(Invited).call, 503, now=line.now)
    line.kinds()
    line.give(line.request(body=OFFER, branch="z9hG4bKway2"))
    line.agent.accept(line.event(Invited).call, ANSWER, now=line.now)
    line.take()
    line.give(line.request(body=OFFER, branch="z9hG4bKway3"))
    assert line.statuses() == [482]
    line.wait(200)
    assert len(line.agent) == 0


def test_a_call_that_comes_again_with_a_password_is_no_second_way() -> None:
    """Also where the peer forgets to count its CSeq."""
    server = DigestServer("example.com", {"alice": "secret"}, b"k" * 16)

    def welcome(request: SipRequest, flow: Flow, now: float) -> SipResponse | None:
        peer = flow.peer_address[0]
        verdict = server.check(request, now, peer=peer)
        return None if verdict.username else server.refuse(request, verdict, now, peer=peer, to_tag="ours")

    line = AgentAndPeer(welcome=welcome)
    invite = line.request(body=OFFER)
    line.give(invite)
    (challenge,) = line.responses()
    assert challenge.status == 401
    assert line.kinds() == []
    assert len(line.agent) == 0  # nothing is kept of a stranger
    line.wait(5)
    assert line.take() == []
    line.give(invite)
    assert line.statuses() == [401]
    assert line.agent.counts["stranger"] == 2
    line.give(line.request("ACK", to_tag="ours", branch="z9hG4bKpeer1"))

    again = parse(line.request(body=OFFER))
    first = parse(invite)
    assert isinstance(again, SipRequest)
    assert isinstance(first, SipRequest)
    client = DigestClient("alice", "secret", counting("c"))
    assert client.challenged(first, challenge)
    client.authorize(again)
    line.give(again.to_bytes())
    line.event(Invited)


def test_acks_and_cancels_are_never_asked_for_a_password() -> None:
    line = AgentAndPeer(welcome=lambda request, _, __: pytest.fail(f"{request.method} was judged"))
    line.give(line.request("ACK"))
    assert line.ask("CANCEL").status == 481
    assert line.ask("BYE", to_tag="x").status == 481


# --- within a call -------------------------------------------------------------------------------------------------
def test_numbers_grow_gaps_are_fine_and_steps_back_are_not() -> None:
    line, _, tag = up()
    assert line.ask("INFO", number=5, to_tag=tag).status == 200
    assert line.ask("INFO", number=5, to_tag=tag).status == 500
    assert line.ask("INFO", number=4, to_tag=tag).status == 500
    assert line.ask("INFO", number=6, to_tag=tag).status == 200


def test_somebody_else_with_our_tag_is_not_in_the_call() -> None:
    line, _, tag = up()
    assert line.ask("BYE", number=5, to_tag=tag, from_tag="mallory").status == 481
    assert line.kinds() == []


def test_methods_within_a_call() -> None:
    line, _, tag = up()
    assert line.ask("OPTIONS", number=2, to_tag=tag).status == 200
    assert line.ask("REFER", number=3, to_tag=tag).status == 405
    assert line.ask("NOTIFY", number=4, to_tag=tag, extra=["Event: dialog"]).status == 489
    assert line.ask("NOTIFY", number=5, to_tag=tag, extra=["Event: refer"]).status == 481
    assert line.ask("INFO", number=6, to_tag=tag, extra=["Require: foo"]).status == 420


# --- REGISTER of a browser -----------------------------------------------------------------------------------------
def test_a_register_is_echoed_where_the_line_takes_them() -> None:
    line = AgentAndPeer(settings=UserAgentSettings(takes_registers=True))
    contact = "<sip:alice@abc.invalid;transport=ws>;expires=600"
    answer = line.ask("REGISTER", extra=[f"Contact: {contact}", "Expires: 600"])
    assert answer.status == 200
    assert answer.headers.all("Contact") == [contact]
    assert answer.headers.get("Expires") == "600"


# --- limits --------------------------------------------------------------------------------------------------------
def test_a_flow_that_asks_too_much_is_held_off_and_the_others_are_not() -> None:
    line = AgentAndPeer(settings=UserAgentSettings(limits=TransactionLimits(total=10, per_flow=3)))
    for number in range(3):
        assert line.ask("OPTIONS", call_id=f"c{number}").status == 200
    refusal = line.ask("OPTIONS", call_id="c9")
    assert (refusal.status, refusal.headers.get("Retry-After")) == (503, "5")
    assert line.agent.counts["no room"] == 1
    line.give(line.request("OPTIONS", call_id="c10"), Flow("udp-2", "udp", "192.0.2.99:5060", UDP.local))
    assert line.statuses() == [200]
    line.wait(33)
    assert len(line.agent) == 0
    assert line.ask("OPTIONS", call_id="c11").status == 200
