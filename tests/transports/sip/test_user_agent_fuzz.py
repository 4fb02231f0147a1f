"""Whatever arrives, nothing is raised, everything that leaves can be read, and in the end nothing is left."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.transports.sip.flow import CallKey, Flow
from gateway.transports.sip.message import SipRequest
from gateway.transports.sip.registration import RegistrationSettings
from gateway.transports.sip.ua_events import Invited, Reoffered
from gateway.transports.sip.uri import parse_uri
from gateway.transports.sip.user_agent import UserAgentSettings
from tests.fakes import captured_sip, torture
from tests.fakes.sip_agent import ANSWER, OFFER, UDP, WS, AgentAndPeer
from tests.fakes.sip_bytes import PIECES, anything

REGISTRATION = RegistrationSettings(
    name="pbx", registrar=parse_uri("sip:pbx.example.com"), aor=parse_uri("sip:bot@pbx.example.com"), user="bot"
)
METHODS = ["INVITE", "ACK", "BYE", "CANCEL", "INFO", "UPDATE", "NOTIFY", "OPTIONS", "PRACK", "REGISTER", "SUBSCRIBE"]
HEADERS = [
    *("Event: refer", "Subscription-State: terminated", "Reason: SIP;cause=200", "Require: timer", "Require: 100rel"),
    *("Session-Expires: 90;refresher=uas", "Session-Expires: x", "Min-SE: 5", "RAck: 1 1 INVITE", "Contact: *"),
    *("Record-Route: <sip:p.example.com;lr>", "Supported: timer, 100rel", "Refer-Sub: false", "Expires: 0"),
    *("Supported: replaces", "Allow: INVITE, REFER", "Replaces: call-1;to-tag=OURS;from-tag=caller-tag", "Join: x"),
    *("Authorization: Digest realm", "Replaces: a;to-tag=b;from-tag=c", "RSeq: 7", "Content-Encoding: gzip"),
]


class Fuzzed:
    """An agent with a call of theirs, a call of ours and a registration, of which a stranger knows all tags."""

    def __init__(self, flow: Flow) -> None:
        line = self.line = AgentAndPeer(
            flow, settings=UserAgentSettings(takes_registers=True), registrations=[(REGISTRATION, None)]
        )
        line.agent.register("pbx", flow, now=line.now)
        line.give(line.request(body=OFFER, extra=["Supported: replaces"]))
        (invited,) = line.seen
        assert isinstance(invited, Invited)
        self.call = invited.call
        line.agent.accept(self.call, ANSWER, now=line.now)
        self.tag = line.responses()[-1].to.tag
        line.give(line.request("ACK", to_tag=self.tag))
        self.asked: list[SipRequest] = []
        self.consulted: CallKey | None = None
        self.let_in: set[CallKey] = set()

    def ask(self, *, extra: list[str], **fields: Any) -> None:
        """A request of the peer's, which may name our call."""
        extra = [header.replace("OURS", self.tag or "") for header in extra]
        self.line.give(self.line.request(extra=extra, **fields))

    def answer(self, status: int, extra: list[str], body: bytes) -> None:
        """Answer something of the agent's, or again."""
        self.asked += [request for request in self.line.requests() if request.method != "ACK"]
        if self.asked:
            request = self.asked[status % len(self.asked)]
            self.line.respond(request, status, to_tag="x" if status % 2 else "y", extra=extra, body=body)

    def command(self, name: str) -> None:
        agent, now, call = self.line.agent, self.line.now, self.call
        match name:
            case "bye":
                agent.bye(call, now=now)
            case "refer":
                agent.refer(call, parse_uri("sip:c@example.com"), now=now)
            case "consult":
                key = agent.consult(call, parse_uri("sip:c@example.com"), OFFER, now=now)
                self.consulted = key or self.consulted
            case "join":
                target = agent.replacing(self.consulted) if self.consulted is not None else None
                if target is not None:
                    agent.refer(call, target, now=now)
            case "take over":
                self._take_over()
            case "reinvite":
                agent.reinvite(call, OFFER, now=now)
            case "closed":
                agent.flow_closed(self.line.flow, now)
            case "register":
                agent.register("pbx", self.line.flow, now=now)
            case "unregister":
                agent.unregister("pbx", now=now)
            case "agree":
                for event in self.line.seen:
                    if isinstance(event, Reoffered):
                        agent.answer_reoffer(event.call, ANSWER, now=now)

    def _take_over(self) -> None:
        """Let in who wants to take the place of a call."""
        agent, now = self.line.agent, self.line.now
        for event in self.line.seen:
            if isinstance(event, Invited) and event.replaces is not None and event.call not in self.let_in:
                self.let_in.add(event.call)
                agent.accept(event.call, ANSWER, now=now)
                agent.bye(event.replaces, now=now)

    def end(self) -> None:
        line = self.line
        line.agent.unregister("pbx", now=line.now)
        line.wait(1000)
        for call in {event.call for event in line.seen if hasattr(event, "call")} | {self.call}:
            line.agent.bye(call, now=line.now)
        line.wait(1000)
        assert len(line.agent) == 0
        ends = [event for event in line.seen if type(event).__name__ in ("ByeReceived", "Released", "CallLost")]
        assert len([event for event in ends if getattr(event, "call", None) == self.call]) == 1


