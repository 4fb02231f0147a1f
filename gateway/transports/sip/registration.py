"""One registration at one registrar, kept alive: REGISTER (RFC 3261 section 10.2, RFC 5626, RFC 7118)."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from gateway.transports.sip.asking import Asked, Credentials
from gateway.transports.sip.binding import Binding, granted_expiry
from gateway.transports.sip.context import Context
from gateway.transports.sip.dialog import MAX_HOPS
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.grammar import quote
from gateway.transports.sip.message import Headers, NameAddress, SipRequest, SipResponse, SipUri
from gateway.transports.sip.retrying import Backoff, retry_after
from gateway.transports.sip.standing import Standing
from gateway.transports.sip.timers import Timer
from gateway.transports.sip.ua_events import Registered, RegistrationFailed, Unregistered
from gateway.transports.sip.wire import Failure

MAX_EXPIRES = 7200.0
"""A registrar that demands longer intervals is not believed."""
SHORTEST_REFRESH = 1.0
REFRESH_FROM, REFRESH_TO = 0.5, 0.8
"""A binding is refreshed after this part of its time; where in between is chance."""
PASSING = frozenset({408, 423, 429, 480, 486, 491})
"""Refusals that may not be there the next time; so may all 5xx, and timeouts. The others stay until somebody has set
them right, at the PBX or here."""
REFUSED_SPREAD = (1.0, 1.25)
"""Chance makes the pauses after such a refusal longer, never shorter: whoever counts wrong passwords, as fail2ban does,
five in ten minutes, counts four at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationSettings:
    """Who registers where.

    Attributes:
        name: Of the registration, unique in its line.
        registrar: The Request-URI, such as ``sip:pbx.example.com``.
        aor: The address of record, in From and To.
        user: Of the Contact.
        contact_transport: What the Contact says as ``transport``; see `flow.Flow.contact`.
        expires: Seconds to ask for.
        instance: What stays the same for ever, a URN such as ``urn:uuid:6f1e...``; empty for none.
        number: ``reg-id``: counts the registrations of one address of record from 1.
        first_pause: Seconds before the second attempt, if the first one fails; doubled each time.
        longest_pause: The most that this grows to.
        first_refused_pause: The same after a refusal that does not pass of itself, such as that of a wrong password.
        longest_refused_pause: The most that this grows to.
    """

    name: str
    registrar: SipUri
    aor: SipUri
    user: str
    contact_transport: str | None = None
    expires: float = 300.0
    instance: str = ""
    number: int = 1
    first_pause: float = 1.0
    longest_pause: float = 60.0
    first_refused_pause: float = 60.0
    longest_refused_pause: float = 900.0


class RegistrationState(enum.Enum):
    """How far a registration is."""

    IDLE = "nothing was asked, or there is no connection"
    ASKING = "a REGISTER is out"
    REGISTERED = "calls reach us"
    WAITING = "it did not work, and will be tried again"
    REFUSED = "it was refused, and will be tried again seldom"
    LEAVING = "the REGISTER that takes the binding back is out"


