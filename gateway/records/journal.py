"""The journal of a call: everything the conversation was told and decided, from which it decides the same again.

A file of JSON lines. The first has the setup (number settings, call data, capabilities); each further one an event
exactly as handled: ``{"now": ..., "event": {...}, "commands": [...]}``. What the caller answered to a sensitive
question is masked, in the event and in the commands it led to; such a line is replayed with its recorded commands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.call.commands import Command
from gateway.call.conversation import Conversation
from gateway.call.facts import CallSetup
from gateway.errors import GatewayError
from gateway.events import CallEvent
from gateway.kit.serial import from_json, to_json
from gateway.records.disk import AppendOnly

VERSION = 1
MASK = "***"
_PERSONAL = frozenset(
    {"text", "partial", "digit", "digits", "value", "alternatives", "label", "option_id", "heard_text"}
)


class JournalUnreadable(GatewayError):
    """A journal that cannot be replayed: damaged, or of another version."""


class Journal:
    """Writes one call's journal. Never waits, never raises.

    Args:
        file: Where the lines go.
    """

    def __init__(self, setup: CallSetup, started_at: str, file: AppendOnly) -> None:
        self._file = file
        self._append({"version": VERSION, "started_at": started_at, "setup": to_json(setup)})

    def write(self, now: float, event: CallEvent, commands: Sequence[Command], *, is_masked: bool) -> None:
        """One step, as handled."""
        line = {"now": now, "event": to_json(event), "commands": [to_json(command) for command in commands]}
        self._append({**_masked(line), "masked": True} if is_masked else line)

    def close(self) -> None:
        self._file.close()

    def _append(self, line: dict[str, Any]) -> None:
        self._file.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def _masked(value: Any) -> Any:
    """The same structure with everything a caller may have said or keyed blotted out."""
    if isinstance(value, dict):
        return {name: _blot(name, item) if name in _PERSONAL else _masked(item) for name, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value


def _blot(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return []
    if name == "digit":  # the keys that end or clear an entry decide, and tell nothing
        return value if value in ("*", "#") else "0"
    return MASK if value not in (None, "") else value


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a journal."""

    now: float
    event: CallEvent
    commands: tuple[Command, ...]
    is_masked: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a replay decided otherwise than the call did."""

    line: int
    step: Step
    decided: tuple[Command, ...]


def read(path: Path) -> tuple[CallSetup, list[Step]]:
    """Read a journal. A last line that is cut off, as after a power failure, is left out.

    Raises:
        JournalUnreadable: It is no journal of this version, or is damaged before its end.
    """
    lines = path.read_bytes().split(b"\n")
    try:
        head = json.loads(lines[0])
        if head.get("version") != VERSION:
            raise JournalUnreadable(f"{path.name} is of version {head.get('version')}, not {VERSION}")
        return from_json(head["setup"]), list(_steps(path, lines[1:]))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise JournalUnreadable(f"{path.name} is no journal: {error}") from error


def _steps(path: Path, lines: Sequence[bytes]) -> Iterator[Step]:
    last = max((index for index, line in enumerate(lines) if line.strip()), default=-1)
    for index, line in enumerate(lines[: last + 1]):
        try:
            raw = json.loads(line)
            commands = tuple(from_json(command) for command in raw["commands"])
            yield Step(raw["now"], from_json(raw["event"]), commands, bool(raw.get("masked")))
        except (ValueError, KeyError, TypeError) as error:
            if index == last:
                return
            raise JournalUnreadable(f"{path.name}, line {index + 2}: {error}") from error


def replay(setup: CallSetup, steps: Sequence[Step]) -> list[Difference]:
    """Conduct the call again and compare every decision.

    Masked steps are handled, because time and keys count, but not compared: what was said is not known any more.
    """
    conversation = Conversation(setup)
    found = []
    for index, step in enumerate(steps):
        decided = tuple(conversation.handle(step.event, step.now))
        if not step.is_masked and decided != step.commands:
            found.append(Difference(index + 2, step, decided))
    return found