requests = st.builds(
    dict,
    kind=st.just("request"),
    method=st.sampled_from(METHODS),
    number=st.integers(0, 12),
    to_tag=st.sampled_from(["ours", "ours", "ours", None, "nobody"]),
    branch=st.sampled_from(["z9hG4bK1", "z9hG4bK2", "z9hG4bKpeer1", "old", None]),
    extra=st.lists(st.sampled_from(HEADERS), max_size=2),
    body=st.sampled_from([b"", OFFER, b"SIP/2.0 200 OK", b"SIP/2.0 486"]),
    content_type=st.sampled_from(["application/sdp", "message/sipfrag", "multipart/mixed;boundary=x", "text/plain"]),
)
answers = st.builds(
    dict,
    kind=st.just("answer"),
    status=st.sampled_from([100, 180, 183, 200, 202, 302, 401, 407, 408, 422, 423, 481, 486, 487, 491, 500, 503, 603]),
    extra=st.lists(st.sampled_from([*HEADERS, "Min-Expires: 400", "Retry-After: 7", "Min-SE: 1800"]), max_size=2),
    body=st.sampled_from([b"", ANSWER]),
)
commands = st.builds(
    dict,
    kind=st.just("command"),
    name=st.sampled_from(
        ["bye", "refer", "reinvite", "closed", "register", "unregister", "agree", "consult", "join", "take over"]
    ),
)
waits = st.builds(dict, kind=st.just("wait"), seconds=st.sampled_from([0.5, 5.0, 40.0]))
course = st.lists(st.one_of(requests, requests, answers, answers, commands, waits), max_size=25)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from([UDP, WS]), course)
def test_any_course_of_well_formed_messages(flow: Flow, steps: list[dict[str, Any]]) -> None:
    fuzzed = Fuzzed(flow)
    for step in steps:
        fields = dict(step)
        match fields.pop("kind"):
            case "request":
                if fields["to_tag"] == "ours":
                    fields["to_tag"] = fuzzed.tag
                fuzzed.ask(**fields)
            case "answer":
                fuzzed.answer(**fields)
            case "command":
                fuzzed.command(**fields)
            case _:
                fuzzed.line.wait(**fields)
    fuzzed.end()


@settings(max_examples=50, deadline=None)
@given(st.sampled_from([UDP, WS]), st.lists(anything, max_size=4))
def test_any_bytes(flow: Flow, messages: list[bytes]) -> None:
    fuzzed = Fuzzed(flow)
    for data in messages:
        fuzzed.line.agent.receive(data, flow, fuzzed.line.now)
        fuzzed.line.agent.outgoing()  # what answers the unreadable may be unreadable
    fuzzed.line.wait(400)
    fuzzed.end()


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_callers_messages_with_pieces_changed(data: st.DataObject) -> None:
    fuzzed = Fuzzed(UDP)
    for number in range(data.draw(st.integers(1, 3))):
        method = data.draw(st.sampled_from(METHODS))
        message = bytearray(fuzzed.line.request(method, number=number + 2, to_tag=fuzzed.tag, body=OFFER))
        for _ in range(data.draw(st.integers(1, 3))):
            start = data.draw(st.integers(0, len(message)))
            message[start : start + data.draw(st.integers(0, 9))] = data.draw(st.sampled_from(PIECES))
        fuzzed.line.agent.receive(bytes(message), UDP, fuzzed.line.now)
        fuzzed.line.agent.outgoing()
    fuzzed.line.wait(400)
    fuzzed.end()


def test_torture_and_captured_messages_are_borne() -> None:
    fuzzed = Fuzzed(UDP)
    for name in torture.NAMES:
        fuzzed.line.agent.receive(torture.torture(name), UDP, fuzzed.line.now)
    for name in captured_sip.NAMES:
        fuzzed.line.agent.receive(captured_sip.captured(name), UDP, fuzzed.line.now)
    fuzzed.line.agent.outgoing()
    fuzzed.line.wait(400)
    fuzzed.end()
