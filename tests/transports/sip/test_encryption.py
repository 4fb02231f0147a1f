"""Calls with keys in the SDP on a `sip` line, from a telephone that writes its SDP with a pencil; and who may come by
TLS."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import ValidationError

from audio.format import PCMU_8K
from audio.frame import Frame
from audio.rtp.packet import RtpPacket
from config.references import check_lines
from gateway.events import LegClosed
from gateway.transports.media.sdes import OFFERED_SUITES, Crypto, fresh, parse_crypto
from gateway.transports.media.srtp import Srtp
from gateway.transports.media.udp_media import UNDECRYPTED
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.listening import is_known, is_overheard
from gateway.transports.sip.settings import Listening, SipLine, parse_listening
from gateway.transports.sip.transport import SipTransport
from gateway.transports.sockets import LineContext
from tests.fakes.certificates import shared, tls_settings
from tests.fakes.desk import Desk, open_line
from tests.fakes.plain_phone import PlainPhone, plain_phone, port_in
from tests.fakes.sip_line import rtp_ports, trunk_url
from tests.fakes.virtual_loop import virtual_time

SUITE = "AES_CM_128_HMAC_SHA1_80"
SOUND = bytes(range(1, 161))


class KeyedPhone:
    """A telephone, and its keys."""

    def __init__(self, phone: PlainPhone) -> None:
        self.phone = phone
        self.own = fresh(SUITE, "1")
        self._srtp: Srtp | None = None
        self._sequence = itertools.count(1)
        self.port = 0

    def sdp(self, *attributes: str, profile: str = "RTP/SAVP", own: Crypto | None = None) -> str:
        key = f"a=crypto:{own or self.own}"
        return self.phone.sdp("0 101", key, "a=rtpmap:101 telephone-event/8000", *attributes).replace(
            "RTP/AVP", profile
        )

    async def agree(self, answer: bytes) -> Crypto:
        """Go on by the gateway's description; its key."""
        (line,) = [it for it in answer.decode().split("\r\n") if it.startswith("a=crypto:")]
        theirs = parse_crypto(line.removeprefix("a=crypto:"))
        if self._srtp is None:
            self._srtp = Srtp(self.own, theirs)
        else:
            self._srtp.change(self.own, theirs, 0.0)
        self.port = port_in(answer)
        return theirs

    def say(self, payload: bytes, by: Srtp | None = None) -> None:
        srtp, number = by or self._srtp, next(self._sequence)
        assert srtp is not None
        packet = srtp.protect(RtpPacket(0, number, number * 160, 77, payload).to_wire(), is_rtcp=False)
        assert packet is not None
        self.phone.media.transport.sendto(packet, (self.phone.host, self.port))

    async def hears(self) -> bytes:
        """The next payload that is not silence."""
        assert self._srtp is not None
        async with asyncio.timeout(5):
            while True:
                data, _ = await self.phone.media.arrived.get()
                opened = self._srtp.open(data, 0.0, is_rtcp=200 <= data[1] <= 210)
                assert not isinstance(opened, str), opened
                if not 200 <= data[1] <= 210 and (payload := RtpPacket.from_wire(opened).payload).strip(b"\xff"):
                    return payload


@asynccontextmanager
async def calling(desk: Desk, encryption: str = "optional", **rtp: Any) -> AsyncIterator[KeyedPhone]:
    ids = itertools.count(1)
    settings = {
        "listen": "udp:127.0.0.1:0",
        "allow": "127.0.0.1",
        "codecs": ["PCMU"],
        "rtp": {"host": "127.0.0.1", "ports": rtp_ports(), "encryption": encryption, **rtp},
    }
    transport = SipTransport("line", SipLine.model_validate(settings), LineContext(new_id=lambda: f"call-{next(ids)}"))
    async with open_line(transport, desk), plain_phone(await trunk_url(transport)) as phone:
        yield KeyedPhone(phone)


async def up(desk: Desk, keyed: KeyedPhone, sdp: str) -> Crypto:
    """Call, and be answered."""
    keyed.phone.ask("INVITE", sdp)
    answer = await keyed.phone.response()
    assert answer.status == 200, answer.reason
    keyed.phone.ask("ACK", number=1)
    theirs = await keyed.agree(answer.body)
    call = await desk.call()
    await desk.until(lambda: call.is_answered)
    return theirs


