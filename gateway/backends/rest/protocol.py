"""The default dialect: one JSON object per event out, one with actions or plain text back. Pure.

Written down for the bot's author in docs/rest.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from gateway.actions import (
    Action,
    Hangup,
    Listen,
    Menu,
    Pause,
    Play,
    PostCall,
    Record,
    Release,
    Say,
    SendDigits,
    SendLink,
    SetSpeech,
    TextFormat,
    Transfer,
)
from gateway.backends.rest.settings import EventType
from gateway.caller_events import (
    CallEnded,
    CallerEvent,
    CallStarted,
    ContactOptOut,
    NoInput,
    TransferResult,
    UserChoice,
    UserDigits,
    UserLocation,
    UserMedia,
    UserText,
)
from gateway.events import CallInfo
from gateway.kit.jsonbody import JsonRefused, parse_json

VERSION = 1
MAX_ACTIONS = 100
MAX_SESSION_BYTES = 64 * 1024
ACTIONS: Mapping[str, type[Action]] = {
    "say": Say,
    "play": Play,
    "pause": Pause,
    "menu": Menu,
    "listen": Listen,
    "set_speech": SetSpeech,
    "transfer": Transfer,
    "hangup": Hangup,
    "release": Release,
    "send_link": SendLink,
    "send_digits": SendDigits,
    "record": Record,
    "post_call": PostCall,
}
"""What a bot can ask for, by its name in an action's ``type``; the fields are those of `gateway.actions`."""
PLAIN = ("", "text/plain")
"""Types of an answer that may be words alone; a page of HTML is none, but a server's error message."""
AFTER_THE_CALL = frozenset({"email", "addon", "webhook"})


# --- out -----------------------------------------------------------------------------------------------------------
def type_of(event: CallerEvent) -> EventType | None:
    """What an event is called; None for one that bots are not told of."""
    match event:
        case CallStarted():
            return "start"
        case UserText():
            return "message"
        case UserChoice():
            return "choice"
        case UserDigits():
            return "dtmf"
        case NoInput():
            return "no_input"
        case TransferResult():
            return "transfer_result"
        case UserMedia():
            return "media"
        case UserLocation():
            return "location"
        case ContactOptOut():
            return "opt_out"
        case CallEnded():
            return "end"
        case _:
            return None


def call_of(call: CallInfo, callback_url: str | None) -> dict[str, Any]:
    """What is told of the call with every event."""
    told: dict[str, Any] = {
        "id": call.call_id,
        "from": call.caller,
        "to": call.called,
        "direction": call.direction,
        "language": call.language,
        "number": call.number,
        "line": call.line,
        "display_name": call.display_name,
        "custom": dict(call.custom),
    }
    return {**told, "callback_url": callback_url} if callback_url else told


def event_body(event: CallerEvent, call: Mapping[str, Any], session: Any) -> dict[str, Any]:
    """An event as it is sent, or as templates know it."""
    kind = type_of(event)
    assert kind is not None
    body: dict[str, Any] = {"version": VERSION, "type": kind, "call": call, "turn": event.turn}
    return {**body, **_details(event), "session": session}


def _details(event: CallerEvent) -> dict[str, Any]:
    match event:
        case UserText():
            said = {"text": event.text, "source": event.source, "barged_in": event.barged_in}
            known = {"confidence": event.confidence, "language": event.language, "value": event.value}
            return {**said, **{name: value for name, value in known.items() if value is not None}}
        case UserChoice():
            choice = {"menu": event.menu_id, "id": event.option_id, "label": event.label}
            return {"text": event.label, "source": event.source, "choice": choice, "barged_in": event.barged_in}
        case UserDigits():
            return {"text": event.digits, "source": "digits", "digits": event.digits, "terminator": event.terminator}
        case NoInput():
            return {"no_input": {"count": event.count, "elapsed": event.elapsed, "exhausted": event.exhausted}}
        case TransferResult():
            result = {"id": event.transfer_id, "ok": event.ok, "cause": event.cause, "sip_code": event.sip_code}
            return {"transfer": result}
        case UserMedia():
            return {"media": {"url": event.url, "mime": event.mime, "duration": event.duration}}
        case UserLocation():
            return {"location": {"lat": event.lat, "lon": event.lon, "label": event.label}}
        case ContactOptOut():
            return {"channel": event.channel}
        case CallEnded():
            return {"end": {"by": event.by, "cause": event.cause}}
        case _:
            return {}


