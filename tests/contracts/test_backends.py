"""What every chat backend must do, whoever answers; the scripted fake does it here.

A vendor's adapter does it in ``tests/backends/VENDOR/test_contract.py``, against its lab: a rig of its own, an
asynchronous context manager that yields a `Rig`, goes through each of `CHECKS`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass

import pytest

from gateway.actions import ActionBatch, Say
from gateway.caller_events import (
    CallEnded,
    CallerEvent,
    CallStarted,
    NoInput,
    PlaybackDone,
    TransferResult,
    UserChoice,
    UserText,
)
from gateway.errors import GatewayError
from gateway.events import CallInfo
from gateway.interfaces import Backend, Chat, Problem
from tests.fakes.backend import ScriptedBackend

pytestmark = pytest.mark.asyncio

PATIENCE = 5.0
REPORTS: tuple[CallerEvent, ...] = (
    PlaybackDone(turn=0, complete=False, played=0.4, heard_text="Hel"),
    TransferResult(turn=0, transfer_id="t", ok=False, cause="busy"),
    NoInput(turn=0, count=1, elapsed=7.0, exhausted=False),
)


@dataclass
class Rig:
    """A backend to be tried.

    Attributes:
        cut_off: Takes its platform away, where there is one.
        option: An option that its bot lets callers choose.
    """

    backend: Backend
    cut_off: Callable[[], Awaitable[None]] | None = None
    option: str = "1"


@asynccontextmanager
async def scripted() -> AsyncIterator[Rig]:
    yield Rig(ScriptedBackend(script=["Hello.", "Yes.", "And again."]))


OpenRig = Callable[[], AbstractAsyncContextManager[Rig]]
Check = Callable[[OpenRig], Awaitable[None]]


def chat_of(rig: Rig, call_id: str = "call-1") -> AbstractAsyncContextManager[Chat]:
    return rig.backend.open_chat(CallInfo(call_id=call_id, caller="+331", called="+332"), lambda key: None)


async def answers(chat: Chat, batches: AsyncIterator[ActionBatch], event: CallerEvent) -> list[ActionBatch]:
    """Send one event and take batches until its turn is done."""
    found: list[ActionBatch] = []
    async with asyncio.timeout(PATIENCE):
        await chat.send(event)
        while not found or not _is_whole(found[-1]):
            found.append(await anext(batches))
    return found


def _is_whole(batch: ActionBatch) -> bool:
    """A platform that cannot tell the turn cannot tell its end either: its words are taken for the answer."""
    return batch.turn_done or (batch.turn is None and any(isinstance(action, Say) for action in batch.actions))


async def the_caller_is_greeted_and_answered_in_the_right_turn(open_rig: OpenRig) -> None:
    async with open_rig() as rig, chat_of(rig) as chat:
        batches = chat.actions()
        events: list[CallerEvent] = [
            CallStarted(),
            UserText(turn=1, text="hello"),
            UserChoice(turn=2, menu_id="m", option_id=rig.option, label="a"),
        ]
        for event in events:
            found = await answers(chat, batches, event)
            assert {batch.turn for batch in found} <= {event.turn, None}
            assert any(isinstance(action, Say) for batch in found for action in batch.actions)


async def opening_a_chat_asks_nobody(open_rig: OpenRig) -> None:
    async with open_rig() as rig:
        if rig.cut_off is not None:
            await rig.cut_off()
        async with chat_of(rig):
            pass


async def reports_and_the_end_of_the_call_are_taken(open_rig: OpenRig) -> None:
    async with open_rig() as rig, chat_of(rig) as chat:
        await answers(chat, chat.actions(), CallStarted())
        async with asyncio.timeout(PATIENCE):
            for event in (*REPORTS, CallEnded(turn=0, by="caller")):
                await chat.send(event)


async def two_calls_do_not_hear_each_other(open_rig: OpenRig) -> None:
    async with open_rig() as rig, chat_of(rig, "one") as one, chat_of(rig, "two") as two:
        here, there = one.actions(), two.actions()
        await answers(one, here, CallStarted())
        waiting = asyncio.ensure_future(anext(there))
        await answers(one, here, UserText(turn=1, text="hello"))
        assert not waiting.done()
        async with asyncio.timeout(PATIENCE):
            await two.send(CallStarted())
            assert (await waiting).turn in (0, None)


async def what_a_bot_asks_for_can_be_written_down(open_rig: OpenRig) -> None:
    async with open_rig() as rig, chat_of(rig) as chat:
        for batch in await answers(chat, chat.actions(), CallStarted()):
            assert json.loads(json.dumps(asdict(batch), allow_nan=False))["turn"] == batch.turn


async def a_platform_that_is_gone_is_an_error_of_ours(open_rig: OpenRig) -> None:
    async with open_rig() as rig, chat_of(rig) as chat:
        assert rig.cut_off is not None
        await answers(chat, chat.actions(), CallStarted())
        await rig.cut_off()
        with pytest.raises(GatewayError):
            async with asyncio.timeout(PATIENCE):
                await chat.send(UserText(turn=1, text="hello"))


async def a_cancelled_turn_is_not_the_end_of_the_chat(open_rig: OpenRig) -> None:
    async with open_rig() as rig, chat_of(rig) as chat:
        batches = chat.actions()
        await answers(chat, batches, CallStarted())
        sending = asyncio.ensure_future(chat.send(UserText(turn=1, text="hello")))
        await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait([sending])
        found = await answers(chat, batches, UserText(turn=2, text="hello"))
        while 2 not in {batch.turn for batch in found} and None not in {batch.turn for batch in found}:
            async with asyncio.timeout(PATIENCE):
                found.append(await anext(batches))


async def capabilities_routes_and_problems_are_plain_values(open_rig: OpenRig) -> None:
    async with open_rig() as rig:
        assert json.dumps(asdict(rig.backend.capabilities))
        assert all(route.path.startswith("/") for route in rig.backend.routes)
        assert all(isinstance(problem, Problem) for problem in await rig.backend.check())


OF_ANY = (
    the_caller_is_greeted_and_answered_in_the_right_turn,
    opening_a_chat_asks_nobody,
    reports_and_the_end_of_the_call_are_taken,
    two_calls_do_not_hear_each_other,
    what_a_bot_asks_for_can_be_written_down,
    a_cancelled_turn_is_not_the_end_of_the_chat,
    capabilities_routes_and_problems_are_plain_values,
)
CHECKS = (*OF_ANY, a_platform_that_is_gone_is_an_error_of_ours)
"""Of a backend that has to ask its platform."""


def every(checks: Sequence[Check]) -> pytest.MarkDecorator:
    """A test of each of them, by its name, as ``check``."""
    return pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)


@every(OF_ANY)
async def test_the_fake_keeps_it_too(check: Check) -> None:
    await check(scripted)
