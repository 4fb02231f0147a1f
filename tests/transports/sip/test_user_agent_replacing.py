"""A call of somebody else takes the place of one of ours (RFC 3891), and whom may be sent into such a call."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.transports.sip.context import UserAgentSettings
from gateway.transports.sip.digest import DigestServer
from gateway.transports.sip.flow import CallKey
from gateway.transports.sip.message import NameAddress, SipRequest
from gateway.transports.sip.registration import RegistrationSettings
from gateway.transports.sip.ua_events import Acked, Answered, Cancelled, Invited, Refused, Released, Ringing
from gateway.transports.sip.uri import parse_name_address, parse_uri
from tests.fakes.sip_agent import ANSWER, OFFER, UDP, WS, AgentAndPeer, counting
from tests.fakes.sip_agent import up as up_with_text

TARGET = parse_uri("sip:carol@pbx.example.com;user=phone?Subject=x")
CAN_ALL = ["Supported: replaces, timer", "Allow: INVITE, ACK, BYE, CANCEL, REFER, NOTIFY"]


def up(**more: Any) -> tuple[AgentAndPeer, CallKey, str]:
    """A call of theirs that is up."""
    line, call, tag = up_with_text(**more)
    return line, CallKey(call), tag


def takes_over(line: AgentAndPeer, tag: str, flags: str = "", **fields: Any) -> bytes:
    """An INVITE of somebody who wants to take the place of `up`'s caller."""
    replaces = f"Replaces: call-1;to-tag={tag};from-tag=caller-tag{flags}"
    more: dict[str, Any] = {"call_id": "call-2", "from_tag": "customer", "body": OFFER, "extra": [replaces], **fields}
    return line.request("INVITE", **more)


def refused(line: AgentAndPeer, data: bytes) -> int:
    line.take()
    line.give(data)
    assert line.kinds() == []
    (status,) = line.statuses()
    return status


# --- to us ---------------------------------------------------------------------------------------------------------
def test_we_say_that_calls_can_take_the_place_of_others() -> None:
    line, _, _ = up()
    options = line.ask("OPTIONS", call_id="other")
    assert options.headers.all("Supported") == ["timer", "replaces"]


def test_a_call_that_takes_the_place_of_another_says_so_and_the_other_is_hung_up() -> None:
    line, old, tag = up()
    line.give(takes_over(line, tag, extra=["Require: replaces", f"Replaces: call-1;to-tag={tag};from-tag=caller-tag"]))
    assert line.statuses() == [100]
    invited = line.event(Invited)
    assert invited.replaces == old
    line.agent.accept(invited.call, ANSWER, now=line.now)
    line.agent.bye(old, now=line.now)
    answer, bye = line.take()
    assert isinstance(bye, SipRequest)
    assert (bye.method, bye.call_id) == ("BYE", "call-1")
    assert "replaces" in answer.headers.all("Supported")
    line.give(line.request("ACK", to_tag=answer.to.tag, call_id="call-2", from_tag="customer"))
    line.event(Acked)
    line.respond(bye, 200)
    line.event(Released)
    line.give(line.request("BYE", number=2, to_tag=answer.to.tag, call_id="call-2", from_tag="customer"))
    line.wait(100)
    assert len(line.agent) == 0


def test_a_call_of_nobody_replaces_nobody() -> None:
    line = AgentAndPeer()
    line.give(line.request(body=OFFER))
    assert line.event(Invited).replaces is None


@pytest.mark.parametrize(
    ("replaces", "status"),
    [
        ("call-1;to-tag={tag};from-tag=somebody", 481),
        ("call-1;to-tag=caller-tag;from-tag={tag}", 481),
        ("call-7;to-tag={tag};from-tag=caller-tag", 481),
        ("call-1;to-tag={tag};from-tag=caller-tag;early-only", 486),
        ("call-1;to-tag={tag}", 400),
        ("call-1;to-tag={tag};from-tag=caller-tag\r\nReplaces: call-1;to-tag={tag};from-tag=caller-tag", 400),
        ("call-1;to-tag={tag};from-tag=caller-tag\r\nJoin: call-1;to-tag={tag};from-tag=caller-tag", 400),
    ],
)
def test_what_names_no_call_of_ours_is_refused_and_the_call_stays(replaces: str, status: int) -> None:
    line, old, tag = up()
    assert refused(line, takes_over(line, tag, extra=[f"Replaces: {replaces.format(tag=tag)}"])) == status
    line.agent.info(old, "text/plain", b"", now=line.now)
    assert [request.method for request in line.requests()] == ["INFO"]


