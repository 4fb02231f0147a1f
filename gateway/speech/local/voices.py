"""Which espeak-ng voice speaks a language, and what an operator may call it."""

from __future__ import annotations

import re

# espeak-ng 1.52 knows most languages by their base tag; these are named otherwise there.
VOICES = {
    **dict.fromkeys(("en-gb", "en-au", "en-ie", "en-in", "en-nz", "en-za"), "en"),
    "en-ca": "en-us",
    **dict.fromkeys(("es-mx", "es-ar", "es-cl", "es-co", "es-pe", "es-us", "es-uy", "es-ve"), "es-419"),
    **dict.fromkeys(("zh", "zh-cn", "zh-tw", "cmn-cn"), "cmn"),
    "zh-hk": "yue",
    **dict.fromkeys(("no", "no-no", "nn", "nn-no"), "nb"),
    "iw": "he",
}
LAST_RESORT = "en-us"
"""Better a foreign accent than silence."""
GENDERS = {"female": "f3", "woman": "f3", "male": "m3", "man": "m3"}
_NUMBERED = re.compile(r"[fm]\d")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-\w{2,8})*", re.IGNORECASE)
_VARIANT = re.compile(
    r"[A-Za-z]\w{0,30}"
)  # it becomes a file name inside espeak-ng; an unknown one has no effect there


def is_language(voice: str) -> bool:
    """Whether a voice is asked for by the tag of a language."""
    return bool(_LANGUAGE.fullmatch(voice)) and not _NUMBERED.fullmatch(voice)


def voices_for_language(language: str) -> list[str]:
    """espeak-ng's names for a BCP 47 tag, best first; not all of them need exist."""
    tag = language.strip().lower().replace("_", "-")
    names = [VOICES.get(tag, tag)]
    base = tag.partition("-")[0]
    return list(dict.fromkeys([*names, VOICES.get(base, base)])) if base else []


def candidates(language: str, voice: str | None) -> list[str]:
    """The voices to try for an utterance, best first; at least one of them exists.

    Args:
        voice: ``fr+f3`` (voice and variant), ``+f3`` or ``f3`` (variant in the language's own voice), ``female``,
            ``male``, a language tag, or a name that only another vendor knows, which then has no effect.
    """
    own = voices_for_language(language)
    asked = (voice or "").strip()
    base, plus, variant = asked.partition("+")
    if not plus:
        base, variant = ("", GENDERS.get(asked.lower(), asked))
    if not plus and is_language(asked):
        first = voices_for_language(asked)
    elif _VARIANT.fullmatch(variant):
        first = [f"{name}+{variant}" for name in (voices_for_language(base) or own)]
    else:
        first = []
    return list(dict.fromkeys([*first, *own, LAST_RESORT]))
