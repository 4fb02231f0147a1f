"""The callers of the benchmark of set-ups, on a line of ours, and what a wave is said to have left behind."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.setups import Callers, Remains, wave
from gateway.events import LegClosed
from gateway.transports.sip.settings import SipLine
from gateway.transports.sip.transport import SipTransport
from gateway.transports.sockets import LineContext
from tests.fakes.desk import Desk, open_line
from tests.fakes.sip_line import rtp_ports
from tests.fakes.virtual_loop import virtual_time

AUDIO = 9  # that nobody reads
NOTHING = Remains(memory=50.0, objects=Counter({"gateway.Call": 2}), tasks=3, files=9, blocks=700, cpu=1.0)


@virtual_time
async def test_every_call_of_a_wave_is_answered_and_ended_by_its_caller() -> None:
    ids, desk = itertools.count(1), Desk()
    settings = {"listen": "udp:127.0.0.1:0", "allow": "127.0.0.1", "rtp": {"host": "127.0.0.1", "ports": rtp_ports()}}
    line = SipTransport("line", SipLine.model_validate(settings), LineContext(new_id=lambda: f"call-{next(ids)}"))
    async with open_line(line, desk):
        (bound,) = await line.bound()
        transport, callers = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Callers(bound.port, AUDIO), local_addr=("127.0.0.1", 0)
        )
        await wave(callers, itertools.count(1), 20)
        transport.close()
        await desk.until(lambda: len(desk.calls) == 20 and all(call.is_over for call in desk.calls))
        assert {call.events[-1] for call in desk.calls} == {LegClosed(by="caller", reason="bye")}
    assert (len(callers.took), callers.failed) == (20, Counter())


@virtual_time
async def test_calls_that_nobody_answers_have_failed() -> None:
    transport, callers = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Callers(9, AUDIO), local_addr=("127.0.0.1", 0)
    )
    await wave(callers, itertools.count(1), 2)
    transport.close()
    assert (callers.took, callers.failed) == ([], Counter({"no answer": 2}))


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (NOTHING, "nothing: no object, task or file"),
        (replace(NOTHING, objects=Counter({"gateway.Call": 1})), "nothing: no object, task or file"),
        (
            replace(NOTHING, objects=Counter({"gateway.Call": 5, "audio.Ear": 1}), tasks=4, files=11),
            "3 × gateway.Call, 1 × audio.Ear, 1 tasks, 2 files",
        ),
    ],
)
def test_what_is_left_behind_is_named(after: Remains, said: str) -> None:
    assert after.beyond(NOTHING) == said
