"""Calls placed on `browser` lines as a page places them: requests over HTTP, and aiortc's own ICE and DTLS.

`tests.fakes.page` has the same with a browser's whole stack, in real time; this one runs in virtual time, and knows
every sample.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

import httpx
from pylibsrtp import Error as SrtpError

from gateway.caller.connection import LineClosed
from gateway.caller.line import CallerLine
from gateway.caller.peer import CallerAuth, Message
from gateway.caller.sip_inbox import Inbox
from gateway.transports.media.described import AgreedAudio, LocalMedia
from gateway.transports.media.path import LocalIce
from tests.fakes.page_peer import HANG_UP, PagePeer
from tests.fakes.webrtc_peer import LOOPBACK, WebRtcPeer

ANSWERED_WITHIN = 60.0


class PageCaller:
    """Places calls on a `browser` line; what the line asks for in proof is the token.

    Args:
        invite: Gives a token for a called and a calling number.
        background: As for `CallerLine`.
    """

    def __init__(self, invite: Callable[[str, str], str], *, background: bool = True) -> None:
        self._invite = invite
        self._background = background

    def connect(
        self,
        url: str,
        *,
        caller: str = "",
        called: str = "",
        custom: Mapping[str, str] | None = None,
        auth: CallerAuth | None = None,
    ) -> CallerLine:
        """See `CallerClient.connect`. There is no room for `custom` in such a call."""
        peer, token = PagePeer(), self._invite(called, caller)

        async def open_it() -> PageConnection:
            connection = PageConnection(url.replace("ws://", "http://", 1), token)
            peer.placed_by(await connection.gathered(), connection.aim)
            return connection

        return CallerLine(peer, open_it, background=self._background, answered_within=ANSWERED_WITHIN)


class PageConnection:
    """A `Connection`: the page's requests, and its WebRTC."""

    subprotocol = None

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._http = httpx.AsyncClient(headers={"authorization": f"Bearer {token}"}, trust_env=False)
        self._inbox = Inbox()
        self._peer = WebRtcPeer(addresses=[LOOPBACK], hearing=self)
        self._session = ""
        self._connecting: asyncio.Task[None] | None = None

    async def gathered(self) -> LocalMedia:
        """Our candidates, for the offer."""
        seen = await self._peer.offer()
        port = self._peer.ice.local_candidates[0].port
        return LocalMedia.of(
            LocalIce(
                ufrag=seen.ufrag,
                pwd=seen.pwd,
                fingerprint=seen.fingerprints[0],
                candidates=seen.candidates,
                address=LOOPBACK,
                port=port,
                rtcp_port=None,
            )
        )

    def aim(self, agreed: AgreedAudio) -> None:
        self._connecting = asyncio.create_task(self._connect(agreed))

    async def _connect(self, agreed: AgreedAudio) -> None:
        remote = agreed.remote_ice
        assert remote is not None, "the answer has no ICE, or no DTLS"
        local = LocalIce(
            ufrag=remote.ufrag,
            pwd=remote.pwd,
            fingerprint=remote.fingerprints[0],
            candidates=remote.candidates,
            address=agreed.peer.address,
            port=agreed.peer.port,
            rtcp_port=None,
        )
        try:
            await self._peer.connect(local, role="client" if remote.role == "active" else "server")
        except ConnectionError as error:
            self._inbox.close(LineClosed(reason=str(error)))
        else:
            self._peer.dtls[1].on("statechange", self._changed)
            self._inbox.media_up()

    # --- requests and media ----------------------------------------------------------------------------------------
    async def send(self, message: Message) -> None:
        if (closed := self._inbox.closed) is not None:
            raise closed
        if self._inbox.is_frozen:
            return
        if isinstance(message, bytes):
            await self._send_media(message)
        elif message == HANG_UP:
            if self._session:
                await self._http.delete(self._session)
        else:
            await self._post(message)

    async def _post(self, offer: str) -> None:
        reply = await self._http.post(self._url, content=offer.encode(), headers={"content-type": "application/sdp"})
        if reply.status_code == 201:
            self._session = str(reply.url.join(reply.headers["location"]))
        told = reply.headers.get("location") or reply.headers.get("retry-after", "")
        self._inbox.signalled(f"{reply.status_code}\n{told}\n{reply.text}".encode())

    async def _send_media(self, packet: bytes) -> None:
        """What SRTP does not take is no RTP, and goes out as it is: as a stranger's would."""
        with suppress(ConnectionError):
            try:
                await self._peer.send(packet)
            except SrtpError:
                await self._peer.wires[1]._send(packet)

    async def recv(self) -> Message:
        return await self._inbox.get()

    async def close(self, code: int | None = None, reason: str = "") -> None:
        self._inbox.close(LineClosed(code, reason))
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        await self._peer.close()
        await self._http.aclose()

    def abort(self) -> None:
        """`close` follows; until then the far side hears nothing."""
        self._inbox.close(LineClosed(reason="the connection was cut"))

    def freeze(self) -> None:
        self._inbox.is_frozen = True

    # --- from WebRTC -----------------------------------------------------------------------------------------------
    def rtp_received(self, packet: bytes) -> None:
        self._inbox.heard(packet)

    def rtcp_received(self, packet: bytes) -> None:
        self._inbox.heard(packet)

    def _changed(self) -> None:
        """DTLS has ended: that is how the gateway hangs up."""
        self._inbox.close(LineClosed(is_clean=True))
