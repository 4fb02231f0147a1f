"""A `twilio` line: its media socket, its voice webhook, and who calls whom."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import structlog

from gateway.errors import Unwelcome
from gateway.events import CallInfo
from gateway.interfaces import HttpReply, HttpRequest, SocketRoute, Webhook
from gateway.kit.onetime import OneTimeTokens
from gateway.transports.auth import authenticator
from gateway.transports.door import Offer, SocketDoor
from gateway.transports.sockets import LineContext, MediaSocket, Upgrade
from gateway.transports.twilio import webhook
from gateway.transports.twilio.leg import TwilioLeg
from gateway.transports.twilio.protocol import StreamStarted, StreamStopped, TwilioProtocol
from gateway.transports.twilio.settings import TwilioLine

VOICE = "/voice"
MAX_FORM_BYTES = 64 * 1024

log = structlog.get_logger(__name__)


class TwilioTransport:
    """One configured line of Twilio Media Streams."""

    Section = TwilioLine

    def __init__(self, name: str, settings: TwilioLine, context: LineContext) -> None:
        assert settings.auth is not None  # the settings see to it
        self._name = name
        self._settings = settings
        self._context = context
        self._is_open = settings.auth.none
        secret = settings.auth.twilio_signature
        self._auth_token = secret.get_secret_value() if secret else None
        key = self._auth_token.encode() if self._auth_token else secrets.token_bytes(32)
        self._tokens = OneTimeTokens(key, lambda: context.clock.wall().timestamp())
        self._door = SocketDoor(
            line=name,
            authenticate=authenticator(settings.auth, settings.path, context),
            begin=self._begin,
            start_timeout=settings.start_timeout,
        )
        self.routes: Sequence[Webhook | SocketRoute] = (
            SocketRoute(path=settings.path, app=self._door),
            Webhook(path=settings.path + VOICE, methods=("POST",), handle=self._voice, max_bytes=MAX_FORM_BYTES),
        )

    async def serve(self, offer: Offer) -> None:
        await self._door.serve(offer)

    async def _begin(self, socket: MediaSocket, upgrade: Upgrade) -> TwilioLeg:
        protocol = TwilioProtocol()
        while not isinstance(event := protocol.receive(await socket.receive()), StreamStarted):
            if isinstance(event, StreamStopped):
                raise Unwelcome("the stream ended before it began")
        return TwilioLeg(socket, protocol, self._call(event))

    def _call(self, started: StreamStarted) -> CallInfo:
        parameters = self._redeemed(started)
        caller, called, custom = self._settings.identity(parameters, self._context.country)
        call_id = self._context.new_id()
        log.info("stream started", line=self._name, call_id=call_id, call_sid=started.call_sid)
        return CallInfo(
            call_id=call_id,
            leg_id=started.stream_sid,
            line=self._name,
            caller=caller,
            called=called,
            display_name=parameters.get("CallerName", ""),
            custom=custom,
        )

    def _redeemed(self, started: StreamStarted) -> dict[str, str]:
        """The parameters without our token. A TwiML document that is not ours has none; an open line takes any."""
        token = started.parameters.get(webhook.TOKEN)
        is_ours = token is not None and self._tokens.redeem(token, started.call_sid)
        if token is not None and not is_ours and not self._is_open:
            raise Unwelcome("the stream's token is not ours, expired or used", hint="token refused")
        return {name: value for name, value in started.parameters.items() if not (is_ours and name == webhook.TOKEN)}

    async def _voice(self, request: HttpRequest) -> HttpReply:
        url = webhook.as_signed(request, self._settings.path + VOICE, self._context)
        form = webhook.read_form(request)
        if form is None:
            return _refused(400, "a form is expected")
        if self._auth_token is not None and not webhook.is_signed(request, form, self._auth_token, url):
            log.warning("voice webhook refused", line=self._name, peer=request.peer, reason="signature")
            return _refused(403, "the signature does not fit")
        fields = dict(form)
        token = self._tokens.issue(fields.get("CallSid", ""))
        return webhook.connect_stream(webhook.stream_url(url, VOICE), fields, token)


def _refused(status: int, reason: str) -> HttpReply:
    return HttpReply(status=status, body=f"{reason}\n".encode(), content_type="text/plain; charset=utf-8")
