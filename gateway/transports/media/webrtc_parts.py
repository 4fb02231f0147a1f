"""ICE and DTLS-SRTP, made from the parts of aioice and aiortc, for `webrtc`.

This is the one module that touches private members of the two; `tests/transports/sip/test_webrtc_parts.py` pins their
names and signatures. aiortc makes the certificate and leads the DTLS handshake; aioice does the checks. Both get their
packets from sockets that we open, in a configured range of ports, and that sort what arrives (RFC 7983): media does not
wait in their queues but goes through SRTP straight to the path. Only host candidates are gathered, and no server is
asked for anything.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

import pylibsrtp
from aioice import Candidate, Connection
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import StunProtocol, get_host_addresses
from aiortc.rtcdtlstransport import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    SRTPProtectionProfile,
    State,
)
from aiortc.rtcicetransport import RTCIceTransport
from OpenSSL import SSL

from gateway.transports.media.path import PEER_CLOSED, DtlsRole, Fingerprint, PathFailed, RemoteIce
from gateway.transports.media.ports import MediaOptions

CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:"
    b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA"
)
"""aiortc's own suites, and their twins for a peer that is the DTLS server and has an RSA certificate, as FreeSWITCH."""
FINGERPRINTS = ("sha-256", "sha-384", "sha-512")
"""Digests that prove a certificate, the preferred one first. SHA-1 does not any more."""
RENEW_BEFORE = timedelta(days=7)
MAX_CANDIDATES = 32
"""Of the peer; each costs a check every 20 ms."""
MAX_WAITING = 16
"""DTLS packets that wait for the handshake; what comes beyond is lost, and sent again by the peer."""
MAX_PACKET_BYTES = 1400
"""Longest packet SRTP takes; libsrtp's buffer has 1,500 bytes."""
RTP, RTCP = 1, 2  # components, RFC 8445 section 5.1.1.1

_certificate: RTCCertificate | None = None


def certificate(now: datetime) -> RTCCertificate:
    """The process' certificate; a new one when it is about to expire. Calls that use the old one keep it."""
    global _certificate
    if _certificate is None or _certificate.expires - now < RENEW_BEFORE:
        _certificate = Certificate.generateCertificate()
    return _certificate


def host_addresses() -> list[str]:
    """The machine's own addresses, IPv4 first; the loopback one where there is no other."""
    found = get_host_addresses(use_ipv4=True, use_ipv6=True)
    return sorted(found, key=lambda address: ":" in address) or ["127.0.0.1"]


class Owner(Protocol):
    """Takes what the parts bring."""

    def media_received(self, packet: bytes, *, is_rtcp: bool) -> None: ...
    def media_refused(self) -> None: ...
    def lost(self, reason: str) -> None: ...


def usable_candidates(lines: Sequence[str], components: Sequence[int]) -> list[Candidate]:
    """The peer's candidates that lead anywhere.

    TCP ones do not, and names of mDNS (``.local``) are not looked up: one that does not exist holds ICE up for a
    second, while the browser's own checks tell its address at once.
    """
    usable: list[Candidate] = []
    for line in lines:
        try:
            candidate = Candidate.from_sdp(line.strip().removeprefix("candidate:"))
            ipaddress.ip_address(candidate.host)
        except ValueError:
            continue
        if candidate.transport.lower() == "udp" and candidate.component in components and 0 < candidate.port < 1 << 16:
            usable.append(candidate)
    return usable[:MAX_CANDIDATES]


class Certificate(RTCCertificate):
    """With suites for peers that have RSA certificates, and one context for all calls: it has nothing of any of them.

    Nothing is kept by which a later handshake could leave out to prove a certificate.
    """

    _context: SSL.Context | None = None

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        if self._context is None:
            self._context = super()._create_ssl_context(srtp_profiles)
            self._context.set_cipher_list(CIPHERS)
            self._context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        return self._context


class Agent(Connection):
    """ICE on our sockets."""

    def __init__(self, components: dict[int, Component], options: MediaOptions, controlling: bool) -> None:
        super().__init__(ice_controlling=controlling, components=len(components))
        self._of = components
        for part in components.values():
            part.use(self)
        self._options = options
        self.usable: list[Candidate] = []

    async def get_component_candidates(self, component: int, addresses: list[str], timeout: int = 5) -> list[Candidate]:
        """Host candidates of the addresses we were told, in our range of ports; nobody else is asked."""
        candidates = []
        failure = PathFailed("this machine has no address to receive on")
        for index, address in enumerate(self._options.addresses or host_addresses()):
            try:
                candidates.append(await self._open(component, address, 65535 - index))
            except PathFailed as error:
                failure = error
        if not candidates:
            raise failure
        return candidates

    async def _open(self, component: int, address: str, preference: int) -> Candidate:
        stun = StunProtocol(self)
        bound = self._options.ports.bind(address)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: Intake(stun, self._of[component]), sock=bound)
        host, port = bound.getsockname()[:2]
        stun.local_candidate = Candidate(
            foundation=candidate_foundation("host", "udp", host),
            component=component,
            transport="udp",
            priority=candidate_priority(component, "host", preference),
            host=host,
            port=port,
            type="host",
        )
        self._protocols.append(stun)
        return stun.local_candidate

    async def connect_to(self, remote: RemoteIce) -> None:
        """Find a pair of candidates that works for each component. Raises ConnectionError."""
        self.remote_is_lite = remote.is_lite
        self.ice_controlling = self.ice_controlling or remote.is_lite
        self.remote_username, self.remote_password = remote.ufrag, remote.pwd
        if remote.rtcp_mux:
            self._components = {RTP}
        self.usable = usable_candidates(remote.candidates, sorted(self._components))
        for candidate in self.usable:
            await self.add_remote_candidate(candidate)
        if self.remote_candidates:
            # Without one, the end would be a failure; as it is, the peer's own checks make the pair.
            await self.add_remote_candidate(None)
        await self.connect()

    def send_now(self, data: bytes, component: int) -> None:
        """As `sendto`, without a coroutine and without an error."""
        if (pair := self._nominated.get(component)) is not None:
            pair.protocol.transport.sendto(data, pair.remote_addr)

    def protocol_lost(self, protocol: StunProtocol) -> None:
        super().protocol_lost(protocol)
        if any(pair.protocol is protocol for pair in self._nominated.values()):
            self._lost("a media socket broke")

    async def close(self) -> None:
        """Also what aioice does when the peer has not answered six checks in a row, some 30 s (RFC 7675)."""
        await super().close()
        self._lost("the peer does not answer ICE any more")

    def _lost(self, reason: str) -> None:
        for component in self._of.values():
            component.lost(reason)


