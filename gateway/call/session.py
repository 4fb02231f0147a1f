"""One call, done: what the conversation decides, performed by helpers that do the waiting.

The decision loop is the body of the call's task group. It takes one event at a time from a bounded queue, gives it to
the conversation, and has the commands performed without awaiting anything, so that a hang-up is never behind a vendor.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque

import structlog

from gateway.call.alarm import Alarm
from gateway.call.botline import BotLine
from gateway.call.commands import EndCall
from gateway.call.guard import Helpers, shielded
from gateway.call.outcome import CallOutcome
from gateway.call.performer import Performer
from gateway.call.services import Decider, Services, Speech
from gateway.events import CallEvent, CallInfo, CallOffered, LegClosed, TimeElapsed
from gateway.interfaces import Backend, HangupReason, Leg

log = structlog.get_logger()

MAX_EVENTS = 1000
"""Events that wait to be handled. More means that something here spins: the call ends."""
MAX_STANDSTILL = 1000
"""How often in a row a deadline may be reached without time going on."""
MICROSECOND = 1e-6
"""The grain of call time: a deadline counts as reached this much early, or a timer might never quite get there."""
HANG_UP_WITHIN = 5.0
"""Seconds a leg has to hang up once the call is over."""


class Session:
    """One call from offer to outcome.

    Args:
        leg: The caller.
        conversation: Decides.
        backend: The bot.
        speech: Recognizers and synthesizers.
        services: Everything else.
        info: The call as the bot and the log get to know it. None: as the leg tells it.
    """

    def __init__(
        self,
        leg: Leg,
        conversation: Decider,
        backend: Backend,
        speech: Speech,
        services: Services | None = None,
        info: CallInfo | None = None,
    ) -> None:
        self._leg = leg
        self._info = info or leg.info
        self._conversation = conversation
        self._backend = backend
        self._speech = speech
        self._services = services or Services()
        self._observers = [shielded("observer", observer) for observer in self._services.observers]
        self._offered_at = 0.0
        self._handled_at = 0.0
        self._events: deque[CallEvent] = deque()
        self._alarm = Alarm()
        self._has_too_many = False
        self._is_closed = False
        self._was_elapsed = False
        self._standstill = 0
        self._outcome: CallOutcome | None = None

    def now(self) -> float:
        """Call time: seconds since the call was offered."""
        return self._services.clock.now() - self._offered_at

    def post(self, event: CallEvent) -> None:
        """Give the conversation an event. Never waits; of `LegClosed` only the first counts."""
        if self._outcome is not None or (isinstance(event, LegClosed) and self._is_closed):
            return
        self._is_closed = self._is_closed or isinstance(event, LegClosed)
        if len(self._events) < MAX_EVENTS:
            self._events.append(event)
        else:
            self._has_too_many = True
        self._alarm.ring()

    async def run(self) -> CallOutcome:
        """Conduct the call. Whatever happens in it, the leg is hung up, the bot told, and an outcome returned."""
        self._offered_at = self._services.clock.now()
        with structlog.contextvars.bound_contextvars(call_id=self._info.call_id, leg_id=self._info.leg_id):
            try:
                await self._conduct()
            except Exception:  # the one edge where a bug ends: this call is over, its neighbours are not
                log.exception("call failed")
                self._outcome = CallOutcome(result="internal_error", by="gateway", reason="a bug; see the log")
            outcome = self._outcome
            assert outcome is not None
            log.info("call ended", result=outcome.result, by=outcome.by, reason=outcome.reason)
            return outcome

    async def _conduct(self) -> None:
        bot = BotLine(self.post)
        reason: HangupReason = "failure"
        try:
            await bot.open(self._backend, self._info, self._services.claim)
            await self._talk(bot)
            reason = "normal"
        finally:
            await self._hang_up(reason)
            await bot.close()

    async def _talk(self, bot: BotLine) -> None:
        async with asyncio.TaskGroup() as group:
            helpers = Helpers(group, self.post)
            performer = Performer(self._leg, bot, self._speech, self._services, helpers, self.post, self.now)
            try:
                performer.start()
                await self._decide(performer)
                await helpers.stop()
            finally:
                performer.close()

    async def _hang_up(self, reason: HangupReason) -> None:
        try:
            async with asyncio.timeout(HANG_UP_WITHIN):
                await self._leg.hang_up(reason)
        except Exception as error:  # the call is over, whatever the leg makes of it
            log.warning("leg did not hang up", error=f"{type(error).__name__}: {error}")

    # --- decide, then do -------------------------------------------------------------------------------------------
    async def _decide(self, performer: Performer) -> None:
        self._handle(CallOffered(), performer)
        while self._outcome is None:
            self._handle(await self._next_event(), performer)

    async def _next_event(self) -> CallEvent:
        """The oldest event, or `TimeElapsed`; an event goes first, but only one."""
        while True:
            if self._has_too_many:
                raise RuntimeError(f"{MAX_EVENTS} events wait to be handled")
            deadline = self._conversation.next_deadline()
            is_due = deadline is not None and deadline <= self.now() + MICROSECOND
            if self._events and not (is_due and not self._was_elapsed):
                self._was_elapsed = False
                return self._events.popleft()
            if is_due:
                self._was_elapsed = True
                return TimeElapsed()
            await self._alarm.wait(None if deadline is None else deadline - self.now())

    def _handle(self, event: CallEvent, performer: Performer) -> None:
        now = max(self._handled_at, self._stamp(event))
        self._standstill = self._standstill + 1 if isinstance(event, TimeElapsed) and now == self._handled_at else 0
        if self._standstill > MAX_STANDSTILL:
            raise RuntimeError("the conversation's deadline is reached and stays")
        self._handled_at = now
        commands = self._conversation.handle(event, now)
        for observer in self._observers:
            observer(now, event, commands)
        for command in commands:
            performer.perform(command)
            if isinstance(command, EndCall):
                self._outcome = command.outcome

    def _stamp(self, event: CallEvent) -> float:
        """Call time in whole microseconds, as handled and as written down; never before a deadline that is due."""
        now = round(self.now(), 6)
        deadline = self._conversation.next_deadline() if isinstance(event, TimeElapsed) else None
        return now if deadline is None or now >= deadline else math.ceil(deadline * 1e6) / 1e6
