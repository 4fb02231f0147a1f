"""One HTTP client for every adapter that calls a vendor: bounded in time and size, errors translated, retries by table.

A vendor's answer is whatever status it has; `check_status` turns the bad ones into errors, `with_retries` decides in
one place what is tried again. What fails after an answer has begun to arrive is never sent again: the vendor has acted.
"""

from __future__ import annotations

import asyncio
import email.utils
import json as jsonlib
import logging
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import TracebackType
from typing import Any, Literal, TypeVar

import anyio
import httpx

from gateway.errors import (
    ConfigError,
    GatewayError,
    ProtocolError,
    VendorError,
    VendorRejected,
    VendorReplyInvalid,
    VendorUnavailable,
)
from gateway.kit.cancelling import Sheltered

MAX_REPLY_BYTES = 1 << 20
MAX_CONNECTIONS = 1000
MAX_IDLE_CONNECTIONS = 200
MAX_PIECES = 64  # of a streamed answer that wait to be read
IDLE_CONNECTION_SECONDS = 30.0  # longer than a caller's turn, so that a call keeps its connection

FailureKind = Literal["config", "auth", "unavailable", "protocol"]
Sleep = Callable[[float], Awaitable[None]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds: for the connection, and for one whole attempt including the last byte of the answer."""

    connect: float = 3.0
    total: float = 20.0


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What came back.

    Attributes:
        headers: Names in lower case; repeated ones joined by ", ".
        body: With any content encoding undone.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpStream:
    """An answer that is still coming; `pieces` can be read once. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


class VendorBusy(VendorUnavailable):
    """429. ``retry_after``: the seconds the vendor asks us to wait, where it says so."""

    def __init__(self, reason: str, *, retry_after: float | None = None, **where: Any) -> None:
        super().__init__(reason, **where)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """A vendor's row in the table of retries.

    Attributes:
        delays: Seconds before the second, third ... attempt; their number is the number of retries.
        statuses: Which HTTP statuses are tried again; trouble without a status is, if the error says ``retryable``.
        max_retry_after: A vendor's own Retry-After is followed up to this; beyond, `delays` rule.
    """

    delays: tuple[float, ...] = (2.0, 4.0)
    statuses: frozenset[int] = frozenset({429, *range(500, 600)})
    max_retry_after: float = 5.0

    def delay(self, error: VendorError, attempt: int) -> float | None:
        """How long to wait after failed attempt number ``attempt`` (from 0); None: it is final."""
        again = error.retryable if error.status is None else error.status in self.statuses
        if attempt >= len(self.delays) or not again:
            return None
        asked = error.retry_after if isinstance(error, VendorBusy) else None
        return asked if asked is not None and asked <= self.max_retry_after else self.delays[attempt]


async def with_retries(attempt: Callable[[], Awaitable[T]], policy: RetryPolicy, sleep: Sleep = asyncio.sleep) -> T:
    """Call ``attempt`` until it succeeds or its VendorError is final by ``policy``."""
    tried = 0
    while True:
        try:
            return await attempt()
        except VendorError as error:
            delay = policy.delay(error, tried)
            if delay is None:
                raise
        tried += 1
        await sleep(delay)


def status_error(
    status: int,
    *,
    vendor: str,
    operation: str = "",
    headers: Mapping[str, str] | None = None,
    request_id: str | None = None,
) -> VendorError | None:
    """The error an HTTP status stands for; None for a success (2xx)."""
    where: dict[str, Any] = {"vendor": vendor, "operation": operation, "status": status, "request_id": request_id}
    if 200 <= status < 300:
        return None
    if status == 429:
        return VendorBusy("too many requests", retry_after=retry_after(headers or {}), **where)
    if status == 408 or status >= 500:
        return VendorUnavailable(f"status {status}", **where)
    return VendorRejected(f"status {status}", **where)


def check_status(answer: HttpAnswer, *, vendor: str, operation: str = "") -> None:
    """Raise what `status_error` says of an answer."""
    error = status_error(
        answer.status,
        vendor=vendor,
        operation=operation,
        headers=answer.headers,
        request_id=answer.headers.get("x-request-id"),
    )
    if error is not None:
        raise error


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header (RFC 9110 section 10.2.3), its date form measured against the answer's Date."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        until = email.utils.parsedate_to_datetime(value)
        return max(0.0, (until - email.utils.parsedate_to_datetime(headers.get("date", ""))).total_seconds())
    except (ValueError, TypeError):
        return None


def failure_kind(error: GatewayError) -> FailureKind:
    """What a failed turn is called in `BotFailed.kind` and `Fail.kind`."""
    if isinstance(error, ConfigError):
        return "config"
    if isinstance(error, VendorRejected):
        if error.status in (401, 403, 407):
            return "auth"
        return "protocol" if error.status in (400, 413, 415, 422) else "config"
    return "protocol" if isinstance(error, (VendorReplyInvalid, ProtocolError)) else "unavailable"


def never_sent(error: VendorError) -> bool:
    """Whether a request failed before it had a connection, so that sending it again cannot repeat what it asks for."""
    return isinstance(error.__cause__, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))


