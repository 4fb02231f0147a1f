"""The API URL: what a bot sends unasked, checked, counted and carried out.

Paths, header and the rate are the vendor's (page "Chatbot API", November 2026); statuses other than 429 are assumed and
stand in `names`. Of a request that is refused nothing is carried out, but for what stood before a file that could not
be fetched.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol

import structlog

from gateway.backends.userlike import names
from gateway.backends.userlike.carrying import MediaFacts
from gateway.backends.userlike.protocol import Event, Unreadable, read_request, too_long
from gateway.backends.userlike.triggers import Media
from gateway.errors import GatewayError
from gateway.kit.budget import SlidingWindow
from gateway.kit.jsonbody import JsonRefused, parse_json
from gateway.kit.signature import equal
from gateway.routes import HttpReply, HttpRequest

TOKEN_HEADER = "security-token"
REQUESTS, PER = 20, 60.0  # "20 requests per minute that use the same cid"
MEDIA_WITHIN = 25.0  # s for all files of a request; the port gives a webhook 30

log = structlog.get_logger()


class LiveSession(Protocol):
    """A chat, as the API URL sees it."""

    @property
    def is_over(self) -> bool: ...
    @property
    def budget(self) -> SlidingWindow: ...
    @property
    def order(self) -> asyncio.Lock: ...
    async def inspect(self, media: Media) -> MediaFacts: ...
    def push(self, events: Sequence[Event], media: Mapping[str, MediaFacts]) -> bool: ...
    async def opt_out(self, channel: str) -> None: ...
    def is_of(self, caller: str) -> bool: ...


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, reply: HttpReply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def reply(status: int, value: Any, **more: Any) -> HttpReply:
    return HttpReply(status=status, body=json.dumps(value).encode(), **more)


def refused(status: int, reason: str, **more: Any) -> Refused:
    return Refused(reply(status, {"error": reason}, **more))


class ApiUrl:
    """One bot's API URL.

    Args:
        token: What the bot must send as ``SECURITY-TOKEN``.
        sessions: The running ones of this bot, by cid.
    """

    def __init__(self, bot: str, token: str, sessions: Mapping[str, LiveSession]) -> None:
        self._bot = bot
        self._token = token
        self._sessions = sessions

    async def handle(self, request: HttpRequest) -> HttpReply:
        try:
            authorize(request, self._token)
            events = check(request.body)
            return await self._execute(events, self._find(events))
        except Refused as no:
            log.warning("API request refused", bot=self._bot, status=no.reply.status)
            return no.reply

    def _find(self, events: Sequence[Event]) -> dict[str, LiveSession]:
        """The sessions that are named, all of which must live and have something left of their budget."""
        named: dict[str, LiveSession] = {}
        for cid in dict.fromkeys(event.cid for event in events if event.cid is not None):
            session = self._sessions.get(cid)
            if session is None:
                raise refused(names.NO_SESSION, "session not found", unknown_call=cid)
            if session.is_over:
                raise refused(names.NO_SESSION, "session not found")
            named[cid] = session
        waits = [session.budget.free_in() for session in named.values()]
        if max(waits) > 0:
            headers = {"Retry-After": str(max(1, math.ceil(max(waits))))}
            raise refused(names.TOO_MANY, "rate limit exceeded", headers=headers)
        for session in named.values():
            session.budget.take()
        return named

    async def _execute(self, events: Sequence[Event], sessions: Mapping[str, LiveSession]) -> HttpReply:
        """In the order of arrival for each session, also when one request waits for a file and the next does not."""
        locks = [sessions[cid].order for cid in sorted(sessions)]
        for lock in locks:
            await lock.acquire()
        try:
            facts = await _inspect(events, sessions)
            lost = next((place for place, event in enumerate(events) if not _is_available(event, facts)), len(events))
            self._push(events[:lost], sessions, facts)
        finally:
            for lock in locks:
                lock.release()
        if lost < len(events):
            raise refused(names.NO_MEDIA, "media download failed")
        return reply(names.ACCEPTED, {})

    def _push(
        self, events: Sequence[Event], sessions: Mapping[str, LiveSession], facts: Mapping[str, MediaFacts]
    ) -> None:
        for cid, run in groupby(events, key=lambda event: event.cid or ""):
            try:
                is_taken = sessions[cid].push(list(run), facts)
            except GatewayError as error:
                raise refused(names.TOO_MANY, "too many messages wait") from error
            if not is_taken:
                raise refused(names.NO_SESSION, "session not found")


async def _inspect(events: Sequence[Event], sessions: Mapping[str, LiveSession]) -> dict[str, MediaFacts]:
    """What is known of the files, by link; looked at one after the other, up to the first that is not there."""
    facts: dict[str, MediaFacts] = {}
    try:
        async with asyncio.timeout(MEDIA_WITHIN):
            for event in events:
                if isinstance(event.trigger, Media) and event.trigger.link not in facts:
                    facts[event.trigger.link] = MediaFacts(is_available=False)
                    facts[event.trigger.link] = await sessions[event.cid or ""].inspect(event.trigger)
                    if not facts[event.trigger.link].is_available:
                        break
    except TimeoutError:
        pass  # the one that was waited for counts as not available
    return facts


def _is_available(event: Event, facts: Mapping[str, MediaFacts]) -> bool:
    return not isinstance(event.trigger, Media) or facts.get(event.trigger.link, MediaFacts()).is_available


def authorize(request: HttpRequest, token: str) -> None:
    if not equal(request.headers.get(TOKEN_HEADER, ""), token):
        raise refused(names.UNAUTHORIZED, "Unauthorized")


def check(body: bytes) -> list[Event]:
    """The events of a request, none of which may be wrong."""
    try:
        events = read_request(body)
    except Unreadable as unreadable:
        raise refused(names.REFUSED, str(unreadable)) from unreadable
    for event in events:
        wrong = _wrong_with(event)
        if wrong is not None:
            raise refused(names.REFUSED, wrong)
    return events


def _wrong_with(event: Event) -> str | None:
    if event.problem is not None:
        return event.problem
    if event.cid is None:
        return "info.cid is missing"
    if event.is_context_too_big:
        return "info.context is larger than 10 KB"
    return "body has more than 5000 characters" if too_long(event) else None


class OptOut:
    """Where a service of the operator's reports that somebody does not want campaigns any more.

    The body names the caller by ``contact`` (his number) or ``cid``, and may name the ``channel``.
    """

    def __init__(self, bot: str, token: str, sessions: Mapping[str, LiveSession]) -> None:
        self._bot = bot
        self._token = token
        self._sessions = sessions

    async def handle(self, request: HttpRequest) -> HttpReply:
        try:
            authorize(request, self._token)
            wish = _wish(request.body)
        except Refused as no:
            return no.reply
        found = [
            session
            for cid, session in list(self._sessions.items())
            if not session.is_over and (cid == wish.get("cid") or session.is_of(str(wish.get("contact") or "")))
        ]
        for session in found:
            try:
                await session.opt_out(str(wish.get("channel") or ""))
            except GatewayError as error:
                log.warning("bot missed an opt-out", bot=self._bot, error=str(error))
        return reply(200 if found else 404, {"told": len(found)})


def _wish(body: bytes) -> dict[str, Any]:
    try:
        value = parse_json(body)
    except JsonRefused as no:
        raise refused(names.REFUSED, no.reason) from no
    if not isinstance(value, dict) or not (value.get("cid") or value.get("contact")):
        raise refused(names.REFUSED, "contact or cid is missing")
    return value
