"""Transfers on a `twilio` line: by the REST API, and back into the same call when nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from xml.etree import ElementTree

import pytest
from pydantic import ValidationError

from audio.format import PCMU_8K
from audio.frame import Frame
from config.lines import AuthSection
from gateway.caller.line import CallerLine
from gateway.caller.peer import CallerAuth
from gateway.caller.twilio import TwilioCaller
from gateway.caller.twilio_webhook import read_twiml
from gateway.errors import ConfigError
from gateway.events import AudioReceived, LegClosed, MarkReached
from gateway.interfaces import TransferOutcome, TransferTarget
from gateway.kit.http import HttpClient
from gateway.kit.signature import twilio_signature
from gateway.routes import HttpReply, HttpRequest, Webhook
from gateway.transports.sockets import LineContext
from gateway.transports.twilio.settings import TwilioLine
from gateway.transports.twilio.transport import TwilioTransport
from tests.fakes.desk import Desk, TakenCall, open_line
from tests.fakes.shared_port import SharedPort, served
from tests.fakes.virtual_loop import virtual_time

PATH = "/media/twilio"
PUBLIC = "https://voice.example.com"
STREAM = "wss://voice.example.com/media/twilio"
SIGNED = AuthSection.model_validate({"twilio_signature": "12345"})
PROOF = CallerAuth(twilio_token="12345", signed_url=STREAM)
CALL_SID = "CA" + "7" * 32
PEOPLE = TransferTarget(transfer_id="t1", target="+33 1 23 45 67 89", ring=20)


@dataclass
class TwilioRest:
    """The Calls resource of Twilio's REST API, as far as a transfer needs it (Twilio documentation, November 2026)."""

    status: int = 200
    updates: asyncio.Queue[tuple[str, dict[str, str], str]] = field(default_factory=asyncio.Queue)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        form = dict(parse_qsl(body.decode(), strict_parsing=True))
        self.updates.put_nowait((scope["path"], form, headers["authorization"]))
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b'{"sid": "CA"}'})


@dataclass
class House:
    """A line with a call on it, and Twilio's API."""

    port: SharedPort
    transport: TwilioTransport
    desk: Desk
    rest: TwilioRest
    line: CallerLine
    call: TakenCall

    async def dialled(self) -> ElementTree.Element:
        """The TwiML the call is given."""
        async with asyncio.timeout(5):
            _, form, _ = await self.rest.updates.get()
        return ElementTree.fromstring(form["Twiml"])

    async def asked(self, url: str, *, signed: str = "12345", **form: str) -> HttpReply:
        """Twilio asks a webhook of ours, by its public URL."""
        fields = {"CallSid": CALL_SID, "From": "+33611111111", "To": "+33100000000", **form}
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": twilio_signature(signed, url, list(fields.items())),
        }
        handlers = {route.path: route.handle for route in self.transport.routes if isinstance(route, Webhook)}
        parts = urlsplit(url)
        request = HttpRequest(
            method="POST",
            path=parts.path,
            query=dict(parse_qsl(parts.query)),
            url=url,
            headers=headers,
            body=urlencode(fields).encode(),
        )
        return await handlers[urlsplit(url).path](request)

    @asynccontextmanager
    async def following(self, reply: HttpReply) -> AsyncIterator[CallerLine]:
        """Twilio does what the TwiML says: connects a stream of the same call."""
        url, parameters = read_twiml(reply.body)
        assert url == STREAM
        caller = TwilioCaller()
        async with caller.connect(self.port.url + PATH, custom=parameters, auth=PROOF, call_sid=CALL_SID) as line:
            yield line


@asynccontextmanager
async def house(auth: AuthSection = SIGNED, proof: CallerAuth = PROOF, **rest: object) -> AsyncIterator[House]:
    api, desk = TwilioRest(), Desk()
    async with served(api) as address, HttpClient() as http:
        section = TwilioLine.model_validate({"auth": auth, "rest": {"url": f"http://{address}", **rest}})
        context = LineContext(new_id=lambda: f"call-{len(desk.calls) + 1}", public_url=PUBLIC, http=http)
        transport = TwilioTransport("cloud", section, context)
        async with (
            open_line(transport, desk) as port,
            TwilioCaller().connect(port.url + PATH, auth=proof, call_sid=CALL_SID) as line,
        ):
            yield House(port, transport, desk, api, line, await desk.call())


