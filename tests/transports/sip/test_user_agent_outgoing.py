"""Calls of ours: ringing, several telephones, passwords, CANCEL, and answers that come too late."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.transports.sip.digest import DigestClient
from gateway.transports.sip.message import NameAddress
from gateway.transports.sip.ua_events import Answered, ByeReceived, CallLost, Refused, Released, Ringing
from gateway.transports.sip.uri import parse_uri
from tests.fakes.sip_agent import ANSWER, OFFER, UDP, WS, AgentAndPeer, counting

SENDER = NameAddress("Bot", parse_uri("sip:bot@example.com"))
CONTACT = "Contact: <sip:carol@192.0.2.30:5062>"
CHALLENGE = 'WWW-Authenticate: Digest realm="r", nonce="n1", qop="auth", algorithm=MD5'


class OwnCall:
    """A call of ours."""

    def __init__(self, **more: Any) -> None:
        self.line = AgentAndPeer(**more)
        agent, line = self.line.agent, self.line
        target = parse_uri("sip:carol@example.com")
        self.call = agent.invite(target, OFFER, line.flow, sender=SENDER, headers=[("X-A", "b")], now=line.now)
        (self.invite,) = line.requests()

    def requests(self) -> list[str]:
        return [request.method for request in self.line.requests()]


def test_an_invite_says_all_that_it_has_to() -> None:
    invite = OwnCall().invite
    assert (invite.method, str(invite.uri), invite.body) == ("INVITE", "sip:carol@example.com", OFFER)
    assert invite.headers.get("From") == '"Bot" <sip:bot@example.com>;tag=t1'
    assert invite.headers.get("To") == "<sip:carol@example.com>"
    assert (invite.cseq.number, invite.headers.get("Max-Forwards")) == (1, "70")
    assert invite.headers.get("X-A") == "b"
    assert str(invite.vias[0]).startswith("SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK")


def test_it_rings_is_answered_and_hung_up() -> None:
    own = OwnCall()
    line = own.line
    line.respond(own.invite, 100, to_tag="")
    line.respond(own.invite, 180)
    assert line.event(Ringing) == Ringing(call=own.call, status=180, sdp=None)
    routes = ["Record-Route: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>"]
    answer = line.respond(own.invite, 200, extra=[CONTACT, *routes], body=ANSWER)
    assert line.event(Answered) == Answered(call=own.call, sdp=ANSWER)
    (ack,) = line.requests()
    assert (ack.method, str(ack.uri), ack.cseq.number) == ("ACK", "sip:carol@192.0.2.30:5062", 1)
    assert ack.headers.all("Route") == ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]  # reversed
    assert ack.vias[0].branch != own.invite.vias[0].branch
    line.give(answer)
    assert own.requests() == ["ACK"]
    line.agent.bye(own.call, now=line.now)
    (bye,) = line.requests()
    assert (bye.cseq.number, bye.headers.all("Route")) == (2, ack.headers.all("Route"))
    line.respond(bye, 200)
    line.event(Released)
    line.wait(100)
    assert len(line.agent) == 0


def test_they_hang_up() -> None:
    own = OwnCall()
    line = own.line
    line.respond(own.invite, 200, extra=[CONTACT], body=ANSWER)
    line.event(Answered)
    bye = line.request("BYE", from_tag="callee-tag", to_tag="t1", call_id=own.invite.call_id)
    line.take()
    line.give(bye)
    assert line.statuses() == [200]
    line.event(ByeReceived)


def test_an_invite_over_udp_is_said_until_something_is_heard() -> None:
    own = OwnCall()
    own.line.wait(3.6)
    assert own.requests() == ["INVITE"] * 3
    own.line.respond(own.invite, 100, to_tag="")
    own.line.wait(60)
    assert own.requests() == []
    own.line.respond(own.invite, 180)
    own.line.event(Ringing)


def test_nobody_there() -> None:
    own = OwnCall()
    own.line.wait(33)
    assert own.line.event(Refused) == Refused(call=own.call, status=None)
    assert len(own.line.agent) == 0


@pytest.mark.parametrize("flow", [UDP, WS])
def test_refused(flow: object) -> None:
    own = OwnCall(flow=flow)
    line = own.line
    extra = ["Retry-After: 30 (busy);duration=60", "Contact: <sip:elsewhere@example.com>"]
    refusal = line.respond(own.invite, 302, extra=extra)
    refused = line.event(Refused)
    assert (refused.status, refused.reason, refused.retry_after) == (302, "Because", 30.0)
    assert refused.contacts == ("sip:elsewhere@example.com",)
    (ack,) = line.requests()
    assert (ack.method, ack.vias[0].branch, ack.to.tag) == ("ACK", own.invite.vias[0].branch, "callee-tag")
    line.give(refusal)
    assert own.requests() == (["ACK"] if flow == UDP else [])
    line.wait(100)
    assert len(line.agent) == 0


def test_a_password_is_given_and_carried_on_by_the_ack() -> None:
    own = OwnCall(credentials=DigestClient("bot", "secret", counting("c")))
    line = own.line
    line.respond(own.invite, 401, extra=[CHALLENGE])
    ack, again = line.requests()
    assert ack.method == "ACK"
    assert (again.method, again.cseq.number, again.call_id) == ("INVITE", 2, own.invite.call_id)
    assert again.from_.tag == own.invite.from_.tag
    assert again.vias[0].branch != own.invite.vias[0].branch
    assert len(again.vias) == 1
    assert "nc=00000001" in (again.headers.get("Authorization") or "")
    line.respond(again, 200, extra=[CONTACT], body=ANSWER)
    line.event(Answered)
    (ack,) = line.requests()
    assert ack.cseq.number == 2
    assert ack.headers.get("Authorization") == again.headers.get("Authorization")
    line.agent.bye(own.call, now=line.now)
    (bye,) = line.requests()
    assert bye.cseq.number == 3
    assert "nc=00000002" in (bye.headers.get("Authorization") or "")


def test_a_password_that_is_wrong_is_not_given_for_ever() -> None:
    own = OwnCall(credentials=DigestClient("bot", "wrong", counting("c")))
    line = own.line
    line.respond(own.invite, 401, extra=[CHALLENGE])
    _, again = line.requests()
    line.respond(again, 401, extra=[CHALLENGE])
    assert line.event(Refused).status == 401


def test_nonces_that_are_always_stale_are_given_up() -> None:
    own = OwnCall(credentials=DigestClient("bot", "secret", counting("c")))
    line, invite = own.line, own.invite
    for number in range(3):
        line.respond(invite, 401, extra=[CHALLENGE.replace("n1", f"n{number}") + ", stale=true"])
        invite = line.requests()[-1]
    assert line.event(Refused).status == 401


def test_what_is_told_within_a_call() -> None:
    own = OwnCall()
    line = own.line
    headers = [("Event", "refer"), ("Subscription-State", "active")]
    line.agent.notify(own.call, headers, "message/sipfrag", b"SIP/2.0 100 Trying", now=line.now)
    assert own.requests() == []  # nobody has answered
    line.respond(own.invite, 200, extra=[CONTACT], body=ANSWER)
    line.event(Answered)
    line.take()
    line.agent.notify(own.call, headers, "message/sipfrag", b"SIP/2.0 100 Trying", now=line.now)
    line.agent.info(own.call, "application/dtmf-relay", b"Signal=5", now=line.now)
    notify, info = line.requests()
    assert (notify.method, notify.headers.get("Event"), notify.body) == ("NOTIFY", "refer", b"SIP/2.0 100 Trying")
    assert notify.headers.get("Content-Type") == "message/sipfrag"
    assert str(notify.contacts[0].uri) == "sip:talkpath@198.51.100.1:5060"
    assert (info.method, info.cseq.number, info.body) == ("INFO", 3, b"Signal=5")
    line.respond(notify, 500)
    line.respond(info, 415)
    assert line.kinds() == []


def test_an_info_to_a_peer_that_knows_no_call_ends_it() -> None:
    own = OwnCall()
    line = own.line
    line.respond(own.invite, 200, extra=[CONTACT], body=ANSWER)
    line.event(Answered)
    line.take()
    line.agent.info(own.call, "application/dtmf", b"5", now=line.now)
    (info,) = line.requests()
    line.respond(info, 481)
    assert line.event(CallLost).cause == "dialog_gone"


# --- given up ------------------------------------------------------------------------------------------------------
def test_a_cancel_waits_until_something_is_heard() -> None:
    own = OwnCall()
    line = own.line
    line.agent.bye(own.call, now=line.now)
    assert own.requests() == []
    line.respond(own.invite, 180)
    (cancel,) = line.requests()
    assert (cancel.method, cancel.cseq.number, str(cancel.uri)) == ("CANCEL", 1, "sip:carol@example.com")
    assert cancel.vias == own.invite.vias
    assert cancel.headers.get("To") == own.invite.headers.get("To")
    line.respond(own.invite, 183)
    assert own.requests() == []  # once is enough
    line.respond(cancel, 200)
    line.respond(own.invite, 487)
    line.event(Released)
    assert own.requests() == ["ACK"]


def test_to_hang_up_twice_is_to_hang_up_once() -> None:
    own = OwnCall()
    line = own.line
    line.respond(own.invite, 180)
    line.event(Ringing)
    line.agent.bye(own.call, now=line.now)
    line.agent.bye(own.call, now=line.now)
    assert own.requests() == ["CANCEL"]


def test_ringing_after_our_cancel_is_not_waited_for() -> None:
    own = OwnCall(flow=WS)
    line = own.line
    line.respond(own.invite, 180)
    line.event(Ringing)
    line.agent.bye(own.call, now=line.now)
    line.wait(10)
    line.respond(own.invite, 183)
    line.wait(23)
    line.event(Released)


def test_in_a_call_of_ours_we_wait_longer_after_a_glare() -> None:
    own = OwnCall(flow=WS)
    line = own.line
    line.respond(own.invite, 200, extra=[CONTACT], body=ANSWER)
    line.event(Answered)
    line.take()
    line.agent.reinvite(own.call, OFFER, now=line.now)
    line.respond(line.requests()[0], 491)
    line.take()
    line.wait(3.04)
    assert own.requests() == []
    line.wait(0.02)  # 2.1 and half of 1.9
    assert own.requests() == ["INVITE"]


def test_an_answer_that_crosses_our_cancel_is_hung_up_on() -> None:
    own = OwnCall()
    line = own.line
    line.respond(own.invite, 180)
    line.event(Ringing)
    line.agent.bye(own.call, now=line.now)
    line.take()
    line.respond(own.invite, 200, extra=[CONTACT], body=ANSWER)
    ack, bye = line.requests()
    assert (ack.method, bye.method) == ("ACK", "BYE")
    line.respond(bye, 200)
    line.event(Released)


def test_a_cancel_that_nobody_minds_is_given_up() -> None:
    own = OwnCall()
    line = own.line
    line.respond(own.invite, 180)
    line.event(Ringing)
    line.agent.bye(own.call, now=line.now)
    line.wait(33)
    line.event(Released)
    line.wait(100)
    assert len(line.agent) == 0


def test_it_does_not_ring_for_ever() -> None:
    own = OwnCall()
    line = own.line
    line.respond(own.invite, 180)
    line.event(Ringing)
    line.take()
    line.wait(181)
    (cancel, *_) = line.requests()
    assert cancel.method == "CANCEL"
    line.respond(own.invite, 487)
    assert line.event(Refused).status is None


# --- several telephones --------------------------------------------------------------------------------------------
def test_who_answers_second_is_hung_up_on() -> None:
    own = OwnCall()
    line = own.line
    line.respond(own.invite, 180, to_tag="one")
    line.respond(own.invite, 180, to_tag="two")
    assert line.kinds() == ["Ringing", "Ringing"]
    line.respond(own.invite, 200, to_tag="two", extra=[CONTACT], body=ANSWER)
    line.event(Answered)
    line.take()
    second = line.respond(own.invite, 200, to_tag="one", extra=["Contact: <sip:one@192.0.2.31>"], body=ANSWER)
    ack, bye = line.requests()
    assert (ack.method, bye.method, ack.to.tag, bye.to.tag) == ("ACK", "BYE", "one", "one")
    assert str(bye.uri) == "sip:one@192.0.2.31"
    line.give(second)
    assert own.requests() == ["ACK"]
    assert line.kinds() == []


def test_of_very_many_telephones_not_all_are_minded() -> None:
    own = OwnCall()
    for number in range(17):
        own.line.respond(own.invite, 200, to_tag=f"t{number}", extra=[CONTACT], body=ANSWER)
    assert own.requests() == ["ACK", *["ACK", "BYE"] * 15]


def test_what_overtakes_the_200_is_not_refused() -> None:
    """A 481 would end a call that the peer takes for being up; over UDP it comes again by itself."""
    own = OwnCall()
    line = own.line
    info = line.request("INFO", from_tag="callee-tag", to_tag="t1", call_id=own.invite.call_id)
    line.give(info)
    assert line.take() == []
    line.respond(own.invite, 200, extra=[CONTACT], body=ANSWER)
    line.event(Answered)
    line.take()
    line.give(info)
    assert line.statuses() == [200]


def test_over_a_stream_it_is_asked_to_come_again() -> None:
    own = OwnCall(flow=WS)
    line = own.line
    answer = line.ask("INFO", from_tag="callee-tag", to_tag="t1", call_id=own.invite.call_id)
    assert (answer.status, answer.headers.get("Retry-After")) == (500, "1")


def test_a_connection_that_breaks_before_the_answer() -> None:
    own = OwnCall(flow=WS)
    line = own.line
    line.agent.flow_closed(WS, line.now)
    line.event(Refused)
    assert len(line.agent) == 0
