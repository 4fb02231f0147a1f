"""A peer that names the loopback of its own machine: audio goes where it can be heard, and the operator is told why."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog

from audio.format import PCMU_8K
from audio.frame import Frame
from audio.rtp.packet import RtpPacket
from gateway.clock import LoopClock
from gateway.transports.media.call_media import CallMedia, MediaSettings
from gateway.transports.media.ports import MediaOptions, PortRange
from gateway.transports.media.reachable import is_misnamed, is_this_machine
from gateway.transports.media.ticker import Ticker
from tests.fakes.plain_phone import port_in
from tests.fakes.sip_line import rtp_ports
from tests.fakes.virtual_loop import virtual_time

ELSEWHERE = "255.255.255.255"  # never this machine, and the system lets nothing go there
FIRST, LAST = (int(port) for port in rtp_ports().split("-"))
SOUND = bytes(range(1, 161))


@pytest.mark.parametrize(
    ("named", "toward", "expected"),
    [
        ("127.0.0.1", ELSEWHERE, True),
        ("127.0.1.1", ELSEWHERE, True),
        ("::1", "2001:db8::1", True),
        ("127.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.9", False),
        ("192.0.2.1", ELSEWHERE, False),
        ("0.0.0.0", ELSEWHERE, False),
        ("::1", ELSEWHERE, False),
        ("pbx.example.com", ELSEWHERE, False),
        ("", ELSEWHERE, False),
        ("127.0.0.1", "", False),
    ],
)
def test_which_addresses_mean_nothing_here(named: str, toward: str, expected: bool) -> None:
    assert is_misnamed(named, toward) is expected


def test_a_peer_on_this_machine_may_name_the_loopback() -> None:
    assert is_this_machine("127.0.0.1")
    assert not is_this_machine(ELSEWHERE)
    assert not is_this_machine("nobody")


class Ear(asyncio.DatagramProtocol):
    """A socket on loopback."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port: int = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.heard.append(RtpPacket.from_wire(data).payload)


async def ear() -> Ear:
    _, made = await asyncio.get_running_loop().create_datagram_endpoint(Ear, local_addr=("127.0.0.1", 0))
    return made


def offer(port: int) -> bytes:
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0", f"m=audio {port} RTP/AVP 0", ""]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("latching", [True, False])
@virtual_time
async def test_audio_goes_to_where_the_peers_comes_from(latching: bool) -> None:
    clock = LoopClock()
    settings = MediaSettings(
        options=MediaOptions(ports=PortRange(FIRST, LAST), addresses=("127.0.0.1",)),
        codecs=("PCMU",),
        ticker=Ticker(clock),
        clock=clock,
        latching=latching,
    )
    named, real = await ear(), await ear()
    media = CallMedia(settings, post=lambda _: None, lost=lambda _: None, toward=ELSEWHERE)
    with structlog.testing.capture_logs() as logs:
        media.read_offer(offer(named.port))
        await media.open()
        answer = media.answer()
        session = await media.connect()
        await session.send_audio(Frame(SOUND, PCMU_8K))
        await asyncio.sleep(0.1)  # virtual
        real.transport.sendto(RtpPacket(0, 1, 160, 7, SOUND).to_wire(), ("127.0.0.1", port_in(answer)))
        await asyncio.sleep(0.05)
        await session.send_audio(Frame(SOUND[::-1], PCMU_8K))
        await asyncio.sleep(0.1)
    await media.close()
    for socket in (named, real):
        socket.transport.close()
    await asyncio.sleep(0)
    told = [entry for entry in logs if entry["event"] == "the peer's SDP names an address of its own machine alone"]
    if latching:
        assert (named.heard, SOUND[::-1] in real.heard) == ([], True)
        assert [(entry["named"], entry["peer"]) for entry in told] == [("127.0.0.1", ELSEWHERE)]
        assert "/etc/hosts" in told[0]["why"]
    else:  # as the operator wants it
        assert SOUND in named.heard
        assert (real.heard, told) == ([], [])
