"""A token is good for one call, to one number, for a minute; and an address may try only so often."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routes import HttpRequest
from gateway.transports.browser.limits import MAX_ADDRESSES, AddressLimit, client_of
from gateway.transports.browser.tokens import LASTS, Invitation, Invitations

CALL = Invitation("+33100000000", "+441632960999")


class Time:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


# --- tokens --------------------------------------------------------------------------------------------------------
def test_a_token_is_good_once() -> None:
    invitations = Invitations(Time())
    token = invitations.issue(CALL)
    assert invitations.redeem(token) == CALL
    assert invitations.redeem(token) is None


def test_a_token_is_good_for_a_minute() -> None:
    time = Time()
    invitations = Invitations(time)
    early, late = invitations.issue(CALL), invitations.issue(CALL)
    time.now += LASTS - 1
    assert invitations.redeem(early) == CALL
    time.now += 2
    assert invitations.redeem(late) is None


def test_a_token_is_good_for_its_own_number_and_gateway() -> None:
    invitations = Invitations(Time())
    mine, other = invitations.issue(CALL), invitations.issue(Invitation("+33999"))
    mixed = f"{other.partition('~')[0]}~{mine.partition('~')[2]}"
    assert invitations.redeem(mixed) is None
    assert Invitations(Time()).redeem(mine) is None
    assert invitations.redeem(mine) == CALL


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_number_can_be_written_into_a_token(called: str, caller: str) -> None:
    invitations = Invitations(Time())
    token = invitations.issue(Invitation(called, caller))
    assert token.isascii()
    assert not set(token) & set(' ",;=')
    assert invitations.redeem(token) == Invitation(called, caller)


@given(st.one_of(st.text(), st.from_regex(r"[A-Za-z0-9_-]*~[0-9]{1,12}\.[a-z0-9.]*", fullmatch=True)))
def test_nothing_else_is_a_token(text: str) -> None:
    assert Invitations(Time()).redeem(text) is None


# --- how often -----------------------------------------------------------------------------------------------------
def test_an_address_may_try_so_often_within_a_minute() -> None:
    time = Time()
    limit = AddressLimit(2, time)
    assert [limit.wait_for("192.0.2.1") for _ in range(2)] == [0, 0]
    time.now += 15
    assert limit.wait_for("192.0.2.1") == pytest.approx(45)
    assert limit.wait_for("192.0.2.2") == 0
    time.now += 46
    assert limit.wait_for("192.0.2.1") == 0


def test_neighbours_by_ipv6_are_one_address() -> None:
    limit = AddressLimit(1, Time())
    assert limit.wait_for("2001:db8::1") == 0
    assert limit.wait_for("2001:db8::2") > 0
    assert limit.wait_for("2001:db8:0:1::1") == 0
    assert limit.wait_for("::ffff:192.0.2.1") == 0
    assert limit.wait_for("192.0.2.1") > 0


def test_what_is_remembered_has_a_bound() -> None:
    limit = AddressLimit(1, Time())
    for number in range(MAX_ADDRESSES + 50):
        limit.wait_for(f"10.0.{number // 256}.{number % 256}")
    assert len(limit._windows) == MAX_ADDRESSES


# --- who it is -----------------------------------------------------------------------------------------------------
def sent(peer: str, headers: Mapping[str, str]) -> HttpRequest:
    return HttpRequest(method="POST", path="/", url="http://x/", headers=headers, query={}, peer=peer)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),  # says anybody
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("", "198.51.100.7", ""),
    ],
)
def test_only_proxies_that_are_trusted_speak_for_others(peer: str, forwarded: str, client: str) -> None:
    request = sent(peer, {"x-forwarded-for": forwarded} if forwarded else {})
    assert client_of(request, (ip_network("10.0.0.0/8"),)) == client
