"""The reference for operators: every key with type, default and meaning, as Markdown made from the sections.

``python -m config.docs`` writes `docs/configuration.md`; a test fails when that is stale. The keys of plug-ins go into
a page of their own, by `plugin_pages`, as only `app` knows them. For editors there is `schema`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from config.base import Network
from config.jobs import HookSection
from config.lines import LineSection
from config.nearest import sections_at
from config.origins import shown
from config.plugins import PluginSections
from config.settings import NumberSection, Settings
from config.speech import SpeechSection

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"

_HEAD = """\
# Configuration

*Made from the sections in `config/` by `make docs`; change the docstrings there.*

One YAML file, or a folder whose `*.yaml` files are merged; a shipped example is `config/example.yaml`. Durations are
seconds. Unknown keys are errors, and all errors are reported at once, each with file, line, key and the nearest valid
key. `talkpath check` does that, and warns of contradictions; `talkpath explain NUMBER` prints every effective setting
with its origin; `talkpath schema` prints a JSON Schema for editors.

- `${NAME}` in any value is the environment's variable; `${NAME:-default}` has a default; `$${` is a literal `${`.
- A secret may stand in a file: `file:/run/secrets/token`. An empty secret counts as none.
- `include: [numbers/*.yaml]` reads further files, relative to the one it stands in. Blocks are merged; a setting that
  is written twice is an error.
- A bare `off`, `on`, `yes` or `no` is that word. A list of one item may be written as the item.
- A number inherits: built-in defaults, then `defaults`, then its `profile`, then its own keys. Blocks are merged key by
  key, lists are replaced. A block with nothing in it changes nothing.
"""
_ENTRIES = {
    "lines": "## lines\n\nHow calls reach us, by names of your own. Each entry has the keys below, and those of its "
    "transport. A line with a `path` needs `auth`.",
    "bots": "## bots\n\nWho answers, by names of your own. `backend` names the chat platform, whose own keys stand "
    "beside it.",
    "speech": "## speech\n\nSpeech vendors, one entry each: credentials, endpoint, limits. An entry is called like its "
    "adapter, or names it by `engine`. `local` needs no entry.",
    "defaults": "## defaults, profiles, numbers\n\nThe conduct of calls. All keys may stand under `defaults`, in each "
    "of `profiles` and in each of `numbers`.",
}
_ENTRY_SECTIONS: dict[str, type[BaseModel]] = {
    "lines": LineSection,
    "speech": SpeechSection,
    "defaults": NumberSection,
    "hooks": HookSection,
}
_NUMBERS = """\
A key under `numbers` is a called number in any form (`+33…`, `0033…`, an extension, a SIP user), a prefix that ends in
`*`, or `*` for all others: the longest match rules the call, and without one the call is refused. `profile` names one
of `profiles`; a profile inherits from `defaults` alone. A number without `bot` gets the only one there is.
"""


def page() -> str:
    """The reference of everything that is not a plug-in's own."""
    parts = [_HEAD]
    for name, field in Settings.model_fields.items():
        if name in ("profiles", "numbers"):
            continue
        parts.append(_ENTRIES.get(name, f"## {name}\n\n{_meaning(field)}") + "\n")
        section = _ENTRY_SECTIONS.get(name) or next(sections_at(field.annotation, ()), None)
        if name == "defaults":
            parts.append(_NUMBERS)
        if section and name != "bots":
            parts += _tables(section)
    return "\n".join(parts)


def plugin_pages(plugins: PluginSections) -> str:
    """The reference of the plug-ins' own keys, beyond those that every line and speech entry has."""
    parts = ["# Keys of transports, backends and speech vendors\n"]
    parts.append("Beside those in [configuration](configuration.md).\n")
    groups: tuple[tuple[str, str, Mapping[str, type[BaseModel]], type[BaseModel] | None], ...] = (
        ("Lines", "transport", plugins.transports, LineSection),
        ("Bots", "backend", plugins.backends, None),
        ("Speech", "engine", plugins.speech, SpeechSection),
    )
    for title, key, sections, base in groups:
        parts.append(f"## {title}\n")
        for name, section in sorted(sections.items()):
            parts.append(f"### {key}: {name}\n\n{_text(section.__doc__)}\n")
            known = set(base.model_fields) if base else set()
            parts += _tables(section, leave_out={key, *known})
    return "\n".join(parts)


def _tables(section: type[BaseModel], prefix: str = "", leave_out: set[str] | None = None) -> Iterator[str]:
    """A table of a section's values, then one for each block in it."""
    rows, blocks = [], []
    for name, field in section.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner = next(sections_at(field.annotation, ()), None)
        if name in (leave_out or ()):
            continue
        if inner and get_origin(field.annotation) not in (tuple, list, dict):
            blocks.append((key, inner, field))
        else:
            rows.append(f"| `{key}` | {_cell(_type(field))} | {_cell(_default(field))} | {_cell(_meaning(field))} |")
    if rows:
        yield "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows]) + "\n"
    for key, inner, field in blocks:
        yield f"**`{key}`**: {_meaning(field)}\n"
        yield from _tables(inner, f"{key}.")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _text(docstring: str | None) -> str:
    return re.sub(r"\s*\n\s*", " ", (docstring or "").strip())


def _meaning(field: FieldInfo) -> str:
    inner = next(sections_at(field.annotation, ()), None)
    return _text(field.description or (inner.__doc__ if inner else ""))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "*required*"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value in (None, (), {}, ""):
        return ""
    return "`" + shown((), value) + "`"


def _type(field: FieldInfo) -> str:
    bounds = ((name, getattr(item, name, None)) for item in field.metadata for name in ("ge", "gt", "le", "lt"))
    limits = {name: bound for name, bound in bounds if bound is not None}
    words = _words(field.annotation)
    low = f"{_plain(limits['ge'])}" if "ge" in limits else f"above {limits['gt']:g}" if "gt" in limits else ""
    high = f"{_plain(limits['le'])}" if "le" in limits else f"below {limits['lt']:g}" if "lt" in limits else ""
    if low and high:
        return f"{words}, {low} to {high}"
    return f"{words}, {low or 'up to ' + high}{' or more' if 'ge' in limits else ''}" if low or high else words


def _plain(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


_PLAIN = {str: "text", int: "whole number", float: "number", bool: "yes or no", SecretStr: "secret", Path: "path"}


def _words(annotation: Any) -> str:
    """A type as an operator would call it."""
    arguments = get_args(annotation)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if hasattr(annotation, "__metadata__"):
        return _words(arguments[0])
    if annotation == Network:
        return "network"
    match get_origin(annotation):
        case origin if origin is Literal:
            return ", ".join(f"`{word}`" for word in arguments)
        case origin if origin in (Union, UnionType):
            return " or ".join(_words(member) for member in arguments if member is not NoneType)
        case origin if origin in (tuple, list):
            return f"list of {_words(arguments[0])}"
        case origin if origin is dict:
            return f"names to {_words(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "block: " + ", ".join(f"`{name}`" for name in annotation.model_fields)
    return "anything"


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
