"""Messages out of a stream, and keep-alives wherever they come (RFC 3261 section 18.3; RFC 5626 sections 3.5.1 and
4.4.1; RFC 7118 section 6). What a message says is for `message`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.grammar import parse_number
from gateway.transports.sip.message import MAX_BODY_BYTES, MAX_HEAD_BYTES

PONG_BYTES = b"\r\n"
"""The answer to a ping."""
PING_BYTES = b"\r\n\r\n"

_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:(.*)$", re.IGNORECASE | re.MULTILINE)
_LONGEST_END = 4


class KeepAlive(Enum):
    """Line ends where no message is."""

    PING = "ping"
    """A double one: answer with `PONG_BYTES`."""
    PONG = "pong"
    """A single one: the answer to our ping. On a stream also the first half of a ping, which cannot be known yet."""


def keep_alive(data: bytes) -> KeepAlive | None:
    """Whether a WebSocket message or a datagram is a keep-alive; None for anything else, even for nothing."""
    if not data or data.strip(b"\r\n"):
        return None
    return KeepAlive.PING if data.count(b"\n") > 1 else KeepAlive.PONG


class StreamFramer:
    """One connection. Give it what arrives, as it arrives."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._after_line_end = False
        self._fault: SipParseError | None = None

    def feed(self, data: bytes) -> Iterator[bytes | KeepAlive]:
        """Take in bytes, and give out whole messages, for `message.parse`, and keep-alives.

        How the bytes were cut makes no difference to what comes out.

        Raises:
            SipParseError: while iterating, behind everything that was whole: the stream cannot be cut any more, and the
                connection is to be closed. It stays that way.
        """
        if self._fault is None:
            self._buffer += data
        return self._items()

    def _items(self) -> Iterator[bytes | KeepAlive]:
        while self._fault is None:
            try:
                item = self._line_end() or self._message()
            except SipParseError as fault:
                self._fault = SipParseError(fault.reason)
                self._buffer.clear()
                break
            if item is None:
                return
            yield item
        if self._fault is not None:
            raise self._fault

    def _line_end(self) -> KeepAlive | None:
        """One line end between messages; two in a row are a ping."""
        length = 2 if self._buffer.startswith(b"\r\n") else 1 if self._buffer.startswith(b"\n") else 0
        if not length:
            return None
        del self._buffer[:length]
        self._after_line_end = not self._after_line_end
        return KeepAlive.PONG if self._after_line_end else KeepAlive.PING

    def _message(self) -> bytes | None:
        """The first message, when all of it is there."""
        end = _END_OF_HEAD.search(self._buffer, max(0, self._searched - _LONGEST_END))
        if (end.start() if end else len(self._buffer) - _LONGEST_END) > MAX_HEAD_BYTES:
            raise SipParseError("headers that are too long")
        if end is None:
            self._searched = len(self._buffer)
            return None
        self._searched = end.start()
        whole = end.end() + _body_length(bytes(self._buffer[: end.start()]))
        if len(self._buffer) < whole:
            return None
        message = bytes(self._buffer[:whole])
        del self._buffer[:whole]
        self._searched, self._after_line_end = 0, False
        return message


def _body_length(head: bytes) -> int:
    """What Content-Length says; on a stream there has to be one, and one only (RFC 3261 section 20.14)."""
    stated = _LENGTH.findall(_FOLD.sub(b" ", head))
    if len(stated) != 1:
        raise SipParseError("a message on a stream without one Content-Length")
    return parse_number(stated[0].decode("latin-1").strip(), MAX_BODY_BYTES)
