"""Connections that break and come back, and peers that come by another way."""

from __future__ import annotations

import pytest

from gateway.transports.sip.flow import Flow, FlowTransport, invalid_host
from gateway.transports.sip.message import SipRequest
from gateway.transports.sip.registration import RegistrationSettings
from gateway.transports.sip.ua_events import (
    ByeReceived,
    CallLost,
    Invited,
    Reanswered,
    Registered,
    RegistrationFailed,
    Released,
)
from gateway.transports.sip.uri import parse_uri
from tests.fakes.sip_agent import ANSWER, OFFER, UDP, WS, AgentAndPeer, counting, up

WS2 = Flow("ws-2", "ws", "192.0.2.8:8088", "zyx987.invalid")
REGISTRATION = RegistrationSettings(
    name="pbx", registrar=parse_uri("sip:pbx.example.com"), aor=parse_uri("sip:bot@pbx.example.com"), user="bot"
)


class Registered2:
    """A call that is up over a WebSocket with a registration."""

    def __init__(self, allow: str = "INVITE, ACK, BYE, UPDATE") -> None:
        self.line = AgentAndPeer(WS, registrations=[(REGISTRATION, None)])
        self.register(WS)
        line = self.line
        line.give(line.request(body=OFFER, extra=[f"Allow: {allow}"]))
        self.call = line.event(Invited).call
        line.agent.accept(self.call, ANSWER, now=line.now)
        tag = line.responses()[-1].to.tag
        assert tag is not None
        self.tag = tag
        line.give(line.request("ACK", to_tag=self.tag))
        line.take()
        line.kinds()

    def register(self, flow: Flow) -> None:
        line = self.line
        line.take()
        line.agent.register("pbx", flow, now=line.now)
        (register,) = line.requests()
        line.respond(register, 200, extra=[f"Contact: {register.headers.get('Contact')}"])
        line.event(Registered)

    def sent(self) -> list[tuple[Flow, SipRequest]]:
        self.line.collect()
        sent, self.line.sent = self.line.sent, []
        return [(flow, message) for flow, message in sent if isinstance(message, SipRequest)]


def test_a_call_outlives_its_connection_for_a_while() -> None:
    line, call, _ = up(WS)
    line.agent.flow_closed(WS, line.now)
    line.wait(14.9)
    assert line.kinds() == []
    line.wait(0.2)
    lost = line.event(CallLost)
    assert (lost.call, lost.cause) == (call, "signalling")
    assert line.take() == []  # there is nobody to tell
    line.wait(100)
    assert len(line.agent) == 0


def test_a_new_registration_takes_the_calls_along_and_says_where_we_are() -> None:
    registered = Registered2()
    line = registered.line
    line.agent.flow_closed(WS, line.now)
    line.event(RegistrationFailed)
    line.wait(5)
    registered.register(WS2)
    ((flow, update),) = registered.sent()
    assert (flow, update.method) == (WS2, "UPDATE")
    assert str(update.contacts[0].uri) == "sip:bot@zyx987.invalid;transport=ws;ob"
    assert str(update.vias[0]).startswith("SIP/2.0/WS zyx987.invalid;")
    line.respond(update, 200)
    line.wait(60)
    assert line.kinds() == []
    line.agent.bye(registered.call, now=line.now)
    assert [(flow, request.method) for flow, request in registered.sent() if request.method == "BYE"] == [(WS2, "BYE")]


def test_a_peer_without_update_is_told_by_an_offer_that_changes_nothing() -> None:
    registered = Registered2(allow="INVITE, ACK, BYE")
    line = registered.line
    line.agent.flow_closed(WS, line.now)
    line.kinds()
    registered.register(WS2)
    ((flow, reinvite),) = registered.sent()
    assert (flow, reinvite.method, reinvite.body) == (WS2, "INVITE", ANSWER)
    line.respond(reinvite, 200, body=OFFER)
    line.event(Reanswered)


def test_a_peer_that_does_not_know_update_after_all() -> None:
    registered = Registered2()
    registered.line.agent.flow_closed(WS, registered.line.now)
    registered.line.kinds()
    registered.register(WS2)
    ((_, update),) = registered.sent()
    registered.line.respond(update, 501)
    assert [request.method for _, request in registered.sent()] == ["INVITE"]


