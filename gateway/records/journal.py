"""The journal of a call: everything the conversation was told and decided, from which it decides the same again.

A file of JSON lines. The first has the setup (number settings, call data, capabilities); each further one an event
exactly as handled: ``{"now": ..., "event": {...}, "commands": [...]}``. What the caller answered to a sensitive
question comes here masked (`secrecy`); such a line says so, and is replayed with its recorded commands.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from gateway.call.commands import Command, SendToBot
from gateway.call.conversation import Conversation
from gateway.call.facts import CallSetup
from gateway.errors import GatewayError
from gateway.events import CallEvent
from gateway.kit.serial import from_json, to_json
from gateway.records.disk import AppendOnly
from gateway.records.secrecy import TURNS

log = structlog.get_logger()

VERSION = 1
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)


class JournalUnreadable(GatewayError):
    """A journal that cannot be replayed: missing, damaged, or of another version."""


class Journal:
    """Writes one call's journal. Never waits, never raises: what cannot be written ends the journal, not the call.

    Args:
        setup: What the conversation was given.
        started_at: When the call was offered, as ISO 8601 in UTC.
        file: Where the lines go.
    """

    def __init__(self, setup: CallSetup, started_at: str, file: AppendOnly) -> None:
        self._file = file
        self._is_complete = True
        self._append(lambda: {"version": VERSION, "started_at": started_at, "setup": to_json(setup)})

    def write(self, now: float, event: CallEvent, commands: Sequence[Command], *, is_masked: bool = False) -> None:
        """One step, as handled; masked already where that is due."""
        self._append(lambda: _line_of_step(now, event, commands, is_masked))

    def close(self) -> None:
        self._file.close()

    def _append(self, make: Callable[[], dict[str, Any]]) -> None:
        if not self._is_complete:
            return
        try:
            line = line_of(make())
        except (ValueError, TypeError, RecursionError) as error:
            self._is_complete = False
            line = line_of({"incomplete": type(error).__name__})
            log.warning("journal ends early", reason=f"a step cannot be written: {type(error).__name__}")
        self._file.append(line)


def _line_of_step(now: float, event: CallEvent, commands: Sequence[Command], is_masked: bool) -> dict[str, Any]:
    line = {"now": now, "event": to_json(event), "commands": [to_json(command) for command in commands]}
    return {**line, "masked": True} if is_masked else line


def line_of(value: Any) -> bytes:
    """A value as one line of JSON, readable where its text is text at all."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair, as bots' JSON may have it
        return json.dumps(value, separators=(",", ":")).encode() + b"\n"


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
    """Read a journal. A last line that is cut off, as after a power failure or on a full disk, is left out.

    Raises:
        JournalUnreadable: There is none, it is no journal of this version, or it is damaged before its end.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise JournalUnreadable(f"{path} cannot be read: {error.strerror}") from error
    try:
        head = json.loads(lines[0])
        if head.get("version") != VERSION:
            raise JournalUnreadable(f"{path.name} is of version {head.get('version')}, not {VERSION}")
        setup = from_json(head["setup"])
        if not isinstance(setup, CallSetup):
            raise ValueError("its first line is no setup")
    except _UNREADABLE as error:
        raise JournalUnreadable(f"{path.name} is no journal: {error}") from error
    return setup, list(_steps(path, lines[1:]))


def _steps(path: Path, lines: Sequence[bytes]) -> Iterator[Step]:
    last = max((index for index, line in enumerate(lines) if line.strip()), default=-1)
    for index, line in enumerate(lines[: last + 1]):
        try:
            raw = json.loads(line)
            if "incomplete" in raw:
                return
            commands = tuple(from_json(command) for command in raw["commands"])
            yield Step(float(raw["now"]), from_json(raw["event"]), commands, bool(raw.get("masked")))
        except _UNREADABLE as error:
            if index == last:
                return
            raise JournalUnreadable(f"{path.name}, line {index + 2}: {error}") from error


def replay(setup: CallSetup, steps: Sequence[Step]) -> list[Difference]:
    """Conduct the call again and compare every decision.

    Masked steps are handled, because time and keys count, but not compared: what was said is not known any more. Where
    what was said has decided something, such as a menu's key, the recorded decision is followed.
    """
    conversation = Conversation(setup)
    found = []
    for index, step in enumerate(steps):
        decided = tuple(conversation.handle(step.event, step.now))
        if step.is_masked:
            _follow(conversation, step)
        elif decided != step.commands:
            found.append(Difference(index + 2, step, decided))
    return found


def _follow(conversation: Conversation, step: Step) -> None:
    """Send the turn that the masked input opened then, if it does not do so now."""
    for command in step.commands:
        sent = command.event if isinstance(command, SendToBot) else None
        if isinstance(sent, TURNS) and sent.turn > conversation.facts.turn:
            conversation.hearing.keys.clear()
            conversation.facts.boundary = max(conversation.facts.boundary, step.now)
            conversation.turns.send(sent)  # type: ignore[arg-type]  # whatever was sent then
