"""Ten minutes with a caller whose clock is off by 500 ppm: nothing comes later and later, and the recording fits.

A sound card that is fast has sent 300 ms too much after ten minutes, a slow one as much too little. Whoever keeps all
of it, or waits for what is missing, answers ever later; whoever loses count records less than the call.
"""

from __future__ import annotations

import asyncio
import itertools
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from audio.format import PCMU_8K
from audio.frame import Frame
from gateway.caller.asterisk_line import AsteriskCaller
from gateway.caller.line import CallerClient, CallerLine
from gateway.caller.sip import SipCaller
from gateway.caller.twilio import TwilioCaller
from gateway.clock import LoopClock
from tests.fakes.callers import sound
from tests.fakes.office import CALLER, NUMBER, Line, auth_of
from tests.fakes.talkr_office import open_office
from tests.fakes.terse import TerseBot
from tests.fakes.virtual_loop import VirtualLoop, run_virtual

Sound = npt.NDArray[np.int32]
RATE = PCMU_8K.rate
QUIET = 200
CALL = 600.0
WORD = "location"
WORDS_AT = [30.0 + 60.0 * minute for minute in range(10)]
"""When the caller says it, by his own clock."""
FRAME = 0.02


@dataclass
class DriftingClock(LoopClock):
    """The clock of somebody else's sound card, and of the ear beside it.

    Args:
        drift: How much faster than ours it goes: 500e-6 for 500 ppm.
    """

    drift: float

    def __post_init__(self) -> None:
        super().__init__()

    def now(self) -> float:
        return super().now() * (1 + self.drift)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / (1 + self.drift))


def client_of(line: Line, clock: DriftingClock) -> CallerClient:
    if line == "trunk":
        return SipCaller(clock=clock, sleep=clock.sleep, hear_every=None, background=False, delay=0.06)
    kind = TwilioCaller if line == "cloud" else AsteriskCaller
    return kind(clock=clock, sleep=clock.sleep, hear_every=None)


@dataclass
class Course:
    """A call as it went.

    Attributes:
        ends: When each of the caller's words was said, by his clock.
        starts: When each began, in seconds of ours since the call did.
    """

    line: CallerLine
    clock: DriftingClock
    hold: tuple[float, float] | None
    ends: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)

    async def go(self) -> None:
        loop = asyncio.get_running_loop()
        began, our_start = self.clock.now(), loop.time()
        words = [at for at in WORDS_AT if self.hold is None or not self.hold[0] <= at < self.hold[1]]
        for at in words:
            await self._pass(began, at)
            self.starts.append(loop.time() - our_start)
            await self.line.say(Frame(sound(WORD), PCMU_8K))
            self.ends.append(self.clock.now())
        await self._pass(began, CALL)

    async def _pass(self, began: float, until: float) -> None:
        """Let time pass: silence goes out, fifty times a second, and on hold nothing at all."""
        if self.hold is not None and self.clock.now() - began < self.hold[0] < until:
            await self._be_silent(self.hold[0] - (self.clock.now() - began))
            await self.clock.sleep(self.hold[1] - self.hold[0])
        await self._be_silent(until - (self.clock.now() - began))

    async def _be_silent(self, seconds: float) -> None:
        await self.line.say(Frame(PCMU_8K.silence(PCMU_8K.size(seconds)), PCMU_8K))

    @property
    def delays(self) -> list[float]:
        """From the end of each word to its answer, by the caller's clock."""
        heard = self.line.heard()
        starts = [after.at for before, after in itertools.pairwise(heard) if after.at - before.end > FRAME]
        return [answer - end for answer, end in zip(starts, self.ends, strict=True)]


async def ten_minutes(
    folder: Path, line: Line, drift: float, hold: tuple[float, float] | None
) -> tuple[Course, dict[str, Any]]:
    clock = DriftingClock(drift)
    async with (
        TerseBot(lets_go=False) as bot,
        open_office(
            folder,
            bot=bot,
            number={"recording": {"mode": "on"}, "idle_limit": CALL},
            speech={"local": {"engine": "scripted", "texts": [WORD]}},
        ) as office,
    ):
        connection = client_of(line, clock).connect(
            office.url_of(line), caller=CALLER, called=NUMBER, auth=auth_of(line)
        )
        async with connection as up:
            course = Course(up, clock, hold)
            await course.go()
        await office.calls_over()
    return course, office.record


def words_in(track: Sound) -> list[float]:
    """When each sound begins in a recording, in seconds."""
    loud = np.flatnonzero(np.abs(track) > QUIET)
    starts = loud[np.flatnonzero(np.diff(loud, prepend=-RATE) > RATE // 2)]
    return [float(start) / RATE for start in starts]


def tracks(folder: Path) -> tuple[Sound, Sound]:
    """Caller and bot."""
    (path,) = (folder / "records").glob("*/*.wav")
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, RATE)
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).astype(np.int32)
    return both[:, 0], both[:, 1]


CASES = [(line, ppm, None) for line in ("cloud", "pbx") for ppm in (-500, 500)]
CASES += [("cloud", 500, (60.0, 500.0)), ("pbx", -500, (60.0, 500.0))]
SLOW = [pytest.param("trunk", ppm, None, marks=pytest.mark.crowd) for ppm in (-500, 500)]
"""Sixty thousand packets each, one by one."""


@pytest.mark.parametrize(("line", "ppm", "hold"), [*CASES, *SLOW])
def test_a_clock_that_is_off_changes_neither_delay_nor_recording(
    line: Line, ppm: int, hold: tuple[float, float] | None, tmp_path: Path
) -> None:
    work = ten_minutes(tmp_path, line, ppm / 1e6, hold)
    course, record = run_virtual(work, lambda: VirtualLoop(real_limit=100))
    caller, bot = tracks(tmp_path)
    assert record["seconds"] == pytest.approx(CALL / (1 + ppm / 1e6), abs=2 * FRAME)
    assert len(caller) / RATE == pytest.approx(record["seconds"], abs=FRAME)
    assert course.delays == [pytest.approx(course.delays[0], abs=2 * FRAME)] * len(course.delays)
    assert words_in(caller) == [pytest.approx(at, abs=2 * FRAME) for at in course.starts]
    assert len(words_in(bot)) == 1 + len(course.starts)
