"""Which address and which line a call is placed on, and what the gateway's API answers."""

from __future__ import annotations

import pytest

from gateway.caller.api import CallFailed, GatewayApi, api_base, is_gateway, line_url, pick_line
from gateway.lab.server import LabReply, LabRequest, LabServer, json_reply

LINES = [
    {"name": "browser", "transport": "browser", "path": "/browser/browser"},
    {"name": "registered", "transport": "sip", "path": None, "listen": []},
    {"name": "cloud", "transport": "twilio", "path": "/media/twilio"},
    {"name": "house", "transport": "asterisk", "path": "/media/asterisk"},
    {"name": "trunk", "transport": "sip", "path": "/sip", "listen": ["udp:0.0.0.0:5060", "tcp:[::]:5062"]},
    {"name": "other", "transport": "sip", "path": None, "listen": ["tcp:192.0.2.1"]},
]


@pytest.mark.parametrize(
    ("to", "base"),
    [
        (None, "http://127.0.0.1:8080"),
        ("ws://host:8080/media/twilio", "http://host:8080"),
        ("wss://host/voice/media/twilio", "https://host/voice"),
        ("https://host/voice/", "https://host/voice"),
        ("ws://host", "http://host"),
        ("wss://host/voice/sip", "https://host/voice"),
        ("sip:host", "http://host:8080"),
        ("sip:[2001:db8::1]:5070;transport=tcp", "http://[2001:db8::1]:8080"),
    ],
)
def test_the_api_lies_beside_the_media_sockets(to: str | None, base: str) -> None:
    assert api_base(to) == base


@pytest.mark.parametrize(
    "to", ["host:8080", "ftp://host/", "ws:///media/twilio", "", "sip:", "sip:a@host", "sip:host;transport=sctp"]
)
def test_what_is_no_address(to: str) -> None:
    with pytest.raises(CallFailed, match="no address"):
        api_base(to)


@pytest.mark.parametrize(
    ("to", "is_its_own"),
    [("http://host/voice", True), ("ws://host", True), ("wss://host/", True), ("ws://host/media/twilio", False)],
)
def test_the_gateways_own_address(to: str, is_its_own: bool) -> None:
    assert is_gateway(to) is is_its_own


@pytest.mark.parametrize(
    ("to", "name"),
    [
        (None, "cloud"),
        ("http://host/voice", "cloud"),
        ("ws://host/media/asterisk", "house"),
        ("wss://host/voice/media/twilio", "cloud"),
        ("ws://host/sip", "trunk"),
        ("sip:host", "trunk"),
        ("sip:host:5062;transport=tcp", "trunk"),
        ("sip:host;transport=tcp", "other"),
    ],
)
def test_the_line_an_address_belongs_to(to: str | None, name: str) -> None:
    assert pick_line(LINES, to)["name"] == name


def test_lines_that_cannot_be_called() -> None:
    with pytest.raises(CallFailed, match="no line with a socket"):
        pick_line(LINES[:2], None)
    with pytest.raises(CallFailed, match="its media sockets: /media/twilio, /media/asterisk, /sip"):
        pick_line(LINES, "ws://host/media/none")
    with pytest.raises(CallFailed, match="its media sockets: none"):
        pick_line([], "ws://host/media/sip")
    with pytest.raises(CallFailed, match="for SIP: udp:0"):
        pick_line(LINES, "sip:host:5064")


@pytest.mark.parametrize(
    ("name", "to", "base", "url"),
    [
        ("cloud", None, "http://host:8080", "ws://host:8080/media/twilio"),
        ("cloud", "wss://far/media/twilio", "https://far", "wss://far/media/twilio"),
        ("trunk", None, "http://host:8080", "sip:host:5060"),
        ("trunk", None, "https://[2001:db8::1]", "sip:[2001:db8::1]:5060"),
        ("trunk", "sip:far:5070", "http://far:8080", "sip:far:5070"),
        ("trunk", "ws://host/sip", "http://host", "ws://host/sip"),
        ("other", "http://host", "http://host", "sip:192.0.2.1:5060;transport=tcp"),
    ],
)
def test_the_address_at_which_a_line_is_called(name: str, to: str | None, base: str, url: str) -> None:
    (line,) = (line for line in LINES if line["name"] == name)
    assert line_url(line, to, base) == url


def test_another_port_in_front_of_the_only_trunk() -> None:
    assert pick_line(LINES[:5], "sip:host:5090")["name"] == "trunk"


@pytest.mark.asyncio
async def test_a_call_is_found_by_its_leg_with_the_token() -> None:
    answers = {
        "/api/calls": [{"call_id": "c1", "leg_id": "a"}, {"call_id": "c2", "leg_id": "b"}],
        "/api/calls/c2": {"call_id": "c2", "said": []},
        "/api/lines": LINES,
    }

    async def handle(request: LabRequest) -> LabReply:
        assert request.headers["authorization"] == "Bearer t0ken"
        return json_reply(answers[request.path])

    async with LabServer(handle) as server, GatewayApi(server.url, "t0ken") as api:
        assert await api.find_call("b") == "c2"
        assert await api.find_call("z") is None
        assert await api.call("c2") == {"call_id": "c2", "said": []}
        assert await api.lines() == LINES


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (LabReply(status=401, body=b'{"error": "wrong token"}'), "answers 401 to /api/lines: wrong token"),
        (LabReply(status=502, body=b"<html>"), "answers 502 to /api/lines: "),
        (LabReply(status=500, body=b"[]"), "answers 500 to /api/lines: "),
        (LabReply(drop=True), "does not answer"),
    ],
)
async def test_an_api_that_does_not_say_what_it_should(reply: LabReply, told: str) -> None:
    async def handle(request: LabRequest) -> LabReply:
        return reply

    async with LabServer(handle) as server, GatewayApi(server.url) as api:
        with pytest.raises(CallFailed) as caught:
            await api.lines()
    assert told in str(caught.value)
