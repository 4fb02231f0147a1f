"""Proof that a request comes from who it says: HMAC in the forms vendors use, compared in constant time.

Twilio signs webhooks and the WebSocket upgrade alike: base64(HMAC-SHA1(auth token, URL followed by every POST
parameter, sorted by name, as name and value without separators)) in `X-Twilio-Signature` (Twilio documentation,
"Webhooks security", November 2026). The URL is the public one, exactly as it was configured there.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

DEFAULT_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}
_OTHER_SCHEME = {"https": "wss", "wss": "https", "http": "ws", "ws": "http"}


def equal(ours: str | bytes, theirs: str | bytes) -> bool:
    """Whether two secrets are the same, in a time that does not say where they differ."""
    return hmac.compare_digest(_bytes(ours), _bytes(theirs))


def hmac_base64(secret: str | bytes, message: str | bytes, algorithm: str = "sha1") -> str:
    """An HMAC in base64, with padding; ``algorithm`` is a name hashlib knows."""
    return base64.b64encode(hmac.digest(_bytes(secret), _bytes(message), algorithm)).decode("ascii")


def hmac_hex(secret: str | bytes, message: str | bytes, algorithm: str = "sha256") -> str:
    """An HMAC in lower-case hexadecimal."""
    return hmac.digest(_bytes(secret), _bytes(message), algorithm).hex()


def twilio_signature(auth_token: str, url: str, params: Iterable[tuple[str, str]] = ()) -> str:
    """What Twilio puts into `X-Twilio-Signature`.

    Args:
        auth_token: Of the Twilio account.
        url: The request's public URL with its query; for a media stream the `wss://` URL of the `<Stream>`.
        params: Names and values of a form POST; nothing for a WebSocket upgrade. The same pair twice counts once.
    """
    signed = url + "".join(name + value for name, value in sorted(set(params)))
    return hmac_base64(auth_token, signed)


def is_signed_by_twilio(auth_token: str, signature: str, url: str, params: Iterable[tuple[str, str]] = ()) -> bool:
    """Whether a signature fits the URL in one of the spellings that have been seen in the field.

    Every spelling is computed and compared, so that the time taken says nothing.
    """
    fixed = list(params)
    matches = [equal(twilio_signature(auth_token, spelling, fixed), signature) for spelling in url_spellings(url)]
    return any(matches)


def url_spellings(url: str) -> list[str]:
    """The ways one URL may have been written by the signer, the given one first.

    With and without a slash at the end, with and without the scheme's usual port, and with the HTTP scheme for a
    WebSocket URL and the other way round; never another host, path or port, nor http for https.
    """
    scheme, netloc, path, query, _ = urlsplit(url)
    port = DEFAULT_PORTS.get(scheme)
    hosts = [netloc]
    if port is not None:
        bare = netloc.removesuffix(f":{port}")
        hosts.append(f"{netloc}:{port}" if bare == netloc and not _has_port(netloc) else bare)
    paths = [path, path.removesuffix("/") if path.endswith("/") else path + "/"]
    schemes = [scheme, _OTHER_SCHEME.get(scheme, scheme)]
    spellings = [urlunsplit((s, host, p, query, "")) for s in schemes for host in hosts for p in paths]
    return list(dict.fromkeys([url, *spellings]))


def _has_port(netloc: str) -> bool:
    return netloc.rpartition(":")[2].isdigit() and not netloc.endswith("]")


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
