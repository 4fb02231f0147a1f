"""A line that ends in mid-call says BYE by WebSocket too, and waits a moment for a peer that is slow to take it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from gateway.routes import SocketRoute
from gateway.transports.sip.message import SipRequest, SipResponse, parse
from gateway.transports.sip.settings import SipLine
from gateway.transports.sip.transport import LAST_WORDS_WITHIN, SipTransport
from gateway.transports.sockets import LineContext
from tests.fakes.desk import Desk
from tests.fakes.sip_line import rtp_ports
from tests.fakes.virtual_loop import elapsed, virtual_time

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n"
SCOPE = {
    "type": "websocket",
    "path": "/sip",
    "headers": [],
    "subprotocols": ["sip"],
    "client": ("192.0.2.9", 5),
    "server": ("192.0.2.1", 8080),
}


class SlowPeer:
    """The server's side of a WebSocket whose peer takes each message after a while.

    Attributes:
        pause: Seconds.
    """

    def __init__(self) -> None:
        self.pause = 0.0
        self.heard: list[SipRequest | SipResponse] = []
        self._says: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._says.put_nowait({"type": "websocket.connect"})
        self._came = asyncio.Event()

    def say(self, method: str, *, to_tag: str = "", body: str = "") -> None:
        text = (
            f"{method} sip:600@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/WS peer.invalid;branch=z9hG4bK{method}\r\n"
            "Max-Forwards: 70\r\nFrom: <sip:alice@192.0.2.9>;tag=a\r\n"
            f"To: <sip:600@192.0.2.1>{to_tag and f';tag={to_tag}'}\r\nCall-ID: slow\r\nCSeq: 1 {method}\r\n"
            "Contact: <sip:alice@peer.invalid;transport=ws>\r\n"
            f"{'Content-Type: application/sdp' if body else 'X-No: body'}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )
        self._says.put_nowait({"type": "websocket.receive", "text": text})

    async def receive(self) -> dict[str, Any]:
        return await self._says.get()

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send":
            await asyncio.sleep(self.pause)
            parsed = parse(message["text"].encode(), is_framed=True)
            assert isinstance(parsed, SipRequest | SipResponse)
            self.heard.append(parsed)
            self._came.set()

    async def until_accepted(self) -> SipResponse:
        async with asyncio.timeout(10):
            while True:
                for message in self.heard:
                    if isinstance(message, SipResponse) and message.status == 200:
                        return message
                self._came.clear()
                await self._came.wait()


async def ended_in_mid_call(pause: float) -> tuple[SlowPeer, float]:
    """A peer whose call is up when the line ends; and how long the line took for that."""
    rtp = {"host": "127.0.0.1", "ports": rtp_ports()}
    settings = SipLine.model_validate({"path": "/sip", "auth": "none", "rtp": rtp})
    line, desk, peer = SipTransport("line", settings, LineContext(new_id=lambda: "call")), Desk(), SlowPeer()
    serving = asyncio.create_task(line.serve(desk.offer))
    await asyncio.sleep(0)
    (route,) = line.routes
    assert isinstance(route, SocketRoute)
    carrying = asyncio.ensure_future(route.app(SCOPE, peer.receive, peer.send))
    peer.say("INVITE", body=SDP)
    accepted = await peer.until_accepted()
    peer.say("ACK", to_tag=accepted.to.tag or "")
    taken = await desk.call()
    await desk.until(lambda: taken.is_answered)
    peer.pause = pause
    began = elapsed()
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving
    took = elapsed() - began
    carrying.cancel()
    await asyncio.wait([carrying])
    return peer, took


@pytest.mark.parametrize("pause", [0.0, LAST_WORDS_WITHIN - 0.1])
@virtual_time
async def test_the_peer_hears_bye(pause: float) -> None:
    peer, took = await ended_in_mid_call(pause)
    (bye,) = [message for message in peer.heard if isinstance(message, SipRequest)]
    assert bye.method == "BYE"
    assert bye.headers.get("Reason") == "Q.850;cause=38"
    assert took <= pause + 0.1


@virtual_time
async def test_a_peer_that_takes_nothing_is_not_waited_for() -> None:
    peer, took = await ended_in_mid_call(100)
    assert not [message for message in peer.heard if isinstance(message, SipRequest)]
    assert took == pytest.approx(LAST_WORDS_WITHIN, abs=0.1)
