"""Plain RTP: whose packets count, where ours go, and which ports are taken. Real sockets on loopback, virtual time."""

from __future__ import annotations

import asyncio
import errno
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transports.media.path import PathFailed
from gateway.transports.media.ports import MediaOptions, PortRange
from gateway.transports.media.sdes import fresh
from gateway.transports.media.srtp import Srtp
from gateway.transports.media.udp_media import SILENCE, UNDECRYPTED, LocalUdp, RemoteUdp, UdpPath
from tests.fakes.virtual_loop import virtual_time
from tests.fakes.webrtc_peer import LOOPBACK, Ears

PCMU, EVENT = 0, 101
STUN = bytes.fromhex("000100002112a442") + b"t" * 12


def rtp(sequence: int = 1, *, payload_type: int = PCMU, ssrc: int = 1, payload: bytes = b"\xff" * 160) -> bytes:
    return struct.pack("!BBHII", 0x80, payload_type, sequence, sequence * 160, ssrc) + payload


def report(ssrc: int = 1) -> bytes:
    return struct.pack("!BBHI", 0x80, 201, 1, ssrc)


class Phone(asyncio.DatagramProtocol):
    """A socket of the other side."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port: int = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.append(data)

    def send(self, packet: bytes, port: int) -> None:
        self.transport.sendto(packet, (LOOPBACK, port))


class Call:
    """A path, and the phones around it. ``phone`` is the one the SDP names, ``nat`` where its packets may come from."""

    def __init__(self, *, ports: PortRange | None = None, **kwargs: Any) -> None:
        self.path = UdpPath(MediaOptions(ports=ports or PortRange(), addresses=(LOOPBACK,)), **kwargs)
        self.ears = Ears()
        self._phones: list[Phone] = []

    async def __aenter__(self) -> Call:
        self.path.deliver_to(self.ears)
        self.local: LocalUdp = await self.path.open()
        self.phone, self.phone_rtcp, self.nat, self.thief = [await self.open_phone() for _ in range(4)]
        self.aim()
        return self

    async def __aexit__(self, *_: object) -> None:
        for phone in self._phones:
            phone.transport.close()
        await self.path.close()

    async def open_phone(self) -> Phone:
        loop = asyncio.get_running_loop()
        _, phone = await loop.create_datagram_endpoint(Phone, local_addr=(LOOPBACK, 0))
        self._phones.append(phone)
        return phone

    def aim(self, address: str = LOOPBACK, **kwargs: Any) -> None:
        said = {"port": self.phone.port, "rtcp_port": self.phone_rtcp.port, **kwargs}
        self.path.aim(RemoteUdp(address=address, payload_types=frozenset({PCMU, EVENT}), **said))

    async def from_(self, phone: Phone, *packets: bytes) -> None:
        for packet in packets:
            phone.send(packet, self.local.port)
        await settle()

    async def to_whom(self) -> Phone | None:
        """Who hears what we say now."""
        before = {phone: len(phone.heard) for phone in self._phones}
        self.path.send_rtp(rtp(99))
        await settle()
        heard = [phone for phone in self._phones if len(phone.heard) > before[phone]]
        assert len(heard) <= 1
        return heard[0] if heard else None


async def settle() -> None:
    """Datagrams on loopback are there at once; the loop has to look, and takes one in each turn."""
    for _ in range(20):
        await asyncio.sleep(0)


@virtual_time
async def test_a_port_pair_even_and_odd_and_packets_both_ways() -> None:
    async with Call() as call:
        assert call.local.port % 2 == 0
        assert call.local == LocalUdp(address=LOOPBACK, port=call.local.port, rtcp_port=call.local.port + 1)
        assert await call.to_whom() is call.phone
        await call.from_(call.phone, rtp(1), rtp(2, payload_type=EVENT), rtp(3, payload_type=PCMU | 0x80))
        assert call.ears.rtp == [rtp(1), rtp(2, payload_type=EVENT), rtp(3, payload_type=PCMU | 0x80)]
        assert call.path.refused == 0


@virtual_time
async def test_reports_go_their_own_way() -> None:
    async with Call() as call:
        await call.from_(call.phone, rtp(1))
        call.path.send_rtcp(report())
        call.phone_rtcp.send(report(7), call.local.port + 1)
        await settle()
        assert call.phone_rtcp.heard == [report()]
        assert call.ears.rtcp == [report(7)]


@virtual_time
async def test_reports_share_the_port_where_that_was_agreed() -> None:
    async with Call() as call:
        call.aim(rtcp_mux=True)
        await call.from_(call.phone, rtp(1), report(7))
        call.path.send_rtcp(report())
        await settle()
        assert call.phone.heard == [report()]
        assert (call.ears.rtp, call.ears.rtcp) == ([rtp(1)], [report(7)])


@virtual_time
async def test_reports_follow_the_peer_to_where_it_really_is() -> None:
    async with Call() as call:
        await call.from_(call.nat, rtp(1))
        call.thief.send(report(7), call.local.port + 1)  # the same host, so that its router may have chosen this port
        await settle()
        call.path.send_rtcp(report())
        await settle()
        assert call.thief.heard == [report()]


@virtual_time
async def test_reports_of_another_machine_are_refused() -> None:
    async with Call() as call:
        await call.from_(call.phone, rtp(1))
        loop = asyncio.get_running_loop()
        stranger, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.2", 0))
        stranger.sendto(report(7), (LOOPBACK, call.local.port + 1))
        stranger.close()
        await settle()
        assert (call.ears.rtcp, call.path.refused) == ([], 1)
        call.path.send_rtcp(report())
        await settle()
        assert call.phone_rtcp.heard == [report()]


JUNK = [
    b"\x80",
    STUN,
    rtp(1)[:11],
    b"\x40" + rtp(1)[1:],
    rtp(1, payload_type=8),
    rtp(1, payload=b"x" * 1500),
    b"\x16\xfe\xfd" + b"d" * 30,
]


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_what_is_no_agreed_rtp_is_dropped_counted_and_attracts_nothing(junk: bytes) -> None:
    @virtual_time
    async def run() -> None:
        async with Call() as call:
            await call.from_(call.thief, junk)
            assert (call.ears.rtp, call.ears.rtcp, call.path.refused) == ([], [], 1)
            assert await call.to_whom() is call.phone

    run()


@virtual_time
async def test_a_peer_behind_nat_is_found_by_its_first_packet() -> None:
    async with Call() as call:
        await call.from_(call.nat, rtp(1))
        assert call.ears.rtp == [rtp(1)]
        assert await call.to_whom() is call.nat


@virtual_time
async def test_nobody_takes_the_call_from_a_source_that_talks() -> None:
    async with Call() as call:
        await call.from_(call.nat, rtp(1))
        for second in range(10):
            await asyncio.sleep(1.0)
            await call.from_(call.nat, rtp(second + 2))
            await call.from_(call.thief, rtp(second + 100, ssrc=666), rtp(second + 3))
        assert {packet[8:12] for packet in call.ears.rtp} == {rtp()[8:12]}
        assert (len(call.ears.rtp), call.path.refused) == (11, 20)
        assert await call.to_whom() is call.nat


@virtual_time
async def test_after_three_seconds_of_silence_another_one_may_have_it_and_not_before() -> None:
    async with Call() as call:
        await call.from_(call.nat, rtp(1))
        await asyncio.sleep(2.9)
        await call.from_(call.thief, rtp(500, ssrc=2))
        assert await call.to_whom() is call.nat
        await asyncio.sleep(0.2)
        await call.from_(call.thief, rtp(501, ssrc=2))
        assert await call.to_whom() is call.thief
        assert call.ears.rtp == [rtp(1), rtp(501, ssrc=2)]


@virtual_time
async def test_whom_the_sdp_names_may_have_it_at_any_time() -> None:
    async with Call() as call:
        await call.from_(call.thief, rtp(1, ssrc=666))
        await call.from_(call.phone, rtp(1))
        await call.from_(call.thief, rtp(2, ssrc=666))
        assert call.ears.rtp == [rtp(1, ssrc=666), rtp(1)]
        assert await call.to_whom() is call.phone


@virtual_time
async def test_without_latching_only_whom_the_sdp_names_counts() -> None:
    async with Call(latching=False) as call:
        await call.from_(call.nat, rtp(1))
        await asyncio.sleep(10.0)
        await call.from_(call.nat, rtp(2))
        await call.from_(call.phone, rtp(3))
        assert call.ears.rtp == [rtp(3)]
        assert await call.to_whom() is call.phone


@virtual_time
async def test_a_stream_forged_beside_the_real_one_is_not_heard() -> None:
    async with Call() as call:
        for sequence in range(20):
            await call.from_(call.phone, rtp(sequence), rtp(sequence, ssrc=666))
        assert {packet[8:12] for packet in call.ears.rtp} == {rtp()[8:12]}
        assert len(call.ears.rtp) == 20


@virtual_time
async def test_a_stream_that_changes_its_name_loses_one_packet() -> None:
    async with Call() as call:
        await call.from_(call.phone, rtp(1), *[rtp(sequence, ssrc=2) for sequence in range(50, 55)])
        assert call.ears.rtp == [rtp(1), *[rtp(sequence, ssrc=2) for sequence in range(51, 55)]]


@virtual_time
async def test_a_peer_that_moves_by_a_new_sdp_is_followed_at_once() -> None:
    async with Call() as call:
        await call.from_(call.phone, rtp(1))
        call.aim(port=call.nat.port)
        assert await call.to_whom() is call.nat
        await call.from_(call.nat, rtp(1, ssrc=2))
        assert call.ears.rtp == [rtp(1), rtp(1, ssrc=2)]


@virtual_time
async def test_the_same_sdp_again_changes_nothing() -> None:
    async with Call() as call:
        await call.from_(call.nat, rtp(1))
        call.aim()
        assert await call.to_whom() is call.nat


@virtual_time
async def test_on_hold_nothing_is_sent_and_nobody_slips_in() -> None:
    async with Call() as call:
        await call.from_(call.nat, rtp(1))
        call.aim("0.0.0.0")
        await call.from_(call.thief, rtp(7, ssrc=666))
        assert await call.to_whom() is None
        call.aim()
        assert await call.to_whom() is call.nat


@pytest.mark.parametrize("address", ["0.0.0.0", "phone.example.com", "::1", ""])
def test_an_address_of_no_use_is_waited_for(address: str) -> None:
    @virtual_time
    async def run() -> None:
        async with Call() as call:
            fresh = UdpPath(MediaOptions(ports=PortRange(), addresses=(LOOPBACK,)))
            ears = Ears()
            fresh.deliver_to(ears)
            local = await fresh.open()
            fresh.aim(RemoteUdp(address=address, port=5000, payload_types=frozenset({PCMU})))
            fresh.send_rtp(rtp(1))
            fresh.send_rtcp(report())
            call.phone.send(rtp(1), local.port)
            await settle()
            fresh.send_rtp(rtp(2))
            await settle()
            assert (ears.rtp, call.phone.heard) == ([rtp(1)], [rtp(2)])
            await fresh.close()

    run()


@virtual_time
async def test_ipv6() -> None:
    path = UdpPath(MediaOptions(ports=PortRange(), addresses=(LOOPBACK, "::1")), is_ipv6=True)
    ears = Ears()
    path.deliver_to(ears)
    local = await path.open()
    assert local.address == "::1"
    _, phone = await asyncio.get_running_loop().create_datagram_endpoint(Phone, local_addr=("::1", 0))
    path.aim(RemoteUdp(address="0:0::1", port=phone.port, payload_types=frozenset({PCMU})))
    path.send_rtp(rtp(1))
    phone.transport.sendto(rtp(2), ("::1", local.port))
    await settle()
    assert (phone.heard, ears.rtp) == ([rtp(1)], [rtp(2)])
    phone.transport.close()
    await path.close()


@virtual_time
async def test_what_the_sdp_is_told() -> None:
    for options, told in (
        (MediaOptions(ports=PortRange(), announce="203.0.113.5"), "203.0.113.5"),
        (MediaOptions(ports=PortRange()), LOOPBACK),
    ):
        path = UdpPath(options)
        assert (await path.open(toward=LOOPBACK)).address == told
        await path.close()


@virtual_time
async def test_a_broken_socket_is_reported_once() -> None:
    async with Call() as call:
        call.path.socket_lost(OSError(errno.ENETDOWN, "network is down"))
        call.path.socket_lost(None)
        assert [str(failure) for failure in call.ears.failures] == [
            f"a media socket broke: [Errno {errno.ENETDOWN}] network is down"
        ]


@virtual_time
async def test_after_closing_nothing_is_said_or_heard() -> None:
    async with Call() as call:
        await call.path.close()
        call.path.send_rtp(rtp(1))
        call.path.send_rtcp(report())
        assert await call.to_whom() is None
        assert call.ears.failures == []
        await call.path.close()


@virtual_time
async def test_a_range_gives_out_pairs_in_turn_and_takes_them_back() -> None:
    ports = PortRange(28201, 28207)
    first, second, third = [UdpPath(MediaOptions(ports=ports, addresses=(LOOPBACK,))) for _ in range(3)]
    assert [(await path.open()).port for path in (first, second, third)] == [28202, 28204, 28206]
    fourth = UdpPath(MediaOptions(ports=ports, addresses=(LOOPBACK,)))
    with pytest.raises(PathFailed, match=r"no pair of UDP ports of 28201-28207 is free on 127\.0\.0\.1"):
        await fourth.open()
    await second.close()
    assert (await fourth.open()).port == 28204
    for path in (first, third, fourth):
        await path.close()


def test_a_port_rests_before_it_is_taken_again() -> None:
    ports, taken = PortRange(28220, 28225), []
    for _ in range(6):
        pair = ports.bind_pair(LOOPBACK)
        taken.append(pair[0].getsockname()[1])
        for bound in pair:
            bound.close()
    assert taken == [28220, 28222, 28224] * 2


def test_a_pair_stays_inside_the_range() -> None:
    ports = PortRange(28230, 28232)
    pair = ports.bind_pair(LOOPBACK)
    with pytest.raises(PathFailed):
        ports.bind_pair(LOOPBACK)
    for bound in pair:
        bound.close()


@pytest.mark.parametrize("bounds", [(20001, 20001), (20000, 20000), (20001, 20002), (5, 3), (0, 7), (65535, 65536)])
def test_a_range_without_a_pair_is_refused(bounds: tuple[int, int]) -> None:
    with pytest.raises(ValueError):
        PortRange(*bounds)


def test_an_address_that_is_not_ours_is_said() -> None:
    with pytest.raises(PathFailed, match=r"cannot receive on 203\.0\.113\.1"):
        PortRange().bind("203.0.113.1")


@given(st.binary(max_size=80))
def test_any_bytes_are_heard_or_dropped(data: bytes) -> None:
    path = UdpPath(MediaOptions(ports=PortRange()), clock=_Still())
    path.aim(RemoteUdp(address=LOOPBACK, port=5000, payload_types=frozenset({PCMU})))
    path.rtp_arrived(data, (LOOPBACK, 5000))
    path.rtcp_arrived(data, (LOOPBACK, 5001))


class _Still:
    def now(self) -> float:
        return 0.0

    def wall(self) -> Any:
        raise NotImplementedError


# --- SRTP ----------------------------------------------------------------------------------------------------------
SUITE = "AES_CM_128_HMAC_SHA1_80"


def keys() -> tuple[Srtp, Srtp]:
    """Ours and the peer's side."""
    ours, theirs = fresh(SUITE, "1"), fresh(SUITE, "1")
    return Srtp(ours, theirs), Srtp(theirs, ours)


