"""A turn at a vendor: fed and read side by side, bounded whatever the vendor does, and gone when it is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from audio.format import L16_8K, PCMU_8K, MediaError
from audio.frame import Frame
from gateway.errors import VendorError, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.hearing import Hearing, HearingLimits, Route, hear
from gateway.kit.warm_lines import WarmLines
from gateway.speech_interfaces import RecognitionStream
from tests.fakes.processes import until

FRAME = Frame(bytes(1600), L16_8K)
TURN_OVER = "over"
PATIENT = HearingLimits(rest=10.0, close=0.0, waiting=1.0)
GONE = VendorUnavailable("gone", vendor="acme")
pytestmark = pytest.mark.asyncio


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

    async def receive(self, within: float | None = None) -> str | None:
        said = await self.says.get()
        if isinstance(said, VendorError):
            raise said
        return said

    async def is_alive(self, within: float) -> bool:
        return True


class Talk:
    """Every message but `TURN_OVER` is a partial; hanging up is the end once the turn is over."""

    keep_alive = "here"
    is_clean = True

    def __init__(self, *, ends_at_once: bool = False, carried: float = 0.0) -> None:
        self._ends_at_once = ends_at_once
        self._carried = carried
        self.is_over = False

    def opening(self) -> Iterable[str]:
        return [f"hello after {self._carried:.1f}"]

    def audio(self, data: bytes) -> str:
        return f"{len(data) / 16000:.1f}"

    def finish(self) -> Iterable[str]:
        self.is_over = self._ends_at_once
        return ["bye"]

    def insist(self) -> Iterable[str]:
        return ["well?"]

    def receive(self, message: str) -> Iterable[Transcript]:
        if message == "bug":
            raise ZeroDivisionError
        self.is_over = message == TURN_OVER
        return [] if self.is_over else [Transcript(text=message, final=False)]

    def closed(self) -> Iterable[Transcript]:
        raise VendorUnavailable("it hung up", vendor="acme")


def turn(
    wire: Wire, talk: Talk | None = None, limits: HearingLimits = PATIENT
) -> AbstractAsyncContextManager[Hearing[str]]:
    route = Route(begin=lambda carried: talk or Talk(), connect=wire.connect)
    return hear(route, vendor="acme", format=L16_8K, limits=limits)


async def texts(stream: RecognitionStream) -> list[str]:
    async with asyncio.timeout(10):
        return [result.text async for result in stream.results() if isinstance(result, Transcript)]


async def test_a_turn_is_said_in_order_and_closed_when_it_is_done() -> None:
    wire = Wire()
    async with turn(wire) as stream:
        await stream.push(FRAME)
        await stream.finish()
        await stream.finish()
        await stream.push(FRAME)
        for said in ("one", "one two", TURN_OVER, "late"):
            wire.says.put_nowait(said)
        assert (await texts(stream))[-1] == "one two"
        await wire.closed.wait()
    assert wire.sent == ["hello after 0.0", "0.1", "bye"][: len(wire.sent)]


async def test_a_turn_that_needs_no_answer_ends_with_its_last_word() -> None:
    wire = Wire()
    async with turn(wire, Talk(ends_at_once=True)) as stream:
        await stream.finish()
        assert await texts(stream) == []
    assert wire.sent == ["hello after 0.0", "bye"]


async def test_frames_of_another_format_are_refused() -> None:
    async with turn(Wire()) as stream:
        with pytest.raises(MediaError):
            await stream.push(Frame(bytes(160), PCMU_8K))


async def test_an_error_in_connecting_comes_from_the_results() -> None:
    @asynccontextmanager
    async def nobody() -> AsyncIterator[Wire]:
        raise VendorUnavailable("no connection", vendor="acme")
        yield Wire()

    route = Route(begin=lambda carried: Talk(), connect=nobody)
    async with hear(route, vendor="acme", format=L16_8K) as stream:
        await stream.push(FRAME)
        await stream.finish()
        with pytest.raises(VendorError, match="no connection"):
            await texts(stream)
        await stream.push(FRAME)


async def test_a_vendor_that_takes_nothing_is_given_up() -> None:
    wire = Wire()
    wire.takes.clear()
    async with turn(wire) as stream:
        for _ in range(10):
            await stream.push(FRAME)
        with pytest.raises(VendorUnavailable, match="takes no audio"):
            await stream.push(FRAME)
        with pytest.raises(VendorUnavailable, match="takes no audio"):
            await texts(stream)


async def test_a_message_has_only_so_long_to_leave() -> None:
    wire = Wire()
    wire.takes.clear()
    async with turn(wire, limits=HearingLimits(send=0.01)) as stream:
        with pytest.raises(VendorUnavailable, match="takes no audio"):
            await texts(stream)


async def test_where_there_is_no_audio_for_long_a_sign_of_life_is_given() -> None:
    wire = Wire()
    async with turn(wire, limits=HearingLimits(keep_alive=0.01)) as stream, asyncio.timeout(10):
        await until(lambda: wire.sent.count("here") >= 2)
        await stream.push(FRAME)
        await until(lambda: "0.1" in wire.sent)


@pytest.mark.parametrize(
    ("said", "reason"),
    [(None, "hung up"), (GONE, "gone")],
)
async def test_what_breaks_is_told_after_what_was_heard(said: VendorError | None, reason: str) -> None:
    wire = Wire()
    wire.says.put_nowait("one")
    wire.says.put_nowait(said)
    async with turn(wire) as stream:
        reading = stream.results()
        assert await anext(reading) == Transcript(text="one", final=False)
        with pytest.raises(VendorUnavailable, match=reason):
            await anext(reading)


async def test_a_vendor_that_says_nothing_is_insisted_with_and_then_given_up() -> None:
    wire = Wire()
    async with turn(wire, limits=HearingLimits(rest=0.01, close=0.01)) as stream:
        await stream.finish()
        with pytest.raises(VendorUnavailable, match="in time"):
            await texts(stream)
    assert wire.sent == ["hello after 0.0", "bye", "well?"]


async def test_leaving_drops_the_connection() -> None:
    wire = Wire()
    async with turn(wire), asyncio.timeout(10):
        await wire.opened.wait()
        assert not wire.closed.is_set()
    assert wire.closed.is_set()


async def test_a_bug_is_not_swallowed() -> None:
    wire = Wire()
    wire.says.put_nowait("bug")
    with pytest.raises(ExceptionGroup):
        async with turn(wire) as stream:
            assert await texts(stream) == []


# --- connections that stay -----------------------------------------------------------------------------------------
@dataclass
class Exchange:
    """Makes a wire for each connection, and keeps it warm between turns."""

    wires: list[Wire] = field(default_factory=list)
    warm: WarmLines[str] = field(default_factory=WarmLines)

    def connect(self) -> AbstractAsyncContextManager[Wire]:
        self.wires.append(Wire())
        return self.wires[-1].connect()

    @asynccontextmanager
    async def turn(self, limits: HearingLimits = PATIENT) -> AsyncIterator[Hearing[str]]:
        """A turn of a tenth of a second that is finished."""
        route = Route(begin=lambda carried: Talk(carried=carried), connect=self.connect, warm=self.warm, key="same")
        async with hear(route, vendor="acme", format=L16_8K, limits=limits) as stream, asyncio.timeout(10):
            await stream.push(FRAME)
            await stream.finish()
            yield stream

    async def sent(self, index: int, count: int) -> None:
        await until(lambda: len(self.wires) > index and len(self.wires[index].sent) >= count)


@asynccontextmanager
async def after_one_turn() -> AsyncIterator[Exchange]:
    exchange = Exchange()
    async with exchange.turn() as stream:
        await exchange.sent(0, 3)
        exchange.wires[0].says.put_nowait(TURN_OVER)
        await texts(stream)
    yield exchange
    await exchange.warm.close()
    assert all(wire.closed.is_set() for wire in exchange.wires)


async def test_the_next_turn_goes_through_the_same_connection() -> None:
    async with after_one_turn() as exchange:
        async with exchange.turn() as stream:
            await exchange.sent(0, 6)
            exchange.wires[0].says.put_nowait(TURN_OVER)
            await texts(stream)
        assert exchange.wires[0].sent == ["hello after 0.0", "0.1", "bye", "hello after 0.1", "0.1", "bye"]


@pytest.mark.parametrize("said", [None, GONE])
async def test_a_connection_that_died_unnoticed_costs_no_word(said: VendorError | None) -> None:
    async with after_one_turn() as exchange:
        async with exchange.turn() as stream:
            await exchange.sent(0, 6)
            exchange.wires[0].says.put_nowait(said)
            await exchange.sent(1, 3)
            for words in ("hello", TURN_OVER):
                exchange.wires[1].says.put_nowait(words)
            assert await texts(stream) == ["hello"]
        assert exchange.wires[1].sent == ["hello after 0.0", "0.1", "bye"]


async def test_what_was_heard_is_not_asked_for_again() -> None:
    async with after_one_turn() as exchange:
        async with exchange.turn() as stream:
            await exchange.sent(0, 6)
            exchange.wires[0].says.put_nowait("one")
            exchange.wires[0].says.put_nowait(GONE)
            with pytest.raises(VendorUnavailable, match="gone"):
                await texts(stream)
        assert len(exchange.wires) == 1


async def test_a_warm_vendor_that_is_slow_is_not_asked_twice() -> None:
    async with after_one_turn() as exchange:
        async with exchange.turn(HearingLimits(rest=0.01, close=0.0)) as stream:
            with pytest.raises(VendorUnavailable, match="in time"):
                await texts(stream)
        assert len(exchange.wires) == 1
