"""Values of the vocabulary as JSON, and back: what a journal, a replay and a call as text are written in.

A value becomes an object that names its class and has its fields: ``{"type": "UserText", "turn": 3, "text": ...}``.
Nested values, tuples, enumerations, dates and settings come back as they were, so that what is read equals what was
written. Audio is not written.
"""

from __future__ import annotations

import datetime
import enum
import functools
import importlib
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel

MODULES = (
    "audio.format",
    "config.call",
    "gateway.actions",
    "gateway.caller_events",
    "gateway.events",
    "gateway.interfaces",
    "gateway.speech_interfaces",
    "gateway.tuning",
    "gateway.call.commands",
    "gateway.call.facts",
    "gateway.call.outcome",
)
"""Where the values come from. Named rather than imported: nothing here needs them before such a value is met."""
NEVER = frozenset({"AudioReceived", "SpokenFrame", "Frame"})
"""Values that carry audio."""
_TUPLE, _DICT, _DATE = "tuple", "dict", "date"
_UNIONS = (typing.Union, types.UnionType)


def to_json(value: Any) -> dict[str, Any]:
    """A value of the vocabulary as a JSON object.

    Raises:
        ValueError: it is no value of the vocabulary, or has something in it that JSON cannot say.
    """
    return _object(value)


def from_json(data: Mapping[str, Any]) -> Any:
    """The value that `to_json` wrote.

    Raises:
        ValueError: the object names no class of the vocabulary, or does not fit the one it names.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("type"), str):
        raise ValueError("a value is an object with a type")
    try:
        return _value(data["type"], data)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{data['type']}: {error}") from error


# --- writing -------------------------------------------------------------------------------------------------------
def _object(value: Any) -> dict[str, Any]:
    kind: Any = type(value)
    name = kind.__name__
    if known_types().get(name) is not kind:
        raise ValueError(f"{name} is no value that is written down")
    if isinstance(value, BaseModel):
        return {"type": name, **value.model_dump(mode="json")}
    written = {field: _written(getattr(value, field), hint) for field, hint in _hints(kind).items()}
    return {"type": name, **written}


def _written(value: Any, hint: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, str):
        return value
    if isinstance(value, datetime.date):
        text = value.isoformat()
        return text if datetime.date in _choices(hint) else {"type": _DATE, "value": text}
    if isinstance(value, Mapping):
        return _written_mapping(value, hint)
    if isinstance(value, list | tuple):
        items = [_written(item, _item(hint)) for item in value]
        is_plain = isinstance(value, list) or _tuple_of(hint) is not None
        return items if is_plain else {"type": _TUPLE, "items": items}
    return _object(value)


def _written_mapping(value: Mapping[Any, Any], hint: Any) -> dict[str, Any]:
    if not all(isinstance(key, str) for key in value):
        raise ValueError("only texts can be keys")
    items = {key: _written(item, _item(hint)) for key, item in value.items()}
    return {"type": _DICT, "items": items} if "type" in items else items


# --- reading -------------------------------------------------------------------------------------------------------
def _value(name: str, data: Mapping[str, Any]) -> Any:
    known: Any = known_types().get(name)
    if known is None:
        raise ValueError(f"{name!r} is no value of the vocabulary")
    given = {key: item for key, item in data.items() if key != "type"}
    if issubclass(known, BaseModel):
        return known.model_validate(given)
    hints = _hints(known)
    unknown = given.keys() - hints.keys()
    if unknown:
        raise ValueError(f"{name} has no field {sorted(unknown)[0]!r}")
    return known(**{field: _read(item, hints[field]) for field, item in given.items()})


def _read(data: Any, hint: Any) -> Any:
    if isinstance(data, str):
        return _read_text(data, hint)
    if isinstance(data, list):
        items = [_read(item, _item(hint)) for item in data]
        return items if _tuple_of(hint) is None else tuple(items)
    if not isinstance(data, dict):
        return data
    name = data.get("type")
    if name is None:
        return {key: _read(item, _item(hint)) for key, item in data.items()}
    if name == _TUPLE:
        return tuple(_read(item, Any) for item in data["items"])
    if name == _DICT:
        return {key: _read(item, _item(hint)) for key, item in data["items"].items()}
    if name == _DATE:
        return _date(data["value"])
    return from_json(data)


def _read_text(text: str, hint: Any) -> Any:
    for choice in _choices(hint):
        if isinstance(choice, type) and issubclass(choice, enum.Enum):
            return choice(text)
        if choice is datetime.date:
            return _date(text)
    return text


def _date(text: str) -> datetime.date:
    return datetime.datetime.fromisoformat(text) if "T" in text else datetime.date.fromisoformat(text)


# --- what a field may hold -----------------------------------------------------------------------------------------
@functools.cache
def known_types() -> Mapping[str, type]:
    """Every class of the vocabulary by its name."""
    found: dict[str, type] = {}
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name, value in vars(module).items():
            is_own = isinstance(value, type) and value.__module__ == module_name and name not in NEVER
            if is_own and (is_dataclass(value) or issubclass(value, BaseModel)):
                found[name] = value
    return found


@functools.cache
def _hints(known: Any) -> Mapping[str, Any]:
    hints = typing.get_type_hints(known)
    return {field.name: hints[field.name] for field in fields(known)}


def _choices(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in _UNIONS else (hint,)


@functools.cache
def _tuple_of(hint: Any) -> Any:
    """What a tuple in this place has in it; None where no tuple is expected."""
    for choice in _choices(hint):
        if typing.get_origin(choice) is tuple:
            return typing.get_args(choice)[0]
    return None


@functools.cache
def _item(hint: Any) -> Any:
    """What the items of a tuple, or the values of a mapping, in this place are."""
    inner = _tuple_of(hint)
    if inner is not None:
        return inner
    for choice in _choices(hint):
        arguments = typing.get_args(choice)
        if isinstance(typing.get_origin(choice), type) and len(arguments) == 2:
            return arguments[1]
    return Any