@cache
def _trusted() -> ssl.SSLContext:
    """Whom to believe that they are who they say: reading all the certificates takes longer than a request."""
    return httpx.create_ssl_context()


class HttpClient:
    """The one client of a process, made and closed by `app`.

    Redirects are not followed (they would carry credentials elsewhere). Answers are asked for without compression and
    read with a bound; proxies are taken from the environment as usual.
    """

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # below that it logs whole URLs, which may hold secrets
        limits = httpx.Limits(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_CONNECTION_SECONDS,
        )
        self._sheltered = Sheltered()
        self._client = client or httpx.AsyncClient(verify=_trusted(), limits=limits, follow_redirects=False)

    async def __aenter__(self) -> HttpClient:
        import_module("anyio.streams.tls")  # else with the first request, for 15 ms in the middle of the first call
        _ = anyio.connect_tcp  # imported when it is named
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._client.aclose()

    async def request(
        self,
        vendor: str,
        method: str,
        url: str,
        *,
        operation: str = "",
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: Timeouts = DEFAULT_TIMEOUTS,
        max_bytes: int = MAX_REPLY_BYTES,
    ) -> HttpAnswer:
        """Send one request and read the whole answer, whatever its status.

        Args:
            json: A value to send as JSON, in ASCII, so that any text we were handed comes back as it was.
            timeout: ``total`` bounds everything, also a server that drips.
            max_bytes: A larger answer is refused.

        Raises:
            VendorUnavailable: No connection, or it broke, or time was up; ``retryable`` if nothing had arrived yet.
            VendorReplyInvalid: The answer is too large or not HTTP.
            VendorRejected: The request cannot be sent at all: a wrong URL or header.
        """
        where = {"vendor": vendor, "operation": operation}
        prepared = _prepared(method, url, json, content, headers, timeout)

        async def exchange() -> HttpAnswer:
            return await self._exchange(prepared, timeout.total, max_bytes, where)

        return await self._sheltered.run(exchange)

    async def _exchange(
        self, prepared: Mapping[str, Any], total: float, max_bytes: int, where: Mapping[str, str]
    ) -> HttpAnswer:
        begun = False
        try:
            with anyio.fail_after(total):
                async with self._client.stream(**prepared) as answer:
                    begun = True
                    body = await _read(answer, max_bytes)
                    return HttpAnswer(status=answer.status_code, headers=dict(answer.headers), body=body)
        except (_TooLarge, *_FAILURES) as error:
            raise _translated(error, begun, max_bytes, where) from error

    @asynccontextmanager
    async def stream(
        self,
        vendor: str,
        method: str,
        url: str,
        *,
        operation: str = "",
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: Timeouts = DEFAULT_TIMEOUTS,
        max_bytes: int = MAX_REPLY_BYTES,
    ) -> AsyncIterator[HttpStream]:
        """Send one request and read the answer as it comes. Leaving the block closes the connection.

        Args:
            timeout: ``total`` is how long the server may take to begin, and to say anything between two pieces.
            max_bytes: The answer breaks off beyond that.

        Raises:
            VendorUnavailable, VendorReplyInvalid, VendorRejected: As `request`, on entry or while pieces are read.
        """
        where = {"vendor": vendor, "operation": operation}
        prepared = _prepared(method, url, json, content, headers, timeout)
        pieces: _Pieces = asyncio.Queue(maxsize=MAX_PIECES)

        async def pump() -> None:
            await self._pump(prepared, pieces, max_bytes, where)

        pumping = asyncio.create_task(self._sheltered.run(pump), name=f"stream of {vendor}")
        try:
            first = await pieces.get()
            if isinstance(first, VendorError):
                raise first
            assert isinstance(first, HttpStream)
            yield first
        finally:
            pumping.cancel()
            await asyncio.wait([pumping])

    async def _pump(
        self, prepared: Mapping[str, Any], pieces: _Pieces, max_bytes: int, where: Mapping[str, str]
    ) -> None:
        """Put an answer into the queue: its head, its pieces, and None or what went wrong; waits while it is full."""
        has_begun = False
        try:
            async with self._client.stream(**prepared) as answer:
                has_begun = True
                rest = _taken(pieces)
                await pieces.put(HttpStream(status=answer.status_code, headers=dict(answer.headers), pieces=rest))
                size = 0
                async for piece in answer.aiter_bytes():
                    size += len(piece)
                    if size > max_bytes:
                        raise _TooLarge
                    await pieces.put(piece)
            await pieces.put(None)
        except (_TooLarge, *_FAILURES) as error:
            await pieces.put(_translated(error, has_begun, max_bytes, where))


