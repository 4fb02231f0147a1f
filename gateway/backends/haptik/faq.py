"""The FAQ file of Haptik's upload: what it must look like, and what the answers to it mean.

A row is a step: ``node_name`` (unique), the caller's words (several joined by ``|``) and the bot's answers (several
joined by ``<m>``). An upload replaces all FAQ steps of the domain, so that the file is checked before it is sent.
Source: "FAQ Step Creation APIs for KMS", November 2026; the spelling of the header is shown there only in a picture,
hence `DEFAULT_HEADER` can be changed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway.backends.haptik.values import first_text, identity, mapping, text

CREATE_PATH = "/mogambo_api/nodes/faq/create/"
STATUS_PATH = "/mogambo_api/nodes/faq/create/status/{task_id}/"
DEFAULT_HEADER = ("node_name", "Question(User Message)", "answer(bot response)")
MAX_FILE_BYTES = 20 << 20
MAX_CELL = 1 << 17
PROBLEMS_SHOWN = 20
POLL_DELAYS = (3.0,) * 10  # s; then `SLOW_POLL`
SLOW_POLL = 10.0
GIVE_UP_AFTER = 900.0  # s
MAX_SAME_ANSWERS = 3  # of a kind nobody knows, before it counts as failed

State = Literal["running", "done", "failed", "unclear"]
_FAILURES = ("error", "exception", "fail")
_NO_SUCCESS = ("unsuccess", "not success")


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    questions: tuple[str, ...]
    answers: tuple[str, ...]


def read_steps(content: bytes, header: Sequence[str] = DEFAULT_HEADER) -> tuple[list[Step], list[str]]:
    """Read a file as it would be sent.

    Returns:
        Its steps, and one sentence for everything that is wrong with it, with its line.
    """
    try:
        decoded = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return [], [f"the file is not UTF-8 (byte {error.start})"]
    rows = csv.reader(io.StringIO(decoded, newline=""), strict=True)
    steps: list[Step] = []
    problems: list[str] = []
    try:
        for place, row in enumerate(rows):
            if place == 0:
                problems += _wrong_header(row, header)
            elif any(cell.strip() for cell in row):
                step, wrong = _step(row, rows.line_num, {known.name for known in steps})
                problems += wrong
                steps += [step] if step is not None else []
    except csv.Error as error:
        problems.append(f"line {rows.line_num}: {error}")
    if not steps and not problems:
        problems.append("the file has no steps; an upload of it would switch every FAQ off")
    return steps, problems


def _wrong_header(row: Sequence[str], header: Sequence[str]) -> list[str]:
    if [cell.strip() for cell in row] == list(header):
        return []
    return [f"line 1: the columns must be {', '.join(header)}"]


def _step(row: Sequence[str], line: int, known: set[str]) -> tuple[Step | None, list[str]]:
    if len(row) != 3:
        return None, [f"line {line}: {len(row)} columns where there must be 3"]
    name, question, answer = (cell.strip() for cell in row)
    step = Step(name, tuple(part.strip() for part in question.split("|")), tuple(_answers(answer)))
    wrong = [f"line {line}: {what}" for what in _wrong(step, row, known)]
    return (None if wrong else step), wrong


def _answers(cell: str) -> list[str]:
    return [part.strip() for part in cell.split("<m>")]


def _wrong(step: Step, row: Sequence[str], known: set[str]) -> list[str]:
    found = []
    if not step.name:
        found.append("node_name is blank")
    elif step.name in known:
        found.append(f"node_name {step.name!r} is there twice")
    if "|" in step.name or "<m>" in step.name:
        found.append("node_name holds | or <m>, which separate values")
    if not all(step.questions):
        found.append("a question is blank")
    if not all(step.answers):
        found.append("an answer is blank")
    if any("<m>" in question for question in step.questions):
        found.append("a question holds <m>, which separates answers")
    if any(len(cell) > MAX_CELL for cell in row):
        found.append("a value is too long")
    return found


# --- answers -------------------------------------------------------------------------------------------------------
def task_of(value: Any) -> str:
    """The task's id in the answer to an upload; empty when it has none."""
    return identity(mapping(mapping(value).get("body")).get("task_id"))


def state_of(value: Any) -> tuple[State, str]:
    """What a status means, and its words. Haptik names three kinds without saying how they are spelled."""
    fields = mapping(value)
    words = first_text(mapping(fields.get("body")), "status") or text(fields.get("body"))
    error = text(fields.get("error"))
    folded = words.casefold()
    if fields.get("success") is False or error:
        return "failed", error or words or "failed"
    if "progress" in folded or "pending" in folded:
        return "running", words
    if "success" in folded and not any(word in folded for word in _NO_SUCCESS):
        return "done", words
    return ("failed" if any(word in folded for word in (*_FAILURES, *_NO_SUCCESS)) else "unclear"), words