def test_a_call_that_nobody_has_answered_is_not_for_others_to_take() -> None:
    line = AgentAndPeer()
    line.give(line.request(body=OFFER))
    call = line.event(Invited).call
    line.agent.ring(call, now=line.now)
    tag = line.responses()[-1].to.tag
    assert tag is not None
    assert refused(line, takes_over(line, tag)) == 481
    assert refused(line, takes_over(line, tag, ";early-only", branch="z9hG4bKother")) == 481


def test_a_call_of_ours_that_rings_is_not_for_others_to_take() -> None:
    line = AgentAndPeer()
    carol = parse_uri("sip:carol@example.com")
    line.agent.invite(carol, OFFER, line.flow, sender=NameAddress("", carol), now=line.now)
    (invite,) = line.requests()
    line.respond(invite, 180)
    line.event(Ringing)
    named = f"Replaces: {invite.call_id};to-tag={invite.from_.tag};from-tag=callee-tag"
    assert refused(line, takes_over(line, "", extra=[named])) == 481


def test_a_call_that_is_not_acknowledged_yet_is_one_and_its_bye_waits() -> None:
    line = AgentAndPeer()
    line.give(line.request(body=OFFER))
    old = line.event(Invited).call
    line.agent.accept(old, ANSWER, now=line.now)
    tag = line.responses()[-1].to.tag
    assert tag is not None
    line.give(takes_over(line, tag))
    assert line.event(Invited).replaces == old
    line.agent.bye(old, now=line.now)
    assert line.requests() == []
    line.give(line.request("ACK", to_tag=tag))
    assert [request.method for request in line.requests()] == ["BYE"]


def test_a_call_that_we_are_hanging_up_is_declined_also_before_its_bye() -> None:
    line, old, tag = up()
    line.agent.bye(old, now=line.now)
    assert refused(line, takes_over(line, tag)) == 603
    line = AgentAndPeer()
    line.give(line.request(body=OFFER))
    old = line.event(Invited).call
    line.agent.accept(old, ANSWER, now=line.now)
    tag = str(line.responses()[-1].to.tag)
    line.agent.bye(old, now=line.now)
    assert refused(line, takes_over(line, tag)) == 603


def test_a_call_that_was_transferred_and_is_over_is_declined_and_later_unknown() -> None:
    line, old, tag = up()
    line.agent.refer(old, TARGET, now=line.now)
    line.give(line.request("BYE", number=2, to_tag=tag))
    line.seen.clear()
    assert refused(line, takes_over(line, tag)) == 603
    line.wait(61)
    assert refused(line, takes_over(line, tag, branch="z9hG4bKlater")) == 481


def test_who_takes_a_call_over_has_to_say_who_he_is_like_everybody() -> None:
    guard = DigestServer("pbx", {"alice": "secret"}, b"k" * 32)

    def welcome(request: SipRequest, flow: object, now: float) -> object:
        if request.call_id == "call-1":
            return None
        return guard.refuse(request, guard.check(request, now, peer="p"), now, peer="p", to_tag="x")

    line, _, tag = up(welcome=welcome)
    assert refused(line, takes_over(line, tag)) == 401


def test_a_full_line_has_room_for_who_takes_a_place() -> None:
    line, old, tag = up(settings=UserAgentSettings(max_calls=1))
    assert refused(line, line.request(body=OFFER, call_id="other")) == 503
    line.give(takes_over(line, tag))
    assert line.event(Invited).replaces == old


def test_who_takes_it_back_leaves_the_call_as_it_was() -> None:
    line, old, tag = up()
    invite = takes_over(line, tag, branch="z9hG4bKtaker")
    line.give(invite)
    line.event(Invited)
    line.give(line.request("CANCEL", call_id="call-2", from_tag="customer", branch="z9hG4bKtaker"))
    line.event(Cancelled)
    line.take()
    line.agent.info(old, "text/plain", b"", now=line.now)
    assert [request.method for request in line.requests()] == ["INFO"]


