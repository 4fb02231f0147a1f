"""ICE and DTLS-SRTP against aiortc's own, in every role and with every manner of peer. All on loopback."""

from __future__ import annotations

import asyncio
import datetime
import struct
import subprocess
import sys
from dataclasses import replace
from typing import Any, Literal

import aioice.ice
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from aiortc.rtcdtlstransport import RTCCertificate

from gateway.transports.media.path import DtlsRole, Fingerprint, LocalIce, PathFailed, RemoteIce
from gateway.transports.media.ports import MediaOptions, PortRange
from gateway.transports.media.webrtc import WebRtcPath, choose_fingerprint
from gateway.transports.media.webrtc_parts import certificate, usable_candidates
from tests.fakes.virtual_loop import virtual_time
from tests.fakes.webrtc_peer import LOOPBACK, Ears, RsaCertificate, WebRtcPeer, closing_both

NOW = datetime.datetime.now(datetime.UTC)
ROLES: dict[DtlsRole, Literal["client", "server"]] = {"passive": "client", "active": "server"}


@pytest.fixture(autouse=True)
def _peers_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """aioice never gathers the loopback address by itself; the peers are its."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: [LOOPBACK])


def options(**kwargs: Any) -> MediaOptions:
    return MediaOptions(**{"ports": PortRange(), "addresses": (LOOPBACK,), **kwargs})


def path(*, rtcp_mux: bool = True, controlling: bool = False, **kwargs: Any) -> WebRtcPath:
    return WebRtcPath(options(**kwargs), now=NOW, rtcp_mux=rtcp_mux, controlling=controlling)


def rtp(sequence: int, payload: bytes = b"\xff" * 160, ssrc: int = 0x1234) -> bytes:
    return struct.pack("!BBHII", 0x80, 0, sequence, sequence * 160, ssrc) + payload


def report(ssrc: int = 0x1234) -> bytes:
    """An empty receiver report."""
    return struct.pack("!BBHI", 0x80, 201, 1, ssrc)


async def connect(ours: WebRtcPath, peer: WebRtcPeer, role: DtlsRole = "passive", **offer: Any) -> Ears:
    """Offer and answer, both ways; returns what our side hears."""
    ears = Ears()
    ours.deliver_to(ears)
    remote = await peer.offer(role=role, **offer)
    local = await ours.open()
    async with asyncio.TaskGroup() as both:
        both.create_task(peer.connect(local, role=ROLES[role]))
        both.create_task(ours.connect(remote))
    return ears


async def exchange(ours: WebRtcPath, peer: WebRtcPeer, ears: Ears) -> None:
    """Three packets and a report each way arrive as they were sent."""
    packets = [rtp(sequence) for sequence in range(100, 103)]
    for packet in packets:
        ours.send_rtp(packet)
        await peer.send(packet)
    ours.send_rtcp(report())
    await peer.send(report(), component=peer.components)
    await ears.until(rtp=3, rtcp=1)
    await peer.ears.until(rtp=3, rtcp=1)
    assert (ears.rtp, ears.rtcp) == (packets, [report()])
    assert (peer.ears.rtp, peer.ears.rtcp) == (packets, [report()])


CERTIFICATES = {"ecdsa": RTCCertificate.generateCertificate, "rsa-2048": lambda: RsaCertificate.of(2048)}


@pytest.mark.parametrize("role", ["passive", "active"])
@pytest.mark.parametrize("make", CERTIFICATES.values(), ids=CERTIFICATES)
@pytest.mark.asyncio
async def test_media_goes_both_ways_with_every_certificate_in_both_roles(make: Any, role: DtlsRole) -> None:
    ours, peer = path(), WebRtcPeer(make())
    async with closing_both(ours, peer):
        ears = await connect(ours, peer, role)
        await exchange(ours, peer, ears)
        assert ears.failures == []


@pytest.mark.asyncio
async def test_we_may_be_the_ones_who_offer() -> None:
    ours, peer = path(controlling=True), WebRtcPeer(controlling=False)
    async with closing_both(ours, peer):
        await exchange(ours, peer, await connect(ours, peer))


@pytest.mark.asyncio
async def test_a_peer_without_rtcp_mux_gets_two_sockets_with_keys_of_their_own() -> None:
    ours, peer = path(rtcp_mux=False), WebRtcPeer(components=2)
    async with closing_both(ours, peer):
        ears = Ears()
        ours.deliver_to(ears)
        remote = await peer.offer()
        local = await ours.open()
        assert local.rtcp_port not in (None, local.port)
        assert [line.split()[1] for line in local.candidates] == ["1", "2"]
        async with asyncio.TaskGroup() as both:
            both.create_task(peer.connect(local, role="client"))
            both.create_task(ours.connect(remote))
        await exchange(ours, peer, ears)


@virtual_time
async def test_a_peer_that_has_no_keys_for_rtcp_holds_up_neither_the_call_nor_its_end() -> None:
    ours, peer = path(rtcp_mux=False), WebRtcPeer(components=2)
    async with closing_both(ours, peer):
        ears = Ears()
        ours.deliver_to(ears)
        remote, local = await peer.offer(), await ours.open()
        async with asyncio.TaskGroup() as both:
            both.create_task(peer.connect(local, role="client", keys_for=1))
            both.create_task(ours.connect(remote))
        ours.send_rtcp(report())
        ours.send_rtp(rtp(1))
        await peer.ears.until(rtp=1)
        assert peer.ears.rtcp == []
        start = asyncio.get_running_loop().time()
        await ours.close()
        assert asyncio.get_running_loop().time() - start < 1.0


@pytest.mark.parametrize("is_hidden", [False, True])
@pytest.mark.asyncio
async def test_two_sockets_were_offered_and_the_peer_muxes(is_hidden: bool) -> None:
    ours, peer = path(rtcp_mux=False, controlling=True), WebRtcPeer(controlling=False)
    async with closing_both(ours, peer):
        ears = Ears()
        ours.deliver_to(ears)
        local, remote = await ours.open(), await peer.offer()
        if is_hidden:
            remote = replace(remote, candidates=USELESS[:2])
        muxed = LocalIce(
            ufrag=local.ufrag,
            pwd=local.pwd,
            fingerprint=local.fingerprint,
            candidates=local.candidates[:1],
            address=local.address,
            port=local.port,
            rtcp_port=None,
        )
        async with asyncio.TaskGroup() as both:
            both.create_task(peer.connect(muxed, role="client"))
            both.create_task(ours.connect(remote))
        await exchange(ours, peer, ears)


@pytest.mark.parametrize("role", ["passive", "active"])
@pytest.mark.asyncio
async def test_a_lite_peer_is_led_by_us(role: DtlsRole) -> None:
    ours, peer = path(), WebRtcPeer(ice="lite")
    async with closing_both(ours, peer):
        await exchange(ours, peer, await connect(ours, peer, role))


USELESS = (
    "candidate:1 1 udp 2113937151 3c0ee5a8-6c54-4a4e-a2a2-6c2b8d1d8b57.local 50000 typ host",
    "2 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active",
    "3 2 udp 2113937150 127.0.0.1 50001 typ host",
    "4 1 udp 2113937150 127.0.0.1 0 typ host",
    "5 1 udp 2113937150 127.0.0.1 70000 typ host",
    "6 1 udp 2113937150 pbx.example.com 5000 typ host",
    "torn",
    "7 x udp 1 127.0.0.1 1 typ host",
)


def test_candidates_that_lead_nowhere_are_passed_over() -> None:
    assert usable_candidates(USELESS, [1]) == []
    kept = usable_candidates((*USELESS, "candidate:8 1 UDP 1 127.0.0.1 5000 typ srflx raddr 10.0.0.1 rport 9"), [1])
    assert [(candidate.host, candidate.port, candidate.type) for candidate in kept] == [("127.0.0.1", 5000, "srflx")]


def test_a_flood_of_candidates_is_cut() -> None:
    assert len(usable_candidates([f"1 1 udp 1 127.0.0.1 {port} typ host" for port in range(1, 1000)], [1])) == 32


@pytest.mark.asyncio
async def test_a_peer_that_hides_behind_mdns_names_is_found_by_its_own_checks() -> None:
    ours, peer = path(), WebRtcPeer()
    async with closing_both(ours, peer):
        ears = Ears()
        ours.deliver_to(ears)
        remote = await peer.offer()
        hidden = RemoteIce(
            ufrag=remote.ufrag, pwd=remote.pwd, fingerprints=remote.fingerprints, role="passive", candidates=USELESS
        )
        local = await ours.open()
        async with asyncio.TaskGroup() as both:
            both.create_task(peer.connect(local, role="client"))
            both.create_task(ours.connect(hidden))
        await exchange(ours, peer, ears)


def test_the_strongest_accepted_fingerprint_is_the_one_compared() -> None:
    weak, strong, other = Fingerprint("sha-1", "00"), Fingerprint("SHA-256", "11"), Fingerprint("sha-512", "22")
    assert choose_fingerprint([weak, other, strong]) == strong
    assert choose_fingerprint([weak, other]) == other


@pytest.mark.asyncio
async def test_sha_1_alone_is_refused_at_once_and_said() -> None:
    ours, peer = path(), WebRtcPeer()
    async with closing_both(ours, peer):
        remote = await peer.offer(algorithm="sha-1")
        await ours.open()
        with pytest.raises(PathFailed, match="fingerprint offered: sha-1; needed: sha-256"):
            await ours.connect(remote)


@pytest.mark.asyncio
async def test_ice_credentials_that_are_none_are_refused() -> None:
    ours, peer = path(), WebRtcPeer()
    async with closing_both(ours, peer):
        remote = replace(await peer.offer(), pwd="\udcff" * 22)
        await ours.open()
        with pytest.raises(PathFailed, match="ice-pwd is none"):
            await ours.connect(remote)


async def refused(ours: WebRtcPath, peer: WebRtcPeer, remote: RemoteIce, *, keys_for: int = 2) -> str:
    local = await ours.open()
    peering = asyncio.create_task(peer.connect(local, role="client", keys_for=keys_for))
    with pytest.raises(PathFailed) as caught:
        await ours.connect(remote)
    peering.cancel()
    await asyncio.wait([peering])
    return str(caught.value)


@pytest.mark.asyncio
async def test_another_certificate_than_announced_is_refused_and_both_sides_are_named() -> None:
    ours, peer = path(), WebRtcPeer()
    async with closing_both(ours, peer):
        remote = await peer.offer()
        forged = RemoteIce(
            ufrag=remote.ufrag,
            pwd=remote.pwd,
            fingerprints=(Fingerprint("sha-256", "AA:BB"),),
            role="passive",
            candidates=remote.candidates,
        )
        text = await refused(ours, peer, forged)
    assert "DTLS failed: the peer's certificate is not the announced one" in text
    assert "we are controlled and DTLS passive" in text
    assert "expected: sha-256 AA:BB" in text


@pytest.mark.asyncio
async def test_no_common_cipher_suite_is_a_failed_handshake() -> None:
    class Old(RTCCertificate):
        def _create_ssl_context(self, srtp_profiles: Any) -> Any:
            context = super()._create_ssl_context(srtp_profiles)
            context.set_cipher_list(b"ECDHE-ECDSA-AES256-GCM-SHA384")
            return context

    ours, peer = path(), WebRtcPeer(Old.generateCertificate())
    async with closing_both(ours, peer):
        text = await refused(ours, peer, await peer.offer())
    assert "DTLS failed: the handshake was refused" in text


@virtual_time
async def test_a_peer_that_never_speaks_dtls_is_given_up_in_time() -> None:
    ours, peer = path(timeout=4.0), WebRtcPeer()
    async with closing_both(ours, peer):
        text = await refused(ours, peer, await peer.offer(), keys_for=0)
    assert "DTLS failed: no answer in 4 s" in text


@virtual_time
async def test_a_peer_that_is_not_there_is_given_up_in_time() -> None:
    ours = path(timeout=3.0)
    remote = RemoteIce(
        ufrag="abcd",
        pwd="p" * 22,
        fingerprints=(Fingerprint("sha-256", "AA"),),
        role="passive",
        candidates=("1 1 udp 2113937151 127.0.0.1 9 typ host",),
    )
    async with closing_both(ours):
        await ours.open()
        with pytest.raises(PathFailed, match=r"ICE failed: no answer in 3 s; .* candidates usable: 1 of 1"):
            await ours.connect(remote)


@pytest.mark.asyncio
async def test_a_call_that_ends_while_it_connects_leaves_nothing_behind() -> None:
    ours, peer = path(), WebRtcPeer()
    async with closing_both(ours, peer):
        remote = await peer.offer()
        await ours.open()
        connecting = asyncio.create_task(ours.connect(remote))
        await asyncio.sleep(0)
        connecting.cancel()
        await asyncio.wait([connecting])
        assert connecting.cancelled()


@pytest.mark.asyncio
async def test_a_peer_that_says_goodbye_is_lost_once() -> None:
    ours, peer = path(), WebRtcPeer()
    async with closing_both(ours, peer):
        ears = await connect(ours, peer)
        await peer.dtls[1].stop()
        await ears.until(failures=1)
        ours.send_rtp(rtp(1))
        assert [str(failure) for failure in ears.failures] == ["the peer closed DTLS"]
        await ours.close()
        assert len(ears.failures) == 1


@pytest.mark.asyncio
async def test_when_we_close_nobody_is_told_of_a_loss() -> None:
    ours, peer = path(), WebRtcPeer()
    async with closing_both(ours, peer):
        ears = await connect(ours, peer)
        await ours.close()
        await asyncio.sleep(0)
        assert ears.failures == []


@virtual_time
async def test_a_peer_that_vanishes_is_noticed_by_missing_consent() -> None:
    ours, peer = path(), WebRtcPeer()
    async with closing_both(ours, peer):
        ears = await connect(ours, peer)
        start = asyncio.get_running_loop().time()
        await peer.ice.close()
        await ears.until(failures=1, within=60.0)
        assert "does not answer ICE" in str(ears.failures[0])
        assert asyncio.get_running_loop().time() - start < 60.0


@pytest.mark.asyncio
async def test_media_that_is_not_the_peers_is_dropped_and_counted() -> None:
    ours, peer = path(), WebRtcPeer()
    async with closing_both(ours, peer):
        ears = await connect(ours, peer)
        loop = asyncio.get_running_loop()
        stranger, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=(LOOPBACK, 0))
        port = int(peer.ice.remote_candidates[0].port)
        for junk in (rtp(1), b"", b"\x80", b"\x80\xc8", b"\x80" * 2000, b"\x50" * 20, b"\xff", b"\x16" * 30):
            stranger.sendto(junk, (LOOPBACK, port))
        stranger.close()
        await exchange(ours, peer, ears)
        assert ours.refused == 4


@pytest.mark.asyncio
async def test_what_is_sent_before_or_after_the_call_is_forgotten() -> None:
    ours, peer = path(), WebRtcPeer()
    async with closing_both(ours, peer):
        await ours.open()
        ours.send_rtp(rtp(1))
        ours.send_rtcp(report())
    ours.send_rtp(rtp(2))


@pytest.mark.asyncio
async def test_ports_come_from_the_range_and_go_back() -> None:
    ports = PortRange(28100, 28101)
    first, second, third = path(ports=ports), path(ports=ports), path(ports=ports)
    async with closing_both(first, second, third):
        taken = {(await first.open()).port, (await second.open()).port}
        assert taken == {28100, 28101}
        with pytest.raises(PathFailed, match=r"no UDP port of 28100-28101 is free on 127\.0\.0\.1"):
            await third.open()
        await first.close()
        again = path(ports=ports)
        async with closing_both(again):
            assert (await again.open()).port in taken


@pytest.mark.asyncio
async def test_the_announced_address_stands_in_the_sdp_and_the_call_works_all_the_same() -> None:
    ours, peer = path(announce="203.0.113.5"), WebRtcPeer(ice="lite")
    async with closing_both(ours, peer):
        ears = Ears()
        ours.deliver_to(ears)
        remote = await peer.offer()
        local = await ours.open()
        assert local.address == "203.0.113.5"
        assert [line.split()[4:6] for line in local.candidates] == [["203.0.113.5", str(local.port)]]
        async with asyncio.TaskGroup() as both:
            both.create_task(peer.connect(local, role="client"))
            both.create_task(ours.connect(remote))
        await exchange(ours, peer, ears)


def test_one_certificate_serves_the_process_until_it_is_about_to_expire() -> None:
    first = certificate(NOW)
    assert certificate(NOW + datetime.timedelta(days=20)) is first
    second = certificate(NOW + datetime.timedelta(days=29))
    assert second is not first
    assert second.expires >= first.expires


@pytest.mark.asyncio
async def test_a_call_with_a_peer_connection() -> None:
    """What a browser's library makes of our answer: its audio comes to us, ours is taken for a track."""
    there = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    there.addTrack(AudioStreamTrack())
    await there.setLocalDescription(await there.createOffer())
    remote, payload_type = _read(there.localDescription.sdp)
    ours, ears = path(), Ears()
    ours.deliver_to(ears)
    async with closing_both(ours, there):
        answer = _answer(await ours.open(), payload_type)
        track: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        there.on("track", track.set_result)
        await there.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await ours.connect(remote)
        await ears.until(rtp=2)
        assert {packet[1] & 0x7F for packet in ears.rtp} == {payload_type}
        assert all(len(packet) >= 12 + 160 for packet in ears.rtp)
        for sequence in range(20):
            packet = bytearray(rtp(sequence))
            packet[1] = payload_type
            ours.send_rtp(bytes(packet))
        async with asyncio.timeout(10):
            frame = await (await track).recv()
        assert frame.samples == 160
        assert there.connectionState == "connected"


