"""One HTTP client for every adapter that calls a vendor: bounded in time and size, errors translated, retries by table.

A vendor's answer is whatever status it has; `check_status` turns the bad ones into errors, `with_retries` decides in
one place what is tried again. What fails after an answer has begun to arrive is never sent again: the vendor has acted.
"""

from __future__ import annotations

import asyncio
import email.utils
import json as jsonlib
import logging
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
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


class VendorBusy(VendorUnavailable):
    """429. ``retry_after``: the seconds the vendor asks us to wait, where it says so."""

    def __init__(self, reason: str, *, retry_after: float | None = None, **where: Any) -> None:
        super().__init__(reason, **where)
        self.retry_after = retry_after


class VendorUnreachable(VendorUnavailable):
    """No connection could be opened, so that nothing can have been acted upon."""


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
        self._client = client or httpx.AsyncClient(limits=limits, follow_redirects=False)

    async def __aenter__(self) -> HttpClient:
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
            VendorUnavailable: It broke, or time was up; ``retryable`` if nothing had arrived yet.
        VendorUnreachable: No connection could be opened.
            VendorReplyInvalid: The answer is too large or not HTTP.
            VendorRejected: The request cannot be sent at all: a wrong URL or header.
        """
        where: dict[str, Any] = {"vendor": vendor, "operation": operation}

        async def exchange() -> HttpAnswer:
            return await self._exchange(where, method, url, json, content, headers or {}, timeout, max_bytes)

        return await self._sheltered.run(exchange)

    async def _exchange(
        self,
        where: Mapping[str, Any],
        method: str,
        url: str,
        json: Any,
        content: bytes | None,
        headers: Mapping[str, str],
        timeout: Timeouts,
        max_bytes: int,
    ) -> HttpAnswer:
        sent = {"accept-encoding": "identity", **{name.lower(): value for name, value in headers.items()}}
        if json is not None:
            content = jsonlib.dumps(json, separators=(",", ":")).encode("ascii")
            sent["content-type"] = "application/json"
        begun = False
        try:
            with anyio.fail_after(timeout.total):
                wait = httpx.Timeout(timeout.total, connect=timeout.connect, pool=timeout.connect)
                async with self._client.stream(method, url, content=content, headers=sent, timeout=wait) as answer:
                    begun = True
                    body = await _read(answer, max_bytes)
                    return HttpAnswer(status=answer.status_code, headers=dict(answer.headers), body=body)
        except _TooLarge as error:
            raise VendorReplyInvalid(f"the answer exceeds {max_bytes} bytes", **where) from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise VendorUnreachable(f"no answer ({type(error).__name__})", **where) from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise VendorUnavailable("no complete answer in time", retryable=not begun, **where) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError) as error:
            raise VendorRejected("the request cannot be sent: wrong URL or header", **where) from error
        except (httpx.DecodingError, zlib.error) as error:
            raise VendorReplyInvalid("the answer's encoding cannot be undone", **where) from error
        except httpx.HTTPError as error:
            reason = "the connection broke" if begun else f"no answer ({type(error).__name__})"
            raise VendorUnavailable(reason, retryable=not begun, **where) from error


class _TooLarge(Exception):
    pass


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
