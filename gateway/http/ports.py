"""Every port the gateway serves: the shared one, and the listeners of their own that webhooks ask for.

All are bound before the first call is taken, so that one that cannot be had ends the start with one sentence. A reload
changes none of them; they close together, when the last call is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from config.server import ServerSection
from gateway.http.control import Control
from gateway.http.guard import Guard
from gateway.http.login import Login
from gateway.http.port import build, build_listener
from gateway.http.serving import Server, address_of, bind
from gateway.http.webhooks import Observe
from gateway.routes import SocketRoute, Webhook


class Ports:
    """The servers of one gateway.

    Attributes:
        shared: Serves the shared port.
        listeners: The others, by the address that webhooks name.
    """

    def __init__(self, shared: Server, listeners: Mapping[str, Server]) -> None:
        self.shared = shared
        self.listeners = listeners

    @property
    def servers(self) -> list[Server]:
        return [self.shared, *self.listeners.values()]

    async def wait_started(self) -> None:
        for server in self.servers:
            await server.is_up.wait()

    def stop(self) -> None:
        """Close them; sockets that are still open, with 1012."""
        for server in self.servers:
            server.should_exit = True


async def open_ports(
    settings: ServerSection,
    control: Control,
    plugged: Sequence[Webhook | SocketRoute],
    *,
    own_sockets: Iterable[SocketRoute],
    observe: Observe,
    websockets: Mapping[str, Any],
) -> Ports:
    """Bind every port.

    Args:
        settings: `server`.
        plugged: What transports and backends serve.
        own_sockets: Sockets of the gateway's own, behind the guard.
        observe: Told of each request to a webhook.
        websockets: What the server is told about WebSockets.

    Raises:
        ConfigError: A port cannot be had, or a plug-in's path is one of the gateway's own.
    """
    token = settings.api_token.get_secret_value() if settings.api_token else None
    login = Login(token) if token else None
    app = build(
        control,
        plugged,
        guard=Guard(token=token, trusted_proxies=settings.trusted_proxies, login=login),
        public_url=settings.public_url,
        prefix=settings.prefix,
        guarded_sockets=own_sockets,
        observe=observe,
    )
    shared = Server(app, await bind(settings.host, settings.port, field="server.port"), **websockets)
    listeners: dict[str, Server] = {}
    try:
        for listen, hooks in _by_listener(plugged).items():
            sockets = await bind(*address_of(listen), field=f"the listener of {hooks[0].path}")
            listeners[listen] = Server(build_listener(hooks, observe=observe), sockets)
    except BaseException:  # also when cancelled: what is bound is let go
        for server in (shared, *listeners.values()):
            server.close()
        raise
    return Ports(shared, listeners)


def _by_listener(plugged: Iterable[Webhook | SocketRoute]) -> dict[str, list[Webhook]]:
    found: dict[str, list[Webhook]] = {}
    for item in plugged:
        if isinstance(item, Webhook) and item.listen is not None:
            found.setdefault(item.listen.strip(), []).append(item)
    return found
