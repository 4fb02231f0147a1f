"""What a model may do in a call: tools as it is told of them, and the actions they become. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.actions import Action, Hangup, Listen, Menu, MenuOption, Say, SendDigits, SendLink, Transfer
from gateway.backends.openai.answers import ToolCall
from gateway.backends.openai.settings import OpenAiBotSection
from gateway.kit.jsonbody import JsonRefused

MAX_OPTIONS = 9
DONE = "done"


class ToolMisused(ValueError):
    """The model has called a tool in a way that cannot be done; the sentence is for the model."""


def offered(settings: OpenAiBotSection) -> list[dict[str, Any]]:
    """The tools as the endpoint wants them."""
    own = [_described(name, settings) for name in settings.tools if name != "transfer_call" or settings.transfers]
    others = [_function(name, tool.description, tool.parameters) for name, tool in settings.http_tools.items()]
    return [*own, *others]


def _described(name: str, settings: OpenAiBotSection) -> dict[str, Any]:
    text = {"type": "string"}
    match name:
        case "transfer_call":
            targets = {"type": "string", "enum": list(settings.transfers), "description": "To whom."}
            what = "Put the caller through to somebody. Tell him first; after this you have left the call."
            return _function(name, what, _object({"target": targets}))
        case "end_call":
            return _function(name, "Hang up. Say goodbye first.", _object({"reason": text}, required=()))
        case "collect_digits":
            fields = {"prompt": text, "max": {"type": "integer", "minimum": 1, "maximum": 32}}
            what = "Ask the caller to key in digits, such as a customer number, or to say them."
            return _function(name, what, _object(fields, required=("prompt",)))
        case "offer_choices":
            options = {"type": "array", "items": text, "minItems": 2, "maxItems": MAX_OPTIONS}
            what = "Let the caller choose from a few options by saying one or pressing a key. They are read out to him."
            return _function(name, what, _object({"prompt": text, "options": options}))
        case "press_keys":
            return _function(name, "Send tones to the other side.", _object({"digits": text}))
        case _:
            fields = {"url": text, "text": text}
            return _function(name, "Send the caller a link as a text message.", _object(fields, required=("url",)))


def _function(name: str, description: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def _object(properties: dict[str, Any], required: tuple[str, ...] | None = None) -> dict[str, Any]:
    needed = list(properties) if required is None else list(required)
    return {"type": "object", "properties": properties, "required": needed}


def actions_of(call: ToolCall, settings: OpenAiBotSection) -> tuple[Action, ...]:
    """The actions a tool of ours becomes.

    Raises:
        ToolMisused: it is not offered, or was filled in wrongly.
    """
    if call.name not in settings.tools:
        raise ToolMisused(f"there is no tool {call.name}")
    try:
        values = call.values()
    except JsonRefused as error:
        raise ToolMisused(f"the arguments cannot be read: {error.reason}") from error
    match call.name:
        case "transfer_call":
            target = settings.transfers.get(_text(values, "target"))
            if target is None:
                raise ToolMisused(f"target must be one of {', '.join(settings.transfers)}")
            return (Transfer(transfer_id=call.id, target=target),)
        case "end_call":
            return (Hangup(),)
        case "collect_digits":
            return (Say(text=_text(values, "prompt"), format="markdown"), Listen(kind="digits"))
        case "offer_choices":
            return (_menu(call.id, values),)
        case "press_keys":
            return (SendDigits(digits=_text(values, "digits")),)
        case _:
            return (SendLink(url=_text(values, "url"), text=str(values.get("text") or "") or None),)


def ends_turn(call: ToolCall) -> bool:
    """Whether the caller is next after this tool, and not the model."""
    return call.name in ("transfer_call", "end_call", "collect_digits", "offer_choices")


def _menu(name: str, values: Mapping[str, Any]) -> Menu:
    options = values.get("options")
    labels = (
        [label for label in options if isinstance(label, str) and label.strip()] if isinstance(options, list) else []
    )
    if not labels:
        raise ToolMisused("options must be a list of texts")
    unique = list(dict.fromkeys(labels))[:MAX_OPTIONS]
    chosen = tuple(MenuOption(id=label, label=label) for label in unique)
    return Menu(menu_id=name, prompt=str(values.get("prompt") or "") or None, options=chosen)


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ToolMisused(f"{name} must be a text")
    return value
