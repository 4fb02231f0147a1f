"""The door of a WebSocket that we open: a PBX on loopback, virtual time."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus, InvalidURI
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from gateway.clock import LoopClock
from gateway.transports.sip.flow import Flow
from gateway.transports.sip.settings import RegistrationSection
from gateway.transports.sip.unreached import why_not
from gateway.transports.sip.ws_client import ClientDoor, Delays
from gateway.transports.sip.ws_flow import STALL_LIMIT
from tests.fakes.sip_hall import LOOPBACK, OK, OPTIONS, WITHIN, RecordingHall, open_door, tokens
from tests.fakes.virtual_loop import elapsed, run_virtual, virtual_time


class Pbx:
    """A registrar's WebSocket."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.sockets: list[ServerConnection] = []
        self.refuse_with: int | None = None
        self.server: Server
        self._came = asyncio.Event()

    @property
    def url(self) -> str:
        return f"ws://{LOOPBACK}:{self.port}/ws"

    @property
    def port(self) -> int:
        return int(next(iter(self.server.sockets)).getsockname()[1])

    async def connected(self, number: int = 1, within: float = WITHIN) -> ServerConnection:
        """The n-th connection."""
        async with asyncio.timeout(within):
            while len(self.sockets) < number:
                self._came.clear()
                await self._came.wait()
        return self.sockets[number - 1]

    def judge(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        return connection.respond(HTTPStatus(self.refuse_with), "no\n") if self.refuse_with else None

    async def take(self, connection: ServerConnection) -> None:
        self.sockets.append(connection)
        self._came.set()
        await connection.wait_closed()


@asynccontextmanager
async def pbx(*, subprotocol: str | None = "sip", **kwargs: Any) -> AsyncIterator[Pbx]:
    made = Pbx()
    subprotocols = [Subprotocol(subprotocol)] if subprotocol else None
    async with serve(
        made.take,
        LOOPBACK,
        kwargs.pop("port", 0),
        subprotocols=subprotocols,
        process_request=made.judge,
        ping_interval=None,
        close_timeout=1,
        compression=None,
        **kwargs,
    ) as made.server:
        yield made


class Line:
    """What has the door: registers on each flow."""

    def __init__(self) -> None:
        self.hall = RecordingHall()
        self.up: list[Flow] = []
        self.delays = 0
        self._delayed = asyncio.Event()

    def on_up(self, flow: Flow) -> None:
        assert flow in self.hall.doors, "the hall knows of it"
        self.up.append(flow)
        assert self.hall.send(flow, b"REGISTER")

    def chance(self) -> float:
        """Asked for once for each delay."""
        self.delays += 1
        self._delayed.set()
        return 0.5

    async def delayed(self, number: int) -> None:
        async with asyncio.timeout(100):
            while self.delays < number:
                self._delayed.clear()
                await self._delayed.wait()

    def door(self, url: str, **kwargs: Any) -> ClientDoor:
        registration = RegistrationSection(registrar=url, aor="sip:bot@pbx", origin=kwargs.pop("origin", None))
        return ClientDoor(
            registration,
            tokens=tokens(),
            clock=LoopClock(),
            on_up=kwargs.pop("on_up", self.on_up),
            random=self.chance,
            line="pbx",
            **kwargs,
        )


@asynccontextmanager
async def registered(**kwargs: Any) -> AsyncIterator[tuple[Pbx, ServerConnection, Line]]:
    """A door that is connected to a PBX."""
    line = Line()
    async with pbx() as at, open_door(line.door(at.url, **kwargs), line.hall):
        socket = await at.connected()
        assert await heard(socket) == "REGISTER"
        yield at, socket, line


async def heard(socket: ServerConnection) -> Any:
    async with asyncio.timeout(WITHIN):
        return await socket.recv()


@virtual_time
async def test_it_connects_and_lets_the_line_register() -> None:
    async with registered(origin="https://pbx.example.com") as (at, socket, line):
        headers = at.requests[0].headers
        assert (headers["Sec-WebSocket-Protocol"], headers["User-Agent"]) == ("sip", "Talkpath")
        assert headers["Origin"] == "https://pbx.example.com"
        assert "Sec-WebSocket-Extensions" not in headers, "uncompressed"
        assert at.requests[0].path == "/ws"
        (flow,) = line.up
        assert (flow.transport, flow.peer) == ("ws", f"{LOOPBACK}:{at.port}")
        assert flow.local.endswith(".invalid")
        await socket.send(OK.decode())
        await socket.send(OPTIONS)
        await line.hall.until_received(2)
        assert line.hall.messages == [(OK, flow), (OPTIONS, flow)]


@virtual_time
async def test_a_line_that_names_no_origin_sends_none() -> None:
    async with registered() as (at, _, _):
        assert "Origin" not in at.requests[0].headers


@virtual_time
async def test_messages_go_out_as_text_and_as_binary_only_where_they_are_none() -> None:
    async with registered() as (_, socket, line):
        for data in (OK, "Grüße".encode(), b"\xff\xfe"):
            assert line.hall.send(line.up[0], data)
        assert [await heard(socket) for _ in range(3)] == [OK.decode(), "Grüße", b"\xff\xfe"]


@virtual_time
async def test_keep_alives_are_the_doors_own() -> None:
    async with registered() as (_, socket, line):
        for beat in ("\r\n", b"\r\n", "", "\r\n\r\n", b"\r\n\r\n"):
            await socket.send(beat)
        await socket.send(OPTIONS)
        await line.hall.until_received()
        assert line.hall.data == [OPTIONS]
        assert [await heard(socket), await heard(socket)] == ["\r\n", "\r\n"]
        assert line.hall.send(line.up[0], OK)
        assert await heard(socket) == OK.decode(), "and no third one"


@virtual_time
async def test_behind_a_drop_it_connects_at_once_by_another_name() -> None:
    async with registered() as (at, socket, line):
        await asyncio.sleep(60)
        dropped = elapsed()
        socket.transport.abort()
        again = await at.connected(2)
        assert elapsed() - dropped < 0.1
        assert await heard(again) == "REGISTER"
        first, second = line.up
        assert first.local != second.local
        assert first.id != second.id
        assert line.hall.closed == [first]
        assert not line.hall.send(first, OK)
        assert line.hall.send(second, OK)


@virtual_time
async def test_a_pbx_that_closes_again_and_again_is_asked_less_and_less() -> None:
    times = []
    async with registered() as (at, _, line):
        for number in range(1, 5):
            socket = await at.connected(number, within=10)
            times.append(elapsed())
            await socket.close()
        await at.connected(5, within=10)
    assert [round(later - earlier) for earlier, later in pairwise(times)] == [0, 1, 2]
    assert line.hall.closed == line.up


def test_delays_double_up_to_a_minute_and_start_afresh_behind_a_steady_connection() -> None:
    delays = Delays(lambda: 0.5)
    assert [delays.after_failure() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert delays.after_drop(3) == 60
    assert [delays.after_drop(10), delays.after_drop(0), delays.after_failure()] == [0, 1, 2]


@given(st.floats(0, 1), st.integers(1, 12))
def test_delays_stray_by_a_fifth_and_never_pass_a_minute(chance: float, failures: int) -> None:
    delays = Delays(lambda: chance)
    for _ in range(failures):
        delay = delays.after_failure()
    exact = min(60.0, 2.0 ** (failures - 1))
    assert 0.8 * exact <= delay <= min(60.0, 1.2 * exact) + 1e-9


# --- what an operator reads ----------------------------------------------------------------------------------------
async def reason_of_failure(url: str, number: int = 1) -> str:
    """What the log says about the last of some attempts."""
    line = Line()
    with structlog.testing.capture_logs() as logs:
        async with open_door(line.door(url), line.hall):
            await line.delayed(number)
    assert line.hall.opened == []
    return str(complaints(logs)[-1]["reason"])


def complaints(logs: Any) -> list[Any]:
    return [entry for entry in logs if entry["log_level"] == "warning"]


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "the server refuses the WebSocket (401 Unauthorized): it may want another `origin`"),
        (403, "the server refuses the WebSocket (403 Forbidden): it may want another `origin`"),
        (404, "the server has no WebSocket at /ws (404 Not Found): look at the path of `registrar`"),
        (400, "the server refuses the WebSocket (400 Bad Request): look at address and path of `registrar`"),
        (302, "the server sends us elsewhere (302 Found): look at the address in `registrar`"),
        (503, "the server cannot take the WebSocket now (503 Service Unavailable)"),
    ],
)
@virtual_time
async def test_why_the_upgrade_was_refused_is_a_sentence(status: int, sentence: str) -> None:
    line = Line()
    async with pbx() as at:
        at.refuse_with = status
        door = line.door(at.url.replace("ws://", "ws://bot:secret@") + "?token=secret")
        with structlog.testing.capture_logs() as logs:
            async with open_door(door, line.hall):
                await line.delayed(3)
                assert door.trouble is not None
        (complaint,) = complaints(logs)
        assert complaint["reason"].startswith(sentence)
        assert complaint["again_in"] == 1
        assert door.trouble == (complaint["reason"], pytest.approx(door.trouble[1]))
        assert "secret" not in str(logs)
    assert line.hall.opened == []


