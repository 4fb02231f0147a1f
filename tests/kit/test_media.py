"""Recordings that bots name by address: what may be fetched, and what is told of what may not."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import MediaError
from gateway.kit.media import MAX_REDIRECTS, UNKNOWN, MediaFetcher, MediaRefused, checked_url, is_public
from gateway.lab.server import LabReply, LabRequest, LabServer
from tests.fakes.virtual_loop import elapsed, virtual_time

PUBLIC = "93.184.216.34"
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(24)
PRIVATE = [
    "10.0.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.1",
    "192.0.2.1",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
]


class Names:
    """Looks names up; each may have several answers, given one after the other."""

    def __init__(self, **names: Sequence[Sequence[str]]) -> None:
        self._names = {name.replace("_", "."): list(answers) for name, answers in names.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        if host not in self._names:
            raise OSError("no such name")
        answers = self._names[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


class Wire(httpx.AsyncBaseTransport):
    """Notes where requests really go, and answers them by path."""

    def __init__(self, *, unreachable: Sequence[str] = (), **answers: httpx.Response) -> None:
        self._unreachable = unreachable
        self._answers = {f"/{name}": answer for name, answer in answers.items()}
        self.sent: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        if request.url.host in self._unreachable:
            raise httpx.ConnectError("refused")
        return self._answers.get(request.url.path) or httpx.Response(200, stream=httpx.ByteStream(WAV))


def redirect(to: str, status: int = 302) -> httpx.Response:
    return httpx.Response(status, headers={"location": to})


@asynccontextmanager
async def house(reply: LabReply, **settings: Any) -> AsyncIterator[tuple[MediaFetcher, LabServer]]:
    """A server in the operator's own network, which may be fetched from."""

    async def answer(_: LabRequest) -> LabReply:
        return reply

    fetcher = MediaFetcher(allow=("127.0.0.0/8",), **settings)
    async with LabServer(answer) as server:
        try:
            yield fetcher, server
        finally:
            await fetcher.aclose()


# --- what comes ----------------------------------------------------------------------------------------------------
@virtual_time
async def test_a_file_is_fetched_as_it_is():
    body = bytes(range(256)) * 1000
    async with house(LabReply(body=body, headers={"content-type": "Audio/X-Own; a=b"})) as (fetcher, server):
        got = await fetcher.fetch(f"{server.url}/a.wav?x=1#there")
    assert (got.data, got.content_type) == (body, "audio/x-own")
    (request,) = server.requests
    assert (request.path, dict(request.query)) == ("/a.wav", {"x": "1"})
    assert request.headers["host"] == server.url.removeprefix("http://")
    assert "authorization" not in request.headers
    assert "cookie" not in request.headers


@pytest.mark.parametrize(
    ("data", "named", "is_called"),
    [
        (WAV, "text/html", "audio/wav"),
        (b"ID3" + bytes(9), "", "audio/mpeg"),
        (b"\xff\xfb\x90", "application/octet-stream", "audio/mpeg"),
        (b"OggS", "audio/mpeg", "audio/ogg"),
        (b"<html>", "text/html; charset=utf-8", "text/html"),
        (b"", "", UNKNOWN),
    ],
)
@virtual_time
async def test_a_file_is_what_its_first_bytes_say(data, named, is_called):
    headers = {"content-type": named} if named else {}
    async with house(LabReply(body=data, headers=headers)) as (fetcher, server):
        assert (await fetcher.fetch(server.url)).content_type == is_called


# --- bounds --------------------------------------------------------------------------------------------------------
@virtual_time
async def test_what_is_too_large_is_not_read_to_its_end():
    async with house(LabReply(body=bytes(3000)), max_bytes=2999) as (fetcher, server):
        with pytest.raises(MediaError, match="exceeds 2999 bytes"):
            await fetcher.fetch(server.url)
    async with house(LabReply(body=bytes(3000)), max_bytes=3000) as (fetcher, server):
        assert len((await fetcher.fetch(server.url, max_bytes=9999)).data) == 3000
        with pytest.raises(MediaError, match="exceeds 100 bytes"):
            await fetcher.fetch(server.url, max_bytes=100)


@pytest.mark.parametrize("reply", [LabReply(delay=60), LabReply(body=bytes(500), drip=1)])
@virtual_time
async def test_what_takes_too_long_is_given_up(reply):
    async with house(reply, timeout=5.0) as (fetcher, server):
        with pytest.raises(MediaError, match="in time"):
            await fetcher.fetch(server.url)
        assert elapsed() == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (LabReply(status=404), "status 404"),
        (LabReply(status=500), "status 500"),
        (LabReply(status=304), "status 304"),
        (LabReply(drop=True), "does not answer"),
        (LabReply(body=bytes(100), cut=50), "broke"),
        (LabReply(body=WAV, headers={"content-encoding": "gzip"}), "compressed"),
    ],
)
@virtual_time
async def test_trouble_names_the_host_and_not_the_path(reply, says):
    async with house(reply) as (fetcher, server):
        with pytest.raises(MediaError, match=says) as trouble:
            await fetcher.fetch(f"{server.url}/secret?signature=xyz")
    assert "127.0.0.1" in str(trouble.value)
    assert "secret" not in str(trouble.value)
    assert "xyz" not in str(trouble.value)


@virtual_time
async def test_who_gives_up_leaves_no_connection_behind():
    async with house(LabReply(delay=60)) as (fetcher, server):
        fetching = asyncio.create_task(fetcher.fetch(server.url))
        await server.received(1)
        fetching.cancel()
        await asyncio.wait([fetching])
        assert fetching.cancelled()
        assert elapsed() < 1


