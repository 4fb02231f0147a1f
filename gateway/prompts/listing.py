"""Prompts as rows: for people and for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.prompts.desk import Entry, PromptDesk
from gateway.speech.overrides import Override


async def row_of(desk: PromptDesk, entry: Entry) -> dict[str, Any]:
    sound = await desk.sound(entry)
    return {
        "key": entry.key,
        "names": list(entry.names),
        "state": desk.status(entry),
        "text": entry.prompt.text,
        "language": entry.utterance.language,
        "vendor": entry.utterance.vendor,
        "voice": entry.utterance.voice,
        "seconds": None if sound is None else round(sound.seconds, 2),
        "level": None if sound is None else round(sound.level, 1),
    }


def row_of_recording(override: Override) -> dict[str, Any]:
    """A recording of a sentence that is none of the static prompts, such as one of the bot's."""
    given = {"text": override.text, "language": override.language, "voice": override.voice}
    rest: dict[str, Any] = {
        "key": None,
        "names": [],
        "state": "override",
        "vendor": None,
        "seconds": None,
        "level": None,
    }
    return {**rest, **given}


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    table = Table("Key", "Name", "State", "Language", "Voice", "Seconds", "dBFS", "Text")
    for row in rows:
        voice = " ".join(part for part in (row["vendor"], row["voice"]) if part)
        figures = ["" if row[name] is None else f"{row[name]:.1f}" for name in ("seconds", "level")]
        fixed = [row["key"] or "", ", ".join(row["names"]), row["state"], row["language"] or "any", escape(voice)]
        table.add_row(*fixed, *figures, escape(row["text"]))
    Console(width=None if sys.stdout.isatty() else 200).print(table if rows else "No prompt.")
