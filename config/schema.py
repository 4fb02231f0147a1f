"""The JSON Schema of a whole configuration file, for editors and for whoever generates configurations.

It describes what is written, before inheritance, with the freedoms that `loading` grants: ``${NAME}`` for any value, a
single value for a list, a number where text is expected. The reference for people is `docs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from config.base import one_or_many
from config.call import interruptions, interruptions_or_unset
from config.plugins import PluginSections
from config.settings import NumberSection, ProfileSection, Settings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
INCLUDES = "Further files to read, relative to this one; `*` and `?` stand for any characters."
_ANY_SPEECH = "SpeechEntry"
_VARIABLE = {"type": "string", "pattern": r"\$\{"}
_BESIDES_LISTS: dict[Any, list[dict[str, Any]]] = {
    one_or_many: [],
    interruptions: [{"enum": ["off", "none"]}],
    interruptions_or_unset: [{"enum": ["off", "none"]}],
}
"""Validators that accept more than a list: one item of it, and these."""
_WORDS = {"enum": ["on", "off", "yes", "no"]}


def schema(plugins: PluginSections) -> dict[str, Any]:
    """Describe a configuration file.

    Args:
        plugins: Whose own keys are valid in lines, bots and speech entries.
    Returns:
        A JSON Schema (2020-12) as plain values.
    """
    plain = plain_blocks()
    sections: set[type[BaseModel]] = {*plain.values(), ProfileSection, NumberSection}
    sections |= {*plugins.transports.values(), *plugins.backends.values(), *plugins.speech.values()}
    models: list[tuple[type[BaseModel], Any]] = [
        (section, "validation") for section in sorted(sections, key=lambda cls: (cls.__module__, cls.__name__))
    ]
    references, definitions = models_json_schema(models, schema_generator=_Generator)
    refs = {section: references[section, mode] for section, mode in models}
    speech = {name: refs[cls] for name, cls in plugins.speech.items()}
    blocks = {
        "include": {
            "description": "Further files, relative to this one, with * and ?.",
            **_several({"type": "string"}),
        },
        **{name: refs[section] for name, section in plain.items()},
        "lines": _by_key("transport", {name: refs[cls] for name, cls in plugins.transports.items()}),
        "bots": _by_key("backend", {name: refs[cls] for name, cls in plugins.backends.items()}),
        "speech": _by_name("engine", speech, {"$ref": f"#/$defs/{_ANY_SPEECH}"}),
        "profiles": _named(refs[ProfileSection]),
        "numbers": _named(refs[NumberSection]),
    }
    return {
        "$schema": DIALECT,
        "title": "Talkpath configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _described(name, block) for name, block in blocks.items()},
        "$defs": {**definitions["$defs"], _ANY_SPEECH: _entry("engine", speech)},
    }


def plain_blocks() -> dict[str, type[BaseModel]]:
    """The root's keys that are one section each; the others have named entries."""
    fields = Settings.model_fields.items()
    return {
        name: field.annotation
        for name, field in fields
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }


def _described(name: str, block: dict[str, Any]) -> dict[str, Any]:
    field = Settings.model_fields.get(name)
    return {"description": field.description, **block} if field and field.description else block


def _named(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": ["object", "null"], "additionalProperties": {"anyOf": [entry, {"type": "null"}]}}


def _by_key(key: str, sections: Mapping[str, Any]) -> dict[str, Any]:
    """Entries whose plug-in is named by one of their keys."""
    return {"type": ["object", "null"], "additionalProperties": _entry(key, sections)}


def _entry(key: str, sections: Mapping[str, Any]) -> dict[str, Any]:
    choices = [
        {"if": {"properties": {key: {"const": name}}, "required": [key]}, "then": section}
        for name, section in sorted(sections.items())
    ]
    names = {"properties": {key: {"enum": sorted(sections)}}}
    return {"type": "object", "required": [key], **names, **({"allOf": choices} if choices else {})}


def _by_name(key: str, sections: Mapping[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Entries whose plug-in is named by the entry's own name (up to a colon), or by a key where that is another one."""
    own = {
        name: {"if": {"required": [key], "type": "object"}, "then": other, "else": _or_nothing(section)}
        for name, section in sorted(sections.items())
    }
    behind = {f"^{name}:": entry for name, entry in own.items()}
    return {"type": ["object", "null"], "properties": own, "patternProperties": behind, "additionalProperties": other}


def _or_nothing(section: Any) -> dict[str, Any]:
    return {"anyOf": [section, {"type": "null"}]}


def _several(item: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{"type": "array", "items": item}, item]}


class _Generator(GenerateJsonSchema):
    """Pydantic's schema, with what our YAML and our validators accept besides."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        inner = super().function_before_schema(schema)
        also = _BESIDES_LISTS.get(schema["function"]["function"])
        if also is None:
            return inner
        items = [choice["items"] for choice in inner.get("anyOf", [inner]) if "items" in choice]
        return {"anyOf": [inner, *items, *also]}

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        return {**super().str_schema(schema), "type": ["string", "number"]}

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return {"anyOf": [super().int_schema(schema), _VARIABLE]}

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return {"anyOf": [super().float_schema(schema), _VARIABLE]}

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        return {"anyOf": [super().bool_schema(schema), _WORDS, _VARIABLE]}

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        return {"anyOf": [super().literal_schema(schema), _VARIABLE]}
