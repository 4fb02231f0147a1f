"""Who may come in, and how much is remembered of those who may not."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Literal

import pytest
import structlog

from gateway.errors import ConfigError
from gateway.transports.sip.seldom import LOG_EVERY, MAX_REMEMBERED
from gateway.transports.sip.settings import Listening
from gateway.transports.sip.trunks import Admission, bind, written
from tests.fakes.clock import ManualClock


def admission(clock: ManualClock, *networks: str, is_open: bool = False) -> Admission:
    return Admission([ip_network(it) for it in networks], line="trunk", is_open=is_open, clock=clock)


@pytest.mark.parametrize(
    ("host", "is_let_in"),
    [
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("2001:db8::7", True),
        ("2001:db9::7", False),
        ("fe80::1%eth0", True),
        ("::ffff:192.0.2.7", False),
    ],
)
def test_networks_of_both_kinds(host: str, is_let_in: bool) -> None:
    at = admission(ManualClock(), "192.0.2.0/24", "2001:db8::/32", "fe80::/10")
    assert at.lets_in(host) is is_let_in
    assert at.refused == (not is_let_in)


def test_an_empty_list_lets_nobody_in_and_an_open_line_everybody() -> None:
    assert not admission(ManualClock()).lets_in("192.0.2.7")
    assert admission(ManualClock(), is_open=True).lets_in("192.0.2.7")


def test_each_address_is_logged_once_a_minute_with_how_often_it_came() -> None:
    clock = ManualClock()
    at = admission(clock)
    with structlog.testing.capture_logs() as logs:
        for host in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.1"):
            at.lets_in(host)
        clock.advance(LOG_EVERY)
        at.lets_in("192.0.2.1")
        at.lets_in("192.0.2.1")
    said = [(entry["peer"], entry["times"]) for entry in logs]
    assert said == [("192.0.2.1", 1), ("192.0.2.2", 1), ("192.0.2.1", 3)]
    assert at.refused == 6


def test_a_flood_of_addresses_is_counted_and_neither_logged_nor_remembered() -> None:
    clock = ManualClock()
    at = admission(clock)
    with structlog.testing.capture_logs() as logs:
        for number in range(3 * MAX_REMEMBERED):
            at.lets_in(f"10.0.{number // 256}.{number % 256}")
        assert len(logs) == MAX_REMEMBERED
        assert at.refused == 3 * MAX_REMEMBERED
        clock.advance(LOG_EVERY)
        at.lets_in("192.0.2.1")
    assert logs[-1]["peer"] == "192.0.2.1", "there is room again"


@pytest.mark.parametrize(
    ("host", "port", "text"),
    [
        ("192.0.2.1", 5060, "192.0.2.1:5060"),
        ("2001:db8::1", 5060, "[2001:db8::1]:5060"),
        ("fe80::1%eth0", 1, "[fe80::1]:1"),
    ],
)
def test_how_addresses_are_written(host: str, port: int, text: str) -> None:
    assert written(host, port) == text


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_both_kinds_of_address_can_be_listened_to_on_one_port(transport: Literal["udp", "tcp"]) -> None:
    with bind(Listening(transport, "0.0.0.0", 0)) as four:
        port = four.getsockname()[1]
        with bind(Listening(transport, "::", port)) as six:
            assert six.getsockname()[1] == port
        if transport == "tcp":
            four.listen()
        with pytest.raises(ConfigError, match=f"^listen: cannot listen on {transport}:0.0.0.0:{port}: address already"):
            bind(Listening(transport, "0.0.0.0", port))
