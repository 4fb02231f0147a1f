"""A PBX at which the gateway registers over WebSocket (RFC 7118), and which calls it there, with WebRTC."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress

from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from gateway.caller.connection import Connection, LineClosed, WebSocketConnection
from gateway.caller.line import CallerLine
from gateway.caller.peer import CallerAuth, Message
from gateway.caller.sip_inbox import Inbox, WebSocketPart
from gateway.caller.sip_peer import SipPeer, token
from gateway.caller.sip_sockets import SipConnection, _WebRtcMedia
from gateway.clock import LoopClock
from gateway.transports.media.described import LocalMedia
from gateway.transports.media.ports import MediaOptions, PortRange
from gateway.transports.media.webrtc import WebRtcPath
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.message import SipRequest, parse, response_to
from gateway.transports.sip.uri import SipUri

DOMAIN = "pbx.example.com"
LOOPBACK = "127.0.0.1"
ANSWERED_WITHIN = 60.0


class Account(WebSocketConnection):
    """A connection on which the gateway registers, now and again; what else comes is its calls'."""

    async def recv(self) -> Message:
        while (registered := _register_in(message := await super().recv())) is not None:
            await self.send(_granted(registered))
        return message

    async def registered(self) -> None:
        """Wait for the first REGISTER."""
        first = _register_in(await super().recv())
        assert first is not None, "the first message was no REGISTER"
        await self.send(_granted(first))


class Registrar:
    """Takes registrations of one account, on a socket that listens already; the first connection carries the call."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.account: asyncio.Future[Account] = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        self._server = await serve(
            self._serve, sock=self._listener, subprotocols=[Subprotocol("sip")], compression=None, ping_interval=None
        )

    async def close(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, connection: ServerConnection) -> None:
        account = Account(connection)
        with suppress(LineClosed):
            await account.registered()
            if not self.account.done():
                self.account.set_result(account)
                await connection.wait_closed()
            while True:
                await account.recv()


class PbxConnection(SipConnection):
    """A `Connection` that ends with the PBX itself."""

    registrar: Registrar

    async def close(self, code: int | None = None, reason: str = "") -> None:
        await super().close(code, reason)
        await self.registrar.close()


class PbxCaller:
    """Places calls to the account, once it is registered.

    Args:
        listener: Where the gateway's line finds its registrar.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener

    def connect(
        self,
        url: str,
        *,
        caller: str = "",
        called: str = "",
        custom: Mapping[str, str] | None = None,
        auth: CallerAuth | None = None,
    ) -> CallerLine:
        """See `CallerClient.connect`; there is one way to the gateway, which it has opened itself."""
        peer = SipPeer(SipUri("sip", called, None, DOMAIN, None), caller=caller, custom=custom)

        async def open_it() -> Connection:
            connection = await _to_account(Registrar(self._listener))
            peer.placed_by(connection.flow, connection.local, connection.aim)
            return connection

        return CallerLine(peer, open_it, background=True, answered_within=ANSWERED_WITHIN)


async def _to_account(registrar: Registrar) -> PbxConnection:
    await registrar.open()
    account, inbox = await registrar.account, Inbox()
    path = WebRtcPath(MediaOptions(ports=PortRange(), addresses=(LOOPBACK,)), now=LoopClock().wall(), controlling=True)
    media = _WebRtcMedia(inbox, path, LocalMedia.of(await path.open()))
    flow = Flow(f"pbx {token()}", "ws", account.remote_address, f"{LOOPBACK}:5060")
    connection = PbxConnection(inbox, WebSocketPart(inbox, account), media, flow)
    connection.registrar = registrar
    return connection


def _register_in(message: Message) -> SipRequest | None:
    data = message if isinstance(message, bytes) else message.encode()
    if not data.startswith(b"REGISTER "):
        return None
    request = parse(data)
    assert isinstance(request, SipRequest)
    return request


def _granted(request: SipRequest) -> str:
    response = response_to(request, 200, to_tag=token())
    for contact in request.headers.all("Contact"):
        response.headers.add("Contact", contact)
    response.headers.add("Expires", request.headers.get("Expires") or "300")
    return response.to_bytes().decode()
