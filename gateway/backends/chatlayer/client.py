"""A Chatlayer bot: what callers say goes out by requests, what the bot says comes in by a webhook."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog

from gateway.actions import Record
from gateway.backends.chatlayer.chat import ChatlayerChat
from gateway.backends.chatlayer.history import records_of
from gateway.backends.chatlayer.identity import is_shared, new_uuid, sender_of
from gateway.backends.chatlayer.offloading import Desk
from gateway.backends.chatlayer.platform import Platform
from gateway.backends.chatlayer.settings import ChatlayerBotSection
from gateway.backends.chatlayer.webhook import MAX_BYTES, Inlet, path_of
from gateway.errors import ConfigError, VendorRejected
from gateway.events import CallInfo
from gateway.interfaces import AfterCallJob, BackendCapabilities, Problem
from gateway.kit.http import HttpClient, Sleep
from gateway.routes import Webhook

log = structlog.get_logger()


class ChatlayerBackend:
    """One configured bot.

    Args:
        sleep: Waits between attempts.
        new_id: Makes the ids of conversations, UUIDs of 36 characters.
    """

    Section = ChatlayerBotSection

    def __init__(
        self,
        name: str,
        settings: ChatlayerBotSection,
        http: HttpClient,
        *,
        sleep: Sleep = asyncio.sleep,
        new_id: Callable[[], str] = new_uuid,
    ) -> None:
        self._name = name
        self._settings = settings
        self._sleep = sleep
        self._new_id = new_id
        self._platform = Platform(name, settings, http)
        self._chats: dict[str, ChatlayerChat] = {}
        self.capabilities = BackendCapabilities(
            greets_first=not settings.begins.is_none or settings.greeting is not None,
            pushes=True,
            transfer_feedback=settings.transfer_failed_dialogstate is not None,
        )
        inlet = Inlet(name, settings.verify_token.get_secret_value(), self._chats.get)
        desk = Desk(name, settings.verify_token.get_secret_value(), self._chats.get)
        doors = [(path_of(name), inlet.handle)]
        if settings.offload_to is not None:
            doors.append((f"{path_of(name)}/offloading", desk.handle))
        self.routes: Sequence[Webhook] = tuple(
            Webhook(path=path, methods=("POST", "GET"), handle=handle, max_bytes=MAX_BYTES) for path, handle in doors
        )

    def open_chat(self, call: CallInfo, claim: Callable[[str], None]) -> AbstractAsyncContextManager[ChatlayerChat]:
        """A call's conversation; webhooks name it by the id it is given here."""
        return self._chat(call, claim)

    @asynccontextmanager
    async def _chat(self, call: CallInfo, claim: Callable[[str], None]) -> AsyncIterator[ChatlayerChat]:
        sender = sender_of(self._settings, call, self._new_id)
        chat = ChatlayerChat(self._name, self._settings, self._platform, call, sender, self._sleep)
        claim(sender)
        self._chats[sender] = chat
        try:
            yield chat
        finally:
            if self._chats.get(sender) is chat:  # else the same caller has rung again
                del self._chats[sender]
            await chat.close()

    async def check(self) -> list[Problem]:
        found = []
        if self._settings.insecure:
            text = "tokens travel unencrypted where an address has no https"
            found.append(Problem(severity="warning", text=text, field="insecure"))
        if self._settings.begins.is_none and self._settings.greeting is None:
            text = "nothing is said at the start of a call: neither the bot nor a greeting begins"
            found.append(Problem(severity="warning", text=text, field="start"))
        return found

    async def after_call(self, job: AfterCallJob) -> Sequence[Record]:
        """What `ChatlayerChat` has asked for: the last dialog state, or the platform's history as records."""
        sender, what = str(job.data.get("sender", "")), str(job.data.get("job", ""))
        try:
            match what:
                case "hangup":
                    if self._settings.hangup_dialogstate is not None:
                        await self._platform.jump(sender, self._settings.hangup_dialogstate)
                    return []
                case "history":
                    return await self._copied(sender, str(job.call.get("started_at") or ""))
        except ConfigError as error:  # the configuration has changed since the call
            raise VendorRejected(str(error), vendor=self._name, operation=what) from error
        raise VendorRejected("nothing is known of such a job", vendor=self._name, operation=what)

    async def _copied(self, sender: str, started_at: str) -> list[Record]:
        """History and session data; of a conversation that goes on from call to call, only this one's rows."""
        found: list[Record] = []
        if self._settings.history:
            rows = await self._platform.history(sender)
            found += records_of(rows, since=started_at if is_shared(self._settings) else "")
        for namespace in self._settings.record_namespaces:
            data = await self._platform.session_data(sender, namespace)
            found.append(Record(kind="variables", data={"namespace": namespace, "data": data}))
        return found
