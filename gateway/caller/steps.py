"""What a placed call does, step by step: said, keyed, waited for, expected. Pure; `gateway.caller.script` does it.

Written as flags in their order (``--say hello.wav --expect "open from" --within 8 --expect-hangup``) or as a YAML list
(``- say: hello.wav``, ``- expect: open from``, ``  within: 8``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gateway.errors import ConfigError

WITHIN = 10.0
"""Seconds an expectation waits, where none are said."""


@dataclass(frozen=True, slots=True)
class SayFile:
    """Play a recording into the call; ``path``: WAV, or any other file that can be decoded."""

    path: Path


@dataclass(frozen=True, slots=True)
class Press:
    digits: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Say nothing for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Expect:
    """The bot says something that matches, within a time; the speech is heard before the next step begins."""

    pattern: re.Pattern[str]
    within: float = WITHIN


@dataclass(frozen=True, slots=True)
class ExpectHangup:
    """The gateway ends the call."""

    within: float = WITHIN


Step = SayFile | Press | Wait | Expect | ExpectHangup


class StepError(ConfigError):
    """A step that cannot be understood."""


def from_flags(flags: Sequence[str]) -> list[Step]:
    """Read steps in the order they were given.

    Raises:
        StepError: with the flag that is wrong.
    """
    steps: list[Step] = []
    rest = list(flags)
    while rest:
        flag, *rest = rest
        flag, _, inline = flag.partition("=")
        if inline:
            rest.insert(0, inline)
        if flag == "--within":
            steps.append(_within(steps.pop() if steps else None, _value(flag, rest)))
        elif flag == "--expect-hangup":
            steps.append(ExpectHangup())
        elif flag == "--steps":
            steps.extend(from_file(Path(_value(flag, rest))))
        elif flag in ("--say", "--digits", "--silence", "--expect"):
            steps.append(_step(flag.removeprefix("--"), _value(flag, rest), flag))
        else:
            raise StepError(
                f"{flag} is no step; steps are --say, --digits, --silence, --expect, --within, --expect-hangup, --steps"
            )
    return steps


def from_file(path: Path) -> list[Step]:
    """Read steps from a YAML list; recordings are found beside the file.

    Raises:
        StepError: with the file and the step that is wrong.
    """
    try:
        items = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StepError(f"cannot be read: {error}", file=path) from error
    if not isinstance(items, list):
        raise StepError("holds no list of steps", file=path)
    return [_from_item(item, index, path) for index, item in enumerate(items, 1)]


def _from_item(item: Any, index: int, path: Path) -> Step:
    place = f"step {index}"
    if item == "expect_hangup":
        return ExpectHangup()
    if not isinstance(item, dict):
        raise StepError("is no step such as `say: hello.wav`", file=path, field=place)
    names = [name for name in item if name != "within"]
    if len(names) != 1:
        raise StepError("needs exactly one of say, digits, silence, expect, expect_hangup", file=path, field=place)
    name, value = names[0], item[names[0]]
    try:
        step: Step = ExpectHangup() if name == "expect_hangup" else _step(name, str(value), place)
        if isinstance(step, SayFile):
            step = SayFile(path.parent / step.path)
        return _within(step, str(item["within"])) if "within" in item else step
    except StepError as error:
        raise StepError(error.reason, file=path, field=place) from error


def _value(flag: str, rest: list[str]) -> str:
    if not rest:
        raise StepError(f"{flag} needs a value")
    return rest.pop(0)


def _step(name: str, value: str, place: str) -> Step:
    match name:
        case "say":
            return SayFile(Path(value))
        case "digits":
            if not re.fullmatch(r"[0-9A-D*#]+", value):
                raise StepError(f"{value!r} are no keys of a telephone", field=place)
            return Press(value)
        case "silence":
            return Wait(_seconds(value, place))
        case "expect":
            try:
                return Expect(re.compile(value, re.IGNORECASE))
            except re.error as error:
                raise StepError(f"{value!r} is no regular expression: {error}", field=place) from error
    raise StepError(f"{name!r} is no step; steps are say, digits, silence, expect, expect_hangup", field=place)


def _within(step: Step | None, value: str) -> Step:
    seconds = _seconds(value, "--within")
    match step:
        case Expect():
            return Expect(step.pattern, seconds)
        case ExpectHangup():
            return ExpectHangup(seconds)
    raise StepError("--within belongs behind --expect or --expect-hangup")


def _seconds(value: str, place: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise StepError(f"{value!r} is no time in seconds, from 0 to 3600", field=place)
    return seconds
