"""A `twilio` line as a whole: who gets in, and who calls whom."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from pydantic import ValidationError
from websockets.exceptions import InvalidStatus

from config.lines import AuthSection
from gateway.caller.peer import CallerAuth
from gateway.caller.twilio import TwilioCaller
from gateway.caller.twilio_webhook import read_twiml
from gateway.events import DigitPressed
from gateway.kit.signature import twilio_signature
from gateway.routes import HttpReply, HttpRequest, Webhook
from gateway.transports.sockets import LineContext
from gateway.transports.twilio.settings import TwilioLine
from gateway.transports.twilio.transport import TwilioTransport
from tests.fakes.clock import ManualClock
from tests.fakes.desk import Desk, open_line
from tests.fakes.shared_port import shared_port
from tests.fakes.virtual_loop import virtual_time

SIGNED = AuthSection.model_validate({"twilio_signature": "12345"})
OPEN = AuthSection.model_validate("none")
PATH = "/media/twilio"
PUBLIC = "https://voice.example.com/gw"
STREAM = "wss://voice.example.com/gw/media/twilio"
VOICE = "https://voice.example.com/gw/media/twilio/voice"


def transport(
    auth: AuthSection = SIGNED, *, public_url: str | None = PUBLIC, clock: ManualClock | None = None, **settings: object
) -> TwilioTransport:
    context = LineContext(new_id=lambda: "call-1", public_url=public_url, country="33", clock=clock or ManualClock())
    return TwilioTransport("cloud", TwilioLine.model_validate({"auth": auth, **settings}), context)


def proof(token: str = "12345", url: str = STREAM) -> CallerAuth:
    return CallerAuth(twilio_token=token, signed_url=url)


@virtual_time
async def test_identity_comes_from_the_parameters_by_their_aliases() -> None:
    desk = Desk()
    async with open_line(transport(fields={"from": ["who"], "to": ["did"]}), desk) as port:
        custom = {"who": "06 12 34 56 78", "DID": "0033100000000", "from": "kept", "ForwardedFrom": "+33199999999"}
        async with TwilioCaller().connect(port.url + PATH, custom=custom, auth=proof()):
            info = (await desk.call()).leg.info
    assert (info.caller, info.called, info.line) == ("+33612345678", "+33100000000", "cloud")
    assert info.custom == {"from": "kept", "ForwardedFrom": "+33199999999"}


@pytest.mark.parametrize("auth", [None, proof("54321"), proof(url="wss://voice.example.com/media/twilio")])
@virtual_time
async def test_an_upgrade_that_is_not_signed_for_this_line_is_refused(auth: CallerAuth | None) -> None:
    desk = Desk()
    async with open_line(transport(), desk) as port:
        with pytest.raises(InvalidStatus) as refused:
            async with TwilioCaller().connect(port.url + PATH, auth=auth):
                pass
    assert refused.value.response.status_code == 403
    assert desk.calls == []


@virtual_time
async def test_an_open_line_takes_anybody_and_leaves_foreign_tokens_alone() -> None:
    desk = Desk()
    caller, custom = TwilioCaller(), {"token": "theirs"}
    async with open_line(transport(OPEN), desk) as port, caller.connect(port.url + PATH, called="601", custom=custom):
        info = (await desk.call()).leg.info
    assert (info.called, info.custom) == ("601", {"token": "theirs"})


@virtual_time
async def test_a_line_that_is_not_served_answers_503() -> None:
    line = transport(OPEN)
    async with shared_port(line.routes) as port:
        with pytest.raises(InvalidStatus) as refused:
            async with TwilioCaller().connect(port.url + PATH):
                pass
    assert refused.value.response.status_code == 503


@virtual_time
async def test_a_start_that_never_comes_costs_ten_seconds_and_that_socket() -> None:
    desk = Desk()
    async with open_line(transport(OPEN), desk) as port:
        caller = TwilioCaller().connect(port.url + PATH)
        caller.peer = Quiet(caller.peer)  # type: ignore[assignment]  # as much of one as is used
        begin = asyncio.get_running_loop().time()
        async with caller:
            over = await caller.wait_until_over()
        assert asyncio.get_running_loop().time() - begin == pytest.approx(10.0, abs=0.1)
    assert (over.code, over.reason) == (1008, "no start within 10 s")
    assert desk.calls == []


class Quiet:
    """A peer that opens the socket and then says nothing."""

    def __init__(self, peer: object) -> None:
        self._peer = peer

    def start(self, now: float) -> None:
        pass

    def __getattr__(self, name: str) -> object:
        return getattr(self._peer, name)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 1007),
        ('{"event":"media","media":{"payload":""}}', 1007),
        ('{"event":"start","start":{"streamSid":"MZ","mediaFormat":{"encoding":"audio/x-l16"}}}', 1007),
        ('{"event":"stop"}', 1007),
    ],
)
@virtual_time
async def test_a_first_message_that_is_not_a_start_closes_the_socket(message: str, code: int) -> None:
    desk = Desk()
    async with open_line(transport(OPEN), desk) as port:
        caller = TwilioCaller().connect(port.url + PATH)
        caller.peer = Quiet(caller.peer)  # type: ignore[assignment]  # as much of one as is used
        async with caller:
            await caller.send_raw(message)
            over = await caller.wait_until_over()
    assert over.code == code
    assert over.reason
    assert desk.calls == []


@virtual_time
async def test_unknown_events_are_ignored() -> None:
    desk = Desk()
    async with open_line(transport(OPEN), desk) as port, TwilioCaller().connect(port.url + PATH) as caller:
        call = await desk.call()
        for _ in range(3):
            await caller.send_raw(json.dumps({"event": "weather", "rain": True}))
        await caller.press("1")
        await desk.until(lambda: call.told == [DigitPressed(digit="1")])


# --- the voice webhook ---------------------------------------------------------------------------------------------
FORM = {
    "CallSid": "CA0123456789abcdef",
    "AccountSid": "AC1",
    "From": "+33612345678",
    "To": "+33100000000",
    "CallStatus": "ringing",
    "CallerName": 'Café "R&D" <test>\x00',
    "ForwardedFrom": "+33199999999",
    "Digits": "",
}


def post(
    line: TwilioTransport,
    form: dict[str, str] = FORM,
    *,
    signature: str | None = None,
    url: str = VOICE,
    change: Callable[[HttpRequest], HttpRequest] = lambda request: request,
) -> HttpReply:
    hook = next(route for route in line.routes if isinstance(route, Webhook))
    assert (hook.path, hook.methods) == ("/media/twilio/voice", ("POST",))
    headers = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8", "host": "inside"}
    if signature is None:
        signature = twilio_signature("12345", url, form.items())
    headers["x-twilio-signature"] = signature
    body = urlencode(form).encode()
    request = HttpRequest(method="POST", path="/media/twilio/voice", url=url, headers=headers, query={}, body=body)
    return asyncio.run(_handled(hook, change(request)))


async def _handled(hook: Webhook, request: HttpRequest) -> HttpReply:
    return await hook.handle(request)


def test_the_webhook_answers_with_a_stream_to_our_public_url() -> None:
    reply = post(transport())
    assert (reply.status, reply.content_type) == (200, "text/xml; charset=utf-8")
    url, parameters = read_twiml(reply.body)
    assert url == STREAM
    token = parameters.pop("token")
    assert token
    assert parameters == {
        "from": "+33612345678",
        "to": "+33100000000",
        "CallerName": 'Café "R&D" <test> ',
        "ForwardedFrom": "+33199999999",
    }


def test_without_a_public_url_the_request_says_where_we_are() -> None:
    line = transport(public_url=None)
    reply = post(line, url="http://10.0.0.5:8080/media/twilio/voice", change=lambda r: _with_host(r, "10.0.0.5:8080"))
    assert reply.status == 200
    assert read_twiml(reply.body)[0] == "ws://10.0.0.5:8080/media/twilio"


def _with_host(request: HttpRequest, host: str) -> HttpRequest:
    headers = {**request.headers, "host": host}
    return HttpRequest(method="POST", path=request.path, url=request.url, headers=headers, query={}, body=request.body)


@pytest.mark.parametrize(
    "signature", ["", "x", twilio_signature("12345", VOICE), twilio_signature("1", VOICE, FORM.items())]
)
def test_a_webhook_that_is_not_signed_with_its_form_is_refused(signature: str) -> None:
    assert post(transport(), signature=signature).status == 403


BASIC = AuthSection.model_validate({"basic": {"username": "carrier", "password": "pä:ss"}})
BEARER = AuthSection.model_validate({"bearer": {"token": "t0ken"}})
LOGIN = "Basic " + base64.b64encode("carrier:pä:ss".encode()).decode()


@pytest.mark.parametrize(
    ("auth", "header", "status", "challenge"),
    [
        (BASIC, LOGIN, 200, None),
        (BASIC, None, 401, "Basic"),
        (BASIC, "Basic " + base64.b64encode(b"carrier:wrong").decode(), 401, "Basic"),
        (BASIC, "Bearer t0ken", 401, "Basic"),
        (BEARER, "Bearer t0ken", 200, None),
        (BEARER, None, 401, "Bearer"),
        (BEARER, "Bearer token", 401, "Bearer"),
        (BEARER, LOGIN, 401, "Bearer"),
    ],
)
def test_a_line_with_a_login_or_a_token_asks_its_webhooks_for_it(
    auth: AuthSection, header: str | None, status: int, challenge: str | None
) -> None:
    def with_proof(request: HttpRequest) -> HttpRequest:
        return replace(request, headers={**request.headers, **({"authorization": header} if header else {})})

    line = transport(auth)
    reply = post(line, change=with_proof)
    assert reply.status == status
    assert reply.headers.get("www-authenticate", "").partition(" ")[0] == (challenge or "")
    for hook in [route for route in line.routes if isinstance(route, Webhook)]:
        body = urlencode({"CallSid": "CA1", "DialCallStatus": "busy"}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        request = HttpRequest(method="POST", path=hook.path, url=VOICE, headers=headers, query={}, body=body)
        assert asyncio.run(_handled(hook, request)).status == 401


def test_an_open_line_checks_no_signature() -> None:
    assert post(transport(OPEN), signature="").status == 200


@pytest.mark.parametrize("body", [b"\xff\xfe=1", b"no form at all", b"&".join(b"a=1" for _ in range(300))])
def test_what_is_not_a_form_is_refused(body: bytes) -> None:
    def broken(request: HttpRequest) -> HttpRequest:
        return HttpRequest(
            method="POST", path=request.path, url=request.url, headers=request.headers, query={}, body=body
        )

    assert post(transport(), change=broken).status == 400


async def connected(port_url: str, parameters: dict[str, str], call_sid: str) -> int | None:
    """Connect the stream of an invitation; the code of its close, or None while it is up."""
    caller = TwilioCaller().connect(port_url + "/media/twilio", custom=parameters, auth=proof(), call_sid=call_sid)
    async with caller:
        for _ in range(5):
            await asyncio.sleep(0.01)
        return caller.hung_up.code if caller.hung_up else None


@virtual_time
async def test_a_token_lets_its_own_call_in_once() -> None:
    clock, desk = ManualClock(), Desk()
    line = transport(clock=clock)
    hook = next(route for route in line.routes if isinstance(route, Webhook))
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-twilio-signature": twilio_signature("12345", VOICE, FORM.items()),
    }
    request = HttpRequest(
        method="POST", path=hook.path, url=VOICE, headers=headers, query={}, body=urlencode(FORM).encode()
    )
    _, parameters = read_twiml((await hook.handle(request)).body)
    async with open_line(line, desk) as port:
        assert await connected(port.url, parameters, "CAother") == 1008
        assert await connected(port.url, parameters, FORM["CallSid"]) is None
        assert await connected(port.url, parameters, FORM["CallSid"]) == 1008
        assert await connected(port.url, {**parameters, "token": "1.2.3"}, FORM["CallSid"]) == 1008
        without = {name: value for name, value in parameters.items() if name != "token"}
        assert await connected(port.url, without, FORM["CallSid"]) is None
    (first, _) = desk.calls
    assert first.leg.info.display_name == FORM["CallerName"].replace("\x00", " ")
    assert "token" not in first.leg.info.custom
    assert first.leg.info.custom["ForwardedFrom"] == "+33199999999"


# --- settings ------------------------------------------------------------------------------------------------------
def test_settings_name_what_is_wrong() -> None:
    assert TwilioLine(auth=SIGNED).path == "/media/twilio"
    assert TwilioLine(auth=SIGNED, path="/a/").path == "/a"
    for wrong in ({}, {"auth": {"digest": {"realm": "r", "users": {"a": "b"}}}}, {"auth": "none", "path": "x?y"}):
        with pytest.raises(ValidationError):
            TwilioLine.model_validate(wrong)
