"""A turn through a socket: what every adapter that uses one gets from it; vendors' own tests try the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from audio.format import PCMU_8K
from audio.frame import Frame
from gateway.errors import VendorError, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.hearing import MAX_RESULTS, HearingLimits, Result, Results, hear_by_socket
from gateway.kit.warm_sockets import HeldSocket, Message
from gateway.speech_interfaces import SpeechHeard

pytestmark = pytest.mark.asyncio


def partial(text: str) -> Transcript:
    return Transcript(text=text, final=False)


def final(text: str) -> Transcript:
    return Transcript(text=text, final=True)


async def read(results: Results) -> list[Result]:
    async with asyncio.timeout(30):
        return [result async for result in results]


async def test_a_partial_that_nobody_read_gives_way_to_the_next() -> None:
    results = Results("acme")
    for result in (partial("a"), partial("a b"), SpeechHeard(started=True, at=1.0), partial("c"), final("d")):
        results.put(result)
    results.end()
    results.put(final("too late"))
    assert await read(results) == [partial("a b"), SpeechHeard(started=True, at=1.0), partial("c"), final("d")]
    assert await read(results) == []


async def test_what_was_heard_before_an_error_is_told_first() -> None:
    results = Results("acme")
    results.put(final("a"))
    results.end(VendorUnavailable("x", vendor="acme"))
    results.end()
    stream = aiter(results)
    assert await anext(stream) == final("a")
    with pytest.raises(VendorUnavailable):
        await anext(stream)


async def test_whoever_says_more_than_anybody_reads_is_cut_off() -> None:
    results = Results("acme")
    for _ in range(MAX_RESULTS + 1):
        results.put(final("a"))
    with pytest.raises(VendorReplyInvalid):
        await read(results)


class Silent:
    """A turn in which nothing is ever said."""

    is_over = False
    is_clean = False
    keep_alive = None

    def audio(self, data: bytes) -> Message:
        return data

    def finish(self) -> Sequence[Message]:
        return ()

    def insist(self) -> Sequence[Message]:
        return ()

    def receive(self, message: Message) -> Sequence[Result]:
        return ()

    def closed(self) -> Sequence[Result]:
        return ()


async def test_an_error_in_connecting_comes_from_the_results() -> None:
    async def connect() -> HeldSocket:
        raise VendorUnavailable("no connection", vendor="acme")

    async with hear_by_socket(Silent(), connect, vendor="acme", format=PCMU_8K) as stream:
        await stream.push(Frame(bytes(800), PCMU_8K))
        await stream.finish()
        with pytest.raises(VendorError, match="no connection"):
            [result async for result in stream.results()]


async def test_audio_waits_only_so_long_for_a_connection() -> None:
    never = asyncio.Event()

    async def connect() -> HeldSocket:
        await never.wait()
        raise AssertionError("it is never reached")

    limits = HearingLimits(waiting=1.0)
    async with hear_by_socket(Silent(), connect, vendor="acme", format=PCMU_8K, limits=limits) as stream:
        await stream.push(Frame(bytes(8000), PCMU_8K))
        with pytest.raises(VendorUnavailable):
            await stream.push(Frame(bytes(1), PCMU_8K))
