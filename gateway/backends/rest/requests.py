"""An event as an HTTP request: our own shape, or the operator's template, with the proof of who we are. Pure."""

from __future__ import annotations

import base64
import datetime
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from gateway.backends.rest.settings import RequestSection, RestAuth, RestBotSection
from gateway.backends.rest.templates import fill, fill_text
from gateway.caller_events import CallEnded, CallerEvent, CallStarted, NoInput, UserChoice
from gateway.kit.signature import hmac_hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent; header names are in lower case."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


def request_for(settings: RestBotSection, event: CallerEvent, body: dict[str, Any], at: datetime.datetime) -> Request:
    """The request that tells an event.

    Args:
        body: The event in our own shape, which is also what templates know.
        at: Now; part of a signature.
    """
    headers = {"accept": "application/json, text/plain", "idempotency-key": _key(event, body)}
    shape = settings.request
    if shape is None:
        headers["content-type"] = "application/json"
        request = Request(method="POST", url=settings.url, headers=headers, body=_json(body))
    else:
        request = _shaped(shape, settings.url, {**body, "text": _text(settings, event, body)}, headers)
    return _signed(request, settings.auth, at)


def _key(event: CallerEvent, body: dict[str, Any]) -> str:
    """The same when a request is sent again, another one for every event."""
    key = f"{body['call']['id']}-{event.turn}"
    return f"{key}-end" if isinstance(event, CallEnded) else key


def _shaped(shape: RequestSection, url: str, known: dict[str, Any], headers: dict[str, str]) -> Request:
    target = fill_text(shape.url or url, known, lambda value: quote(value, safe=""))
    own = {name.lower(): _one_line(fill_text(value, known)) for name, value in shape.headers.items()}
    if shape.method == "GET" or shape.body is None:
        return Request(method=shape.method, url=target, headers={**headers, **own}, body=None)
    typed = {"content-type": "application/json", **own}
    return Request(method=shape.method, url=target, headers={**headers, **typed}, body=_json(fill(shape.body, known)))


def _text(settings: RestBotSection, event: CallerEvent, body: dict[str, Any]) -> str:
    """``{{text}}`` of every event: a bot of another shape may know texts alone."""
    match event:
        case CallStarted():
            return settings.start_text
        case NoInput():
            return settings.no_input_text
        case UserChoice(option_id=option_id):
            return option_id
        case _:
            return str(body.get("text", ""))


def _signed(request: Request, auth: RestAuth, at: datetime.datetime) -> Request:
    proof: dict[str, str] = {}
    if auth.basic is not None:
        pair = f"{auth.basic.username}:{auth.basic.password.get_secret_value()}"
        proof["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    if auth.bearer is not None:
        proof["authorization"] = f"Bearer {auth.bearer.get_secret_value()}"
    if auth.header is not None:
        proof[auth.header.name.lower()] = auth.header.value.get_secret_value()
    if auth.hmac is not None:
        stamp = str(int(at.timestamp()))
        signature = hmac_hex(auth.hmac.get_secret_value(), stamp.encode() + b"." + (request.body or b""))
        proof |= {"x-timestamp": stamp, "x-signature": f"sha256={signature}"}
    headers = {**request.headers, **proof}
    return Request(method=request.method, url=request.url, headers=headers, body=request.body)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _one_line(value: str) -> str:
    """A header's value: what cannot stand in one becomes a blank."""
    return "".join(character if character.isprintable() and character.isascii() else " " for character in value)
