"""The ports a gateway serves, and what is said of one that cannot be had."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from config.server import ServerSection
from gateway.errors import ConfigError
from gateway.http.ports import Ports, open_ports
from gateway.http.serving import address_of, bind, close_all
from gateway.routes import HttpReply, HttpRequest, SocketRoute, Webhook
from tests.fakes.control import FakeControl
from tests.fakes.virtual_loop import virtual_time

FREE = "127.0.0.1:0"


async def answer(request: HttpRequest) -> HttpReply:
    return HttpReply(body=request.path.encode(), content_type="text/plain")


def hook(path: str, listen: str | None = None) -> Webhook:
    return Webhook(path=path, methods=("GET",), handle=answer, listen=listen)


async def opened(hooks: Sequence[Webhook], *, sockets: Sequence[SocketRoute] = (), **settings: Any) -> Ports:
    section = ServerSection(port=0, **settings)
    return await open_ports(
        section,
        FakeControl(),
        [*hooks, *sockets],
        own_sockets=[],
        observe=lambda *_: None,
        websockets={"ws": "websockets-sansio"},
    )


@asynccontextmanager
async def serving(hooks: Sequence[Webhook], **settings: Any) -> AsyncIterator[Ports]:
    ports = await opened(hooks, **settings)
    async with asyncio.TaskGroup() as group:
        for server in ports.servers:
            group.create_task(server.run_until_told())
        await ports.wait_started()
        try:
            yield ports
        finally:
            ports.stop()


@pytest.fixture
def taken():
    """An address somebody else listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield f"127.0.0.1:{other.getsockname()[1]}"


@virtual_time
async def test_webhooks_share_the_listener_they_name_and_all_close_together():
    second = "127.0.0.1:00"  # another name of a free port
    hooks = [hook("/a", FREE), hook("/b", FREE), hook("/c", second), hook("/d")]
    async with serving(hooks, prefix="/talkpath") as ports, httpx.AsyncClient(trust_env=False) as client:
        at = {name: f"http://127.0.0.1:{server.port}" for name, server in ports.listeners.items()}
        shared = f"http://127.0.0.1:{ports.shared.port}/talkpath"
        assert len({ports.shared.port, *(server.port for server in ports.listeners.values())}) == 3
        found = {
            (where, path)
            for where, base in {**at, "shared": shared}.items()
            for path in ("/a", "/b", "/c", "/d")
            if (await client.get(base + path)).status_code == 200
        }
        assert found == {
            (FREE, "/a"),
            (FREE, "/b"),
            (second, "/c"),
            *(("shared", path) for path in ("/a", "/b", "/c", "/d")),
        }
    async with httpx.AsyncClient(trust_env=False) as client:
        for base in (*at.values(), shared):
            with pytest.raises(httpx.ConnectError):
                await client.get(f"{base}/a")


@pytest.mark.asyncio
async def test_a_port_that_is_taken_is_one_sentence(taken):
    with pytest.raises(ConfigError) as refused:
        await opened([hook("/a", FREE), hook("/in/acme", taken)])
    assert str(refused.value) == f"the listener of /in/acme: cannot listen on {taken}: address already in use"
    with pytest.raises(ConfigError, match=f"server.port: cannot listen on {taken}"):
        await open_ports(
            ServerSection(port=int(taken.rpartition(":")[2])),
            FakeControl(),
            [],
            own_sockets=[],
            observe=lambda *_: None,
            websockets={},
        )


@pytest.mark.asyncio
async def test_what_was_bound_before_is_given_back(taken):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = f"127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(ConfigError):
        await opened([hook("/a", free), hook("/b", taken)])
    close_all(await bind(*address_of(free)))


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such limit")
@pytest.mark.asyncio
async def test_a_peer_that_takes_nothing_is_let_go_by_the_system() -> None:
    (listening,) = await bind("127.0.0.1", 0)
    with listening, socket.socket() as peer:
        listening.listen()
        peer.connect(listening.getsockname())
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("host", "says"),
    [("192.0.2.1", "cannot assign"), ("no-such-host.invalid", "there is no such host"), ("x" * 300, "no host name")],
)
async def test_an_address_that_is_not_ours_is_one_sentence(host, says):
    with pytest.raises(ConfigError, match=says):
        await bind(host, 0)


@pytest.mark.parametrize(
    ("listen", "address"),
    [("0.0.0.0:8090", ("0.0.0.0", 8090)), ("[::1]:80", ("::1", 80)), (" localhost:0 ", ("localhost", 0))],
)
def test_addresses(listen, address):
    assert address_of(listen) == address


@pytest.mark.parametrize(
    "listen", ["", "8090", ":8090", "host", "host:", "host:x", "::1:80", "host:70000", "http://h:1"]
)
def test_what_is_no_address(listen):
    with pytest.raises(ConfigError, match="no address to listen on"):
        address_of(listen)


# --- the end -------------------------------------------------------------------------------------------------------
class Flood:
    """Says more than a peer that does not read can be given."""

    def __init__(self) -> None:
        self.has_sent = asyncio.Event()
        self.is_over = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        sending = asyncio.ensure_future(send({"type": "websocket.send", "bytes": bytes(16_000_000)}))
        self.has_sent.set()
        while (await receive())["type"] != "websocket.disconnect":
            pass
        self.is_over.set()
        sending.cancel()
        await asyncio.wait([sending])


@virtual_time
async def test_a_socket_that_its_peer_is_closing_does_not_break_the_end() -> None:
    flood = Flood()
    ports = await opened([], sockets=[SocketRoute(path="/flood", app=flood)])
    serving_it = asyncio.create_task(ports.shared.run_until_told())
    await ports.wait_started()
    reader, writer = await asyncio.open_connection("127.0.0.1", ports.shared.port, limit=1024)
    writer.write(
        b"GET /flood HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    async with asyncio.timeout(5):
        assert b"101" in await reader.readline()
        await flood.has_sent.wait()
        writer.write(b"\x88\x80\x00\x00\x00\x00")  # close, and nothing is read
        await flood.is_over.wait()
    ports.stop()
    async with asyncio.timeout(20):
        await serving_it
    writer.transport.abort()
    await asyncio.sleep(0)
