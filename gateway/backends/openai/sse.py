"""Server-sent events as bytes come (WHATWG HTML, "Server-sent events"); only their data matters here."""

from __future__ import annotations

MAX_EVENT_BYTES = 1 << 20


class EventTooLong(ValueError):
    """An event without an end."""


class EventReader:
    """Cuts a stream into the data of its events, whatever the network cuts it into."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[str]:
        """The data of the events that are complete now. Raises EventTooLong."""
        found: list[str] = []
        # A CR at the end may be half of a line's end.
        text = self._rest + piece
        held = b"\r" if text.endswith(b"\r") else b""
        *lines, rest = text.removesuffix(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = rest + held
        for line in lines:
            self._take(line.decode("utf-8", "replace"), found)
        if len(self._rest) + sum(map(len, self._data)) > MAX_EVENT_BYTES:
            raise EventTooLong(f"an event of more than {MAX_EVENT_BYTES} bytes")
        return found

    def close(self) -> list[str]:
        """The data of an event whose last line the server has left open."""
        found: list[str] = []
        for line in (self._rest.decode("utf-8", "replace").rstrip("\r"), ""):
            self._take(line, found)
        self._rest = b""
        return found

    def _take(self, line: str, found: list[str]) -> None:
        if not line:
            if self._data:
                found.append("\n".join(self._data))
                self._data = []
            return
        name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