def sealed(by: Srtp, packet: bytes, *, is_rtcp: bool = False) -> bytes:
    data = by.protect(packet, is_rtcp=is_rtcp)
    assert data is not None
    return data


@virtual_time
async def test_with_keys_nothing_else_goes_either_way() -> None:
    async with Call() as call:
        ours, theirs = keys()
        call.path.secure(ours)
        call.phone.send(rtp(1), call.local.port)
        call.phone.send(sealed(theirs, rtp(2)), call.local.port)
        call.phone.send(sealed(theirs, report(), is_rtcp=True), call.local.rtcp_port or 0)
        call.phone.send(report(), call.local.rtcp_port or 0)
        await call.ears.until(rtp=1, rtcp=1)
        await asyncio.sleep(0.1)
        assert (call.ears.rtp, call.ears.rtcp, call.path.refused) == ([rtp(2)], [report()], 2)
        call.path.send_rtp(rtp(9))
        call.path.send_rtcp(report(5))
        await asyncio.sleep(0.1)
        (heard,) = [it for it in call.phone.heard if it[1] & 0x7F == PCMU]
        assert heard != rtp(9)
        assert theirs.open(heard, 0.0, is_rtcp=False) == rtp(9)
        call.path.secure(None)
        call.phone.send(rtp(3), call.local.port)
        await call.ears.until(rtp=2)


