"""One YAML text as plain values, with the place of every key. What files it comes from is `files`' business.

The YAML is the everyday part of 1.2: only ``true`` and ``false`` are booleans, so a bare ``off``, ``on``, ``yes`` or
``no`` stays the word it is (a setting that is a boolean takes these words too); numbers are plain decimals, so that
``+33123456789``, ``0033…`` and ``12:30`` keep every character. Keys are always text, as written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from config.errors import ConfigError

Path = tuple[str | int, ...]
MAX_DEPTH = 40
MAX_ALIASED_VALUES = 100_000  # beyond what stands in the text itself: aliases of aliases grow without bound

_VARIABLE = re.compile(r"\$?\$\{([^}]*)\}?")
_REFERENCE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_TAG = "tag:yaml.org,2002:"


class Place(NamedTuple):
    """Where something is written; lines count from 1."""

    file: str
    line: int


@dataclass
class Document:
    """What was written, as text, numbers, booleans, None, lists and dicts.

    Attributes:
        places: Of every key and list item, by its path.
        broken: Paths whose value could not be read, already reported: what depends on them is not reported again.
        problems: What is wrong so far.
    """

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    broken: set[Path] = field(default_factory=set)
    problems: list[ConfigError] = field(default_factory=list)

    def place(self, path: Path) -> Place | None:
        """The place of a path, or of the nearest block around it that was written."""
        return next((self.places[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.places), None)

    def report(self, path: Path, reason: str, place: Place | None = None) -> None:
        """Note a problem at a path; ``place``: where it is written, if not there."""
        place = place or self.place(path)
        dotted = ".".join(str(part) for part in path) or None
        file, line = place or (None, None)
        self.problems.append(ConfigError(reason, file=file, line=line, field=dotted))


def parse(text: str, file: str, env: Mapping[str, str]) -> Document:
    """Read one YAML text.

    Args:
        file: Its name, for messages.
        env: Variables for ``${NAME}`` and ``${NAME:-default}``; ``$${`` stands for a literal ``${``.
    Returns:
        What could be read; `Document.problems` has the rest.
    """
    document = Document(places={(): Place(file, 1)})
    try:
        root = _Loader(text).get_single_node()
    except RecursionError:
        document.report((), f"has more than {MAX_DEPTH} blocks in each other")
        return document
    except yaml.MarkedYAMLError as error:
        document.problems.append(_invalid(error, text, file))
        return document
    except yaml.YAMLError as error:
        document.problems.append(ConfigError(f"not valid YAML: {str(error).splitlines()[0]}", file=file))
        return document
    if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == _TAG + "null"):
        return document
    if not isinstance(root, yaml.MappingNode):
        document.report((), "must be a block of keys such as `server:` and `numbers:`")
        return document
    try:
        _Reader(document, file, env, MAX_ALIASED_VALUES + len(text)).read(root)
    except _TooLargeError as error:
        document.report((), str(error))
    return document


def _invalid(error: yaml.MarkedYAMLError, text: str, file: str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    line = mark.line if mark else 0
    lines = text.split("\n")
    usual = "; within { } and [ ], ${NAME} needs quotes" if line < len(lines) and "${" in lines[line] else ""
    return ConfigError(f"not valid YAML: {error.problem or error.context}{usual}", file=file, line=line + 1)


class _TooLargeError(Exception):
    """Reading on would take too long, or too much memory."""


class _Loader(yaml.SafeLoader):  # not the one in C, which crashes the process on deep nesting
    """Resolves plain scalars as described above."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # PyYAML's own class attribute


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^-?(?:0|[1-9][0-9]*)$", list("-0123456789")),
    ("float", r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$", list("-0123456789")),
    ("merge", r"^<<$", ["<"]),
):
    _Loader.add_implicit_resolver(_TAG + _tag, re.compile(_pattern), _first)


class _Reader:
    def __init__(self, document: Document, file: str, env: Mapping[str, str], max_values: int) -> None:
        self._document = document
        self._file = file
        self._env = env
        self._values = 0
        self._max_values = max_values

    def read(self, root: yaml.MappingNode) -> None:
        self._document.values = self._mapping(root, (), ())

    def _value(self, node: yaml.Node, path: Path, above: tuple[yaml.Node, ...]) -> Any:
        self._values += 1
        if self._values > self._max_values:
            raise _TooLargeError(f"has aliases that stand for more than {MAX_ALIASED_VALUES} values")
        if len(above) > MAX_DEPTH:
            raise _TooLargeError(f"has more than {MAX_DEPTH} blocks in each other")
        if node in above:
            return self._broken(path, "contains itself")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, above)
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node, path, above)
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in self._pairs(node, path, above):
            if not isinstance(key_node, yaml.ScalarNode):
                self._broken(path, "has a key that is not a word")
                continue
            key = self._substitute(key_node.value, (*path, key_node.value))
            here = (*path, key)
            if key in values:
                first = self._document.places[here]
                self._at(here, key_node, f"is set twice; first in line {first.line}")
                continue
            self._document.places[here] = Place(self._file, key_node.start_mark.line + 1)
            values[key] = self._value(value_node, here, (*above, node))
        return values

    def _pairs(
        self, node: yaml.MappingNode, path: Path, above: tuple[yaml.Node, ...]
    ) -> list[tuple[yaml.Node, yaml.Node]]:
        """The node's own keys, then those of what it merges (``<<: *anchor``) that it has not."""
        own = [(key, value) for key, value in node.value if key.tag != _TAG + "merge"]
        names = {key.value for key, _ in own if isinstance(key, yaml.ScalarNode)}
        for _, merged in (pair for pair in node.value if pair[0].tag == _TAG + "merge"):
            for source in merged.value if isinstance(merged, yaml.SequenceNode) else [merged]:
                if not isinstance(source, yaml.MappingNode) or source in (node, *above):
                    self._broken(path, "merges (`<<`) something that is not a block")
                    continue
                inherited = [pair for pair in self._pairs(source, path, (*above, node)) if pair[0].value not in names]
                own += inherited
                names |= {key.value for key, _ in inherited}
        return own

    def _sequence(self, node: yaml.SequenceNode, path: Path, above: tuple[yaml.Node, ...]) -> list[Any]:
        values = []
        for index, item in enumerate(node.value):
            self._document.places[(*path, index)] = Place(self._file, item.start_mark.line + 1)
            values.append(self._value(item, (*path, index), (*above, node)))
        return values

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        text = str(node.value)
        match node.tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" | "float" as kind:
                try:
                    return int(text) if kind == "int" else float(text)
                except ValueError:
                    return self._broken(path, "is not a number")
            case "str" | "merge":
                return self._substitute(text, path)
            case other:
                return self._broken(path, f"has the tag {other}, which means nothing here")

    def _substitute(self, text: str, path: Path) -> str:
        return _VARIABLE.sub(lambda match: self._variable(match, path), text)

    def _variable(self, match: re.Match[str], path: Path) -> str:
        if match[0].startswith("$$"):
            return match[0][1:]
        reference = _REFERENCE.fullmatch(match[1]) if match[0].endswith("}") else None
        if reference is None:
            self._broken(path, f"{match[0]!r} is no variable; write ${{NAME}}, ${{NAME:-default}}, or $${{ for itself")
            return ""
        name, default = reference.groups()
        value = self._env.get(name)
        if value or (value is not None and default is None):
            return value
        if default is None:
            self._broken(path, f"the environment has no variable {name}; `${{{name}:-…}}` would give it a default")
        return default or ""

    def _broken(self, path: Path, reason: str) -> None:
        self._document.report(path, reason)
        self._document.broken.add(path)

    def _at(self, path: Path, node: yaml.Node, reason: str) -> None:
        dotted = ".".join(str(part) for part in path)
        line = node.start_mark.line + 1
        self._document.problems.append(ConfigError(reason, file=self._file, line=line, field=dotted))
