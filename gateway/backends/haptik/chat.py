"""One call's conversation with a Haptik bot, and with the agent who takes it over.

What the caller says goes out by `send`; what the platform says comes in by `receive`, from a webhook or, in the
synchronous variant, from the answer. Who is talking is the `Phase`; `handoff` moves from one to the next.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import structlog

from gateway.actions import Action, ActionBatch, Hangup, Listen, PostCall, Record, Say, Transfer
from gateway.backends.haptik.client import HaptikApi, HaptikRefused
from gateway.backends.haptik.compose import Composed, ask_field, compose, form_line, say
from gateway.backends.haptik.handoff import Handoff, Phase
from gateway.backends.haptik.hsl import Choice, Field, parse_body
from gateway.backends.haptik.inbox import Inbox
from gateway.backends.haptik.protocol import NOT_REGISTERED, Agent, Event, is_error, parse_sync, user_body
from gateway.backends.haptik.settings import HaptikBotSection
from gateway.backends.haptik.survey import Survey
from gateway.backends.haptik.words import Words
from gateway.caller_events import CallEnded, CallerEvent, CallStarted, NoInput, TransferResult, UserChoice, UserText
from gateway.errors import RemoteProtocolError, VendorError, VendorReplyInvalid
from gateway.events import CallInfo
from gateway.kit.http import Sleep
from gateway.kit.outbox import Outbox
from gateway.text.language import base

MAX_MENUS = 20  # whose options are remembered
LATE = 10.0  # s without an answer, after which the caller's next turn counts the one before as failed
UNANSWERED = 2  # such turns before the caller is handed over

log = structlog.get_logger()


class HaptikChat:
    """One call.

    Args:
        name: The bot's.
        auth_id: Our name of the user.
        now: Monotonic seconds.
        knows: Called with Haptik's number of the conversation.
    """

    def __init__(
        self,
        name: str,
        settings: HaptikBotSection,
        api: HaptikApi,
        call: CallInfo,
        auth_id: str,
        *,
        sleep: Sleep,
        now: Callable[[], float],
        knows: Callable[[int], None] = lambda number: None,
    ) -> None:
        self._name = name
        self._settings = settings
        self._api = api
        self._call = call
        self._auth_id = auth_id
        self._now = now
        self._knows = knows
        self._outbox = Outbox()
        self._inbox = Inbox(settings.order_within, self._take)
        self._menus: dict[str, Mapping[str, Choice]] = {}
        self._menu_count = 0
        self._form: list[Field] = []
        self._answers: list[tuple[str, str]] = []
        self._failures = 0
        self._sent_at: float | None = None
        self._is_history_booked = False
        self.words = Words(call.language, settings.texts)
        self.handoff = Handoff(self, settings.handoff, api, call, sleep)
        self._survey = Survey(settings.survey, self.words, auth_id)
        self.user_name = ""
        self.has_spoken = False

    def actions(self) -> AsyncIterator[ActionBatch]:
        return aiter(self._outbox)

    def close(self) -> None:
        self.handoff.close()
        self._inbox.close()
        self._outbox.close()

    def put(self, *actions: Action, turn: int | None = None) -> None:
        """Let the call do something; with a turn, as the whole answer to it."""
        self._outbox.put(ActionBatch(actions=actions, turn=turn, turn_done=turn is not None))

    # --- from the caller -------------------------------------------------------------------------------------------
    async def send(self, event: CallerEvent) -> None:
        """Raises VendorError; what Haptik has no word for is ignored."""
        match event:
            case CallStarted(turn=turn):
                await self._start(turn)
            case UserText(turn=turn, text=text):
                await self._heard(turn, text, event)
            case UserChoice(turn=turn):
                await self._chosen(turn, event)
            case NoInput(turn=turn, exhausted=True) if self._survey.is_open:
                self._surveyed(self._survey.close(), turn)
            case NoInput(turn=turn, exhausted=True):
                self.put(*self.handoff.silence(), turn=turn)
            case TransferResult(turn=turn, ok=False):
                self.put(*self.handoff.came_back(), turn=turn)
            case CallEnded():
                self.handoff.close()
            case _:
                pass

    async def _start(self, turn: int) -> None:
        settings = self._settings
        self._book_history()
        if settings.greeting:
            self._outbox.put(ActionBatch(actions=(Say(text=settings.greeting),), turn=turn, turn_done=False))
        try:
            await self._register()
            if settings.start_message:
                await self.post(settings.start_message, turn)
        except VendorError as error:
            self._failed(turn, error)

    async def _register(self) -> None:
        call = self._call
        custom = {"call_id": call.call_id, "called_number": call.called, "channel": "phone"}
        own = {**custom, **self._settings.custom_data}
        body = user_body(
            self._auth_id, caller=call.caller, language=base(call.language), custom=own, name=call.display_name
        )
        await self._api.register(body)

    async def _heard(self, turn: int, text: str, event: UserText) -> None:
        if self._survey.is_open:
            self._surveyed(self._survey.missed(), turn)
        elif self._form:
            await self._fill_in(turn, text if event.value is None else str(event.value))
        elif self.handoff.is_asked_for(text, by_key=event.source == "digits"):
            self.handoff.begin("asked", turn, text)
        else:
            await self._turn(turn, text)

    async def _chosen(self, turn: int, event: UserChoice) -> None:
        if event.menu_id == self.handoff.menu_id:
            self.put(*self.handoff.chosen(event.option_id), turn=turn)
            return
        if self._survey.is_asked(event.menu_id):
            self._surveyed(self._survey.chosen(event.option_id), turn)
            return
        if self._form:
            await self._fill_in(turn, event.label)
            return
        choice = self._menus.get(event.menu_id, {}).get(event.option_id)
        if choice is not None and choice.calls is not None:
            self.put(Transfer(transfer_id=f"call-{event.menu_id}", target=choice.calls), turn=turn)
        else:
            await self._turn(turn, event.label if choice is None else choice.sends)

    async def _fill_in(self, turn: int, answer: str) -> None:
        """Ask for the next field of the form; after the last one, send what was said in one line."""
        self._answers.append((self._form.pop(0).label, answer))
        if self._form:
            self.put(*ask_field(self._form[0], f"form-{len(self._answers)}"), turn=turn)
            return
        line, self._answers = form_line(self._answers), []
        await self._turn(turn, line)

    async def _turn(self, turn: int, text: str) -> None:
        late = self._sent_at is not None and self._now() - self._sent_at > LATE
        self._failures += late
        try:
            await self.post(text, turn)
        except VendorError as error:
            self._failed(turn, error)
            return
        if late and self._failures >= max(UNANSWERED, self._settings.handoff.after_failures):
            self.handoff.may_begin("unanswered", turn)

    def _failed(self, turn: int, error: VendorError) -> None:
        """A turn the bot cannot be had for: a person instead of an apology, where that is configured."""
        self._failures += 1
        wanted = self._settings.handoff.after_failures
        if not (wanted and self._failures >= wanted and self.handoff.may_begin("failure", turn)):
            raise error
        log.warning("bot failed, caller handed over", bot=self._name, call_id=self._call.call_id, error=str(error))

    async def post(self, text: str, turn: int | None = None) -> None:
        """Send a message; one to a user nobody knows any more after registering once again."""
        self._sent_at = self._now()  # before it is sent: the bot's words may be here before the request is answered
        try:
            body = await self._said(text)
        except VendorError:
            self._sent_at = None
            raise
        self.has_spoken = True
        if self._settings.mode == "sync":
            self._sent_at = None
            self._answered(body, turn)
        elif turn is not None and self.handoff.is_with_people:  # an answer, but not the last word: the agent's counts
            self._outbox.put(ActionBatch(actions=(self.handoff.listen(),), turn=turn, turn_done=False))

    async def _said(self, text: str) -> bytes:
        try:
            return await self._api.say(self._auth_id, text)
        except HaptikRefused as error:
            if not is_error(error.message, NOT_REGISTERED):
                raise
        await self._register()
        return await self._api.say(self._auth_id, text)

    def _answered(self, body: bytes, turn: int | None) -> None:
        """The synchronous variant: the answer holds the messages."""
        try:
            agent, bodies = parse_sync(body)
        except RemoteProtocolError as error:
            raise VendorReplyInvalid(str(error), vendor=self._name, operation="message") from error
        actions = [action for found in bodies for action in self._compose(found, agent, "")]
        self._failures = 0
        self.put(*(actions or [Listen()]), turn=turn)

    # --- from the platform -----------------------------------------------------------------------------------------
    def receive(self, event: Event) -> None:
        """Take a webhook's event, in its turn.

        Raises:
            RemoteProtocolError: More than the call can take.
        """
        self._inbox.put(event)

    def _take(self, event: Event) -> None:
        if event.user_name and not self.user_name:
            self.user_name = event.user_name
            self._book_history()
        if event.is_completion:
            self._completed(event)
        elif event.name == "chat_pinned":
            self.put(*self.handoff.joined(self._joined(event)))
        elif event.name == "message":
            self._sent_at = None
            self._failures = 0
            actions = self._compose(event.body, event.agent, event.message_id)
            if actions:
                self.put(*actions, *(self._survey.ask() if self._survey.is_open else ()))

    def _joined(self, event: Event) -> Say:
        """The platform's own words, else ours."""
        texts = parse_body(event.body).says
        words = " ".join(texts) or self.words.say("agent_joined", name=event.joined)
        return say(words, Agent(is_automated=True))

    def _compose(self, body: Any, agent: Agent, message_id: str) -> list[Action]:
        message = parse_body(body)
        self._menu_count += 1
        menu_id = message_id or f"menu-{self._menu_count}"
        composed: Composed = compose(message, menu_id, agent, self._settings.handoff.agent_voice)
        actions = list(composed.actions)
        if composed.choices:
            self._form, self._answers = [], []
            self._menus[menu_id] = composed.choices
            if len(self._menus) > MAX_MENUS:
                del self._menus[next(iter(self._menus))]
        if message.fields:
            self._form, self._answers = list(message.fields), []
            actions += ask_field(message.fields[0], "form-0")
        if actions and self.handoff.is_with_people and not message.fields:
            actions.append(self.handoff.listen())
        if agent.is_automated and message.commands & {word.lower() for word in self._settings.handoff.commands}:
            self.handoff.may_begin("command", None, before=actions)
            return []
        return actions

    def _completed(self, event: Event) -> None:
        number = event.conversation_no
        if number is not None:
            self._knows(number)
        done = Record(kind="conversation", data={"event": "conversation_complete", **event.data})
        is_due = self._survey.is_due(was_with_agent=self.handoff.phase is Phase.AGENT)
        self.handoff.completed()
        if is_due:
            self._form = []
            self.put(done, *self._survey.begin())
        else:
            self.put(done, self._after_all())

    def _surveyed(self, actions: tuple[Action, ...], turn: int) -> None:
        """Go on with the survey; after it, with what comes after a conversation."""
        self.put(*actions, *(() if self._survey.is_open else (self._after_all(),)), turn=turn)

    def _after_all(self) -> Action:
        return Hangup(reason="conversation complete") if self._settings.hangup_on_complete else Listen()

    # --- after the call --------------------------------------------------------------------------------------------
    def _book_history(self) -> None:
        """Have the transcript fetched when the call is over, as soon as it is known for whom."""
        history = self._settings.history
        pxut = self._call.custom.get(history.pxut_variable, "") if history.pxut_variable else ""
        if self._is_history_booked or not history.enabled or not (self.user_name or pxut):
            return
        self._is_history_booked = True
        group = {"user_name": self.user_name} if self.user_name else {"pxut": pxut}
        data = {"job": "history", "auth_id": self._auth_id, **group, "delay": history.delay}
        self._outbox.put(ActionBatch(actions=(PostCall(kind="backend", data=data),), turn=None, turn_done=False))
