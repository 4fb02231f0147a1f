"""Inheritance, and where every effective setting comes from. `talkpath explain` prints the rows of `explain`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr

from config.document import Document, Path, Place

if TYPE_CHECKING:
    from config.settings import Settings

BUILT_IN = "built-in"
MASK = "********"
OF_A_VENDOR = ("voice", "model", "options")
"""Keys that mean nothing to another vendor: a layer that names another one does not inherit them."""
VENDOR_SECTIONS = ("recognizer", "synthesizer")
_SECRET_NAME = re.compile(
    r"(?:^|[_-])(?:api_?key|key|token|secret|password|credentials?|authorization)$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Which layer set a value, and where that is written.

    Attributes:
        source: ``built-in``, ``defaults``, ``profile NAME``, ``number``, or ``only bot``.
    """

    source: str
    file: str | None = None
    line: int | None = None

    @property
    def place(self) -> Place | None:
        """File and line; None for what nobody wrote."""
        return Place(self.file, self.line) if self.file is not None and self.line is not None else None

    def __str__(self) -> str:
        return self.source + (f" ({self.file}:{self.line})" if self.file else "")


@dataclass(frozen=True, slots=True)
class Row:
    """One effective setting: dotted key, value as it may be shown, and where it comes from."""

    key: str
    value: str
    origin: Origin


@dataclass(frozen=True)
class Origins:
    """Where a configuration was written.

    Attributes:
        places: Of every key of the files, by its path; numbers as they were written.
        numbers: For each number, by its normalised key, the origin of every value that is not built in.
        written: Normalised keys of numbers to the keys as written.
    """

    places: Mapping[Path, Place] = field(default_factory=dict)
    numbers: Mapping[str, Mapping[Path, Origin]] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)

    def place(self, path: Path) -> Place | None:
        """Where a path was written, or the nearest block around it; for a number also where it inherits it from."""
        if path[:1] == ("numbers",) and len(path) > 1:
            number = str(path[1])
            of_number = self.numbers.get(number, {})
            origin = next((of_number[path[2:n]] for n in range(len(path), 2, -1) if path[2:n] in of_number), None)
            if origin and origin.place:
                return origin.place
            path = ("numbers", self.written.get(number, number))
        return next((self.places[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.places), None)


@dataclass(frozen=True)
class Layer:
    """A block of a document that a number inherits from; ``source`` as in `Origin`."""

    source: str
    path: Path
    values: Mapping[str, Any]


def inherit(layers: Sequence[Layer], document: Document) -> tuple[dict[str, Any], dict[Path, Origin]]:
    """Lay blocks over each other, the later one on top.

    Blocks are merged key by key, lists are replaced as a whole, an empty block changes nothing. A layer that names
    another vendor of speech starts without the voice, model and options of the one before.

    Returns:
        The merged block, and the origin of each of its values.
    """
    merged: dict[str, Any] = {}
    origins: dict[Path, Origin] = {}
    for layer in layers:
        for section in VENDOR_SECTIONS:
            _forget_other_vendor(merged.get(section), layer.values.get(section), section, origins)
        _lay(merged, layer.values, (), layer, document, origins)
    return merged, origins


def _forget_other_vendor(below: Any, above: Any, section: str, origins: dict[Path, Origin]) -> None:
    if not isinstance(above, Mapping) or not isinstance(below, dict) or above.get("vendor") is None:
        return
    if above["vendor"] == below.get("vendor", "local"):
        return
    for key in OF_A_VENDOR:
        below.pop(key, None)
        for path in [path for path in origins if path[:2] == (section, key)]:
            del origins[path]


def _lay(
    below: dict[str, Any],
    above: Mapping[str, Any],
    path: Path,
    layer: Layer,
    document: Document,
    origins: dict[Path, Origin],
) -> None:
    for key, value in above.items():
        here = (*path, key)
        if isinstance(value, Mapping):
            if not isinstance(below.get(key), dict):
                below[key] = {}
            _lay(below[key], value, here, layer, document, origins)
        elif value is not None or not isinstance(below.get(key), dict):
            below[key] = value
            place = document.place((*layer.path, *here))
            origins[here] = Origin(layer.source, *(place or ()))


def explain(settings: Settings, called: str) -> list[Row]:
    """Every effective setting of the number that rules a call, secrets masked.

    Args:
        called: In whatever form; what matters is which entry of `numbers` matches it.
    Returns:
        One row per value, in the order of the reference; empty when no entry matches.
    """
    number = settings.number_for(called)
    if number is None:
        return []
    origins = settings.origins.numbers.get(number.number, {})
    return [
        Row(".".join(path), shown(path, value), _origin_of(path, origins))
        for path, value in leaves(number)
        if path != ("number",)
    ]


def leaves(section: BaseModel, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value below a section with its path, blocks opened, lists whole."""
    for name, info in type(section).model_fields.items():
        yield from _opened(getattr(section, name), (*path, info.alias or name))


def _opened(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, BaseModel):
        yield from leaves(value, path)
    elif isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _opened(item, (*path, str(key)))
    else:
        yield path, value


def is_secret_name(key: str) -> bool:
    """Whether a free key is called like a secret: `api_key`, `token`, `password` ..."""
    return _SECRET_NAME.search(key) is not None


def shown(path: Path, value: Any) -> str:
    """A value as it may be read by anybody; whatever is a secret, or is called like one, is masked."""
    if isinstance(value, SecretStr) or (value and path and is_secret_name(str(path[-1]))):
        return MASK
    if isinstance(value, BaseModel):
        inner = ", ".join(
            f"{'.'.join(key)}: {shown(key, item)}" for key, item in leaves(value) if item not in (None, {})
        )
        return "{" + inner + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(shown((), item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown((str(key),), item)}" for key, item in value.items()) + "}"
    if value is None or isinstance(value, bool):
        return {None: "", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _origin_of(path: tuple[str, ...], origins: Mapping[Path, Origin]) -> Origin:
    """A value set as a whole (a list, an empty block) is found by a shorter path."""
    return next((origins[path[:n]] for n in range(len(path), 0, -1) if path[:n] in origins), Origin(BUILT_IN))