# --- in ------------------------------------------------------------------------------------------------------------
class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer means.

    Attributes:
        session: To be sent back from now on; None: what was sent before.
        turn: Whose answer it is, where a callback says so.
        is_last: Nothing more comes for that turn.
    """

    actions: tuple[Action, ...] = ()
    session: Any = None
    turn: int | None = None
    is_last: bool = True


def parse_reply(body: bytes, content_type: str, name: str, format: TextFormat) -> Reply:
    """Read an answer: our object, its short form, a list of either, or a text.

    Args:
        name: Makes the ids of menus and transfers that have none.
        format: Of texts that do not say.
    Raises:
        JsonRefused: it says that it is JSON, and is not.
    """
    if not body.strip():
        return Reply()
    if content_type.partition(";")[0].strip().lower() in PLAIN:
        try:
            text = body.decode().strip()
        except UnicodeDecodeError as error:
            raise JsonRefused("the body is not in UTF-8") from error
        if not text.startswith(("{", "[")):
            return Reply(actions=(Say(text=text, format=format),))
    return read_reply(parse_json(body), name, format)


def read_reply(value: Any, name: str, format: TextFormat) -> Reply:
    """The meaning of an answer's value."""
    match value:
        case str():
            return Reply(actions=(Say(text=value, format=format),) if value.strip() else ())
        case list():
            return Reply(actions=tuple(_actions(value, name, format)))
        case dict():
            text = value.get("text")
            spoken = [text] if isinstance(text, str) else []
            listed = value.get("actions")
            actions = _actions([*spoken, *(listed if isinstance(listed, list) else [])], name, format)
            turn = value.get("turn")
            return Reply(
                actions=tuple(actions),
                session=value.get("session"),
                turn=turn if type(turn) is int else None,
                is_last=value.get("done") is not False,
            )
        case _:
            return Reply()


def _actions(items: list[Any], name: str, format: TextFormat) -> list[Action]:
    found: list[Action] = []
    for place, item in enumerate(items[:MAX_ACTIONS]):
        if isinstance(item, str):
            found += [Say(text=item, format=format)] if item.strip() else []
        elif isinstance(item, dict):
            found.append(_action(item, f"{name}.{place}", format))
    return found


def _action(item: dict[str, Any], name: str, format: TextFormat) -> Action:
    """One action; what cannot be read is kept in the record, and the others count all the same."""
    kind = str(item.get("type", "say" if "text" in item else "")).lower()
    fields = {key: value for key, value in item.items() if key != "type" and value is not None}
    fields = {**_defaults(kind, name, format), **fields}
    cls = ACTIONS.get(kind)
    if cls is None:
        return _odd(item, "there is no such action")
    try:
        action: Action = msgspec.convert(fields, cls, strict=False)
    except msgspec.ValidationError as error:
        return _odd(item, str(error))
    if isinstance(action, PostCall) and action.kind not in AFTER_THE_CALL:
        return _odd(item, "there is no such thing to do after the call")
    return replace(action, path=None) if isinstance(action, Play) else action  # files of ours are not the bot's


def _defaults(kind: str, name: str, format: TextFormat) -> dict[str, Any]:
    match kind:
        case "say":
            return {"format": format}
        case "menu":
            return {"menu_id": name}
        case "transfer":
            return {"transfer_id": name}
        case _:
            return {}


def _odd(item: dict[str, Any], why: str) -> Record:
    return Record(kind="event", data={"event": "action not understood", "why": why, "action": item})
