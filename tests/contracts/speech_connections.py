"""What a vendor sees of its connections: left at once when the caller interrupts or hangs up, and used turn after turn.

A vendor's tests give an asynchronous context manager that yields an `EarLine`, or a `VoiceLine`, against its emulator.
Times are the emulator's, which runs in the same loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from typing import Protocol

import pytest

from audio.format import L16_8K
from audio.frame import Frame
from gateway.speech.convert import nearest
from gateway.speech.scripted.signal import spoken_pcm
from gateway.speech_interfaces import ListenSettings, RecognitionStream, Recognizer, Synthesizer, Utterance
from tests.contracts.test_recognizers import finals, framed, hear
from tests.fakes.processes import until
from tests.watchdog import all_waited_for_cpu

WORDS = "Good morning to all of you."
KNOWN = {WORDS: spoken_pcm(WORDS, L16_8K.rate)}
"""What an emulated recognizer has to know."""
LONG = Utterance(text=f"{WORDS} " * 10, plain=f"{WORDS} " * 10, language="en-GB", format=L16_8K)
CANCELLED_WITHIN = 0.2
TIMEOUT = 30.0


class Seen(Protocol):
    """A connection, or a request, as an emulator notes it."""

    closed: asyncio.Event
    closed_at: float | None


class Leaving:
    """The moment in which somebody leaves."""

    def __init__(self) -> None:
        self._since = asyncio.get_running_loop().time()
        self._waited = all_waited_for_cpu()

    async def is_seen_by(self, seen: Seen) -> None:
        """The emulator saw the end in time; what this machine's other work took does not count."""
        async with asyncio.timeout(TIMEOUT):
            await seen.closed.wait()
        assert seen.closed_at is not None
        took = seen.closed_at - self._since
        assert took < CANCELLED_WITHIN + max(0.0, all_waited_for_cpu() - self._waited)


@dataclass
class EarLine:
    """A recognizer, and the connections its emulator has seen, the oldest first; it hears `WORDS`.

    Attributes:
        has_sound: Whether the emulator has some of a turn.
        finishes: It is asked when the turn is over, and its emulator then says nothing.
        break_all: Resets every open connection.
        hold: Keeps who connects waiting; gives what lets them in.
        close: What the end of the gateway does.
        spelt: How it writes what was said.
    """

    recognizer: Recognizer
    seen: Callable[[], Sequence[Seen]]
    has_sound: Callable[[], bool]
    finishes: bool = False
    break_all: Callable[[], None] = lambda: None
    hold: Callable[[], Callable[[], None]] | None = None
    close: Callable[[], Awaitable[None]] | None = None
    spelt: Callable[[str], str] = str

    def __post_init__(self) -> None:
        self._format = nearest(L16_8K, self.recognizer.capabilities.formats) or L16_8K

    def listen(self) -> AbstractAsyncContextManager[RecognitionStream]:
        return self.recognizer.listen(ListenSettings(vendor="acme", language="en-GB", format=self._format))

    def frames(self) -> list[Frame]:
        return framed(KNOWN[WORDS], self._format)

    async def turn_is_heard(self) -> None:
        async with self.listen() as stream:
            assert finals(await hear(stream, self.frames())) == [self.spelt(WORDS)]


@dataclass
class VoiceLine:
    """A synthesizer whose emulator falls silent after the first sound, and the requests it has seen."""

    synthesizer: Synthesizer
    seen: Callable[[], Sequence[Seen]]


OpenEar = Callable[[], AbstractAsyncContextManager[EarLine]]
OpenVoice = Callable[[], AbstractAsyncContextManager[VoiceLine]]
EarCheck = Callable[[OpenEar], Awaitable[None]]


async def a_turn_that_is_left_is_closed_at_once(open_line: OpenEar) -> None:
    async with open_line() as line:
        async with line.listen() as stream:
            for frame in line.frames():
                await stream.push(frame)
            if line.finishes:
                await stream.finish()
            await until(line.has_sound)
            assert line.seen()[-1].closed_at is None
            leaving = Leaving()
        await leaving.is_seen_by(line.seen()[-1])


async def what_is_said_before_there_is_a_connection_is_heard(open_line: OpenEar) -> None:
    async with open_line() as line:
        assert line.hold is not None
        let_in = line.hold()
        async with line.listen() as stream:
            for frame in line.frames():
                await stream.push(frame)
            let_in()
            assert finals(await hear(stream, [])) == [line.spelt(WORDS)]


async def speech_that_is_left_is_closed_at_once(open_line: OpenVoice) -> None:
    async with open_line() as line:
        async with aclosing(line.synthesizer.speak(LONG)) as pieces:
            await anext(pieces)
            assert line.seen()[-1].closed_at is None
            leaving = Leaving()
        await leaving.is_seen_by(line.seen()[-1])


async def the_next_turn_has_no_connection_to_wait_for(open_line: OpenEar) -> None:
    async with open_line() as line:
        for _ in range(3):
            await line.turn_is_heard()
        assert [seen.closed_at for seen in line.seen()] == [None]
        assert line.close is not None
        await line.close()
        async with asyncio.timeout(TIMEOUT):
            await line.seen()[0].closed.wait()


async def a_connection_that_died_as_it_waited_costs_no_word(open_line: OpenEar) -> None:
    """Whether that is known already, or is yet to be noticed."""
    for is_known in (False, True):
        async with open_line() as line:
            await line.turn_is_heard()
            line.break_all()
            if is_known:
                async with asyncio.timeout(TIMEOUT):
                    await line.seen()[0].closed.wait()
            await line.turn_is_heard()
            assert len(line.seen()) == 2


async def a_turn_that_was_left_leaves_no_connection_to_the_next(open_line: OpenEar) -> None:
    async with open_line() as line:
        async with line.listen() as stream:
            await stream.push(line.frames()[0])
        await line.turn_is_heard()
        assert len([seen for seen in line.seen() if seen.closed_at is None]) == 1


COLD_CHECKS: tuple[EarCheck, ...] = (
    a_turn_that_is_left_is_closed_at_once,
    what_is_said_before_there_is_a_connection_is_heard,
)
WARM_CHECKS: tuple[EarCheck, ...] = (
    the_next_turn_has_no_connection_to_wait_for,
    a_connection_that_died_as_it_waited_costs_no_word,
    a_turn_that_was_left_leaves_no_connection_to_the_next,
)


def every(checks: Sequence[EarCheck]) -> pytest.MarkDecorator:
    """A test of each of them, by its name, as ``check``."""
    return pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)
