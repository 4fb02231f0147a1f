"""One call's conversation with a Chatlayer bot.

`send` returns when the platform has taken what the caller said; the bot's messages come by `receive`, before that or
after. They name no turn, so the number's `batch_gap` decides when the bot has finished, or a menu does.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import structlog

from config.targets import canonical
from gateway.actions import Action, ActionBatch, Menu, PostCall, Record, Release, Say, Transfer
from gateway.backends.chatlayer.history import missed
from gateway.backends.chatlayer.identity import call_data
from gateway.backends.chatlayer.inbox import Inbox
from gateway.backends.chatlayer.messages import Click, read_message
from gateway.backends.chatlayer.platform import Platform
from gateway.backends.chatlayer.protocol import Delivery, locale_of, message_digest, session_data
from gateway.backends.chatlayer.sending import Sending
from gateway.backends.chatlayer.settings import ChatlayerBotSection
from gateway.caller_events import CallerEvent, CallStarted, NoInput, TransferResult, UserChoice, UserDigits, UserText
from gateway.errors import RemoteProtocolError, VendorError, VendorRejected
from gateway.events import CallInfo
from gateway.kit.http import Sleep
from gateway.kit.outbox import Outbox
from gateway.text.speakable import detect

MAX_MENUS = 20
"""Menus whose payloads are remembered; the caller can only answer the newest, or one that was just replaced."""
FULL_RETRY = 0.25  # s until messages that found no room are tried again

log = structlog.get_logger()


class ChatlayerChat:
    """See the module's docstring.

    Args:
        sender: The conversation's id.
    """

    def __init__(
        self,
        name: str,
        settings: ChatlayerBotSection,
        platform: Platform,
        call: CallInfo,
        sender: str,
        sleep: Sleep,
    ) -> None:
        self._name = name
        self._settings = settings
        self._platform = platform
        self._call = call
        self.sender = sender
        self._outbox = Outbox()
        self._loop = asyncio.get_running_loop()
        self._inbox: Inbox[Delivery] = Inbox(self._loop.time, settings.order_within)
        self._sending = Sending(platform.policy, sleep, self._has_answered)
        self._has_arrived = False
        self._answered = asyncio.Event()
        self._delivered: Counter[str] = Counter()
        self._menus: OrderedDict[str, Mapping[str, Click]] = OrderedDict()
        self._opened = 0
        self._was_told_of_silence = False
        self._timer: asyncio.TimerHandle | None = None

    def actions(self) -> AsyncIterator[ActionBatch]:
        return aiter(self._outbox)

    async def close(self) -> None:
        """The call is over."""
        if self._timer is not None:
            self._timer.cancel()
        self._outbox.close()
        await self._sending.close()

    # --- the caller ------------------------------------------------------------------------------------------------
    async def send(self, event: CallerEvent) -> None:
        """Raises VendorError when the platform does not take it; what it has no word for is ignored."""
        match event:
            case CallStarted(turn=turn):
                await self._start(turn)
            case UserText(text=text, language=language):
                await self._say(text, language)
            case UserDigits(digits=digits):
                await self._say(digits, None)
            case UserChoice(turn=turn):
                await self._choose(turn, event)
            case NoInput(turn=turn, exhausted=True):
                await self._silence(turn)
            case TransferResult(ok=False, cause=cause):
                await self._transfer_failed(cause)
            case _:
                pass

    async def _start(self, turn: int) -> None:
        """Ask now for what is due when the call is over: then there is nobody to ask any more."""
        known = Record(kind="event", data={"conversation": self.sender})
        self._outbox.put(ActionBatch(actions=(known, *self._afterwards()), turn=None, turn_done=False))
        begins, settings = self._settings.begins, self._settings
        if begins.text is not None:
            await self._say(begins.text, None)
        elif begins.intro:
            await self._deliver(lambda: self._platform.introduce(self.sender))
        elif begins.dialogstate is not None:
            await self._jump(begins.dialogstate, call_data(settings, self._call))
        elif settings.greeting is not None:
            said = Say(text=settings.greeting, format=detect(settings.greeting))
            self._outbox.put(ActionBatch(actions=(said,), turn=turn, turn_done=True))

    def _afterwards(self) -> list[PostCall]:
        settings, data = self._settings, {"sender": self.sender}
        found = []
        if settings.hangup_dialogstate is not None:
            found.append(PostCall(kind="backend", data={"job": "hangup", **data}))
        if settings.access_token is not None and (settings.history or settings.record_namespaces):
            found.append(PostCall(kind="backend", data={"job": "history", **data, "delay": settings.history_delay}))
        return found

    async def _say(self, text: str, heard: str | None) -> None:
        locale = self._locale(heard)
        await self._deliver(lambda: self._platform.say(self.sender, text, locale))

    async def _choose(self, turn: int, choice: UserChoice) -> None:
        click = self._menus.get(choice.menu_id, {}).get(choice.option_id)
        if click is None:
            await self._say(choice.label, None)
        elif click.target is not None:
            self._was_told_of_silence = False
            transfer = Transfer(transfer_id=f"{choice.menu_id}.{choice.option_id}", target=click.target)
            self._outbox.put(ActionBatch(actions=(transfer,), turn=turn, turn_done=True))
        else:
            payload, title, locale = click.payload or choice.label, click.title, self._locale(None)
            await self._deliver(lambda: self._platform.click(self.sender, payload, title, locale))

    async def _silence(self, turn: int) -> None:
        """Tell the bot, once: a caller who stays silent after that as well goes to the number's fallback."""
        settings = self._settings
        is_news, self._was_told_of_silence = not self._was_told_of_silence, True
        if is_news and settings.silence_dialogstate is not None:
            await self._jump(settings.silence_dialogstate, {}, is_words=False)
        elif is_news and settings.silence_text is not None:
            text, locale = settings.silence_text, self._locale(None)
            await self._deliver(lambda: self._platform.say(self.sender, text, locale), is_words=False)
        else:
            self._outbox.put(ActionBatch(actions=(Release(policy="no_input"),), turn=turn, turn_done=True))

    async def _transfer_failed(self, cause: str) -> None:
        state = self._settings.transfer_failed_dialogstate
        if state is not None:
            await self._jump(state, {"transfer_cause": cause} if cause else {})

    async def _jump(self, dialogstate: str, data: Mapping[str, str], *, is_words: bool = True) -> None:
        session = session_data(self._settings.session_namespace, data)
        await self._deliver(lambda: self._platform.jump(self.sender, dialogstate, session), is_words=is_words)

    def _locale(self, heard: str | None) -> str | None:
        return locale_of(self._settings.locale, heard, self._call.language)

    # --- the way out -----------------------------------------------------------------------------------------------
    async def _deliver(self, attempt: Callable[[], Awaitable[None]], *, is_words: bool = True) -> None:
        if is_words:
            self._was_told_of_silence = False
        try:
            await self._sending.deliver(attempt, self._begin)
        except VendorRejected as error:
            if error.status in (401, 403):
                log.error("the platform refuses our tokens", bot=self._name, status=error.status)
            raise
        if self._settings.recover_missed:
            await self._recover()

    def _begin(self) -> None:
        self._has_arrived = False
        self._answered.clear()
        self._delivered.clear()

    def _has_answered(self) -> bool:
        return self._has_arrived

    async def _recover(self) -> None:
        """Wait for a message; none in time: what the history has of the bot's answer is said instead."""
        try:
            async with asyncio.timeout(self._settings.recover_after):
                await self._answered.wait()
            return
        except TimeoutError:
            pass
        try:
            rows = missed(await self._platform.history(self.sender), self._delivered)
        except VendorError as error:
            log.warning("the history cannot be had", bot=self._name, call_id=self._call.call_id, error=error.reason)
            return
        log.info("messages found in the history", bot=self._name, call_id=self._call.call_id, messages=len(rows))
        for row in rows:
            self._inbox.recovered(message_digest(row.message))
            self._play(Delivery(ids=(), token="", message=row.message))

    # --- the bot ---------------------------------------------------------------------------------------------------
    def receive(self, delivery: Delivery) -> bool:
        """Take a message of the bot; False when there is no room, and it is to be delivered again."""
        if self._outbox.is_full:
            self._inbox.refuse(delivery.digest)
            return False
        taken = self._inbox.take(delivery, counter=delivery.counter, digest=delivery.digest)
        if taken:
            self._delivered[delivery.digest] += 1
            self._flush()
        else:
            log.info("message delivered again", bot=self._name, call_id=self._call.call_id)
        return True

    def offload(self) -> bool:
        """The bot gives the caller to a person; False when there is nobody, or no room."""
        target = self._settings.offload_to
        if target is None or self._outbox.is_full:
            return False
        transfer = Transfer(transfer_id="offload", target=canonical(target) or target)
        self._outbox.put(ActionBatch(actions=(transfer,), turn=None))
        self._has_arrived = True
        self._answered.set()
        return True

    def _flush(self) -> None:
        """Play what is in order, and come back for what waits for one before it."""
        ready = self._inbox.ready()
        for place, delivery in enumerate(ready):
            try:
                self._play(delivery)
            except RemoteProtocolError:  # no room: nothing that was taken is dropped
                self._inbox.put_back(ready[place:])
                self._wake(FULL_RETRY)
                return
        deadline = self._inbox.deadline()
        if deadline is not None:
            self._wake(deadline - self._loop.time())

    def _wake(self, delay: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(0.0, delay), self._flush)

    def _play(self, delivery: Delivery) -> None:
        """Say one message: a batch of its own, since each comes by itself. Raises RemoteProtocolError: no room."""
        menu_id = f"menu-{self._opened + 1}"
        heard = read_message(delivery.message or {}, self._settings, menu_id=menu_id, language=self._call.language)
        actions: list[Action] = list(heard.actions)
        if delivery.intent:
            actions.insert(0, Record(kind="event", data={"intent": delivery.intent}))
        self._outbox.put(ActionBatch(actions=tuple(actions), turn=None))
        self._has_arrived = True
        if not all(isinstance(action, Record) for action in actions):
            self._answered.set()
        if any(isinstance(action, Menu) for action in actions):
            self._opened += 1
            self._menus[menu_id] = heard.clicks
            while len(self._menus) > MAX_MENUS:
                self._menus.popitem(last=False)
