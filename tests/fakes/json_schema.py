"""A judge for the part of JSON Schema 2020-12 that our schema uses; an unknown keyword is an error of the test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_NOTES = {"title", "description", "default", "format", "writeOnly", "$schema", "$defs", "then", "else", "examples"}


def violations(value: Any, schema: dict[str, Any], root: dict[str, Any], path: str = "") -> Iterator[str]:
    """The paths at which a value breaks a schema; ``root`` holds the definitions."""
    for keyword, rule in schema.items():
        match keyword:
            case "$ref":
                yield from violations(value, root["$defs"][rule.rpartition("/")[2]], root, path)
            case "anyOf":
                if not any(is_valid(value, choice, root) for choice in rule):
                    yield f"{path}: anyOf"
            case "allOf":
                for part in rule:
                    yield from violations(value, part, root, path)
            case "if":
                branch = schema.get("then" if is_valid(value, rule, root) else "else", {})
                yield from violations(value, branch, root, path)
            case "properties" | "patternProperties" | "additionalProperties" | "required" | "items" | "minProperties":
                yield from _inside(keyword, rule, value, schema, root, path)
            case _ if keyword not in _NOTES:
                if not _holds(keyword, rule, value):
                    yield f"{path}: {keyword}"


def is_valid(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether a value keeps to a schema."""
    return next(violations(value, schema, root), None) is None


def _inside(
    keyword: str, rule: Any, value: Any, schema: dict[str, Any], root: dict[str, Any], path: str
) -> Iterator[str]:
    if keyword == "items":
        for index, item in enumerate(value if isinstance(value, list) else []):
            yield from violations(item, rule, root, f"{path}.{index}")
    if not isinstance(value, dict):
        return
    if keyword == "required":
        yield from (f"{path}.{name}: required" for name in rule if name not in value)
    elif keyword == "minProperties" and len(value) < rule:
        yield f"{path}: minProperties"
    elif keyword == "properties":
        for name in rule.keys() & value.keys():
            yield from violations(value[name], rule[name], root, f"{path}.{name}")
    elif keyword == "patternProperties":
        for name, pattern in ((name, pattern) for name in value for pattern in rule if re.search(pattern, name)):
            yield from violations(value[name], rule[pattern], root, f"{path}.{name}")
    elif keyword == "additionalProperties":
        patterns = schema.get("patternProperties", {})
        others = value.keys() - schema.get("properties", {}).keys()
        for name in (name for name in others if not any(re.search(pattern, name) for pattern in patterns)):
            if rule is False:
                yield f"{path}.{name}: unknown"
            elif rule is not True:
                yield from violations(value[name], rule, root, f"{path}.{name}")


def _holds(keyword: str, rule: Any, value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match keyword:
        case "type":
            return any(_is_of(value, name) for name in (rule if isinstance(rule, list) else [rule]))
        case "const":
            return bool(value == rule)
        case "enum":
            return value in rule
        case "pattern":
            return not isinstance(value, str) or re.search(rule, value) is not None
        case "minLength":
            return not isinstance(value, str) or len(value) >= rule
        case "maxLength":
            return not isinstance(value, str) or len(value) <= rule
        case "maxItems":
            return not isinstance(value, list) or len(value) <= rule
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            return not is_number or _within(keyword, rule, value)
    raise AssertionError(f"the judge does not know the keyword {keyword}")


def _within(keyword: str, rule: float, value: float) -> bool:
    return {
        "minimum": value >= rule,
        "exclusiveMinimum": value > rule,
        "maximum": value <= rule,
        "exclusiveMaximum": value < rule,
    }[keyword]


def _is_of(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES[name])
