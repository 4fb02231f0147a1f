"""What TALKR's texts need before they are compared or spoken: format, plain form, sentences, left-over placeholders."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from gateway.actions import TextFormat

REGIONS = {"fr": "fr-FR", "en": "en-GB", "de": "de-DE", "es": "es-ES", "it": "it-IT", "nl": "nl-NL", "pt": "pt-PT"}
PLACEHOLDER = re.compile(r"\$?\{\{?\s*[A-Za-z_][\w.]*\s*\}?\}|\$[A-Za-z_]\w*")
SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+|<br\s*/?>|</(?:p|li|div|s|h[1-6])>", re.IGNORECASE)
TAG = re.compile(r"</?[A-Za-z][^<>]*>")


def detect(text: str) -> TextFormat:
    if re.match(r"\s*<speak[\s>]", text):
        return "ssml"
    return "html" if TAG.search(text) or re.search(r"&(?:[a-z]+|#\d+);", text) else "plain"


def norm(text: str) -> str:
    return " ".join(html.unescape(TAG.sub(" ", text)).casefold().split())


def bcp47(slug: str, regions: Mapping[str, str]) -> str | None:
    parts = slug.strip().replace("_", "-").split("-")
    language = parts[0].lower()
    if not re.fullmatch(r"[a-z]{2,3}", language):
        return None
    return "-".join([language, *parts[1:]]) if len(parts) > 1 else {**REGIONS, **regions}.get(language, language)


def sentences(text: str) -> list[str]:
    """The text's sentences in plain form, without their full stops."""
    pieces = (norm(piece).strip(" .!?…") for piece in SENTENCE_END.split(text))
    return [piece for piece in pieces if piece]


def stands_in(part: list[str], whole: list[str]) -> bool:
    """Whether ``part`` occurs in ``whole`` as whole sentences, in order and without a gap."""
    size = len(part)
    return any(whole[start : start + size] == part for start in range(len(whole) - size + 1))


def without_placeholders(text: str) -> str:
    """The text without variables of the bot's tree that were never filled in (``{name}``, ``$name``)."""
    if not PLACEHOLDER.search(text):
        return text
    kept = re.sub(r"[ \t]{2,}", " ", PLACEHOLDER.sub("", text))
    return re.sub(r"\s+([,.])", r"\1", kept).strip()
