"""The sockets of a placed call by SIP: signalling over UDP, TCP or a WebSocket, and media over UDP or WebRTC, as one
`Connection`. Text is signalling, bytes are media; an empty text says that the media are up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from gateway.caller.connection import OPEN_TIMEOUT, LineClosed, WebSocketConnection, open_socket
from gateway.caller.peer import Message
from gateway.clock import Clock
from gateway.transports.media.described import AgreedAudio, LocalMedia
from gateway.transports.media.path import PathFailed
from gateway.transports.media.ports import MediaOptions, PortRange
from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.framing import KeepAlive, StreamFramer
from gateway.transports.sip.uri import SipUri

MAX_WAITING = 4096
"""Messages nobody has read; then media are dropped."""
READ_BYTES = 1 << 14
SAID_WITHIN = 0.2
"""Seconds for what waits to be sent, when a WebSocket is to be closed."""
BYE_WITHIN = 2.0
"""Seconds from the end of WebRTC media to the end of the call, at most."""


class Part(Protocol):
    """Signalling or media."""

    def send(self, message: bytes) -> None: ...
    def abort(self) -> None: ...
    async def close(self) -> None: ...


class Inbox:
    """What has come and was not read, from both parts."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._news = asyncio.Event()
        self._closed: LineClosed | None = None
        self.is_frozen = False

    def signalled(self, data: bytes) -> None:
        if not self.is_frozen and data.strip(b"\r\n\0 "):  # else a keep-alive
            self._put(data.decode(errors="surrogateescape"))

    def heard(self, data: bytes) -> None:
        if not self.is_frozen and len(self._messages) < MAX_WAITING:
            self._put(data)

    def media_up(self) -> None:
        self._put("")

    def close(self, closed: LineClosed) -> None:
        """The first to say why is right."""
        self._closed = self._closed or closed
        self._news.set()

    @property
    def closed(self) -> LineClosed | None:
        return self._closed

    async def get(self) -> Message:
        while not self._messages:
            if self._closed is not None:
                raise self._closed
            self._news.clear()
            await self._news.wait()
        return self._messages.popleft()

    def _put(self, message: Message) -> None:
        self._messages.append(message)
        self._news.set()


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


# --- signalling ----------------------------------------------------------------------------------------------------
class _Datagrams(asyncio.DatagramProtocol):
    """A UDP socket of either part."""

    def __init__(self, inbox: Inbox, *, is_media: bool) -> None:
        self._inbox = inbox
        self._put = inbox.heard if is_media else inbox.signalled
        self._is_media = is_media
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._put(data)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there (ICMP): for signalling the end, for media perhaps a moment too early."""
        if not self._is_media:
            self._inbox.close(LineClosed(reason=f"nothing listens there ({type(exc).__name__})"))

    def send(self, message: bytes) -> None:
        self.transport.sendto(message)

    def abort(self) -> None:
        self.transport.abort()

    async def close(self) -> None:
        self.transport.close()
        await asyncio.sleep(0)  # the loop closes the socket in its next turn


class _Stream:
    """A TCP connection."""

    def __init__(self, inbox: Inbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._inbox = inbox
        self._reader = reader
        self._writer = writer
        self._framer = StreamFramer()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        reason = "the far side closed the connection"
        try:
            while data := await self._reader.read(READ_BYTES):
                for item in self._framer.feed(data):
                    if not isinstance(item, KeepAlive):
                        self._inbox.signalled(item)
        except (OSError, SipParseError) as error:
            reason = f"the connection broke ({type(error).__name__})"
        self._inbox.close(LineClosed(reason=reason))

    def send(self, message: bytes) -> None:
        if not self._writer.transport.is_closing():
            self._writer.write(message)

    def abort(self) -> None:
        self._writer.transport.abort()

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class _WebSocket:
    """SIP over a WebSocket (RFC 7118)."""

    def __init__(self, inbox: Inbox, socket: WebSocketConnection) -> None:
        self._inbox = inbox
        self._socket = socket
        self._unsent: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    async def _read(self) -> None:
        try:
            while True:
                message = await self._socket.recv()
                self._inbox.signalled(message.encode() if isinstance(message, str) else message)
        except LineClosed as closed:
            self._inbox.close(closed)

    async def _write(self) -> None:
        with suppress(LineClosed):
            while True:
                message = await self._unsent.get()
                await self._socket.send(message.decode(errors="replace"))
                self._unsent.task_done()

    def send(self, message: bytes) -> None:
        with suppress(asyncio.QueueFull):  # nobody reads at the other end
            self._unsent.put_nowait(message)

    def abort(self) -> None:
        self._socket.abort()

    async def close(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SAID_WITHIN):
                await self._unsent.join()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._socket.close()


# --- media ---------------------------------------------------------------------------------------------------------
class Media(Part, Protocol):
    """Where RTP goes and comes from."""

    local: LocalMedia

    def aim(self, agreed: AgreedAudio) -> None:
        """Know where the far side is; `Inbox.media_up` follows the first time."""
        ...


class _PlainMedia:
    """RTP over UDP; RTCP shares its port, or is not heard."""

    def __init__(self, inbox: Inbox, socket: _Datagrams, local: LocalMedia) -> None:
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
                _Stream(inbox, reader, writer),
                writer.get_extra_info("sockname"),
                writer.get_extra_info("peername"),
            )
        else:
            transport, signalling = await loop.create_datagram_endpoint(
                lambda: _Datagrams(inbox, is_media=False), remote_addr=(host, port)
            )
            ours, peer = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
    flow = Flow(f"caller {_at(ours)} {_at(peer)}", "tcp" if is_tcp else "udp", _at(peer), _at(ours))
    try:
        transport, media = await loop.create_datagram_endpoint(
            lambda: _Datagrams(inbox, is_media=True), local_addr=(ours[0], 0)
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
    signalling = _WebSocket(inbox, socket)
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
