"""One call's chat with a bot written for Userlike: the call's events become the contract's, and its answers actions."""

from __future__ import annotations

import asyncio
import mimetypes
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from gateway.actions import Action, ActionBatch, Listen, Menu, Pause, Play, Record, Say
from gateway.backends.userlike import leaving, names
from gateway.backends.userlike.carrying import MediaFacts, carry_out, listening
from gateway.backends.userlike.contacts import Contacts
from gateway.backends.userlike.protocol import Event, Outgoing, request_body, text_payload
from gateway.backends.userlike.session import Session, info, rearm
from gateway.backends.userlike.settings import UserlikeBotSection
from gateway.backends.userlike.triggers import Media
from gateway.backends.userlike.webhook import BotWebhook
from gateway.caller_events import (
    CallEnded,
    CallerEvent,
    CallStarted,
    ContactOptOut,
    NoInput,
    TransferResult,
    UserChoice,
    UserDigits,
    UserLocation,
    UserMedia,
    UserText,
)
from gateway.errors import VendorError
from gateway.events import CallInfo
from gateway.kit.budget import SlidingWindow
from gateway.kit.outbox import Outbox

MIN_WAIT = 0.5  # s
GEO = re.compile(r"geo:(-?\d{1,2}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)", re.ASCII)  # RFC 5870
Heard = Say | Play | Pause | Menu
"""What ends the caller's silence."""