def test_a_peer_without_a_tag_is_named_by_a_zero() -> None:
    line = AgentAndPeer()
    data = line.request(body=OFFER).replace(b";tag=caller-tag", b"")
    line.give(data)
    call = line.event(Invited).call
    line.agent.accept(call, ANSWER, now=line.now)
    tag = line.responses()[-1].to.tag
    line.give(takes_over(line, "", extra=[f"Replaces: call-1;to-tag={tag};from-tag=0"]))
    assert line.event(Invited).replaces == call


@pytest.mark.parametrize("method", ["OPTIONS", "INFO", "BYE"])
def test_only_an_invite_may_replace(method: str) -> None:
    line, _, tag = up()
    more: dict[str, Any] = {} if method == "OPTIONS" else {"to_tag": tag, "number": 2}
    extra = [f"Replaces: call-1;to-tag={tag};from-tag=caller-tag"]
    assert line.ask(method, extra=extra, **more).status == 400


# --- by us ---------------------------------------------------------------------------------------------------------
PBX = RegistrationSettings(
    name="pbx", registrar=parse_uri("sip:pbx.example.com"), aor=parse_uri("sip:bot@pbx.example.com"), user="bot"
)


def with_abilities(line: AgentAndPeer, extra: list[str]) -> tuple[CallKey, str]:
    """A call of theirs that is up, and what its INVITE said."""
    line.give(line.request(body=OFFER, extra=extra))
    call = line.event(Invited).call
    line.agent.accept(call, ANSWER, now=line.now)
    tag = line.responses()[-1].to.tag
    assert tag is not None
    line.give(line.request("ACK", to_tag=tag))
    line.event(Acked)
    line.take()
    return call, tag


def test_the_target_is_called_by_the_way_of_the_call() -> None:
    line = AgentAndPeer()
    call, _ = with_abilities(line, CAN_ALL)
    key = line.agent.consult(call, TARGET, OFFER, display="Alice", now=line.now)
    assert key not in (None, call)
    (invite,) = line.requests()
    assert str(parse_name_address(invite.headers.get("From") or "").uri) == "sip:bot@example.com"
    assert invite.from_.display == "Alice"
    assert invite.call_id != "call-1"


def test_at_a_registrar_the_account_calls_and_says_its_password() -> None:
    from gateway.transports.sip.digest import DigestClient

    secret = DigestClient("bot", "secret", counting("c"))
    line = AgentAndPeer(WS, registrations=[(PBX, secret)])
    line.agent.register("pbx", WS, now=line.now)
    (register,) = line.requests()
    line.respond(register, 200, extra=["Service-Route: <sip:edge.example.com;lr>"])
    line.seen.clear()
    call, _ = with_abilities(line, CAN_ALL)
    line.agent.consult(call, TARGET, OFFER, now=line.now)
    (invite,) = line.requests()
    assert str(invite.from_.uri) == "sip:bot@pbx.example.com"
    assert invite.headers.all("Route") == ["<sip:edge.example.com;lr>"]
    line.respond(invite, 407, extra=['Proxy-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=MD5'])
    ack, again = line.requests()
    assert (ack.method, again.method, "Proxy-Authorization" in again.headers) == ("ACK", "INVITE", True)


@pytest.mark.parametrize("extra", [[], [*CAN_ALL[:1], "Allow: INVITE, ACK, BYE"], CAN_ALL[1:]])
def test_whose_peer_cannot_be_sent_there_is_not_called_for(extra: list[str]) -> None:
    line = AgentAndPeer()
    call, _ = with_abilities(line, extra)
    can = line.agent.consult(call, TARGET, OFFER, now=line.now)
    assert can is None
    assert line.requests() == []


def test_of_a_call_with_a_transfer_that_is_open_nobody_is_called() -> None:
    line = AgentAndPeer()
    call, _ = with_abilities(line, CAN_ALL)
    line.agent.refer(call, TARGET, now=line.now)
    (refer,) = line.requests()
    assert line.agent.consult(call, TARGET, OFFER, now=line.now) is None
    line.respond(refer, 603)
    assert line.agent.consult(call, TARGET, OFFER, now=line.now) is not None


