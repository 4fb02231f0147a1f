"""SIP legs and telephones that do things in unusual ways, over real sockets. The usual ways are in the contracts."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from audio.format import PCMA_8K, PCMU_8K
from audio.frame import Frame
from gateway.errors import RemoteProtocolError
from gateway.events import DigitPressed, HoldChanged, LegClosed
from gateway.interfaces import ListensLater
from gateway.transports.sip.settings import SipLine
from gateway.transports.sip.transport import SipTransport
from gateway.transports.sockets import LineContext
from tests.contracts.leg_kinds import KINDS
from tests.fakes.desk import Desk, open_line
from tests.fakes.plain_phone import PlainPhone, plain_phone, port_in
from tests.fakes.shared_port import shared_port
from tests.fakes.sip_line import rtp_ports, trunk_url
from tests.fakes.virtual_loop import elapsed, virtual_time

SOUND = bytes(range(1, 161))


@asynccontextmanager
async def calling(desk: Desk, **more: Any) -> AsyncIterator[PlainPhone]:
    """A telephone, and a gateway it can call."""
    ids = itertools.count(1)
    settings = {
        "listen": "udp:127.0.0.1:0",
        "allow": "127.0.0.1",
        "rtp": {"host": "127.0.0.1", "ports": rtp_ports()},
        **more,
    }
    transport = SipTransport("line", SipLine.model_validate(settings), LineContext(new_id=lambda: f"call-{next(ids)}"))
    async with open_line(transport, desk), plain_phone(await trunk_url(transport)) as phone:
        yield phone


async def heard(desk: Desk, payload: bytes) -> None:
    """Wait until the gateway has heard something."""
    call = await desk.call()
    await desk.until(lambda: payload in call.audio, within=5.0)


# --- who calls -----------------------------------------------------------------------------------------------------
ASSERTED = 'P-Asserted-Identity: "Ada" <sip:+33612345678@carrier.example>'
DIGEST = {"digest": {"realm": "pbx", "users": {"alice": "secret"}}}


@pytest.mark.parametrize(
    ("more", "extra", "caller", "name"),
    [
        ({}, [], "601", ""),
        ({}, [ASSERTED], "+33612345678", "Ada"),
        ({"country": "33"}, [ASSERTED.replace("+33", "0")], "+33612345678", "Ada"),
        ({"trust_identity": False}, [ASSERTED], "601", ""),
        ({"allow": [], "auth": "none"}, [ASSERTED], "601", ""),
        ({}, [ASSERTED, "Privacy: id"], "", ""),
    ],
)
@virtual_time
async def test_only_who_is_trusted_says_who_calls(
    more: dict[str, Any], extra: list[str], caller: str, name: str
) -> None:
    desk = Desk()
    async with calling(desk, **more) as phone:
        phone.ask("INVITE", phone.sdp(), extra=extra)
        await phone.response()
        phone.ask("ACK", number=1)
        info = (await desk.call()).leg.info
        assert (info.caller, info.display_name, info.called, info.leg_id) == (caller, name, "600", "plain-call")
        assert ("P-Asserted-Identity" in info.sip_headers) == (caller != "601")
        phone.ask("BYE")
        await phone.response()


@virtual_time
async def test_a_stranger_gets_no_word() -> None:
    desk = Desk()
    async with calling(desk, allow="192.0.2.0/24") as phone:
        phone.ask("INVITE", phone.sdp())
        with pytest.raises(TimeoutError):
            await phone.response(100)
    assert desk.calls == []


@virtual_time
async def test_who_asks_whether_we_are_there_is_told() -> None:
    async with calling(Desk()) as phone:
        phone.ask("OPTIONS")
        assert (await phone.response()).status == 200
    async with calling(Desk(), allow=[], auth=DIGEST) as phone:
        phone.ask("OPTIONS")
        assert (await phone.response()).status == 401


# --- the first word ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("acks_after", "speaks_after", "least", "most"),
    [
        (0.03, None, 0.09, 0.09),  # a PBX that sends nothing before we have
        (0.03, 0.04, 0.04, 0.04),  # a telephone, or a PBX that has joined its two sides
        (None, None, 0.5, 0.5),  # the ACK is late, or lost
        (None, 0.0, 0.0, 0.0),  # who speaks before the ACK listens, too
    ],
)
@virtual_time
async def test_the_first_word_waits_until_the_peer_can_hear_it(
    acks_after: float | None, speaks_after: float | None, least: float, most: float
) -> None:
    desk = Desk()
    async with calling(desk) as phone:
        phone.ask("INVITE", phone.sdp("8"))
        accepted, began, loop = await phone.response(), elapsed(), asyncio.get_running_loop()
        if acks_after is not None:
            loop.call_later(acks_after, lambda: phone.ask("ACK", number=1))
        if speaks_after is not None:
            loop.call_later(speaks_after, phone.say, SOUND[::-1], port_in(accepted.body), 8)
        call = await desk.call()
        await desk.until(lambda: call.is_answered)
        assert isinstance(call.leg, ListensLater)
        await call.leg.until_heard()
        assert least - 0.001 <= elapsed() - began <= most + 0.005
        await asyncio.sleep(1)
        before = elapsed()
        await call.leg.until_heard()
        assert elapsed() == before, "later it listens, whether or not it sends"


# --- ends ----------------------------------------------------------------------------------------------------------
@virtual_time
async def test_an_answer_that_is_never_acknowledged_ends_the_call() -> None:
    desk = Desk()
    rtp = {"host": "127.0.0.1", "ports": rtp_ports(), "silence_limit": 100}
    async with calling(desk, rtp=rtp) as phone:
        phone.ask("INVITE", phone.sdp())
        first = await phone.response()
        assert (await phone.response()).body == first.body  # said again
        await phone.request("BYE", within=40.0)
        call = await desk.call()
        await desk.until(lambda: call.is_over)
        assert call.events[-1] == LegClosed(by="failure", reason="no_ack")


@virtual_time
async def test_who_cancels_is_told_so_and_has_hung_up() -> None:
    desk = Desk(answers=False)
    async with calling(desk) as phone:
        phone.ask("INVITE", phone.sdp())
        call = await desk.call()
        await call.leg.ring(early_media=False)  # type: ignore[attr-defined]  # it can
        assert (await phone.response(180)).status == 180
        via = "z9hG4bKINVITE1"
        phone.send(phone.written("CANCEL", number=1).replace(b"z9hG4bKCANCEL1", via.encode()))
        assert {(await phone.response()).status for _ in range(2)} == {200, 487}
        phone.send(phone.written("ACK", number=1).replace(b"z9hG4bKACK1", via.encode()))
        await desk.until(lambda: call.is_over)
        assert call.events == [LegClosed(by="caller", reason="cancelled")]


# --- offers --------------------------------------------------------------------------------------------------------
@virtual_time
async def test_a_call_without_an_offer_gets_ours_and_answers_with_its_ack() -> None:
    desk = Desk()
    async with calling(desk) as phone:
        phone.ask("INVITE")
        accepted = await phone.response()
        assert accepted.status == 200
        offer = accepted.body.decode()
        assert "RTP/AVP 8 0 101" in offer
        call = await desk.call()
        assert not call.is_answered
        phone.ask("ACK", phone.sdp("8 101", "a=rtpmap:101 telephone-event/8000"), number=1)
        await desk.until(lambda: call.is_answered)
        await call.leg.send_audio(Frame(SOUND, PCMA_8K))
        while (packet := await phone.hears()).payload != SOUND:
            pass
        assert packet.payload_type == 8
        phone.say(SOUND, port_in(accepted.body), 8)
        await heard(desk, SOUND)
        phone.ask("BYE")
        assert (await phone.response()).status == 200
        await desk.until(lambda: call.is_over)


@virtual_time
async def test_an_answer_with_another_codec_than_our_favourite_is_converted() -> None:
    desk = Desk()
    async with calling(desk) as phone:
        phone.ask("INVITE")
        accepted = await phone.response()
        phone.ask("ACK", phone.sdp("0"), number=1)
        call = await desk.call()
        await desk.until(lambda: call.is_answered)
        assert call.leg.capabilities.format == PCMA_8K
        phone.say(PCMU_8K.silence(160), port_in(accepted.body), 0)
        await desk.until(lambda: len(call.audio) >= 160)
        assert set(call.audio) <= {0xD5, 0x55}


@pytest.mark.parametrize("answer", ["", "v=0\r\nnonsense\r\n", "refused"])
@virtual_time
async def test_an_ack_that_does_not_answer_our_offer_ends_the_call(answer: str) -> None:
    desk = Desk(answers=False)
    async with calling(desk) as phone:
        phone.ask("INVITE")
        call = await desk.call()
        answering = asyncio.create_task(call.leg.answer())
        await phone.response()
        phone.ask("ACK", phone.sdp("0", port=0) if answer == "refused" else answer, number=1)
        with pytest.raises(RemoteProtocolError):
            await answering
        await call.leg.hang_up("failure")
        await phone.request("BYE")
        await desk.until(lambda: call.is_over)


@pytest.mark.parametrize(
    ("formats", "attributes"),
    [("9", ()), ("111", ("a=rtpmap:111 opus/48000/2",)), ("101", ("a=rtpmap:101 telephone-event/8000",))],
)
@virtual_time
async def test_an_offer_of_which_nothing_can_be_used_is_refused(formats: str, attributes: tuple[str, ...]) -> None:
    desk = Desk()
    async with calling(desk) as phone:
        phone.ask("INVITE", phone.sdp(formats, *attributes))
        assert (await phone.response()).status == 488
        phone.ask("ACK", number=1)
    assert desk.calls == []


@virtual_time
async def test_a_description_that_is_none_is_a_bad_request() -> None:
    desk = Desk()
    async with calling(desk) as phone:
        phone.ask("INVITE", "v=0\r\nm=audio\r\n")
        assert (await phone.response()).status == 400
        phone.ask("ACK", number=1)
    assert desk.calls == []


@virtual_time
async def test_the_same_invite_again_is_the_same_call() -> None:
    desk = Desk()
    async with calling(desk) as phone:
        data = phone.ask("INVITE", phone.sdp())
        first = await phone.response()
        phone.send(data)
        again = await phone.response()
        assert again.body == first.body
        phone.ask("ACK", number=1)
        phone.ask("BYE")
        await phone.response()
        await asyncio.sleep(1.0)
    assert len(desk.calls) == 1


# --- what changes --------------------------------------------------------------------------------------------------
@asynccontextmanager
async def talking(desk: Desk) -> AsyncIterator[tuple[PlainPhone, int]]:
    """A call that is up, and the port of the gateway's audio."""
    async with calling(desk) as phone:
        phone.ask("INVITE", phone.sdp("0 101", "a=rtpmap:101 telephone-event/8000"))
        accepted = await phone.response()
        phone.ask("ACK", number=1)
        call = await desk.call()
        await desk.until(lambda: call.is_answered)
        yield phone, port_in(accepted.body)