@virtual_time
async def test_who_has_no_key_takes_over_nothing_however_long_the_peer_is_silent() -> None:
    async with Call() as call:
        ours, theirs = keys()
        call.path.secure(ours)
        call.nat.send(sealed(theirs, rtp(1)), call.local.port)
        await call.ears.until(rtp=1)
        await asyncio.sleep(10 * SILENCE)
        repeated = sealed(theirs, rtp(2))
        call.nat.send(repeated, call.local.port)
        await call.ears.until(rtp=2)
        await asyncio.sleep(10 * SILENCE)
        for packet in (rtp(3), repeated, sealed(keys()[1], rtp(4))):
            call.thief.send(packet, call.local.port)
        await asyncio.sleep(0.1)
        call.path.send_rtp(rtp(9))
        await asyncio.sleep(0.1)
        assert (len(call.ears.rtp), call.thief.heard, len(call.nat.heard)) == (2, [], 1)
        assert call.path.trouble == "", "a stranger's packets are no trouble of the call's"


@virtual_time
async def test_what_cannot_be_decrypted_is_trouble_until_something_can() -> None:
    async with Call() as call:
        ours, theirs = keys()
        call.path.secure(ours)
        _, wrong = keys()
        for number in range(UNDECRYPTED):
            assert call.path.trouble == ""
            call.phone.send(sealed(wrong, rtp(number)), call.local.port)
            await asyncio.sleep(0.02)
        assert call.path.trouble.startswith(f"audio could not be decrypted ({UNDECRYPTED} packets)")
        call.phone.send(sealed(theirs, rtp(1)), call.local.port)
        await call.ears.until(rtp=1)
        assert call.path.trouble == ""
