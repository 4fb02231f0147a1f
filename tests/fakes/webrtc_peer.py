"""The other side of a WebRTC path: aiortc's own ICE and DTLS, with roles, certificates and manners to choose."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, Protocol, cast

from aioice import Candidate, Connection, stun
from aiortc.rtcdtlstransport import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    SRTPProtectionProfile,
)
from aiortc.rtcicetransport import RTCIceTransport
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL

from gateway.transports.media.path import DtlsRole, Fingerprint, LocalIce, PathFailed, RemoteIce

LOOPBACK = "127.0.0.1"


class RsaCertificate(RTCCertificate):
    """As FreeSWITCH's, and Asterisk's from a file: RSA, and as a server nothing but suites for RSA."""

    @classmethod
    def of(cls, bits: int) -> RsaCertificate:
        key = rsa.generate_private_key(65537, bits)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pbx")])
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        return cls(key, builder.sign(key, hashes.SHA256()))  # type: ignore[arg-type]  # aiortc makes no others itself

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(
            b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA"
        )
        return context


class Hearing(Protocol):
    """Takes what a peer hears."""

    def rtp_received(self, packet: bytes) -> None: ...
    def rtcp_received(self, packet: bytes) -> None: ...


class Ears:
    """Keeps what a path delivers."""

    def __init__(self) -> None:
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.failures: list[PathFailed] = []
        self._news = asyncio.Condition()
        self._tellers: set[asyncio.Task[None]] = set()

    def rtp_received(self, packet: bytes) -> None:
        self.rtp.append(packet)
        self._tell()

    def rtcp_received(self, packet: bytes) -> None:
        self.rtcp.append(packet)
        self._tell()

    def path_lost(self, failure: PathFailed) -> None:
        self.failures.append(failure)
        self._tell()

    async def until(self, *, rtp: int = 0, rtcp: int = 0, failures: int = 0, within: float = 10.0) -> None:
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(
                lambda: len(self.rtp) >= rtp and len(self.rtcp) >= rtcp and len(self.failures) >= failures
            )

    def _tell(self) -> None:
        teller = asyncio.get_running_loop().create_task(self._notify())
        self._tellers.add(teller)
        teller.add_done_callback(self._tellers.discard)

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()


class _LitePeerSocket(asyncio.DatagramProtocol):
    """ICE-lite (RFC 8445 section 2.5): answers checks, makes none, and sends to whoever was nominated."""

    def __init__(self, pwd: str) -> None:
        self._pwd = pwd
        self._was_checked = False
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.nominated: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        try:
            request = stun.parse_message(data)
        except ValueError:
            self.queue.put_nowait(data)
            return
        assert "ICE-CONTROLLING" in request.attributes
        # RFC 8445 section 8.1.1: a pair is nominated when it has been seen to work
        assert self._was_checked or "USE-CANDIDATE" not in request.attributes
        self._was_checked = True
        answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id)
        answer.attributes["XOR-MAPPED-ADDRESS"] = addr[:2]
        answer.add_message_integrity(self._pwd.encode())
        self.transport.sendto(bytes(answer), addr)
        if "USE-CANDIDATE" in request.attributes and not self.nominated.done():
            self.nominated.set_result(addr)


class _Agent(Connection):
    """A full agent, on the addresses it is told."""

    addresses: Sequence[str] = ()

    async def get_component_candidates(self, component: int, addresses: list[str], timeout: int = 5) -> list[Candidate]:
        return await super().get_component_candidates(component, list(self.addresses) or addresses, timeout)


class _LiteIce:
    """An ICE-lite agent with the methods of aioice's that are used here."""

    def __init__(self) -> None:
        self.local_username, self.local_password = "lite", "l" * 22
        self.ice_controlling = False

    async def gather_candidates(self) -> None:
        loop = asyncio.get_running_loop()
        _, self._socket = await loop.create_datagram_endpoint(
            lambda: _LitePeerSocket(self.local_password), local_addr=(LOOPBACK, 0)
        )
        port = self._socket.transport.get_extra_info("sockname")[1]
        self.local_candidates = [Candidate("1", 1, "udp", 2130706431, LOOPBACK, port, "host")]

    async def connect(self) -> None:
        await self._socket.nominated

    async def recvfrom(self) -> tuple[bytes, int]:
        data = await self._socket.queue.get()
        if data is None:
            raise ConnectionError
        return data, 1

    async def sendto(self, data: bytes, component: int) -> None:
        self._socket.transport.sendto(data, self._socket.nominated.result())

    async def close(self) -> None:
        self._socket.queue.put_nowait(None)
        self._socket.transport.close()
        self._socket.nominated.cancel()


