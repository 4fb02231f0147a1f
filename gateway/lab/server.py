"""The HTTP side of every lab: a small server that keeps what it was asked, and can misbehave on demand.

It speaks HTTP/1.1 through h11, so that a fault is exactly the fault that was meant: a connection closed without a word,
a body that drips, one that ends before its announced length.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import h11

MAX_BODY_BYTES = 4 << 20
MAX_HEADER_BYTES = 64 << 10
KEPT_REQUESTS = 10_000
READ_BYTES = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LabRequest:
    """What a client sent; ``at``: the loop's time when it was complete. Header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    at: float

    def json(self) -> Any:
        """The body's value; raises ValueError."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabReply:
    """What the client gets.

    Attributes:
        delay: Seconds before anything is sent.
        drip: Seconds between single bytes of the body.
        cut: Only so many bytes of the body are sent, then the connection is closed.
        drop: The connection is closed without an answer.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    delay: float = 0.0
    drip: float = 0.0
    cut: int | None = None
    drop: bool = False


def json_reply(value: Any, status: int = 200) -> LabReply:
    return LabReply(status=status, body=json.dumps(value, ensure_ascii=False).encode())


class LabServer:
    """An HTTP server on one address; ``handle`` answers each request.

    Use it as an asynchronous context manager, or `start` and `stop` it. ``requests`` has the newest requests in order.
    """

    def __init__(
        self, handle: Callable[[LabRequest], Awaitable[LabReply]], *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._handle = handle
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._is_stopping = False
        self._connections: set[asyncio.Task[None]] = set()
        self._arrival = asyncio.Event()
        self.requests: deque[LabRequest] = deque(maxlen=KEPT_REQUESTS)

    async def start(self) -> None:
        self._is_stopping = False
        self._server = await asyncio.start_server(self._connected, self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close every connection, also those in the middle of an answer."""
        if self._server is None:
            return
        self._is_stopping = True
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> LabServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def received(self, count: int) -> None:
        """Wait until so many requests have come, answered or not; the caller bounds the wait."""
        while len(self.requests) < count:
            self._arrival.clear()
            await self._arrival.wait()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, h11.RemoteProtocolError):
            pass  # the client went away, or spoke something else
        except asyncio.CancelledError:
            if not self._is_stopping:
                raise
            # Ends quietly: what asyncio has watch a connection's task (until 3.12) reports a cancelled one as an error.
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER_BYTES)
        while (request := await _read(wire, reader, writer)) is not None:
            self.requests.append(request)
            self._arrival.set()
            if not await _write(wire, writer, await self._handle(request)):
                return
            if wire.our_state is not h11.DONE or wire.their_state is not h11.DONE:
                return
            wire.start_next_cycle()


async def _read(wire: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> LabRequest | None:
    """The next request with its whole body; None when the client has no more."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        if wire.they_are_waiting_for_100_continue:
            writer.write(wire.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        event = wire.next_event()
        match event:
            case h11.NEED_DATA:
                wire.receive_data(await reader.read(READ_BYTES))
            case h11.Request():
                head = event
            case h11.Data():
                body += event.data
                if len(body) > MAX_BODY_BYTES:
                    return None
            case h11.EndOfMessage() if head is not None:
                return _request(head, bytes(body))
            case _:
                return None


def _request(head: h11.Request, body: bytes) -> LabRequest:
    target = urlsplit(head.target.decode("ascii"))
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return LabRequest(
        method=head.method.decode("ascii"),
        path=target.path,
        query=dict(parse_qsl(target.query, keep_blank_values=True)),
        headers=headers,
        body=body,
        at=asyncio.get_running_loop().time(),
    )


async def _write(wire: h11.Connection, writer: asyncio.StreamWriter, reply: LabReply) -> bool:
    """Send an answer with its faults; False when the connection ends with it."""
    if reply.delay:
        await asyncio.sleep(reply.delay)
    if reply.drop:
        return False
    headers = [*reply.headers.items(), ("content-length", str(len(reply.body)))]
    writer.write(wire.send(h11.Response(status_code=reply.status, headers=headers)) or b"")
    body = reply.body[: reply.cut]
    for piece in [body] if not reply.drip else [body[place : place + 1] for place in range(len(body))]:
        writer.write(wire.send(h11.Data(data=piece)) or b"")
        await writer.drain()
        await asyncio.sleep(reply.drip)
    if len(body) < len(reply.body):
        return False
    writer.write(wire.send(h11.EndOfMessage()) or b"")
    await writer.drain()
    return True
