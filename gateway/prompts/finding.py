"""Which prompt is meant by a name, a key or a text on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from config.nearest import hint
from gateway.errors import GatewayError
from gateway.prompts.desk import Entry, PromptDesk
from gateway.text.speakable import norm

SHORT = 60
_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
"""What a name or key looks like. A sentence of one word has a capital or a full stop."""


def found_by(desk: PromptDesk, what: str, language: str | None) -> list[Entry]:
    """Prompts of a name, key or text. Raises GatewayError for what looks like a name and is none."""
    spoken = [entry for entry in desk.entries if language is None or _is_in(entry, language)]
    found = [entry for entry in spoken if what in entry.names or entry.key == what]
    found = found or [entry for entry in spoken if norm(entry.prompt.text) == norm(what)]
    if not found and _NAME.fullmatch(what):
        names = sorted({name for entry in spoken for name in entry.names})
        raise GatewayError(f"no prompt is called {what!r}{hint(what, names)}")
    return found


def _is_in(entry: Entry, language: str) -> bool:
    spoken, wanted = entry.utterance.language.lower(), language.lower()
    return spoken == wanted or spoken.partition("-")[0] == wanted


def only_one(found: Sequence[Entry], what: str) -> Entry:
    if not found:
        raise GatewayError(f"no prompt reads: {short(what)}")
    if len(found) > 1:
        titles = "; ".join(f"{entry.key} {entry.title}" for entry in found)
        raise GatewayError(f"{what} is more than one prompt; name one by its key: {titles}")
    return found[0]


def sentence_of(desk: PromptDesk, what: str, language: str | None) -> tuple[str, str | None]:
    """The text that is meant, and the language it is for; a name stands for its sentence in one language."""
    found = found_by(desk, what, language)
    if not any(what in entry.names or entry.key == what for entry in found):
        return what, language
    texts = {(entry.prompt.text, entry.utterance.language) for entry in found}
    if len(texts) > 1:
        only_one(found, what)
    return texts.pop()


def short(text: str) -> str:
    """A text for a message."""
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"