@virtual_time
async def test_hold_in_the_old_way_is_hold_too() -> None:
    """RFC 2543 held by an address of zeros."""
    desk = Desk()
    async with talking(desk) as (phone, _):
        call = await desk.call()
        phone.ask("INVITE", phone.sdp("0").replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0"))
        assert b"a=inactive" in (answer := await phone.response()).body or b"a=recvonly" in answer.body
        phone.ask("ACK", number=2)
        await desk.until(lambda: call.told == [HoldChanged(held=True)])
        phone.ask("INVITE", phone.sdp("0"))
        assert b"a=sendrecv" in (await phone.response()).body
        phone.ask("ACK", number=3)
        await desk.until(lambda: call.told == [HoldChanged(held=True), HoldChanged(held=False)])


@virtual_time
async def test_audio_may_move_to_another_port() -> None:
    desk = Desk()
    async with talking(desk) as (phone, port):
        call = await desk.call()
        phone.say(SOUND, port)
        await heard(desk, SOUND)
        async with plain_phone(f"sip:127.0.0.1:{port}") as other:
            phone.ask("INVITE", phone.sdp("0", port=other.media.port))
            assert (await phone.response()).status == 200
            phone.ask("ACK", number=2)
            await call.leg.send_audio(Frame(SOUND, PCMU_8K))
            while (await other.hears()).payload != SOUND:
                pass
            other.say(SOUND[::-1], port)
            other.say(SOUND[::-1], port)
            await heard(desk, SOUND[::-1])


@virtual_time
async def test_a_change_that_cannot_be_is_refused_and_changes_nothing() -> None:
    desk = Desk()
    async with talking(desk) as (phone, port):
        phone.ask("INVITE", phone.sdp("9"))
        assert (await phone.response()).status == 488
        phone.ask("ACK", number=2)
        phone.say(SOUND, port)
        await heard(desk, SOUND)


@virtual_time
async def test_a_re_invite_without_an_offer_is_answered_with_one() -> None:
    desk = Desk()
    async with talking(desk) as (phone, port):
        phone.ask("INVITE")
        offer = await phone.response()
        assert (offer.status, port_in(offer.body)) == (200, port)
        phone.ask("ACK", phone.sdp("0"), number=2)
        phone.say(SOUND, port)
        await heard(desk, SOUND)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/dtmf-relay", "Signal=11\r\nDuration=160\r\n"),
        ("application/dtmf", "11"),
        ("application/dtmf", "#"),
    ],
)
@virtual_time
async def test_keys_by_info(kind: str, body: str) -> None:
    desk = Desk()
    async with talking(desk) as (phone, _):
        call = await desk.call()
        phone.ask("INFO", body, kind=kind)
        assert (await phone.response()).status == 200
        await desk.until(lambda: call.told == [DigitPressed(digit="#")])


