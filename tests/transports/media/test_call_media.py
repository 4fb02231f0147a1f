"""The media of calls that we begin, and of a call that takes the place of another one: two of ours, back to back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from audio.format import PCMA_8K, PCMU_8K
from audio.frame import Frame
from gateway.clock import LoopClock
from gateway.events import AudioReceived, LegEvent
from gateway.transports.media.call_media import CallMedia, MediaSettings
from gateway.transports.media.offered import Security
from gateway.transports.media.ports import MediaOptions, PortRange
from gateway.transports.media.ticker import Ticker
from tests.fakes.sip_line import rtp_ports

FIRST, LAST = (int(port) for port in rtp_ports().split("-"))


class End:
    """One side's media, and what it hears."""

    def __init__(self, security: tuple[Security, ...], codecs: tuple[str, ...] = ("PCMU",)) -> None:
        self.heard: list[LegEvent] = []
        self.lost: list[str] = []
        self._security, self._codecs, self._clock = security, codecs, LoopClock()
        self._ticker = Ticker(self._clock)
        self._news = asyncio.Event()
        self.media = self.another()

    def another(self) -> CallMedia:
        """Media whose audio goes to the same ear."""
        options = MediaOptions(ports=PortRange(FIRST, LAST), addresses=("127.0.0.1",))
        settings = MediaSettings(
            options=options, codecs=self._codecs, ticker=self._ticker, clock=self._clock, security=self._security
        )
        return CallMedia(settings, post=self._hear, lost=self.lost.append, toward="127.0.0.1")

    def _hear(self, event: LegEvent) -> None:
        self.heard.append(event)
        self._news.set()

    @property
    def audio(self) -> bytes:
        return b"".join(event.frame.data for event in self.heard if isinstance(event, AudioReceived))

    async def hears(self, data: bytes) -> None:
        async with asyncio.timeout(5):
            while data not in self.audio:
                self._news.clear()
                await self._news.wait()

    async def says(self, data: bytes) -> None:
        assert self.media.session is not None
        await self.media.session.send_audio(Frame(data, self.media.format))


async def agree(offerer: CallMedia, answerer: CallMedia) -> None:
    """Offer and answer, and a way from one to the other."""
    await offerer.open()
    answerer.read_offer(offerer.offer())
    await answerer.open()
    offerer.read_answer(answerer.answer())
    await asyncio.gather(offerer.connect(), answerer.connect())


@asynccontextmanager
async def closing(*ends: End) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for end in ends:
            await end.media.close()


ALL: tuple[Security, ...] = ("none", "sdes", "dtls")
WORDS = [bytes(itertools.islice(itertools.cycle(range(start, 250)), 800)) for start in (1, 77, 130)]


@pytest.mark.parametrize("security", ALL)
@pytest.mark.asyncio
async def test_what_may_only_be_encrypted_in_one_way_is_offered_so(security: Security) -> None:
    ours, theirs = End((security,)), End(ALL)
    async with closing(ours, theirs):
        await agree(ours.media, theirs.media)
        assert (ours.media.security, theirs.media.security) == (security, security)
        await ours.says(WORDS[0])
        await theirs.hears(WORDS[0])
        await theirs.says(WORDS[1])
        await ours.hears(WORDS[1])


@pytest.mark.parametrize(("before", "after"), [("none", "dtls"), ("dtls", "none"), ("sdes", "none"), ("none", "sdes")])
@pytest.mark.asyncio
async def test_a_call_goes_on_by_the_way_of_who_takes_over(before: Security, after: Security) -> None:
    ours, first, second = End(ALL), End((before,)), End((after,))
    first_media, session = ours.media, None
    async with closing(ours, first, second):
        await agree(first.media, ours.media)
        await first.says(WORDS[0])
        await ours.hears(WORDS[0])
        session = ours.media.session

        media = ours.another()
        media.carry_on(first_media)
        await second.media.open()
        media.read_offer(second.media.offer())
        await media.open()
        second.media.read_answer(media.answer())
        assert media.session is None
        media.take_over()
        ours.media = media
        assert (media.session, first_media.session) == (session, None)
        await asyncio.gather(media.connect(), second.media.connect())
        assert media.session is session

        await second.says(WORDS[1])
        await ours.hears(WORDS[1])
        await ours.says(WORDS[2])
        await second.hears(WORDS[2])
        assert first.audio.strip(b"\xff") == b""  # it has heard nothing but silence
    assert ours.lost == []


@pytest.mark.asyncio
async def test_media_that_do_not_take_over_leave_those_before_alone() -> None:
    ours, first, second = End(ALL), End(("none",)), End(("none",))
    async with closing(ours, first, second):
        await agree(first.media, ours.media)
        media = ours.another()
        media.carry_on(ours.media)
        await second.media.open()
        media.read_offer(second.media.offer())
        await media.open()
        await media.close()
        await first.says(WORDS[0])
        await ours.hears(WORDS[0])


@pytest.mark.asyncio
async def test_media_that_took_over_and_found_no_way_close_both() -> None:
    ours, first, second = End(ALL), End(("none",)), End(("none",))
    async with closing(ours, first, second):
        await agree(first.media, ours.media)
        before, media = ours.media, ours.another()
        media.carry_on(before)
        await second.media.open()
        media.read_offer(second.media.offer())
        await media.open()
        media.answer()
        media.take_over()
        await media.close()
        free = PortRange(FIRST, LAST)
        again = End(ALL)
        assert str(free) == f"{FIRST}-{LAST}"
        await again.media.open()
        await again.media.close()
        await before.close()  # harmless
    assert ours.lost == []


@pytest.mark.asyncio
async def test_the_leg_keeps_its_format() -> None:
    ours, first, second = End(ALL, ("PCMU", "PCMA")), End(("none",)), End(("none",), ("PCMA",))
    async with closing(ours, first, second):
        await agree(first.media, ours.media)
        media = ours.another()
        media.carry_on(ours.media)
        await second.media.open()
        media.read_offer(second.media.offer())
        assert (media.format, second.media.format) == (PCMU_8K, PCMA_8K)
        await media.open()
        second.media.read_answer(media.answer())
        media.take_over()
        ours.media = media
        await asyncio.gather(media.connect(), second.media.connect())
        await second.says(b"\xd5" * 800)
        await ours.hears(b"\xfe" * 100)  # what mu-law has for the quietest step of a-law
