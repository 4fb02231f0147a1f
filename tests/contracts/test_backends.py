"""What every chat backend must do, whoever answers: real adapters against their vendor's lab, and the scripted fake.

A backend joins by adding its factory to `BACKENDS`: an asynchronous context manager that yields a `Rig`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass

import pytest

from gateway.actions import ActionBatch, Say
from gateway.backends.rasa.client import RasaBackend
from gateway.backends.rasa.settings import RasaBotSection
from gateway.backends.talkr.client import TalkrBackend
from gateway.backends.talkr.settings import TalkrBotSection
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
from gateway.kit.http import HttpClient
from gateway.lab.rasa import LabRasa
from gateway.lab.talkr import LabTalkr
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
    """A backend to be tried; ``cut_off`` takes its platform away, where there is one."""

    backend: Backend
    cut_off: Callable[[], Awaitable[None]] | None = None


@asynccontextmanager
async def talkr() -> AsyncIterator[Rig]:
    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    async with LabTalkr(slow=0.0) as lab, HttpClient() as http:
        settings = TalkrBotSection(url=lab.url, company="acme", bot_id="42")
        yield Rig(TalkrBackend("reception", settings, http, sleep=at_once), lab.server.stop)


@asynccontextmanager
async def rasa() -> AsyncIterator[Rig]:
    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    async with LabRasa(slow=0.0) as lab, HttpClient() as http:
        yield Rig(RasaBackend("reception", RasaBotSection(url=lab.url), http, sleep=at_once), lab.server.stop)


@asynccontextmanager
async def scripted() -> AsyncIterator[Rig]:
    yield Rig(ScriptedBackend(script=["Hello.", "Yes.", "And again."]))


OpenRig = Callable[[], AbstractAsyncContextManager[Rig]]
BACKENDS: dict[str, OpenRig] = {"talkr": talkr, "rasa": rasa, "scripted": scripted}
PLATFORMS = [name for name in BACKENDS if name != "scripted"]
every_backend = pytest.mark.parametrize("open_rig", BACKENDS.values(), ids=BACKENDS.keys())


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


@every_backend
async def test_the_caller_is_greeted_and_answered_in_the_right_turn(open_rig: OpenRig):
    async with open_rig() as rig, chat_of(rig) as chat:
        batches = chat.actions()
        events = [
            CallStarted(),
            UserText(turn=1, text="hello"),
            UserChoice(turn=2, menu_id="m", option_id="1", label="a"),
        ]
        for event in events:
            found = await answers(chat, batches, event)
            assert {batch.turn for batch in found} <= {event.turn, None}
            assert any(isinstance(action, Say) for batch in found for action in batch.actions)


@every_backend
async def test_opening_a_chat_asks_nobody(open_rig: OpenRig):
    async with open_rig() as rig:
        if rig.cut_off is not None:
            await rig.cut_off()
        async with chat_of(rig):
            pass


@every_backend
async def test_reports_and_the_end_of_the_call_are_taken(open_rig: OpenRig):
    async with open_rig() as rig, chat_of(rig) as chat:
        await answers(chat, chat.actions(), CallStarted())
        async with asyncio.timeout(PATIENCE):
            for event in (*REPORTS, CallEnded(turn=0, by="caller")):
                await chat.send(event)


@every_backend
async def test_two_calls_do_not_hear_each_other(open_rig: OpenRig):
    async with open_rig() as rig, chat_of(rig, "one") as one, chat_of(rig, "two") as two:
        here, there = one.actions(), two.actions()
        await answers(one, here, CallStarted())
        waiting = asyncio.ensure_future(anext(there))
        await answers(one, here, UserText(turn=1, text="hello"))
        assert not waiting.done()
        async with asyncio.timeout(PATIENCE):
            await two.send(CallStarted())
            assert (await waiting).turn in (0, None)


@every_backend
async def test_what_a_bot_asks_for_can_be_written_down(open_rig: OpenRig):
    async with open_rig() as rig, chat_of(rig) as chat:
        for batch in await answers(chat, chat.actions(), CallStarted()):
            assert json.loads(json.dumps(asdict(batch), allow_nan=False))["turn"] == batch.turn


@pytest.mark.parametrize("name", PLATFORMS)
async def test_a_platform_that_is_gone_is_an_error_of_ours(name: str):
    async with BACKENDS[name]() as rig, chat_of(rig) as chat:
        assert rig.cut_off is not None
        await answers(chat, chat.actions(), CallStarted())
        await rig.cut_off()
        with pytest.raises(GatewayError):
            async with asyncio.timeout(PATIENCE):
                await chat.send(UserText(turn=1, text="hello"))


@every_backend
async def test_a_cancelled_turn_is_not_the_end_of_the_chat(open_rig: OpenRig):
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


@every_backend
async def test_capabilities_routes_and_problems_are_plain_values(open_rig: OpenRig):
    async with open_rig() as rig:
        assert json.dumps(asdict(rig.backend.capabilities))
        assert all(route.path.startswith("/") for route in rig.backend.routes)
        assert all(isinstance(problem, Problem) for problem in await rig.backend.check())
