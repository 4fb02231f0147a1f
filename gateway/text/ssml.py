"""Speech markup (W3C SSML 1.1) from a bot: parsed without trust, reduced to what every synthesizer may be given.

The parser is expat, without document types, hence without entities of the document's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from gateway.text.clean import BREAK, Notes, clean, finish, without_entities

AudioPolicy = Callable[[str], bool]
"""Whether a recording may be fetched from this URL."""

MAX_DEPTH = 32
MAX_BREAK = 10.0
STRENGTHS = {"none": 0.0, "x-weak": 0.1, "weak": 0.2, "medium": 0.4, "strong": 0.7, "x-strong": 1.0}
"""Seconds for a break that names no time; SSML 1.1 section 3.2.3 leaves them to the synthesizer."""

ALLOWED: dict[str, tuple[str, ...]] = {
    "break": ("time", "strength"),
    "p": ("xml:lang",),
    "s": ("xml:lang",),
    "say-as": ("interpret-as", "format", "detail"),
    "sub": ("alias",),
    "emphasis": ("level",),
    "prosody": ("pitch", "contour", "range", "rate", "duration", "volume"),
    "phoneme": ("alphabet", "ph", "type"),
    "lang": ("xml:lang", "onlangfailure"),
    "voice": ("name", "gender", "age", "variant", "languages", "required", "xml:lang", "onvoicefailure"),
}
"""Elements that are kept, with their attributes. Others give way to their content."""

_SILENT = frozenset({"metadata", "meta", "lexicon", "desc", "script", "style", "mark"})
_MAX_ATTRIBUTE = 300
_PROLOG = r"\s*(?:(?:<\?xml[^<>]*\?>|<!--.*?-->|<!DOCTYPE[^<>\[]*(?:\[[^\]]*\]\s*)?>)\s*){0,4}"
_SPEAK = re.compile(_PROLOG + r"<speak(?=[\s>/])", re.IGNORECASE | re.DOTALL)
_DECLARATION = re.compile(r"\s*<\?xml[^<>]*\?>")
_TIME = re.compile(r"\+?(\d{1,6}(?:\.\d{0,6})?|\.\d{1,6})\s*(ms|s)")
_OWN_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);)(?:[A-Za-z][A-Za-z0-9]*;)?")
_MARKUP = re.compile(r"<[^<>]*>")
_EMPTY = re.compile(r"<([\w-]+)((?: [\w:-]+=(?:\"[^\"]*\"|'[^']*'))*)></\1>")


class Malformed(ValueError):
    """The text is not speech markup after all."""


@dataclass
class Parsed:
    """What was read: clean markup, its words with `clean.BREAK` in them, and both as a sequence."""

    markup: str = ""
    words: str = ""
    pieces: list[str | float] = field(default_factory=list)


def is_ssml(text: str) -> bool:
    """Whether the whole text stands inside ``<speak>``."""
    return _SPEAK.match(text) is not None


def without_tags(text: str) -> str:
    """What is left of markup that cannot be parsed."""
    start = _SPEAK.match(text)
    return without_entities(_MARKUP.sub(" ", text[start.end() - len("<speak") :] if start else text))


def parse(text: str, notes: Notes, url_phrase: str | None = None, audio: AudioPolicy | None = None) -> Parsed:
    """Read speech markup.

    Args:
        text: The whole text, from ``<speak>`` to ``</speak>``; the caller bounds its length.
        notes: Takes warnings and links.
        url_phrase: Said for a web address among the words.
        audio: Lets recordings through; without it they give way to their alternative text.

    Raises:
        Malformed: Not well-formed, too deep, or with a document type.
    """
    reader = _Reader(notes, url_phrase, audio)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.words
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(_with_known_entities(_without_declaration(text)), True)
    except expat.ExpatError as error:
        raise Malformed(expat.ErrorString(error.code)) from error
    return reader.result()


def segments(markup: str) -> list[str | float]:
    """Words and pauses (seconds) of clean markup, in order, for a synthesizer that takes plain text only.

    Raises:
        Malformed: As `parse`.
    """
    pieces: list[str | float] = []
    for piece in parse(markup, Notes()).pieces:
        if isinstance(piece, str) and pieces and isinstance(pieces[-1], str):
            pieces[-1] += piece
        else:
            pieces.append(piece)
    said = [finish(piece, None) if isinstance(piece, str) else piece for piece in pieces]
    return [piece for piece in said if piece]


def narrowed(markup: str, allowed: Mapping[str, tuple[str, ...]]) -> str:
    """Clean markup with no other elements and attributes than a vendor understands; others give way to their content.

    Args:
        markup: As `parse` made it.
        allowed: Attributes by element; ``speak`` always stays.

    Returns:
        The markup, from ``<speak>`` to ``</speak>``.

    Raises:
        Malformed: As `parse`.
    """
    narrower = _Narrower(allowed)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = narrower.start
    parser.EndElementHandler = narrower.end
    parser.CharacterDataHandler = narrower.words
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(markup, True)
    except expat.ExpatError as error:
        raise Malformed(expat.ErrorString(error.code)) from error
    return _EMPTY.sub(r"<\1\2/>", "".join(narrower.kept))


class _Narrower:
    """Collects the markup that stays."""

    def __init__(self, allowed: Mapping[str, tuple[str, ...]]) -> None:
        self._allowed = {"speak": ("xml:lang",), **allowed}
        self._tags: list[str] = []
        self._replaced = 0  # elements whose content is said by other words
        self.kept: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self._replaced or (name == "sub" and name not in self._allowed):
            self.words(attributes.get("alias", ""))
            self._replaced += 1
            self._tags.append("")
        elif name not in self._allowed:
            self.kept.append(" " if name in ("break", "p", "s") else "")
            self._tags.append(" " if name in ("p", "s") else "")
        else:
            names = self._allowed[name]
            written = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items() if key in names)
            self.kept.append(f"<{name}{written}>")
            self._tags.append(f"</{name}>")

    def end(self, name: str) -> None:
        self._replaced = max(0, self._replaced - 1)
        self.kept.append(self._tags.pop())

    def words(self, data: str) -> None:
        if not self._replaced:
            self.kept.append(escape(data))


def _refuse(*_: object) -> None:
    raise Malformed("a document type is not allowed")


def _without_declaration(text: str) -> str:
    """The XML declaration names an encoding that a decoded text no longer has."""
    found = _DECLARATION.match(text)
    return text[found.end() :] if found else text


def _with_known_entities(text: str) -> str:
    """HTML's entities decoded and bare ampersands escaped: bots write both into their markup."""

    def replace(match: re.Match[str]) -> str:
        decoded = without_entities(match[0])
        return "&amp;" + match[0][1:] if decoded == match[0] else escape(decoded)

    return _OWN_ENTITY.sub(replace, text)


