"""A plain path: RTP and RTCP over UDP (RFC 3550), as it is or by SRTP. The counterpart is `webrtc`.

The SDP says where the peer wants its packets, and is often wrong: a telephone behind NAT does not know its own address.
So we send to where the peer's packets come from. Whoever sends first could thereby take over the call's audio; so only
packets with the agreed payload types count, the first source holds, and it loses the call to another one only after it
has been silent for `SILENCE`, or to the one the SDP names. With SRTP, packets count once they have proved themselves.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast

import structlog

from audio.rtp.packet import RTP_HEADER_BYTES, is_rtcp
from gateway.clock import Clock, LoopClock
from gateway.transports.media.path import PathFailed, PathSink, Shield, Unheard
from gateway.transports.media.ports import MediaOptions

SILENCE = 3.0
"""Seconds without a packet of the source we hold to, after which another one may take its place."""
MAX_PACKET_BYTES = 1500
STAND_IN = 2
"""Packets in a row with a new SSRC, from the source we hold to, after which that is believed: a stream that changed
loses one packet, and one that is forged beside the real one never gets there."""
UNDECRYPTED = 50
"""Packets in a row, a second of audio, that cannot be decrypted before this is said in the log."""

log = structlog.get_logger(__name__)

Address = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalUdp:
    """What our SDP says about a plain path: ``c=``, the port of ``m=``, and ``a=rtcp`` (None: ``a=rtcp-mux``)."""

    address: str
    port: int
    rtcp_port: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteUdp:
    """What the peer's SDP says about a plain path.

    Attributes:
        address: Of ``c=``; ``0.0.0.0``, a name, or another kind than ours means that we wait for its first packet.
        rtcp_port: Of ``a=rtcp``; None: the one above.
        payload_types: Agreed ones, telephone-event and comfort noise included. Others do not count.
        rtcp_mux: RTP and RTCP share a port; only where it was offered and answered.
    """

    address: str
    port: int
    payload_types: frozenset[int]
    rtcp_port: int | None = None
    rtcp_mux: bool = False


class UdpPath:
    """One call's path. `open` it, write `LocalUdp` into the SDP, `aim` at what the peer's says, `close` it in any case.

    Args:
        options: Of the line.
        is_ipv6: What the peer's SDP has in its ``c=``.
        latching: Send to where the peer's packets come from. Off: only to and from where the SDP says.
    """

    def __init__(
        self, options: MediaOptions, *, is_ipv6: bool = False, latching: bool = True, clock: Clock | None = None
    ) -> None:
        self._options = options
        self._is_ipv6 = is_ipv6
        self._latching = latching
        self._clock = clock or LoopClock()
        self._sink: PathSink = Unheard()
        self._rtp: asyncio.DatagramTransport | None = None
        self._rtcp: asyncio.DatagramTransport | None = None
        self._said: Address | None = None  # by the SDP
        self._target: Address | None = None
        self._rtcp_target: Address | None = None
        self._payload_types: Collection[int] = frozenset()
        self._source: Address | None = None  # that we hold to
        self._ssrc = self._candidate_ssrc = b""
        self._in_a_row = 0
        self._heard_at = 0.0
        self._mux = False
        self._is_over = False
        self._shield: Shield | None = None
        self._undecrypted = 0  # packets since the last that could be decrypted
        self.refused = 0
        """Packets that were no RTP, of a type that was not agreed, of somebody else, repeated, or not decrypted."""

    async def open(self, toward: str = "") -> LocalUdp:
        """Open the sockets.

        Args:
            toward: The peer's address. Where we receive on every address and announce none, the SDP gets the one
                that packets to the peer leave from.
        Raises:
            PathFailed: when none can be had.
        """
        address = self._address()
        rtp, rtcp = self._options.ports.bind_pair(address)
        loop = asyncio.get_running_loop()
        self._rtp, _ = await loop.create_datagram_endpoint(lambda: _Socket(self, is_rtcp=False), sock=rtp)
        self._rtcp, _ = await loop.create_datagram_endpoint(lambda: _Socket(self, is_rtcp=True), sock=rtcp)
        port = rtp.getsockname()[1]
        if ipaddress.ip_address(address).is_unspecified:
            address = _way_out(toward, is_ipv6=self._is_ipv6)
        return LocalUdp(address=self._options.announce or address, port=port, rtcp_port=port + 1)

    def aim(self, remote: RemoteUdp) -> None:
        """Send where the peer's SDP says, until its packets come from elsewhere. Again after each new SDP."""
        said = self._usable(remote.address, remote.port)
        if said is None:  # on hold, or not known yet
            self._target = None
        else:
            if said != self._said:
                self._said, self._source = said, None  # it has moved: hold to whoever sends next
            self._target = self._source or said
        self._payload_types = remote.payload_types
        self._mux = remote.rtcp_mux
        port = remote.port if remote.rtcp_mux else remote.rtcp_port or remote.port + 1
        self._rtcp_target = self._usable(remote.address, port)

    def secure(self, shield: Shield | None) -> None:
        """Encrypt from now on; None: not any more."""
        if shield is not self._shield:
            self._shield, self._undecrypted = shield, 0

    @property
    def trouble(self) -> str:
        if self._undecrypted < UNDECRYPTED:
            return ""
        return f"audio could not be decrypted ({self._undecrypted} packets): the key is not that of the SDP"

    def deliver_to(self, sink: PathSink) -> None:
        self._sink = sink

    def send_rtp(self, packet: bytes) -> None:
        if self._target is None or self._rtp is None:
            return
        if self._shield is None:
            self._rtp.sendto(packet, self._target)
        else:
            self._send(self._rtp, packet, self._target, is_rtcp=False)

    def send_rtcp(self, packet: bytes) -> None:
        transport = self._rtp if self._mux else self._rtcp
        if self._rtcp_target is not None and transport is not None:
            self._send(transport, packet, self._rtcp_target, is_rtcp=True)

    def _send(self, transport: asyncio.DatagramTransport, packet: bytes, to: Address, *, is_rtcp: bool) -> None:
        sealed = packet if self._shield is None else self._shield.protect(packet, is_rtcp=is_rtcp)
        if sealed is not None:
            transport.sendto(sealed, to)

    async def close(self) -> None:
        self._is_over = True
        self._sink = Unheard()
        for transport in (self._rtp, self._rtcp):
            if transport is not None:
                transport.close()
        self._rtp = self._rtcp = None
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn

    # --- from the sockets ------------------------------------------------------------------------------------------
    def rtp_arrived(self, data: bytes, source: Address) -> None:
        if not self._is_rtp(data):
            self.rtcp_arrived(data, source)  # also where it was not agreed to share the port; else it is refused there
            return
        opened = data if self._shield is None else self._opened(self._shield, data, source)
        if opened is not None and self._is_peer(source, data[8:12]):
            self._heard_at = self._clock.now()
            self._sink.rtp_received(opened)
        else:
            self.refused += 1

    def rtcp_arrived(self, data: bytes, source: Address) -> None:
        host = self._source or self._target
        if not is_rtcp(data) or host is None or source[0] != host[0]:
            self.refused += 1
            return
        if self._shield is not None:
            opened = self._shield.open(data, self._clock.now(), is_rtcp=True)
            if isinstance(opened, str):
                self.refused += 1
                return
            data = opened
        if self._latching and self._source is not None:
            self._rtcp_target = source
        self._sink.rtcp_received(data)

    def _opened(self, shield: Shield, data: bytes, source: Address) -> bytes | None:
        """The packet without its protection. What cannot be decrypted is counted, and said once it is more than what
        may have been on its way when a key changed."""
        opened = shield.open(data, self._clock.now(), is_rtcp=False)
        if opened == "undecryptable" and (self._source is None or source == self._source):
            self._undecrypted += 1
            if self._undecrypted == UNDECRYPTED:
                log.warning("audio could not be decrypted", packets=self._undecrypted, source=source)
        if isinstance(opened, str):
            return None
        self._undecrypted = 0
        return opened

    def socket_lost(self, error: Exception | None) -> None:
        if not self._is_over:
            self._is_over = True
            self._sink.path_lost(PathFailed(f"a media socket broke: {error or 'closed'}"))

    # --- whose packets count ---------------------------------------------------------------------------------------
    def _is_rtp(self, data: bytes) -> bool:
        """Version 2, with a payload type that was agreed; STUN, and whatever else strays here, has another version."""
        return (
            RTP_HEADER_BYTES <= len(data) <= MAX_PACKET_BYTES
            and data[0] >> 6 == 2
            and data[1] & 0x7F in self._payload_types
        )

    def _is_peer(self, source: Address, ssrc: bytes) -> bool:
        if source == self._source:
            if ssrc != self._ssrc:
                return self._is_new_stream(ssrc)
            self._in_a_row = 0
            return True
        if source != self._said:
            is_held = self._source is not None and self._clock.now() - self._heard_at < SILENCE
            if is_held or not self._latching:
                return False
            log.info("media comes from elsewhere than the SDP says", said=self._said, source=source)
        self._source = self._target = source
        self._take(ssrc)
        return True

    def _is_new_stream(self, ssrc: bytes) -> bool:
        if ssrc != self._candidate_ssrc:
            self._candidate_ssrc, self._in_a_row = ssrc, 0
        self._in_a_row += 1
        if self._in_a_row < STAND_IN and self._clock.now() - self._heard_at < SILENCE:
            return False
        self._take(ssrc)
        return True

    def _take(self, ssrc: bytes) -> None:
        self._ssrc, self._candidate_ssrc, self._in_a_row = ssrc, b"", 0

    # --- addresses -------------------------------------------------------------------------------------------------
    def _address(self) -> str:
        for address in self._options.addresses:
            if (":" in address) == self._is_ipv6:
                return address
        return "::" if self._is_ipv6 else "0.0.0.0"

    def _usable(self, address: str, port: int) -> Address | None:
        """Where packets can be sent to: no name is looked up."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return None
        if parsed.is_unspecified or (parsed.version == 6) != self._is_ipv6 or not 0 < port < 1 << 16:
            return None
        return str(parsed), port


class _Socket(asyncio.DatagramProtocol):
    """One of the two sockets."""

    def __init__(self, path: UdpPath, *, is_rtcp: bool) -> None:
        self._path = path
        self._arrived = path.rtcp_arrived if is_rtcp else path.rtp_arrived

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._arrived(data, addr[:2])

    def error_received(self, exc: Exception) -> None:
        """The peer's machine says that nobody listens there (ICMP). It may listen later, and tells by its packets."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._path.socket_lost(exc)


def _way_out(toward: str, *, is_ipv6: bool) -> str:
    """Our address on the way to another one. Nothing is sent for that."""
    family, anywhere, loopback = (
        (socket.AF_INET6, "2001:db8::1", "::1") if is_ipv6 else (socket.AF_INET, "192.0.2.1", "127.0.0.1")
    )
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(ipaddress.ip_address(toward or anywhere)), 9))
        except (OSError, ValueError):
            return loopback
        return cast(str, probe.getsockname()[0])
