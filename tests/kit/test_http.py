"""The shared HTTP client against real sockets: bounds, translated errors, and the table of retries."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
from typing import Any

import httpx
import pytest

from gateway.errors import (
    ConfigError,
    GatewayError,
    RemoteProtocolError,
    VendorError,
    VendorRejected,
    VendorReplyInvalid,
    VendorUnavailable,
)
from gateway.kit.http import (
    HttpAnswer,
    HttpClient,
    RetryPolicy,
    Timeouts,
    VendorBusy,
    check_status,
    failure_kind,
    retry_after,
    status_error,
    with_retries,
)
from gateway.lab.server import LabReply, LabRequest, LabServer

WHERE = {"vendor": "acme", "operation": "ask"}


async def ask(reply: LabReply, **options: Any) -> HttpAnswer:
    async def handle(request: LabRequest) -> LabReply:
        return reply

    async with LabServer(handle) as server, HttpClient() as http:
        return await http.request("acme", "POST", server.url, operation="ask", **options)


@pytest.mark.asyncio
async def test_an_answer_is_whatever_status_it_has():
    answer = await ask(LabReply(status=503, body=b"later", headers={"X-Request-Id": "r1"}))
    assert (answer.status, answer.body, answer.headers["x-request-id"]) == (503, b"later", "r1")


async def cancel_everywhere(http: HttpClient, url: str, timeout: Timeouts) -> None:
    """Cancel a request after each number of turns of the loop that one may take."""
    for steps in range(120):
        asking = asyncio.create_task(http.request("acme", "POST", url, timeout=timeout))
        for _ in range(steps):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])


@pytest.mark.asyncio
async def test_a_request_that_is_cancelled_at_any_moment_gives_its_connection_back():
    """Callers hang up while the bot is asked; a connection kept each time would leave none in the end."""

    async def handle(request: LabRequest) -> LabReply:
        return LabReply(body=b"{}")

    one = httpx.AsyncClient(limits=httpx.Limits(max_connections=1))
    async with LabServer(handle) as server, HttpClient(one) as http:
        for _ in range(5):
            await cancel_everywhere(http, server.url, Timeouts(connect=1.0, total=5.0))
        answer = await http.request("acme", "POST", server.url, timeout=Timeouts(connect=1.0, total=5.0))
    assert answer.status == 200


@pytest.mark.asyncio
async def test_a_cancelled_request_ends_as_cancelled():
    asked = asyncio.Event()

    async def never(request: LabRequest) -> LabReply:
        asked.set()
        return LabReply(delay=60)

    async with LabServer(never) as server, HttpClient() as http:
        asking = asyncio.create_task(http.request("acme", "POST", server.url))
        async with asyncio.timeout(5):
            await asked.wait()
            asking.cancel()
            await asyncio.wait([asking])
    assert asking.cancelled()


@pytest.mark.asyncio
async def test_json_is_sent_in_ascii_so_that_anything_goes_back_as_it_came():
    async def echo(request: LabRequest) -> LabReply:
        assert request.headers["content-type"] == "application/json"
        assert request.headers["accept-encoding"] == "identity"
        return LabReply(body=request.body)

    async with LabServer(echo) as server, HttpClient() as http:
        answer = await http.request("acme", "POST", server.url, json={"é": "\ud83d"}, headers={"X-A": "1"})
    assert answer.body == b'{"\\u00e9":"\\ud83d"}'


@pytest.mark.asyncio
async def test_a_compressed_answer_is_unpacked_within_the_bound():
    packed = LabReply(body=gzip.compress(b"x" * 1000), headers={"content-encoding": "gzip"})
    assert (await ask(packed, max_bytes=1000)).body == b"x" * 1000
    with pytest.raises(VendorReplyInvalid):
        await ask(packed, max_bytes=999)
    with pytest.raises(VendorReplyInvalid):
        await ask(LabReply(body=b"not gzip", headers={"content-encoding": "gzip"}))


@pytest.mark.asyncio
async def test_the_size_of_an_answer_is_bounded():
    assert len((await ask(LabReply(body=b"x" * 1000), max_bytes=1000)).body) == 1000
    with pytest.raises(VendorReplyInvalid, match="999 bytes") as caught:
        await ask(LabReply(body=b"x" * 1000), max_bytes=999)
    assert not caught.value.retryable


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("reply", "error", "retryable"),
    [
        (LabReply(drop=True), VendorUnavailable, True),
        (LabReply(body=b"0123456789", cut=3), VendorUnavailable, False),
        (LabReply(delay=60), VendorUnavailable, True),
        (LabReply(body=b"x" * 10_000, drip=0.05), VendorUnavailable, False),
    ],
)
async def test_errors_are_translated(reply: LabReply, error: type[VendorError], retryable: bool):
    with pytest.raises(error) as caught:
        await ask(reply, timeout=Timeouts(connect=1.0, total=0.5))
    assert (caught.value.vendor, caught.value.operation, caught.value.retryable) == ("acme", "ask", retryable)
    assert isinstance(caught.value.__cause__, Exception)


@pytest.mark.asyncio
async def test_nobody_there():
    async def never(request: LabRequest) -> LabReply:
        raise AssertionError("nobody is there")

    async with LabServer(never) as server:
        url = server.url
    async with HttpClient() as http:
        with pytest.raises(VendorUnavailable) as caught:
            await http.request("acme", "GET", url)
    assert caught.value.retryable


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("url", "headers"),
    [("ftp://x.example/", {}), ("http://", {}), ("http://x\x00/", {}), ("", {"X-A": "a\nb"}), ("", {"X-A": "\ud83d"})],
)
async def test_what_cannot_be_sent(url: str, headers: dict[str, str]):
    async def never(request: LabRequest) -> LabReply:
        raise AssertionError("nothing should arrive")

    async with LabServer(never) as server, HttpClient() as http:
        with pytest.raises(VendorRejected) as caught:
            await http.request("acme", "GET", url or server.url, headers=headers)
    assert failure_kind(caught.value) == "config"


@pytest.mark.asyncio
async def test_a_given_client_is_used_and_closed():
    inner = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda request: httpx.Response(204, stream=httpx.ByteStream(b"")))
    )
    async with HttpClient(inner) as http:
        assert (await http.request("acme", "GET", "http://x.example/")).status == 204
    assert inner.is_closed


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, VendorRejected, "protocol"),
        (401, VendorRejected, "auth"),
        (403, VendorRejected, "auth"),
        (404, VendorRejected, "config"),
        (302, VendorRejected, "config"),
        (422, VendorRejected, "protocol"),
        (408, VendorUnavailable, "unavailable"),
        (429, VendorBusy, "unavailable"),
        (500, VendorUnavailable, "unavailable"),
        (599, VendorUnavailable, "unavailable"),
    ],
)
def test_statuses(status: int, error: type[VendorError], kind: str):
    with pytest.raises(error) as caught:
        check_status(HttpAnswer(status=status, headers={"x-request-id": "r1"}), vendor="acme", operation="ask")
    assert (caught.value.status, caught.value.request_id, failure_kind(caught.value)) == (status, "r1", kind)


def test_success_is_no_error():
    check_status(HttpAnswer(status=204), vendor="acme")
    assert status_error(200, vendor="acme") is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConfigError("x"), "config"),
        (RemoteProtocolError("x"), "protocol"),
        (VendorReplyInvalid("x", vendor="acme"), "protocol"),
        (VendorUnavailable("x", vendor="acme"), "unavailable"),
    ],
)
def test_kinds_of_failure(error: GatewayError, kind: str):
    assert failure_kind(error) == kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": " 0 "}, 0.0),
        ({}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9" * 40}, None),
        ({"retry-after": "Sat, 21 Nov 2026 10:00:07 GMT", "date": "Sat, 21 Nov 2026 10:00:03 GMT"}, 4.0),
        ({"retry-after": "Sat, 21 Nov 2026 10:00:01 GMT", "date": "Sat, 21 Nov 2026 10:00:03 GMT"}, 0.0),
        ({"retry-after": "Sat, 21 Nov 2026 10:00:07 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None):
    assert retry_after(headers) == seconds


class Attempts:
    """Something that fails with these errors, one after the other, and then succeeds."""

    def __init__(self, *errors: VendorError) -> None:
        self.errors = list(errors)
        self.waits: list[float] = []

    async def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


def down(status: int | None = 500, **more: Any) -> VendorError:
    return VendorUnavailable("down", vendor="acme", status=status, **more)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("errors", "waits"),
    [
        ([], []),
        ([down()], [2.0]),
        ([down(), down(503)], [2.0, 4.0]),
        ([down(None)], [2.0]),
        ([VendorBusy("busy", vendor="acme", status=429, retry_after=5.0), down()], [5.0, 4.0]),
        ([VendorBusy("busy", vendor="acme", status=429, retry_after=5.1)], [2.0]),
    ],
)
async def test_what_is_tried_again(errors: list[VendorError], waits: list[float]):
    attempts = Attempts(*errors)
    assert await with_retries(attempts, RetryPolicy(), attempts.sleep) == "done"
    assert attempts.waits == waits


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "errors",
    [
        [down(), down(), down()],
        [down(None, retryable=False)],
        [down(408)],
        [VendorRejected("no", vendor="acme", status=404)],
        [VendorReplyInvalid("no", vendor="acme")],
    ],
)
async def test_what_is_final(errors: list[VendorError]):
    attempts = Attempts(*errors)
    with pytest.raises(VendorError) as caught:
        await with_retries(attempts, RetryPolicy(), attempts.sleep)
    assert caught.value is errors[-1]
    assert len(attempts.waits) == len(errors) - 1


NETWORK = """
import asyncio, sys
from gateway.kit.http import HttpClient

async def enter():
    before = "anyio._core._sockets" in sys.modules
    async with HttpClient():
        print(before, "anyio._core._sockets" in sys.modules, "anyio.streams.tls" in sys.modules)

asyncio.run(enter())
"""


def test_the_first_request_has_nothing_left_to_import() -> None:
    done = subprocess.run([sys.executable, "-c", NETWORK], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "True", "True"], done.stderr
