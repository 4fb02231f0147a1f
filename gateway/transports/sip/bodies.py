"""Session descriptions among the bodies of SIP messages: alone, or as a part of a multipart one (RFC 5621)."""

from __future__ import annotations

import email
import email.policy

from gateway.transports.sip.message import SipRequest, SipResponse

SDP_TYPE = "application/sdp"
FRAGMENT_TYPE = "message/sipfrag"
MAX_PARTS = 16


class UnknownBody(Exception):
    """A body that has to be understood and is not. The answer is 415."""


def content_type(message: SipRequest | SipResponse) -> str:
    """Lower case, without parameters; empty when there is none."""
    return (message.headers.get("Content-Type") or "").partition(";")[0].strip().lower()


def sdp_of(message: SipRequest | SipResponse) -> bytes | None:
    """The session description a message carries; None when it has none.

    Raises:
        UnknownBody: for another body, unless it says that it is optional, and for an encoded one.
    """
    if not message.body:
        return None
    kind = content_type(message)
    if (message.headers.get("Content-Encoding") or "identity").strip().lower() != "identity":
        raise UnknownBody
    if kind == SDP_TYPE:
        return message.body
    if kind.startswith("multipart/"):
        return _sdp_part(message)
    if "handling=optional" in (message.headers.get("Content-Disposition") or "").replace(" ", "").lower():
        return None
    raise UnknownBody


def _sdp_part(message: SipRequest | SipResponse) -> bytes | None:
    head = f"Content-Type: {message.headers.get('Content-Type')}\r\n\r\n".encode("utf-8", "surrogateescape")
    try:
        parts = list(email.message_from_bytes(head + message.body, policy=email.policy.compat32).walk())[:MAX_PARTS]
        for part in parts:
            if part.get_content_type() == SDP_TYPE:
                body = part.get_payload(decode=True)
                return body if isinstance(body, bytes) else None
    except (ValueError, LookupError, TypeError, AttributeError):  # what the library makes of malformed parts
        raise UnknownBody from None
    return None
