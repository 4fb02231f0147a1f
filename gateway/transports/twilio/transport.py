"""A `twilio` line: its media socket, its voice webhook, and who calls whom."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

import structlog

from gateway.errors import ConfigError, Unwelcome
from gateway.events import CallInfo
from gateway.kit.onetime import OneTimeTokens
from gateway.routes import HttpReply, HttpRequest, SocketRoute, Webhook
from gateway.transports.absence import Absences
from gateway.transports.auth import authenticator
from gateway.transports.door import Offer, Rejoined, SocketDoor
from gateway.transports.sockets import LineContext, MediaSocket, Refusal, Upgrade
from gateway.transports.twilio import webhook
from gateway.transports.twilio.leg import TwilioLeg
from gateway.transports.twilio.protocol import StreamStarted, StreamStopped, TwilioProtocol
from gateway.transports.twilio.settings import TwilioLine
from gateway.transports.twilio.transfer import ANSWERED, CALL, STATUS, TALKED, TRANSFERRED, StreamReturn, WayOut

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
        self._absences: Absences[StreamReturn] = Absences()
        self._is_open = settings.auth.none
        secret = settings.auth.twilio_signature
        self._auth_token = secret.get_secret_value() if secret else None
        key = self._auth_token.encode() if self._auth_token else secrets.token_bytes(32)
        self._tokens = OneTimeTokens(key, lambda: context.clock.wall().timestamp())
        self._authenticate = authenticator(settings.auth, settings.path, context)
        self._door = SocketDoor(
            line=name,
            authenticate=self._authenticate,
            begin=self._begin,
            start_timeout=settings.start_timeout,
        )
        if settings.rest is not None and context.public_url is None:
            raise ConfigError(
                "needs `server.public_url`, where Twilio tells how a transfer goes", field=f"lines.{name}.rest"
            )
        assert settings.rest is None or context.http is not None
        self.routes: Sequence[Webhook | SocketRoute] = (
            SocketRoute(path=settings.path, app=self._door),
            self._webhook(VOICE, self._voice),
            self._webhook(ANSWERED, self._answered),
            self._webhook(TRANSFERRED, self._transferred),
        )

    def _webhook(self, suffix: str, handle: Callable[[HttpRequest, str, dict[str, str]], HttpReply]) -> Webhook:
        """A webhook behind the line's path: a form, whose sender proves himself as on the media socket."""

        async def checked(request: HttpRequest) -> HttpReply:
            url = webhook.as_signed(request, self._settings.path + suffix, self._context)
            form = webhook.read_form(request)
            if form is None:
                return _refused(400, "a form is expected")
            refusal = self._refusal(request, form, url)
            if refusal is not None:
                log.warning(
                    "webhook refused", line=self._name, webhook=suffix, peer=request.peer, reason=refusal.reason
                )
                return _refused(refusal.status, refusal.reason, refusal.challenge)
            return handle(request, url, dict(form))

        path = self._settings.path + suffix
        return Webhook(path=path, methods=("POST",), handle=checked, max_bytes=MAX_FORM_BYTES)

    def _refusal(self, request: HttpRequest, form: list[tuple[str, str]], url: str) -> Refusal | None:
        """Why a webhook's sender is not believed. A signature covers the form; user name or token are as everywhere."""
        if self._auth_token is None:
            return self._authenticate(webhook.as_upgrade(request))
        is_signed = webhook.is_signed(request, form, self._auth_token, url)
        return None if is_signed else Refusal(403, "the signature does not fit")

    async def serve(self, offer: Offer) -> None:
        await self._door.serve(offer)

    async def _begin(self, socket: MediaSocket, upgrade: Upgrade) -> TwilioLeg | Rejoined:
        protocol = TwilioProtocol()
        while not isinstance(event := protocol.receive(await socket.receive()), StreamStarted):
            if isinstance(event, StreamStopped):
                raise Unwelcome("the stream ended before it began")
        parameters = self._redeemed(event)
        if parameters.get(CALL):
            status = parameters.get(STATUS, "")
            back = StreamReturn(call_id=parameters[CALL], socket=socket, protocol=protocol, status=status)
            rejoined = self._absences.rejoin(back)
            log.info("caller came back", line=self._name, call_id=back.call_id, status=status[:40])
            return rejoined
        info = self._call(event, parameters)
        return TwilioLeg(socket, protocol, info, self._way_out(event))

    def _way_out(self, started: StreamStarted) -> WayOut | None:
        """How this call's caller can be sent elsewhere, if he can."""
        rest, url, http = self._settings.rest, self._context.public_url, self._context.http
        if rest is None or url is None or http is None:
            return None
        return WayOut(
            line=self._name,
            http=http,
            rest=rest,
            absences=self._absences,
            webhooks=self._with_login(url) + self._settings.path,
            account_sid=started.account_sid,
            call_sid=started.call_sid,
            auth_token=self._auth_token,
        )

    def _with_login(self, url: str) -> str:
        """Our address for Twilio to ask about a transfer: on a `basic` line it has to log in there, too."""
        assert self._settings.auth is not None
        basic = self._settings.auth.basic
        if basic is None:
            return url
        scheme, _, rest = url.partition("://")
        login = f"{quote(basic.username, safe='')}:{quote(basic.password.get_secret_value(), safe='')}"
        return f"{scheme}://{login}@{rest}"

    def _call(self, started: StreamStarted, parameters: Mapping[str, str]) -> CallInfo:
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

    def _voice(self, request: HttpRequest, url: str, form: dict[str, str]) -> HttpReply:
        token = self._tokens.issue(form.get("CallSid", ""))
        return webhook.connect_stream(webhook.stream_url(url, VOICE), form, {webhook.TOKEN: token})

    def _answered(self, request: HttpRequest, url: str, form: dict[str, str]) -> HttpReply:
        """Somebody talks with a caller whom we sent there."""
        absence = self._absences.find(request.query.get("call", ""))
        if absence is not None:
            absence.arrive()
        return HttpReply(status=204)

    def _transferred(self, request: HttpRequest, url: str, form: dict[str, str]) -> HttpReply:
        """The dialling is over: back to the bot, unless they have talked or the caller has gone."""
        call_id, status = request.query.get("call", ""), form.get("DialCallStatus", "")
        absence = self._absences.find(call_id)
        if status in TALKED or form.get("CallStatus") == "completed":
            if absence is not None:
                absence.arrive() if status in TALKED else absence.give_up()
            return webhook.twiml("")
        parameters = {webhook.TOKEN: self._tokens.issue(form.get("CallSid", ""))}
        if absence is not None:  # else the gateway was started anew meanwhile, and he is a caller like any other
            parameters |= {CALL: call_id, STATUS: status}
        return webhook.connect_stream(webhook.stream_url(url, TRANSFERRED), form, parameters)


def _refused(status: int, reason: str, challenge: str = "") -> HttpReply:
    headers = {"www-authenticate": challenge} if challenge else {}
    return HttpReply(
        status=status, body=f"{reason}\n".encode(), content_type="text/plain; charset=utf-8", headers=headers
    )
