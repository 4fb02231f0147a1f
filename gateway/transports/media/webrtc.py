"""A WebRTC path: ICE and DTLS-SRTP (RFC 8445, 5764), and nothing above them. The counterpart is `udp_media`.

It is imported only where a line has WebRTC, because aiortc brings codecs and 40 MB. `webrtc_parts` has what is made
from aiortc's parts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from datetime import datetime

from aioice import Candidate
from aioice.candidate import candidate_foundation

from gateway.transports.media.path import (
    Fingerprint,
    LocalIce,
    PathFailed,
    PathSink,
    RemoteIce,
    Unheard,
)
from gateway.transports.media.ports import MediaOptions
from gateway.transports.media.webrtc_parts import FINGERPRINTS, RTCP, RTP, Agent, Component, certificate


class WebRtcPath:
    """One call's path. `open` it, write `local` into the SDP, `connect` with the peer's, `close` it in any case.

    Args:
        options: Of the line.
        now: Time of day, for the certificate.
        controlling: We made the offer. A lite peer makes us controlling in any case.
        rtcp_mux: The peer's offer has ``a=rtcp-mux``. Else there are two sockets, each with a DTLS of its own.
    """

    def __init__(
        self, options: MediaOptions, *, now: datetime, controlling: bool = False, rtcp_mux: bool = True
    ) -> None:
        self._options = options
        self._certificate = certificate(now)
        self._components = {number: Component(self, number) for number in ((RTP,) if rtcp_mux else (RTP, RTCP))}
        self._ice = Agent(self._components, options, controlling)
        self._rtcp = RTP  # the component that carries it
        self._sink: PathSink = Unheard()
        self._helper: asyncio.Task[None] | None = None
        self._is_up = self._is_over = False
        self.refused = 0  # packets that SRTP did not let through: strangers', repeated ones, or before DTLS was up

    async def open(self) -> LocalIce:
        """Open the sockets.

        Raises:
            PathFailed: when none can be had.
        """
        await self._ice.gather_candidates()
        return self._describe()

    async def connect(self, remote: RemoteIce) -> None:
        """Find a way to the peer and agree on keys. Once.

        Raises:
            PathFailed: when that does not work in time. Both roles and fingerprints are in its text, because
                OpenSSL tells no more than that it failed.
        """
        fingerprint = choose_fingerprint(remote.fingerprints)
        if not (remote.ufrag.isascii() and remote.pwd.isascii()):
            raise PathFailed("ICE failed: the peer's ice-ufrag or ice-pwd is none")  # RFC 8839 section 5.4
        stage = "ICE"
        try:
            async with asyncio.timeout(self._options.timeout):
                await self._ice.connect_to(remote)
                stage = "DTLS"
                await self._components[RTP].shake_hands(self._certificate, fingerprint, remote.role)
        except (ConnectionError, TimeoutError) as error:
            reason = f"no answer in {self._options.timeout:g} s" if isinstance(error, TimeoutError) else str(error)
            raise PathFailed(f"{stage} failed: {reason}; {self._roles(remote, fingerprint)}") from error
        self._is_up = True
        if not remote.rtcp_mux and RTCP in self._components:
            self._rtcp = RTCP
            rtcp = self._components[RTCP].shake_hands(self._certificate, fingerprint, remote.role)
            self._helper = asyncio.create_task(_tolerantly(rtcp, self._options.timeout))

    @property
    def trouble(self) -> str:
        return ""  # DTLS has told, or has not come up

    def deliver_to(self, sink: PathSink) -> None:
        self._sink = sink

    def send_rtp(self, packet: bytes) -> None:
        self._components[RTP].send(packet, is_rtcp=False)

    def send_rtcp(self, packet: bytes) -> None:
        self._components[self._rtcp].send(packet, is_rtcp=True)

    async def close(self) -> None:
        """Say goodbye to the peer's DTLS, and give the sockets back."""
        self._is_over = True
        self._is_up = False
        if self._helper is not None:
            self._helper.cancel()
            await asyncio.wait([self._helper])
        for component in self._components.values():
            await component.stop()
        await self._ice.close()

    # --- from the components ---------------------------------------------------------------------------------------
    def media_received(self, packet: bytes, *, is_rtcp: bool) -> None:
        if is_rtcp:
            self._sink.rtcp_received(packet)
        else:
            self._sink.rtp_received(packet)

    def media_refused(self) -> None:
        self.refused += 1

    def lost(self, reason: str) -> None:
        """The peer, or the way to it, is gone."""
        if self._is_up and not self._is_over:
            self._is_over = True
            self._sink.path_lost(PathFailed(reason))

    # --- what the SDP and the log are told -------------------------------------------------------------------------
    def _describe(self) -> LocalIce:
        candidates = [self._announced(candidate) for candidate in self._ice.local_candidates]
        default = {candidate.component: candidate for candidate in reversed(candidates)}
        ours = next(f for f in self._certificate.getFingerprints() if f.algorithm == FINGERPRINTS[0])
        return LocalIce(
            ufrag=self._ice.local_username,
            pwd=self._ice.local_password,
            fingerprint=Fingerprint(ours.algorithm, ours.value),
            candidates=tuple(candidate.to_sdp() for candidate in candidates),
            address=default[RTP].host,
            port=default[RTP].port,
            rtcp_port=default[RTCP].port if RTCP in default else None,
        )

    def _announced(self, candidate: Candidate) -> Candidate:
        """The candidate as the peer has to see it; ICE answers checks on whatever socket they arrive."""
        announce = self._options.announce
        if announce is None or (":" in announce) != (":" in candidate.host):
            return candidate
        return Candidate(
            foundation=candidate_foundation("host", "udp", announce + candidate.host),
            component=candidate.component,
            transport=candidate.transport,
            priority=candidate.priority,
            host=announce,
            port=candidate.port,
            type=candidate.type,
        )

    def _roles(self, remote: RemoteIce, fingerprint: Fingerprint) -> str:
        ice = "controlling" if self._ice.ice_controlling else "controlled"
        offered = ", ".join(fingerprint.algorithm for fingerprint in remote.fingerprints)
        return (
            f"we are {ice}{' (peer is lite)' if remote.is_lite else ''} and DTLS {remote.role}, "
            f"peer's candidates usable: {len(self._ice.usable)} of {len(remote.candidates)}, "
            f"fingerprints offered: {offered}, expected: {fingerprint}, cipher suites: ECDHE with ECDSA and RSA"
        )


def choose_fingerprint(offered: Sequence[Fingerprint]) -> Fingerprint:
    """The one that the peer's certificate is held against.

    Raises:
        PathFailed: when there is none that proves anything.
    """
    for algorithm in FINGERPRINTS:
        for fingerprint in offered:
            if fingerprint.algorithm.lower() == algorithm:
                return fingerprint
    said = ", ".join(fingerprint.algorithm for fingerprint in offered) or "none"
    raise PathFailed(f"the peer's certificate cannot be checked: fingerprint offered: {said}; needed: sha-256")


async def _tolerantly(work: Awaitable[None], timeout: float) -> None:
    """Without keys for RTCP there are no reports, and nothing else."""
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(timeout):
            await work
