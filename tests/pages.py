"""The project's documents as tests read them: pages, fenced blocks, links, commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_FENCE = re.compile(r"^(```+)(\S*)\n(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language and what is in it."""

    page: Path
    language: str
    text: str


def pages() -> list[Path]:
    """Every document for people, the generated ones included."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    return sorted(found)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a page in these languages, or all of them."""
    found = _FENCE.findall(page.read_text(encoding="utf-8"))
    return [Block(page, language, text) for _, language, text in found if not languages or language in languages]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def inline_code(page: Path) -> list[str]:
    return _CODE.findall(prose(page))


def links(page: Path) -> list[str]:
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """What a link's fragment may name, by GitHub's rule."""
    heads = re.findall(r"^#+ +(.+?)\s*$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def commands(page: Path) -> Iterator[str]:
    """The command lines of a page: after a prompt in blocks of a console, and what stands in blocks of a shell."""
    for block in blocks(page, "console", "sh", "bash"):
        for line in block.text.replace("\\\n", " ").splitlines():
            if line.startswith("$ ") or block.language != "console":
                yield line.removeprefix("$ ").strip()


def mentioned_commands(page: Path) -> list[str]:
    """Commands in running text, where the name alone is enough."""
    return [code for code in inline_code(page) if code.startswith("talkpath ")]
