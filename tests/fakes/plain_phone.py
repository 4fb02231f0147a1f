"""A telephone that writes SIP with a pencil, over UDP, and does as badly as a test wants. Its audio is plain RTP."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from audio.rtp.packet import RtpPacket, is_rtcp
from gateway.transports.sip.message import SipRequest, SipResponse, parse

WITHIN = 5.0


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.arrived: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.arrived.put_nowait((data, addr))

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])


class PlainPhone:
    """One call of one telephone."""

    def __init__(self, signalling: Datagrams, media: Datagrams, url: str) -> None:
        self._signalling = signalling
        self.media = media
        self.host, _, port = url.removeprefix("sip:").partition(":")
        self._server = (self.host, int(port))
        self._numbers = itertools.count(1)
        self._to = f"<sip:600@{self.host}>"
        self._target = f"sip:600@{self.host}:{port}"
        self._sequence = itertools.count(1)

    # --- signalling ------------------------------------------------------------------------------------------------
    def sdp(self, formats: str = "0", *attributes: str, port: int | None = None) -> str:
        """A description of our audio."""
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
        lines += [f"m=audio {self.media.port if port is None else port} RTP/AVP {formats}", *attributes]
        return "\r\n".join([*lines, ""])

    def ask(
        self,
        method: str,
        body: str = "",
        *,
        number: int | None = None,
        kind: str = "application/sdp",
        extra: Sequence[str] = (),
    ) -> bytes:
        """Send a request; an ACK needs the number of its INVITE. Returns what was sent."""
        data = self.written(method, body, number=number, kind=kind, extra=extra)
        self.send(data)
        return data

    def written(
        self,
        method: str,
        body: str = "",
        *,
        number: int | None = None,
        kind: str = "application/sdp",
        extra: Sequence[str] = (),
    ) -> bytes:
        """A request that is not sent."""
        number = next(self._numbers) if number is None else number
        lines = [
            f"{method} {self._target} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self._signalling.port};branch=z9hG4bK{method}{number};rport",
            "Max-Forwards: 70",
            "From: <sip:601@127.0.0.1>;tag=phone",
            f"To: {self._to}",
            "Call-ID: plain-call",
            f"CSeq: {number} {method}",
            f"Contact: <sip:601@127.0.0.1:{self._signalling.port}>",
            *extra,
            *([f"Content-Type: {kind}"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join([*lines, "", ""]) + body).encode()

    def send(self, data: bytes) -> None:
        self._signalling.transport.sendto(data, self._server)

    async def response(self, status: int | None = None) -> SipResponse:
        """The next final response, or the next one of a status; requests of the gateway's are answered meanwhile."""
        async with asyncio.timeout(WITHIN):
            while True:
                message = parse((await self._signalling.arrived.get())[0])
                if isinstance(message, SipRequest):
                    self.agree(message)
                elif message.status == status or (status is None and message.status >= 200):
                    if message.to.tag:
                        self._to = f"{self._to.partition(';')[0]};tag={message.to.tag}"
                    if message.contacts:
                        self._target = str(message.contacts[0].uri)
                    return message

    async def request(self, method: str, within: float = WITHIN) -> SipRequest:
        """The next request of the gateway's, which is agreed to."""
        async with asyncio.timeout(within):
            while True:
                message = parse((await self._signalling.arrived.get())[0])
                if isinstance(message, SipRequest):
                    self.agree(message)
                    if message.method == method:
                        return message

    def agree(self, request: SipRequest) -> None:
        """Answer with 200."""
        copied = [
            f"{name}: {value}"
            for name, value in request.headers.items()
            if name in ("Via", "From", "To", "Call-ID", "CSeq")
        ]
        self.send("\r\n".join(["SIP/2.0 200 OK", *copied, "Content-Length: 0", "", ""]).encode())

    # --- media -----------------------------------------------------------------------------------------------------
    def say(self, payload: bytes, port: int, payload_type: int = 0) -> None:
        """Send 20 ms."""
        number = next(self._sequence)
        packet = RtpPacket(payload_type, number, number * 160, 77, payload)
        self.media.transport.sendto(packet.to_wire(), (self.host, port))

    async def hears(self) -> RtpPacket:
        """The next packet of audio."""
        async with asyncio.timeout(WITHIN):
            while is_rtcp(data := (await self.media.arrived.get())[0]):
                pass
        return RtpPacket.from_wire(data)


@asynccontextmanager
async def plain_phone(url: str) -> AsyncIterator[PlainPhone]:
    """A telephone for calls to the line at an address such as ``sip:127.0.0.1:5060``."""
    loop = asyncio.get_running_loop()
    sockets = [(await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0)))[1] for _ in range(2)]
    try:
        yield PlainPhone(*sockets, url)
    finally:
        for socket in sockets:
            socket.transport.close()
        await asyncio.sleep(0)


def port_in(sdp: bytes) -> int:
    """Of the audio of a description."""
    (line,) = (line for line in sdp.decode().split("\r\n") if line.startswith("m=audio "))
    return int(line.split()[1])
