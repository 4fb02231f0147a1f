"""WebSocket frames as cheaply as Python can: the benchmark's clients and stubs must not be what limits a run.

RFC 6455 section 5. A client must mask; a key of zeros is a valid one and leaves the payload as it is, while the
server goes to the same trouble as with any other. Messages are never fragmented here, and pings are answered.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator

from websockets.speedups import apply_mask

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
NO_KEY = bytes(4)
MAX_MESSAGE = 1 << 22


def client_head(size: int, opcode: int = TEXT) -> bytes:
    """What goes before a masked payload of ``size`` bytes."""
    if size < 126:
        return bytes((0x80 | opcode, 0x80 | size)) + NO_KEY
    return bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big") + NO_KEY


def server_frame(payload: bytes, opcode: int = TEXT) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


def client_handshake(path: str, host: str) -> bytes:
    key = base64.b64encode(bytes(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def server_handshake(key: bytes) -> bytes:
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


class FrameReader:
    """Cuts a byte stream into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yields opcode and unmasked payload of every message that is complete."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= 2:
            size, start = buffer[1] & 0x7F, 2
            if size == 126:
                size, start = int.from_bytes(buffer[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(buffer[2:10], "big"), 10
            is_masked = buffer[1] & 0x80
            if is_masked:
                start += 4
            end = start + size
            if size > MAX_MESSAGE:
                raise ValueError(f"a message of {size} bytes")
            if len(buffer) < end:
                return
            payload = bytes(buffer[start:end])
            if is_masked and (key := bytes(buffer[start - 4 : start])) != NO_KEY:
                payload = apply_mask(payload, key)
            opcode = buffer[0] & 0x0F
            del buffer[:end]
            yield opcode, payload
