"""A speech vendor's own options, as operators and bots write them: read leniently, with a warning for what is unknown.

Names may be written as the vendor's API has them, in camel case or in snake case, plainly or in an object called
``options`` or ``<vendor>Options``, as jambonz has it. A wrong option never costs a call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, ClassVar, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from config.nearest import hint

log = structlog.get_logger(__name__)

MAX_TOLD = 1000
"""Different warnings told in the life of a process; bots make up as many options as they like."""


class VendorOptions(BaseModel):
    """What a vendor's adapter understands; subclass it, every field with a default.

    A field ``smart_format`` is also found as ``smartFormat``. `ALIASES` has further names, by field.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, coerce_numbers_to_str=True, allow_inf_nan=False
    )
    ALIASES: ClassVar[Mapping[str, tuple[str, ...]]] = {}


O = TypeVar("O", bound=VendorOptions)  # noqa: E741 - the one type variable here


def read_options(model: type[O], options: Mapping[str, Any], vendor: str) -> O:
    """The options a vendor knows, with a warning, told once, for each other one and for each unusable value."""
    found, problems = understood(model, options)
    for problem in problems:
        _tell(vendor, problem)
    return found


def understood(model: type[O], options: Mapping[str, Any]) -> tuple[O, list[str]]:
    """The options a vendor knows, and a sentence on each of the others; values are not in the sentences."""
    names, given, problems = _names(model), {}, []
    for written, value in _flat(options):
        field = names.get(_folded(written))
        if field is None:
            problems.append(f"unknown option {written[:60]!r}{hint(written, set(model.model_fields))}")
        elif field in given:
            problems.append(f"option {written[:60]!r} says again what another one says")
        else:
            given[field] = value
    while True:
        try:
            return model(**given), problems
        except ValidationError as error:
            for wrong in error.errors():
                field = str(wrong["loc"][0]) if wrong["loc"] else ""
                problems.append(f"option {field!r} is ignored: {wrong['msg'].lower()}")
                if given.pop(field, None) is None:
                    return model(), problems  # what is wrong is no single option


def _flat(options: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Options, those in an object for options of one's own included."""
    for name, value in options.items():
        if isinstance(value, Mapping) and re.fullmatch(r"(?i)\w*options", name):
            yield from value.items()
        elif value is not None:
            yield name, value


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@cache
def _names(model: type[VendorOptions]) -> dict[str, str]:
    """Fields by every name they go by, folded."""
    names = {_folded(alias): field for field, aliases in model.ALIASES.items() for alias in aliases}
    return names | {_folded(field): field for field in model.model_fields}


_told: set[tuple[str, str]] = set()


def _tell(vendor: str, problem: str) -> None:
    if (vendor, problem) not in _told and len(_told) < MAX_TOLD:
        _told.add((vendor, problem))
        log.warning("vendor option", vendor=vendor, problem=problem)
