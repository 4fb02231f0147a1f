"""Calls placed by SIP, from the caller's side: how they begin, are refused, and end."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from websockets.exceptions import InvalidStatus

from audio.format import PCMA_8K, PCMU_8K
from audio.frame import Frame
from gateway.caller.line import CallRefused
from gateway.caller.peer import Answered, CallerAuth, CallerTrust, HungUp
from gateway.caller.sip import SipCaller
from gateway.caller.sip_peer import SipPeer
from gateway.errors import LocalProtocolError
from gateway.events import AudioReceived, HoldChanged
from gateway.interfaces import Transport
from gateway.transports.sip.settings import SipLine
from gateway.transports.sip.transport import SipTransport
from gateway.transports.sockets import LineContext
from tests.fakes.certificates import shared, tls_settings
from tests.fakes.desk import Desk, open_line
from tests.fakes.sip_line import rtp_ports, trunk_url
from tests.fakes.virtual_loop import elapsed, virtual_time

DOORS: dict[str, dict[str, Any]] = {
    "udp": {"listen": "udp:127.0.0.1:0", "allow": "127.0.0.1"},
    "tcp": {"listen": "tcp:127.0.0.1:0", "allow": "127.0.0.1"},
    "tls": {"listen": "tls:127.0.0.1:0", "allow": "127.0.0.1", "tls": tls_settings()},
    "ws": {"path": "/sip", "auth": {"basic": {"username": "pbx", "password": "secret"}}},
}
TRUST = CallerTrust(cafile=shared()[0].file)
AUTH = CallerAuth(username="pbx", password="secret")
WRONG = CallerAuth(username="pbx", password="wrong")
each_door = pytest.mark.parametrize("door", DOORS)


@asynccontextmanager
async def gateway(door: str, desk: Desk, **more: Any) -> AsyncIterator[str]:
    """The address of a line with one door."""
    ids = itertools.count(1)
    settings = {**DOORS[door], "rtp": {"host": "127.0.0.1", "ports": rtp_ports()}, **more}
    context = LineContext(new_id=lambda: f"call-{next(ids)}")
    transport: Transport = SipTransport("line", SipLine.model_validate(settings), context)
    async with open_line(transport, desk) as port:
        yield f"{port.url}/sip" if door == "ws" else await trunk_url(transport)


@pytest.mark.parametrize("url", ["http://host", "sip:", "sip:host;transport=sctp", "tel:600", "host:5060", "ws:///sip"])
def test_what_cannot_be_called(url: str) -> None:
    with pytest.raises(LocalProtocolError, match="no address"):
        SipCaller(trust=TRUST).connect(url)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@virtual_time
async def test_where_nobody_listens(transport: str) -> None:
    desk = Desk()
    async with gateway(transport, desk) as url:
        pass
    with pytest.raises(OSError):  # whatever the system says
        async with SipCaller(trust=TRUST).connect(url, called="600"):
            pass


@each_door
@virtual_time
async def test_a_refusal_is_raised_with_its_status(door: str) -> None:
    desk = Desk(answers=False)

    async def refuse() -> None:
        await (await desk.call()).leg.hang_up("full")

    async with gateway(door, desk, retry_after=7) as url, asyncio.TaskGroup() as group:
        group.create_task(refuse())
        with pytest.raises(CallRefused) as refused:
            async with SipCaller(trust=TRUST).connect(url, called="600", auth=AUTH):
                pass
        assert (refused.value.status, refused.value.retry_after) == (503, 7.0)


@each_door
@virtual_time
async def test_a_refusal_ends_a_line_that_does_not_wait(door: str) -> None:
    desk = Desk(answers=False)
    client = SipCaller(answered_within=None, trust=TRUST)
    async with gateway(door, desk) as url, client.connect(url, called="600", auth=AUTH) as line:
        await (await desk.call()).leg.hang_up("unknown_number")
        over = await line.wait_until_over()
    assert (over.by, over.code) == ("gateway", 404)


@each_door
@virtual_time
async def test_nobody_waits_for_ever(door: str) -> None:
    desk = Desk(answers=False)
    async with gateway(door, desk) as url:
        with pytest.raises(TimeoutError):
            async with SipCaller(answered_within=5.0, trust=TRUST).connect(url, called="600", auth=AUTH):
                pass
        call = await desk.call()
        await desk.until(lambda: call.is_over)
    assert elapsed() < 10.0
    assert getattr(call.events[-1], "by", "") == "caller"  # who has given up is no failure


@virtual_time
async def test_a_websocket_that_is_not_let_in() -> None:
    desk = Desk()
    async with gateway("ws", desk) as url:
        with pytest.raises(InvalidStatus):
            async with SipCaller(trust=TRUST).connect(url, called="600", auth=WRONG):
                pass
    assert desk.calls == []


@virtual_time
async def test_a_websocket_may_be_open_and_its_calls_not() -> None:
    desk = Desk()
    digest = {"digest": {"realm": "pbx", "users": {"pbx": "secret"}}}
    async with gateway("ws", desk, auth=digest) as url:
        with pytest.raises(CallRefused) as refused:
            async with SipCaller(trust=TRUST).connect(url, called="600", auth=WRONG):
                pass
        assert refused.value.status == 401
        async with SipCaller(trust=TRUST).connect(url, called="600", auth=AUTH):
            await desk.call()
    assert len(desk.calls) == 1


@each_door
@virtual_time
async def test_who_withholds_his_number_is_nobody(door: str) -> None:
    desk = Desk()
    async with gateway(door, desk) as url, SipCaller(trust=TRUST).connect(url, called="600", auth=AUTH):
        info = (await desk.call()).leg.info
    assert (info.caller, info.called) == ("", "600")


@each_door
@virtual_time
async def test_the_codec_of_the_telephone_is_that_of_the_call(door: str) -> None:
    desk = Desk()
    async with (
        gateway(door, desk) as url,
        SipCaller(codec="PCMA", trust=TRUST).connect(url, called="600", auth=AUTH) as line,
    ):
        leg = (await desk.call()).leg
        assert leg.capabilities.format == line.peer.format == PCMA_8K


@each_door
@virtual_time
async def test_events_are_told_in_their_order_and_the_end_is_last(door: str) -> None:
    desk = Desk()
    async with gateway(door, desk) as url, SipCaller(trust=TRUST).connect(url, called="600", auth=AUTH) as line:
        call = await desk.call()
        await desk.until(lambda: call.is_answered)
        await call.leg.hang_up("normal")
        events = [event async for event in line.events()]
    assert [type(event) for event in events] == [Answered, HungUp]
    over = events[-1]
    assert isinstance(over, HungUp)
    assert (over.by, over.reason) == ("gateway", "Q.850;cause=16")


# --- TLS and SRTP --------------------------------------------------------------------------------------------------
@virtual_time
async def test_a_gateway_that_nobody_vouches_for_is_not_called_unless_that_is_said() -> None:
    desk = Desk()
    async with gateway("tls", desk) as url:
        with pytest.raises(ssl.SSLCertVerificationError):
            async with SipCaller().connect(url, called="600"):
                pass
        assert desk.calls == []
        trust = CallerTrust(insecure=True)
        async with SipCaller(trust=trust).connect(url, called="600"):
            await desk.call()


@pytest.mark.parametrize("scheme", ["sip", "sips"])
@virtual_time
async def test_sips_is_tls(scheme: str) -> None:
    desk = Desk()
    async with gateway("tls", desk) as url:
        url = url if scheme == "sip" else url.replace("sip:", "sips:").removesuffix(";transport=tls")
        async with SipCaller(trust=TRUST).connect(url, called="600") as line:
            call = await desk.call()
            await desk.until(lambda: call.is_answered)
            assert call.leg.info.called == "600"
            await line.hang_up()
            await desk.until(lambda: call.is_over)


@pytest.mark.parametrize("door", ["udp", "tls"])
@virtual_time
async def test_an_encrypted_call_is_heard_and_kept_encrypted_on_hold(door: str) -> None:
    desk = Desk()
    async with (
        gateway(door, desk) as url,
        SipCaller(trust=TRUST, encrypts=True).connect(url, called="600", auth=AUTH) as line,
    ):
        call = await desk.call()
        await desk.until(lambda: call.is_answered)
        peer = cast(SipPeer, line.peer)
        said = bytes(range(1, 201)) * 8
        await call.leg.send_audio(Frame(said, PCMU_8K))
        await line.say(Frame(said[::-1], PCMU_8K))
        await asyncio.sleep(0.5)
        assert said in b"".join(piece.data for piece in line.heard())
        heard = b"".join(event.frame.data for event in call.events if isinstance(event, AudioReceived))
        assert said[::-1] in heard
        peer.hold(asyncio.get_running_loop().time())
        await asyncio.sleep(0.5)
        assert call.events[-1] == HoldChanged(held=True)
        peer.resume(asyncio.get_running_loop().time())
        await asyncio.sleep(0.5)
        await call.leg.send_audio(Frame(said, PCMU_8K))
        await asyncio.sleep(0.5)
        assert b"".join(piece.data for piece in line.heard()).count(said) == 2


@virtual_time
async def test_a_line_that_must_encrypt_refuses_a_telephone_that_does_not() -> None:
    desk = Desk()
    rtp = {"host": "127.0.0.1", "ports": rtp_ports(), "encryption": "required"}
    async with gateway("tls", desk, rtp=rtp) as url:
        with pytest.raises(CallRefused) as refused:
            async with SipCaller(trust=TRUST).connect(url, called="600"):
                pass
    assert (refused.value.status, desk.calls) == (488, [])