@pytest.mark.parametrize("encryption", ["optional", "required"])
@pytest.mark.parametrize("profile", ["RTP/SAVP", "RTP/SAVPF", "RTP/AVP"])
@virtual_time
async def test_both_hear_each_other(profile: str, encryption: str) -> None:
    desk = Desk()
    with structlog.testing.capture_logs() as logs:
        async with calling(desk, encryption) as keyed:
            theirs = await up(desk, keyed, keyed.sdp(profile=profile))
            assert theirs.key != keyed.own.key
            call = await desk.call()
            keyed.say(SOUND)
            await desk.until(lambda: SOUND in call.audio, within=5.0)
            await call.leg.send_audio(Frame(SOUND, PCMU_8K))
            assert await keyed.hears() == SOUND
            keyed.phone.ask("BYE")
            await keyed.phone.response()
    (offered,) = [it for it in logs if it["event"] == "call offered"]
    assert offered["encryption"] == "sdes"


@virtual_time
async def test_the_same_offer_keeps_our_key_and_another_key_changes_it() -> None:
    desk = Desk()
    async with calling(desk) as keyed:
        first = await up(desk, keyed, keyed.sdp())
        call = await desk.call()
        for number, is_new in ((2, False), (3, True)):
            before = keyed._srtp
            if is_new:
                keyed.own = fresh(SUITE, "1")
            keyed.phone.ask("INVITE", keyed.sdp())
            answer = await keyed.phone.response()
            keyed.phone.ask("ACK", number=number)
            assert before is not None
            keyed.say(SOUND[:40] * 4, before)  # it was on its way
            again = await keyed.agree(answer.body)
            assert (again.key != first.key) is is_new
            keyed.say(SOUND[number:] + SOUND[:number])
            await desk.until(lambda: SOUND[number:] + SOUND[:number] in call.audio, within=5.0)  # noqa: B023  # awaited here
            await call.leg.send_audio(Frame(SOUND, PCMU_8K))
            assert await keyed.hears() == SOUND
        assert call.audio.count(SOUND[:40] * 4) == 2


@virtual_time
async def test_a_call_that_cannot_be_decrypted_says_so_at_its_end() -> None:
    desk = Desk()
    with structlog.testing.capture_logs() as logs:
        async with calling(desk, silence_limit=5.0) as keyed:
            await up(desk, keyed, keyed.sdp())
            wrong = Srtp(fresh(SUITE, "1"), keyed.own)
            for _ in range(2 * UNDECRYPTED):
                keyed.say(SOUND, wrong)
                await asyncio.sleep(0.02)
            call = await desk.call()
            await desk.until(lambda: call.is_over, within=20.0)
            closed = call.events[-1]
    assert isinstance(closed, LegClosed)
    assert closed.reason.startswith(f"audio could not be decrypted ({2 * UNDECRYPTED} packets)")
    assert [it["packets"] for it in logs if it["event"] == "audio could not be decrypted"] == [UNDECRYPTED]
    assert not call.audio.strip(b"\xff")


@virtual_time
async def test_a_line_that_must_encrypt_refuses_plain_audio_and_says_why() -> None:
    desk = Desk()
    async with calling(desk, "required") as keyed:
        keyed.phone.ask("INVITE", keyed.phone.sdp())
        refused = await keyed.phone.response()
        assert refused.status == 488
        assert (refused.headers.get("Warning") or "").startswith('302 talkpath "this line takes encrypted audio only')
        assert desk.calls == []


@virtual_time
async def test_a_line_that_must_encrypt_stays_encrypted() -> None:
    desk = Desk()
    async with calling(desk, "required") as keyed:
        await up(desk, keyed, keyed.sdp())
        keyed.phone.ask("INVITE", keyed.phone.sdp())
        assert (await keyed.phone.response()).status == 488
        keyed.phone.ask("ACK", number=2)
        call = await desk.call()
        await call.leg.send_audio(Frame(SOUND, PCMU_8K))
        assert await keyed.hears() == SOUND


@virtual_time
async def test_a_line_that_must_encrypt_asks_for_it_in_its_own_offers() -> None:
    desk = Desk()
    async with calling(desk, "required") as keyed:
        keyed.phone.ask("INVITE")
        offer = (await keyed.phone.response()).body.decode()
        assert "m=audio " in offer
        assert " RTP/SAVP 0 101" in offer
        lines = [parse_crypto(it.removeprefix("a=crypto:")) for it in offer.split("\r\n") if it.startswith("a=crypto:")]
        assert [line.suite for line in lines] == list(OFFERED_SUITES)
        chosen = lines[1]
        keyed.own = fresh(chosen.suite, chosen.tag)
        keyed.phone.ask("ACK", keyed.sdp(), number=1)
        await keyed.agree(
            offer.replace(f"a=crypto:{lines[0]}\r\n", "").replace(f"a=crypto:{lines[2]}\r\n", "").encode()
        )
        call = await desk.call()
        await desk.until(lambda: call.is_answered)
        keyed.say(SOUND)
        await desk.until(lambda: SOUND in call.audio, within=5.0)
        await call.leg.send_audio(Frame(SOUND, PCMU_8K))
        assert await keyed.hears() == SOUND