class Intake(asyncio.DatagramProtocol):
    """Stands before a socket of ICE and sorts what arrives by its first byte (RFC 7983 section 7)."""

    def __init__(self, stun: StunProtocol, component: Component) -> None:
        self._stun = stun
        self._component = component

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._stun.connection_made(transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        first = data[0] if data else 255
        if 128 <= first <= 191:
            self._component.media_received(data)
        elif 20 <= first <= 63:
            self._component.dtls_received(data)
        elif first <= 3:
            self._stun.datagram_received(data, addr)

    def error_received(self, exc: Exception) -> None:
        self._stun.error_received(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stun.connection_lost(exc)


class Component:
    """DTLS and SRTP of one component, between ICE and the path. What `RTCDtlsTransport` asks of its ICE transport."""

    def __init__(self, owner: Owner, number: int) -> None:
        self._owner = owner
        self._number = number
        # DTLS alone; see MAX_WAITING for what happens when it is full. None: nothing will come any more.
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_WAITING + 1)
        self._dtls: RTCDtlsTransport | None = None
        self._is_connected = False

    def use(self, agent: Agent) -> None:
        """Who finds the way."""
        self._agent = agent

    async def shake_hands(self, own: RTCCertificate, peer: Fingerprint, role: DtlsRole) -> None:
        """Agree on keys. Raises ConnectionError."""
        dtls = self._dtls = RTCDtlsTransport(cast(RTCIceTransport, self), [own])
        dtls.on("statechange", self._state_changed)
        dtls._set_role("client" if role == "active" else "server")
        expected = RTCDtlsFingerprint(peer.algorithm, peer.value)
        await dtls.start(RTCDtlsParameters(fingerprints=[expected]))
        if dtls.state == "connected":
            return
        if not dtls.encrypted:
            raise ConnectionError("the handshake was refused, by us or by the peer (certificate, cipher suites)")
        raise ConnectionError("the peer's certificate is not the announced one, or no SRTP profile is shared")

    def send(self, packet: bytes, *, is_rtcp: bool) -> None:
        if not self._is_connected or len(packet) > MAX_PACKET_BYTES:
            return
        assert self._dtls is not None
        srtp = self._dtls._tx_srtp
        with suppress(pylibsrtp.Error):  # a sequence number that was used; nothing more can be done about it here
            self._agent.send_now(srtp.protect_rtcp(packet) if is_rtcp else srtp.protect(packet), self._number)

    def media_received(self, data: bytes) -> None:
        if not self._is_connected or not 12 <= len(data) <= MAX_PACKET_BYTES:
            self._owner.media_refused()
            return
        assert self._dtls is not None
        is_rtcp = 192 <= data[1] <= 223  # RFC 5761 section 4
        try:
            srtp = self._dtls._rx_srtp
            packet = srtp.unprotect_rtcp(data) if is_rtcp else srtp.unprotect(data)
        except pylibsrtp.Error:
            self._owner.media_refused()
            return
        self._owner.media_received(packet, is_rtcp=is_rtcp)

    def dtls_received(self, data: bytes) -> None:
        if self._waiting.qsize() < MAX_WAITING:
            self._waiting.put_nowait(data)

    def lost(self, reason: str) -> None:
        self._is_connected = False
        with suppress(asyncio.QueueFull):
            self._waiting.put_nowait(None)
        self._owner.lost(reason)

    async def stop(self) -> None:
        self._is_connected = False
        if self._dtls is not None:
            pump = self._dtls._task
            await self._dtls.stop()
            if pump is not None:
                await asyncio.wait([pump])

    def _state_changed(self) -> None:
        assert self._dtls is not None
        self._is_connected = self._dtls._state is State.CONNECTED
        if self._dtls._state is State.CLOSED and self._number == RTP:
            self._owner.lost(PEER_CLOSED)

    # --- as RTCDtlsTransport knows it ------------------------------------------------------------------------------
    @property
    def role(self) -> str:
        return "controlling" if self._agent.ice_controlling else "controlled"

    async def _recv(self) -> bytes:
        data = await self._waiting.get()
        if data is None:
            raise ConnectionError("the way to the peer is gone")
        return data

    async def _send(self, data: bytes) -> None:
        await self._agent.sendto(data, self._number)