@virtual_time
async def test_the_log_has_why_there_is_no_connection_once_and_again_when_it_is_something_else() -> None:
    line = Line()
    async with pbx() as at:
        at.refuse_with = 403
        door = line.door(at.url)
        with structlog.testing.capture_logs() as logs:
            async with open_door(door, line.hall):
                await line.delayed(3)
                at.refuse_with = 503
                await line.delayed(5)
                at.refuse_with = None
                socket = await at.connected(within=100)
                assert await heard(socket) == "REGISTER"
                assert door.trouble is None
                at.refuse_with = 503
                await socket.close()
                for number in (6, 7, 8):
                    await line.delayed(number)
    said = [entry["reason"] if "no connection" in entry["event"] else "lost" for entry in complaints(logs)]
    assert [reason.partition(")")[0].rpartition("(")[2] for reason in said] == [
        "403 Forbidden",
        "503 Service Unavailable",
        "lost",
        "503 Service Unavailable",
    ]


@virtual_time
async def test_a_server_without_the_sub_protocol_is_left_and_asked_again() -> None:
    async with pbx(subprotocol=None) as at:
        reason = await reason_of_failure(at.url, number=2)
        assert "did not select the sub-protocol `sip`" in reason
        assert at.sockets[0].close_code == 1002


@virtual_time
async def test_nobody_there_is_a_sentence() -> None:
    async with pbx() as at:
        url, port = at.url, at.port
    assert await reason_of_failure(url) == f"nothing listens on {LOOPBACK}:{port}"


