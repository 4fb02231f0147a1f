"""Two thousand calls that end in every way leave nothing behind: no task, no descriptor, no place, and no memory."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from audio.ear import SpeechDetector
from audio.echo import EchoCanceller
from audio.format import PCMU_8K
from audio.frame import Frame
from audio.judge_batch import JudgeBatch
from gateway.caller.line import CallerLine
from tests.fakes.callers import sound
from tests.fakes.office import CALLER, NUMBER, SOCKETS, Line, Office, auth_of, client_of
from tests.fakes.sounds import judge
from tests.fakes.talkr_office import open_office
from tests.fakes.terse import BROKEN_ID, TerseBot
from tests.fakes.virtual_loop import VirtualLoop, run_virtual

BATCHES, CALLS = 4, 500
FIRST = 1
"""The batch after which nothing may grow: caches are full then, and the API's list of ended calls."""
AT_ONCE = 25
REAL_LIMIT = 280.0
OBJECTS_SLACK = 0.05
"""Objects per call that the collector may find more of. What a call leaves behind is at least one."""
BLOCKS_SLACK = 0.5
"""Blocks of memory per call, with which free lists and tables grow and shrink: texts and bytes are seen here alone."""
BROKEN, STRANGE = "+441632960001", "+4989123456"
"""A number whose bot refuses, and one that is nobody's."""


# --- ways a call can go --------------------------------------------------------------------------------------------
Way = Callable[[CallerLine, Office], Awaitable[None]]


async def leaves_at_once(line: CallerLine, office: Office) -> None:
    pass


async def leaves_in_the_greeting(line: CallerLine, office: Office) -> None:
    await asyncio.sleep(0.15)


async def vanishes(line: CallerLine, office: Office) -> None:
    await asyncio.sleep(0.1)
    line.vanish()


async def speaks_over_the_greeting(line: CallerLine, office: Office) -> None:
    await asyncio.sleep(0.2)
    await line.say(Frame(sound("location"), PCMU_8K))
    await line.wait_until_over()


async def presses_keys(line: CallerLine, office: Office) -> None:
    await asyncio.sleep(0.15)
    await line.press("12#", every=0.02)
    await asyncio.sleep(0.1)


async def talks_nonsense(line: CallerLine, office: Office) -> None:
    await asyncio.sleep(0.05)
    await line.send_raw("{")
    await line.wait_until_over()


async def is_thrown_out(line: CallerLine, office: Office) -> None:
    await asyncio.sleep(0.1)
    call = next(call for call in office.operator.calls() if call["leg_id"] == leg_of(line))
    await office.operator.hang_up(call["call_id"])
    await line.wait_until_over()


async def is_let_go(line: CallerLine, office: Office) -> None:
    await line.wait_until_over()


async def reaches_a_broken_bot(line: CallerLine, office: Office) -> None:
    await line.wait_until_over()


async def reaches_nobody(line: CallerLine, office: Office) -> None:
    await line.wait_until_over()


def leg_of(line: CallerLine) -> str:
    return str(getattr(line.peer, "leg_id", ""))


OFTEN: list[Way] = [
    leaves_at_once, leaves_in_the_greeting, vanishes, talks_nonsense, is_thrown_out, reaches_nobody
]  # fmt: skip
SELDOM: list[Way] = [speaks_over_the_greeting, presses_keys, reaches_a_broken_bot, is_let_go]
"""Ways that take longer, here and there among the others."""
CALLED = {reaches_a_broken_bot: BROKEN, reaches_nobody: STRANGE}
SILENT = {is_let_go, reaches_a_broken_bot}
"""Whoever sends nothing while there is nothing to say: fifty messages a second take time where time is virtual."""


def calls_to_make() -> Iterator[tuple[Way, Line]]:
    """Every way on both lines, over and over."""
    return itertools.cycle((way, line) for way in 3 * OFTEN + SELDOM for line in SOCKETS)


