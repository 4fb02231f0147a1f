"""From the bot to a person: the chat goes to a team of Haptik's agents, the caller is put through, or both.

The requests run beside the turns, because they may wait for the account's budget and must outlast what the caller says
meanwhile. While they wait the caller hears a waiting message and a tone.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol

import structlog

from gateway.actions import Action, Fail, Hangup, Listen, Menu, MenuOption, Pause, PostCall, Record, Say, Transfer
from gateway.backends.haptik.client import HaptikApi, HaptikRefused
from gateway.backends.haptik.protocol import MAX_COUNTDOWN, NO_MESSAGE_YET, countdown_of, is_error
from gateway.backends.haptik.settings import HandoffSection
from gateway.errors import GatewayError, VendorError
from gateway.events import CallInfo
from gateway.kit.http import Sleep
from gateway.text.fold import find, words

if TYPE_CHECKING:
    from gateway.backends.haptik.words import Words

MAX_JOBS = 8
BEFORE_AGAIN = 1.0  # s between the line that is sent for the caller and the second try
LONGEST_TONE = 60.0

Why = Literal["asked", "command", "failure", "unanswered"]
log = structlog.get_logger()


class Phase(StrEnum):
    """Who the caller is with."""

    BOT = "bot"
    MOVING = "moving"
    QUEUED = "queued"
    AGENT = "agent"


class Caller(Protocol):
    """What a hand-over needs of its chat."""

    user_name: str
    has_spoken: bool
    words: Words

    def put(self, *actions: Action, turn: int | None = None) -> None: ...
    async def post(self, text: str, turn: int | None = None) -> None: ...


class Handoff:
    """Where a call stands between bot and people."""

    menu_id = "callback"

    def __init__(self, chat: Caller, settings: HandoffSection, api: HaptikApi, call: CallInfo, sleep: Sleep) -> None:
        self._chat = chat
        self._settings = settings
        self._api = api
        self._call = call
        self._sleep = sleep
        self._jobs: asyncio.Queue[Why] = asyncio.Queue(MAX_JOBS)  # full: somebody is on it already
        self._timer: asyncio.TimerHandle | None = None
        self._phrases = [found for phrase in settings.phrases if (found := words(phrase))]
        self._transfers = 0
        self.phase = Phase.BOT

    @property
    def is_with_people(self) -> bool:
        return self.phase is not Phase.BOT

    def close(self) -> None:
        """No more timers."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def run(self) -> None:
        """Perform what was begun, until cancelled."""
        while True:
            why = await self._jobs.get()
            try:
                await self._move(why)
            except GatewayError as error:
                self.phase = Phase.BOT
                self._chat.put(Fail(kind="protocol", detail=str(error)))

    # --- beginning -------------------------------------------------------------------------------------------------
    def is_asked_for(self, text: str, *, by_key: bool) -> bool:
        """Whether the caller wants a person, and is not with one already."""
        if self.is_with_people or not self._settings.ways:
            return False
        if by_key:
            return text.strip() == self._settings.key
        said = words(text)
        return any(find(phrase, said) for phrase in self._phrases)

    def may_begin(self, why: Why, turn: int | None, before: list[Action] | None = None) -> bool:
        """Begin where there is somewhere to go; what stands before it is said in any case."""
        if self.is_with_people or not self._settings.ways:
            if before:
                self._chat.put(*before, turn=turn)
            return False
        self.begin(why, turn, before=before)
        return True

    def begin(self, why: Why, turn: int | None, text: str = "", before: list[Action] | None = None) -> None:
        """Tell the caller, and move."""
        self.phase = Phase.MOVING
        notice = Say(text=self._chat.words.say("transfer"), role="waiting", interruptible=False)
        about = Record(kind="event", data={"handoff": why, "said": text} if text else {"handoff": why})
        self._chat.put(*(before or ()), about, notice, *self._meanwhile(), self.listen(), turn=turn)
        if not self._jobs.full():
            self._jobs.put_nowait(why)

    def _meanwhile(self) -> list[Action]:
        """What is heard while the account's budget has no room."""
        wait = self._api.wait if "chat" in self._settings.ways else 0.0
        if wait <= 0:
            return []
        hold = Say(text=self._chat.words.say("hold"), role="waiting")
        return [hold, Pause(seconds=min(wait, LONGEST_TONE), filler="soft")]

    # --- moving ----------------------------------------------------------------------------------------------------
    async def _move(self, why: Why) -> None:
        ways = self._settings.ways
        is_moved = "chat" in ways and await self._to_team()
        if is_moved:
            self._queue()
        if "sip" in ways:
            self._put_through()
        elif is_moved:
            countdown = countdown_of(self._settings.countdown) or MAX_COUNTDOWN
            self._chat.put(Pause(seconds=float(countdown), filler="soft"), self.listen())
        elif why in ("failure", "unanswered"):
            self.phase = Phase.BOT
            self._chat.put(Fail(kind="unavailable", detail="neither the bot nor a person can be had"))
        else:
            self._chat.put(*self._back_to_bot("sorry"))

    async def _to_team(self) -> bool:
        """Move the chat to the team's queue. Whatever prevents it is noted, and never stands in a transfer's way."""
        chat = self._chat
        if not chat.user_name:
            self._note("the platform has not named the user", "user")
            return False
        try:
            if not chat.has_spoken:
                await chat.post(chat.words.say("caller_asks"))
            await self._send_to_agent()
        except HaptikRefused as error:
            self._note(error.message, error.error_class)
        except VendorError as error:
            self._note(error.reason, "unavailable")
        else:
            return True
        return False

    async def _send_to_agent(self) -> None:
        """Once more where Haptik says that the user has not written anything, after a line that says what he wants."""
        try:
            await self._api.send_to_agent(self._chat.user_name)
        except HaptikRefused as error:
            if not is_error(error.message, NO_MESSAGE_YET):
                raise
            await self._chat.post(self._chat.words.say("caller_asks"))
            await self._sleep(BEFORE_AGAIN)
            await self._api.send_to_agent(self._chat.user_name)

    def _note(self, message: str, error_class: str) -> None:
        log.warning("chat not moved to an agent", call_id=self._call.call_id, reason=message, error_class=error_class)
        self._chat.put(Record(kind="event", data={"handoff_failed": message, "class": error_class}))

    def _queue(self) -> None:
        self.phase = Phase.QUEUED
        self._timer = asyncio.get_running_loop().call_later(self._settings.agent_wait, self._nobody_came)

    def _put_through(self) -> None:
        self._transfers += 1
        target = self._settings.target
        self._chat.put(Transfer(transfer_id=f"handoff-{self._transfers}", target=target), self.listen())

    # --- what happens then -----------------------------------------------------------------------------------------
    def listen(self) -> Listen:
        """People take their time: silence is no reason to ask again, but the caller is told to hold on."""
        return Listen(start_timeout=self._settings.hold_every, no_input_retries=0, on_exhausted="event")

    def silence(self) -> tuple[Action, ...]:
        """The caller said nothing to the end. To the bot nothing is sent."""
        if not self.is_with_people:
            return (Listen(no_input_retries=0, on_exhausted="idle"),)
        if self.phase is Phase.AGENT:
            return (self.listen(),)
        return (Say(text=self._chat.words.say("hold"), role="waiting"), self.listen())

    def came_back(self) -> tuple[Action, ...]:
        """A transfer failed. Where the chat is in the queue, an agent may still come."""
        if self.phase in (Phase.QUEUED, Phase.AGENT):
            return (Say(text=self._chat.words.say("hold"), role="waiting"), self.listen())
        return self._back_to_bot("sorry")

    def joined(self, words: Say) -> tuple[Action, ...]:
        """An agent has taken the chat."""
        self.close()
        self.phase = Phase.AGENT
        return (words, self.listen())

    def completed(self) -> None:
        """The platform says that the conversation is over."""
        self.close()
        self.phase = Phase.BOT

    def _nobody_came(self) -> None:
        self._timer = None
        if self.phase is not Phase.QUEUED:
            return
        try:
            self._offer_something_else()
        except GatewayError as error:  # a call that can take no more has other troubles
            log.warning("call takes no more", call_id=self._call.call_id, error=str(error))

    def _offer_something_else(self) -> None:
        if self._settings.target is not None and not self._transfers:
            self._put_through()
        elif self._settings.callback_url and self._call.caller:
            said = self._chat.words
            options = (MenuOption(id="yes", label=said.say("yes")), MenuOption(id="no", label=said.say("no")))
            self._chat.put(Say(text=said.say("offer_callback")), Menu(menu_id=self.menu_id, options=options))
        else:
            self._chat.put(*self._back_to_bot("no_agent"))

    def chosen(self, option_id: str) -> tuple[Action, ...]:
        """The caller wants to be called back, or not."""
        if option_id != "yes":
            self.phase = Phase.BOT
            return (Listen(),)
        body = {"number": self._call.caller, "call_id": self._call.call_id, "called": self._call.called}
        wish = PostCall(kind="webhook", data={"url": self._settings.callback_url, "body": body})
        return (wish, Say(text=self._chat.words.say("callback_noted")), Hangup(reason="callback"))

    def _back_to_bot(self, name: str) -> tuple[Action, ...]:
        self.phase = Phase.BOT
        return (Say(text=self._chat.words.say(name)), Listen())