@virtual_time
async def test_a_server_that_says_nothing_is_left_after_a_while() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, LOOPBACK, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reason = await reason_of_failure(f"ws://{LOOPBACK}:{port}/ws")
    assert reason == f"{LOOPBACK}:{port} does not answer within 10 s"


@virtual_time
async def test_what_is_no_web_server_is_a_sentence() -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(other, LOOPBACK, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reason = await reason_of_failure(f"ws://{LOOPBACK}:{port}/ws")
    assert reason == f"{LOOPBACK}:{port} does not speak WebSocket, or not with this scheme"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Self-signed, for loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pbx")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "pbx.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@virtual_time
async def test_over_tls_the_flow_says_so(certificate: Path) -> None:
    line = Line()
    async with pbx(ssl=server_tls(certificate)) as at:
        door = line.door(at.url.replace("ws:", "wss:"), tls=ssl.create_default_context(cafile=str(certificate)))
        async with open_door(door, line.hall):
            assert await heard(await at.connected()) == "REGISTER"
            assert line.up[0].transport == "wss"


@virtual_time
async def test_a_certificate_that_is_not_trusted_is_a_sentence(certificate: Path) -> None:
    async with pbx(ssl=server_tls(certificate)) as at:
        reason = await reason_of_failure(at.url.replace("ws:", "wss:"))
    assert reason == f"the certificate of {LOOPBACK} is not trusted: self-signed certificate"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
@virtual_time
async def test_tls_where_there_is_none_is_a_sentence(answer: bytes) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(plain, LOOPBACK, 0)
    async with server:
        place = f"{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
        reason = await reason_of_failure(f"wss://{place}/ws")
    assert reason.startswith(place)
    assert reason.endswith("the address may have to begin with ws:// instead of wss://")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (socket.gaierror(-2, "Name or service not known"), "the name pbx.example.com is not known"),
        (OSError(113, "No route to host"), "no connection to pbx.example.com:8089: no route to host"),
        (OSError("Multiple exceptions: ..."), "no connection to pbx.example.com:8089: no address of it answers"),
        (InvalidURI("wss://", "empty"), "the registrar's address is no WebSocket address"),
        (UnicodeError("label too long"), "the registrar's address is no WebSocket address"),
        (ssl.SSLError(1, "[SSL: NO_SHARED_CIPHER]"), "TLS with pbx.example.com:8089 failed: unknown reason"),
        (
            InvalidStatus(Response(499, "", Headers())),
            "the server refuses the WebSocket (499): look at address and path of",
        ),
        (
            InvalidStatus(Response(407, "", Headers())),
            "the server refuses the WebSocket (407 Proxy Authentication Required): it may",
        ),
    ],
)
def test_what_else_can_go_wrong_is_a_sentence(error: Exception, sentence: str) -> None:
    assert why_not(error, "wss://pbx.example.com:8089/ws", within=10).startswith(sentence)


