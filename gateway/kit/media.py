"""Recordings that bots name by address, fetched without letting a bot look around in the operator's network.

Only http and https. A host name is looked up once, every address is checked, and the connection goes to a checked
address, so that another answer at a second look-up opens nothing. Redirects are followed a few times, each checked like
the first address. Size and time are bounded, and what came is known by its first bytes, whatever its server calls it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import httpx

from audio.files import content_type_of
from gateway.errors import MediaError
from gateway.kit.cancelling import Sheltered

MAX_BYTES = 10 << 20
TIMEOUT = 10.0  # s for everything: look-up, redirects, the last byte
CONNECT = 3.0  # s for one address
MAX_REDIRECTS = 3
MAX_AT_ONCE = 32
MAX_URL = 4096
REDIRECTS = (301, 302, 303, 307, 308)
UNKNOWN = "application/octet-stream"
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last four bytes

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host name, as text. Raises OSError where there are none."""


class MediaRefused(MediaError):
    """An address that may not be fetched from, whatever is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedMedia:
    """A file from the network.

    Attributes:
        content_type: By its first bytes, such as ``audio/mpeg``; where they say nothing, as its server calls it.
    """

    data: bytes
    content_type: str


def checked_url(url: str) -> httpx.URL:
    """An address in a form that may be fetched, its host not looked up yet.

    Raises:
        MediaRefused: It is none, neither http nor https, too long, or has a password in it.
    """
    try:
        parsed = httpx.URL(url if len(url) <= MAX_URL else "")
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise MediaRefused("the recording's address is none") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise MediaRefused("recordings are fetched by http and https only")
    if parsed.port is not None and not 0 < parsed.port < 1 << 16:
        raise MediaRefused("the recording's address is none")
    if parsed.userinfo:
        raise MediaRefused("the recording's address has a password in it")
    return parsed


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """Ask the system."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class MediaFetcher:
    """Fetches files.

    Args:
        allow: Hosts, addresses and networks that may be fetched from although they are private.
        max_bytes: Largest file.
        timeout: Seconds one file may take.
        max_redirects: Redirects that are followed.
        resolve: Looks host names up.
        transport: Sends requests; not to the name in the URL, which is an address by then.
    """

    def __init__(
        self,
        *,
        allow: Sequence[str] = (),
        max_bytes: int = MAX_BYTES,
        timeout: float = TIMEOUT,
        max_redirects: int = MAX_REDIRECTS,
        resolve: Resolve = resolve_host,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._hosts = {entry.strip().lower() for entry in allow}
        self._networks = [network for entry in allow if (network := _network(entry)) is not None]
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._max_redirects = max_redirects
        self._resolve = resolve
        # Connections are not kept: the pool knows them by their address, and many hosts may share one.
        limits = httpx.Limits(max_connections=MAX_AT_ONCE, max_keepalive_connections=0)
        self._transport = transport or httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
        self._sheltered = Sheltered()

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def fetch(self, url: str, *, max_bytes: int | None = None) -> FetchedMedia:
        """Get a file.

        Args:
            max_bytes: A smaller bound than the fetcher's own.

        Raises:
            MediaRefused: The address, or one it redirects to, may not be fetched from.
            MediaError: Nobody there, no success, too large, too slow. The sentence names the host and not the path,
                which may hold a secret.
        """
        first = checked_url(url)
        bound = self._max_bytes if max_bytes is None else min(max_bytes, self._max_bytes)

        async def work() -> FetchedMedia:
            with anyio.fail_after(self._timeout):
                return await self._follow(first, bound)

        try:
            return await self._sheltered.run(work)
        except TimeoutError as error:
            raise MediaError(f"{first.host} did not send the recording in time") from error

    async def _follow(self, url: httpx.URL, max_bytes: int) -> FetchedMedia:
        for _ in range(self._max_redirects + 1):
            async with self._answer(url) as answer:
                if answer.status_code not in REDIRECTS or "location" not in answer.headers:
                    return await _read(answer, url.host, max_bytes)
                target = answer.headers["location"]
            try:
                url = checked_url(str(url.join(target)))
            except (httpx.InvalidURL, ValueError) as error:
                raise MediaRefused(f"{url.host} redirects to what is no address") from error
        raise MediaRefused(f"more than {self._max_redirects} redirects")

    @asynccontextmanager
    async def _answer(self, url: httpx.URL) -> AsyncIterator[httpx.Response]:
        answer = await self._send(url, await self._addresses(url))
        try:
            yield answer
        except httpx.HTTPError as error:
            raise MediaError(f"the connection to {url.host} broke") from error
        finally:
            await answer.aclose()

    async def _send(self, url: httpx.URL, addresses: Sequence[str]) -> httpx.Response:
        """Ask the first address that answers; TLS is held to the name."""
        waits = {"connect": CONNECT, "read": self._timeout, "write": self._timeout, "pool": self._timeout}
        headers = {"host": url.netloc.decode("ascii"), "accept": "audio/*, */*;q=0.5", "accept-encoding": "identity"}
        trouble: httpx.HTTPError | None = None
        for address in addresses:
            request = httpx.Request(
                "GET",
                url.copy_with(host=address, fragment=None),
                headers=headers,
                extensions={"sni_hostname": url.raw_host.decode("ascii"), "timeout": waits},
            )
            try:
                return await self._transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                trouble = error
            except httpx.HTTPError as error:
                raise MediaError(f"{url.host} does not answer ({type(error).__name__})") from error
        raise MediaError(f"{url.host} cannot be reached") from trouble

    # --- the policy ------------------------------------------------------------------------------------------------
    async def _addresses(self, url: httpx.URL) -> list[str]:
        """The addresses of a host that may be fetched from."""
        host = url.host.lower()
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            found = list(dict.fromkeys(await self._resolve(host, port)))
        except (OSError, UnicodeError) as error:
            raise MediaError(f"there is no host {host}") from error
        if not found:
            raise MediaError(f"there is no host {host}")
        fit = found if host in self._hosts else [text for text in found if self._is_allowed(text)]
        if not fit:
            raise MediaRefused(f"{host} is private, and not under media.allow")
        return fit

    def _is_allowed(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return is_public(address) or any(real in network for network in self._networks for real in _meant(address))


def is_public(address: Address) -> bool:
    """Whether an address is one of the public network, and so is what it stands for."""
    return all(real.is_global and not real.is_multicast for real in _meant(address))


def _meant(address: Address) -> list[Address]:
    """The address, or the IPv4 addresses that an IPv6 one takes a packet to."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    if address.sixtofour is not None:
        return [address, address.sixtofour]
    return [address, *(address.teredo or ())]


def _network(entry: str) -> Network | None:
    try:
        return ipaddress.ip_network(entry.strip(), strict=False)
    except ValueError:
        return None


async def _read(answer: httpx.Response, host: str, max_bytes: int) -> FetchedMedia:
    if not 200 <= answer.status_code < 300:
        raise MediaError(f"{host} answers with status {answer.status_code}")
    if answer.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise MediaError(f"{host} sends the recording compressed, unasked")
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > max_bytes:
            raise MediaError(f"the recording at {host} exceeds {max_bytes} bytes")
    data = bytes(body)
    named = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return FetchedMedia(data=data, content_type=content_type_of(data) or named or UNKNOWN)
