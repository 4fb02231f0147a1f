"""What operators learn of the accounts at which a line registers: in the log, and when they ask."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import pytest
import structlog
from pydantic import ValidationError

from gateway.interfaces import REGISTRATION_STATES
from gateway.transports.sip.accounts import NO_CONNECTION, Accounts, core_registrations
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.settings import RegistrationSection, SipLine
from gateway.transports.sip.standing import Standing
from gateway.transports.sip.ua_events import Registered, RegistrationFailed, Unregistered
from tests.fakes.clock import ManualClock
from tests.fakes.sip_agent import WS, counting

BOT = RegistrationSection(registrar="ws://user:hidden@pbx.example.com/ws?key=hidden", aor="sip:bot@pbx", password="x")
OPEN = RegistrationSection(registrar="wss://other.example.com/ws", aor="sip:600@other")


class Watched:
    """The accounts of a line, time, and what the core would say."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.up: list[tuple[str, Flow]] = []
        self.accounts = Accounts(
            [BOT, OPEN],
            line="pbx",
            clock=self.clock,
            tokens=counting("t"),
            on_up=lambda name, flow: self.up.append((name, flow)),
        )
        core = core_registrations([BOT, OPEN], line="pbx", tokens=counting("c"))
        self.names = [settings.name for settings, _ in core]

    def registered(self, number: int = 0) -> None:
        self.accounts.take(Registered(registration=self.names[number], flow=WS, expires=300.0))

    def fails(self, status: int | None = 503, reason: str = "Busy", *, refused: bool = False, number: int = 0) -> None:
        name = self.names[number]
        self.accounts.take(
            RegistrationFailed(registration=name, status=status, reason=reason, retry_in=60.0, is_refusal=refused)
        )


def test_a_refusal_is_said_once_until_it_is_another_one_and_so_is_recovery() -> None:
    line = Watched()
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            line.fails(401, "Unauthorized", refused=True)
            line.clock.advance(900)
        line.fails(403, "Forbidden", refused=True)
        line.fails(403, "Forbidden", refused=True)
        line.clock.advance(60)
        line.registered()
        line.registered()
    said = [(entry["event"], entry.get("status"), entry.get("after")) for entry in logs]
    assert said == [
        ("registration refused", 401, None),
        ("registration refused", 403, None),
        ("registered", None, 5 * 900 + 60),
        ("registered", None, None),
    ]
    first = logs[0]
    assert first["log_level"] == "warning"
    assert "password" in first["why"]
    assert first["retry_in"] == 60.0
    assert first["account"] == "sip:bot@pbx at ws://pbx.example.com/ws"
    assert "hidden" not in str(logs)


def test_trouble_comes_back_to_the_log_after_success() -> None:
    line = Watched()
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            line.fails()
            line.fails()
            line.registered()
    assert [entry["event"] for entry in logs] == ["not registered", "registered"] * 2


def test_the_trouble_of_one_account_hides_no_others() -> None:
    line = Watched()
    with structlog.testing.capture_logs() as logs:
        line.fails(404, "Not Found", refused=True, number=0)
        line.fails(404, "Not Found", refused=True, number=1)
    assert len({entry["account"] for entry in logs}) == 2


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "compare `password`"),
        (407, "compare `password`"),
        (403, "blocked"),
        (404, "`aor`"),
        (405, "takes no registrations"),
        (302, "moved"),
        (603, "its log says why"),
    ],
)
def test_the_operator_reads_what_to_do(status: int, words: str) -> None:
    line = Watched()
    with structlog.testing.capture_logs() as logs:
        line.fails(status, "No", refused=True)
    assert words in logs[0]["why"]


def test_an_account_without_a_password_is_told_that_it_needs_one() -> None:
    line = Watched()
    with structlog.testing.capture_logs() as logs:
        line.fails(401, "Unauthorized", refused=True, number=1)
    assert "has no `password`" in logs[0]["why"]


def test_more_accounts_than_a_line_may_have_are_refused_with_a_sentence() -> None:
    accounts = [{"registrar": "ws://pbx/ws", "aor": f"sip:{number}@pbx"} for number in range(65)]
    assert len(SipLine.model_validate({"registrations": accounts[:64]}).registrations) == 64
    with pytest.raises(ValidationError, match="has 65 accounts, and a line has at most 64"):
        SipLine.model_validate({"registrations": accounts})


# --- how they stand ------------------------------------------------------------------------------------------------
def status_of(line: Watched, **standing: Any) -> Any:
    return line.accounts.status(lambda _: Standing(**standing))[0]


def test_before_anything_was_asked() -> None:
    status = status_of(Watched())
    assert (status.account, status.registrar) == ("sip:bot@pbx", "ws://pbx.example.com/ws")
    assert (status.state, status.since, status.reason) == ("trying", None, NO_CONNECTION)


def test_times_are_told_as_seen_from_now() -> None:
    line = Watched()
    line.clock.advance(1000)
    now = line.clock.now()
    refused = status_of(
        line, outlook="refused", since=now - 90, status=401, reason="Unauthorized", next_attempt=now + 30
    )
    assert refused.since == line.clock.wall() - datetime.timedelta(seconds=90)
    assert (refused.status, refused.reason, refused.next_attempt_in) == (401, "Unauthorized", 30)
    assert "password" in refused.advice
    up = status_of(line, outlook="registered", since=now, expires=now + 200)
    assert (up.state, up.expires_in, up.next_attempt_in, up.advice) == ("registered", 200, None, "")
    late = status_of(line, outlook="trying", since=now, next_attempt=now - 1)
    assert late.next_attempt_in == 0.0


def test_without_a_connection_it_is_the_doors_reason_that_counts() -> None:
    line = Watched()
    line.accounts.doors[0].trouble = "nothing listens on pbx.example.com:80", line.clock.now() + 4
    for standing in ({}, {"outlook": "trying", "since": 0.0, "reason": "the connection is gone"}):
        status = status_of(line, **standing)
        assert (status.reason, status.next_attempt_in) == ("nothing listens on pbx.example.com:80", 4)
    refused = status_of(line, outlook="refused", since=0.0, status=403, reason="Forbidden")
    assert refused.reason == "Forbidden"


def test_every_outlook_is_a_state_that_is_counted() -> None:
    line = Watched()
    assert {status_of(line, outlook=state, since=0.0).state for state in REGISTRATION_STATES} == {
        "registered",
        "trying",
        "refused",
        "left",
    }


# --- leaving -------------------------------------------------------------------------------------------------------
@pytest.mark.asyncio
async def test_leaving_waits_for_every_registrar_and_for_no_longer_than_it_may() -> None:
    line = Watched()
    await line.accounts.left(5)  # nobody to wait for
    line.registered(0)
    line.registered(1)
    assert line.accounts.names == tuple(line.names)
    leaving = asyncio.create_task(line.accounts.left(5))
    await asyncio.sleep(0)
    line.accounts.take(Unregistered(registration=line.names[0]))
    await asyncio.sleep(0)
    assert not leaving.done()
    line.accounts.take(Unregistered(registration=line.names[1]))
    async with asyncio.timeout(1):
        await leaving
    line.registered(0)
    with structlog.testing.capture_logs() as logs:
        await line.accounts.left(0)
    assert [entry["event"] for entry in logs] == ["registrars did not answer our leave in time"]