def start(house: House, target: TransferTarget = PEOPLE) -> asyncio.Task[TransferOutcome]:
    return asyncio.create_task(house.call.leg.transfer(target))


async def outcome_of(transferring: asyncio.Task[TransferOutcome]) -> TransferOutcome:
    async with asyncio.timeout(60):
        return await transferring


async def given_up(transferring: asyncio.Task[TransferOutcome]) -> None:
    transferring.cancel()
    await asyncio.wait([transferring])


@virtual_time
async def test_the_call_is_given_twiml_that_dials_the_target() -> None:
    async with house(caller_id="+33100000000") as it:
        transferring = start(it)
        async with asyncio.timeout(5):
            path, form, authorization = await it.rest.updates.get()
        assert path == f"/2010-04-01/Accounts/{'AC' + '0' * 32}/Calls/{CALL_SID}.json"
        assert authorization == "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDoxMjM0NQ=="
        (dial,) = ElementTree.fromstring(form["Twiml"])
        assert dial.tag == "Dial"
        assert dial.attrib == {
            "timeout": "20",
            "action": f"{PUBLIC}{PATH}/transferred?call=call-1",
            "callerId": "+33100000000",
        }
        (number,) = dial
        assert (number.tag, number.text) == ("Number", "+33123456789")
        assert number.attrib == {
            "statusCallbackEvent": "answered",
            "statusCallback": f"{PUBLIC}{PATH}/answered?call=call-1",
        }
        await given_up(transferring)


@virtual_time
async def test_an_api_key_logs_in_for_the_account() -> None:
    async with house(api_key="SK1", secret="k3y") as it:
        transferring = start(it)
        async with asyncio.timeout(5):
            path, _, authorization = await it.rest.updates.get()
        assert "/Accounts/AC0000" in path
        assert authorization == "Basic U0sxOmszeQ=="
        await given_up(transferring)


@virtual_time
async def test_a_sip_target_takes_the_headers_along() -> None:
    async with house() as it:
        target = TransferTarget(transfer_id="t", target="sip:100@pbx.example.com", headers={"X-Reason": 'a<b & "c"'})
        transferring = start(it, target)
        ((sip,),) = await it.dialled()
        assert sip.tag == "Sip"
        assert parse_qs(str(sip.text).partition("?")[2]) == {"X-Reason": ['a<b & "c"']}
        assert str(sip.text).startswith("sip:100@pbx.example.com?")
        await given_up(transferring)


@virtual_time
async def test_once_they_talk_the_call_is_over_for_us() -> None:
    async with house() as it:
        transferring = start(it)
        (dial,) = await it.dialled()
        await it.line.hang_up()
        reply = await it.asked(dial[0].attrib["statusCallback"], CallStatus="in-progress")
        assert reply.status == 204
        assert await outcome_of(transferring) == TransferOutcome(ok=True)
        await it.desk.until(lambda: it.call.is_over)
        reply = await it.asked(dial.attrib["action"], DialCallStatus="completed", CallStatus="in-progress")
        assert list(ElementTree.fromstring(reply.body)) == []
    assert [type(event) for event in it.call.told] == [LegClosed]


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        ("busy", "busy"),
        ("no-answer", "no_answer"),
        ("failed", "unreachable"),
        ("canceled", "no_answer"),
        ("?", "failed"),
    ],
)
@virtual_time
async def test_a_caller_who_comes_back_is_in_the_same_call(status: str, cause: str) -> None:
    async with house() as it:
        await it.line.say(Frame(b"\x12" * 1600, PCMU_8K))
        await it.call.leg.send_audio(Frame(b"\x56" * 8000, PCMU_8K))
        await it.call.leg.mark("unheard")
        transferring = start(it)
        (dial,) = await it.dialled()
        await it.line.hang_up()
        async with it.following(await it.asked(dial.attrib["action"], DialCallStatus=status)) as again:
            assert await outcome_of(transferring) == TransferOutcome(ok=False, cause=cause)
            await again.say(Frame(b"\x34" * 1600, PCMU_8K))
            await it.call.leg.send_audio(Frame(b"\x56" * 1600, PCMU_8K))
            await it.call.leg.mark("after")
            await it.desk.until(lambda: MarkReached(mark_id="after") in it.call.told)
            await it.desk.until(lambda: b"\x34" * 1600 in it.call.audio)
            assert not it.call.is_over
            await again.hang_up()
            await it.desk.until(lambda: it.call.is_over)
    assert len(it.desk.calls) == 1
    assert MarkReached(mark_id="unheard") in it.call.told
    positions = [event.frame.pts_samples for event in it.call.events if isinstance(event, AudioReceived)]
    assert positions == sorted(set(positions))


