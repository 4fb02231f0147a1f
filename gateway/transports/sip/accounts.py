"""The accounts at which one line registers: their doors, what the log says of them, and how each of them stands."""

from __future__ import annotations

import asyncio
import datetime
import platform
import random
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from gateway.clock import Clock
from gateway.interfaces import RegistrationStatus
from gateway.transports.sip.digest import DigestClient
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.registration import RegistrationSettings
from gateway.transports.sip.settings import RegistrationSection
from gateway.transports.sip.standing import Standing
from gateway.transports.sip.ua_events import Registered, RegistrationEvent, RegistrationFailed, Unregistered
from gateway.transports.sip.uri import SipUri, parse_uri
from gateway.transports.sip.ws_client import ClientDoor

NO_CONNECTION = "there is no connection to the registrar yet"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Account:
    """One of them.

    Attributes:
        told: The trouble that the log has had, status and reason, until it is over.
        trouble_since: When it began.
    """

    section: RegistrationSection
    door: ClientDoor
    told: tuple[int | None, str] | None = None
    trouble_since: float = 0.0


class Accounts:
    """Of one line, by the names that the core knows them by.

    Args:
        line: The line's name, for the log.
        tokens: Makes host names and the ids of flows.
        on_up: Gets an account's name and each new flow to its registrar, to register on it.
    """

    def __init__(
        self,
        registrations: Sequence[RegistrationSection],
        *,
        line: str,
        clock: Clock,
        tokens: Callable[[], str],
        on_up: Callable[[str, Flow], None],
    ) -> None:
        self._clock = clock
        self._log = log.bind(line=line)
        self._accounts: dict[str, _Account] = {}
        self._behind: dict[object, RegistrationSection] = {}
        self._registered: set[str] = set()
        self._has_left = asyncio.Event()
        for section in registrations:
            name = _name(section)
            door = ClientDoor(
                section,
                tokens=tokens,
                clock=clock,
                on_up=lambda flow, name=name: on_up(name, flow),  # type: ignore[misc]  # mypy cannot infer it
                random=random.random,
                line=line,
            )
            self._accounts[name] = _Account(section, door)
            self._behind[door] = section

    @property
    def doors(self) -> list[ClientDoor]:
        return [account.door for account in self._accounts.values()]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._accounts)

    def behind(self, door: object) -> RegistrationSection | None:
        """The account whose door it is; only a connection that we opened has one."""
        return self._behind.get(door)

    async def left(self, within: float) -> None:
        """Wait until no registrar sends us calls any more."""
        if self._registered:
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._has_left.wait()
            if self._registered:
                self._log.info("registrars did not answer our leave in time")

    # --- what becomes of them --------------------------------------------------------------------------------------
    def take(self, event: RegistrationEvent) -> None:
        """Take in what the core says. The log has each trouble once, and again only when it is another one."""
        account = self._accounts[event.registration]
        match event:
            case Registered():
                self._registered.add(event.registration)
                self._has_left.clear()
                self._is_well(account, event)
            case RegistrationFailed():
                self._registered.discard(event.registration)
                self._is_in_trouble(account, event)
            case Unregistered():
                self._registered.discard(event.registration)
                if not self._registered:
                    self._has_left.set()

    def _is_well(self, account: _Account, event: Registered) -> None:
        again = {} if account.told is None else {"after": round(self._clock.now() - account.trouble_since, 1)}
        self._log.info("registered", account=_shown(account.section), expires=event.expires, **again)
        account.told = None

    def _is_in_trouble(self, account: _Account, event: RegistrationFailed) -> None:
        trouble = event.status, event.reason
        if account.told == trouble:
            return
        if account.told is None:
            account.trouble_since = self._clock.now()
        account.told = trouble
        what, more = "not registered", {}
        if event.is_refusal:
            what, more = "registration refused", {"why": what_to_do(event.status, account.section)}
        self._log.warning(
            what,
            account=_shown(account.section),
            status=event.status,
            reason=event.reason,
            **more,
            retry_in=event.retry_in,
        )

    # --- how they stand --------------------------------------------------------------------------------------------
    def status(self, standing: Callable[[str], Standing]) -> list[RegistrationStatus]:
        """Of each account, as the settings have them.

        Args:
            standing: Given a name, what the core says.
        """
        now, wall = self._clock.now(), self._clock.wall()
        return [self._status_of(account, standing(name), now, wall) for name, account in self._accounts.items()]

    def _status_of(
        self, account: _Account, standing: Standing, now: float, wall: datetime.datetime
    ) -> RegistrationStatus:
        section, trouble = account.section, account.door.trouble
        reason, next_attempt = standing.reason, standing.next_attempt
        if standing.outlook == "trying" and trouble is not None:
            reason, next_attempt = trouble
        elif standing.outlook == "trying" and standing.since is None:
            reason = NO_CONNECTION
        return RegistrationStatus(
            account=section.aor,
            registrar=section.place,
            state=standing.outlook,
            since=None if standing.since is None else wall - datetime.timedelta(seconds=now - standing.since),
            status=standing.status,
            reason=reason,
            advice=what_to_do(standing.status, section) if standing.outlook == "refused" else "",
            next_attempt_in=None if next_attempt is None else max(0.0, next_attempt - now),
            expires_in=None if standing.expires is None else max(0.0, standing.expires - now),
        )


def core_registrations(
    registrations: Sequence[RegistrationSection], *, line: str, tokens: Callable[[], str]
) -> list[tuple[RegistrationSettings, DigestClient | None]]:
    """What the core is told of the accounts; they are counted from 1."""
    return [_for_core(section, line, number, tokens) for number, section in enumerate(registrations, 1)]


def _for_core(
    section: RegistrationSection, line: str, number: int, tokens: Callable[[], str]
) -> tuple[RegistrationSettings, DigestClient | None]:
    aor, name = parse_uri(section.aor), _name(section)
    assert isinstance(aor, SipUri), "the settings see to it"
    instance = uuid.uuid5(uuid.NAMESPACE_URL, f"{platform.node()}/{line}/{name}")
    settings = RegistrationSettings(
        name=name,
        registrar=SipUri("sip", "", None, aor.host, None),
        aor=aor,
        user=section.account,
        contact_transport=section.contact_transport,
        expires=section.expires,
        instance=instance.urn,
        number=number,
    )
    if section.password is None:
        return settings, None
    return settings, DigestClient(section.username or section.account, section.password.get_secret_value(), tokens)


def _name(section: RegistrationSection) -> str:
    return f"{section.aor} at {section.registrar}"


def _shown(section: RegistrationSection) -> str:
    """For the log: an address may hold a password."""
    return f"{section.aor} at {section.place}"


def what_to_do(status: int | None, section: RegistrationSection) -> str:
    """A sentence for the operator of an account that was refused."""
    match status:
        case 401 | 407 if section.password is None:
            return "the PBX wants a password, and the account has no `password`"
        case 401 | 407:
            return (
                "the PBX does not take user name and password: compare `password`, and set `username` where it is not "
                "the user part of `aor`"
            )
        case 403:
            return (
                "the account may not register: it is blocked, its password is wrong, or the PBX does not like our "
                "address; its log says which"
            )
        case 404:
            return "the PBX does not know the account: look at `aor`, also at the part behind the @"
        case 405:
            return "what answers takes no registrations: look at `registrar` and at the part of `aor` behind the @"
        case int() if 300 <= status < 400:
            return "the PBX has moved: look at `registrar`"
        case _:
            return "the PBX refuses the registration; its log says why"
