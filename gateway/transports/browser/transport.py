"""A `browser` line: pages send an offer and get an answer, as WHIP has it (RFC 9725), and the call is up.

A page's request has to show a token that was made for it (`tokens`). Ending the call is a request, too, with the same
token; a page that just vanishes is noticed by its media.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from math import ceil

import structlog

from config.numbers import normalise, normalise_caller
from gateway.events import CallInfo, LegEvent
from gateway.interfaces import HangupReason, Leg, PageInvitation
from gateway.kit.signature import equal
from gateway.routes import HttpReply, HttpRequest, SocketRoute, Webhook
from gateway.transports.browser.leg import BrowserLeg, Refused
from gateway.transports.browser.limits import AddressLimit, client_of
from gateway.transports.browser.settings import BrowserLine
from gateway.transports.browser.tokens import LASTS, Invitation, Invitations
from gateway.transports.media.call_media import CallMedia, MediaSettings
from gateway.transports.media.ports import MediaOptions, PortRange
from gateway.transports.media.sdp import SdpError
from gateway.transports.media.ticker import Ticker
from gateway.transports.sockets import LineContext

SDP_TYPE = "application/sdp"
MAX_SDP = 32 * 1024
"""Bytes; Chromium's offer for one audio stream has 2 to 4 kB, by the number of the machine's addresses."""
ANSWER_WITHIN = 20.0
"""Seconds from offer to answer: the gateway takes a call at once, or not at all."""
SILENCE_LIMIT = 20.0
"""Seconds without a packet after which the page is gone; a muted microphone sends silence."""
CHALLENGE = 'Bearer realm="talkpath call"'
_REFUSALS: dict[str, tuple[int, str]] = {
    "unknown_number": (404, "there is no entry for this number"),
    "busy": (409, "people answer this number now"),
    "full": (503, "all lines are busy"),
    "draining": (503, "the gateway is about to stop"),
    "unauthorized": (403, "this call is not allowed"),
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Session:
    """A call that is up, and whose page may end it: the token's digest, because the token is not kept."""

    leg: BrowserLeg
    seal: bytes