class UserlikeChat:
    """One call's session. Requests to the webhook are made one after the other, in the order of the call's events."""

    def __init__(
        self,
        webhook: BotWebhook,
        settings: UserlikeBotSection,
        contacts: Contacts,
        session: Session,
        budget: SlidingWindow,
        *,
        has_slot: bool = True,
    ) -> None:
        self._webhook = webhook
        self._settings = settings
        self._contacts = contacts
        self._has_slot = has_slot
        self.session = session
        self.budget = budget
        self.order = asyncio.Lock()
        self._line = asyncio.Lock()
        self._outbox = Outbox()

    def actions(self) -> AsyncIterator[ActionBatch]:
        return aiter(self._outbox)

    def close(self) -> None:
        self.session = replace(self.session, is_over=True)
        self._outbox.close()

    @property
    def is_over(self) -> bool:
        return self.session.is_over

    def is_of(self, caller: str) -> bool:
        return bool(caller) and caller == self.session.call.caller

    # --- the call's events -------------------------------------------------------------------------------------------
    async def send(self, event: CallerEvent) -> None:
        """Raises VendorError when the bot cannot be had; what Userlike has no event for is ignored."""
        match event:
            case CallStarted(turn=turn):
                await self._start(turn)
            case UserText(turn=turn, text=text) | UserDigits(turn=turn, digits=text):
                await self._said(turn, text)
            case UserChoice():
                await self._chose(event)
            case UserMedia():
                await self._recorded(event)
            case UserLocation(turn=turn, lat=lat, lon=lon, label=label):
                await self._tell(turn, "location", names.location_payload(lat, lon, label))
            case ContactOptOut(channel=channel):
                await self.opt_out(channel)
            case NoInput(turn=turn, exhausted=True, elapsed=elapsed):
                await self._silent(turn, elapsed)
            case TransferResult(turn=turn, ok=False):
                await self._not_taken(turn)
            case CallEnded():
                self.session = replace(self.session, is_over=True)
            case _:
                pass  # the contract has no event for it

    async def _start(self, turn: int) -> None:
        if not self._has_slot:
            step = leaving.send_on(replace(self.session, is_over=True), self._settings.human_target)
            self._leave(turn, step, Record(kind="event", data={"bot_warning": "all slots are taken"}))
            return
        place = _location(self.session.call) if self._settings.location_event else None
        await self._tell(turn, "start", self._first_words(), is_done=place is None)
        if place is not None:
            try:
                await self._tell(turn, "location", names.location_payload(*place, ""))
            except VendorError as error:
                self._put(turn, (_warned(f"the location was not taken: {error.reason}"),))

    def _first_words(self) -> dict[str, Any]:
        """What the caller has brought along."""
        text = _call_data(self.session.call, self._settings.start_text)
        link = _call_data(self.session.call, self._settings.start_media)
        payload = text_payload(text) if text else {}
        if link:
            kind = mimetypes.guess_type(urlsplit(link).path)[0] or "application/octet-stream"
            payload |= names.media_payload(link, _file_name(link), kind)
        return payload

    async def _said(self, turn: int, text: str) -> None:
        if self.session.is_message_due:
            self._leave(turn, leaving.message_left(text, self.session, self._settings))
            return
        recording = self._settings.voice_message
        if recording is not None and recording.is_wanted(text) and not self.session.is_over:
            self.session = replace(self.session, armed=None, silence="")
            self._put(turn, tuple(leaving.record_message(recording.say, recording.longest)))
            return
        await self._answer(turn, "message", text_payload(text))

    async def _recorded(self, event: UserMedia) -> None:
        """The caller has left a message: the bot's, or one for the voicemail."""
        payload = names.media_payload(event.url, _file_name(event.url), event.mime, event.size)
        if self.session.is_message_due:
            self._leave(event.turn, leaving.message_left(event.text, self.session, self._settings, payload))
            return
        await self._answer(event.turn, "media", payload)

    async def _chose(self, event: UserChoice) -> None:
        """A click the first time a choice is answered; a choice that has expired is a message with its label."""
        armed = self.session.armed
        is_open = armed is not None and armed.menu.menu_id == event.menu_id
        option = armed.options.get(event.option_id) if armed is not None and is_open else None
        if armed is None or option is None:
            await self._said(event.turn, event.label)
            return
        await self._answer(event.turn, "click", names.click_payload(option.id, option.label, armed.element))

    async def opt_out(self, channel: str) -> None:
        """The caller does not want campaigns any more: the platform unsubscribes him, and the bot is told."""
        self.session = replace(self.session, contact=self.session.contact.updated({"campaigns": False}))
        self._keep_contact()
        self._put(None, (Record(kind="contact", data={"id": self.session.contact.id, "campaigns": False}),))
        await self._tell(None, "campaign_unsubscribe", names.unsubscribe_payload(channel))

    async def _silent(self, turn: int, elapsed: float) -> None:
        """The last re-prompt was in vain. The contract knows no silence: the conversation timeout runs."""
        session, settings = self.session, self._settings
        if session.is_message_due:
            wordless = None if elapsed > 0 else ""  # no time has passed where he spoke and was not understood
            self._leave(turn, leaving.message_left(wordless, session, settings))
        elif not session.silence and settings.no_input_text is not None and not session.is_over:
            self.session = replace(session, silence="told", armed=None)
            await self._tell(turn, "message", text_payload(settings.no_input_text))
        elif session.silence != "waited" and not session.is_over and elapsed < settings.conversation_timeout:
            self.session = replace(session, silence="waited")
            rest = max(MIN_WAIT, settings.conversation_timeout - elapsed)
            listen = Listen(start_timeout=rest, no_input_retries=0, on_exhausted="event")
            self._put(turn, (*rearm(session), listen))
        else:
            self._leave(turn, leaving.timed_out(session, settings))

    async def _not_taken(self, turn: int) -> None:
        pending = self.session.pending
        if pending is not None and pending.wants_feedback:
            self.session = replace(self.session, pending=None)
            await self._tell(turn, "forward_failed", {})
        else:
            self._leave(turn, leaving.not_taken(self.session, self._settings))

    async def _answer(self, turn: int, name: Outgoing, payload: Mapping[str, Any]) -> None:
        """Tell the bot what the caller has answered; the open choice is over, unless the bot never heard of it."""
        armed = self.session.armed
        self.session = replace(self.session, armed=None, silence="")
        try:
            await self._tell(turn, name, payload)
        except VendorError:
            self.session = replace(self.session, armed=self.session.armed or armed)
            raise

    # --- the webhook -------------------------------------------------------------------------------------------------
    async def _tell(
        self, turn: int | None, name: Outgoing, payload: Mapping[str, Any], *, is_done: bool = True
    ) -> None:
        """Tell the webhook, and carry out what it answers. Somebody whose bot has left is unassigned again."""
        async with self._line:
            if self.session.is_over:
                if turn is not None:
                    self._leave(turn, leaving.unassign(self.session, self._settings))
                return
            body = request_body(info(self.session, self._settings), name, payload)
            answer = await self._webhook.tell(name, body)
            odd = () if answer.shrug is None else (_warned(f"the webhook answered {name} with {answer.shrug}"),)
            media = {
                event.trigger.link: await self.inspect(event.trigger)
                for event in answer.events
                if isinstance(event.trigger, Media)
            }
            self._perform(answer.events, media, turn, odd, is_done=is_done)

    def _perform(
        self,
        events: Sequence[Event],
        media: Mapping[str, MediaFacts],
        turn: int | None,
        noted: tuple[Action, ...] = (),
        *,
        is_done: bool = True,
    ) -> None:
        self.session, actions = carry_out(events, self.session, self._settings, media)
        self._keep_contact()
        self._put(turn, (*noted, *actions, *listening(self.session)), is_done=is_done)

    # --- the API URL -------------------------------------------------------------------------------------------------
    async def inspect(self, media: Media) -> MediaFacts:
        """Whether a file is there, and whether it is sound."""
        return await self._webhook.inspect(media)

    def push(self, events: Sequence[Event], media: Mapping[str, MediaFacts]) -> bool:
        """Carry out what the bot has sent by itself; False when the session is over. Raises RemoteProtocolError."""
        if self.session.is_over:
            return False
        session, actions = carry_out(events, self.session, self._settings, media, origin="api")
        if any(isinstance(action, Heard) for action in actions):
            actions = (*actions, *listening(session))
            session = replace(session, silence="")
        if not self._outbox.put(ActionBatch(actions=actions, turn=None, turn_done=False)):
            return False
        self.session = session
        self._keep_contact()
        return True

    # --- the call ----------------------------------------------------------------------------------------------------
    def _leave(self, turn: int, step: leaving.Step, *noted: Action) -> None:
        self.session, actions = step
        self._put(turn, (*noted, *actions))

    def _keep_contact(self) -> None:
        self._contacts.keep(self.session.call.caller, self.session.contact)

    def _put(self, turn: int | None, actions: tuple[Action, ...], *, is_done: bool = True) -> None:
        self._outbox.put(ActionBatch(actions=actions, turn=turn, turn_done=is_done and turn is not None))


def _warned(text: str) -> Record:
    return Record(kind="event", data={"bot_warning": text})


def _file_name(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]


def _call_data(call: CallInfo, name: str | None) -> str:
    """A value the line has brought, by its name in any case."""
    if name is None:
        return ""
    wanted = name.casefold()
    return next(
        (
            value
            for known in (call.custom, call.sip_headers)
            for key, value in known.items()
            if key.casefold() == wanted
        ),
        "",
    )


def _location(call: CallInfo) -> tuple[float, float] | None:
    """Where the caller is, if a ``Geolocation`` header (RFC 6442) or call data say it as a ``geo:`` address."""
    match = GEO.search(_call_data(call, "geolocation"))
    if match is None:
        return None
    latitude, longitude = float(match[1]), float(match[2])
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None
