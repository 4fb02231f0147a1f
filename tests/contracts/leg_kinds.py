"""The kinds of legs that the contract of legs is for, and a call on one, seen from both sides."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from audio.format import AudioFormat
from audio.frame import Frame
from config.lines import AuthSection
from gateway.caller.asterisk_line import AsteriskCaller
from gateway.caller.line import CallerClient, CallerLine
from gateway.caller.peer import (
    Answered,
    AudioHeard,
    CallerAuth,
    CallerTrust,
    FarEvent,
)
from gateway.caller.sip import SipCaller
from gateway.caller.sip_sockets import SipConnection
from gateway.caller.twilio import TwilioCaller
from gateway.events import LegClosed
from gateway.interfaces import Transport
from gateway.transports.asterisk.settings import AsteriskLine
from gateway.transports.asterisk.transport import AsteriskTransport
from gateway.transports.browser.settings import BrowserLine
from gateway.transports.browser.transport import BrowserTransport
from gateway.transports.sip.settings import SipLine
from gateway.transports.sip.transport import SipTransport
from gateway.transports.sockets import LineContext
from gateway.transports.twilio.settings import TwilioLine
from gateway.transports.twilio.transport import TwilioTransport
from tests.fakes.calling_pbx import DOMAIN, PbxCaller
from tests.fakes.certificates import shared, tls_settings
from tests.fakes.desk import Desk, TakenCall, open_line
from tests.fakes.page import token_for
from tests.fakes.page_caller import PageCaller, PageConnection
from tests.fakes.sip_line import rtp_ports, trunk_url

TICK = 0.02
BASIC = AuthSection.model_validate({"basic": {"username": "pbx", "password": "secret"}})
DIGEST = AuthSection.model_validate({"digest": {"realm": "pbx", "users": {"pbx": "secret"}}})
TWILIO = AuthSection.model_validate({"twilio_signature": "12345"})


def context() -> LineContext:
    ids = itertools.count(1)
    return LineContext(new_id=lambda: f"call-{next(ids)}")


@dataclass(frozen=True)
class Kind:
    """A kind of leg: our side, the far side, and how the far side proves itself.

    Attributes:
        path: Of the socket on the shared port; empty: `trunk`.
        trunk: Finds the address of a line with a socket of its own.
        custom: A name for call data, as the line has it; empty: there is none.
        has_buffer: Sound waits at the far side to be heard, which answers marks and clears; in RTP it waits on ours.
        close_media: Has the far side say goodbye by DTLS, before it has hung up; None: there is no such thing.
    """

    transport: Callable[[], Transport]
    client: Callable[[Transport], CallerClient]
    auth: CallerAuth | None
    path: str = ""
    trunk: Callable[[Transport], Awaitable[str]] | None = None
    carries_caller: bool = True
    waits_for_answer: bool = False
    custom: str = "Bot"
    has_buffer: bool = True
    can_transfer: bool = False
    can_send_digits: bool = False
    close_media: Callable[[CallerLine], Awaitable[None]] | None = None


def size_of(event: FarEvent) -> int:
    return len(event.frame.data) if isinstance(event, AudioHeard) else 0


def asterisk(
    client: Callable[[], CallerClient], *, carries_caller: bool = True, waits_for_answer: bool = False
) -> Kind:
    return Kind(
        lambda: AsteriskTransport("line", AsteriskLine(auth=BASIC), context()),
        lambda _: client(),
        CallerAuth(username="pbx", password="secret"),
        "/media/asterisk",
        carries_caller=carries_caller,
        waits_for_answer=waits_for_answer,
    )


def sip(trunk: str = "") -> Kind:
    """Over UDP or TCP with RTP, over TLS with SRTP, or over WebSocket with WebRTC."""
    is_tls = trunk == "tls"
    door = {"listen": f"{trunk}:127.0.0.1:0", "auth": DIGEST} if trunk else {"path": "/sip", "auth": BASIC}
    door |= {"tls": tls_settings()} if is_tls else {}
    encryption = "required" if is_tls else "optional"
    rtp = {"host": "127.0.0.1", "ports": rtp_ports(), "encryption": encryption}
    line = SipLine.model_validate({**door, "rtp": rtp})
    trust = CallerTrust(cafile=shared()[0].file) if is_tls else None
    return Kind(
        lambda: SipTransport("line", line, context()),
        lambda _: SipCaller(encrypts=is_tls, trust=trust),
        CallerAuth(username="pbx", password="secret"),
        path="" if trunk else "/sip",
        trunk=trunk_url if trunk else None,
        custom="X-Bot",
        has_buffer=False,
        can_transfer=True,
        can_send_digits=True,
        close_media=None if trunk else _close_media,
    )


async def _close_media(line: CallerLine) -> None:
    connection = line._connection
    assert isinstance(connection, SipConnection | PageConnection)
    await (connection._media if isinstance(connection, SipConnection) else connection._peer).close()


def account() -> Kind:
    """At a PBX at which we have registered over WebSocket, with WebRTC."""
    listeners: dict[Transport, socket.socket] = {}

    def transport() -> Transport:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        registration = {
            "registrar": f"ws://127.0.0.1:{listener.getsockname()[1]}/ws",
            "aor": f"sip:talkpath@{DOMAIN}",
        }
        rtp = {"host": "127.0.0.1", "ports": rtp_ports()}
        made = SipTransport("line", SipLine.model_validate({"registrations": [registration], "rtp": rtp}), context())
        listeners[made] = listener
        return made

    return Kind(
        transport,
        lambda transport: PbxCaller(listeners.pop(transport)),
        auth=None,
        custom="X-Bot",
        has_buffer=False,
        can_transfer=True,
        can_send_digits=True,
        close_media=_close_media,
    )


def browser() -> Kind:
    """A page: requests by HTTP, and WebRTC."""
    line = BrowserLine.model_validate({"media": {"host": "127.0.0.1", "ports": rtp_ports()}})
    return Kind(
        lambda: BrowserTransport("line", line, context()),
        lambda transport: PageCaller(lambda called, caller: token_for(transport, called, caller)),
        auth=None,
        path=line.path,
        custom="",
        has_buffer=False,
        can_send_digits=True,
        close_media=_close_media,
    )


KINDS = {
    "twilio": Kind(
        lambda: TwilioTransport("line", TwilioLine(auth=TWILIO), context()),
        lambda _: TwilioCaller(),
        CallerAuth(twilio_token="12345"),
        "/media/twilio",
    ),
    "asterisk-json": asterisk(lambda: AsteriskCaller()),
    "asterisk-json-alaw-n": asterisk(lambda: AsteriskCaller(codec="alaw", answers_itself=False), waits_for_answer=True),
    "asterisk-plain-slin16": asterisk(lambda: AsteriskCaller(codec="slin16", is_json=False), carries_caller=False),
    "asterisk-20.16": asterisk(lambda: AsteriskCaller(is_old=True), carries_caller=False),
    "sip-udp-rtp": sip("udp"),
    "sip-tcp-rtp": sip("tcp"),
    "sip-tls-srtp": sip("tls"),
    "sip-ws-webrtc": sip(),
    "sip-account-webrtc": account(),
    "browser": browser(),
}
BUFFERED = {name: kind for name, kind in KINDS.items() if kind.has_buffer}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
each_buffered_kind = pytest.mark.parametrize("kind", BUFFERED.values(), ids=BUFFERED)
RTP = {name: kind for name, kind in KINDS.items() if not kind.has_buffer}
WEBRTC = {name: kind for name, kind in KINDS.items() if kind.close_media is not None}
each_webrtc_kind = pytest.mark.parametrize("kind", WEBRTC.values(), ids=WEBRTC)
each_rtp_kind = pytest.mark.parametrize("kind", RTP.values(), ids=RTP)


def tone(format: AudioFormat, seconds: float) -> bytes:
    """Bytes that are all different, so that a missing or doubled one shows."""
    size = format.size(seconds)
    return bytes((i * 7 + i // 251) % 256 for i in range(size))


class Call:
    """A call from both sides: `line` is the caller's, `taken` ours."""

    def __init__(self, kind: Kind, desk: Desk | None = None) -> None:
        self.kind = kind
        self.desk = desk or Desk()

    async def __aenter__(self) -> Call:
        transport = self.kind.transport()
        self._open = open_line(transport, self.desk)
        port = await self._open.__aenter__()
        self.url = await self.kind.trunk(transport) if self.kind.trunk else port.url + self.kind.path
        custom = {self.kind.custom: "x"} if self.kind.custom else {}
        self.client = self.kind.client(transport)
        self.line = self.client.connect(
            self.url, caller="+33612345678", called="+33100000000", custom=custom, auth=self.kind.auth
        )
        await self.line.__aenter__()
        self.taken: TakenCall = await self.desk.call()
        await self.desk.until(lambda: self.taken.is_answered)
        self.leg = self.taken.leg
        self.format = self.leg.capabilities.format
        if self.kind.waits_for_answer:
            await self.until_heard(lambda events: isinstance(events[-1], Answered))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.line.__aexit__(None, None, None)
        await self._open.__aexit__(None, None, None)

    async def closed(self) -> LegClosed:
        await self.desk.until(lambda: self.taken.is_over)
        assert [event for event in self.taken.events if isinstance(event, LegClosed)] == self.taken.events[-1:]
        closed = self.taken.events[-1]
        assert isinstance(closed, LegClosed)
        return closed

    async def until_heard(self, condition: Callable[[list[FarEvent]], bool], within: float = 30.0) -> list[FarEvent]:
        events: list[FarEvent] = []
        async with asyncio.timeout(within):
            async for event in self.line.events():
                events.append(event)
                if condition(events):
                    break
        return events

    async def say(self, seconds: float) -> bytes:
        """Have the gateway say something, ahead of time, in messages as the playout makes them; where little may wait
        to be heard, it takes its time."""
        data = tone(self.format, seconds)
        size = self.format.size(0.2)
        for start in range(0, len(data), size):
            await self.leg.send_audio(Frame(data[start : start + size], self.format))
        return data

    @asynccontextmanager
    async def saying(self, seconds: float) -> AsyncIterator[bytes]:
        """Have the gateway say something, and clear it before it is over."""
        saying = asyncio.create_task(self.say(seconds))
        yield tone(self.format, seconds)
        saying.cancel()
        await asyncio.wait([saying])
        await self.leg.clear()

    def heard(self) -> bytes:
        return b"".join(piece.data for piece in self.line.heard())
