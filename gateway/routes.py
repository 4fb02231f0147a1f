"""What a plug-in has the shared port serve: webhooks, as plain values, and WebSocket paths.

Plug-ins name their routes (`routes` of a `Transport` or a `Backend`), the gateway's port serves them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A webhook's request as plain values.

    Attributes:
        path: As it arrived, without the server's own prefix.
        url: The public URL of the request, as the sender signed it.
        headers: Names in lower case; repeated ones joined by ", ".
    """

    method: str
    path: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    path_params: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """The answer to a webhook.

    Attributes:
        unknown_call: A key that nobody in this process claimed: its holder is asked, else this reply is sent.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    unknown_call: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A path the shared port serves for a plug-in, which checks its sender itself.

    Attributes:
        max_bytes: A longer body is refused before `handle` is asked.
        listen: ``host:port`` of a listener that serves this path, too, and nothing but webhooks that name it: for
            senders that insist on paths of their own. A path that is the gateway's own on the shared port
            (``/api/...``) is served there alone.
    """

    path: str
    methods: tuple[str, ...]
    handle: Callable[[HttpRequest], Awaitable[HttpReply]]
    max_bytes: int = 1 << 20
    listen: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketRoute:
    """A WebSocket path and the ASGI application behind it, which authenticates before it accepts."""

    path: str
    app: Callable[..., Awaitable[None]]
