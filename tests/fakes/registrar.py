"""A PBX at which a line registers over WebSocket, and which then calls it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from gateway.transports.sip.digest import DigestServer
from gateway.transports.sip.message import SipRequest, SipResponse, parse, response_to
from gateway.transports.sip.uri import SipUri

WITHIN = 5.0
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n"


class FakeRegistrar:
    """Answers REGISTER, and keeps what else comes.

    Attributes:
        refuse_with: Status for every REGISTER; None: who knows the password is registered.
        registers: Those that came, with their connections.
        requests, responses: What else came.
        connections: In the order in which they came.
        sockets: By account, once it is registered.

    Args:
        user: Whose password it knows; None: it asks nobody.
    """

    def __init__(self, user: str | None = None, password: str = "", expires: int = 300) -> None:
        self.refuse_with: int | None = None
        self.registers: list[SipRequest] = []
        self.requests: list[SipRequest] = []
        self.responses: list[SipResponse] = []
        self.expires = expires
        self.connections: list[ServerConnection] = []
        self.sockets: dict[str, ServerConnection] = {}
        self._guard = DigestServer("pbx", {user: password}, b"r" * 16) if user else None
        self._came = asyncio.Event()
        self._numbers = itertools.count(1)
        self.url = ""

    async def take(self, socket: ServerConnection) -> None:
        self.connections.append(socket)
        self._came.set()
        try:
            async for data in socket:
                message = parse(data.encode() if isinstance(data, str) else data, is_framed=True)
                if isinstance(message, SipRequest) and message.method == "REGISTER":
                    await self._register(message, socket)
                elif isinstance(message, SipRequest):
                    self.requests.append(message)
                    if message.method != "ACK":
                        await self.send(socket, response_to(message, 200, to_tag="pbx"))
                else:
                    self.responses.append(message)
                self._came.set()
        except ConnectionClosed:
            pass

    async def _register(self, request: SipRequest, socket: ServerConnection) -> None:
        self.registers.append(request)
        await self.send(socket, self._answer(request, socket))

    def _answer(self, request: SipRequest, socket: ServerConnection) -> SipResponse:
        if self.refuse_with is not None:
            return response_to(request, self.refuse_with, to_tag="pbx")
        if self._guard is not None:
            now = asyncio.get_running_loop().time()
            verdict = self._guard.check(request, now, peer="gateway")
            if verdict.username is None:
                return self._guard.refuse(request, verdict, now, peer="gateway", to_tag="pbx")
        self.sockets[request.to.uri.user or ""] = socket
        answer = response_to(request, 200, to_tag="pbx")
        asked = int(request.headers.get("Expires") or 0)
        answer.headers.add("Contact", str(request.contacts[0].with_param("expires", str(min(asked, self.expires)))))
        return answer

    async def send(self, socket: ServerConnection, message: SipRequest | SipResponse) -> None:
        await socket.send(message.to_bytes().decode())

    async def call(self, account: str, *, uri: str = "", to: str = "", extra: Sequence[str] = ()) -> None:
        """Invite an account to a call.

        Args:
            uri, to: User parts where they are not the account's.
        """
        contact = next(it.contacts[0].uri for it in reversed(self.registers) if it.to.uri.user == account)
        target = SipUri("sip", uri or account, None, contact.host, contact.port, contact.params)
        number = f"{self.url.rpartition(':')[2].removesuffix('/ws')}-{next(self._numbers)}"
        lines = [
            f"INVITE {target} SIP/2.0",
            f"Via: SIP/2.0/WS pbx.invalid;branch=z9hG4bKpbx{number}",
            "Max-Forwards: 70",
            "From: <sip:alice@pbx>;tag=alice",
            f"To: <sip:{to or account}@pbx>",
            f"Call-ID: call-{number}",
            "CSeq: 1 INVITE",
            "Contact: <sip:alice@pbx.invalid;transport=ws>",
            *extra,
            "Content-Type: application/sdp",
            f"Content-Length: {len(SDP)}",
        ]
        await self.sockets[account].send("\r\n".join(lines) + "\r\n\r\n" + SDP)

    async def until(self, number: int, of: Sequence[object], within: float = WITHIN) -> None:
        """Wait until that many have come."""
        async with asyncio.timeout(within):
            while len(of) < number:
                self._came.clear()
                await self._came.wait()


@asynccontextmanager
async def registrar(user: str | None = None, password: str = "", expires: int = 300) -> AsyncIterator[FakeRegistrar]:
    """One that is up for the block."""
    made = FakeRegistrar(user, password, expires)
    async with serve(
        made.take,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol("sip")],
        ping_interval=None,
        compression=None,
        close_timeout=1,
    ) as server:
        made.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/ws"
        yield made