class BrowserTransport:
    """One configured line."""

    Section = BrowserLine

    def __init__(self, name: str, settings: BrowserLine, context: LineContext) -> None:
        self._name = name
        self._settings = settings
        self._context = context
        self._invitations = Invitations(lambda: context.clock.wall().timestamp())
        self._limit = AddressLimit(settings.calls_per_minute, context.clock.now)
        media = settings.media
        self._media = MediaSettings(
            options=MediaOptions(
                ports=PortRange(*media.ports),
                addresses=(media.host,) if media.host else (),
                announce=media.announce,
            ),
            codecs=settings.codecs,
            ticker=Ticker(context.clock),
            clock=context.clock,
            silence_limit=SILENCE_LIMIT,
            security=("dtls",),
        )
        self._sessions: dict[str, _Session] = {}
        self._calls: asyncio.TaskGroup | None = None
        self._offer: Callable[[Leg], Awaitable[None]] | None = None
        session = f"{settings.path}/{{session}}"
        self.routes: Sequence[Webhook | SocketRoute] = (
            Webhook(path=settings.path, methods=("POST", "OPTIONS"), handle=self._endpoint, max_bytes=MAX_SDP),
            Webhook(path=session, methods=("DELETE", "OPTIONS"), handle=self._ended, max_bytes=MAX_SDP),
        )

    # --- invitations -----------------------------------------------------------------------------------------------
    def invite(self, called: str, caller: str = "") -> PageInvitation:
        token = self._invitations.issue(Invitation(called, caller))
        return PageInvitation(token=token, path=self._settings.path, lasts=LASTS)

    # --- serving ---------------------------------------------------------------------------------------------------
    async def serve(self, offer: Callable[[Leg], Awaitable[None]]) -> None:
        async with asyncio.TaskGroup() as group:
            self._calls, self._offer = group, offer
            group.create_task(asyncio.to_thread(_load), name="load webrtc")
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self._offer = None

    async def _endpoint(self, request: HttpRequest) -> HttpReply:
        if request.method == "OPTIONS":
            return HttpReply(status=204, headers={"accept-post": SDP_TYPE, "allow": "POST, OPTIONS"})
        wait = self._limit.wait_for(client_of(request, self._context.trusted_proxies))
        if wait:
            return self._refusal(429, "too_many", "too many calls from this address", {"retry-after": f"{ceil(wait)}"})
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != SDP_TYPE:
            return self._refusal(415, "no_sdp", f"the body is {SDP_TYPE}", {"accept-post": SDP_TYPE})
        token = _bearer(request)
        invitation = self._invitations.redeem(token)
        if invitation is None:
            return self._refusal(
                401, "token", "the token is not ours, expired or used", {"www-authenticate": CHALLENGE}
            )
        return await self._call(request, invitation, token)

    async def _call(self, request: HttpRequest, invitation: Invitation, token: str) -> HttpReply:
        if self._calls is None or self._offer is None:
            return self._not_taken("draining")
        info = self._info(invitation)
        try:
            leg = BrowserLeg(info, self._media_maker(request.peer), request.body, self._context.clock)
        except SdpError as error:
            status = 400 if error.status == 400 else 406  # 488 has no other counterpart in HTTP
            return self._refusal(status, "sdp", str(error))
        log.info("call offered", line=self._name, call_id=info.call_id, leg_id=info.leg_id)
        self._sessions[info.leg_id] = _Session(leg, _seal(token))
        self._calls.create_task(self._conduct(leg, self._offer), name="browser call")
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                answer = await leg.description()
        except Refused as refused:
            return self._not_taken(refused.reason)
        except TimeoutError:
            leg.left("the call was not answered in time")
            return self._not_taken("failure")
        place = f"{self._settings.path.rpartition('/')[2]}/{info.leg_id}"  # as seen from the request's own address
        return HttpReply(status=201, body=answer, content_type=SDP_TYPE, headers={"location": place})

    async def _conduct(self, leg: BrowserLeg, offer: Callable[[Leg], Awaitable[None]]) -> None:
        try:
            try:
                await offer(leg)
            finally:
                await leg.hang_up("normal")
        except Exception:  # the edge of one call: the line's others go on
            log.exception("call broken off", line=self._name, call_id=leg.info.call_id)
        finally:
            self._sessions.pop(leg.info.leg_id, None)

    async def _ended(self, request: HttpRequest) -> HttpReply:
        if request.method == "OPTIONS":
            return HttpReply(status=204, headers={"allow": "DELETE, OPTIONS"})
        session = self._sessions.get(request.path_params.get("session", ""))
        if session is None:
            return self._refusal(404, "over", "there is no such call, or it is over")
        if not equal(session.seal, _seal(_bearer(request))):
            return self._refusal(401, "token", "the call has another token", {"www-authenticate": CHALLENGE})
        session.leg.left("hung up")
        return HttpReply(status=200, body=b"{}")

    # --- parts -----------------------------------------------------------------------------------------------------
    def _info(self, invitation: Invitation) -> CallInfo:
        country = self._settings.country or self._context.country
        return CallInfo(
            call_id=self._context.new_id(),
            leg_id=secrets.token_hex(12),
            line=self._name,
            caller=normalise_caller(invitation.caller, country),
            called=normalise(invitation.called, country),
        )

    def _media_maker(self, peer: str) -> Callable[[Callable[[LegEvent], None], Callable[[str], None]], CallMedia]:
        return lambda post, lost: CallMedia(self._media, post=post, lost=lost, toward=peer)

    def _not_taken(self, reason: HangupReason) -> HttpReply:
        status, sentence = _REFUSALS.get(reason, (500, "the call could not be taken; the log says why"))
        headers = {"retry-after": str(self._settings.retry_after)} if status == 503 else {}
        return self._refusal(status, reason, sentence, headers)

    def _refusal(self, status: int, reason: str, sentence: str, headers: Mapping[str, str] | None = None) -> HttpReply:
        log.warning("call refused", line=self._name, status=status, reason=reason)
        body = json.dumps({"error": sentence, "reason": reason}).encode()
        return HttpReply(status=status, body=body, headers=dict(headers or {}))


def _load() -> None:
    """Load what calls need before there is one: the first would hold up all that are up for a third of a second."""
    for module in ("gateway.transports.media.webrtc", "audio.codecs.wide"):
        import_module(module)


def _bearer(request: HttpRequest) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _seal(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