# --- peers that do not behave --------------------------------------------------------------------------------------
@virtual_time
async def test_a_peer_that_is_frozen_is_found_out_by_pings() -> None:
    async with registered() as (at, socket, line):
        began = elapsed()
        socket.transport.pause_reading()
        await line.hall.until_closed(within=60)
        assert elapsed() - began == pytest.approx(30, abs=3)  # ping, pong, and the farewell
        await at.connected(2)


@virtual_time
async def test_a_peer_that_takes_nothing_is_dropped() -> None:
    async with registered() as (at, socket, line):
        socket.transport.pause_reading()
        began = elapsed()
        while line.hall.send(line.up[0], b"x" * 60_000):  # fills what the system keeps, and then what we keep
            await asyncio.sleep(0.001)
            assert elapsed() - began < 5
        await line.hall.until_closed(within=2 * STALL_LIMIT)
        assert line.hall.closed == line.up[:1]
        await at.connected(2)


@virtual_time
async def test_a_message_that_is_too_long_costs_the_connection() -> None:
    async with registered() as (at, socket, line):
        await socket.send("x" * 65_536)
        await line.hall.until_received()
        await socket.send("x" * 65_537)
        await line.hall.until_closed()
        assert len(line.hall.data) == 1
        assert socket.close_code == 1009
        await at.connected(2)


@virtual_time
async def test_a_bug_costs_the_connection_and_the_next_one_works() -> None:
    line = Line()
    line.hall = RecordingHall(lambda data, _: 1 // (data != b"bad"))
    async with pbx() as at, open_door(line.door(at.url), line.hall):
        socket = await at.connected()
        with structlog.testing.capture_logs() as logs:
            await socket.send(b"bad")
            again = await at.connected(2)
        assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["connection broken off"]
        await again.send(OPTIONS)
        await line.hall.until_received(2)
        assert line.hall.messages[1] == (OPTIONS, line.up[1])


@virtual_time
async def test_a_line_that_cannot_register_costs_the_connection() -> None:
    tries = []

    def on_up(flow: Flow) -> None:
        tries.append(flow)
        if len(tries) == 1:
            raise RuntimeError("a bug")

    line = Line()
    async with pbx() as at, open_door(line.door(at.url, on_up=on_up), line.hall):
        await at.connected(2)
        await line.hall.until(lambda: len(tries) == 2)
        assert line.hall.closed == tries[:1]


@virtual_time
async def test_a_door_that_is_shut_says_goodbye() -> None:
    async with pbx() as at:
        line = Line()
        async with open_door(line.door(at.url), line.hall):
            socket = await at.connected()
            assert await heard(socket) == "REGISTER"
            (flow,) = line.up
        await socket.wait_closed()
        assert socket.close_code == 1000
        assert line.hall.closed == [flow]


Frame = str | bytes


@settings(max_examples=20)
@given(st.lists(st.binary(max_size=200) | st.text(max_size=200) | st.sampled_from(["\r\n\r\n", OPTIONS]), max_size=6))
def test_any_messages_come_in_as_they_are(frames: list[Frame]) -> None:
    async def check() -> None:
        async with registered() as (_, socket, line):
            for frame in frames:
                await socket.send(frame)
            await socket.send(OK)
            await line.hall.until(lambda: bool(line.hall.data) and line.hall.data[-1] == OK)
            raw = [frame.encode() if isinstance(frame, str) else frame for frame in frames]
            assert line.hall.data == [data for data in raw if data.strip(b"\r\n")] + [OK]
            assert line.hall.closed == []

    run_virtual(check())


@settings(max_examples=20)
@given(st.binary(min_size=1, max_size=300))
def test_any_bytes_beneath_cost_at_most_the_connection(data: bytes) -> None:
    """What is no WebSocket at all."""

    async def check() -> None:
        async with registered() as (at, socket, line):
            socket.transport.write(data)
            socket.transport.write_eof()
            again = await at.connected(2)
            assert await heard(again) == "REGISTER"
            assert line.hall.closed == line.up[:1]

    run_virtual(check())
