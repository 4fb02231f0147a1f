"""Answers of the shared port, and the bodies it takes: bounded, and in JSON whatever happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gateway.kit.jsonbody import parse_json

BODY_WITHIN = 15.0  # s a sender has for the whole body
MEDIA_TYPE = "application/json"
HANG_UP = {"connection": "close"}
"""With an answer to a body that was not read to its end: what else comes on this connection is not waited for."""


class BodyRefused(Exception):
    """A body that is too long or too slow, or whose sender has gone.

    Args:
        status: The HTTP status that says so.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    try:
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half a surrogate pair, from whoever named a call or a line
        body = json.dumps(value, separators=(",", ":")).encode()
    return Response(body, status, headers, MEDIA_TYPE)


def error(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error: ``{"error": sentence}``."""
    return reply({"error": sentence}, status, headers)


async def body_of(request: Request, max_bytes: int) -> bytes:
    """The whole body. Raises BodyRefused."""
    if _announced(request) > max_bytes:
        raise BodyRefused(413, f"the body is longer than {max_bytes} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for piece in request.stream():
                body += piece
                if len(body) > max_bytes:
                    raise BodyRefused(413, f"the body is longer than {max_bytes} bytes")
    except TimeoutError:
        raise BodyRefused(408, "the body did not come in time") from None
    except ClientDisconnect:
        raise BodyRefused(400, "the sender has gone") from None
    return bytes(body)


def _announced(request: Request) -> int:
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


def json_object(raw: bytes) -> dict[str, Any]:
    """A JSON object; an empty body is an empty object. Raises ValueError with a sentence for the sender."""
    if not raw.strip():
        return {}
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise ValueError("the body is no JSON object")
    return value
