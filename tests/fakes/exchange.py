"""An exchange on a trunk, by UDP, that writes SIP with a pencil: several calls at once, and nothing done by itself."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from audio.rtp.packet import RtpPacket, is_rtcp
from gateway.transports.sip.message import Message, SipRequest, SipResponse, parse
from gateway.transports.sip.uri import SipUri, parse_name_address
from tests.fakes.plain_phone import Datagrams, port_in

WITHIN = 8.0
ABILITIES = ("Allow: INVITE, ACK, BYE, CANCEL, NOTIFY, REFER", "Supported: replaces, timer")


@dataclass
class Side:
    """One call, as the exchange sees it.

    Attributes:
        ours: From or To of the exchange, with its tag.
        theirs: Of the gateway.
        target: Contact of the gateway.
        audio: Port of the gateway, once it is known.
    """

    call_id: str
    ours: str
    theirs: str
    target: str
    audio: int = 0
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))


class Exchange:
    """See the module. Requests of the gateway wait until the test looks for them."""

    def __init__(self, signalling: Datagrams, media: Datagrams, url: str) -> None:
        self._signalling = signalling
        self.media = media
        self.host, _, port = url.removeprefix("sip:").partition(":")
        self._server = (self.host, int(port))
        self._branches = itertools.count(1)
        self._seen: list[Message] = []

    def sdp(self, *attributes: str, payload_type: int = 0) -> str:
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
        return "\r\n".join([*lines, f"m=audio {self.media.port} RTP/AVP {payload_type}", *attributes, ""])

    def says(self, payload: bytes, port: int, *, sequence: int, payload_type: int = 0, ssrc: int = 77) -> None:
        """Send 20 ms of audio to a port of the gateway."""
        packet = RtpPacket(payload_type, sequence, sequence * 160, ssrc, payload)
        self.media.transport.sendto(packet.to_wire(), (self.host, port))

    async def hears(self, port: int) -> RtpPacket:
        """The next packet of audio from a port of the gateway."""
        async with asyncio.timeout(WITHIN):
            while True:
                data, source = await self.media.arrived.get()
                if source[1] == port and not is_rtcp(data):
                    return RtpPacket.from_wire(data)

    # --- what it says ----------------------------------------------------------------------------------------------
    async def calls(
        self,
        name: str = "caller",
        *,
        called: str = "600",
        extra: Sequence[str] = ABILITIES,
        body: str | None = None,
    ) -> Side:
        """A call to the gateway that it answers."""
        side = self.invites(name, called=called, extra=extra, body=body)
        answer = await self.response(side)
        assert answer.status == 200, answer.status
        self.acknowledges(side, answer)
        return side

    def invites(
        self,
        name: str = "caller",
        *,
        called: str = "600",
        extra: Sequence[str] = ABILITIES,
        body: str | None = None,
    ) -> Side:
        """A call to the gateway of which nothing is known yet."""
        ours, target = f'"{name.title()}" <sip:601@127.0.0.1>;tag={name}', f"sip:{called}@{self.host}"
        side = Side(f"{name}-call", ours, f"<{target}>", target)
        self.ask("INVITE", side, self.sdp() if body is None else body, extra=extra)
        return side

    def acknowledges(self, side: Side, answer: SipResponse, body: str = "") -> None:
        """The gateway's 200 has arrived."""
        side.theirs = answer.headers.get("To") or ""
        side.target = str(answer.contacts[0].uri)
        side.audio = port_in(answer.body)
        self.ask("ACK", side, body, number=answer.cseq.number)

    def ask(
        self,
        method: str,
        side: Side,
        body: str = "",
        *,
        number: int | None = None,
        branch: str = "",
        kind: str = "application/sdp",
        extra: Sequence[str] = (),
    ) -> None:
        """Send a request."""
        number = next(side.numbers) if number is None else number
        branch = branch or f"{side.call_id}{next(self._branches)}"
        lines = [
            f"{method} {side.target} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self._signalling.port};branch=z9hG4bK{branch};rport",
            "Max-Forwards: 70",
            f"From: {side.ours}",
            f"To: {side.theirs}",
            f"Call-ID: {side.call_id}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:exchange@127.0.0.1:{self._signalling.port}>",
            *extra,
            *([f"Content-Type: {kind}"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self._send("\r\n".join([*lines, "", ""]) + body)

    def notifies(self, side: Side, fragment: str, state: str = "terminated;reason=noresource") -> None:
        """Tell how far a transfer is."""
        extra = ["Event: refer", f"Subscription-State: {state}"]
        self.ask("NOTIFY", side, f"SIP/2.0 {fragment}\r\n", kind="message/sipfrag;version=2.0", extra=extra)

    def answers(
        self, request: SipRequest, status: int = 200, *, tag: str = "", extra: Sequence[str] = (), body: str = ""
    ) -> Side:
        """Answer a request; the call that this makes, for an INVITE."""
        to = f"{request.headers.get('To')}{f';tag={tag}' if tag else ''}"
        lines = [
            f"SIP/2.0 {status} As It Is",
            *(f"Via: {via}" for via in request.headers.fields("Via")),
            f"From: {request.headers.get('From')}",
            f"To: {to}",
            f"Call-ID: {request.call_id}",
            f"CSeq: {request.cseq}",
            *([f"Contact: <sip:exchange@127.0.0.1:{self._signalling.port}>"] if request.method == "INVITE" else []),
            *extra,
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self._send("\r\n".join([*lines, "", ""]) + body)
        target = str(request.contacts[0].uri) if request.contacts else ""
        return Side(request.call_id, to, request.headers.get("From") or "", target)

    def _send(self, text: str) -> None:
        self._signalling.transport.sendto(text.encode(), self._server)

    # --- what it hears ---------------------------------------------------------------------------------------------
    async def request(self, method: str, within: float = WITHIN) -> SipRequest:
        """The next request of the gateway's of that method, repetitions left out."""
        found = await self._find(lambda it: isinstance(it, SipRequest) and it.method == method, within)
        assert isinstance(found, SipRequest)
        return found

    async def response(self, side: Side, within: float = WITHIN) -> SipResponse:
        """The next final response in a call."""

        def is_it(message: Message) -> bool:
            return isinstance(message, SipResponse) and message.call_id == side.call_id and message.status >= 200

        found = await self._find(is_it, within)
        assert isinstance(found, SipResponse)
        return found

    async def _find(self, is_it: object, within: float) -> Message:
        assert callable(is_it)
        async with asyncio.timeout(within):
            while True:
                for message in self._seen:
                    if is_it(message):
                        self._seen = [other for other in self._seen if other.to_bytes() != message.to_bytes()]
                        return message
                self._seen.append(parse((await self._signalling.arrived.get())[0]))

    def has_heard(self, method: str) -> bool:
        """Whether a request of that method has come and was not looked for."""
        while not self._signalling.arrived.empty():
            self._seen.append(parse(self._signalling.arrived.get_nowait()[0]))
        return any(isinstance(message, SipRequest) and message.method == method for message in self._seen)


def sent_to(refer: SipRequest) -> SipUri:
    """Where a REFER sends somebody."""
    return parse_name_address(refer.headers.get("Refer-To") or "").uri


@asynccontextmanager
async def exchange(url: str) -> AsyncIterator[Exchange]:
    """An exchange that calls the line at an address such as ``sip:127.0.0.1:5060``."""
    loop = asyncio.get_running_loop()
    sockets = [(await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0)))[1] for _ in range(2)]
    try:
        yield Exchange(*sockets, url)
    finally:
        for socket in sockets:
            socket.transport.close()
        await asyncio.sleep(0)
