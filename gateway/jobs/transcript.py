"""A call's record as a text to read, for a mail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def transcript(call: Mapping[str, Any]) -> str:
    """Who called when, and what was said, a line each. What was masked in the record stays so."""
    return "\n".join([*_head(call), "", *(_lines(call) or ["Nothing was said."])]) + "\n"


def _head(call: Mapping[str, Any]) -> Iterator[str]:
    yield f"Call {call.get('call_id', '')} from {call.get('caller') or 'a withheld number'} to {call.get('number', '')}"
    started = str(call.get("started_at", "")).partition(".")[0].replace("T", " ")
    seconds = call.get("seconds")
    yield f"{started} UTC" + (f", {round(seconds)} s" if isinstance(seconds, int | float) else "")


def _lines(call: Mapping[str, Any]) -> list[str]:
    lines = []
    for turn in call.get("exchange") or ():
        for who, name in (("caller", "Caller"), ("bot", "Bot")):
            if said := " ".join(str(turn.get(who) or "").split()):
                lines.append(f"{name}: {said}{' [interrupted]' if who == 'bot' and turn.get('bot_cut') else ''}")
    return lines
