"""What a registrar asks is answered to the registrar: requests within calls end at somebody else."""

from __future__ import annotations

from itertools import count

import pytest

from gateway.transports.sip.digest import DigestClient
from gateway.transports.sip.message import Headers, SipRequest, response_to
from gateway.transports.sip.uri import SipUri

CHALLENGE = 'Digest realm="pbx.example.com", nonce="{}", qop="auth"'


def _client() -> DigestClient:
    tokens = count(1)
    return DigestClient("bot", "s3cret", lambda: f"cnonce{next(tokens)}")


def _request(method: str) -> SipRequest:
    headers = Headers()
    for name, value in (
        ("Via", "SIP/2.0/WS bot.invalid;branch=z9hG4bK1"),
        ("From", "<sip:bot@pbx.example.com>;tag=a"),
        ("To", "<sip:600@pbx.example.com>"),
        ("Call-ID", "1"),
        ("CSeq", f"1 {method}"),
    ):
        headers.add(name, value)
    return SipRequest(method, SipUri("sip", "600", None, "pbx.example.com", None), headers)


def _challenged(bot: DigestClient, method: str, status: int, nonce: str = "n1") -> bool:
    request = _request(method)
    bot.authorize(request)
    answer = response_to(request, status)
    answer.headers.add("WWW-Authenticate" if status == 401 else "Proxy-Authenticate", CHALLENGE.format(nonce))
    return bot.challenged(request, answer)


def _given(bot: DigestClient, method: str) -> list[str]:
    request = _request(method)
    bot.authorize(request)
    return [name for name, _ in request.headers.items() if name.endswith("Authorization")]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "REFER", "INFO", "BYE"])
def test_a_registrars_challenge_is_not_answered_within_calls(method: str) -> None:
    bot = _client()
    assert _challenged(bot, "REGISTER", 401)
    assert _given(bot, "REGISTER") == ["Authorization"]
    assert _given(bot, method) == []


def test_who_asks_within_a_call_is_answered_there_from_then_on() -> None:
    bot = _client()
    assert _challenged(bot, "REGISTER", 401, "n1")
    assert _challenged(bot, "INVITE", 401, "n2")
    assert _given(bot, "INVITE") == _given(bot, "BYE") == _given(bot, "REGISTER") == ["Authorization"]
    invite, register = _request("INVITE"), _request("REGISTER")
    bot.authorize(invite)
    bot.authorize(register)
    assert 'nonce="n2"' in (invite.headers.get("Authorization") or "")
    assert 'nonce="n1"' in (register.headers.get("Authorization") or "")


def test_a_proxys_challenge_is_answered_with_every_request() -> None:
    bot = _client()
    assert _challenged(bot, "INVITE", 407)
    assert _given(bot, "REGISTER") == _given(bot, "BYE") == ["Proxy-Authorization"]


def test_the_password_that_was_refused_within_a_call_is_not_sent_again() -> None:
    bot = _client()
    assert _challenged(bot, "INVITE", 401, "n1")
    assert not _challenged(bot, "INVITE", 401, "n2")
