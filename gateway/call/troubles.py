"""What fails at a vendor's while somebody else stands in: told to the call once, so that its record says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import structlog

from gateway.errors import GatewayError, VendorError
from gateway.events import CallEvent, VendorFailed

log = structlog.get_logger()

Part = Literal["synthesizer", "recognizer"]


class Troubles:
    """Of one call. A vendor that is down fails at every prompt; once is enough.

    Args:
        post: Takes `VendorFailed`.
    """

    def __init__(self, post: Callable[[CallEvent], None]) -> None:
        self._post = post
        self._told: set[tuple[Part, str]] = set()

    def synthesizer(self, error: VendorError) -> None:
        self._vendor("synthesizer", error)

    def recognizer(self, error: VendorError) -> None:
        self._vendor("recognizer", error)

    def recording(self, error: GatewayError | TimeoutError) -> None:
        """A recording that cannot be played; each is a matter of its own."""
        reason = str(error) or "it took too long"
        log.warning("recording not played", reason=reason)
        self._post(VendorFailed(part="media", vendor="", reason=reason))

    def _vendor(self, part: Part, error: VendorError) -> None:
        if (part, error.vendor) not in self._told:
            self._told.add((part, error.vendor))
            log.warning("vendor failed", part=part, vendor=error.vendor, reason=error.reason)
            self._post(VendorFailed(part=part, vendor=error.vendor, reason=error.reason))
