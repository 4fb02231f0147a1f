from __future__ import annotations

import base64
from ipaddress import ip_network

import pytest

from config.lines import AuthSection
from gateway.kit.signature import twilio_signature
from gateway.transports.auth import authenticator, public_url
from gateway.transports.sockets import LineContext, Refusal, Upgrade

PATH = "/media/x"


def upgrade(headers: dict[str, str] | None = None, *, target: str = PATH, peer: str = "192.0.2.1") -> Upgrade:
    path = target.partition("?")[0]
    return Upgrade(scheme="ws", path=path, target=target, headers={"host": "inside:8080", **(headers or {})}, peer=peer)


def context(public_url: str | None = None, proxies: tuple[str, ...] = ()) -> LineContext:
    networks = tuple(ip_network(network) for network in proxies)
    return LineContext(new_id=lambda: "call", public_url=public_url, trusted_proxies=networks)


def basic(pair: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def judge(auth: dict[str, object] | str, request: Upgrade, where: LineContext | None = None) -> Refusal | None:
    section = AuthSection.model_validate(auth)
    return authenticator(section, PATH, where or context())(request)


BASIC = {"basic": {"username": "pbx", "password": "pässword:1"}}


def test_basic() -> None:
    assert judge(BASIC, upgrade(basic("pbx:pässword:1"))) is None
    assert (
        judge(BASIC, upgrade({"authorization": basic("pbx:pässword:1")["authorization"].replace("Basic", "bAsIc")}))
        is None
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("pbx:wrong"),
        basic("other:pässword:1"),
        basic("pbx"),
        {"authorization": "Basic !!"},
        {"authorization": "Bearer x"},
    ],
)
def test_basic_refuses_with_a_challenge(headers: dict[str, str]) -> None:
    refusal = judge(BASIC, upgrade(headers))
    assert refusal is not None
    assert refusal.status == 401
    assert refusal.challenge.startswith("Basic realm=")


def test_bearer() -> None:
    assert judge({"bearer": "secret"}, upgrade({"authorization": "Bearer secret"})) is None
    for headers in ({}, {"authorization": "Bearer other"}, {"authorization": "Basic secret"}):
        refusal = judge({"bearer": "secret"}, upgrade(headers))
        assert refusal is not None
        assert refusal.status == 401


def test_an_open_line_takes_anybody() -> None:
    assert judge("none", upgrade()) is None


def signed(url: str) -> dict[str, str]:
    return {"x-twilio-signature": twilio_signature("12345", url)}


TWILIO = {"twilio_signature": "12345"}


def test_twilio_signs_the_public_url_whatever_the_request_says() -> None:
    behind = context("https://voice.example.com/gw")
    url = "wss://voice.example.com/gw/media/x"
    assert judge(TWILIO, upgrade(signed(url)), behind) is None
    lies = {"x-forwarded-proto": "https", "x-forwarded-host": "other.example.com", "host": "other.example.com"}
    assert judge(TWILIO, upgrade({**lies, **signed(url)}), behind) is None
    refusal = judge(TWILIO, upgrade({**lies, **signed("wss://other.example.com/media/x")}), behind)
    assert refusal is not None
    assert refusal.status == 403


def test_a_prefix_that_the_proxy_passes_on_does_not_count_twice() -> None:
    behind = context("https://voice.example.com/gw")
    request = upgrade(signed("wss://voice.example.com/gw/media/x"), target="/gw/media/x")
    assert judge(TWILIO, request, behind) is None


def test_an_unsigned_upgrade_is_refused() -> None:
    refusal = judge(TWILIO, upgrade())
    assert refusal is not None
    assert refusal.status == 403


FORWARDED = {"x-forwarded-proto": "https, http", "x-forwarded-host": "voice.example.com", "x-forwarded-prefix": "/gw/"}


def test_forwarded_headers_count_from_a_trusted_proxy_only() -> None:
    where = context(proxies=("10.0.0.0/8",))
    assert public_url(upgrade(FORWARDED, peer="10.1.2.3"), PATH, where) == "wss://voice.example.com/gw/media/x"
    assert public_url(upgrade(FORWARDED, peer="192.0.2.1"), PATH, where) == "ws://inside:8080/media/x"
    assert public_url(upgrade(FORWARDED, peer=""), PATH, where) == "ws://inside:8080/media/x"
    assert public_url(upgrade(FORWARDED, peer="10.1.2.3"), PATH, context()) == "ws://inside:8080/media/x"


def test_a_query_is_part_of_what_is_signed() -> None:
    request = upgrade(target=PATH + "?a=b")
    assert public_url(request, PATH, context("https://v.example.com")) == "wss://v.example.com/media/x?a=b"


def test_digest_cannot_be_carried_by_an_upgrade() -> None:
    section = AuthSection.model_validate({"digest": {"realm": "r", "users": {"a": "b"}}})
    with pytest.raises(ValueError, match="digest"):
        authenticator(section, PATH, context())
