"""One event at a time to the bot, abandoned when told to, and a farewell that comes once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.actions import ActionBatch, Say
from gateway.call.botline import FAREWELL, MAX_WAITING, BotLine, bot_failed
from gateway.call.guard import Helpers
from gateway.caller_events import CallEnded, CallerEvent, CallStarted, PlaybackDone, UserText
from gateway.errors import ConfigError, RemoteProtocolError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.events import BotFailed, BotReplied, CallEvent, CallInfo
from tests.fakes.backend import ScriptedBackend
from tests.fakes.virtual_loop import elapsed, virtual_time

ENDED = CallEnded(turn=9, by="caller")


def said(turn: int) -> UserText:
    return UserText(turn=turn, text=f"text {turn}")


def played(turn: int) -> PlaybackDone:
    return PlaybackDone(turn=turn, complete=True, played=1.0, heard_text="x")


@asynccontextmanager
async def line(backend: ScriptedBackend) -> AsyncIterator[tuple[BotLine, list[CallEvent]]]:
    """A line to a bot, as a session has one."""
    events: list[CallEvent] = []
    bot = BotLine(events.append)
    await bot.open(backend, CallInfo(call_id="c"), lambda key: None)
    async with asyncio.TaskGroup() as group:
        helpers = Helpers(group, events.append)
        bot.start(helpers)
        yield bot, events
        await helpers.stop()
    await bot.close()


class SlowBot(ScriptedBackend):
    """Takes a second for each event, and notes when it was done."""

    def __init__(self, takes: Callable[[CallerEvent], float] = lambda event: 1.0) -> None:
        super().__init__()
        self.done: list[CallerEvent] = []
        self._takes = takes

    @asynccontextmanager
    async def open_chat(self, call, claim):
        backend = self

        class Chat:
            async def send(self, event):
                backend.received.append(event)
                await asyncio.sleep(backend._takes(event))
                backend.done.append(event)

            async def actions(self):
                await asyncio.get_running_loop().create_future()
                yield

        yield Chat()


@virtual_time
async def test_events_go_out_one_after_the_other_in_order():
    bot = SlowBot()
    async with line(bot) as (to_bot, _):
        for event in (CallStarted(), said(1), said(2)):
            to_bot.send(event)
        await asyncio.sleep(2.5)
        assert bot.done == [CallStarted(), said(1)]
        await asyncio.sleep(1)
    assert bot.done == [CallStarted(), said(1), said(2), bot.received[-1]]


@virtual_time
async def test_an_abandoned_turn_is_cancelled_and_the_next_goes_at_once():
    bot = SlowBot(lambda event: 100.0 if event == said(1) else 0.0)
    async with line(bot) as (to_bot, events):
        to_bot.send(CallStarted())
        to_bot.send(said(1))
        await asyncio.sleep(1)
        to_bot.abandon(1)
        to_bot.send(said(2))
        await asyncio.sleep(0.1)
        assert bot.done == [CallStarted(), said(2)]
        assert events == []


@virtual_time
async def test_what_waits_for_an_abandoned_turn_is_dropped_but_reports_are_not():
    bot = SlowBot(lambda event: 1.0)
    async with line(bot) as (to_bot, _):
        to_bot.send(CallStarted())
        to_bot.send(played(1))
        to_bot.send(said(1))
        await asyncio.sleep(0.1)
        to_bot.abandon(1)
        to_bot.send(said(2))
        await asyncio.sleep(5)
        assert bot.done == [played(1), said(2)]


@virtual_time
async def test_a_report_of_the_abandoned_turn_is_not_cut_off():
    bot = SlowBot(lambda event: 1.0)
    async with line(bot) as (to_bot, _):
        to_bot.send(played(3))
        await asyncio.sleep(0.5)
        to_bot.abandon(3)
        to_bot.send(said(4))
        await asyncio.sleep(5)
        assert bot.done == [played(3), said(4)]


@virtual_time
async def test_the_farewell_comes_last_and_once_after_what_the_bot_is_owed():
    bot = SlowBot(lambda event: 100.0 if event == said(1) else 0.0)
    async with line(bot) as (to_bot, _):
        for event in (CallStarted(), said(1), played(1), said(2), ENDED):
            to_bot.send(event)
        await asyncio.sleep(1)
    assert bot.done == [CallStarted(), played(1), ENDED]


@virtual_time
async def test_a_bot_that_takes_its_time_at_the_end_is_left():
    bot = SlowBot(lambda event: 1000.0 if event == ENDED else 0.0)
    async with line(bot) as (to_bot, _):
        to_bot.send(CallStarted())
        to_bot.send(ENDED)
        await asyncio.sleep(0.1)
    assert elapsed() == pytest.approx(0.1 + FAREWELL, abs=0.01)
    assert bot.received[-1] == ENDED


@virtual_time
async def test_a_bot_that_never_heard_of_the_call_does_not_hear_of_its_end():
    backend = ScriptedBackend()
    async with line(backend) as (to_bot, _):
        to_bot.send(ENDED)
    assert backend.received == []


@virtual_time
async def test_batches_come_as_they_are_and_the_end_of_them_is_the_end_of_the_bot():
    backend = ScriptedBackend()
    batch = ActionBatch(actions=(Say(text="x"),))
    async with line(backend) as (_, events):
        backend.chats[0].push(batch)
        backend.chats[0].leave()
        await asyncio.sleep(0.1)
        assert events == [BotReplied(batch=batch), BotFailed(turn=None, detail="the bot has left")]


@virtual_time
async def test_errors_are_failed_turns_and_the_line_goes_on():
    rejected = VendorRejected("no", vendor="acme", status=401)
    backend = ScriptedBackend([rejected, KeyError("bug"), "fine"])
    async with line(backend) as (to_bot, events):
        for event in (CallStarted(), said(1), said(2)):
            to_bot.send(event)
        await asyncio.sleep(0.1)
    assert events[0] == BotFailed(turn=0, kind="auth", detail="acme: no")
    assert isinstance(events[1], BotFailed)
    assert events[1].turn == 1
    assert isinstance(events[2], BotReplied)


@virtual_time
async def test_actions_that_break_are_a_bot_that_is_gone():
    backend = ScriptedBackend()
    async with line(backend) as (_, events):
        backend.chats[0].break_with(VendorUnavailable("gone", vendor="acme"))
        await asyncio.sleep(0.1)
        assert events == [BotFailed(turn=None, kind="unavailable", detail="acme: gone")]


@virtual_time
async def test_a_bot_that_refuses_the_chat_is_gone():
    backend = ScriptedBackend(refuses=ConfigError("no such bot"))
    async with line(backend) as (to_bot, events):
        to_bot.send(CallStarted())
        await asyncio.sleep(0.1)
        assert events == [BotFailed(turn=None, kind="config", detail="no such bot")]


@virtual_time
async def test_a_bot_that_takes_nothing_any_more_is_gone():
    bot = SlowBot(lambda event: 1000.0)
    async with line(bot) as (to_bot, events):
        to_bot.send(CallStarted())
        await asyncio.sleep(0.1)
        for turn in range(MAX_WAITING + 1):
            to_bot.send(said(turn))
        assert events == [BotFailed(turn=None, detail="takes no events")]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (VendorRejected("x", vendor="v", status=403), "auth"),
        (VendorRejected("x", vendor="v", status=404), "config"),
        (VendorReplyInvalid("x", vendor="v"), "protocol"),
        (RemoteProtocolError("x"), "protocol"),
        (ConfigError("x"), "config"),
        (VendorUnavailable("x", vendor="v"), "unavailable"),
    ],
)
def test_kinds_of_failure(error, kind):
    assert bot_failed(3, error).kind == kind
