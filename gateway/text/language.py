"""Language tags: what bots write, made into BCP 47, and the base language behind a tag."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

LANGUAGES = ("en", "fr", "de", "nl", "es", "it", "pt")
"""The languages the gateway has its own words for."""

DEFAULT_REGIONS: Mapping[str, str] = MappingProxyType(
    {"en": "GB", "fr": "FR", "de": "DE", "nl": "NL", "es": "ES", "it": "IT", "pt": "PT"}
)
"""The region a language without one is spoken in (TALKR, Chatbot API 4.2, `language.slug`)."""

_TAG = re.compile(r"([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|[0-9]{3}))?(?:-[a-z0-9-]+)?", re.ASCII)


def base(tag: str) -> str:
    """The language of a tag, in lower case: ``fr-CA`` gives ``fr``; empty when there is none."""
    return re.split(r"[-_]", tag.strip().lower(), maxsplit=1)[0]


def bcp47(slug: str, default_regions: Mapping[str, str] = DEFAULT_REGIONS) -> str:
    """Make a BCP 47 tag of what a bot calls a language.

    Args:
        slug: ``FR``, ``en``, ``pt_br``, ``nl-BE``, ``zh-Hans-CN`` ...
        default_regions: Region by base language, for slugs that have none; others stay without.

    Returns:
        The tag in its usual case (RFC 5646 section 2.1.1); empty when the slug is not a language tag.
    """
    match = _TAG.fullmatch(slug.strip().lower().replace("_", "-"))
    if match is None:
        return ""
    language, script, region = match.groups()
    region = region or default_regions.get(language, "")
    return "-".join(part for part in (language, script and script.title(), region.upper()) if part)
