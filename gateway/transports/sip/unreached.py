"""Why a WebSocket to a registrar could not be opened, in a sentence that says to an operator where to look."""

from __future__ import annotations

import os
import socket
import ssl
from http import HTTPStatus
from urllib.parse import urlsplit

from websockets.exceptions import InvalidStatus, InvalidURI, NegotiationError

NO_SUBPROTOCOL = "the server does not speak SIP there: it did not select the sub-protocol `sip`"
_MAYBE_PLAIN = "the address may have to begin with ws:// instead of wss://"
_SPOKEN_PLAIN = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})


def why_not(error: Exception, url: str, *, within: float) -> str:
    """One sentence, without secrets and without anything the server wrote.

    Args:
        error: What `websockets.asyncio.client.connect` raised.
        url: Of the registrar, without credentials.
        within: Seconds it could take.
    """
    parts = urlsplit(url)
    match error:
        case InvalidStatus(response=response):
            return _refused(response.status_code, parts.path or "/")
        case NegotiationError():
            return NO_SUBPROTOCOL
        case InvalidURI() | UnicodeError():
            return "the registrar's address is no WebSocket address"
        case ssl.SSLCertVerificationError():
            return f"the certificate of {parts.hostname} is not trusted: {error.verify_message.rstrip('.')}"
        case ssl.SSLError():
            return _tls(error, parts.netloc)
        case TimeoutError():
            return f"{parts.netloc} does not answer within {within:g} s"
        case socket.gaierror():
            return f"the name {parts.hostname} is not known"
        case ConnectionRefusedError():
            return f"nothing listens on {parts.netloc}"
        case ConnectionError() if parts.scheme == "wss":
            return f"{parts.netloc} breaks the connection off; {_MAYBE_PLAIN}"
        case OSError():
            said = os.strerror(error.errno).lower() if error.errno else "no address of it answers"
            return f"no connection to {parts.netloc}: {said}"
        case _:
            return f"{parts.netloc} does not speak WebSocket, or not with this scheme"


def _tls(error: ssl.SSLError, place: str) -> str:
    reason = getattr(error, "reason", None) or "unknown reason"  # errors that Python itself makes have none
    if reason in _SPOKEN_PLAIN:
        return f"{place} does not speak TLS; {_MAYBE_PLAIN}"
    return f"TLS with {place} failed: {reason.replace('_', ' ').lower()}"


def _refused(status: int, path: str) -> str:
    try:
        named = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        named = str(status)
    match status:
        case 404 | 405:
            return f"the server has no WebSocket at {path} ({named}): look at the path of `registrar`"
        case 401 | 403 | 407:
            return f"the server refuses the WebSocket ({named}): it may want another `origin`, or not know our address"
        case _ if 300 <= status < 400:
            return f"the server sends us elsewhere ({named}): look at the address in `registrar`"
        case _ if status >= 500:
            return f"the server cannot take the WebSocket now ({named})"
        case _:
            return f"the server refuses the WebSocket ({named}): look at address and path of `registrar`"
