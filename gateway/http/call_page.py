"""One call on a page: what was said, and for each turn where the time went."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from gateway.http.pages import Column, Markup, escaped, page, pill, table, tiles
from gateway.records.waterfall import STAGES

MEANINGS = {
    "endpointing": "waiting to be sure that the caller has finished",
    "recognition": "waiting for the last of his words",
    "handover": "from the text to the question to the bot",
    "bot": "the bot's own time",
    "synthesis": "until the first audio could be sent",
    "playout": "until it was sent",
}
KINDS = {
    "speech": "said",
    "message": "wrote",
    "digits": "keyed",
    "choice": "chose",
    "no_input": "silent",
    "transfer_failed": "came back from a failed transfer",
}
MOODS = {"completed": "good", "transferred": "good", "abandoned": "", "no_input": "", "operator": "", "refused": ""}
WIDTH = 1000  # units of a waterfall's drawing
TURNS = (Column("Turn", "number"), Column("Who said what", "said"), Column("Answer", "number"), Column("Waterfall"))
PARTS = (Column("Turn", "number"), *(Column(name.capitalize(), "number") for name in STAGES), Column("Sum", "number"))
NOTES = (Column("At", "number"), Column("Kind"), Column("What"))


def call_page(call: Mapping[str, Any]) -> Response:
    """The page of a call, running or over, from its record."""
    turns = call["exchange"]
    facts = [
        ("Caller", call.get("caller") or "withheld"),
        ("Number", call["number"]),
        ("Length", seconds(call["seconds"])),
        ("Median answer", milliseconds(call.get("answer_p50")) or "none"),
        ("Barge-ins", call["barge_ins"]),
        ("Silences", call["no_inputs"]),
    ]
    body = (
        f'<header><h1>Call {escaped(call["call_id"])}</h1>{outcome(call).text}<a href="../">All calls</a></header>'
        f'<main><p class="quiet">{escaped(clock_time(call["started_at"]))} UTC, line {escaped(call["line"])}. '
        f"{escaped(call.get('reason') or '')}</p>{tiles(facts)}"
        f"<h2>Turns</h2>{_key()}{_turns_table(turns)}"
        f"<h2>Where the time went</h2>{_parts_table(turns)}"
        f"<h2>Notes</h2>{_notes_table(call['notes'])}</main>"
    )
    return page(f"Talkpath: call {call['call_id']}", body)


def _turns_table(turns: Sequence[Mapping[str, Any]]) -> str:
    longest = max((turn["answer_seconds"] or 0.0 for turn in turns), default=0.0) or 1.0
    rows = [(turn["turn"], _said(turn), milliseconds(turn["answer_seconds"]), _bars(turn, longest)) for turn in turns]
    caption = "Answer: from the caller's last sound to the first of the bot's answer"
    return table(caption, TURNS, rows, empty="Nothing was said.")


def _said(turn: Mapping[str, Any]) -> Markup:
    kind = KINDS.get(turn["kind"], turn["kind"])
    marks = [pill("interrupted", "")] if turn["barged_in"] else []
    if turn.get("masked"):
        marks.append(pill("masked"))
    if turn["bot_cut"]:
        marks.append(pill("bot cut off"))
    who = "The call starts" if turn["kind"] == "start" else f"Caller ({html.escape(kind)}):"
    caller = f'<p><span class="who">{who}</span> {escaped(turn["caller"])}</p>'
    bot = f'<p><span class="who">Bot:</span> {escaped(turn["bot"])}</p>' if turn["bot"] else ""
    return Markup(caller + bot + " ".join(mark.text for mark in marks))


def _bars(turn: Mapping[str, Any], longest: float) -> Markup:
    """The parts side by side, on one scale for the whole call. The same is said in numbers below."""
    drawn, x = "", 0.0
    for name, spent in turn["stages"].items():
        width = spent / longest * WIDTH
        drawn += f'<rect class="{html.escape(name)}" x="{x:.1f}" y="0" width="{width:.1f}" height="10"/>'
        x += width
    box = f'viewBox="0 0 {WIDTH} 10" preserveAspectRatio="none"'
    return Markup(f'<svg class="waterfall" {box} aria-hidden="true">{drawn}</svg>')


def _key() -> str:
    items = "".join(
        f'<li><svg viewBox="0 0 1 1" aria-hidden="true"><rect class="{name}" width="1" height="1"/></svg>'
        f"{name}: {html.escape(MEANINGS[name])}</li>"
        for name in STAGES
    )
    return f'<ul class="key">{items}</ul>'


def _parts_table(turns: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for turn in turns:
        stages: Mapping[str, float] = turn["stages"]
        parts = [milliseconds(stages.get(name)) for name in STAGES]
        rows.append((turn["turn"], *parts, milliseconds(sum(stages.values()))))
    return table("Per turn; what is empty was not reached, or is no part of it", PARTS, rows, empty="No turn yet.")


def _notes_table(notes: Sequence[Mapping[str, Any]]) -> str:
    rows = [(f"{note['at']:.1f} s", note["kind"], _data(note["data"])) for note in notes]
    return table("What the gateway and the bot had to note", NOTES, rows, empty="Nothing was noted.")


def _data(data: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in data.items())


# --- words and figures ---------------------------------------------------------------------------------------------
def call_link(call: Mapping[str, Any], text: str | None = None) -> Markup:
    """A link to a call's page, from the first page."""
    target = quote(call["call_id"], safe="", errors="replace")
    return Markup(f'<a href="./calls/{target}">{escaped(text or call["call_id"])}</a>')


def outcome(record: Mapping[str, Any]) -> Markup:
    """How a call ended, in words and colour."""
    result = record.get("result")
    if result is None:
        return pill("on the line")
    return pill(str(result).replace("_", " "), MOODS.get(result, "bad"))


def clock_time(moment: str) -> str:
    """``2026-11-21T09:30:05.123+00:00`` as a person writes it."""
    return moment.partition("+")[0].partition(".")[0].replace("T", " ")


def seconds(value: float) -> str:
    whole = round(value)
    return f"{whole // 60}:{whole % 60:02d} min" if whole >= 60 else f"{whole} s"


def milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value * 1000:.0f} ms"
