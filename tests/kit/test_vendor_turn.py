"""A turn at a vendor: fed and read side by side, bounded whatever the vendor does, and gone when it is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from audio.format import L16_8K
from audio.frame import Frame
from gateway.errors import VendorError, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.vendor_turn import MAX_RESULTS, SPARE_SECONDS, turn_at
from gateway.speech_interfaces import ListenSettings, RecognitionStream

SETTINGS = ListenSettings(max_length=1.0)
FRAME = Frame(bytes(1600), L16_8K)
TURN_OVER = "over"


class Wire:
    """A vendor's end: what was sent to it, and a queue of what it says; an error is raised instead."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.says: asyncio.Queue[str | VendorError | None] = asyncio.Queue()
        self.takes = asyncio.Event()
        self.takes.set()
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Wire]:
        self.opened.set()
        try:
            yield self
        finally:
            self.closed.set()

    async def send(self, message: str) -> None:
        await self.takes.wait()
        self.sent.append(message)

    async def receive(self) -> str | None:
        said = await self.says.get()
        if isinstance(said, VendorError):
            raise said
        return said


class Talk:
    """Every message but `TURN_OVER` is a partial; hanging up is the end once the turn is over."""

    def __init__(self, *, ends_at_once: bool = False) -> None:
        self._ends_at_once = ends_at_once
        self.is_done = False

    def opening(self) -> Iterable[str]:
        return ["hello"]

    def audio(self, frame: Frame) -> Iterable[str]:
        return [f"{frame.duration:.1f}"]

    def closing(self) -> Iterable[str]:
        self.is_done = self._ends_at_once
        return ["bye"]

    def heard(self, message: str) -> Iterable[Transcript]:
        if message == "bug":
            raise ZeroDivisionError
        self.is_done = message == TURN_OVER
        return [] if self.is_done else [Transcript(text=message, final=False)]

    def hung_up(self) -> Iterable[Transcript]:
        raise VendorUnavailable("it hung up", vendor="acme")


def turn(wire: Wire, talk: Talk | None = None, within: float = 10) -> AbstractAsyncContextManager[RecognitionStream]:
    return turn_at("acme", wire.connect, talk or Talk(), SETTINGS, result_within=within)


async def texts(stream: RecognitionStream) -> list[str]:
    async with asyncio.timeout(10):
        return [result.text async for result in stream.results() if isinstance(result, Transcript)]


@pytest.mark.asyncio
async def test_a_turn_is_said_in_order_and_closed_when_it_is_done() -> None:
    wire = Wire()
    async with turn(wire) as stream:
        await stream.push(FRAME)
        await stream.finish()
        await stream.finish()
        await stream.push(FRAME)
        for said in ("one", "two", TURN_OVER, "late"):
            wire.says.put_nowait(said)
        assert await texts(stream) == ["one", "two"]
        assert wire.closed.is_set()
    assert wire.sent == ["hello", "0.1", "bye"][: len(wire.sent)]


@pytest.mark.asyncio
async def test_a_turn_that_needs_no_answer_ends_with_its_last_word() -> None:
    wire = Wire()
    async with turn(wire, Talk(ends_at_once=True)) as stream:
        await stream.finish()
        assert await texts(stream) == []
    assert wire.sent == ["hello", "bye"]


@pytest.mark.asyncio
async def test_a_vendor_that_takes_nothing_is_given_up() -> None:
    wire = Wire()
    wire.takes.clear()
    async with turn(wire) as stream:
        for _ in range(round((SETTINGS.max_length + SPARE_SECONDS) / FRAME.duration) - 1):
            await stream.push(FRAME)
        with pytest.raises(VendorUnavailable, match="takes no audio"):
            await stream.push(Frame(bytes(8000), L16_8K))
        with pytest.raises(VendorUnavailable, match="takes no audio"):
            await texts(stream)


@pytest.mark.asyncio
async def test_a_vendor_that_does_not_stop_talking_is_given_up() -> None:
    wire = Wire()
    for _ in range(MAX_RESULTS + 1):
        wire.says.put_nowait("again")
    async with turn(wire) as stream, asyncio.timeout(10):
        await wire.closed.wait()
        with pytest.raises(VendorUnavailable, match="more than anybody reads"):
            await texts(stream)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("said", "reason"),
    [(None, "hung up"), (VendorUnavailable("gone", vendor="acme"), "gone")],
)
async def test_what_breaks_is_told_after_what_was_heard(said: VendorError | None, reason: str) -> None:
    wire = Wire()
    wire.says.put_nowait("one")
    wire.says.put_nowait(said)
    async with turn(wire) as stream:
        reading = aiter(stream.results())
        assert await anext(reading) == Transcript(text="one", final=False)
        with pytest.raises(VendorUnavailable, match=reason):
            await anext(reading)


@pytest.mark.asyncio
async def test_the_results_have_their_time_from_the_end_of_the_turn() -> None:
    async with turn(Wire(), within=0.01) as stream:
        await stream.finish()
        with pytest.raises(VendorUnavailable, match="in time"):
            await texts(stream)


@pytest.mark.asyncio
async def test_leaving_drops_the_connection() -> None:
    wire = Wire()
    async with turn(wire), asyncio.timeout(10):
        await wire.opened.wait()
        assert not wire.closed.is_set()
    assert wire.closed.is_set()


@pytest.mark.asyncio
async def test_a_bug_is_not_swallowed() -> None:
    wire = Wire()
    wire.says.put_nowait("bug")
    with pytest.raises(ExceptionGroup):
        async with turn(wire) as stream:
            assert await texts(stream) == []
