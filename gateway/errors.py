"""Every error the gateway expects.

GatewayError                        config.errors
|- ConfigError                      config.errors; file, line, field, reason; only at start-up and reload
|- MediaError                       audio.format; a bad packet, payload or format
|- ProtocolError
|  |- LocalProtocolError            we asked for something illegal: a bug here
|  `- RemoteProtocolError           the peer sent something illegal; carries a hint for the reply
`- VendorError                      vendor, operation, request_id, retryable
   |- VendorUnavailable             no connection, timeout, 5xx, 429
   |- VendorRejected                4xx: credentials or request
   `- VendorReplyInvalid            could not be understood
"""

from __future__ import annotations

from audio.format import MediaError
from config.errors import ConfigError, GatewayError

__all__ = [
    "ConfigError",
    "GatewayError",
    "LocalProtocolError",
    "MediaError",
    "ProtocolError",
    "RemoteProtocolError",
    "Unwelcome",
    "VendorError",
    "VendorRejected",
    "VendorReplyInvalid",
    "VendorUnavailable",
]


class ProtocolError(GatewayError):
    """A wire protocol was not followed."""


class LocalProtocolError(ProtocolError):
    """We asked a codec for something the protocol cannot say."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something illegal.

    Args:
        reason: One sentence for the log.
        hint: What the peer may be told, such as a WebSocket close reason.
    """

    def __init__(self, reason: str, *, hint: str | None = None) -> None:
        super().__init__(reason)
        self.hint = hint or reason


class Unwelcome(RemoteProtocolError):
    """The peer speaks the protocol, but may not place this call."""


class VendorError(GatewayError):
    """A vendor did not do what it was asked.

    Args:
        reason: One sentence, free of personal data and secrets.
        vendor: Its name in the configuration.
        operation: What was asked of it, such as ``POST turn``.
        request_id: The vendor's own reference, where it gave one.
        status: HTTP status, where there was one.
    """

    retryable = False

    def __init__(
        self,
        reason: str,
        *,
        vendor: str,
        operation: str = "",
        request_id: str | None = None,
        status: int | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(f"{vendor}: {operation + ': ' if operation else ''}{reason}")
        self.reason = reason
        self.vendor = vendor
        self.operation = operation
        self.request_id = request_id
        self.status = status
        if retryable is not None:
            self.retryable = retryable


class VendorUnavailable(VendorError):
    """No connection, a timeout, a 5xx or a 429: it may work later."""

    retryable = True


class VendorRejected(VendorError):
    """The vendor understood and refused: credentials, or the request itself."""


class VendorReplyInvalid(VendorError):
    """The vendor answered something that cannot be understood."""
