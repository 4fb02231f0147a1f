"""Who may open a media socket: judged by the upgrade request alone, before it is accepted."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit, urlunsplit

from config.base import Network
from config.lines import AuthSection
from gateway.kit.signature import equal, is_signed_by_twilio
from gateway.transports.sockets import LineContext, Refusal, Upgrade

Authenticator = Callable[[Upgrade], Refusal | None]
_SOCKET_SCHEME = {"https": "wss", "http": "ws"}


def authenticator(auth: AuthSection, path: str, context: LineContext) -> Authenticator:
    """The check that a line's `auth` asks for.

    Args:
        path: The line's own path, as it stands behind `public_url`.
    Raises:
        ValueError: for a way that no WebSocket upgrade can carry; settings rule it out.
    """
    if auth.basic is not None:
        username, password = auth.basic.username, auth.basic.password.get_secret_value()
        return lambda upgrade: check_basic(upgrade, username, password)
    if auth.bearer is not None:
        token = auth.bearer.token.get_secret_value()
        return lambda upgrade: check_bearer(upgrade, token)
    if auth.twilio_signature is not None:
        secret = auth.twilio_signature.get_secret_value()
        return lambda upgrade: check_twilio(upgrade, secret, public_url(upgrade, path, context))
    if auth.none:
        return lambda upgrade: None
    raise ValueError(f"a media socket cannot carry {auth.kind}")


def check_basic(upgrade: Upgrade, username: str, password: str) -> Refusal | None:
    """HTTP Basic (RFC 7617); user name and password are UTF-8."""
    refusal = Refusal(401, "user name and password are required", 'Basic realm="media", charset="UTF-8"')
    scheme, _, credentials = upgrade.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return refusal
    try:
        given = base64.b64decode(credentials.strip(), validate=True)
    except (binascii.Error, ValueError):
        return refusal
    return None if equal(f"{username}:{password}", given) else refusal


def check_bearer(upgrade: Upgrade, token: str) -> Refusal | None:
    """A fixed token (RFC 6750)."""
    scheme, _, given = upgrade.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and equal(token, given.strip()):
        return None
    return Refusal(401, "a token is required", 'Bearer realm="media"')


def check_twilio(upgrade: Upgrade, auth_token: str, url: str) -> Refusal | None:
    """`X-Twilio-Signature` over the stream's public URL (`gateway.kit.signature`)."""
    signature = upgrade.headers.get("x-twilio-signature")
    if not signature:
        return Refusal(403, "the request is not signed")
    if is_signed_by_twilio(auth_token, signature.strip(), url):
        return None
    return Refusal(403, "the signature does not fit the public URL of this line")


def public_url(upgrade: Upgrade, path: str, context: LineContext) -> str:
    """The URL the peer was told to connect to, which is what it signs.

    With `server.public_url` it is that one and the line's path: what the request says about itself does not count.
    Without, it is what the request says, and the `X-Forwarded-*` headers count when a trusted proxy wrote them.
    """
    _, _, query = upgrade.target.partition("?")
    if context.public_url is not None:
        base = urlsplit(context.public_url)
        scheme, host, place = base.scheme, base.netloc, base.path.rstrip("/") + path
    else:
        scheme, host, place = upgrade.scheme, upgrade.headers.get("host", ""), upgrade.target.partition("?")[0]
        if is_trusted(upgrade.peer, context.trusted_proxies):
            scheme = _forwarded(upgrade, "proto") or scheme
            host = _forwarded(upgrade, "host") or host
            place = _forwarded(upgrade, "prefix").rstrip("/") + place
    return urlunsplit((_SOCKET_SCHEME.get(scheme, scheme), host, place, query, ""))


def is_trusted(peer: str, proxies: tuple[Network, ...]) -> bool:
    """Whether an address is one of our proxies."""
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    return any(address in network for network in proxies)


def _forwarded(upgrade: Upgrade, what: str) -> str:
    """The value the outermost proxy wrote."""
    return upgrade.headers.get(f"x-forwarded-{what}", "").partition(",")[0].strip()