@virtual_time
async def test_a_caller_who_hangs_up_while_it_rings_is_gone() -> None:
    async with house() as it:
        transferring = start(it)
        (dial,) = await it.dialled()
        await it.line.hang_up()
        reply = await it.asked(dial.attrib["action"], DialCallStatus="no-answer", CallStatus="completed")
        assert list(ElementTree.fromstring(reply.body)) == []
        assert await outcome_of(transferring) == TransferOutcome(ok=False, cause="gone")
        await it.desk.until(lambda: it.call.is_over)


@pytest.mark.parametrize("status", [401, 404, 429, 500])
@virtual_time
async def test_a_transfer_that_twilio_does_not_take_leaves_the_caller_with_the_bot(status: int) -> None:
    async with house() as it:
        it.rest.status = status
        assert await outcome_of(start(it)) == TransferOutcome(ok=False, cause="failed")
        await it.line.say(Frame(b"\x12" * 1600, PCMU_8K))
        await it.desk.until(lambda: b"\x12" * 1600 in it.call.audio)


@pytest.mark.parametrize("target", ["100", "0123", "nonsense", ""])
@virtual_time
async def test_twilio_knows_no_extensions(target: str) -> None:
    async with house() as it:
        transfer = TransferTarget(transfer_id="t", target=target)
        assert await outcome_of(start(it, transfer)) == TransferOutcome(ok=False, cause="failed")
        assert it.rest.updates.empty()


@virtual_time
async def test_reports_that_twilio_has_not_signed_are_refused() -> None:
    async with house() as it:
        transferring = start(it)
        (dial,) = await it.dialled()
        for url in (dial.attrib["action"], dial[0].attrib["statusCallback"]):
            assert (await it.asked(url, signed="54321", DialCallStatus="completed")).status == 403
        assert not transferring.done()
        await given_up(transferring)


@virtual_time
async def test_a_caller_who_comes_back_to_a_gateway_that_forgot_him_is_a_new_caller() -> None:
    async with house() as it:
        reply = await it.asked(f"{PUBLIC}{PATH}/transferred?call=call-77", DialCallStatus="busy")
        assert "talkpath_call" not in read_twiml(reply.body)[1]
        async with it.following(reply):
            assert (await it.desk.call(1)).leg.info.caller == "+33611111111"


@virtual_time
async def test_a_stream_for_a_call_that_is_over_is_refused() -> None:
    async with house() as it:
        transferring = start(it)
        (dial,) = await it.dialled()
        await it.line.hang_up()
        reply = await it.asked(dial.attrib["action"], DialCallStatus="busy")
        await given_up(transferring)
        async with it.following(reply) as late:
            assert (await late.wait_until_over()).code == 1008


@virtual_time
async def test_on_a_line_with_a_login_the_reports_have_it_in_their_addresses() -> None:
    basic = AuthSection.model_validate({"basic": {"username": "carrier", "password": "a/b@c"}})
    async with house(basic, CallerAuth(username="carrier", password="a/b@c"), secret="s") as it:
        transferring = start(it)
        (dial,) = await it.dialled()
        base = "https://carrier:a%2Fb%40c@voice.example.com/media/twilio"
        assert dial.attrib["action"].startswith(f"{base}/transferred?call=")
        assert dial[0].attrib["statusCallback"].startswith(f"{base}/answered?call=")
        await it.line.hang_up()
        await given_up(transferring)


def test_the_settings_say_what_is_missing() -> None:
    basic = {"basic": {"username": "a", "password": "b"}}
    for section in ({"auth": basic, "rest": {}}, {"auth": SIGNED, "rest": {"api_key": "SK1"}}):
        with pytest.raises(ValidationError, match=r"rest\.secret"):
            TwilioLine.model_validate(section)
    with pytest.raises(ValidationError, match=r"auth\.bearer"):
        TwilioLine.model_validate({"auth": {"bearer": {"token": "t"}}, "rest": {"secret": "s"}})
    line = TwilioLine.model_validate({"auth": SIGNED, "rest": {}})
    assert line.can_transfer
    assert not TwilioLine.model_validate({"auth": SIGNED}).can_transfer
    with pytest.raises(ConfigError, match=r"server.public_url"):
        TwilioTransport("cloud", line, LineContext(new_id=lambda: "call-1"))