def test_it_rings_as_long_as_it_may() -> None:
    line = AgentAndPeer()
    call, _ = with_abilities(line, CAN_ALL)
    line.agent.consult(call, TARGET, OFFER, ring_limit=300, now=line.now)
    (invite,) = line.requests()
    line.respond(invite, 180)
    line.wait(299)
    assert line.requests() == []
    line.wait(1)
    assert [request.method for request in line.requests()] == ["CANCEL"]


def test_of_a_call_that_is_over_nobody_is_called() -> None:
    line = AgentAndPeer()
    call, _ = with_abilities(line, CAN_ALL)
    line.agent.bye(call, now=line.now)
    line.take()
    assert line.agent.consult(call, TARGET, OFFER, now=line.now) is None
    assert line.requests() == []


@pytest.mark.parametrize(
    ("contact", "called"),
    [
        ("<sip:carol@192.168.1.5:5062>", "sip:carol@pbx.example.com;user=phone"),
        ("<sip:carol@pbx.example.com;gr=urn:uuid:1>", "sip:carol@pbx.example.com;gr=urn:uuid:1"),
    ],
)
def test_the_caller_is_sent_to_the_address_that_leads_there(contact: str, called: str) -> None:
    line = AgentAndPeer(UDP)
    call, _ = with_abilities(line, CAN_ALL)
    consulted = line.agent.consult(call, TARGET, OFFER, now=line.now)
    assert consulted is not None
    (invite,) = line.requests()
    line.respond(invite, 180, to_tag="first", extra=["Supported: replaces"])
    line.event(Ringing)
    assert line.agent.replacing(consulted) is None
    line.respond(invite, 200, to_tag="a%b", extra=[f"Contact: {contact}", "Supported: replaces"], body=ANSWER)
    line.event(Answered)
    uri = line.agent.replacing(consulted)
    assert uri is not None
    line.take()
    line.agent.refer(call, uri, now=line.now)
    (refer,) = line.requests()
    target = parse_name_address(refer.headers.get("Refer-To") or "").uri
    assert str(target).partition("?")[0] == called
    assert target.header("Replaces") == f"{invite.call_id};to-tag=a%b;from-tag={invite.from_.tag}"
    assert ";" not in str(target).partition("?")[2]
    assert (refer.call_id, refer.headers.get("Referred-By")) == ("call-1", "<sip:bot@example.com>")


def test_a_target_whose_telephone_cannot_be_replaced() -> None:
    line = AgentAndPeer()
    call, _ = with_abilities(line, CAN_ALL)
    consulted = line.agent.consult(call, TARGET, OFFER, now=line.now)
    assert consulted is not None
    (invite,) = line.requests()
    line.respond(invite, 200, extra=["Contact: <sip:carol@192.0.2.9>", "Supported: timer"], body=ANSWER)
    line.event(Answered)
    assert line.agent.replacing(consulted) is None


def test_an_answer_that_crosses_the_cancel_of_a_consultation_is_hung_up_on() -> None:
    line = AgentAndPeer()
    call, _ = with_abilities(line, CAN_ALL)
    consulted = line.agent.consult(call, TARGET, OFFER, now=line.now)
    assert consulted is not None
    (invite,) = line.requests()
    line.respond(invite, 180)
    line.event(Ringing)
    line.agent.bye(consulted, now=line.now)
    (cancel,) = line.requests()
    line.respond(invite, 200, extra=["Contact: <sip:carol@192.0.2.9>"], body=ANSWER)
    line.respond(cancel, 200)
    assert [request.method for request in line.requests()] == ["ACK", "BYE"]
    assert line.kinds() == []
    line.agent.info(call, "text/plain", b"", now=line.now)
    assert [request.method for request in line.requests()] == ["INFO"]


def test_a_redirection_is_not_followed() -> None:
    line = AgentAndPeer()
    call, _ = with_abilities(line, CAN_ALL)
    line.agent.consult(call, TARGET, OFFER, now=line.now)
    (invite,) = line.requests()
    line.respond(invite, 302, extra=["Contact: <sip:+990012345@elsewhere.example>"])
    assert line.event(Refused).status == 302
    assert [request.method for request in line.requests()] == ["ACK"]