def _read(sdp: str) -> tuple[RemoteIce, int]:
    lines = sdp.splitlines()

    def value(name: str) -> str:
        return next(line for line in lines if line.startswith(name)).removeprefix(name)

    fingerprints = [line.partition(":")[2].split() for line in lines if line.startswith("a=fingerprint:")]
    remote = RemoteIce(
        ufrag=value("a=ice-ufrag:"),
        pwd=value("a=ice-pwd:"),
        fingerprints=tuple(Fingerprint(algorithm, digest) for algorithm, digest in fingerprints),
        role="passive",
        candidates=tuple(line.removeprefix("a=") for line in lines if line.startswith("a=candidate:")),
    )
    codec = next(line for line in lines if line.startswith("a=rtpmap:") and line.endswith(" PCMU/8000"))
    return remote, int(codec.removeprefix("a=rtpmap:").split()[0])


def _answer(local: LocalIce, payload_type: int) -> str:
    lines = [
        "v=0",
        f"o=- 1 1 IN IP4 {local.address}",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        f"m=audio {local.port} UDP/TLS/RTP/SAVPF {payload_type}",
        f"c=IN IP4 {local.address}",
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=setup:passive",
        f"a=rtpmap:{payload_type} PCMU/8000",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:{local.fingerprint}",
        *[f"a=candidate:{line}" for line in local.candidates],
        "a=end-of-candidates",
    ]
    return "\r\n".join(lines) + "\r\n"


def test_a_gateway_without_such_lines_does_not_load_it() -> None:
    script = (
        "import sys, gateway.transports.media.path, gateway.transports.media.ports\n"
        "sys.exit(any(name in sys.modules for name in ('aiortc', 'aioice', 'av', 'OpenSSL')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