async def one_call(office: Office, way: Way, line: Line) -> None:
    client = client_of(office, line, background=way not in SILENT)
    called = CALLED.get(way, NUMBER)
    async with client.connect(office.url_of(line), caller=CALLER, called=called, auth=auth_of(line)) as up:
        await way(up, office)


async def many_calls(office: Office, count: int) -> None:
    to_make = itertools.islice(calls_to_make(), count)

    async def caller() -> None:
        for way, line in to_make:
            async with asyncio.timeout(60):
                await one_call(office, way, line)

    async with asyncio.TaskGroup() as callers:
        for _ in range(AT_ONCE):
            callers.create_task(caller())
    await office.calls_over()


# --- what they leave -----------------------------------------------------------------------------------------------
@dataclass
class Left:
    """What there is between two batches of calls."""

    tasks: int
    descriptors: int
    places: int
    seats: int
    objects: int
    blocks: int


async def what_is_left(office: Office, bot: TerseBot, batch: JudgeBatch) -> Left:
    """Counted once what the test itself keeps is thrown away, and only one connection to the bot is kept."""
    await bot.server.stop()
    await bot.server.start()
    await one_call(office, leaves_in_the_greeting, "cloud")
    await office.calls_over()
    await asyncio.to_thread(office.reception.equipment.disk.flush)
    office.records.clear()
    bot.server.requests.clear()
    for vendor in office.vendors.values():
        vendor.synthesizer.requests.clear()
        vendor.recognizer.streams.clear()
    gc.collect()
    return Left(
        tasks=len(asyncio.all_tasks()),
        descriptors=len(os.listdir("/proc/self/fd")),
        places=len(office.registry),
        seats=len(batch),
        objects=len(gc.get_objects()),
        blocks=sys.getallocatedblocks(),
    )


async def _two_thousand_calls(folder: Path) -> tuple[list[Left], Counter[str]]:
    loop = asyncio.get_running_loop()
    batch = JudgeBatch(judge(), lambda flush: loop.call_later(0.01, flush))
    bot, left, results = TerseBot(), [], Counter[str]()
    async with (
        bot,
        open_office(
            folder,
            bot=bot,
            number={"barge_in": {"protect": 0.1}, "recording": {"mode": "on"}},
            more={
                "bots": {"broken": {"backend": "talkr", "url": bot.url, "company": "acme", "bot_id": BROKEN_ID}},
                "numbers": {BROKEN: {"bot": "broken", "fallback": {"say": "No."}}},
            },
            speech={"local": {"engine": "scripted", "texts": ["location"]}},
            detector=lambda format, on_event, min_speech: SpeechDetector(
                format, batch, on_event, min_speech=min_speech
            ),
            canceller=lambda format: EchoCanceller(format.rate),
        ) as office,
    ):
        office.is_truth_checked = False
        for _ in range(BATCHES):
            await many_calls(office, CALLS)
            results.update(record["result"] for record in office.records)
            left.append(await what_is_left(office, bot, batch))
        assert {"location", "12"} <= bot.heard
        for journal in (folder / "records").glob("*/*"):
            journal.unlink()
    return left, results


@pytest.fixture
def _quiet() -> Iterator[None]:
    """Ten thousand lines of log that nobody reads take seconds."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.mark.crowd
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("_quiet")
def test_two_thousand_calls_leave_nothing_behind(tmp_path: Path) -> None:
    left, results = run_virtual(_two_thousand_calls(tmp_path), lambda: VirtualLoop(real_limit=REAL_LIMIT))
    assert set(results) == {"abandoned", "bot_failed", "completed", "leg_failed", "no_input", "operator"}
    first, last = left[FIRST], left[-1]
    assert {(state.places, state.seats) for state in left} == {(0, 0)}
    assert last.tasks == first.tasks
    assert last.descriptors == first.descriptors
    calls = CALLS * (BATCHES - 1 - FIRST)
    assert last.objects - first.objects < OBJECTS_SLACK * calls, left
    assert last.blocks - first.blocks < BLOCKS_SLACK * calls, left
