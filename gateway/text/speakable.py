"""What bots write, made into what a voice can say.

Bots send Markdown, HTML, SSML, emoji, links and forgotten placeholders; the caller hears sentences. `text` of the
result is for the synthesizer, `plain` for the record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.actions import TextFormat
from gateway.text import ssml
from gateway.text.clean import Notes, clean, finish, without_controls
from gateway.text.markup import from_html, from_markdown, has_tags
from gateway.text.sentences import SentenceCutter, sentences

__all__ = ["MAX_CHARS", "SentenceCutter", "Speakable", "detect", "norm", "sentences", "speakable"]

MAX_CHARS = 5000
"""Longest text that is spoken at once: about six minutes."""
_MAX_INPUT_CHARS = 4 * MAX_CHARS


@dataclass(frozen=True, slots=True)
class Speakable:
    """A text, ready to be said.

    Attributes:
        text: For the synthesizer: SSML (a whole ``<speak>`` element) when ``ssml``, else plain text.
        plain: The words without markup: what is recorded as said. Empty: there is nothing to say.
        warnings: What the bot's author should know; may quote a placeholder, never the words around it.
        links: Web addresses that were taken out of the text.
    """

    text: str
    plain: str
    ssml: bool = False
    warnings: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


def detect(text: str) -> TextFormat:
    """The format of a text that does not say: all in ``<speak>`` is SSML, with tags HTML, else Markdown."""
    return "ssml" if ssml.is_ssml(text) else "html" if has_tags(text) else "markdown"


def speakable(
    text: str,
    format: TextFormat,
    language: str,
    *,
    url_phrase: str | None = None,
    audio_policy: ssml.AudioPolicy | None = None,
    max_chars: int = MAX_CHARS,
) -> Speakable:
    """Make a text speakable.

    Never raises: what cannot be understood is said as plain text, with a warning.

    Args:
        text: As the bot wrote it.
        format: As the bot named it, or `detect` found it. Plain text keeps its angle brackets; the marks of Markdown
            are removed from it all the same, because nobody wants to hear them.
        language: BCP 47 tag of the text.
        url_phrase: Said instead of a web address (the catalogue's `link`); None leaves it out.
        audio_policy: Lets SSML's recordings through, by URL.
        max_chars: Longer texts are cut at the end of a sentence.
    """
    notes = Notes()
    source = without_controls(text)
    if len(source) > _MAX_INPUT_CHARS:
        notes.warn(f"the text was cut after {_MAX_INPUT_CHARS} characters")
        source, format = source[:_MAX_INPUT_CHARS], "plain" if format == "ssml" else format
        source = ssml.without_tags(source) if ssml.is_ssml(source) else source
    if format == "ssml" and (spoken := _speak_markup(source, notes, url_phrase, audio_policy, max_chars)):
        return spoken
    if format == "ssml":
        source = ssml.without_tags(source)
    plain = _shorten(finish(_flat(source, format, notes), url_phrase), language, max_chars, notes)
    return Speakable(plain, plain, warnings=tuple(notes.warnings), links=tuple(notes.links))


def norm(text: str) -> str:
    """What makes two prompts the same: markup stripped, white space collapsed, case folded."""
    notes, source = Notes(), without_controls(text[:_MAX_INPUT_CHARS])
    format = detect(source)
    if format == "ssml":
        try:
            return finish(ssml.parse(source, notes).words, None, stop="").casefold()
        except ssml.Malformed:
            source = ssml.without_tags(source)
    return finish(_flat(source, format, notes), None, stop="").casefold()


def _flat(source: str, format: TextFormat, notes: Notes) -> str:
    is_html = format == "html" or (format == "markdown" and has_tags(source))
    return clean(from_html(source, notes) if is_html else from_markdown(source, notes), notes)


def _speak_markup(
    source: str, notes: Notes, url_phrase: str | None, audio_policy: ssml.AudioPolicy | None, max_chars: int
) -> Speakable | None:
    """The text as clean SSML; None where it has to be said as plain text."""
    try:
        parsed = ssml.parse(source, notes, url_phrase, audio_policy)
    except ssml.Malformed as error:
        notes.warn(f"speech markup is malformed: {error}")
        return None
    plain = finish(parsed.words, url_phrase)
    if len(plain) > max_chars:
        notes.warn(f"speech markup of more than {max_chars} characters is said without it")
        return None
    return Speakable(parsed.markup, plain, bool(parsed.markup), tuple(notes.warnings), tuple(notes.links))


def _shorten(text: str, language: str, max_chars: int, notes: Notes) -> str:
    if len(text) <= max_chars:
        return text
    notes.warn(f"the text was cut after {max_chars} characters")
    kept = ""
    for sentence in sentences(text, language):
        if len(kept) + len(sentence) + 1 > max_chars:
            break
        kept = f"{kept} {sentence}".strip()
    return kept or re.sub(r"\s+\S*$", "", text[:max_chars])
