"""A Rasa assistant over HTTP: one `RasaChat` per call, and the webhook that takes callbacks to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from gateway.backends.rasa.chat import RasaChat
from gateway.backends.rasa.protocol import read_responses, recipient_of
from gateway.backends.rasa.settings import RasaBotSection
from gateway.events import CallInfo
from gateway.interfaces import BackendCapabilities, Problem
from gateway.kit.http import HttpClient, Sleep
from gateway.kit.jsonbody import parse_json
from gateway.kit.signature import equal
from gateway.routes import HttpReply, HttpRequest, Webhook


class RasaBackend:
    """One configured assistant."""

    Section = RasaBotSection

    def __init__(self, name: str, settings: RasaBotSection, http: HttpClient, *, sleep: Sleep = asyncio.sleep) -> None:
        self.name = name
        self.settings = settings
        self._http = http
        self._sleep = sleep
        self._chats: dict[str, RasaChat] = {}  # by the sender of their messages

    @property
    def capabilities(self) -> BackendCapabilities:
        settings = self.settings
        return BackendCapabilities(
            greets_first=bool(settings.start_message or settings.greeting),
            pushes=settings.channel == "callback",
            wants_no_input=settings.every_silence and bool(settings.no_input_message),
            transfer_feedback=bool(settings.transfer_failed_message),
        )

    @property
    def routes(self) -> Sequence[Webhook]:
        """Where the callback channel posts, with its token in the path, the query or a header."""
        if self.settings.channel != "callback":
            return ()
        path = f"/in/rasa/{self.name}"
        return tuple(Webhook(path=at, methods=("POST",), handle=self._called) for at in (path, f"{path}/{{token}}"))

    def open_chat(self, call: CallInfo, claim: Callable[[str], None]) -> AbstractAsyncContextManager[RasaChat]:
        return self._chat(call, claim)

    @asynccontextmanager
    async def _chat(self, call: CallInfo, claim: Callable[[str], None]) -> AsyncIterator[RasaChat]:
        chat = self._chats[call.call_id] = RasaChat(self.name, self.settings, self._http, call, self._sleep)
        claim(call.call_id)
        try:
            yield chat
        finally:
            del self._chats[call.call_id]
            chat.close()

    async def check(self) -> list[Problem]:
        is_open = self.settings.url.startswith("http://")
        if not is_open or (self.settings.token is None and self.settings.bearer is None):
            return []
        return [Problem(severity="warning", text="is not encrypted, and the token can be read on the way", field="url")]

    async def _called(self, request: HttpRequest) -> HttpReply:
        """One response of the callback channel. Rasa reads an answer that says JSON as JSON, and never sends again.

        Raises:
            JsonRefused, RemoteProtocolError: It is no JSON, or more than the call can take. The port answers with 400.
        """
        if not self._is_ours(request):
            return _refusal(401, "the token is missing or wrong")
        value = parse_json(request.body)
        sender = recipient_of(value)
        if not sender:
            return _refusal(400, "there is no recipient_id")
        chat = self._chats.get(sender)
        if chat is None:
            return HttpReply(status=404, body=b'{"error":"there is no such call"}', unknown_call=sender)
        chat.take(read_responses(value))
        return HttpReply(body=b"{}")

    def _is_ours(self, request: HttpRequest) -> bool:
        assert self.settings.callback_token is not None
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        given = (request.path_params.get("token", ""), request.query.get("token", ""), bearer)
        matches = [equal(self.settings.callback_token.get_secret_value(), secret) for secret in given]
        return any(matches)


def _refusal(status: int, reason: str) -> HttpReply:
    return HttpReply(status=status, body=f'{{"error":"{reason}"}}'.encode())
