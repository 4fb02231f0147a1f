"""Two sessions talk to each other over real paths on loopback, plain and encrypted, in virtual time."""

from __future__ import annotations

import asyncio
import datetime
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from audio.codecs.live import G711Codec
from audio.format import PCMA_8K, Encoding
from audio.frame import Frame
from gateway.events import AudioReceived, DigitPressed, LegEvent, MarkReached
from gateway.transports.media.path import LocalIce, MediaPath, RemoteIce
from gateway.transports.media.ports import MediaOptions, PortRange
from gateway.transports.media.sdes import fresh
from gateway.transports.media.session import MediaOrigin, MediaSession, MediaTerms
from gateway.transports.media.srtp import Srtp
from gateway.transports.media.ticker import Ticker
from gateway.transports.media.udp_media import RemoteUdp, UdpPath
from gateway.transports.media.webrtc import WebRtcPath
from tests.fakes.virtual_loop import virtual_time

HOST = "127.0.0.1"
OPTIONS = MediaOptions(ports=PortRange(), addresses=(HOST,))
PCMA, EVENT = 8, 101
Pair = tuple[MediaPath, MediaPath]


async def plain() -> Pair:
    paths = UdpPath(OPTIONS), UdpPath(OPTIONS)
    local = [await path.open() for path in paths]
    for path, peer in zip(paths, reversed(local), strict=True):
        path.aim(RemoteUdp(address=HOST, port=peer.port, payload_types=frozenset({PCMA, EVENT})))
    return paths


async def keyed() -> Pair:
    """With keys that both have by their descriptions."""
    paths = await plain()
    one, other = fresh("AES_CM_128_HMAC_SHA1_80", "1"), fresh("AES_CM_128_HMAC_SHA1_80", "1")
    for path, keys in zip(paths, ((one, other), (other, one)), strict=True):
        assert isinstance(path, UdpPath)
        path.secure(Srtp(*keys))
    return paths


async def encrypted(*, rtcp_mux: bool = True) -> Pair:
    now = datetime.datetime.now(datetime.UTC)
    paths = [WebRtcPath(OPTIONS, now=now, controlling=offers, rtcp_mux=rtcp_mux) for offers in (True, False)]
    first, second = [await path.open() for path in paths]

    def remote(local: LocalIce, role: Any) -> RemoteIce:
        return RemoteIce(
            ufrag=local.ufrag,
            pwd=local.pwd,
            fingerprints=(local.fingerprint,),
            role=role,
            candidates=local.candidates,
            rtcp_mux=rtcp_mux,
        )

    await asyncio.gather(paths[0].connect(remote(second, "active")), paths[1].connect(remote(first, "passive")))
    return paths[0], paths[1]


async def encrypted_without_mux() -> Pair:
    return await encrypted(rtcp_mux=False)


each_path = pytest.mark.parametrize("connect", [plain, keyed, encrypted, encrypted_without_mux])
Connect = Callable[[], Coroutine[Any, Any, Pair]]


class End:
    """One end of the call."""

    def __init__(self, path: MediaPath, ticker: Ticker, ssrc: int) -> None:
        self.events: list[LegEvent] = []
        self.lost: list[str] = []
        self.media = MediaSession(
            path,
            MediaTerms(codec=G711Codec(Encoding.PCMA), payload_type=PCMA, event_type=EVENT),
            origin=MediaOrigin(ssrc=ssrc, sequence=65530, timestamp=2**32 - 800, cname=f"end-{ssrc}"),
            ticker=ticker,
            post=self.events.append,
            lost=self.lost.append,
        )
        self.media.start()

    @property
    def heard(self) -> bytes:
        return b"".join(event.frame.data for event in self.events if isinstance(event, AudioReceived))

    @property
    def told(self) -> list[LegEvent]:
        return [event for event in self.events if not isinstance(event, AudioReceived)]

    async def say(self, data: bytes) -> None:
        await self.media.send_audio(Frame(data, PCMA_8K))


@asynccontextmanager
async def call(connect: Connect) -> AsyncIterator[tuple[End, End]]:
    ticker = Ticker()
    ends = [End(path, ticker, 100 + number) for number, path in enumerate(await connect())]
    try:
        yield ends[0], ends[1]
    finally:
        for end in ends:
            await end.media.close()


def tone(seconds: float) -> bytes:
    """Never silence (0xD5), and never alike for long."""
    return bytes((i * 7 + i // 251) % 200 for i in range(PCMA_8K.size(seconds)))


@each_path
@virtual_time
async def test_what_is_said_is_heard_on_one_time_line_across_every_wrap(connect: Connect) -> None:
    async with call(connect) as (we, they):
        said = tone(2.0)
        await we.say(said)
        we.media.mark("said")
        await they.say(said[::-1])
        await asyncio.sleep(2.5)
        assert we.told == [MarkReached(mark_id="said")]
        assert said in they.heard
        assert said[::-1] in we.heard
        frames = [event.frame for event in they.events if isinstance(event, AudioReceived)]
        assert all(a.end_samples == b.pts_samples for a, b in itertools.pairwise(frames))


@each_path
@virtual_time
async def test_keys_go_across_in_the_midst_of_speech(connect: Connect) -> None:
    async with call(connect) as (we, they):
        speaking = asyncio.create_task(we.say(tone(2.0)))
        await asyncio.sleep(0.3)
        await we.media.send_digits("19*#")
        await speaking
        await asyncio.sleep(0.5)
        assert they.told == [DigitPressed(digit=digit) for digit in "19*#"]
        assert they.heard.replace(b"\xd5", b"") == tone(2.0)


@each_path
@virtual_time
async def test_both_ends_know_how_their_media_travel(connect: Connect) -> None:
    async with call(connect) as (we, they):
        await asyncio.sleep(11.0)
        for end in (we, they):
            quality = end.media.quality
            assert (quality.lost, quality.peer_lost) == (0, 0)
            assert quality.received == pytest.approx(550, abs=2)
            assert quality.jitter < 0.001
            assert quality.round_trip == pytest.approx(0.0, abs=0.001)


@virtual_time
async def test_an_end_that_closes_an_encrypted_call_is_missed_at_once() -> None:
    async with call(encrypted) as (we, they):
        await asyncio.sleep(1.0)
        await they.media.close()
        await asyncio.sleep(0.1)
        assert we.lost == ["the peer closed DTLS"]


@virtual_time
async def test_an_end_that_closes_a_plain_call_is_missed_after_the_limit() -> None:
    async with call(plain) as (we, they):
        await they.media.close()
        await asyncio.sleep(19.0)
        assert we.lost == []
        await asyncio.sleep(2.0)
        assert we.lost == ["no media from the peer for 20 s"]
