"""The sockets of a placed call by SIP: signalling over UDP, TCP or a WebSocket, and media over UDP or WebRTC, as one
`Connection`. Text is signalling, bytes are media; an empty text says that the media are up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from gateway.caller.connection import OPEN_TIMEOUT, LineClosed, open_socket
from gateway.caller.peer import Message
from gateway.caller.sip_inbox import Datagrams, Inbox, Part, Stream, WebSocketPart
from gateway.clock import Clock
from gateway.transports.media.described import AgreedAudio, LocalMedia
from gateway.transports.media.path import PathFailed
from gateway.transports.media.ports import MediaOptions, PortRange
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.uri import SipUri

BYE_WITHIN = 2.0
"""Seconds from the end of WebRTC media to the end of the call, at most."""


class SipConnection:
    """A `Connection`.

    Attributes:
        flow: Of the signalling.
        local: What our offer says about the media.
    """

    subprotocol = None

    def __init__(self, inbox: Inbox, signalling: Part, media: Media, flow: Flow) -> None:
        self._inbox = inbox
        self._signalling = signalling
        self._media = media
        self.flow = flow
        self.local = media.local

    def aim(self, agreed: AgreedAudio) -> None:
        self._media.aim(agreed)

    async def send(self, message: Message) -> None:
        if (closed := self._inbox.closed) is not None:
            raise closed
        if self._inbox.is_frozen:
            return
        if isinstance(message, str):
            self._signalling.send(message.encode(errors="surrogateescape"))
        else:
            self._media.send(message)

    async def recv(self) -> Message:
        return await self._inbox.get()

    async def close(self, code: int | None = None, reason: str = "") -> None:
        self._inbox.close(LineClosed(code, reason))
        await self._media.close()
        await self._signalling.close()

    def abort(self) -> None:
        self._inbox.close(LineClosed(reason="the connection was cut"))
        self._media.abort()
        self._signalling.abort()

    def freeze(self) -> None:
        self._inbox.is_frozen = True


# --- media ---------------------------------------------------------------------------------------------------------
class Media(Part, Protocol):
    """Where RTP goes and comes from."""

    local: LocalMedia

    def aim(self, agreed: AgreedAudio) -> None:
        """Know where the far side is; `Inbox.media_up` follows the first time."""
        ...


class _PlainMedia:
    """RTP over UDP; RTCP shares its port, or is not heard."""

    def __init__(self, inbox: Inbox, socket: Datagrams, local: LocalMedia) -> None:
        self._inbox = inbox
        self._socket = socket
        self._far: tuple[str, int] | None = None
        self.local = local

    def aim(self, agreed: AgreedAudio) -> None:
        if self._far is None:
            self._inbox.media_up()
        self._far = (agreed.peer.address, agreed.peer.port)

    def send(self, message: bytes) -> None:
        if self._far is not None and not self._socket.transport.is_closing():
            self._socket.transport.sendto(message, self._far)

    def abort(self) -> None:
        self._socket.abort()

    async def close(self) -> None:
        await self._socket.close()


class _WebRtcMedia:
    """RTP over ICE and DTLS; until they are up, what is said is lost."""

    def __init__(self, inbox: Inbox, path: Any, local: LocalMedia) -> None:
        self._inbox = inbox
        self._path = path
        self._lost: asyncio.TimerHandle | None = None
        self._connecting: asyncio.Task[None] | None = None
        self.local = local
        path.deliver_to(self)

    def aim(self, agreed: AgreedAudio) -> None:
        if self._connecting is None and agreed.remote_ice is not None:
            self._connecting = asyncio.create_task(self._connect(agreed))

    async def _connect(self, agreed: AgreedAudio) -> None:
        try:
            await self._path.connect(agreed.remote_ice)
            self._inbox.media_up()
        except PathFailed as failure:
            self._inbox.close(LineClosed(reason=str(failure)))

    def send(self, message: bytes) -> None:
        self._path.send_rtp(message)

    def abort(self) -> None:
        """`close` follows; until then the far side hears nothing."""

    async def close(self) -> None:
        if self._lost is not None:
            self._lost.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        await self._path.close()

    def rtp_received(self, packet: bytes) -> None:
        self._inbox.heard(packet)

    def rtcp_received(self, packet: bytes) -> None:
        self._inbox.heard(packet)

    def path_lost(self, failure: PathFailed) -> None:
        """The media end with the call, and may do so before the BYE is here."""
        closed = LineClosed(reason=str(failure))
        self._lost = asyncio.get_running_loop().call_later(BYE_WITHIN, self._inbox.close, closed)


# --- opening -------------------------------------------------------------------------------------------------------
async def open_trunk(uri: SipUri) -> SipConnection:
    """Sockets for a call by UDP, or TCP where the URI says so, with plain RTP. Raises OSError, TimeoutError."""
    is_tcp, host, port = (uri.param("transport") or "udp").lower() == "tcp", uri.host.strip("[]"), uri.port or 5060
    inbox, loop = Inbox(), asyncio.get_running_loop()
    signalling: Part
    async with asyncio.timeout(OPEN_TIMEOUT):
        if is_tcp:
            reader, writer = await asyncio.open_connection(host, port)
            signalling, ours, peer = (
                Stream(inbox, reader, writer),
                writer.get_extra_info("sockname"),
                writer.get_extra_info("peername"),
            )
        else:
            transport, signalling = await loop.create_datagram_endpoint(
                lambda: Datagrams(inbox, is_media=False), remote_addr=(host, port)
            )
            ours, peer = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
    flow = Flow(f"caller {_at(ours)} {_at(peer)}", "tcp" if is_tcp else "udp", _at(peer), _at(ours))
    try:
        transport, media = await loop.create_datagram_endpoint(
            lambda: Datagrams(inbox, is_media=True), local_addr=(ours[0], 0)
        )
    except BaseException:
        await signalling.close()
        raise
    port = transport.get_extra_info("sockname")[1]
    local = LocalMedia(address=ours[0], port=port, rtcp_port=port)
    return SipConnection(inbox, signalling, _PlainMedia(inbox, media, local), flow)


async def open_websocket(url: str, headers: Mapping[str, str], token: str, clock: Clock) -> SipConnection:
    """A WebSocket for a call, with WebRTC. Raises OSError, TimeoutError, `websockets.exceptions.InvalidStatus`."""
    from gateway.transports.media.webrtc import WebRtcPath  # brings aiortc, which trunks do without

    socket = await open_socket(url, headers, "sip")
    parts, inbox = urlsplit(url), Inbox()
    signalling = WebSocketPart(inbox, socket)
    options = MediaOptions(ports=PortRange(), addresses=(socket.local_address,))
    path = WebRtcPath(options, now=clock.wall(), controlling=True)
    try:
        local = LocalMedia.of(await path.open())
    except BaseException as failed:
        await signalling.close()
        await path.close()
        if isinstance(failed, PathFailed):
            raise OSError(str(failed)) from failed
        raise
    transport = cast(Any, "wss" if parts.scheme == "wss" else "ws")
    flow = Flow(f"caller {token}", transport, socket.remote_address, f"{token[:12]}.invalid")
    return SipConnection(inbox, signalling, _WebRtcMedia(inbox, path, local), flow)


def _at(address: Any) -> str:
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
