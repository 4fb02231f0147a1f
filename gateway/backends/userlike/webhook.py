"""The bot's webhook: one request per event, and what its answers amount to."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog

from gateway.backends.userlike.carrying import MediaFacts
from gateway.backends.userlike.protocol import Event, Outgoing, Unreadable, read_answer
from gateway.backends.userlike.settings import UserlikeBotSection
from gateway.backends.userlike.triggers import Media
from gateway.errors import GatewayError, VendorError, VendorReplyInvalid
from gateway.kit.http import HttpAnswer, HttpClient, Sleep, Timeouts, check_status, never_sent

RETRY_AFTER = 0.5  # s before the one other try of a connection that could not be opened
ALARMING = (401, 403)  # of the 4xx; any other means that the bot has nothing to say to the event
SOUNDLESS = ("image", "video", "text")

InspectMedia = Callable[[str], Awaitable[str]]
"""Fetches a file under the media policy; gives its content type, or raises GatewayError."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a webhook said; ``shrug``: the status of a refusal that costs nothing."""

    events: tuple[Event, ...] = ()
    shrug: int | None = None


class BotWebhook:
    """One configured bot's webhook.

    Attributes:
        inspect_media: Looks at files that the bot wants played. None: they are judged by their names.
    """

    def __init__(
        self,
        name: str,
        settings: UserlikeBotSection,
        http: HttpClient,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._name = name
        self._settings = settings
        self._http = http
        self.inspect_media: InspectMedia | None = None
        self._sleep = sleep

    async def tell(self, event: Outgoing, body: dict[str, Any]) -> Answer:
        """Tell the bot of an event.

        A 4xx means that it does not know the event or its own state, and costs nothing, but for ``start``; 401 and 403
        mean that it does not know us. Tried again only where no connection could be opened: the bot has not acted then.

        Raises:
            VendorError: The bot cannot be had, or says something that cannot be understood.
        """
        try:
            answer = await self._request(event, body)
        except VendorError as error:
            if not never_sent(error):
                raise
            await self._sleep(RETRY_AFTER)
            answer = await self._request(event, body)
        if answer.status in ALARMING:
            log.error("webhook refuses our headers: check webhook_headers", bot=self._name, status=answer.status)
        if 400 <= answer.status < 500 and answer.status not in ALARMING and event != "start":
            log.warning("webhook refused an event", bot=self._name, webhook_event=event, status=answer.status)
            return Answer(shrug=answer.status)
        check_status(answer, vendor=self._name, operation=event)
        try:
            return Answer(events=tuple(read_answer(answer.body)))
        except Unreadable as error:
            raise VendorReplyInvalid(str(error), vendor=self._name, operation=event) from error

    async def _request(self, operation: str, body: dict[str, Any]) -> HttpAnswer:
        settings = self._settings
        return await self._http.request(
            self._name,
            "POST",
            settings.webhook_url,
            operation=operation,
            json=body,
            headers=settings.request_headers(),
            timeout=Timeouts(connect=settings.connect_timeout, total=settings.timeout),
        )

    async def inspect(self, media: Media) -> MediaFacts:
        """Whether a file is there, and whether it is sound."""
        try:
            found = await self._content_type(media.link)
        except GatewayError as error:
            log.warning("media cannot be fetched", bot=self._name, error=str(error))
            return MediaFacts(is_available=False)
        return MediaFacts(is_audio=found.split("/")[0] not in SOUNDLESS)

    async def _content_type(self, link: str) -> str:
        if self.inspect_media is None:
            return mimetypes.guess_type(urlsplit(link).path)[0] or "audio/*"
        return await self.inspect_media(link)