_Pieces = asyncio.Queue[HttpStream | bytes | VendorError | None]


async def _taken(pieces: _Pieces) -> AsyncIterator[bytes]:
    """The body, until its end; raises what went wrong."""
    while (piece := await pieces.get()) is not None:
        if isinstance(piece, VendorError):
            raise piece
        assert isinstance(piece, bytes)
        yield piece


def _prepared(
    method: str,
    url: str,
    json: Any,
    content: bytes | None,
    headers: Mapping[str, str] | None,
    timeout: Timeouts,
) -> dict[str, Any]:
    """A request as httpx takes it: answers as they are, JSON in ASCII, a connection in time."""
    sent = {"accept-encoding": "identity", **{name.lower(): value for name, value in (headers or {}).items()}}
    if json is not None:
        content = jsonlib.dumps(json, separators=(",", ":")).encode("ascii")
        sent["content-type"] = "application/json"
    wait = httpx.Timeout(timeout.total, connect=timeout.connect, pool=timeout.connect)
    return {"method": method, "url": url, "content": content, "headers": sent, "timeout": wait}


class _TooLarge(Exception):
    pass


_FAILURES = (TimeoutError, httpx.InvalidURL, httpx.HTTPError, UnicodeError, zlib.error)


def _translated(error: Exception, has_begun: bool, max_bytes: int, where: Mapping[str, Any]) -> VendorError:
    """What went wrong with a request, as the core knows it; the cause is kept for `never_sent`."""
    found = _as_vendor_error(error, has_begun, max_bytes, where)
    found.__cause__ = error
    return found


def _as_vendor_error(error: Exception, has_begun: bool, max_bytes: int, where: Mapping[str, Any]) -> VendorError:
    match error:
        case _TooLarge():
            return VendorReplyInvalid(f"the answer exceeds {max_bytes} bytes", **where)
        case TimeoutError() | httpx.TimeoutException():
            return VendorUnavailable("no complete answer in time", retryable=not has_begun, **where)
        case httpx.InvalidURL() | httpx.UnsupportedProtocol() | httpx.LocalProtocolError() | UnicodeError():
            return VendorRejected("the request cannot be sent: wrong URL or header", **where)
        case httpx.DecodingError() | zlib.error():
            return VendorReplyInvalid("the answer's encoding cannot be undone", **where)
        case _:
            reason = "the connection broke" if has_begun else f"no answer ({type(error).__name__})"
            return VendorUnavailable(reason, retryable=not has_begun, **where)


async def _read(answer: httpx.Response, max_bytes: int) -> bytes:
    """The body; what a server compressed unasked is inflated here, so that the bound holds for it too."""
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    inflate = zlib.decompressobj(wbits=47) if encoding in ("gzip", "x-gzip", "deflate") else None  # 47: either header
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += inflate.decompress(piece, max_bytes + 1 - len(body)) if inflate else piece
        if len(body) > max_bytes:
            raise _TooLarge
    return bytes(body)
