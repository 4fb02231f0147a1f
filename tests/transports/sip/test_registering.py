"""A line and the PBXs at which it registers, over real WebSockets and in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog

from gateway.interfaces import RegistersAtPeers
from gateway.transports.sip.settings import SipLine
from gateway.transports.sip.transport import SipTransport
from gateway.transports.sockets import LineContext
from tests.fakes.desk import Desk, open_line
from tests.fakes.registrar import registrar
from tests.fakes.sip_line import rtp_ports
from tests.fakes.virtual_loop import virtual_time


def line_at(*accounts: dict[str, Any]) -> SipTransport:
    rtp = {"host": "127.0.0.1", "ports": rtp_ports()}
    settings = SipLine.model_validate({"registrations": accounts, "rtp": rtp})
    return SipTransport("pbx", settings, LineContext(new_id=lambda: "call"))


@virtual_time
async def test_a_wrong_password_is_tried_seldom_and_works_once_the_pbx_knows_it() -> None:
    async with registrar("bot", "right") as pbx:
        line = line_at({"registrar": pbx.url, "aor": "sip:bot@pbx", "password": "wrong"})
        with structlog.testing.capture_logs() as logs:
            async with open_line(line, Desk()):
                await pbx.until(2, pbx.registers)
                await pbx.until(4, pbx.registers, within=80)
                await pbx.until(6, pbx.registers, within=160)
                (status,) = line.registrations()
                pbx._guard = None
                await pbx.until(7, pbx.registers, within=310)
                await asyncio.sleep(0.1)  # virtual: the answer arrives
    assert isinstance(line, RegistersAtPeers)
    assert (status.state, status.status) == ("refused", 401)
    said = [entry["event"] for entry in logs if entry["event"] in ("registration refused", "registered")]
    assert said == ["registration refused", "registered"]
    (back,) = [entry for entry in logs if entry["event"] == "registered"]
    assert 60 + 120 + 240 <= back["after"] <= 1.25 * (60 + 120 + 240) + 1


@virtual_time
async def test_each_account_stands_for_itself() -> None:
    async with registrar() as good, registrar() as bad:
        bad.refuse_with = 403
        line = line_at(
            {"registrar": good.url, "aor": "sip:one@good"},
            {"registrar": bad.url, "aor": "sip:two@bad"},
            {"registrar": "ws://127.0.0.1:1/ws", "aor": "sip:three@nowhere"},
        )
        before = [status.state for status in line.registrations()]
        async with open_line(line, Desk()):
            await good.until(1, good.registers)
            await bad.until(1, bad.registers)
            await asyncio.sleep(0.1)  # virtual: the answers arrive
            one, two, three = line.registrations()
    assert [status.state for status in (one, two, three)] == ["registered", "refused", "trying"]
    assert before == ["trying"] * 3
    assert (one.account, one.registrar, one.reason, one.next_attempt_in) == ("sip:one@good", good.url, "", None)
    assert one.expires_in is not None
    assert 298 < one.expires_in <= 300
    assert (two.status, two.reason) == (403, "Forbidden")
    assert two.next_attempt_in is not None
    assert 58 < two.next_attempt_in <= 75
    assert three.reason == "nothing listens on 127.0.0.1:1"
    assert [status.state for status in line.registrations()] == ["left"] * 3


@virtual_time
async def test_a_line_that_is_about_to_stop_does_not_come_back_to_a_registrar() -> None:
    async with registrar() as pbx:
        pbx.refuse_with = 403
        line = line_at({"registrar": pbx.url, "aor": "sip:bot@pbx"})
        async with open_line(line, Desk()):
            await pbx.until(1, pbx.registers)
            await asyncio.sleep(0.1)
            pbx.refuse_with = None
            line.drain()
            await asyncio.sleep(100)  # when a refused account would be tried again
            await pbx.connections[0].close()
            await pbx.until(2, pbx.connections, within=20)
            await asyncio.sleep(1)
    assert len(pbx.registers) == 1


# --- which account was called --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("asked", "called"),
    [
        ({}, "601"),  # the account itself
        ({"to": "600"}, "601"),  # 600 was dialled, and the PBX has sent it on to 601
        ({"uri": "600"}, "600"),  # as Dial(PJSIP/600@601)
        ({"uri": "600", "to": "+441632960000"}, "600"),
        ({"to": "+441632960000"}, "+441632960000"),
        ({"extra": ["P-Called-Party-ID: <sip:601@pbx>"]}, "601"),
        ({"extra": ["P-Called-Party-ID: <sip:600@pbx>"]}, "600"),
        ({"to": "600", "extra": ["P-Called-Party-ID: <sip:+441632960000@pbx>"]}, "+441632960000"),
    ],
)
@virtual_time
async def test_which_of_two_accounts_at_one_registrar_was_called(asked: dict[str, Any], called: str) -> None:
    desk = Desk()
    async with registrar() as pbx:
        line = line_at(*({"registrar": pbx.url, "aor": f"sip:{user}@pbx"} for user in ("600", "601")))
        async with open_line(line, desk):
            await pbx.until(2, pbx.registers)
            await pbx.call("601", **asked)
            info = (await desk.call()).leg.info
    assert (info.called, info.custom["account"]) == (called, "sip:601@pbx")


@virtual_time
async def test_accounts_of_one_name_at_two_registrars_are_told_apart() -> None:
    desk = Desk()
    async with registrar() as one, registrar() as two:
        line = line_at(
            {"registrar": one.url, "aor": "sip:bot@one"},
            {"registrar": two.url, "aor": "sip:bot@two"},
        )
        async with open_line(line, desk):
            for number, pbx in enumerate((two, one)):
                await pbx.until(1, pbx.registers)
                await pbx.call("bot")
                await desk.call(number)
    assert [(call.leg.info.called, call.leg.info.custom["account"]) for call in desk.calls] == [
        ("bot", "sip:bot@two"),
        ("bot", "sip:bot@one"),
    ]
