"""Asterisk's Manager Interface as the gateway sees it: a server that takes logins, variables and redirects.

Modelled on Asterisk 22.10.1: the banner, the order of the keys, and the messages are those it sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Action = Mapping[str, str]


@dataclass
class Manager:
    """Attributes:
    channels: Those there are; a redirect of another one is refused.
    is_mute: Nothing is answered any more.
    redirects: Those that were done.
    """

    username: str = "talkpath"
    secret: str = "s3cret"
    banner: bytes = b"Asterisk Call Manager/11.0.0\r\n"
    channels: set[str] = field(default_factory=lambda: {"PJSIP/alice-00000001"})
    is_mute: bool = False
    port: int = 0
    actions: list[Action] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    connections: list[asyncio.StreamWriter] = field(default_factory=list)
    redirects: asyncio.Queue[Action] = field(default_factory=asyncio.Queue)

    def tell(self, **event: str) -> None:
        """Send an event to everybody who has logged in."""
        block = "".join(f"{key}: {value}\r\n" for key, value in event.items()) + "\r\n"
        for writer in self.connections:
            writer.write(block.encode())

    def hang_up(self) -> None:
        for writer in self.connections:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(self.banner)
            while block := (await reader.readuntil(b"\r\n\r\n")).decode():
                action = dict(
                    line.split(": ", 1) if ": " in line else (line.rstrip(":"), "")
                    for line in block.split("\r\n")
                    if line
                )
                self.actions.append(action)
                if not self.is_mute:
                    self._answer(action, writer)
        writer.close()

    def _answer(self, action: Action, writer: asyncio.StreamWriter) -> None:
        problem = self._do(action, writer)
        lines = ["Response: Error" if problem else "Response: Success", f"ActionID: {action['ActionID']}"]
        lines.append(f"Message: {problem or 'Fine'}")
        writer.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        if not problem and action["Action"] == "Redirect":
            self.redirects.put_nowait(action)

    def _do(self, action: Action, writer: asyncio.StreamWriter) -> str:
        match action["Action"]:
            case "Login" if (action["Username"], action["Secret"]) == (self.username, self.secret):
                self.connections.append(writer)
                self.tell(Event="FullyBooted", Privilege="system,all", Status="Fully Booted")
                return ""
            case "Login":
                return "Authentication failed"
            case _ if writer not in self.connections:
                return "Permission denied"
            case _ if action["Channel"] not in self.channels:
                return "No such channel"
            case "Setvar":
                self.variables[action["Variable"].lstrip("_")] = action["Value"]
        return ""


@asynccontextmanager
async def manager_interface(manager: Manager) -> AsyncIterator[Manager]:
    """Serve it on a loopback port."""
    server = await asyncio.start_server(manager.serve, "127.0.0.1", 0)
    manager.port = server.sockets[0].getsockname()[1]
    try:
        yield manager
    finally:
        server.close()
        manager.hang_up()
        await asyncio.sleep(0)