@virtual_time
async def test_without_need_our_own_offers_are_plain() -> None:
    desk = Desk()
    async with calling(desk) as keyed:
        keyed.phone.ask("INVITE")
        offer = (await keyed.phone.response()).body.decode()
        assert " RTP/AVP 0 101" in offer
        assert "crypto" not in offer


# --- settings ------------------------------------------------------------------------------------------------------
def line(**settings: Any) -> SipLine:
    return SipLine.model_validate(settings)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("tls:0.0.0.0", Listening("tls", "0.0.0.0", 5061)),
        ("tls:[::]:5071", Listening("tls", "::", 5071)),
        ("tcp:0.0.0.0", Listening("tcp", "0.0.0.0", 5060)),
    ],
)
def test_where_a_line_listens(value: str, expected: Listening) -> None:
    assert parse_listening(value) == expected


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"listen": "tls:0.0.0.0", "allow": "192.0.2.1"}, "needs `tls` with a certificate"),
        ({"listen": "udp:0.0.0.0", "allow": "192.0.2.1", "tls": {"certificate": "a.pem"}}, "no socket such as tls:"),
        ({"listen": "tls:0.0.0.0", "tls": {"certificate": "a.pem"}}, "needs `allow`"),
        (
            {"listen": ["tls:0.0.0.0", "tcp:0.0.0.0"], "tls": {"certificate": "a.pem", "client_ca": "b.pem"}},
            "needs `allow`",
        ),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        line(**settings)


def test_who_shows_a_certificate_needs_no_address() -> None:
    certified = line(listen="tls:0.0.0.0", tls={"certificate": "a.pem", "client_ca": "b.pem"})
    listed = line(listen=["tls:0.0.0.0", "udp:0.0.0.0"], allow="192.0.2.0/24", tls={"certificate": "a.pem"})

    def flow(transport: Any, peer: str) -> Flow:
        return Flow("1", transport, f"{peer}:5061", "198.51.100.1:5061")

    assert is_known(certified, flow("tls", "203.0.113.9"))
    assert not is_known(certified, flow("ws", "203.0.113.9"))
    for transport in ("tls", "udp"):
        assert is_known(listed, flow(transport, "192.0.2.9"))
        assert not is_known(listed, flow(transport, "203.0.113.9"))
    assert not is_known(listed, flow("ws", "192.0.2.9"))


@pytest.mark.parametrize(
    ("transport", "peer", "expected"),
    [
        ("udp", "192.0.2.1:5060", True),
        ("ws", "192.0.2.1:5060", True),
        ("tls", "192.0.2.1:5061", False),
        ("wss", "192.0.2.1:443", False),
        ("ws", "127.0.0.1:40000", False),
        ("ws", "pbx.example.com:8088", True),
    ],
)
def test_whose_keys_can_be_overheard(transport: Any, peer: str, expected: bool) -> None:
    assert is_overheard(Flow("1", transport, peer, "198.51.100.1:5060")) is expected


def test_what_check_says_of_a_line(tmp_path: Path) -> None:
    now = LineContext(new_id=str).clock.wall()
    tls = tls_settings()
    sound = line(listen="tls:0.0.0.0", allow="192.0.2.1", tls=tls, rtp={"encryption": "required"})
    assert list(sound.faults(now)) == []
    missing = tmp_path / "none.pem"
    ((severity, key, text),) = line(listen="tls:0.0.0.0", allow="192.0.2.1", tls={**tls, "key": missing}).faults(now)
    assert (severity, key, text) == ("error", "tls.key", f"{missing} cannot be read: no such file or directory")
    both = line(listen=["tls:0.0.0.0", "udp:0.0.0.0"], allow="192.0.2.1", tls=tls, rtp={"encryption": "required"})
    ((severity, key, text),) = both.faults(now)
    assert (severity, key) == ("warning", "rtp.encryption")
    assert "goes by udp can read keys" in text
    assert list(line(listen="udp:0.0.0.0", allow="192.0.2.1").faults(now)) == []
    assert shared()[1].key.exists()


def test_two_lines_cannot_have_one_socket() -> None:
    lines = {name: line(listen=["udp:0.0.0.0:5060"], allow="192.0.2.1") for name in ("one", "other")}
    ((severity, path, text),) = [(it.severity, it.path, it.text) for it in check_lines(lines)]
    assert (severity, path) == ("error", ("lines", "other", "listen"))
    assert text == "udp:0.0.0.0:5060 is a socket of the line 'one' already"
