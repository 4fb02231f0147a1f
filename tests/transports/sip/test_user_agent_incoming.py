"""Calls that come in: rung, answered, refused, cancelled, acknowledged, and said twice."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import LocalProtocolError
from gateway.transports.sip.context import UserAgentSettings
from gateway.transports.sip.flow import CallKey, Flow
from gateway.transports.sip.ua_events import (
    Acked,
    ByeReceived,
    CallLost,
    Cancelled,
    Invited,
    Released,
)
from tests.fakes.sip_agent import ANSWER, OFFER, UDP, WS, AgentAndPeer, up


def invited(line: AgentAndPeer, **fields: Any) -> tuple[CallKey, bytes]:
    """A call that was offered: its key, and the INVITE."""
    invite = line.request(body=OFFER, **fields)
    line.give(invite)
    return line.event(Invited).call, invite


def test_an_invite_is_answered_with_100_and_offered() -> None:
    line = AgentAndPeer()
    invite = line.request(body=OFFER, extra=["X-Did: 42"])
    line.give(invite)
    event = line.event(Invited)
    assert event.sdp == OFFER
    assert event.flow == UDP
    assert event.request.headers.get("x-did") == "42"
    (trying,) = line.responses()
    assert (trying.status, trying.reason) == (100, "Trying")
    assert trying.to.tag is None
    assert trying.vias[0].param("received") == "192.0.2.7"


def test_a_repeated_invite_gets_the_last_response_and_makes_no_call() -> None:
    line = AgentAndPeer()
    call, invite = invited(line)
    line.agent.ring(call, now=line.now)
    line.take()
    line.give(invite)
    assert line.statuses() == [180]
    line.agent.accept(call, ANSWER, now=line.now)
    line.take()
    line.give(invite)
    assert line.statuses() == [200]
    assert line.kinds() == []


def test_an_invite_that_is_found_under_a_bed_later_makes_no_call() -> None:
    """A copy that arrives when the call, and the transaction, are over."""
    line = AgentAndPeer()
    call, invite = invited(line)
    line.agent.reject(call, 486, now=line.now)
    tag = line.responses()[-1].to.tag
    line.give(line.request("ACK", to_tag=tag, branch="z9hG4bKpeer1"))
    line.event(Released)
    line.wait(10)
    line.take()
    line.give(invite)
    assert line.take() == []
    assert line.kinds() == []


def test_ringing_is_said_again_each_minute_with_the_same_tag() -> None:
    line = AgentAndPeer()
    call, _ = invited(line)
    line.agent.ring(call, 183, ANSWER, now=line.now)
    first = line.responses()[-1]
    assert first.body == ANSWER
    assert first.contacts[0].uri.host == "198.51.100.1"
    line.wait(125)
    again = line.responses()
    assert [each.status for each in again] == [183, 183]
    assert {each.to.tag for each in again} == {first.to.tag}


def test_the_200_has_what_a_200_needs() -> None:
    line = AgentAndPeer(WS)
    routes = ["Record-Route: <sip:10.0.0.1;transport=ws;r2=on;lr>", "Record-Route: <sip:10.0.0.1:5070;r2=on;lr>"]
    call, _ = invited(line, extra=routes)
    line.agent.accept(call, ANSWER, now=line.now)
    answer = line.responses()[-1]
    assert answer.status == 200
    assert answer.headers.fields("Record-Route") == [route.partition(": ")[2] for route in routes]
    assert str(answer.contacts[0].uri) == "sip:talkpath@abc123.invalid;transport=ws;ob"
    assert "BYE" in answer.headers.all("Allow")
    assert answer.headers.get("Content-Type") == "application/sdp"
    assert answer.body == ANSWER


@pytest.mark.parametrize("flow", [UDP, WS])
def test_a_200_is_said_until_it_is_acknowledged(flow: Flow) -> None:
    """Over WebSocket too: somebody behind the proxy may lose it."""
    line = AgentAndPeer(flow)
    call, _ = invited(line)
    line.agent.accept(call, ANSWER, now=line.now)
    answer = line.responses()[-1]
    line.wait(3.4)  # at 0.5, 1.5 and so on
    assert line.statuses() == [200, 200]
    line.wait(4.5)
    assert line.statuses() == [200, 200]  # at 3.5 and 7.5
    line.give(line.request("ACK", to_tag=answer.to.tag))
    assert line.event(Acked) == Acked(call=call, sdp=None)
    line.wait(60)
    assert line.take() == []


def test_a_call_whose_200_is_never_acknowledged_is_ended() -> None:
    line = AgentAndPeer()
    call, _ = invited(line)
    line.agent.accept(call, ANSWER, now=line.now)
    line.take()
    line.wait(31.9)
    assert set(line.statuses()) == {200}
    line.wait(0.2)
    assert line.event(CallLost).cause == "no_ack"
    (bye,) = line.requests()
    assert bye.method == "BYE"
    line.respond(bye, 481)
    line.wait(100)
    assert len(line.agent) == 0


def test_a_bye_of_ours_waits_for_the_ack() -> None:
    line = AgentAndPeer()
    call, _ = invited(line)
    line.agent.accept(call, ANSWER, now=line.now)
    tag = line.responses()[-1].to.tag
    line.agent.bye(call, "Q.850;cause=16", now=line.now)
    assert line.requests() == []
    line.give(line.request("ACK", to_tag=tag))
    (bye,) = line.requests()
    assert (bye.method, bye.headers.get("Reason")) == ("BYE", "Q.850;cause=16")
    line.respond(bye, 200)
    assert line.kinds() == ["Acked", "Released"]


def test_an_ack_that_owes_no_answer_brings_none() -> None:
    line = AgentAndPeer()
    call, _ = invited(line)
    line.agent.accept(call, ANSWER, now=line.now)
    line.give(line.request("ACK", to_tag=line.responses()[-1].to.tag, body=OFFER))
    assert line.event(Acked).sdp is None


def test_an_ack_of_another_number_is_none() -> None:
    line = AgentAndPeer()
    call, _ = invited(line)
    line.agent.accept(call, ANSWER, now=line.now)
    tag = line.responses()[-1].to.tag
    line.give(line.request("ACK", number=7, to_tag=tag))
    line.give(line.request("ACK", to_tag=tag, from_tag="somebody"))
    assert line.kinds() == []
    assert line.agent.counts["stray ACK"] == 1


# --- without an offer ----------------------------------------------------------------------------------------------
def test_without_an_offer_ours_is_in_the_200_and_the_answer_in_the_ack() -> None:
    line = AgentAndPeer()
    line.give(line.request())
    event = line.event(Invited)
    assert event.sdp is None
    line.agent.accept(event.call, OFFER, now=line.now)
    answer = line.responses()[-1]
    assert answer.body == OFFER
    line.give(line.request("ACK", to_tag=answer.to.tag, body=ANSWER))
    assert line.event(Acked).sdp == ANSWER


def test_an_ack_that_owes_an_answer_and_has_none_ends_the_call() -> None:
    line = AgentAndPeer()
    line.give(line.request())
    call = line.event(Invited).call
    line.agent.accept(call, OFFER, now=line.now)
    tag = line.responses()[-1].to.tag
    line.give(line.request("ACK", to_tag=tag))
    assert line.event(CallLost).cause == "no_answer"
    assert [request.method for request in line.requests()] == ["BYE"]


# --- refused -------------------------------------------------------------------------------------------------------
def test_a_refusal_is_said_until_it_is_acknowledged() -> None:
    line = AgentAndPeer()
    call, _ = invited(line, branch="z9hG4bKone")
    line.agent.reject(call, 503, "Full Up", [("Retry-After", "10")], now=line.now)
    line.event(Released)
    refusal = line.responses()[-1]
    assert (refusal.status, refusal.reason, refusal.headers.get("Retry-After")) == (503, "Full Up", "10")
    line.wait(3.6)
    assert line.statuses() == [503, 503, 503]
    line.give(line.request("ACK", to_tag=refusal.to.tag, branch="z9hG4bKone"))
    line.wait(100)
    assert line.take() == []
    assert len(line.agent) == 0


def test_over_a_stream_a_refusal_is_said_once() -> None:
    line = AgentAndPeer(WS)
    call, _ = invited(line)
    line.agent.reject(call, 486, now=line.now)
    assert line.statuses() == [100, 486]
    line.wait(100)
    assert line.take() == []
    assert len(line.agent) == 0


def test_to_hang_up_on_a_call_that_rings_is_to_refuse_it() -> None:
    line = AgentAndPeer(WS)
    call, _ = invited(line)
    line.agent.bye(call, "Q.850;cause=41", now=line.now)
    refusal = line.responses()[-1]
    assert (refusal.status, refusal.headers.get("Reason")) == (480, "Q.850;cause=41")
    line.event(Released)
    call, _ = invited(line, call_id="call-2")
    line.agent.bye(call, now=line.now)
    assert "Reason" not in line.responses()[-1].headers


def test_a_call_that_nobody_decides_is_refused() -> None:
    line = AgentAndPeer()
    invited(line)
    line.take()
    line.wait(181)
    assert line.event(CallLost).cause == "not_decided"
    assert line.statuses()[0] == 480


def test_commands_in_the_wrong_order_are_bugs_and_those_for_calls_that_are_over_are_not() -> None:
    line = AgentAndPeer()
    call, _ = invited(line)
    for status in (100, 200):
        with pytest.raises(LocalProtocolError):
            line.agent.ring(call, status, now=line.now)
    for status in (101, 199):
        line.agent.ring(call, status, now=line.now)
    for status in (299, 700):
        with pytest.raises(LocalProtocolError):
            line.agent.reject(call, status, now=line.now)
    line.agent.accept(call, ANSWER, now=line.now)
    with pytest.raises(LocalProtocolError):
        line.agent.accept(call, ANSWER, now=line.now)
    with pytest.raises(LocalProtocolError):
        line.agent.reject(call, 486, now=line.now)
    line.give(line.request("BYE", number=2, to_tag=line.responses()[-1].to.tag))
    line.take()
    line.agent.accept(call, ANSWER, now=line.now)
    line.agent.ring(call, now=line.now)
    line.agent.bye(call, now=line.now)
    line.agent.answer_reoffer(call, ANSWER, now=line.now)
    assert line.take() == []


# --- cancelled -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("reasons", "elsewhere"),
    [
        ([], False),
        (["Reason: Q.850;cause=16"], False),
        (['Reason: SIP;cause=200;text="Call completed elsewhere"'], True),
        (['Reason: Q.850;cause=26, SIP ;text="elsewhere" ;cause=200'], True),
        (["Reason: SIP;cause=2000"], False),
    ],
)
def test_a_cancelled_call_is_over(reasons: list[str], elsewhere: bool) -> None:
    line = AgentAndPeer()
    call, _ = invited(line, branch="z9hG4bKone")
    line.agent.ring(call, now=line.now)
    tag = line.responses()[-1].to.tag
    line.give(line.request("CANCEL", branch="z9hG4bKone", extra=reasons))
    assert [(each.status, each.cseq.method, each.to.tag) for each in line.responses()] == [
        (200, "CANCEL", tag),
        (487, "INVITE", tag),
    ]
    event = line.event(Cancelled)
    assert event.answered_elsewhere is elsewhere
    assert event.reason == ", ".join(reason.partition(": ")[2] for reason in reasons)


def test_a_cancel_after_our_200_changes_nothing() -> None:
    line = AgentAndPeer()
    call, _ = invited(line, branch="z9hG4bKone")
    line.agent.accept(call, ANSWER, now=line.now)
    tag = line.responses()[-1].to.tag
    cancelled = line.ask("CANCEL", branch="z9hG4bKone")
    assert (cancelled.status, cancelled.to.tag) == (200, tag)
    assert line.kinds() == []
    line.give(line.request("ACK", to_tag=tag))
    line.event(Acked)
    line.give(line.request("BYE", number=2, to_tag=tag))
    line.event(ByeReceived)


def test_a_cancel_of_nothing_is_answered_with_481() -> None:
    line = AgentAndPeer()
    assert line.ask("CANCEL").status == 481


def test_a_repeated_cancel_is_one() -> None:
    line = AgentAndPeer()
    invited(line, branch="z9hG4bKone")
    cancel = line.request("CANCEL", branch="z9hG4bKone")
    line.give(cancel)
    line.take()
    line.give(cancel)
    assert line.statuses() == [200]
    assert line.kinds() == ["Cancelled"]


# --- hung up -------------------------------------------------------------------------------------------------------
def test_a_bye_ends_the_call_and_says_why() -> None:
    line, call, tag = up()
    assert line.ask("BYE", number=2, to_tag=tag, extra=["Reason: Q.850;cause=17"]).status == 200
    assert line.event(ByeReceived) == ByeReceived(call=call, reason="Q.850;cause=17")
    assert line.ask("BYE", number=3, to_tag=tag).status == 481
    line.wait(100)
    assert len(line.agent) == 0


def test_a_bye_before_our_answer_ends_the_invite_too() -> None:
    line = AgentAndPeer()
    call, _ = invited(line)
    line.agent.ring(call, now=line.now)
    tag = line.responses()[-1].to.tag
    line.give(line.request("BYE", number=2, to_tag=tag))
    assert [(each.status, each.cseq.method) for each in line.responses()] == [(200, "BYE"), (487, "INVITE")]
    line.event(ByeReceived)


def test_a_bye_before_the_ack_ends_the_repetitions() -> None:
    line = AgentAndPeer(WS)
    call, _ = invited(line)
    line.agent.accept(call, ANSWER, now=line.now)
    line.ask("BYE", number=2, to_tag=line.responses()[-1].to.tag)
    line.event(ByeReceived)
    line.wait(100)
    assert line.take() == []
    assert line.kinds() == []


def test_our_bye_follows_the_record_routes_and_the_contact() -> None:
    line = AgentAndPeer()
    extra = [
        "Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>",
        "Contact: <sip:alice@10.0.0.9:5090;alias=10.0.0.9~5090~1;ob>",
    ]
    call, _ = invited(line, extra=extra)
    line.agent.accept(call, ANSWER, now=line.now)
    line.give(line.request("ACK", to_tag=line.responses()[-1].to.tag))
    line.agent.bye(call, now=line.now)
    (bye,) = line.requests()
    assert str(bye.uri) == "sip:alice@10.0.0.9:5090;alias=10.0.0.9~5090~1;ob"
    assert bye.headers.all("Route") == ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]
    assert bye.cseq == (1, "BYE")
    assert bye.to.tag == "caller-tag"


def test_a_bye_that_nobody_answers_is_repeated_and_given_up() -> None:
    line, call, _ = up()
    line.agent.bye(call, now=line.now)
    line.wait(31.9)
    assert {request.method for request in line.requests()} == {"BYE"}
    assert line.kinds() == []
    line.wait(0.2)
    line.event(Released)
    line.wait(100)
    assert len(line.agent) == 0


# --- limits --------------------------------------------------------------------------------------------------------
def test_more_calls_than_allowed_are_sent_away() -> None:
    line = AgentAndPeer(settings=UserAgentSettings(max_calls=1))
    invited(line)
    line.take()
    line.give(line.request(call_id="call-2", body=OFFER))
    (refusal,) = line.responses()
    assert refusal.status == 503
    assert refusal.headers.get("Retry-After") is not None
    assert line.kinds() == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"extra": ["Contact: *"]}, 400),
        ({"extra": ["Contact: <sip:a@192.0.2.1>, <sip:b@192.0.2.1>"]}, 400),
        ({"body": b"hello", "content_type": "text/plain"}, 415),
        ({"body": OFFER, "extra": ["Content-Encoding: gzip"]}, 415),
    ],
)
def test_invites_that_cannot_be_answered(fields: dict[str, object], status: int) -> None:
    line = AgentAndPeer()
    assert line.ask("INVITE", **fields).status == status
    assert line.kinds() == []


def test_an_offer_may_be_a_part_of_the_body() -> None:
    line = AgentAndPeer()
    parts = b"--b1\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n"
    parts += b"--b1\r\nContent-Type: application/sdp\r\n\r\n" + OFFER + b"\r\n--b1--\r\n"
    line.give(line.request(body=parts, content_type='multipart/mixed;boundary="b1"'))
    sdp = line.event(Invited).sdp
    assert sdp is not None
    assert sdp.rstrip() == OFFER.rstrip()


def test_an_optional_body_that_we_do_not_know_is_overlooked() -> None:
    line = AgentAndPeer()
    extra = ["Content-Disposition: icon ; handling = optional"]
    line.give(line.request(body=b"GIF89a", content_type="image/gif", extra=extra))
    assert line.event(Invited).sdp is None


# --- sips ----------------------------------------------------------------------------------------------------------
TLS = Flow("tls-1", "tls", "192.0.2.7:40000", "198.51.100.1:5061")
SIPS_CONTACT = "Contact: <sips:alice@192.0.2.7:5061>"
ROUTE = "Record-Route: <sip:192.0.2.1:5061;transport=tls;lr>"


@pytest.mark.parametrize(
    ("uri", "extra", "contact"),
    [
        ("sip:bot@198.51.100.1", [], "sip:talkpath@198.51.100.1:5061;transport=tls"),
        ("sips:bot@198.51.100.1", [], "sips:talkpath@198.51.100.1:5061"),
        ("sip:bot@198.51.100.1", [SIPS_CONTACT], "sips:talkpath@198.51.100.1:5061"),
        ("sip:bot@198.51.100.1", [ROUTE, SIPS_CONTACT], "sip:talkpath@198.51.100.1:5061;transport=tls"),
        ("sip:bot@198.51.100.1", [ROUTE.replace("sip:", "sips:")], "sips:talkpath@198.51.100.1:5061"),
    ],
)
def test_who_calls_by_sips_is_answered_by_sips(uri: str, extra: list[str], contact: str) -> None:
    line = AgentAndPeer(TLS)
    call, _ = invited(line, uri=uri, extra=extra)
    line.agent.accept(call, ANSWER, now=line.now)
    answer = line.responses()[-1]
    assert [str(it.uri) for it in answer.contacts] == [contact]
    tag = answer.to.tag
    line.give(line.request("ACK", to_tag=tag))
    line.give(line.request("OPTIONS", number=2, to_tag=tag))
    line.take()
    line.give(line.request("UPDATE", number=3, to_tag=tag))
    assert [str(it.uri) for it in line.responses()[-1].contacts] == [contact], "for all of the dialog"