@pytest.mark.parametrize("kind", ["application/media_control+xml", "application/dtmf-relay"])
@virtual_time
async def test_any_other_info_is_agreed_to_and_is_no_key(kind: str) -> None:
    desk = Desk()
    async with talking(desk) as (phone, _):
        call = await desk.call()
        phone.ask("INFO", "Signal=flash", kind=kind)
        assert (await phone.response()).status == 200
        phone.ask("BYE")
        await phone.response()
        await desk.until(lambda: call.is_over)
        assert [type(event) for event in call.told] == [LegClosed]


@pytest.mark.parametrize("kind", ["sip-udp-rtp", "sip-tcp-rtp", "sip-ws-webrtc"])
@virtual_time
async def test_a_line_that_ends_says_goodbye_to_its_calls(kind: str) -> None:
    chosen, desk = KINDS[kind], Desk()
    transport = chosen.transport()
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(shared_port(transport.routes))
        async with open_line(transport, desk):
            url = await chosen.trunk(transport) if chosen.trunk is not None else port.url + chosen.path
            line = chosen.client(transport).connect(url, caller="+33612345678", called="+33100000000", auth=chosen.auth)
            await stack.enter_async_context(line)
            taken = await desk.call()
            await desk.until(lambda: taken.is_answered)
        async with asyncio.timeout(5):
            ended = await line.wait_until_over()
        await asyncio.sleep(0.1)  # virtual: the caller closes the connection
    assert ended.by == "gateway"
