"""Cleaning of text that has no markup any more: what cannot be said goes, what was said stays.

Two signs of our own travel inside a text until it is finished, because no text can contain them: `BREAK` where a pause
belongs, `LINK` where a web address stood.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

BREAK = "\x1e"
LINK = "\x1f"

_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff0-\uffff\ud800-\udfff\ue000-\uf8ff\U000e0000-\U0010ffff]"
)
_NEWLINE = re.compile("\r\n?|[\x85\u2028\u2029]")
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u231a-\u231b\u2328\u23cf\u23e9-\u23fa"
    "\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2190-\u21ff\u3030\u303d\ufe00-\ufe0f\u20e3]+"
)
_EMOTICON = re.compile(r"(?<!\S)(?:[:;]-?[)(DP]|:'\(|<3|\^\^)(?=[\s.,!?]|$)")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_URL = re.compile(rf"(?:https?://|ftp://|www\.(?=[\w-]+\.))[^\s<>\"{BREAK}{LINK}]+|mailto:(?=\S+@)", re.IGNORECASE)
_URL_END = re.compile(r"[.,;:!?'*_~`»”’]+$")
_CURRENCY = "US|USD|CA|CAD|AU|AUD|NZ|NZD|HK|HKD|SG|SGD|MX|MXN"
_PLACEHOLDER = re.compile(
    r"\{\{[^{}\n]{0,100}\}\}|[$%#]?\{[ ]*[\w.\-\[\]|]+(?: [\w.\-\[\]|]+){0,7}[ ]*\}"
    rf"|\$(?!(?:{_CURRENCY})\b)[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
)
_TOUCHED_LINK = re.compile(rf"(?<=[\w:;,.!?])(?={LINK})|(?<={LINK})(?=\w)")
_SPACE = re.compile(rf"[^\S{BREAK}{LINK}]+")
_EMPTY_BRACKETS = re.compile(r"\([ ]*\)|\[[ ]*\]|«[ ]*»|“[ ]*”")
_BEFORE_POINT = re.compile(r"(?<=\S) +(?=[.,](?:\s|$))")
_AFTER_END = re.compile(r"(?<=[.!?…]) +[.,!?]+(?=\s|$)")
_ENDED = re.compile(r"[.!?:;,…][\"'»”’)\]]*$")


@dataclass
class Notes:
    """What was noticed on the way: for the log, and for whoever can send a link otherwise."""

    warnings: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def link(self, url: str) -> None:
        if url not in self.links:
            self.links.append(url)


def without_controls(text: str) -> str:
    """Drop characters that neither print nor space; every line ends in a line feed."""
    return _CONTROL.sub("", _NEWLINE.sub("\n", text))


def without_entities(text: str) -> str:
    """Decode character references that are complete, such as ``&amp;``; a bare ampersand stays."""
    return without_controls_between(_ENTITY.sub(lambda match: html.unescape(match[0]), text))


def without_controls_between(text: str) -> str:
    """As `without_controls`, for text that already has our own two signs in it."""
    return "".join(
        part if part in (BREAK, LINK) else without_controls(part) for part in re.split(f"([{BREAK}{LINK}])", text)
    )


def take_url(url: str, notes: Notes) -> bool:
    """Note a web address; False when it is something else, such as a page's own anchor."""
    if not re.match(r"https?://|www\.", url, re.IGNORECASE):
        return False
    notes.link(url)
    return True


def without_urls(text: str, notes: Notes) -> str:
    """Replace web addresses by `LINK`, and note them. What ends the sentence after one stays."""

    def replace(match: re.Match[str]) -> str:
        url = match[0]
        if url.lower() == "mailto:":
            return ""
        tail = ""
        if url.count(")") > url.count("("):
            cut = url.rindex(")")
            url, tail = url[:cut], url[cut:]
        if end := _URL_END.search(url):
            url, tail = url[: end.start()], url[end.start() :] + tail
        take_url(url, notes)
        return LINK + tail

    return _URL.sub(replace, text)


def without_placeholders(text: str, notes: Notes) -> str:
    """Remove what a template engine should have filled in: ``{name}``, ``{{ name }}``, ``$name``. Prices stay."""

    def replace(match: re.Match[str]) -> str:
        notes.warn(f"a placeholder was left in the text: {match[0]}")
        return " "

    return _PLACEHOLDER.sub(replace, text)


def clean(text: str, notes: Notes) -> str:
    """Everything that needs no knowledge of markup: links, placeholders, emoji, white space."""
    text = without_placeholders(without_urls(text, notes), notes)
    return clean_spaces(_EMOTICON.sub(" ", _EMOJI.sub(" ", text)))


def finish(text: str, url_phrase: str | None, *, stop: str = ".") -> str:
    """Turn our own signs into words: a pause becomes the end of a sentence, where there is none yet.

    Args:
        text: Cleaned text.
        url_phrase: Said for each web address; None leaves it out.
        stop: What ends a part that has no end of its own.
    """
    text = clean_spaces(_TOUCHED_LINK.sub(" ", text).replace(LINK, url_phrase or ""))
    parts = [part.strip() for part in text.split(BREAK)]
    parts = [part for part in parts if any(char.isalnum() for char in part)] or [part for part in parts if part][:1]
    ended = [part if _ENDED.search(part) else part + stop for part in parts[:-1]]
    return " ".join([*ended, *parts[-1:]])


def clean_spaces(text: str) -> str:
    """Collapse white space, also before a comma or a full stop, and in brackets that lost their content."""
    text = _EMPTY_BRACKETS.sub(" ", _SPACE.sub(" ", text))
    return _AFTER_END.sub("", _BEFORE_POINT.sub("", _SPACE.sub(" ", text)))
