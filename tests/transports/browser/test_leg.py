"""What the leg of a page keeps to, in virtual time: marks, clears, keys both ways, and a peer that falls silent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from audio.format import L16_16K, PCMU_8K
from audio.frame import Frame
from audio.rtp.packet import RtpPacket
from gateway.caller.sip_media import Agreed, RtpMouth
from gateway.errors import LocalProtocolError
from gateway.events import DigitPressed, LegClosed, MarkReached
from gateway.interfaces import TransferOutcome, TransferTarget
from gateway.transports.browser.settings import BrowserLine
from gateway.transports.browser.transport import SILENCE_LIMIT, BrowserTransport
from gateway.transports.media.path import Fingerprint, LocalIce
from gateway.transports.sockets import LineContext
from tests.fakes.desk import Desk, TakenCall
from tests.fakes.page import SDP, port_of, token_for
from tests.fakes.sip_line import rtp_ports
from tests.fakes.virtual_loop import virtual_time
from tests.fakes.webrtc_peer import WebRtcPeer

AGREED = Agreed(audio_type=0, event_type=126)


async def offer_of(peer: WebRtcPeer) -> str:
    ice = await peer.offer()
    [fingerprint] = ice.fingerprints
    lines = [
        *("v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "m=audio 9 UDP/TLS/RTP/SAVPF 0 126", "c=IN IP4 0.0.0.0"),
        *("a=mid:0", "a=rtcp-mux", "a=sendrecv", "a=setup:actpass", f"a=ice-ufrag:{ice.ufrag}", f"a=ice-pwd:{ice.pwd}"),
        f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}",
        *("a=rtpmap:0 PCMU/8000", "a=rtpmap:126 telephone-event/8000"),
        *(f"a=candidate:{candidate}" for candidate in ice.candidates),
        "",
    ]
    return "\r\n".join(lines)


def local_of(answer: str) -> LocalIce:
    def value(name: str) -> str:
        found = re.search(rf"a={name}:(\S.*?)\r?\n", answer)
        assert found is not None, name
        return found[1]

    algorithm, _, hexadecimal = value("fingerprint").partition(" ")
    return LocalIce(
        ufrag=value("ice-ufrag"),
        pwd=value("ice-pwd"),
        fingerprint=Fingerprint(algorithm, hexadecimal),
        candidates=tuple(re.findall(r"a=candidate:(.*?)\r?\n", answer)),
        address="127.0.0.1",
        port=9,
        rtcp_port=None,
    )


@asynccontextmanager
async def call() -> AsyncIterator[tuple[WebRtcPeer, Desk, TakenCall]]:
    """A call in G.711 that is up."""
    settings = BrowserLine.model_validate({"codecs": ["PCMU"], "media": {"host": "127.0.0.1", "ports": rtp_ports()}})
    transport = BrowserTransport("web", settings, LineContext(new_id=lambda: "call-1"))
    desk, peer = Desk(), WebRtcPeer()
    serving = asyncio.create_task(transport.serve(desk.offer))
    await asyncio.sleep(0)
    try:
        async with port_of(transport) as http:
            headers = {**SDP, "authorization": f"Bearer {token_for(transport)}"}
            answer = await http.post("/media/browser", content=await offer_of(peer), headers=headers)
            assert answer.status_code == 201, answer.text
            assert "a=setup:passive" in answer.text
            await peer.connect(local_of(answer.text), role="client")
            taken = await desk.call()
            await desk.until(lambda: taken.is_answered)
            yield peer, desk, taken
    finally:
        await peer.close()
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


def payloads(peer: WebRtcPeer, payload_type: int) -> list[bytes]:
    packets = [RtpPacket.from_wire(packet) for packet in peer.ears.rtp]
    return [packet.payload for packet in packets if packet.payload_type == payload_type]


@virtual_time
async def test_what_it_can_do() -> None:
    async with call() as (_, _, taken):
        can = taken.leg.capabilities
        assert (can.format, can.has_marks, can.has_clear) == (PCMU_8K, True, True)
        assert (can.can_ring, can.can_transfer) == (False, False)
        target = TransferTarget(transfer_id="1", target="+33")
        assert await taken.leg.transfer(target) == TransferOutcome(ok=False, cause="unsupported")
        with pytest.raises(LocalProtocolError):
            await taken.leg.send_audio(Frame(bytes(640), L16_16K))


@virtual_time
async def test_audio_leaves_at_the_speed_of_speech_and_its_mark_comes_after_it() -> None:
    async with call() as (peer, desk, taken):
        begun = asyncio.get_running_loop().time()
        await taken.leg.send_audio(Frame(b"\x17" * 8000, PCMU_8K))
        await taken.leg.mark("end")
        await desk.until(lambda: MarkReached(mark_id="end") in taken.events)
        assert taken.time_of(MarkReached(mark_id="end")) - begun == pytest.approx(1.0, abs=0.05)
        await peer.ears.until(rtp=50)
        assert sum(payload == b"\x17" * 160 for payload in payloads(peer, 0)) == 50


@virtual_time
async def test_what_was_cleared_is_never_heard() -> None:
    async with call() as (peer, _, taken):
        saying = asyncio.create_task(taken.leg.send_audio(Frame(b"\x17" * 8000, PCMU_8K)))
        await asyncio.sleep(0.3)
        await taken.leg.clear()
        await saying
        await taken.leg.mark("later")
        await asyncio.sleep(1.0)
        assert 10 <= sum(payload == b"\x17" * 160 for payload in payloads(peer, 0)) <= 16


@virtual_time
async def test_keys_go_both_ways_by_telephone_event() -> None:
    async with call() as (peer, desk, taken):
        mouth = RtpMouth(PCMU_8K)
        for key in "1#":
            for packet in mouth.key(key, AGREED):
                await peer.send(packet)
            for _ in range(10):
                for packet in mouth.audio(b"\xff" * 160, AGREED):
                    await peer.send(packet)
                await asyncio.sleep(0.02)
        await desk.until(lambda: taken.told[-1:] == [DigitPressed(digit="#")])
        assert taken.told == [DigitPressed(digit="1"), DigitPressed(digit="#")]
        await taken.leg.send_digits("5")
        assert {payload[0] for payload in payloads(peer, 126)} == {5}


@virtual_time
async def test_a_page_that_falls_silent_is_gone() -> None:
    async with call() as (_, desk, taken):
        begun = asyncio.get_running_loop().time()
        await desk.until(lambda: taken.is_over, within=60)
        closed = taken.events[-1]
        assert isinstance(closed, LegClosed)
        assert (closed.by, "no media" in closed.reason) == ("failure", True)
        assert asyncio.get_running_loop().time() - begun == pytest.approx(SILENCE_LIMIT, abs=1.0)


@virtual_time
async def test_hanging_up_says_goodbye_by_dtls() -> None:
    async with call() as (peer, desk, taken):
        await taken.leg.hang_up("normal")
        await taken.leg.hang_up("failure")
        await desk.until(lambda: taken.is_over)
        assert taken.told == [LegClosed(by="gateway", reason="normal")]
        dtls = peer.dtls[1]
        closed = asyncio.Event()
        dtls.on("statechange", lambda: closed.set() if dtls.state == "closed" else None)
        if dtls.state != "closed":
            async with asyncio.timeout(5):
                await closed.wait()
        assert dtls.state == "closed"
