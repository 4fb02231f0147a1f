"""The adapter on an ASGI server, told ASGI messages directly."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from audio.format import PCMU_8K
from audio.frame import Frame
from gateway.events import CallInfo, LegClosed
from gateway.interfaces import Leg
from gateway.transports.asterisk.leg import AsteriskLeg
from gateway.transports.asterisk.protocol import AsteriskProtocol, MediaStarted
from gateway.transports.sockets import Message, Refusal, ServerSocket, SocketClosed, close_reason
from gateway.transports.twilio.leg import TwilioLeg
from gateway.transports.twilio.protocol import TwilioProtocol
from tests.fakes.virtual_loop import virtual_time

Asgi = MutableMapping[str, Any]


class Server:
    """One connection of an ASGI server."""

    def __init__(self, *incoming: Asgi, can_deny: bool = True, error: Exception | None = None) -> None:
        self.sent: list[Asgi] = []
        self._incoming = list(incoming)
        self._error = error
        scope = {
            "type": "websocket",
            "path": "/media/x y",
            "raw_path": b"/media/x%20y",
            "query_string": b"a=b",
            "headers": [(b"Host", b"h"), (b"x-a", b"1"), (b"X-A", b"2")],
            "client": ["192.0.2.1", 5],
            "subprotocols": ["media"],
            "extensions": {"websocket.http.response": {}} if can_deny else {},
        }
        self.socket = ServerSocket(scope, self._receive, self._send)

    async def _receive(self) -> Asgi:
        if not self._incoming:
            await asyncio.get_running_loop().create_future()
        return self._incoming.pop(0)

    async def _send(self, message: Asgi) -> None:
        if self._error is not None:
            raise self._error
        self.sent.append(message)


CONNECT = {"type": "websocket.connect"}


@virtual_time
async def test_the_upgrade_is_read_as_it_came() -> None:
    upgrade = await Server(CONNECT).socket.upgrade()
    assert (upgrade.path, upgrade.target, upgrade.peer) == ("/media/x y", "/media/x%20y?a=b", "192.0.2.1")
    assert upgrade.headers == {"host": "h", "x-a": "1, 2"}
    assert upgrade.subprotocols == ("media",)


@virtual_time
async def test_a_refusal_is_an_http_status_where_the_server_can() -> None:
    server = Server()
    await server.socket.refuse(Refusal(401, "who are you", "Basic"))
    start, body = server.sent
    assert start["status"] == 401
    assert (b"www-authenticate", b"Basic") in start["headers"]
    assert body["body"] == b"Unauthorized: who are you\n"
    plain = Server(can_deny=False)
    await plain.socket.refuse(Refusal(401, "who are you", "Basic"))
    assert [message["type"] for message in plain.sent] == ["websocket.close"]


@pytest.mark.parametrize(
    ("disconnect", "code", "is_clean"),
    [
        ({"code": 1000, "reason": ""}, 1000, True),
        ({"code": 1001, "reason": ""}, 1001, True),
        ({"code": 1005, "reason": ""}, 1005, True),
        ({"code": 1005}, None, False),
        ({"code": 1006}, None, False),
        ({"code": 1011, "reason": "keepalive"}, 1011, False),
        ({"code": 1009, "reason": "too big"}, 1009, False),
        ({}, None, False),
    ],
)
@virtual_time
async def test_how_a_socket_ended_is_told_apart(disconnect: Asgi, code: int | None, is_clean: bool) -> None:
    server = Server({"type": "websocket.disconnect", **disconnect})
    with pytest.raises(SocketClosed) as closed:
        await server.socket.receive()
    assert (closed.value.code, closed.value.is_clean) == (code, is_clean)
    with pytest.raises(SocketClosed):
        await server.socket.send("late")
    await server.socket.close()
    assert server.sent == []


@pytest.mark.parametrize("error", [OSError("gone"), RuntimeError("Unexpected ASGI message")])
@virtual_time
async def test_a_server_that_cannot_send_any_more_means_closed(error: Exception) -> None:
    server = Server(error=error)
    with pytest.raises(SocketClosed):
        await server.socket.send("x")
    await server.socket.close()


@virtual_time
async def test_messages_go_through_in_both_kinds() -> None:
    server = Server(
        {"type": "websocket.receive", "text": "a"},
        {"type": "websocket.receive", "text": None, "bytes": b"b"},
        {"type": "websocket.receive", "bytes": b""},
    )
    assert [await server.socket.receive() for _ in range(3)] == ["a", b"b", b""]
    await server.socket.send("a")
    await server.socket.send(b"b")
    assert server.sent == [{"type": "websocket.send", "text": "a"}, {"type": "websocket.send", "bytes": b"b"}]


@virtual_time
async def test_a_message_that_is_too_long_closes_the_socket() -> None:
    server = Server({"type": "websocket.receive", "text": "x" * ((1 << 20) + 1)})
    with pytest.raises(SocketClosed) as closed:
        await server.socket.receive()
    assert closed.value.code == 1009
    assert server.sent[0]["code"] == 1009


def test_a_close_reason_fits_and_ends_with_a_whole_character() -> None:
    assert close_reason("short") == "short"
    assert close_reason("é" * 100) == "é" * 61


# --- legs on a socket whose peer does not read ---------------------------------------------------------------------
class Stuck:
    """A `MediaSocket` whose TCP window is full."""

    def __init__(self) -> None:
        self.is_stuck = True
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        return await asyncio.get_running_loop().create_future()

    async def send(self, message: Message) -> None:
        if self.is_stuck:
            await asyncio.get_running_loop().create_future()
        self.sent.append(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        pass


def twilio_leg(socket: Stuck) -> Leg:
    protocol = TwilioProtocol()
    protocol.receive('{"event":"start","streamSid":"MZ1","start":{}}')
    return TwilioLeg(socket, protocol, CallInfo(call_id="c"))


def asterisk_leg(socket: Stuck) -> Leg:
    protocol = AsteriskProtocol()
    started = protocol.receive("MEDIA_START channel:c channel_id:1 format:ulaw optimal_frame_size:160")
    assert isinstance(started, MediaStarted)
    return AsteriskLeg(socket, protocol, started, CallInfo(call_id="c"))


@pytest.mark.parametrize("make", [twilio_leg, asterisk_leg])
@virtual_time
async def test_a_clear_ends_the_wait_for_a_peer_that_does_not_read(make: Any) -> None:
    socket = Stuck()
    leg: Leg = make(socket)
    waiting = asyncio.create_task(leg.send_audio(Frame(bytes(160), PCMU_8K)))
    await asyncio.sleep(1)
    assert not waiting.done()
    socket.is_stuck = False
    await leg.clear()
    await waiting
    assert len(socket.sent) == 1
    assert "audio" not in str(socket.sent)


@pytest.mark.parametrize("make", [twilio_leg, asterisk_leg])
@virtual_time
async def test_a_hang_up_ends_that_wait_too_and_is_bounded_itself(make: Any) -> None:
    leg: Leg = make(Stuck())
    waiting = asyncio.create_task(leg.send_audio(Frame(bytes(160), PCMU_8K)))
    await asyncio.sleep(0)
    async with asyncio.timeout(2.5):
        await leg.hang_up("normal")
    await waiting


@pytest.mark.parametrize("make", [twilio_leg, asterisk_leg])
@virtual_time
async def test_a_task_that_waits_can_still_be_cancelled(make: Any) -> None:
    leg: Leg = make(Stuck())
    waiting = asyncio.create_task(leg.send_audio(Frame(bytes(160), PCMU_8K)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


class Stopping(Stuck):
    """Says stop and leaves the socket open, as some do."""

    async def receive(self) -> Message:
        return '{"event":"stop"}'


@virtual_time
async def test_a_stop_ends_the_leg_even_when_the_socket_stays_open() -> None:
    leg = twilio_leg(Stopping())
    assert [event async for event in leg.events()] == [LegClosed(by="caller", reason="stop")]
