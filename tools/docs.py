"""Writes the documents that are made from the code: `python -m tools.docs`; ``--check`` only names stale ones."""

from __future__ import annotations

import sys
from pathlib import Path

from config.docs import page, plugin_pages
from gateway.plugins import installed
from tools.speech_table import with_table

DOCS = Path(__file__).resolve().parent.parent / "docs"


def pages() -> dict[Path, str]:
    """Each generated document and what it should say."""
    speech = DOCS / "speech.md"
    return {
        DOCS / "configuration.md": page(),
        DOCS / "plugin-settings.md": plugin_pages(installed().sections()),
        speech: with_table(speech.read_text("utf-8"), installed().speech, DOCS / "speech"),
    }


def main(arguments: list[str]) -> int:
    """Write the documents, or check them. Returns the exit code."""
    stale = {path: text for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text}
    if "--check" in arguments:
        for path in stale:
            print(f"docs/{path.name} is stale; run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for path, text in stale.items():
        path.write_text(text, encoding="utf-8")
        print(f"docs/{path.name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
