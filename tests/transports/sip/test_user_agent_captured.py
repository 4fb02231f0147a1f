"""Calls and registrations as Asterisk and Kamailio signalled them, message by message."""

from __future__ import annotations

import pytest

from gateway.transports.sip.digest import DigestClient
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.message import SipResponse, parse
from gateway.transports.sip.registration import RegistrationSettings
from gateway.transports.sip.ua_events import Acked, ByeReceived, InfoReceived, Invited, Registered
from gateway.transports.sip.uri import parse_uri
from gateway.transports.sip.user_agent import UserAgent, UserAgentSettings
from tests.fakes.captured_sip import captured
from tests.fakes.sip_agent import ANSWER, at_the_end

ASTERISK = Flow("ws-1", "ws", "10.99.0.1:8188", "bbfe5310.invalid")
KAMAILIO = Flow("ws-2", "ws", "10.99.0.1:5080", "bcbf5b11.invalid")
TAGS = {ASTERISK: "77748506", KAMAILIO: "cea2c0f3"}
"""What the agent of the capture had for a tag."""


def agent_of(flow: Flow) -> UserAgent:
    return UserAgent(UserAgentSettings(user="bot"), tokens=lambda: TAGS[flow], chance=lambda: 0.5)


def responses(agent: UserAgent) -> list[SipResponse]:
    messages = [parse(at_the_end(data)) for _, data in agent.outgoing()]
    return [message for message in messages if isinstance(message, SipResponse)]


@pytest.mark.parametrize(("flow", "peer"), [(ASTERISK, "asterisk"), (KAMAILIO, "kamailio")])
def test_a_call(flow: Flow, peer: str) -> None:
    agent = agent_of(flow)
    agent.receive(captured(f"{peer}_invite"), flow, 0.0)
    (invited,) = agent.events()
    assert isinstance(invited, Invited)
    assert invited.sdp is not None
    assert b"telephone-event" in invited.sdp
    agent.accept(invited.call, ANSWER, now=0.1)
    raw = [data for _, data in agent.outgoing()]
    assert raw[-1].count(b"\r\nRecord-Route: ") == (2 if peer == "kamailio" else 0)
    assert raw[-1].count(b"\r\nVia: ") + raw[-1].count(b", SIP/2.0/") == (2 if peer == "kamailio" else 1)
    agent.receive(captured(f"{peer}_ack"), flow, 0.2)
    assert agent.events() == [Acked(call=invited.call)]
    if peer == "asterisk":
        agent.receive(captured("asterisk_info_dtmf"), flow, 1.0)
        (info,) = agent.events()
        assert isinstance(info, InfoReceived)
        assert (info.content_type, info.body.split()) == ("application/dtmf-relay", [b"Signal=5", b"Duration=180"])
        assert [response.status for response in responses(agent)] == [200]
    agent.receive(captured(f"{peer}_bye"), flow, 2.0)
    assert agent.events() == [ByeReceived(call=invited.call, reason="Q.850;cause=16" if peer == "asterisk" else "")]
    assert [response.status for response in responses(agent)] == [200]
    agent.timeout(100.0)
    agent.timeout(200.0)
    assert len(agent) == 0


def test_asterisks_offer_of_a_session_timer_is_taken() -> None:
    agent = agent_of(ASTERISK)
    agent.receive(captured("asterisk_invite"), ASTERISK, 0.0)
    (invited,) = agent.events()
    assert isinstance(invited, Invited)
    agent.accept(invited.call, ANSWER, now=0.1)
    answer = responses(agent)[-1]
    assert answer.headers.get("Session-Expires") == "1800;refresher=uac"
    assert answer.headers.all("Require") == ["timer"]


@pytest.mark.parametrize(("flow", "peer", "expires"), [(ASTERISK, "asterisk", 299.0), (KAMAILIO, "kamailio", 300.0)])
def test_a_registration(flow: Flow, peer: str, expires: float) -> None:
    """The peer's answers, with the branches and Call-IDs of the agent that asks now."""
    settings = RegistrationSettings(
        name="pbx", registrar=parse_uri("sip:10.99.0.1"), aor=parse_uri("sip:bot@10.99.0.1"), user="bot"
    )
    numbers = iter(range(1000))
    agent = UserAgent(
        UserAgentSettings(),
        tokens=lambda: f"t{next(numbers)}",
        chance=lambda: 0.5,
        registrations=[(settings, DigestClient("bot", "secret", lambda: "c"))],
    )
    agent.register("pbx", flow, now=0.0)
    for name in (f"{peer}_401", f"{peer}_200_register"):
        ((_, sent),) = agent.outgoing()
        request, answer = parse(sent), parse(captured(name))
        for header in ("Via", "Call-ID", "CSeq"):
            answer.headers.set(header, request.headers.get(header) or "")
        agent.receive(answer.to_bytes(), flow, 0.1)
    (registered,) = agent.events()
    assert isinstance(registered, Registered)
    assert registered.expires == expires
