"""Results that wait: partials give way to each other, nothing is lost, and nobody piles up more than is read."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.heard import MAX_RESULTS, Results
from gateway.kit.turn_protocol import Result
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
    with pytest.raises(VendorReplyInvalid, match="more than anybody reads"):
        await read(results)