def test_a_registrar_that_has_lost_the_call() -> None:
    registered = Registered2()
    registered.line.agent.flow_closed(WS, registered.line.now)
    registered.line.kinds()
    registered.register(WS2)
    ((_, update),) = registered.sent()
    registered.line.respond(update, 481)
    assert registered.line.event(CallLost).cause == "dialog_gone"


def test_a_new_connection_before_the_old_one_is_known_to_be_gone() -> None:
    registered = Registered2()
    registered.register(WS2)
    assert [(flow, request.method) for flow, request in registered.sent()] == [(WS2, "UPDATE")]
    registered.line.agent.flow_closed(WS, registered.line.now)
    registered.line.wait(14)
    assert registered.line.kinds() == []


def test_a_bye_waits_for_the_connection() -> None:
    registered = Registered2()
    line = registered.line
    line.agent.flow_closed(WS, line.now)
    line.kinds()
    line.agent.bye(registered.call, now=line.now)
    assert registered.sent() == []
    registered.register(WS2)
    ((flow, bye),) = registered.sent()
    assert (flow, bye.method) == (WS2, "BYE")
    line.respond(bye, 200)
    line.event(Released)


def test_a_bye_whose_connection_does_not_come_back() -> None:
    line, call, _ = up(WS)
    line.agent.flow_closed(WS, line.now)
    line.agent.bye(call, now=line.now)
    line.wait(16)
    line.event(Released)


def test_a_bye_that_is_out_when_the_connection_breaks_is_said_again() -> None:
    """It may not have arrived, and the peer would keep a call in which nobody speaks."""
    registered = Registered2()
    line = registered.line
    line.agent.bye(registered.call, now=line.now)
    assert [request.method for _, request in registered.sent()] == ["BYE"]
    line.agent.flow_closed(WS, line.now)
    assert line.kinds() == ["RegistrationFailed"]
    registered.register(WS2)
    ((flow, bye),) = registered.sent()
    assert (flow, bye.method) == (WS2, "BYE")
    line.respond(bye, 481)
    line.event(Released)


def test_a_bye_that_is_out_when_the_connection_breaks_for_good() -> None:
    line, call, _ = up(WS)
    line.agent.bye(call, now=line.now)
    line.agent.flow_closed(WS, line.now)
    line.wait(16)
    line.event(Released)
    line.wait(100)
    assert len(line.agent) == 0


def test_what_is_out_on_the_connection_before_is_said_again_on_the_new_one() -> None:
    """The new connection was there before the end of the old one was known."""
    for act, method in (("reinvite", "INVITE"), ("bye", "BYE")):
        registered = Registered2()
        line = registered.line
        if act == "bye":
            line.agent.bye(registered.call, now=line.now)
        else:
            line.agent.reinvite(registered.call, OFFER, now=line.now)
        registered.sent()
        registered.register(WS2)
        assert registered.sent() == []
        line.agent.flow_closed(WS, line.now)
        assert [(flow, request.method) for flow, request in registered.sent()] == [(WS2, method)]


def test_a_call_is_answered_on_the_new_connection() -> None:
    """It rang on the old one: the proxy still waits for our response."""
    line = AgentAndPeer(WS, registrations=[(REGISTRATION, None)])
    line.agent.register("pbx", WS, now=line.now)
    line.respond(line.requests()[0], 200)
    line.give(line.request(body=OFFER))
    line.take()
    _, invited = line.seen
    assert isinstance(invited, Invited)
    line.agent.flow_closed(WS, line.now)
    line.agent.register("pbx", WS2, now=line.now)
    line.respond(line.requests()[0], 200)
    line.agent.accept(invited.call, ANSWER, now=line.now)
    line.collect()
    assert [flow for flow, _ in line.sent] == [WS2]


def test_what_waits_for_the_connection_goes_out_when_the_peer_comes_back() -> None:
    line, call, tag = up(WS)
    line.agent.flow_closed(WS, line.now)
    line.agent.bye(call, now=line.now)
    line.give(line.request("INFO", number=2, to_tag=tag), WS2)
    assert [request.method for request in line.requests()] == ["BYE"]

    line, call, tag = up(WS)
    line.agent.flow_closed(WS, line.now)
    line.agent.reinvite(call, OFFER, now=line.now)
    line.give(line.request("INFO", number=2, to_tag=tag), WS2)
    assert [request.method for request in line.requests()] == ["INVITE"]


