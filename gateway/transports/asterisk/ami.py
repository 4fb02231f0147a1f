"""Asterisk's Manager Interface (AMI) as plain data: lines in, messages out, actions to bytes. No sockets.

A message is a block of ``Key: value`` lines that ends with an empty line; every line ends with CR LF. Facts: Asterisk
documentation, "AMI v2 Specification", November 2026, and Asterisk 22.10.1 as observed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.errors import LocalProtocolError, RemoteProtocolError

MAX_LINE_BYTES = 8192
MAX_LINES = 400
BANNER = "Asterisk Call Manager/"

Message = Mapping[str, str]
"""Keys in lower case. Of a key that comes several times, the last."""


class AmiReader:
    """Reads one connection: first the banner, then messages.

    Raises:
        RemoteProtocolError: it is no manager interface, or a message has no bounds.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._has_greeted = False
        self._lines: list[str] = []

    def feed(self, data: bytes) -> list[Message]:
        """What has come in; returns the messages that are complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise RemoteProtocolError("a line of the manager interface without an end")
        found = (self._take(line.rstrip(b"\r").decode("utf-8", "replace")) for line in lines)
        return [message for message in found if message]

    def _take(self, line: str) -> Message:
        if not self._has_greeted:
            if not line.startswith(BANNER):
                raise RemoteProtocolError("the peer is no manager interface of Asterisk's")
            self._has_greeted = True
            return {}
        if line:
            self._lines.append(line)
            if len(self._lines) > MAX_LINES:
                raise RemoteProtocolError("a message of the manager interface without an end")
            return {}
        lines, self._lines = self._lines, []
        pairs = (line.partition(":") for line in lines)
        return {key.strip().lower(): value.strip() for key, colon, value in pairs if colon}


def action(name: str, fields: Mapping[str, str], *, action_id: str = "") -> bytes:
    """One action as it goes over the wire.

    Raises:
        LocalProtocolError: a value would end its line, and become another key or action.
    """
    pairs: Iterable[tuple[str, str]] = [
        ("Action", name),
        *([("ActionID", action_id)] if action_id else []),
        *fields.items(),
    ]
    lines = []
    for key, value in pairs:
        if not value.isprintable():
            raise LocalProtocolError(f"a value for {key} that the manager interface cannot carry")
        lines.append(f"{key}: {value}\r\n")
    return "".join([*lines, "\r\n"]).encode()
