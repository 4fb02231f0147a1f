"""One call's modules at work: the runner decides, this one speaks, delivers and waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import structlog

from gateway.actions import ActionBatch, Fail, Listen, PostCall, Record
from gateway.backends.talklift.delivery import MODULE_RETRIES, SLOT_RETRIES, Delivery
from gateway.backends.talklift.desk import Desk
from gateway.backends.talklift.outputs import Arm, Deliver, Output
from gateway.backends.talklift.runner import Runner
from gateway.backends.talklift.steering import Steered, message, update
from gateway.caller_events import CallEnded, CallerEvent, CallStarted, NoInput, TransferResult, UserChoice, UserText
from gateway.errors import GatewayError, VendorError
from gateway.kit.outbox import Outbox

MAX_DELIVERIES = 50  # under way at the same time in one call

log = structlog.get_logger()


class TalkliftChat:
    """One call."""

    def __init__(self, name: str, runner: Runner, desk: Desk, delivery: Delivery, summary_to: str = "") -> None:
        self._name = name
        self._runner = runner
        self._desk = desk
        self._delivery = delivery
        self._summary_to = summary_to
        self._outbox = Outbox()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.TimerHandle] = []

    def actions(self) -> AsyncIterator[ActionBatch]:
        return aiter(self._outbox)

    async def close(self) -> None:
        """No more timers and deliveries; what was not delivered is done after the call."""
        self._stop_timers()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._outbox.close()

    def _stop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    # --- from the caller -------------------------------------------------------------------------------------------
    async def send(self, event: CallerEvent) -> None:
        """Nothing waits here: what the backend has to say to an answer comes by itself."""
        runner = self._runner
        match event:
            case CallStarted(turn=turn):
                self._perform([*self._booked(), *runner.start()], turn)
            case UserText(turn=turn, text=text, source=source):
                self._perform(runner.heard(text, by_key=source == "digits"), turn)
            case UserChoice(turn=turn, menu_id=menu_id, option_id=option_id, label=label):
                self._perform(runner.chosen(menu_id, option_id, label), turn)
            case NoInput(turn=turn, exhausted=True):
                self._perform(runner.silence(), turn)
            case TransferResult(turn=turn, ok=False):
                self._perform(runner.transfer_failed(), turn)
            case CallEnded():
                self._stop_timers()
                self._desk.leave(self)
            case _:
                pass

    def _booked(self) -> list[Output]:
        """A summary to a session of the real account, where the call names one."""
        if not self._summary_to:
            return []
        return [PostCall(kind="backend", data={"job": "summary", "session_id": self._summary_to})]

    # --- from the backend ------------------------------------------------------------------------------------------
    def update(self, body: Mapping[str, Any]) -> Steered:
        """Raises RemoteProtocolError where the call can take no more."""
        return self._steered(update(self._runner, body))

    def message(self, body: Mapping[str, Any]) -> Steered:
        """Raises RemoteProtocolError where the call can take no more."""
        return self._steered(message(self._runner, body))

    def _steered(self, steered: Steered) -> Steered:
        self._perform(steered.outputs, None)
        return steered

    # --- doing -----------------------------------------------------------------------------------------------------
    def _perform(self, outputs: list[Output], turn: int | None) -> None:
        """Speak at once; a turn that the backend has yet to answer stays open, so that fillers are heard."""
        actions = tuple(item for item in outputs if not isinstance(item, Deliver | Arm))
        is_spoken = any(not isinstance(action, Record | PostCall) for action in actions)
        is_open = not is_spoken and any(isinstance(item, Deliver) for item in outputs)
        if not actions and turn is not None and not is_open:
            actions = (Listen(),)
        if actions:
            self._outbox.put(ActionBatch(actions=actions, turn=turn, turn_done=turn is not None and not is_open))
        for item in outputs:
            if isinstance(item, Deliver):
                self._start(item)
            elif isinstance(item, Arm):
                self._arm(item)

    def _arm(self, timer: Arm) -> None:
        loop = asyncio.get_running_loop()
        self._timers = [known for known in self._timers if not known.cancelled() and known.when() > loop.time()]
        self._timers.append(loop.call_later(timer.seconds, self._due, timer))

    def _due(self, timer: Arm) -> None:
        runner = self._runner
        outputs = runner.slots.unchecked(timer.mark) if timer.name == "validation" else runner.waited(timer.mark)
        self._say_later(outputs)

    def _say_later(self, outputs: list[Output]) -> None:
        """What nobody asked for at this moment; a call that can take no more has failed anyway."""
        try:
            self._perform(outputs, None)
        except GatewayError as error:
            log.warning(
                "call takes no more", bot=self._name, call_id=self._runner.standing.call.call_id, error=str(error)
            )

    def _start(self, item: Deliver) -> None:
        if len(self._tasks) >= MAX_DELIVERIES:
            self._say_later([Fail(kind="unavailable", detail="the backend takes no events")])
            return
        task = asyncio.create_task(self._deliver(item), name="talklift webhook")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("webhook broke", bot=self._name, exc_info=error)

    async def _deliver(self, item: Deliver) -> None:
        is_slot = item.slot_state is not None
        try:
            await self._delivery.send(item.body, item.key, SLOT_RETRIES if is_slot else MODULE_RETRIES)
        except VendorError as error:
            log.warning(
                "webhook not delivered", bot=self._name, call_id=self._runner.standing.call.call_id, error=str(error)
            )
            if is_slot:
                self._say_later(self._runner.slots.unchecked(item.mark))
            return
        if not is_slot:
            self._desk.note_delivered(item.key)
            self._say_later([Record(kind="event", data={"delivered": item.key})])
