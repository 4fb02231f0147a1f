"""The voice webhook of a Twilio line: a form POST about a call, answered with TwiML that connects the media stream.

The stream's first message carries neither caller nor called number, so the answer copies them into `<Parameter>`s,
beside a token that is good for this call once. Facts: Twilio documentation, "Voice webhooks" and "TwiML Stream",
November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit, urlunsplit
from xml.sax.saxutils import quoteattr

from gateway.kit.signature import is_signed_by_twilio
from gateway.routes import HttpReply, HttpRequest
from gateway.transports.auth import public_url
from gateway.transports.sockets import LineContext, Upgrade

MAX_FIELDS = 200
COPIED = {"From": "from", "To": "to", "ForwardedFrom": "ForwardedFrom", "CallerName": "CallerName"}
"""Fields of the form, and the parameters they become."""
TOKEN = "token"
_UNPRINTABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 section 2.2


def read_form(request: HttpRequest) -> list[tuple[str, str]] | None:
    """The form's names and values as they came; None when the body is not a form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return None
    try:
        return parse_qsl(
            request.body.decode(), keep_blank_values=True, strict_parsing=bool(request.body), max_num_fields=MAX_FIELDS
        )
    except ValueError:  # not UTF-8, not a form, or too many fields
        return None


def is_signed(request: HttpRequest, form: list[tuple[str, str]], auth_token: str, url: str) -> bool:
    """Whether Twilio signed this POST to ``url``, with its form. A WebSocket scheme counts as the HTTP one."""
    return is_signed_by_twilio(auth_token, request.headers.get("x-twilio-signature", "").strip(), url, form)


def as_signed(request: HttpRequest, path: str, context: LineContext) -> str:
    """The URL Twilio was given for the webhook, by the same rules as for the media stream."""
    return public_url(as_upgrade(request), path, context)


def as_upgrade(request: HttpRequest) -> Upgrade:
    """The request as what judges upgrades takes it."""
    parts = urlsplit(request.url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return Upgrade(scheme=parts.scheme, path=parts.path, target=target, headers=request.headers, peer=request.peer)


def stream_url(webhook_url: str, suffix: str) -> str:
    """The media stream's address, from its webhook's; without a query: Twilio passes none on."""
    scheme, netloc, path, _, _ = urlsplit(webhook_url)
    return urlunsplit((scheme, netloc, path.rstrip("/").removesuffix(suffix), "", ""))


def connect_stream(url: str, form: Mapping[str, str], parameters: Mapping[str, str]) -> HttpReply:
    """TwiML that connects the call to the media stream, both ways, with parameters beside who calls whom."""
    copied = {name: form[field] for field, name in COPIED.items() if form.get(field)}
    body = "".join(
        f"<Parameter name={quoteattr(name)} value={_quoted(value)}/>"
        for name, value in {**copied, **parameters}.items()
    )
    return twiml(f"<Connect><Stream url={_quoted(url)}>{body}</Stream></Connect>")


def twiml(verbs: str) -> HttpReply:
    """An answer that tells Twilio what to do next; nothing: the call ends."""
    text = f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>'
    return HttpReply(body=text.encode(), content_type="text/xml; charset=utf-8")


def _quoted(value: str) -> str:
    return quoteattr(_UNPRINTABLE.sub(" ", value))
