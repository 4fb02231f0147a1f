"""Packets of an encrypted call get lost on the way: no more audio is lost than that, and it comes no later for it."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import pytest

from audio.codecs.live import G711Codec
from audio.format import PCMA_8K, Encoding
from audio.frame import Frame
from audio.rtp.jitter import Ear
from gateway.events import AudioReceived, DigitPressed, LegEvent
from gateway.transports.media.path import LocalIce, RemoteIce
from gateway.transports.media.ports import MediaOptions, PortRange
from gateway.transports.media.session import MediaOrigin, MediaSession, MediaTerms
from gateway.transports.media.ticker import PTIME, Ticker
from gateway.transports.media.webrtc import WebRtcPath
from tests.fakes.lossy_relay import HOST, LossyRelay, lossy_relay
from tests.fakes.virtual_loop import virtual_time

SECONDS = 20.0
SLOT = 160


def tone() -> bytes:
    """Slots that are all different."""
    return b"".join(
        bytes([i % 200, i // 200 % 200]) + bytes((i * 7 + k) % 200 for k in range(158)) for i in range(1000)
    )


class End:
    """One end; it notes when it heard what."""

    def __init__(self, path: WebRtcPath, ticker: Ticker, ssrc: int) -> None:
        self.path = path
        self.heard: list[tuple[float, Frame]] = []
        self.keys = ""
        self.media = MediaSession(
            path,
            MediaTerms(codec=G711Codec(Encoding.PCMA), payload_type=8, event_type=101),
            origin=MediaOrigin(ssrc=ssrc, sequence=1, timestamp=1, cname="end"),
            ticker=ticker,
            post=self._take,
            lost=lambda reason: pytest.fail(reason),
        )

    def _take(self, event: LegEvent) -> None:
        if isinstance(event, AudioReceived):
            self.heard.append((asyncio.get_running_loop().time(), event.frame))
        elif isinstance(event, DigitPressed):
            self.keys += event.digit


async def ends(relay: LossyRelay) -> tuple[End, End]:
    """Connected through the network, the first one as the DTLS client."""
    options = MediaOptions(ports=PortRange(), addresses=(HOST,))
    now, ticker = datetime.datetime.now(datetime.UTC), Ticker()
    paths = [WebRtcPath(options, now=now, controlling=offers) for offers in (True, False)]
    local = [await path.open() for path in paths]

    def remote(of: LocalIce, seen_by: int, role: Any) -> RemoteIce:
        return RemoteIce(
            ufrag=of.ufrag,
            pwd=of.pwd,
            fingerprints=(of.fingerprint,),
            role=role,
            candidates=relay.between(of.candidates, seen_by),
        )

    theirs = remote(local[1], 0, "active"), remote(local[0], 1, "passive")
    await asyncio.gather(*(path.connect(it) for path, it in zip(paths, theirs, strict=True)))
    first, second = [End(path, ticker, 100 + number) for number, path in enumerate(paths)]
    return first, second


@pytest.mark.parametrize("share", [0.01, 0.02, 0.05])
@virtual_time
async def test_what_the_network_loses_is_all_that_is_lost(share: float) -> None:
    said = tone()
    async with lossy_relay(share) as relay:
        we, they = await ends(relay)
        they.media.start()
        we.media.start()
        began = asyncio.get_running_loop().time()
        await we.media.send_audio(Frame(said, PCMA_8K))
        await asyncio.sleep(began + SECONDS + 0.5 - asyncio.get_running_loop().time())
        await we.media.send_digits("159#")
        await asyncio.sleep(0.5)
        lost = they.media.quality.lost
        for end in (we, they):
            await end.media.close()
        dropped = relay.sides[0].dropped
    assert 0.3 * share * 1000 < dropped < 3 * share * 1000
    assert lost == dropped
    audio = b"".join(frame.data for _, frame in they.heard)
    at = audio.index(said[SLOT : 2 * SLOT]) - SLOT
    as_said = sum(audio[at + k : at + k + SLOT] == said[k : k + SLOT] for k in range(0, len(said), SLOT))
    assert as_said >= 1000 - 2 * dropped, "a lost slot, and the one after it, which is joined to what stood in for it"
    assert they.keys == "159#"
    delays = [when - began - frame.pts_samples / 8000 for when, frame in they.heard]
    early, late = delays[:250], delays[-250:]
    assert max(late) <= max(early) + 2 * PTIME
    assert max(delays) - min(delays) <= Ear.WAIT + 2 * PTIME
