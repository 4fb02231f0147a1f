"""What a placed call asks of the gateway by its API: which lines there are, which call is ours, what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from gateway.errors import GatewayError


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


def api_base(to: str | None) -> str:
    """The API's address that goes with a media socket's, or the default one on this machine.

    What stands before ``/media/`` in a socket's path, and the whole path of the gateway's own address, is the prefix a
    proxy adds. Raises CallFailed when it is no such address.
    """
    if to is None:
        return "http://127.0.0.1:8080"
    parts = urlsplit(to)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in ("http", "https") or not parts.netloc:
        raise CallFailed(f"{to} is no address such as ws://127.0.0.1:8080/media/twilio or http://127.0.0.1:8080")
    prefix = parts.path.rpartition("/media/")[0] if "/media/" in parts.path else parts.path.rstrip("/")
    return f"{scheme}://{parts.netloc}{prefix}"


def is_gateway(to: str) -> bool:
    """Whether an address is the gateway's own rather than a line's socket."""
    return urlsplit(to).scheme in ("http", "https") or urlsplit(to).path in ("", "/")


def pick_line(lines: Sequence[Mapping[str, Any]], to: str | None) -> Mapping[str, Any]:
    """The line a URL belongs to; without a path, the first that can be called.

    Raises:
        CallFailed: no line has this path, or none can be called.
    """
    callable_lines = [line for line in lines if line["transport"] in ("twilio", "asterisk") and line.get("path")]
    path = urlsplit(to).path if to and not is_gateway(to) else ""
    if path in ("", "/"):
        if not callable_lines:
            raise CallFailed("the gateway has no line with a media socket that can be called")
        return callable_lines[0]
    fitting = [line for line in callable_lines if path.endswith(str(line["path"]))]
    if not fitting:
        known = ", ".join(str(line["path"]) for line in callable_lines) or "none"
        raise CallFailed(f"no line of the gateway has the path {path}; its media sockets: {known}")
    return fitting[0]
