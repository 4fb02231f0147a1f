"""Rasa's channels ``rest`` and ``callback`` without a socket: what is sent, and what a response is made of.

Sources: "Your Own Website" (REST and callback channel) and "HTTP API" in Rasa's documentation, and the channels' code
(``rasa/core/channels/rest.py`` and ``callback.py``, ``rasa/utils/endpoints.py``), all read in November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from gateway.backends.rasa.settings import RasaBotSection
from gateway.caller_events import CallerEvent, UserChoice, UserDigits, UserText
from gateway.events import CallInfo
from gateway.kit.jsonbody import parse_json

MAX_TEXT = 4000  # characters of one caller turn; Rasa names no limit
MAX_RESPONSES = 50  # in one answer; more is not something to read to a caller
MAX_BUTTONS = 20


@dataclass(frozen=True, slots=True)
class Button:
    """A choice; ``payload`` goes back verbatim, often an intent with entities: ``/choose{"size":"m"}``."""

    title: str
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One message of the bot. ``attachment`` and ``custom`` are as they came; None: not there."""

    text: str = ""
    image: str = ""
    buttons: tuple[Button, ...] = ()
    attachment: Any = None
    custom: Any = None


# --- out -----------------------------------------------------------------------------------------------------------
def webhook_url(settings: RasaBotSection) -> str:
    """Where messages are posted."""
    stream = {"stream": "true"} if settings.stream else {}
    return f"{settings.url}/webhooks/{settings.channel}/webhook{_query(settings, stream)}"


def events_url(settings: RasaBotSection, sender: str) -> str:
    """Where slots are set."""
    return f"{settings.url}/conversations/{quote(sender, safe='')}/tracker/events{_query(settings, {})}"


def _query(settings: RasaBotSection, more: Mapping[str, str]) -> str:
    given = dict(more)
    if settings.token is not None:
        given["token"] = settings.token.get_secret_value()
    return f"?{urlencode(given)}" if given else ""


def request_headers(settings: RasaBotSection) -> dict[str, str]:
    """The headers of every request."""
    if settings.bearer is None:
        return {}
    return {"Authorization": f"Bearer {settings.bearer.get_secret_value()}"}


def message_body(sender: str, message: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a message; both channels take the same."""
    body: dict[str, Any] = {"sender": sender, "message": message[:MAX_TEXT]}
    return {**body, "metadata": dict(metadata)} if metadata else body


def slot_events(settings: RasaBotSection, call: CallInfo) -> list[dict[str, str]]:
    """The body that sets the configured slots."""
    known = {"from": call.caller, "to": call.called, "call_id": call.call_id, "number": call.number, "line": call.line}
    known |= {"language": call.language, "display_name": call.display_name}
    return [
        {"event": "slot", "name": name, "value": template.format_map(known)}
        for name, template in settings.slots.items()
    ]


def call_metadata(call: CallInfo) -> dict[str, Any]:
    """What is known of the call; what is empty is left out."""
    known: dict[str, Any] = {
        "call_id": call.call_id,
        "from": call.caller,
        "to": call.called,
        "direction": call.direction,
        "number": call.number,
        "line": call.line,
        "language": call.language,
        "display_name": call.display_name,
        "custom": dict(call.custom),
    }
    return {name: value for name, value in known.items() if value}


def input_metadata(event: CallerEvent) -> dict[str, Any]:
    """What is known of the input."""
    match event:
        case UserText(source=source, confidence=confidence, language=language, barged_in=barged_in):
            known = {"input": source, "confidence": confidence, "input_language": language, "barged_in": barged_in}
        case UserChoice(source=source, confidence=confidence, barged_in=barged_in):
            known = {"input": source, "confidence": confidence, "barged_in": barged_in}
        case UserDigits(barged_in=barged_in):
            known = {"input": "digits", "barged_in": barged_in}
        case _:
            return {}
    return {name: value for name, value in known.items() if value is not None}


# --- in ------------------------------------------------------------------------------------------------------------
def parse_answer(body: bytes) -> list[Response]:
    """The responses of a whole answer; raises JsonRefused."""
    return read_responses(parse_json(body)) if body.strip() else []


def read_responses(value: Any) -> list[Response]:
    """A list of responses, or one; what is no object is passed over, a text is a response of that text."""
    items = value if isinstance(value, list) else [value]
    return [_response(item) for item in items[:MAX_RESPONSES] if isinstance(item, (dict, str))]


def recipient_of(value: Any) -> str:
    """Whose response a callback is: the ``sender`` it answers. Empty when it does not say."""
    first = value[0] if isinstance(value, list) and value else value
    return text_of(first.get("recipient_id")) if isinstance(first, dict) else ""


def _response(item: dict[str, Any] | str) -> Response:
    if isinstance(item, str):
        return Response(text=item)
    buttons = item.get("buttons")
    return Response(
        text=text_of(item.get("text")),
        image=text_of(item.get("image")),
        buttons=_buttons(buttons if isinstance(buttons, list) else []),
        attachment=item.get("attachment") or None,
        custom=item.get("custom") or None,
    )


def _buttons(items: list[Any]) -> tuple[Button, ...]:
    """Buttons that can be chosen: a title without a payload is its own, a payload that is no intent its own title."""
    found = []
    for item in items[:MAX_BUTTONS]:
        entry = item if isinstance(item, dict) else {"title": item}
        title, payload = text_of(entry.get("title")), text_of(entry.get("payload"))
        label = title or ("" if payload.startswith("/") else payload)
        if label:
            found.append(Button(title=label, payload=payload or title))
    return tuple(found)


def text_of(value: Any) -> str:
    """Text or a number as text, without blanks around it; anything else is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    return str(value).strip()


def at_path(value: Any, path: str | None) -> Any:
    """What stands at a path such as ``phone.hangup``; None when there is nothing."""
    for name in path.split(".") if path else ():
        value = value.get(name) if isinstance(value, dict) else None
    return value if path else None


class Lines:
    """A streamed answer, ``?stream=true``: one JSON object per line, cut anywhere. A server that does not stream sends
    a list, which is read when it is whole."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._is_list: bool | None = None  # None: nothing has come yet

    def feed(self, piece: bytes) -> list[Response]:
        """The responses that are whole now; raises JsonRefused."""
        if self._is_list is None and piece.strip():
            self._is_list = piece.lstrip().startswith(b"[")
        self._rest += piece
        if self._is_list or b"\n" not in piece:
            return []
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        return [response for line in lines for response in _line(line)]

    def end(self) -> list[Response]:
        """What the last line is, where nothing ends it; raises JsonRefused."""
        rest, self._rest = bytes(self._rest), bytearray()
        return _line(rest)


def _line(line: bytes) -> list[Response]:
    """One line; it announces itself as an event stream, so a field name before the object is taken, too."""
    return parse_answer(line.strip().removeprefix(b"data:"))
