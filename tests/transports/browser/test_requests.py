"""What a page's requests are answered with (RFC 9725), whatever they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count

import httpx
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.interfaces import HangupReason, InvitesPages, Leg
from gateway.transports.browser.settings import BrowserLine
from gateway.transports.browser.transport import MAX_SDP, BrowserTransport
from gateway.transports.sockets import LineContext
from tests.fakes.page import SDP, port_of, token_for

PATH = "/media/browser"
FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
OFFER = f"""v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0
m=audio 9 UDP/TLS/RTP/SAVPF 111 126
c=IN IP4 0.0.0.0
a=mid:0
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=fingerprint:{FINGERPRINT}
a=setup:actpass
a=rtcp-mux
a=sendrecv
a=rtpmap:111 opus/48000/2
a=rtpmap:126 telephone-event/8000
a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host
""".replace("\n", "\r\n")


def line(**more: object) -> BrowserTransport:
    calls = count(1)
    settings = BrowserLine.model_validate({"media": {"host": "127.0.0.1"}, **more})
    return BrowserTransport("web", settings, LineContext(new_id=lambda: f"call-{next(calls)}"))


class Refusing:
    """Refuses every call that is offered."""

    def __init__(self, reason: HangupReason) -> None:
        self.reason = reason
        self.legs: list[Leg] = []

    async def __call__(self, leg: Leg) -> None:
        self.legs.append(leg)
        await leg.hang_up(self.reason)


@asynccontextmanager
async def serving(transport: BrowserTransport, reason: HangupReason = "full") -> AsyncIterator[httpx.AsyncClient]:
    running = asyncio.create_task(transport.serve(Refusing(reason)))
    await asyncio.sleep(0)
    try:
        async with port_of(transport) as http:
            yield http
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def headers(token: str) -> dict[str, str]:
    return {**SDP, "authorization": f"Bearer {token}"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("reason", "status"),
    [("full", 503), ("draining", 503), ("unknown_number", 404), ("busy", 409), ("failure", 500), ("unauthorized", 403)],
)
async def test_a_call_that_is_not_taken(reason: HangupReason, status: int) -> None:
    transport = line(retry_after=7)
    async with serving(transport, reason) as http:
        answer = await http.post(PATH, content=OFFER, headers=headers(token_for(transport)))
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers.get("retry-after") == ("7" if status == 503 else None)


@pytest.mark.asyncio
async def test_before_the_line_is_served_nothing_is_taken() -> None:
    transport = line()
    async with port_of(transport) as http:
        answer = await http.post(PATH, content=OFFER, headers=headers(token_for(transport)))
    assert (answer.status_code, answer.json()["reason"]) == (503, "draining")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("hello", 400),
        (OFFER.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), 406),
        (OFFER.replace("opus/48000/2", "iLBC/8000"), 406),
        (OFFER.replace("m=audio", "m=video"), 406),
        ("x" * (MAX_SDP + 1), 413),
    ],
)
async def test_offers_that_will_not_do(body: str, status: int) -> None:
    transport = line()
    async with serving(transport) as http:
        answer = await http.post(PATH, content=body, headers=headers(token_for(transport)))
    assert answer.status_code == status
    assert answer.json()["error"]


@pytest.mark.asyncio
async def test_plain_rtp_is_for_trunks() -> None:
    plain = "\r\n".join(
        ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0", "m=audio 4000 RTP/AVP 0", ""]
    )
    transport = line()
    async with serving(transport) as http:
        assert (await http.post(PATH, content=plain, headers=headers(token_for(transport)))).status_code == 406


@pytest.mark.asyncio
async def test_what_needs_no_token() -> None:
    transport = line()
    async with serving(transport) as http:
        asked = await http.options(PATH)
        assert (asked.status_code, asked.headers["accept-post"]) == (204, "application/sdp")
        assert "access-control-allow-origin" not in asked.headers
        assert (await http.options(f"{PATH}/1")).status_code == 204
        wrong = await http.post(PATH, content=OFFER, headers={"content-type": "application/json"})
        assert (wrong.status_code, wrong.headers["accept-post"]) == (415, "application/sdp")
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            assert (await http.request(method, PATH)).status_code == 405
        for method in ("GET", "PUT", "PATCH", "POST"):
            assert (await http.request(method, f"{PATH}/1")).status_code == 405
        assert (await http.delete(f"{PATH}/1")).status_code == 404


@pytest.mark.asyncio
async def test_without_a_token_nobody_calls_and_no_token_is_logged() -> None:
    transport = line()
    async with serving(transport) as http:
        token = token_for(transport)
        with structlog.testing.capture_logs() as logs:
            for wrong in ({}, {"authorization": "Bearer "}, {"authorization": f"Basic {token}"}):
                answer = await http.post(PATH, content=OFFER, headers={**SDP, **wrong})
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"].startswith("Bearer")
            assert (await http.post(PATH, content=OFFER, headers=headers(token))).status_code == 503
            assert (await http.post(PATH, content=OFFER, headers=headers(token))).status_code == 401
    assert logs
    assert token not in str(logs)


@pytest.mark.asyncio
async def test_an_address_may_try_only_so_often() -> None:
    transport = line(calls_per_minute=3)
    async with serving(transport) as http:
        tries = [await http.post(PATH, content=OFFER, headers=headers("wrong")) for _ in range(4)]
    assert [answer.status_code for answer in tries] == [401, 401, 401, 429]
    assert 1 <= int(tries[-1].headers["retry-after"]) <= 60


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_body_is_answered(body: bytes) -> None:
    async def post() -> int:
        transport = line()
        async with serving(transport) as http:
            return (await http.post(PATH, content=body, headers=headers(token_for(transport)))).status_code

    assert asyncio.run(post()) in (400, 406, 503)


def test_a_line_invites_and_takes_no_auth() -> None:
    transport = line()
    assert isinstance(transport, InvitesPages)
    invitation = transport.invite("600")
    assert (invitation.path, invitation.lasts) == (PATH, 60)
    assert BrowserLine().proof == "one-time token"
    with pytest.raises(ValidationError, match="token of its own"):
        BrowserLine.model_validate({"auth": "none"})


@pytest.mark.parametrize("ports", ["20000", "1-2", "30000-20000", "20000-70000"])
def test_ports_that_are_no_range(ports: str) -> None:
    with pytest.raises(ValidationError):
        BrowserLine.model_validate({"media": {"ports": ports}})
