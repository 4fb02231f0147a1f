"""What a placed call asks of the gateway by its API: which lines there are, which call is ours, what was said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from gateway.errors import GatewayError

SIP = ("sip:", "sips:")
_SIP = re.compile(
    r"sips?:(\[[0-9a-fA-F:]+\]|[^\s:;@\[\]]+)(?::([0-9]{1,5}))?(?:;transport=(udp|tcp|tls))?", re.IGNORECASE
)


class CallFailed(GatewayError):
    """The call could not be placed."""


class GatewayApi:
    """The few questions a placed call asks of the gateway.

    Args:
        base: Address of the shared port, such as ``http://127.0.0.1:8080``.
    """

    def __init__(self, base: str, token: str | None = None) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.AsyncClient(base_url=base, headers=headers, timeout=5.0, trust_env=False)
        self.base = base

    async def __aenter__(self) -> GatewayApi:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def lines(self) -> list[dict[str, Any]]:
        return list(await self._get("/api/lines"))

    async def find_call(self, leg_id: str) -> str | None:
        """The id of the call with this leg, running or just ended."""
        calls = await self._get("/api/calls")
        return next((str(call["call_id"]) for call in calls if call.get("leg_id") == leg_id), None)

    async def call(self, call_id: str) -> dict[str, Any]:
        return dict(await self._get(f"/api/calls/{call_id}"))

    async def _get(self, path: str) -> Any:
        try:
            answer = await self._client.get(path)
        except httpx.HTTPError as error:
            raise CallFailed(f"the gateway's API at {self.base} does not answer: {type(error).__name__}") from error
        if answer.status_code != 200:
            raise CallFailed(f"the gateway's API answers {answer.status_code} to {path}: {_error_of(answer)}")
        return answer.json()


def _error_of(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("error", ""))
    except (ValueError, AttributeError):
        return ""


CALLABLE = ("twilio", "asterisk", "sip")
"""Transports whose far side `script.client_for` can be."""
API_PORT = 8080
"""Of a gateway of which only its SIP address is known."""


def api_base(to: str | None) -> str:
    """The API's address that goes with a media socket's, or the default one on this machine.

    What stands before ``/media/`` in a socket's path, or else before its last part, and the whole path of the gateway's
    own address, is the prefix a proxy adds. A SIP address says only the host. Raises CallFailed when it is no address.
    """
    if to is None:
        return f"http://127.0.0.1:{API_PORT}"
    if to.startswith(SIP):
        host, _, _ = _sip_address(to)
        return f"http://{host}:{API_PORT}"
    parts = urlsplit(to)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in ("http", "https") or not parts.netloc:
        raise CallFailed(f"{to} is no address such as ws://127.0.0.1:8080/media/twilio or http://127.0.0.1:8080")
    return f"{scheme}://{parts.netloc}{_prefix(parts.path, is_socket=parts.scheme in ('ws', 'wss'))}"


def _prefix(path: str, *, is_socket: bool) -> str:
    if "/media/" in path:
        return path.rpartition("/media/")[0]
    return path.rpartition("/")[0] if is_socket else path.rstrip("/")


def is_gateway(to: str) -> bool:
    """Whether an address is the gateway's own rather than a line's socket."""
    if to.startswith(SIP):
        return False
    return urlsplit(to).scheme in ("http", "https") or urlsplit(to).path in ("", "/")


def pick_line(lines: Sequence[Mapping[str, Any]], to: str | None) -> Mapping[str, Any]:
    """The line a URL belongs to; without a path, the first that can be called.

    Raises:
        CallFailed: no line has this path, or none can be called.
    """
    if to is not None and to.startswith(SIP):
        return _pick_trunk(lines, to)
    callable_lines = [
        line for line in lines if line["transport"] in CALLABLE and (line.get("path") or line.get("listen"))
    ]
    path = urlsplit(to).path if to and not is_gateway(to) else ""
    if path in ("", "/"):
        if not callable_lines:
            raise CallFailed("the gateway has no line with a socket that can be called")
        return callable_lines[0]
    paths = [line for line in callable_lines if line.get("path")]
    fitting = [line for line in paths if path.endswith(str(line["path"]))]
    if not fitting:
        known = ", ".join(str(line["path"]) for line in paths) or "none"
        raise CallFailed(f"no line of the gateway has the path {path}; its media sockets: {known}")
    return fitting[0]


def line_url(line: Mapping[str, Any], to: str | None, base: str) -> str:
    """The address at which a line is called: the one that was given, or what the gateway says of it.

    Args:
        base: Of the gateway's API; a trunk's socket that is open on all addresses is called at the same host.
    """
    if to and not is_gateway(to):
        return to
    if not line.get("listen"):
        return f"{base.replace('http', 'ws', 1)}{line['path']}"
    transport, host, port = _socket(str(line["listen"][0]))
    if host in ("0.0.0.0", "[::]"):
        host = urlsplit(base).netloc.rpartition("@")[2]
        host = host.removesuffix(f":{urlsplit(base).port}")
    return f"sip:{host}:{port}" + (f";transport={transport}" if transport != "udp" else "")


def _pick_trunk(lines: Sequence[Mapping[str, Any]], to: str) -> Mapping[str, Any]:
    """The line that listens there; by another port, as a firewall may give it, the only one that listens."""
    _, port, transport = _sip_address(to)
    trunks = [line for line in lines if line.get("listen")]
    for line in trunks:
        if any(_socket(str(it))[0] == transport and _socket(str(it))[2] == port for it in line["listen"]):
            return line
    if len(trunks) == 1:
        return trunks[0]
    known = ", ".join(str(it) for line in trunks for it in line["listen"]) or "none"
    raise CallFailed(f"no line of the gateway listens there; its sockets for SIP: {known}")


def _socket(listen: str) -> tuple[str, str, int]:
    """Transport, host and port of ``udp:0.0.0.0:5060``; the port may be missing."""
    transport, _, place = listen.partition(":")
    host, colon, port = place.rpartition(":")
    if colon and port.isdecimal() and not place.endswith("]"):
        return transport, host, int(port)
    return transport, place, 5061 if transport == "tls" else 5060


def _sip_address(to: str) -> tuple[str, int, str]:
    """Host, port and transport of ``sip:HOST:PORT;transport=tcp``. Raises CallFailed."""
    found = _SIP.fullmatch(to)
    if found is None:
        raise CallFailed(f"{to} is no address such as sip:127.0.0.1:5060 or sip:127.0.0.1:5060;transport=tcp")
    transport = "tls" if to.startswith("sips:") else (found[3] or "udp").lower()
    return found[1], int(found[2] or (5061 if transport == "tls" else 5060)), transport