class Registration:
    """See the module.

    Args:
        moved: Called when a registration is up on a new flow, with the flow before: the calls move with it.
    """

    def __init__(
        self,
        context: Context,
        settings: RegistrationSettings,
        credentials: Credentials | None,
        moved: Callable[[Flow, Flow, float], None],
    ) -> None:
        self.settings = settings
        self.credentials = credentials
        self.state = RegistrationState.IDLE
        self.flow: Flow | None = None
        self.service_route: tuple[str, ...] = ()
        self.standing = Standing()
        self._context = context
        self._moved = moved
        self._before: Flow | None = None  # the flow of the last success
        self._attempt = 0
        self._timer: Timer | None = None
        self._number = 0
        self._call_id = self._tag = ""
        self._expires = settings.expires
        self._is_announced = False
        self._backoff = Backoff(context.chance, settings.first_pause, settings.longest_pause)
        self._slow_backoff = Backoff(
            context.chance, settings.first_refused_pause, settings.longest_refused_pause, spread=REFUSED_SPREAD
        )
        self._not_before = 0.0  # after a refusal, whatever becomes of the connection

    # --- commands --------------------------------------------------------------------------------------------------
    def begin(self, flow: Flow, now: float) -> None:
        """Register on a flow, from now on; also instead of another one. After a refusal not before its pause is over,
        lest a connection that breaks again and again tries a wrong password each time."""
        self._stop()
        if flow != self.flow:
            self.flow, self._is_announced = flow, False
            self._call_id, self._tag, self._number = self._context.tokens(), self._context.tokens(), 0
        if now < self._not_before:
            self._wait_until(self._not_before)
        else:
            self._register(now)

    def end(self, now: float) -> None:
        """Take the binding back; `Unregistered` follows in any case."""
        self._stop()
        was_there = self.state in (RegistrationState.REGISTERED, RegistrationState.ASKING)
        if self.flow is None or not was_there:
            self._left(now)
            return
        self.state = RegistrationState.LEAVING
        self._ask(0.0, now)

    def flow_closed(self, flow: Flow, now: float) -> None:
        """The connection broke: whoever makes it anew says `begin` again."""
        if flow != self.flow:
            return
        self._stop()
        self.flow = None
        if self.state is RegistrationState.LEAVING:
            self._left(now)
        elif self.standing.outlook == "refused":
            if self.state is RegistrationState.ASKING:  # its way of refusing, perhaps
                self._not_before = now + self._slow_backoff.pause()
            self.state = RegistrationState.REFUSED
            self.standing = self.standing.asked_again(None)
        elif self.state is not RegistrationState.IDLE:
            self._failed(None, "the connection is gone", None, now)

    # --- asking ----------------------------------------------------------------------------------------------------
    def _register(self, now: float) -> None:
        self.state = RegistrationState.ASKING
        self.standing = self.standing.asked_again(None)
        self._ask(self._expires, now)

    def _ask(self, expires: float, now: float) -> None:
        assert self.flow is not None
        request = self._request(self.flow, int(expires))
        self._context.say_who(request, "User-Agent")
        self._attempt += 1
        attempt = self._attempt

        def received(answer: SipResponse | Failure, now: float) -> None:
            if attempt == self._attempt and (isinstance(answer, Failure) or answer.status >= 200):
                self._heard(answer, now)

        Asked(self._context.transactions, self.credentials, self._next_number, received).begin(request, self.flow, now)

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _request(self, flow: Flow, expires: int) -> SipRequest:
        settings = self.settings
        address = NameAddress("", settings.aor)
        headers = Headers(
            [
                ("Max-Forwards", MAX_HOPS),
                ("From", str(address.with_param("tag", self._tag))),
                ("To", str(address)),
                ("Call-ID", self._call_id),
                ("CSeq", f"{self._next_number()} REGISTER"),
                ("Contact", str(self._contact(flow, expires))),
                ("Expires", str(expires)),
                ("Supported", "path, outbound" if self._has_outbound(flow) else "path"),
            ]
        )
        return SipRequest("REGISTER", settings.registrar, headers)

    def _contact(self, flow: Flow, expires: int) -> NameAddress:
        uri = flow.contact(self.settings.user, self.settings.contact_transport)
        if not self._has_outbound(flow):
            return NameAddress("", uri).with_param("expires", str(expires))
        contact = NameAddress("", uri.with_param("ob"))
        contact = contact.with_param("+sip.instance", quote(f"<{self.settings.instance}>"))
        return contact.with_param("reg-id", str(self.settings.number)).with_param("expires", str(expires))

    def _has_outbound(self, flow: Flow) -> bool:
        return bool(self.settings.instance) and self._context.settings.has_outbound and flow.reliable

    # --- answers ---------------------------------------------------------------------------------------------------
    def _heard(self, answer: SipResponse | Failure, now: float) -> None:
        if self.state is RegistrationState.LEAVING:
            self._left(now)
        elif isinstance(answer, Failure):
            self._again(None, answer.value, None, now)
        elif answer.status < 300:
            self._succeeded(answer, now)
        elif answer.status == 423 and self._lengthen(answer):
            self._register(now)
        elif answer.status in PASSING or 500 <= answer.status < 600:
            self._again(answer.status, answer.reason, retry_after(answer), now)
        else:
            self._refused(answer, now)

    def _lengthen(self, answer: SipResponse) -> bool:
        """Whether the interval that a 423 demands is one to try: a longer one, and not absurd."""
        wanted = answer.headers.get("Min-Expires") or ""
        if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 9):
            return False
        if not self._expires < int(wanted) <= MAX_EXPIRES:
            return False
        self._expires = float(wanted)
        return True

    def _succeeded(self, answer: SipResponse, now: float) -> None:
        assert self.flow is not None
        self.state = RegistrationState.REGISTERED
        self._backoff.reset()
        self._slow_backoff.reset()
        self._not_before = 0.0
        ours = Binding(self.flow.contact(self.settings.user), self.settings.instance, self.settings.number)
        granted = granted_expiry(answer, ours) or self._expires
        self.service_route = tuple(answer.headers.all("Service-Route"))
        share = REFRESH_FROM + (REFRESH_TO - REFRESH_FROM) * self._context.chance()
        self._timer = self._context.timers.start(now + max(granted * share, SHORTEST_REFRESH), self._register)
        self.standing = self.standing.become("registered", now, expires=now + granted)
        before, self._before = self._before, self.flow
        if before is not None and before != self.flow:
            self._moved(before, self.flow, now)
        if not self._is_announced:
            self._is_announced = True
            path = tuple(answer.headers.all("Path"))
            self._context.emit(
                Registered(
                    registration=self.settings.name,
                    flow=self.flow,
                    expires=granted,
                    path=path,
                    service_route=self.service_route,
                )
            )

    def _again(self, status: int | None, reason: str, wanted: float | None, now: float) -> None:
        """Later, in growing intervals, and not before the registrar wants it."""
        pause = max(self._backoff.pause(), wanted or 0.0)
        self._timer = self._context.timers.start(now + pause, self._register)
        self._failed(status, reason, pause, now)

    def _failed(self, status: int | None, reason: str, retry_in: float | None, now: float) -> None:
        self.state = RegistrationState.IDLE if retry_in is None else RegistrationState.WAITING
        self._is_announced = False
        name, at = self.settings.name, None if retry_in is None else now + retry_in
        self.standing = self.standing.become("trying", now, status=status, reason=reason, next_attempt=at)
        self._context.emit(RegistrationFailed(registration=name, status=status, reason=reason, retry_in=retry_in))

    def _refused(self, answer: SipResponse, now: float) -> None:
        """Whoever sets it right at the PBX need not restart us; until then it is asked seldom, and each time without
        credentials first, so that a wrong password is tried once and not twice."""
        if self.credentials is not None:
            self.credentials.forget()
        pause = max(self._slow_backoff.pause(), retry_after(answer) or 0.0)
        self._not_before = now + pause
        self._is_announced = False
        self.standing = self.standing.become("refused", now, status=answer.status, reason=answer.reason)
        self._wait_until(self._not_before)
        self._context.emit(
            RegistrationFailed(
                registration=self.settings.name,
                status=answer.status,
                reason=answer.reason,
                retry_in=pause,
                is_refusal=True,
            )
        )

    def _wait_until(self, at: float) -> None:
        self.state = RegistrationState.REFUSED
        self._timer = self._context.timers.start(at, self._register)
        self.standing = self.standing.asked_again(at)

    def _left(self, now: float) -> None:
        """Calls that are up on the flow go on, and we are who we were in them."""
        self.state = RegistrationState.IDLE
        self._is_announced = False
        self.standing = self.standing.become("left", now)
        self._context.emit(Unregistered(registration=self.settings.name))

    def _stop(self) -> None:
        """Whatever was under way does not count any more."""
        self._attempt += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
