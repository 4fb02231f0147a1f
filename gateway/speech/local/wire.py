"""The messages between the gateway and its speech workers: a kind, the job they belong to, and bytes.

Both ends use this module, so it imports nothing that is slow to load. A message is a header of nine bytes (length of
the body, kind, job; big-endian) and its body.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from audio.format import Encoding
from config.errors import GatewayError

HEADER = struct.Struct("!IBI")
MAX_BODY = 1 << 22
"""Two minutes of 16 kHz PCM; nothing that either end sends is longer."""


ENCODINGS = {b"u": Encoding.PCMU, b"a": Encoding.PCMA, b"l": Encoding.L16}
"""First byte of caller audio."""
CODES = {encoding: code for code, encoding in ENCODINGS.items()}


class Kind(IntEnum):
    """What a message is. The first five go to a worker, the others come from it."""

    OPEN = 1
    """JSON: what to say, or what to listen for."""
    AUDIO_IN = 2
    """Caller audio for an open job: a byte for its encoding, then samples at 8 kHz."""
    FINISH = 3
    """No more audio: deliver what is left."""
    CANCEL = 4
    """Forget the job; nothing more is expected of it."""
    PING = 5

    HELLO = 16
    """The worker is ready. Its first message."""
    PONG = 17
    """A sign of life: the answer to a ping, or unasked while there is much to do."""
    AUDIO_OUT = 18
    """Speech: four bytes, how far in the text it reaches (in characters), then samples."""
    RESULT = 19
    """JSON: a transcript."""
    DONE = 20
    """JSON: the job is complete, with what should be known about it."""
    FAILED = 21
    """JSON: the job cannot be done, and why; asking again would not help."""


class WireError(GatewayError):
    """The other end of the pipe sent something that is not a message."""


@dataclass(frozen=True, slots=True)
class Message:
    kind: Kind
    job: int
    body: bytes = b""

    def json(self) -> dict[str, Any]:
        """The body as an object.

        Raises:
            WireError: when it is none.
        """
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as error:
            raise WireError(f"the body of {self.kind.name} is not JSON") from error
        if not isinstance(value, dict):
            raise WireError(f"the body of {self.kind.name} is not an object")
        return value


def to_wire(kind: Kind, job: int = 0, body: bytes = b"") -> bytes:
    return HEADER.pack(len(body), kind, job) + body


def json_to_wire(kind: Kind, job: int, value: dict[str, Any]) -> bytes:
    return to_wire(kind, job, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


class Reader:
    """Cuts a byte stream into messages, wherever it was torn.

    Raises:
        WireError: from `feed`, when the stream cannot be messages; it cannot be used any more then.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete with ``data``."""
        self._buffer += data
        messages: list[Message] = []
        at = 0
        while len(self._buffer) - at >= HEADER.size:
            length, kind, job = HEADER.unpack_from(self._buffer, at)
            if length > MAX_BODY:
                raise WireError(f"a message of {length} bytes is longer than any worker sends")
            end = at + HEADER.size + length
            if len(self._buffer) < end:
                break
            messages.append(Message(_known(kind), job, bytes(self._buffer[at + HEADER.size : end])))
            at = end
        del self._buffer[:at]
        return messages


def _known(kind: int) -> Kind:
    try:
        return Kind(kind)
    except ValueError:
        raise WireError(f"there is no kind of message {kind}") from None