def test_an_offer_of_ours_is_made_again_on_the_new_connection() -> None:
    registered = Registered2()
    line = registered.line
    line.agent.reinvite(registered.call, OFFER, now=line.now)
    registered.sent()
    line.agent.flow_closed(WS, line.now)
    assert line.kinds() == ["RegistrationFailed"]
    registered.register(WS2)
    ((flow, reinvite),) = registered.sent()
    assert (flow, reinvite.method, reinvite.body) == (WS2, "INVITE", OFFER)


def test_a_peer_that_comes_by_another_way_is_answered_there() -> None:
    line, call, tag = up()
    other = Flow("udp-9", "udp", "192.0.2.99:5060", UDP.local)
    line.give(line.request("INFO", number=2, to_tag=tag), other)
    line.agent.bye(call, now=line.now)
    line.collect()
    assert [flow for flow, _ in line.sent] == [other, other]


def test_a_peer_may_come_back_by_itself() -> None:
    line, _, tag = up(WS)
    line.agent.flow_closed(WS, line.now)
    line.give(line.request("INFO", number=2, to_tag=tag), WS2)
    line.kinds()
    line.wait(60)
    assert line.kinds() == []
    line.give(line.request("BYE", number=3, to_tag=tag), WS2)
    line.event(ByeReceived)


def test_an_offer_that_waits_for_us_is_answered_on_the_new_connection() -> None:
    registered = Registered2()
    line = registered.line
    line.give(line.request(number=2, to_tag=registered.tag, body=OFFER))
    line.kinds()
    registered.register(WS2)
    line.sent.clear()
    line.agent.answer_reoffer(registered.call, ANSWER, now=line.now)
    line.collect()
    assert [flow for flow, _ in line.sent] == [WS2]


def test_strangers_do_not_move_a_call() -> None:
    line, call, tag = up()
    other = Flow("udp-9", "udp", "192.0.2.99:5060", UDP.local)
    line.give(line.request("INFO", number=2, to_tag=tag, from_tag="mallory"), other)
    line.give(line.request("INFO", number=1, to_tag=tag), other)
    line.take()
    line.agent.bye(call, now=line.now)
    line.collect()
    assert [flow for flow, _ in line.sent] == [UDP]


# --- flows themselves ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("192.0.2.1:5060", ("192.0.2.1", 5060)),
        ("[2001:db8::1]:5060", ("2001:db8::1", 5060)),
        ("2001:db8::1", ("2001:db8::1", 0)),
        ("192.0.2.1", ("192.0.2.1", 0)),
        ("", ("", 0)),
    ],
)
def test_the_peers_address(peer: str, address: tuple[str, int]) -> None:
    assert Flow("x", "udp", peer, "h:1").peer_address == address


@pytest.mark.parametrize(
    ("transport", "local", "via", "contact"),
    [
        ("udp", "192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.1:5060", "sip:u@192.0.2.1:5060"),
        ("tcp", "[2001:db8::1]:5060", "SIP/2.0/TCP [2001:db8::1]:5060", "sip:u@[2001:db8::1]:5060;transport=tcp"),
        ("tls", "gw.example.com", "SIP/2.0/TLS gw.example.com", "sip:u@gw.example.com;transport=tls"),
        ("ws", "a1.invalid", "SIP/2.0/WS a1.invalid", "sip:u@a1.invalid;transport=ws"),
        ("wss", "a1.invalid", "SIP/2.0/WSS a1.invalid", "sip:u@a1.invalid;transport=ws"),
    ],
)
def test_what_a_flow_writes(transport: FlowTransport, local: str, via: str, contact: str) -> None:
    flow = Flow("x", transport, "192.0.2.9:1", local)
    assert str(flow.via("z9hG4bKb")) == f"{via};branch=z9hG4bKb;rport"
    assert str(flow.contact("u")) == contact
    assert flow.reliable is (transport != "udp")
    assert str(flow.contact("u", "wss")).endswith(";transport=wss")


def test_a_host_that_does_not_exist() -> None:
    tokens = counting("ABCDEFGHIJKLMNOP")
    assert invalid_host(tokens) == "abcdefghijkl.invalid"
