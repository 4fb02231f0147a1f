"""The sockets of a placed call by SIP: signalling over UDP, TCP, TLS or a WebSocket, and media over UDP, as it is or by
SRTP, or WebRTC, as one `Connection`. Text is signalling, bytes are media; an empty text says that the media are up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit

from audio.rtp.packet import is_rtcp
from gateway.caller.connection import OPEN_TIMEOUT, LineClosed, open_socket
from gateway.caller.peer import CallerTrust, Message
from gateway.caller.sip_inbox import Datagrams, Inbox, Part, Stream, WebSocketPart
from gateway.clock import Clock
from gateway.transports.media.described import AgreedAudio, LocalMedia
from gateway.transports.media.path import PathFailed
from gateway.transports.media.ports import MediaOptions, PortRange
from gateway.transports.media.sdes import Crypto
from gateway.transports.sip.flow import Flow, FlowTransport
from gateway.transports.sip.uri import SipUri

if TYPE_CHECKING:
    from gateway.transports.media.srtp import Srtp

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

    def aim(self, agreed: AgreedAudio, ours: Crypto | None) -> None:
        self._media.aim(agreed, ours)

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

    def aim(self, agreed: AgreedAudio, ours: Crypto | None) -> None:
        """Know where the far side is, and our key, if there is one; `Inbox.media_up` follows the first time."""
        ...


class _PlainMedia:
    """RTP over UDP; RTCP shares its port, or is not heard."""

    def __init__(self, inbox: Inbox, socket: Datagrams, local: LocalMedia) -> None:
        self._inbox = inbox
        self._socket = socket
        self._far: tuple[str, int] | None = None
        self._srtp: Srtp | None = None
        self.local = local

    def aim(self, agreed: AgreedAudio, ours: Crypto | None) -> None:
        if self._far is None:
            self._inbox.media_up()
        self._far = (agreed.peer.address, agreed.peer.port)
        if ours is not None and agreed.crypto is not None:
            self._encrypt(ours, agreed.crypto)

    def _encrypt(self, ours: Crypto, theirs: Crypto) -> None:
        from gateway.transports.media.srtp import Srtp  # calls without keys do without libsrtp

        if self._srtp is None:
            self._srtp = Srtp(ours, theirs)
            self._socket.opened_by(self._opened)
        else:
            self._srtp.change(ours, theirs, asyncio.get_running_loop().time())

    def _opened(self, data: bytes) -> bytes | None:
        """A packet without its protection; None: it is nobody's who has the key."""
        assert self._srtp is not None
        opened = self._srtp.open(data, asyncio.get_running_loop().time(), is_rtcp=is_rtcp(data))
        return None if isinstance(opened, str) else opened

    def send(self, message: bytes) -> None:
        if self._far is None or self._socket.transport.is_closing():
            return
        sealed = message if self._srtp is None else self._srtp.protect(message, is_rtcp=is_rtcp(message))
        if sealed is not None:
            self._socket.transport.sendto(sealed, self._far)

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

    def aim(self, agreed: AgreedAudio, ours: Crypto | None) -> None:
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
def transport_of(uri: SipUri) -> str:
    """By which a URI wants to be called, in lower case; ``sips`` means TLS (RFC 3261 section 26.2.2)."""
    return "tls" if uri.scheme == "sips" else (uri.param("transport") or "udp").lower()


async def open_trunk(uri: SipUri, trust: CallerTrust) -> SipConnection:
    """Sockets for a call by UDP, or TCP or TLS where the URI says so, with RTP. Raises OSError, TimeoutError."""
    kind, host = cast(FlowTransport, transport_of(uri)), uri.host.strip("[]")
    port, context = uri.port or (5061 if kind == "tls" else 5060), trust.context() if kind == "tls" else None
    inbox, loop = Inbox(), asyncio.get_running_loop()
    signalling: Part
    async with asyncio.timeout(OPEN_TIMEOUT):
        if kind != "udp":
            reader, writer = await asyncio.open_connection(host, port, ssl=context)
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
    flow = Flow(f"caller {_at(ours)} {_at(peer)}", kind, _at(peer), _at(ours))
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


async def open_websocket(
    url: str, headers: Mapping[str, str], token: str, clock: Clock, trust: CallerTrust
) -> SipConnection:
    """A WebSocket for a call, with WebRTC. Raises OSError, TimeoutError, `websockets.exceptions.InvalidStatus`."""
    from gateway.transports.media.webrtc import WebRtcPath  # brings aiortc, which trunks do without

    socket = await open_socket(url, headers, "sip", trust=trust)
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
