"""A `sip` line: its doors, its core, and the calls that come by them."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog

from gateway.events import CallInfo, LegEvent
from gateway.interfaces import HangupReason, Leg, RegistrationStatus
from gateway.routes import SocketRoute, Webhook
from gateway.transports.auth import authenticator
from gateway.transports.media import warming
from gateway.transports.media.call_media import CallMedia, MediaSettings
from gateway.transports.media.ports import MediaOptions, PortRange
from gateway.transports.media.sdp import SdpError
from gateway.transports.media.ticker import Ticker
from gateway.transports.sip.accounts import Accounts, core_registrations
from gateway.transports.sip.call_data import read_call_data
from gateway.transports.sip.context import UserAgentSettings
from gateway.transports.sip.digest import DigestServer
from gateway.transports.sip.flow import CallKey, Flow
from gateway.transports.sip.leg import Offered, SipLeg
from gateway.transports.sip.listening import is_known, is_overheard, trunk_doors
from gateway.transports.sip.message import SipRequest, SipResponse
from gateway.transports.sip.seldom import Seldom
from gateway.transports.sip.settings import Listening, RegistrationSection, SipLine
from gateway.transports.sip.signalling import Door, Flushes, Signalling
from gateway.transports.sip.timers import Timing
from gateway.transports.sip.transfers import Origin, Transfers, shown_as
from gateway.transports.sip.trunks import TrunkDoor
from gateway.transports.sip.ua_events import (
    CallEvent,
    Invited,
    Registered,
    RegistrationFailed,
    Unregistered,
    UserAgentEvent,
)
from gateway.transports.sip.uri import SipUri, parse_uri
from gateway.transports.sip.user_agent import UserAgent
from gateway.transports.sip.ws_server import ServerDoor
from gateway.transports.sockets import LineContext

LEAVE_WITHIN = 2.0
"""Seconds for registrars to hear that we are leaving."""
LAST_WORDS_WITHIN = 0.5
"""Seconds for what we say last, such as BYE, to leave by WebSockets whose peers are slow to take it."""
SHOWN_HEADERS = ("From", "To", "P-Asserted-Identity", "P-Called-Party-ID", "Diversion", "History-Info", "User-Agent")
_CAUSES: dict[str, str] = {"failure": "Q.850;cause=41", "draining": "Q.850;cause=38", "unauthorized": "Q.850;cause=21"}
"""Reason headers of our BYE (RFC 3326); all others are a normal end."""

log = structlog.get_logger(__name__)


class SipTransport:
    """One configured line."""

    Section = SipLine

    def __init__(self, name: str, settings: SipLine, context: LineContext) -> None:
        self._name = name
        self._settings = settings
        self._context = context
        self._log = log.bind(line=name)
        self._guard = _guard(settings)
        self._wrong_credentials, self._overheard_keys = Seldom(context.clock), Seldom(context.clock)
        self._agent = UserAgent(
            UserAgentSettings(
                takes_registers=settings.path is not None,
                timing=Timing(flow_grace=settings.reconnect_grace),
            ),
            tokens=_token,
            chance=random.random,
            welcome=self._welcome,
            registrations=core_registrations(settings.registrations, line=name, tokens=_token),
        )
        self._signalling = Signalling(self._agent, context.clock, self._take)
        self._accounts = Accounts(
            settings.registrations, line=name, clock=context.clock, tokens=_token, on_up=self._register
        )
        server = self._server()
        listeners = trunk_doors(settings, line=name, tokens=_token, clock=context.clock)
        self._doors: list[Door] = [*self._accounts.doors, *([server] if server else []), *listeners]
        self.routes: Sequence[Webhook | SocketRoute] = list(server.routes) if server else []
        self._ticker = Ticker(context.clock)
        self._media = MediaSettings(
            options=MediaOptions(
                ports=PortRange(*settings.rtp.ports),
                addresses=(settings.rtp.host,) if settings.rtp.host else (),
                announce=settings.rtp.announce,
            ),
            codecs=settings.codecs,
            ticker=self._ticker,
            clock=context.clock,
            latching=settings.rtp.latching,
            silence_limit=settings.rtp.silence_limit,
            hold_limit=settings.rtp.hold_limit,
            hears_tones=settings.inband_digits,
            security=("sdes", "dtls") if settings.rtp.encryption == "required" else ("none", "sdes", "dtls"),
        )
        self._legs: dict[CallKey, SipLeg] = {}
        self._transfers = Transfers(self._agent, self._media, context.clock, self._signalling.pump)
        self._calls: asyncio.TaskGroup | None = None
        self._offer: Callable[[Leg], Awaitable[None]] | None = None

    # --- serving ---------------------------------------------------------------------------------------------------
    async def serve(self, offer: Callable[[Leg], Awaitable[None]]) -> None:
        async with asyncio.TaskGroup() as group:
            self._calls, self._offer = group, offer
            try:
                group.create_task(warming.load(self._needed_late()), name="load media")
                group.create_task(self._signalling.run(), name="sip timers")
                for door in self._doors:
                    group.create_task(door.run(self._signalling), name="sip door")
                await asyncio.get_running_loop().create_future()
            finally:
                self._offer = None
                await self._leave()

    def _needed_late(self) -> tuple[str, ...]:
        """Browsers, and PBXs that want TLS, call by WebRTC; others may, and their first call loads it."""
        settings = self._settings
        expects = settings.path is not None or any(it.registrar.startswith("wss:") for it in settings.registrations)
        return warming.needed(settings.codecs, expects_webrtc=expects)

    async def bound(self) -> list[Listening]:
        """The sockets of `listen`, once they are open."""
        return [await door.bound() for door in self._doors if isinstance(door, TrunkDoor)]

    def drain(self) -> None:
        """No new calls: registrars and peers that ask are told to send theirs elsewhere."""
        self._agent.is_available = False
        for account in self._accounts.names:
            self._agent.unregister(account, now=self._now())
        self._signalling.pump()

    async def _leave(self) -> None:
        """Say goodbye to whoever is still there, while the doors are open."""
        hanging_up = [leg.hang_up("draining") for leg in tuple(self._legs.values())]
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_WITHIN):
                await asyncio.gather(*hanging_up)
        self.drain()
        await self._accounts.left(LEAVE_WITHIN)
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_WITHIN):
                await asyncio.gather(*(door.flush() for door in self._doors if isinstance(door, Flushes)))

    def registrations(self) -> list[RegistrationStatus]:
        return self._accounts.status(self._agent.standing)

    # --- doors -----------------------------------------------------------------------------------------------------
    def _register(self, account: str, flow: Flow) -> None:
        """There is a connection to a registrar; while we are about to stop, it is of use to calls that are up alone."""
        if not self._agent.is_available and not self._legs:
            return
        self._agent.register(account, flow, now=self._now())
        self._signalling.pump()

    def _server(self) -> ServerDoor | None:
        settings = self._settings
        if settings.path is None or settings.auth is None:
            return None
        check = None if settings.challenge else authenticator(settings.auth, settings.path, self._context)
        return ServerDoor(
            settings.path,
            check,
            line=self._name,
            tokens=_token,
            clock=self._context.clock,
            trusted_proxies=self._context.trusted_proxies,
        )

    # --- who may come in -------------------------------------------------------------------------------------------
    def _welcome(self, request: SipRequest, flow: Flow, now: float) -> SipResponse | None:
        """Registrars and listed addresses are known; the others prove who they are, where the line says so."""
        if self._guard is None or self._is_known(flow):
            return None
        peer = flow.peer_address[0]
        verdict = self._guard.check(request, now, peer=peer)
        if verdict.username is not None:
            return None
        is_wrong = "Authorization" in request.headers and not verdict.is_stale
        if is_wrong and (times := self._wrong_credentials.due(peer)):
            self._log.warning("credentials refused", peer=peer, times=times)
        return self._guard.refuse(request, verdict, now, peer=peer, to_tag=_token())

    def _is_known(self, flow: Flow) -> bool:
        return self._account_of(flow) is not None or is_known(self._settings, flow)

    def _account_of(self, flow: Flow) -> RegistrationSection | None:
        """The account at which a flow is registered; only a connection that we opened has one."""
        return self._accounts.behind(self._signalling.door_of(flow))

    # --- the core's events -----------------------------------------------------------------------------------------
    def _take(self, event: UserAgentEvent) -> None:
        match event:
            case Invited():
                self._invited(event)
            case Registered() | RegistrationFailed() | Unregistered():
                self._accounts.take(event)
            case CallEvent():
                (self._legs.get(event.call) or self._transfers).take(event)
            case _:
                pass

    def _invited(self, event: Invited) -> None:
        if self._calls is None or self._offer is None:
            self.reject(event.call, "draining")
            return
        info, domain = self._read(event)
        if event.replaces is not None:
            self._replace(event, event.replaces, self._origin(event.flow, domain, info), self._calls)
            return
        try:
            offered, media = Offered(call=event.call, sdp=event.sdp), self._media_maker(event.flow)
            leg = SipLeg(offered, info, self, self._transfers, media, self._context.clock)
        except SdpError as error:
            self._log.warning("call refused", reason=str(error), leg_id=info.leg_id, status=error.status)
            warning = [("Warning", '{} talkpath "{}"'.format(*error.warning))] if error.warning else []
            self._agent.reject(event.call, error.status or 488, headers=warning, now=self._now())
            self._signalling.pump()
            return
        self._legs[event.call] = leg
        self._transfers.add(event.call, self._origin(event.flow, domain, info))
        security = leg.media.security
        self._log.info(
            "call offered",
            call_id=info.call_id,
            leg_id=info.leg_id,
            transport=event.flow.transport,
            encryption=security,
        )
        if security == "sdes" and is_overheard(event.flow):
            peer = event.flow.peer_address[0]
            if times := self._overheard_keys.due(peer):
                self._log.warning("keys of encrypted audio came in the clear, by no TLS", peer=peer, times=times)
        self._calls.create_task(self._conduct(leg, event.call, self._offer), name="sip call")

    def _replace(self, event: Invited, replaces: CallKey, origin: Origin, calls: asyncio.TaskGroup) -> None:
        """Somebody takes the place of a caller of ours; in a call to the target of a transfer nobody does."""
        leg = self._legs.get(replaces)
        if leg is None:
            self.decline(event.call, 481)
            return
        self._legs[event.call] = leg
        self._transfers.add(event.call, origin)
        self._log.info("call takes over", call_id=leg.info.call_id, leg_id=event.request.call_id)
        calls.create_task(self._take_over(leg, event), name="sip call that takes over")

    async def _take_over(self, leg: SipLeg, event: Invited) -> None:
        try:
            await leg.take_over(Offered(call=event.call, sdp=event.sdp), self._media_maker(event.flow))
        except Exception:  # the edge of one call: the line's others go on
            self._log.exception("call could not take over", call_id=leg.info.call_id)
        finally:
            if leg.call != event.call or leg.is_closed:
                self._forget(event.call)

    async def _conduct(self, leg: SipLeg, call: CallKey, offer: Callable[[Leg], Awaitable[None]]) -> None:
        try:
            try:
                await offer(leg)
            finally:
                await leg.hang_up("normal")
        except Exception:  # the edge of one call: the line's others go on
            self._log.exception("call broken off", call_id=leg.info.call_id)
        finally:
            self._forget(call)
            self._forget(leg.call)

    def _forget(self, call: CallKey) -> None:
        self._legs.pop(call, None)
        self._transfers.remove(call)

    def _read(self, event: Invited) -> tuple[CallInfo, str]:
        """Who calls whom, and the PBX's domain."""
        request, settings = event.request, self._settings
        account = self._account_of(event.flow)
        is_trusted = settings.trust_identity and (account is not None or is_known(settings, event.flow))
        accounts = [section.account for section in settings.registrations]
        aor = account.aor if account is not None else ""
        data = read_call_data(request, is_trusted=is_trusted, accounts=accounts, account=aor)
        caller, called, custom = settings.identity(data.fields(), self._context.country)
        shown = {name: value for name in SHOWN_HEADERS if (value := request.headers.get(name))}
        if not is_trusted:
            shown.pop("P-Asserted-Identity", None)
        info = CallInfo(
            call_id=self._context.new_id(),
            leg_id=request.call_id,
            line=self._name,
            caller=caller,
            called=called,
            display_name=data.display_name,
            sip_headers=shown,
            custom=custom,
        )
        domain = parse_uri(account.aor) if account is not None else request.from_.uri
        return info, domain.host if isinstance(domain, SipUri) else event.flow.peer_address[0]

    def _origin(self, flow: Flow, domain: str, info: CallInfo) -> Origin:
        return Origin(
            domain=domain,
            address=flow.peer_address[0],
            display=shown_as(info.display_name, info.caller),
            can_consult=not isinstance(self._signalling.door_of(flow), ServerDoor),
        )

    def _media_maker(self, flow: Flow) -> Callable[[Callable[[LegEvent], None], Callable[[str], None]], CallMedia]:
        return lambda post, lost: CallMedia(self._media, post=post, lost=lost, toward=flow.peer_address[0])

    # --- what legs ask for -----------------------------------------------------------------------------------------
    def ring(self, call: CallKey, status: int, sdp: bytes | None) -> None:
        self._agent.ring(call, status, sdp, now=self._now())
        self._signalling.pump()

    def accept(self, call: CallKey, sdp: bytes) -> None:
        self._agent.accept(call, sdp, now=self._now())
        self._signalling.pump()

    def reject(self, call: CallKey, reason: HangupReason) -> None:
        status, headers = self._refusal(reason)
        self._agent.reject(call, status, headers=headers, now=self._now())
        self._signalling.pump()

    def decline(self, call: CallKey, status: int) -> None:
        self._agent.reject(call, status, now=self._now())
        self._signalling.pump()

    def replaced(self, before: CallKey, call: CallKey) -> None:
        self._forget(before)
        self.bye(before, "normal")

    def bye(self, call: CallKey, reason: HangupReason) -> None:
        self._agent.bye(call, _CAUSES.get(reason, "Q.850;cause=16"), now=self._now())
        self._signalling.pump()

    def answer_reoffer(self, call: CallKey, sdp: bytes) -> None:
        self._agent.answer_reoffer(call, sdp, now=self._now())
        self._signalling.pump()

    def refuse_reoffer(self, call: CallKey, status: int) -> None:
        self._agent.refuse_reoffer(call, status, now=self._now())
        self._signalling.pump()

    def _refusal(self, reason: HangupReason) -> tuple[int, list[tuple[str, str]]]:
        settings = self._settings
        match reason:
            case "unknown_number":
                return settings.refuse_unknown, []
            case "busy":
                return settings.refuse_busy, []
            case "full" | "draining":
                return 503, [("Retry-After", str(settings.retry_after))]
            case "unauthorized":
                return 403, []
            case "failure":
                return 500, []
            case _:
                return 480, []

    def _now(self) -> float:
        return self._context.clock.now()


def _token() -> str:
    return secrets.token_hex(12)


def _guard(settings: SipLine) -> DigestServer | None:
    auth = settings.challenge
    if auth is None or auth.digest is None:
        return None
    users = {name: password.get_secret_value() for name, password in auth.digest.users.items()}
    return DigestServer(auth.digest.realm, users, secrets.token_bytes(32))