class _Reader:
    """Collects what the parser finds."""

    def __init__(self, notes: Notes, url_phrase: str | None, audio: AudioPolicy | None) -> None:
        self._notes, self._url_phrase, self._audio = notes, url_phrase, audio
        self._markup: list[str] = []
        self._words: list[str] = []
        self._pieces: list[str | float] = []
        self._open: list[str] = []  # closing tag of each open element; empty for one that is not kept
        self._silent = 0
        self._alias = 0
        self._language = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise Malformed("nested too deeply")
        name = name.lower()
        if not self._open:
            self._root(name, attributes)
        elif self._silent or name in _SILENT:
            self._silent += 1
            self._open.append("")
        elif name == "break":
            self._pause(attributes)
        elif name == "audio":
            self._recording(attributes.get("src", ""))
        else:
            self._element(name, attributes)

    def end(self, name: str) -> None:
        closing = self._open.pop()
        if self._silent:
            self._silent -= 1
            return
        name = name.lower()
        if name == "sub" and self._alias:
            self._alias -= 1
        if name in ("p", "s"):
            self._say(BREAK)
        self._markup.append(closing)

    def words(self, data: str) -> None:
        if self._silent:
            return
        lead, tail = data[:1].isspace(), data[-1:].isspace()
        said = finish(clean(data, self._notes), self._url_phrase)
        said = (" " * lead + said + " " * tail) if said else " " * (lead or tail)
        self._markup.append(escape(said))
        if not self._alias:
            self._say(said)

    def result(self) -> Parsed:
        language = f" xml:lang={quoteattr(self._language)}" if self._language else ""
        inner = re.sub(r"\s+", " ", "".join(self._markup)).strip()
        return Parsed(f"<speak{language}>{inner}</speak>" if inner else "", "".join(self._words), self._pieces)

    def _root(self, name: str, attributes: dict[str, str]) -> None:
        if name != "speak":
            raise Malformed("the root is not <speak>")
        self._language = attributes.get("xml:lang", "")[:35]
        self._open.append("")

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        if name not in ALLOWED:
            self._notes.warn(f"speech markup <{name}> is not passed on")
            self._open.append("")
            return
        kept = [
            f" {key}={quoteattr(value)}"
            for key, value in attributes.items()
            if key in ALLOWED[name] and len(value) <= _MAX_ATTRIBUTE
        ]
        if name == "sub" and "alias" in attributes:
            self._alias += 1
            self._say(clean(attributes["alias"], self._notes))
        elif name == "sub":
            self._open.append("")
            return
        if name in ("p", "s"):
            self._say(BREAK)
        self._markup.append(f"<{name}{''.join(kept)}>")
        self._open.append(f"</{name}>")

    def _pause(self, attributes: dict[str, str]) -> None:
        self._open.append("")
        strength = attributes.get("strength", "medium")
        seconds = STRENGTHS.get(strength, STRENGTHS["medium"])
        kept = f' strength="{strength}"' if "strength" in attributes and strength in STRENGTHS else ""
        if "time" in attributes:
            time = _TIME.fullmatch(attributes["time"].strip())
            if time is None:
                self._notes.warn("a break has no valid time")
            else:
                seconds = float(time[1]) / (1000 if time[2] == "ms" else 1)
                if seconds > MAX_BREAK:
                    self._notes.warn(f"a break was shortened to {MAX_BREAK:.0f} s")
                seconds = min(seconds, MAX_BREAK)
                kept = f' time="{round(seconds * 1000)}ms"'
        self._markup.append(f"<break{kept}/>")
        self._words.append(" ")
        self._pieces.append(seconds)

    def _recording(self, source: str) -> None:
        if self._audio is not None and self._audio(source):
            self._markup.append(f"<audio src={quoteattr(source)}>")
            self._open.append("</audio>")
        else:
            self._notes.warn("a recording in speech markup is not allowed; its alternative text is said")
            self._open.append("")

    def _say(self, words: str) -> None:
        self._words.append(words)
        self._pieces.append(words)
