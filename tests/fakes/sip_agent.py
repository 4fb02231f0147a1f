"""One SIP user agent on a flow, and a peer that writes plain text to it and reads what comes back."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from gateway.transports.sip.asking import Credentials
from gateway.transports.sip.context import UserAgentSettings
from gateway.transports.sip.flow import CallKey, Flow
from gateway.transports.sip.grammar import split_outside
from gateway.transports.sip.message import Message, SipRequest, SipResponse, parse
from gateway.transports.sip.reception import Welcome
from gateway.transports.sip.registration import RegistrationSettings
from gateway.transports.sip.ua_events import UserAgentEvent
from gateway.transports.sip.user_agent import UserAgent

E = TypeVar("E", bound=UserAgentEvent)

UDP = Flow("udp-1", "udp", "192.0.2.7:5060", "198.51.100.1:5060")
WS = Flow("ws-1", "ws", "192.0.2.8:8088", "abc123.invalid")
OFFER = b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
ANSWER = b"v=0\r\no=- 7 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n"


def counting(prefix: str) -> Callable[[], str]:
    """Words that are all different: ``a1``, ``a2`` ..."""
    numbers = itertools.count(1)
    return lambda: f"{prefix}{next(numbers)}"


def at_the_end(data: bytes) -> bytes:
    """A response as it arrives where the request began: every station has taken its Via off."""
    head, _, body = data.partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    vias = [line for line in lines if line.startswith(b"Via:")]
    if not start.startswith(b"SIP/2.0 ") or not vias:
        return data
    last = split_outside(vias[-1].partition(b":")[2].decode("utf-8", "surrogateescape"), ",")[-1]
    others = [line for line in lines if line not in vias]
    return b"\r\n".join([start, b"Via: " + last.encode("utf-8", "surrogateescape"), *others]) + b"\r\n\r\n" + body


class AgentAndPeer:
    """A user agent of ours, time, and the other side's pencil.

    Attributes:
        now: Its time; `wait` moves it.
        sent: Every message that has left and was not yet looked at by `take`.
        seen: Every event that was not yet looked at by `event`.
    """

    def __init__(
        self,
        flow: Flow = UDP,
        *,
        settings: UserAgentSettings | None = None,
        welcome: Welcome | None = None,
        credentials: Credentials | None = None,
        registrations: Sequence[tuple[RegistrationSettings, Credentials | None]] = (),
        chance: Callable[[], float] = lambda: 0.5,
    ) -> None:
        more = {} if welcome is None else {"welcome": welcome}
        self.agent = UserAgent(
            settings or UserAgentSettings(),
            tokens=counting("t"),
            chance=chance,
            credentials=credentials,
            registrations=registrations,
            **more,
        )
        self.flow = flow
        self.now = 100.0
        self.sent: list[tuple[Flow, Message]] = []
        self.seen: list[UserAgentEvent] = []
        self._branches = itertools.count(1)

    # --- the other side --------------------------------------------------------------------------------------------
    def request(
        self,
        method: str = "INVITE",
        *,
        number: int = 1,
        to_tag: str | None = None,
        from_tag: str = "caller-tag",
        branch: str | None = None,
        call_id: str = "call-1",
        uri: str = "sip:bot@198.51.100.1",
        extra: Sequence[str] = (),
        body: bytes = b"",
        content_type: str = "application/sdp",
    ) -> bytes:
        """A request as a caller writes it."""
        branch = branch or f"z9hG4bKpeer{next(self._branches)}"
        via = f"SIP/2.0/{self.flow.transport.upper()} 192.0.2.7:5060;branch={branch};rport"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: {via}",
            "Max-Forwards: 70",
            f"From: <sip:alice@example.com>;tag={from_tag}",
            f"To: <sip:bot@example.com>{f';tag={to_tag}' if to_tag else ''}",
            f"Call-ID: {call_id}",
            f"CSeq: {number} {method}",
            *extra,
        ]
        if method in ("INVITE", "UPDATE") and not any(line.startswith("Contact") for line in extra):
            lines.append("Contact: <sip:alice@192.0.2.7:5060>")
        if body:
            lines.append(f"Content-Type: {content_type}")
        lines.append(f"Content-Length: {len(body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    def give(self, data: bytes, flow: Flow | None = None) -> None:
        """The agent receives a message."""
        self.agent.receive(data, flow or self.flow, self.now)
        self.collect()

    def ask(self, method: str, **fields: Any) -> SipResponse:
        """Send a request, and return the one response to it."""
        self.sent.clear()
        self.give(self.request(method, **fields))
        (response,) = self.responses()
        return response

    def respond(
        self,
        request: SipRequest,
        status: int,
        *,
        to_tag: str = "callee-tag",
        extra: Sequence[str] = (),
        body: bytes = b"",
        content_type: str = "application/sdp",
    ) -> bytes:
        """Answer one of the agent's requests; returns what was said, to say it again."""
        to = str(request.to) if request.to.tag else f"{request.to};tag={to_tag}"
        lines = [
            f"SIP/2.0 {status} Because",
            *(f"Via: {via}" for via in request.headers.fields("Via")),
            f"From: {request.from_}",
            f"To: {to}",
            f"Call-ID: {request.call_id}",
            f"CSeq: {request.cseq}",
            *extra,
            *([f"Content-Type: {content_type}"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        data = ("\r\n".join(lines) + "\r\n\r\n").encode() + body
        self.give(data)
        return data

    # --- time and results ------------------------------------------------------------------------------------------
    def wait(self, seconds: float) -> None:
        """Let time pass, timer by timer."""
        until = self.now + seconds
        while (due := self.agent.next_timeout()) is not None and due <= until:
            self.now = max(self.now, due)
            self.agent.timeout(self.now)
            self.collect()
        self.now = until

    def collect(self) -> None:
        self.sent += [(flow, parse(at_the_end(data))) for flow, data in self.agent.outgoing()]
        self.seen += self.agent.events()

    def take(self) -> list[Message]:
        """What has left since the last look."""
        self.collect()
        messages, self.sent = [message for _, message in self.sent], []
        return messages

    def responses(self) -> list[SipResponse]:
        """The responses among `take`."""
        return [message for message in self.take() if isinstance(message, SipResponse)]

    def statuses(self) -> list[int]:
        return [response.status for response in self.responses()]

    def requests(self) -> list[SipRequest]:
        """The requests among `take`."""
        return [message for message in self.take() if isinstance(message, SipRequest)]

    def event(self, kind: type[E]) -> E:
        """The only event since the last look, which is of that kind."""
        self.collect()
        events, self.seen = self.seen, []
        assert len(events) == 1, events
        assert isinstance(events[0], kind), events
        return events[0]

    def kinds(self) -> list[str]:
        """The kinds of all events since the last look."""
        self.collect()
        events, self.seen = self.seen, []
        return [type(event).__name__ for event in events]


def up(flow: Flow = UDP, **more: Any) -> tuple[AgentAndPeer, CallKey, str]:
    """A call of theirs that is up: the agent, the call's key, and our tag."""
    from gateway.transports.sip.ua_events import Acked, Invited

    line = AgentAndPeer(flow, **more)
    line.give(line.request(body=OFFER, extra=["Allow: INVITE, ACK, BYE, CANCEL, UPDATE, INFO, REFER"]))
    call = line.event(Invited).call
    line.agent.accept(call, ANSWER, now=line.now)
    tag = line.responses()[-1].to.tag
    assert tag is not None
    line.give(line.request("ACK", to_tag=tag))
    line.event(Acked)
    line.take()
    return line, call, tag
