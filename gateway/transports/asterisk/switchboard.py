"""Sending a caller elsewhere through Asterisk's Manager Interface: `ami` put on a connection of its own per transfer.

The caller's channel is redirected into a context of the dialplan, with what it needs to know in inheritable channel
variables. That context dials the target, and dials us again when nobody answers; how is in docs/asterisk.md.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Literal

from config.targets import canonical
from gateway.errors import RemoteProtocolError, VendorError, VendorRejected, VendorUnavailable
from gateway.interfaces import TransferTarget
from gateway.transports.asterisk.ami import AmiReader, Message, action
from gateway.transports.asterisk.settings import ManagerSection

CALL, TARGET, HOST, RING, HEADER, STATUS = (
    "talkpath_call",
    "talkpath_target",
    "talkpath_host",
    "talkpath_ring",
    "talkpath_header",
    "talkpath_status",
)
"""Channel variables: the call a caller comes back to; the whole target; its host, of a SIP address; seconds to ring;
headers for the target, numbered from 1; and, set by the dialplan, the DIALSTATUS with which he comes back."""
MAX_HEADERS = 8
CAUSES = {
    "BUSY": "busy",
    "NOANSWER": "no_answer",
    "CHANUNAVAIL": "unreachable",
    "CONGESTION": "failed",
    "CANCEL": "no_answer",
    "DONTCALL": "rejected",
    "TORTURE": "rejected",
    "INVALIDARGS": "failed",
}
_EXTENSION = re.compile(r"[A-Za-z0-9+*#_.-]{1,79}")  # AST_MAX_EXTENSION is 80
_OURS = "WebSocket/"  # the dialplan's way back to us is no target that answers


Report = Literal["answered", "gone", "lost"]
"""What becomes of a redirected caller: somebody has answered; he has hung up; or the connection is gone, and it is not
known."""


class Switchboard:
    """What one line's transfers go through."""

    def __init__(self, line: str, settings: ManagerSection) -> None:
        self._line = line
        self._settings = settings

    @asynccontextmanager
    async def send(self, channel: str, target: TransferTarget, call_id: str) -> AsyncIterator[Manager]:
        """Redirect a channel. Inside the block, the `Manager` tells how it goes on.

        Raises:
            VendorRejected: Asterisk refuses the login, or the channel is gone; or it cannot carry the target.
            VendorUnavailable: the manager interface cannot be reached, or does not answer in time.
        """
        extension, variables = _variables(self._line, target, call_id)
        where = {"Channel": channel, "Context": self._settings.context, "Exten": extension, "Priority": "1"}
        manager = await self._connected()
        try:
            async with self._within():
                await manager.log_in(self._settings.username, self._settings.secret.get_secret_value())
                for name, value in variables.items():
                    await manager.ask("Setvar", {"Channel": channel, "Variable": f"__{name}", "Value": value})
                await manager.ask("Redirect", where)
            yield manager
        finally:
            manager.close()

    @asynccontextmanager
    async def _within(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._settings.timeout):
                yield
        except TimeoutError:
            raise VendorUnavailable(
                f"no answer within {self._settings.timeout:g} s", vendor=self._line, operation="transfer"
            ) from None

    async def _connected(self) -> Manager:
        try:
            async with self._within():
                reader, writer = await asyncio.open_connection(self._settings.host, self._settings.port)
        except OSError as error:
            reason = f"the manager interface at {self._settings.host}:{self._settings.port} cannot be reached"
            raise VendorUnavailable(reason, vendor=self._line, operation="transfer") from error
        return Manager(self._line, reader, writer)


class Manager:
    """One connection to the manager interface."""

    def __init__(self, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._line = line
        self._reader = reader
        self._writer = writer
        self._messages = AmiReader()
        self._waiting: list[Message] = []
        self._actions = 0

    async def log_in(self, username: str, secret: str) -> None:
        await self.ask("Login", {"Username": username, "Secret": secret, "Events": "call"})

    async def ask(self, name: str, fields: Mapping[str, str]) -> None:
        """One action, and its response. Events meanwhile are kept.

        Raises:
            VendorRejected: the response is an error.
            VendorUnavailable: the connection has ended.
        """
        self._actions += 1
        action_id = str(self._actions)
        self._writer.write(action(name, fields, action_id=action_id))
        kept: list[Message] = []
        while (message := await self._next()).get("actionid") != action_id or "response" not in message:
            kept.append(message)
        self._waiting[:0] = kept
        if message["response"].lower() == "error":
            raise VendorRejected(message.get("message", "refused"), vendor=self._line, operation=name)

    async def report(self, channel: str) -> Report:
        """Wait for what becomes of a redirected channel."""
        while True:
            try:
                message = await self._next()
            except VendorError:
                return "lost"
            if message.get("channel") != channel:
                continue
            match message.get("event"):
                case "DialEnd" if message.get("dialstatus") == "ANSWER":
                    if not message.get("destchannel", "").startswith(_OURS):
                        return "answered"
                case "Hangup":
                    return "gone"

    def close(self) -> None:
        self._writer.close()

    async def _next(self) -> Message:
        while not self._waiting:
            try:
                data = await self._reader.read(65536)
                self._waiting += self._messages.feed(data)
            except (OSError, RemoteProtocolError) as error:
                raise VendorUnavailable(str(error), vendor=self._line, operation="transfer") from error
            if not data:
                raise VendorUnavailable("the manager interface hung up", vendor=self._line, operation="transfer")
        return self._waiting.pop(0)


def _variables(line: str, target: TransferTarget, call_id: str) -> tuple[str, dict[str, str]]:
    """The extension that is dialled, and what its context is told."""
    plain = canonical(target.target) or ""
    user, _, rest = plain.partition(":")[2].partition("@") if "@" in plain else (plain, "", "")
    if not _EXTENSION.fullmatch(user):
        raise VendorRejected("the target has no extension that Asterisk could dial", vendor=line, operation="transfer")
    headers = list(target.headers.items())[:MAX_HEADERS]
    return user, {
        CALL: call_id,
        TARGET: plain,
        HOST: rest.partition(";")[0],
        RING: str(max(1, round(target.ring))),
        STATUS: "",
        **{f"{HEADER}{number}": f"{name}: {value}" for number, (name, value) in enumerate(headers, start=1)},
    }
