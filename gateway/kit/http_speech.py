"""Speech that a vendor sends as the body of an HTTP answer, given on while it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from audio.format import AudioFormat, MediaError
from gateway.errors import VendorReplyInvalid
from gateway.kit.http import HttpClient, Timeouts, status_error
from gateway.kit.sound import SoundReader, format_named
from gateway.speech_interfaces import SpokenFrame

MAX_SPEECH_BYTES = 32 << 20
"""Of one text: five minutes at 48 kHz."""
OPERATION = "speak"


async def spoken_by_http(
    http: HttpClient,
    vendor: str,
    url: str,
    body: Any,
    *,
    headers: Mapping[str, str],
    formats: tuple[AudioFormat, ...],
    unsaid: AudioFormat | None,
    timeout: Timeouts,
) -> AsyncIterator[SpokenFrame]:
    """Post a request as JSON, and read the sound that comes back. Leaving the iterator closes the connection.

    Args:
        formats: What may come; anything else is refused.
        unsaid: What samples are where the answer does not say.

    Raises:
        VendorError: Refused, gone, or no such sound; also in the middle.
    """
    async with http.stream(
        vendor,
        "POST",
        url,
        operation=OPERATION,
        json=body,
        headers=headers,
        timeout=timeout,
        max_bytes=MAX_SPEECH_BYTES,
    ) as answer:
        request_id = answer.headers.get("x-request-id")
        error = status_error(
            answer.status, vendor=vendor, operation=OPERATION, headers=answer.headers, request_id=request_id
        )
        if error is not None:
            raise error
        try:
            reader = SoundReader(format_named(answer.headers.get("content-type", ""), unsaid))
            async for piece in answer.pieces:
                if (frame := reader.feed(piece)) is not None:
                    if frame.format not in formats:
                        raise MediaError(f"{frame.format.encoding} at {frame.format.rate} Hz was not asked for")
                    yield SpokenFrame(frame)
            reader.finish()
        except MediaError as error:
            raise VendorReplyInvalid(str(error), vendor=vendor, operation=OPERATION, request_id=request_id) from error
