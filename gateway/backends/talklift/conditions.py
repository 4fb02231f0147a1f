"""When a slot is asked: `show_condition` names an earlier slot and how its answer is compared [assumed].

Only the two keys are documented; what they may hold is this gateway's reading of them, in this one place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

Operator = Literal["==", "!=", "contains", "in", ">", "<", "is_set", "not_set"]
_BEHIND = re.compile(r"(?P<names>.+?)\s*(?P<sign>==|!=|>|<|\s(?:contains|in|is_set|not_set))\s*$", re.IGNORECASE)
_LIST = re.compile(r"[,|]")


class ConditionError(ValueError):
    """A condition that cannot be read."""


class Named(Protocol):
    """What a condition can name."""

    @property
    def id(self) -> int: ...
    @property
    def label(self) -> str: ...
    @property
    def order(self) -> int: ...


S = TypeVar("S", bound=Named)


@dataclass(frozen=True, slots=True)
class Condition:
    """``names``: an earlier slot, by id, label or order."""

    names: str
    operator: Operator
    value: str

    def find(self, slots: Sequence[S]) -> S | None:
        """The slot that is meant: by id, else by label, else by order."""
        wanted = self.names.casefold()
        for key in (
            lambda slot: str(slot.id),
            lambda slot: slot.label.strip().casefold(),
            lambda slot: str(slot.order),
        ):
            found = [slot for slot in slots if key(slot) == wanted]
            if found:
                return found[-1]
        return None

    def holds(self, data: str | None) -> bool:
        """Whether the slot behind it is asked; ``data``: the earlier one's answer, None without one."""
        said, value = (data or "").strip().casefold(), self.value.strip().casefold()
        match self.operator:
            case "is_set":
                return bool(said)
            case "not_set":
                return not said
            case "contains":
                return bool(value) and value in said
            case "in":
                return any(_equal(said, part.strip()) for part in _LIST.split(value))
            case "!=":
                return not _equal(said, value)
            case ">" | "<":
                return _compare(said, value, self.operator)
            case _:
                return _equal(said, value)


def parse_condition(text: str, value: str) -> Condition | None:
    """Read both keys; None when nothing is asked for.

    Raises:
        ConditionError: An operator without a slot before it.
    """
    condition = " ".join(text.split())
    if not condition:
        return None
    found = _BEHIND.fullmatch(condition)
    if found is None:
        if condition in ("==", "!=", ">", "<"):
            raise ConditionError("show_condition names no slot")
        return Condition(condition, "==", value)
    operator: Operator = found["sign"].strip().lower()  # type: ignore[assignment]  # one of the eight by the pattern
    return Condition(found["names"].strip(), operator, value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _equal(left: str, right: str) -> bool:
    numbers = _number(left), _number(right)
    return numbers[0] == numbers[1] if None not in numbers else left == right


def _compare(left: str, right: str, operator: str) -> bool:
    """Numbers as numbers, else as text, which orders dates of the form 2026-11-21; nothing is neither."""
    if not left:
        return False
    here, there = _number(left), _number(right)
    if here is not None and there is not None:
        return here > there if operator == ">" else here < there
    return left > right if operator == ">" else left < right
