"""A TalkLift project on the telephone: its calls, its endpoints, and what is left to do when a call is over."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from gateway.actions import Record
from gateway.backends.talklift.account import Account
from gateway.backends.talklift.chat import TalkliftChat
from gateway.backends.talklift.delivery import Delivery
from gateway.backends.talklift.desk import Desk
from gateway.backends.talklift.doors import Doors
from gateway.backends.talklift.fields import type_of
from gateway.backends.talklift.protocol import IdKind, random_id
from gateway.backends.talklift.rest import Endpoints
from gateway.backends.talklift.runner import Runner
from gateway.backends.talklift.settings import TalkliftBotSection
from gateway.backends.talklift.steering import whole
from gateway.errors import VendorRejected
from gateway.events import CallInfo
from gateway.interfaces import AfterCallJob, BackendCapabilities, Problem
from gateway.kit.http import HttpClient, Sleep
from gateway.routes import Webhook

_doors: WeakKeyDictionary[HttpClient, Doors[Endpoints]] = WeakKeyDictionary()
"""By the process's one HTTP client, so that two gateways in one process, as tests have them, share nothing."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def loop_time() -> float:
    """The running loop's clock, by which sleeps are measured, too."""
    return asyncio.get_running_loop().time()


def time_of_day() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class TalkliftBackend:
    """One configured project.

    Args:
        ids: Gives numbers to sessions and states, so that a test can have the documentation's own.
    """

    Section = TalkliftBotSection
    capabilities = BackendCapabilities(greets_first=True, pushes=True, transfer_feedback=True)

    def __init__(
        self,
        name: str,
        settings: TalkliftBotSection,
        http: HttpClient,
        *,
        sleep: Sleep = asyncio.sleep,
        now: Callable[[], float] = loop_time,
        clock: Callable[[], datetime.datetime] = time_of_day,
        ids: Callable[[IdKind], int] = random_id,
    ) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._since = clock()
        self._desk = Desk(ids)
        self._delivery = Delivery(name, settings.webhook, http, sleep)
        self._endpoints = Endpoints(name, settings, self._desk, now, _doors.setdefault(http, Doors()))
        self._account = Account(name, settings.account, http, sleep) if settings.account is not None else None

    @property
    def routes(self) -> Sequence[Webhook]:
        return self._endpoints.routes

    # --- calls -----------------------------------------------------------------------------------------------------
    def open_chat(self, call: CallInfo, claim: Callable[[str], None]) -> AbstractAsyncContextManager[TalkliftChat]:
        return self._chat(call, claim)

    @asynccontextmanager
    async def _chat(self, call: CallInfo, claim: Callable[[str], None]) -> AsyncIterator[TalkliftChat]:
        desk, project = self._desk, self._settings.project
        session = desk.new_id("session", desk.sessions)

        def ids(kind: IdKind) -> int:
            """Numbers under which the backend finds this call."""
            number = desk.new_id(kind, desk.states if kind == "slot_state" else {})
            if kind == "slot_state":
                desk.states[number] = chat
            else:
                claim(f"talklift {project} story {number}")
            return number

        runner = Runner(self._settings, call, session, ids=ids, clock=self._clock, since=self._since)
        chat = TalkliftChat(self._name, runner, desk, self._delivery, self._summary_to(call))
        desk.sessions[session] = chat
        claim(f"talklift {project} session {session}")
        try:
            yield chat
        finally:
            desk.leave(chat)
            await chat.close()

    def _summary_to(self, call: CallInfo) -> str:
        account = self._settings.account
        return call.custom.get(account.session_variable, "") if account and account.session_variable else ""

    # --- after the call --------------------------------------------------------------------------------------------
    async def after_call(self, job: AfterCallJob) -> Sequence[Record]:
        """Deliver what was not delivered during the call, and write the summary."""
        match job.data.get("job"):
            case "module":
                await self._deliver_late(job, job.data.get("body"))
            case "partial":
                story = _last_story(job)
                if story is not None and not story.get("complete"):
                    name = self._module_name(story["story_state"])
                    await self._deliver_late(job, {"event_name": name, "payload": [story["story_state"]]})
            case "summary":
                await self._write_summary(job)
            case _:
                raise VendorRejected("nothing is known of such a job", vendor=self._name, operation="after call")
        return ()

    async def _deliver_late(self, job: AfterCallJob, body: Any) -> None:
        key = str(job.data.get("key", job.key))
        was_noted = any(note.get("delivered") == key for note in _notes(job, "event"))
        if was_noted or self._desk.was_delivered(key) or not isinstance(body, dict):
            return
        await self._delivery.once(body, key)
        self._desk.note_delivered(key)

    def _module_name(self, story: Mapping[str, Any]) -> str:
        found = (module.name for module in self._settings.modules if module.story == story.get("story"))
        return next(found, "")

    async def _write_summary(self, job: AfterCallJob) -> None:
        session = whole(job.data.get("session_id"))
        if self._account is None or session is None:
            raise VendorRejected("there is no session to write to", vendor=self._name, operation="summary")
        lines = [
            f"{state['slot_label']}: {state['data']}"
            for note in _notes(job, "variables")
            if note.get("complete")
            for state in note["story_state"]["slot_states"]
            if state["data"] is not None
        ]
        if lines:
            await self._account.send_message(session, "\n".join(lines))

    async def check(self) -> list[Problem]:
        return list(_problems(self._settings))


def _notes(job: AfterCallJob, kind: str) -> list[dict[str, Any]]:
    notes = job.call.get("notes")
    found = [note for note in (notes if isinstance(notes, list) else []) if isinstance(note, dict)]
    return [note["data"] for note in found if note.get("kind") == kind and isinstance(note.get("data"), dict)]


def _last_story(job: AfterCallJob) -> dict[str, Any] | None:
    """How far the module came, by the call's record."""
    wanted = job.data.get("story_state")
    found = [note for note in _notes(job, "variables") if isinstance(note.get("story_state"), dict)]
    return next((note for note in reversed(found) if note["story_state"].get("id") == wanted), None)


def _problems(settings: TalkliftBotSection) -> Iterable[Problem]:
    url = urlsplit(settings.webhook.url)
    if url.scheme == "http" and settings.webhook.password is not None and url.hostname not in LOOPBACK:
        yield Problem(severity="warning", text="the password travels unencrypted", field="webhook.url")
    slots = [slot for module in settings.modules for slot in module.slots]
    if any(slot.validate_with_webhook for slot in slots) and not settings.users:
        text = "slots are validated by webhook, but nobody may update them: there are no users"
        yield Problem(severity="warning", text=text, field="users")
    if settings.media_slots == "fallback" and any(type_of(slot) == "media" for slot in slots):
        text = "slots that want a file, a picture or a place lead to the number's fallback"
        yield Problem(severity="warning", text=text, field="media_slots")
    if settings.on_validation_failure == "accept" and any(slot.validate_with_webhook for slot in slots):
        text = "answers are accepted when the backend does not check them"
        yield Problem(severity="warning", text=text, field="on_validation_failure")
