"""The door of WebSockets that peers open on our port: the server that the gateway uses, on loopback, virtual time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from config.base import Network
from gateway.clock import LoopClock
from gateway.transports.auth import Authenticator, check_basic, check_bearer
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.ws_flow import STALL_LIMIT
from gateway.transports.sip.ws_server import ServerDoor
from tests.fakes.shared_port import shared_port
from tests.fakes.sip_hall import OK, OPTIONS, WITHIN, RecordingHall, open_door, tokens
from tests.fakes.virtual_loop import elapsed, run_virtual, virtual_time

SIP = (Subprotocol("sip"),)
PROXIES: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"))


class Scene:
    """A door on a port, its hall, and telephones around it."""

    def __init__(self, door: ServerDoor, hall: RecordingHall, url: str) -> None:
        self.door = door
        self.hall = hall
        self.url = url
        self.phones: list[ClientConnection] = []

    async def phone(
        self, *, subprotocols: Any = SIP, headers: Mapping[str, str] | None = None, **kwargs: Any
    ) -> ClientConnection:
        phone = await connect(
            f"{self.url}/sip",
            subprotocols=subprotocols,
            additional_headers=dict(headers or {}),
            ping_interval=None,
            close_timeout=1,
            proxy=None,
            **kwargs,
        )
        self.phones.append(phone)
        return phone

    async def known_phone(self, **kwargs: Any) -> tuple[ClientConnection, Flow]:
        """One whose connection the hall knows of."""
        before = len(self.hall.opened)
        phone = await self.phone(**kwargs)
        await self.hall.until(lambda: len(self.hall.opened) > before)
        return phone, self.hall.opened[-1]


@asynccontextmanager
async def scene(
    authenticate: Authenticator | None = None, *, hall: RecordingHall | None = None, **kwargs: Any
) -> AsyncIterator[Scene]:
    door = ServerDoor("/sip", authenticate, line="phones", tokens=tokens(), clock=LoopClock(), **kwargs)
    async with shared_port(door.routes) as port:
        made = Scene(door, hall or RecordingHall(), port.url)
        try:
            async with open_door(door, made.hall):
                yield made
        finally:
            for phone in made.phones:
                phone.transport.abort()
                await phone.wait_closed()


async def heard(phone: ClientConnection) -> Any:
    async with asyncio.timeout(WITHIN):
        return await phone.recv()


async def closed(phone: ClientConnection, within: float = WITHIN) -> tuple[int | None, str | None]:
    """How it was closed."""
    async with asyncio.timeout(within):
        try:
            while True:
                await phone.recv()
        except ConnectionClosed:
            return phone.close_code, phone.close_reason


async def refused(at: Scene, **kwargs: Any) -> Any:
    with pytest.raises(InvalidStatus) as refusal:
        await at.phone(**kwargs)
    return refusal.value.response


@virtual_time
async def test_messages_come_in_and_are_answered_on_their_connection() -> None:
    async with scene() as at:
        (one, one_flow), (other, other_flow) = await at.known_phone(), await at.known_phone()
        assert one.subprotocol == "sip"
        await one.send(OPTIONS.decode())
        await other.send(OPTIONS)
        await at.hall.until_received(2)
        assert sorted(at.hall.messages, key=lambda message: message[1].id) == [
            (OPTIONS, one_flow),
            (OPTIONS, other_flow),
        ]
        assert (one_flow.transport, one_flow.peer) == ("ws", "{}:{}".format(*one.local_address))
        assert one_flow.local == at.url.removeprefix("ws://"), "what the peer has called us"
        assert at.hall.send(one_flow, OK)
        assert at.hall.send(other_flow, b"\xff")
        assert await heard(one) == OK.decode()
        assert await heard(other) == b"\xff"


@pytest.mark.parametrize("subprotocols", [None, ["media"], ["SIP"]])
@virtual_time
async def test_without_the_sub_protocol_there_is_no_connection(subprotocols: Any) -> None:
    async with scene() as at:
        response = await refused(at, subprotocols=subprotocols)
        assert (response.status_code, response.body) == (400, b"Bad Request: the sub-protocol sip is required\n")
        assert at.hall.opened == []


@virtual_time
async def test_one_sub_protocol_among_several_is_enough() -> None:
    async with scene() as at:
        phone, _ = await at.known_phone(subprotocols=["msrp", "sip"])
        assert phone.subprotocol == "sip"


@pytest.mark.parametrize(
    ("authenticate", "right", "challenge"),
    [
        (lambda upgrade: check_basic(upgrade, "alice", "secret"), "Basic YWxpY2U6c2VjcmV0", "Basic"),
        (lambda upgrade: check_bearer(upgrade, "secret"), "Bearer secret", "Bearer"),
    ],
)
@virtual_time
async def test_who_does_not_prove_who_he_is_stays_out(authenticate: Authenticator, right: str, challenge: str) -> None:
    async with scene(authenticate) as at:
        for headers in ({}, {"Authorization": right[:-1]}):
            response = await refused(at, headers=headers)
            assert response.status_code == 401
            assert response.headers["WWW-Authenticate"].startswith(challenge)
        assert at.hall.opened == []
        await at.known_phone(headers={"Authorization": right})


@virtual_time
async def test_before_the_line_runs_nobody_is_let_in() -> None:
    door = ServerDoor("/sip", None, line="phones", tokens=tokens(), clock=LoopClock())
    async with shared_port(door.routes) as port:
        assert (await refused(Scene(door, RecordingHall(), port.url))).status_code == 503


@virtual_time
async def test_only_so_many_connections() -> None:
    async with scene(max_connections=2) as at:
        (first, _), _ = await at.known_phone(), await at.known_phone()
        assert (await refused(at)).status_code == 503
        await first.close()
        await at.hall.until_closed()
        await at.known_phone()


@virtual_time
async def test_who_is_refused_takes_nobodys_place() -> None:
    async with scene(lambda upgrade: check_bearer(upgrade, "secret"), max_connections=1) as at:
        strangers = [asyncio.create_task(refused(at)) for _ in range(5)]
        await at.known_phone(headers={"Authorization": "Bearer secret"})
        assert {response.status_code for response in await asyncio.gather(*strangers)} == {401}


@virtual_time
async def test_only_so_many_messages_in_a_second() -> None:
    async with scene(per_second=10) as at:
        steady, _ = await at.known_phone()
        for second in range(3):
            for _ in range(10):
                await steady.send(OPTIONS)
            await at.hall.until_received(10 * (second + 1))
            await asyncio.sleep(1)
        loud, loud_flow = await at.known_phone()
        for _ in range(11):
            await loud.send(OPTIONS)
        assert await closed(loud) == (1008, "more than 10 messages in a second")
        assert at.hall.closed == [loud_flow]
        assert len(at.hall.messages) == 40


@virtual_time
async def test_keep_alives_are_the_doors_own() -> None:
    async with scene() as at:
        phone, _ = await at.known_phone()
        for beat in ("\r\n", b"\r\n", "", "\r\n\r\n"):
            await phone.send(beat)
        await phone.send(OPTIONS)
        await at.hall.until_received()
        assert await heard(phone) == "\r\n"
        assert at.hall.data == [OPTIONS]


@virtual_time
async def test_a_message_that_is_too_long_costs_the_connection() -> None:
    async with scene() as at:
        phone, _ = await at.known_phone()
        await phone.send("x" * 65_536)
        await phone.send("ü" * 32_769)
        assert await closed(phone) == (1009, "message too long")
        assert len(at.hall.data) == 1


@virtual_time
async def test_a_connection_is_closed_once_however_it_ends() -> None:
    async with scene() as at:
        (polite, _), (rude, _) = await at.known_phone(), await at.known_phone()
        await polite.close()
        rude.transport.abort()
        await at.hall.until_closed(2)
        assert sorted(at.hall.closed, key=lambda flow: flow.id) == at.hall.opened
        assert not any(at.door.send(flow, OK) for flow in at.hall.opened)


@virtual_time
async def test_a_door_that_is_shut_says_goodbye() -> None:
    hall = RecordingHall()
    door = ServerDoor("/sip", None, line="phones", tokens=tokens(), clock=LoopClock())
    async with shared_port(door.routes) as port:
        at = Scene(door, hall, port.url)
        async with open_door(door, hall):
            phone, flow = await at.known_phone()
        assert hall.closed == [flow]
        assert await closed(phone) == (1001, "the line is closed")
        assert (await refused(at)).status_code == 503


@virtual_time
async def test_a_bug_costs_the_connection() -> None:
    async with scene(hall=RecordingHall(lambda data, _: 1 // (data != b"bad"))) as at:
        (bad, bad_flow), (good, _) = await at.known_phone(), await at.known_phone()
        with structlog.testing.capture_logs() as logs:
            await bad.send(b"bad")
            assert await closed(bad) == (1011, "something is broken here")
        assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["connection broken off"]
        await good.send(OPTIONS)
        await at.hall.until_received(2)
        assert at.hall.closed == [bad_flow]


@virtual_time
async def test_a_peer_that_takes_nothing_is_dropped() -> None:
    async with scene() as at:
        phone, flow = await at.known_phone()
        phone.transport.pause_reading()
        began = elapsed()
        while at.hall.send(flow, b"x" * 60_000):  # fills what the system keeps, and then what we keep
            await asyncio.sleep(0.001)
            assert elapsed() - began < STALL_LIMIT
        await at.hall.until_closed()
        assert at.hall.closed == [flow]


# --- who it is -----------------------------------------------------------------------------------------------------
async def flow_of(proxies: tuple[Network, ...] = (), **headers: str) -> Flow:
    """The flow of an upgrade, told to the door directly: a server in between would judge forwarded addresses itself."""
    door = ServerDoor("/sip", None, line="phones", tokens=tokens(), clock=LoopClock(), trusted_proxies=proxies)
    scope = {
        "type": "websocket",
        "scheme": "ws",
        "path": "/sip",
        "headers": [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 4444),
        "server": ("127.0.0.2", 8080),
        "subprotocols": ["sip"],
    }
    incoming = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000, "reason": ""}]

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(_: Any) -> None:
        return

    hall = RecordingHall()
    async with open_door(door, hall):
        await door(scope, receive, send)
    (flow,) = hall.closed
    return flow


@pytest.mark.parametrize(
    ("proxies", "forwarded", "peer"),
    [
        ((), "198.51.100.7", "127.0.0.1:4444"),
        (PROXIES, "198.51.100.7", "198.51.100.7:0"),
        (PROXIES, "203.0.113.9, 198.51.100.7, 10.0.0.1", "198.51.100.7:0"),
        (PROXIES, "203.0.113.9, 198.51.100.7:4711", "198.51.100.7:0"),
        (PROXIES, "203.0.113.9, [2001:db8::1]:4711", "[2001:db8::1]:0"),
        (PROXIES, "2001:db8::1", "[2001:db8::1]:0"),
        (PROXIES, "10.0.0.2, 10.0.0.1", "10.0.0.2:0"),
        (PROXIES, "203.0.113.9, unknown, 10.0.0.1", "10.0.0.1:0"),
        (PROXIES, "unknown", "127.0.0.1:4444"),
        (PROXIES, "", "127.0.0.1:4444"),
    ],
)
@virtual_time
async def test_who_it_is_behind_proxies(proxies: tuple[Network, ...], forwarded: str, peer: str) -> None:
    flow = await flow_of(proxies, x_forwarded_for=forwarded)
    assert flow.peer == peer
    assert flow.peer_address[0] in forwarded or flow.peer_address == ("127.0.0.1", 4444)


@pytest.mark.parametrize(("proxies", "transport"), [((), "ws"), (PROXIES, "wss")])
@virtual_time
async def test_tls_at_a_proxy_is_believed_where_it_is_trusted(proxies: tuple[Network, ...], transport: str) -> None:
    assert (await flow_of(proxies, x_forwarded_proto="https")).transport == transport


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("sip.example.com", "sip.example.com"),
        ("sip_1.example.com:8443", "sip_1.example.com:8443"),
        ("[2001:db8::1]:8080", "[2001:db8::1]:8080"),
        *(
            (bad, "127.0.0.2:8080")
            for bad in ("x;y=z", "a b", "<sip:x>", "x:99999", "x\r\ny: z", "[::zz]", "", "-" * 300)
        ),
        *((bad, "127.0.0.2:8080") for bad in ("user@host", "x?y", "%0d%0a", "ü", "x:")),
    ],
)
@virtual_time
async def test_a_host_stands_for_us_only_where_it_fits_into_a_header(host: str, local: str) -> None:
    flow = await flow_of(host=host)
    assert flow.local == local
    assert str(flow.via("z9hG4bK1")).startswith(f"SIP/2.0/WS {local};")


# --- whatever peers send -------------------------------------------------------------------------------------------
Frame = str | bytes


@settings(max_examples=20)
@given(st.lists(st.binary(max_size=200) | st.text(max_size=200) | st.sampled_from(["\r\n\r\n", OPTIONS]), max_size=6))
def test_any_messages_come_in_as_they_are(frames: list[Frame]) -> None:
    async def check() -> None:
        async with scene() as at:
            phone, _ = await at.known_phone()
            for frame in frames:
                await phone.send(frame)
            await phone.send(OK)
            await at.hall.until(lambda: bool(at.hall.data) and at.hall.data[-1] == OK)
            raw = [frame.encode() if isinstance(frame, str) else frame for frame in frames]
            assert at.hall.data == [data for data in raw if data.strip(b"\r\n")] + [OK]
            assert at.hall.closed == []

    run_virtual(check())


@settings(max_examples=20)
@given(st.binary(min_size=1, max_size=300))
def test_any_bytes_beneath_cost_at_most_their_own_connection(data: bytes) -> None:
    """What is no WebSocket at all."""

    async def check() -> None:
        async with scene() as at:
            (wild, wild_flow), (tame, tame_flow) = await at.known_phone(), await at.known_phone()
            wild.transport.write(data)
            wild.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
            await at.hall.until_closed()
            assert at.hall.closed == [wild_flow]
            assert at.hall.send(tame_flow, OK)
            assert await heard(tame) == OK.decode()

    run_virtual(check())


def test_the_door_is_a_route() -> None:
    door = ServerDoor("/phones", None, line="phones", tokens=tokens(), clock=LoopClock())
    (route,) = door.routes
    assert (route.path, route.app) == ("/phones", door)
