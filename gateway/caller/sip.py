"""Calls placed as a trunk, a PBX or a browser does it: by SIP, with RTP or WebRTC.

async with SipCaller().connect("sip:127.0.0.1:5060", caller="601", called="+33123456789") as line:
    await line.say(greeting)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

from gateway.caller.connection import Connection
from gateway.caller.line import CallerLine, Sleep
from gateway.caller.peer import CallerAuth, CallerTrust, basic_headers
from gateway.caller.sip_peer import Codec, Keys, SipPeer, token
from gateway.caller.sip_sockets import open_trunk, open_websocket, transport_of
from gateway.clock import Clock, LoopClock
from gateway.errors import LocalProtocolError
from gateway.transports.sip.digest import DigestClient
from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.uri import SIP_SCHEMES, SipUri, parse_uri

ANSWERED_WITHIN = 60.0


class SipCaller:
    """Places calls on `sip` lines: ``sip:HOST:PORT`` (UDP), ``sip:HOST:PORT;transport=tcp`` or ``tls``, ``ws://HOST/PATH``.

    Args:
        codec, keys, transfers, delay, keep, encrypts: As for `SipPeer`.
        trust: For calls by TLS.
        clock, sleep, hear_every: As for `CallerLine`.
        background: Off only for who sends audio all the time himself; then keys go with that.
        answered_within: Seconds in which the call has to be taken; None: entering the line does not wait for that, and
            a refusal is the line's end.
    """

    def __init__(
        self,
        *,
        codec: Codec = "PCMU",
        keys: Keys = "rtp",
        transfers: int | None = None,
        delay: float = 0.0,
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
        hear_every: float | None = 0.1,
        background: bool = True,
        keep: float | None = None,
        answered_within: float | None = ANSWERED_WITHIN,
        encrypts: bool = False,
        trust: CallerTrust | None = None,
    ) -> None:
        self._codec = codec
        self._keys = keys
        self._transfers = transfers
        self._delay = delay
        self._clock = clock or LoopClock()
        self._sleep = sleep
        self._hear_every = hear_every
        self._background = background
        self._keep = keep
        self._answered_within = answered_within
        self._encrypts = encrypts
        self._trust = trust or CallerTrust()

    def connect(
        self,
        url: str,
        *,
        caller: str = "",
        called: str = "",
        custom: Mapping[str, str] | None = None,
        auth: CallerAuth | None = None,
    ) -> CallerLine:
        """See `CallerClient.connect`. A telephone sends all the time: silence, when nothing is said.

        Raises:
            LocalProtocolError: the URL is no address that can be called.
        """
        server = _server(url)
        has_digest = auth is not None and auth.username is not None
        peer = SipPeer(
            SipUri("sips" if server.scheme == "sips" else "sip", called, None, server.host, server.port, server.params),
            caller=caller,
            custom=custom,
            credentials=DigestClient(auth.username or "", auth.password, token) if auth and has_digest else None,
            codec=self._codec,
            keys=self._keys,
            transfers=self._transfers,
            delay=self._delay,
            keep=self._keep,
            encrypts=self._encrypts,
        )

        async def open_it() -> Connection:
            if server.scheme in SIP_SCHEMES:
                connection = await open_trunk(server, self._trust)
            else:
                connection = await open_websocket(url, basic_headers(auth), token(), self._clock, self._trust)
            peer.placed_by(connection.flow, connection.local, connection.aim)
            return connection

        return CallerLine(
            peer,
            open_it,
            clock=self._clock,
            sleep=self._sleep,
            hear_every=self._hear_every,
            background=self._background,
            answered_within=self._answered_within,
        )


def _server(url: str) -> SipUri:
    """Where the gateway is; the scheme of a WebSocket's URL is kept."""
    parts = urlsplit(url)
    if parts.scheme in ("ws", "wss") and parts.hostname:
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return SipUri(parts.scheme, "", None, host, parts.port)
    try:
        uri = parse_uri(url)
    except SipParseError as error:
        raise LocalProtocolError(f"{url} is no address such as sip:192.0.2.1:5060") from error
    if uri.scheme not in SIP_SCHEMES or not uri.host or transport_of(uri) not in ("udp", "tcp", "tls"):
        raise LocalProtocolError(f"{url} is no address such as sip:192.0.2.1:5060")
    return uri