class _Wire:
    """One component, as RTCDtlsTransport wants its ICE transport."""

    def __init__(self, peer: WebRtcPeer, component: int) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._peer = peer
        self._component = component

    async def _recv(self) -> bytes:
        data = await self.queue.get()
        if data is None:
            raise ConnectionError
        return data

    async def _send(self, data: bytes) -> None:
        await self._peer.ice.sendto(data, self._component)


class _Dtls(RTCDtlsTransport):
    """Gives away what it decrypted."""

    ears: Hearing
    component: int
    components: int

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        assert self.component == 1
        self.ears.rtp_received(data)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        assert self.component == self.components
        self.ears.rtcp_received(data)


class WebRtcPeer:
    """One peer.

    Args:
        certificate: Its own.
        components: 2: it does not mux RTCP.
        ice: ``lite``: it answers checks only.
        addresses: Where it is; empty: at those that aioice finds, which the loopback one is not.
        hearing: Takes what comes, instead of `ears`.
    """

    def __init__(
        self,
        certificate: RTCCertificate | None = None,
        *,
        components: int = 1,
        ice: Literal["full", "lite"] = "full",
        controlling: bool = True,
        addresses: Sequence[str] = (),
        hearing: Hearing | None = None,
    ) -> None:
        self.certificate = certificate or RTCCertificate.generateCertificate()
        self.components = components
        self.is_lite = ice == "lite"
        self.ice: Any = _LiteIce() if self.is_lite else _Agent(ice_controlling=controlling, components=components)
        self.ice.addresses = addresses
        self.wires = {number: _Wire(self, number) for number in range(1, components + 1)}
        self.dtls: dict[int, _Dtls] = {}
        self.ears = Ears()
        self._hearing = hearing or self.ears
        self._pump: asyncio.Task[None] | None = None

    async def offer(self, *, role: DtlsRole = "passive", algorithm: str = "sha-256") -> RemoteIce:
        """What our side reads in this peer's SDP; ``role`` is ours."""
        await self.ice.gather_candidates()
        prints = {f.algorithm: f.value for f in self.certificate.getFingerprints()}
        return RemoteIce(
            ufrag=self.ice.local_username,
            pwd=self.ice.local_password,
            fingerprints=(Fingerprint(algorithm, prints.get(algorithm, "00:11")),),
            role=role,
            candidates=tuple(candidate.to_sdp() for candidate in self.ice.local_candidates),
            is_lite=self.is_lite,
            rtcp_mux=self.components == 1,
        )

    async def connect(self, local: LocalIce, *, role: Literal["client", "server"], keys_for: int = 2) -> None:
        """Do as our SDP says.

        Args:
            role: The peer's own in DTLS.
            keys_for: It begins DTLS on so many components.
        """
        if not self.is_lite:
            self.ice.remote_username, self.ice.remote_password = local.ufrag, local.pwd
            for line in local.candidates:
                await self.ice.add_remote_candidate(Candidate.from_sdp(line))
            await self.ice.add_remote_candidate(None)
        await self.ice.connect()
        self._pump = asyncio.create_task(self._read())
        expected = RTCDtlsFingerprint(local.fingerprint.algorithm, local.fingerprint.value)
        for number, wire in self.wires.items():
            if number > keys_for:
                return
            dtls = self.dtls[number] = _Dtls(cast(RTCIceTransport, wire), [self.certificate])
            dtls.ears, dtls.component, dtls.components = self._hearing, number, self.components
            dtls._set_role(role)
            await dtls.start(RTCDtlsParameters(fingerprints=[expected]))

    async def send(self, packet: bytes, component: int = 1) -> None:
        await self.dtls[component]._send_rtp(packet)

    async def close(self) -> None:
        for dtls in self.dtls.values():
            pump = dtls._task
            await dtls.stop()
            if pump is not None:
                await asyncio.wait([pump])
        await self.ice.close()
        if self._pump is not None:
            await self._pump

    async def _read(self) -> None:
        try:
            while True:
                data, component = await self.ice.recvfrom()
                self.wires[component].queue.put_nowait(data)
        except ConnectionError:
            for wire in self.wires.values():
                wire.queue.put_nowait(None)


@asynccontextmanager
async def closing_both(*ends: Any) -> AsyncIterator[None]:
    """Close every end, whatever happens."""
    try:
        yield
    finally:
        for end in ends:
            await end.close()