# --- where from ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.wav",
        "/etc/passwd",
        "file:///etc/passwd",
        "ftp://media.example/a.wav",
        "gopher://media.example",
        "data:audio/wav;base64,UklG",
        "http://",
        "http:///a.wav",
        "http://[::1",
        "http://host:99999/",
        "http://host:0/",
        "http://user:password@media.example/a.wav",
        "http://media.example/" + "a" * 5000,
        "http://\ud800/",
    ],
)
def test_addresses_that_are_never_fetched(url):
    with pytest.raises(MediaRefused):
        checked_url(url)


@given(st.text())
def test_any_text_is_an_address_or_refused(text):
    for url in (text, f"http://{text}", f"https://media.example/{text}"):
        try:
            assert checked_url(url).host
        except MediaRefused:
            continue


@pytest.mark.parametrize("address", PRIVATE)
@virtual_time
async def test_no_private_address_is_asked(address):
    wire = Wire()
    fetcher = MediaFetcher(resolve=Names(media_example=[[address]]), transport=wire)
    with pytest.raises(MediaRefused, match=r"media\.example is private"):
        await fetcher.fetch("https://media.example/a.wav")
    assert wire.sent == []


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_clothes_is_what_it_is(address):
    number = int(address)
    for dressed in (f"::ffff:{address}", str(ipaddress.IPv6Address((0x64FF9B << 96) | number))):
        assert is_public(ipaddress.ip_address(dressed)) is is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "0", "2130706433", "0x7f.1", "127.1", "localhost"])
@pytest.mark.asyncio
async def test_this_machine_is_not_asked_in_any_spelling(host):
    wire = Wire()
    with pytest.raises(MediaError):
        await MediaFetcher(transport=wire).fetch(f"http://{host}:1/")
    assert wire.sent == []


@virtual_time
async def test_the_connection_goes_to_the_address_that_was_checked():
    names, wire = Names(media_example=[[PUBLIC], ["127.0.0.1"]]), Wire()
    fetcher = MediaFetcher(resolve=names, transport=wire)
    await fetcher.fetch("https://media.example:8443/a.wav")
    assert names.asked == ["media.example"]
    (request,) = wire.sent
    assert str(request.url) == f"https://{PUBLIC}:8443/a.wav"
    assert request.headers["host"] == "media.example:8443"
    assert request.extensions["sni_hostname"] == "media.example"
    with pytest.raises(MediaRefused):
        await fetcher.fetch("https://media.example:8443/a.wav")


@virtual_time
async def test_of_several_addresses_only_public_ones_are_asked_until_one_answers():
    names = Names(media_example=[["10.0.0.1", "93.184.216.33", PUBLIC, "::1"]])
    wire = Wire(unreachable=["93.184.216.33"])
    await MediaFetcher(resolve=names, transport=wire).fetch("http://media.example/a.wav")
    assert [request.url.host for request in wire.sent] == ["93.184.216.33", PUBLIC]
    wire = Wire(unreachable=["93.184.216.33", PUBLIC])
    with pytest.raises(MediaError, match="cannot be reached"):
        await MediaFetcher(resolve=names, transport=wire).fetch("http://media.example/a.wav")


@virtual_time
async def test_what_is_allowed_may_be_private():
    names = Names(media_internal=[["10.1.2.3"]], other_internal=[["10.9.0.1"]])
    for allow in (("Media.Internal",), ("10.1.0.0/16",), ("10.1.2.3",)):
        fetcher = MediaFetcher(allow=allow, resolve=names, transport=Wire())
        await fetcher.fetch("http://media.internal/a.wav")
        with pytest.raises(MediaRefused):
            await fetcher.fetch("http://other.internal/a.wav")


@virtual_time
async def test_a_name_nobody_knows():
    with pytest.raises(MediaError, match=r"there is no host nowhere\.example"):
        await MediaFetcher(resolve=Names(), transport=Wire()).fetch("http://nowhere.example/")


# --- redirects -----------------------------------------------------------------------------------------------------
@virtual_time
async def test_redirects_are_followed_and_checked_like_the_first_address():
    names = Names(media_example=[[PUBLIC]], cdn_example=[["93.184.216.35"]], inside_example=[["10.0.0.1"]])
    wire = Wire(
        a=redirect("/b", 301),
        b=redirect("https://cdn.example/c", 307),
        inside=redirect("http://inside.example/secret"),
        file=redirect("file:///etc/passwd"),
        key=redirect("https://user:password@cdn.example/c"),
        odd=redirect("http://[::1"),
        loop=redirect("/loop"),
        lost=httpx.Response(302),
    )
    fetcher = MediaFetcher(resolve=names, transport=wire)
    assert (await fetcher.fetch("http://media.example/a")).data == WAV
    hosts = [request.headers["host"] for request in wire.sent]
    assert hosts == ["media.example", "media.example", "cdn.example"]
    for name in ("inside", "file", "key", "odd"):
        wire.sent.clear()
        with pytest.raises(MediaRefused):
            await fetcher.fetch(f"http://media.example/{name}")
        assert len(wire.sent) == 1
    wire.sent.clear()
    with pytest.raises(MediaRefused, match="redirects"):
        await fetcher.fetch("http://media.example/loop")
    assert len(wire.sent) == MAX_REDIRECTS + 1
    with pytest.raises(MediaError, match="status 302"):
        await fetcher.fetch("http://media.example/lost")
