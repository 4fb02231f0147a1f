"""Telephone numbers as lines write them, made comparable; and the choice of the number settings that rule a call.

Nothing here raises: a withheld or odd number is a call, not an error. Counterpart for transfer targets: `targets`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from typing import Generic, TypeVar
from urllib.parse import unquote

from config.countries import ANY_PLAN, PLANS, Plan

MAX_NUMBER_CHARS = 128
MAX_EXTENSION_DIGITS = 6
MIN_INTERNATIONAL_DIGITS = 11  # without any mark, fewer digits are more likely national
MAX_E164_DIGITS = 15  # ITU-T E.164 section 6.1

WITHHELD = frozenset(
    {
        *("anonymous", "unavailable", "restricted", "private", "withheld", "unknown", "blocked", "id unavailable"),
        *("no number", "number withheld", "private number", "null", "none", "undefined", "<null>", "<unknown>"),
        *("asserted-unknown", "coinphone", "n/a"),
    }
)
"""What carriers and PBXs write instead of a caller (RFC 3261 section 8.1.1.3, RFC 3323, Q.931 reasons)."""
WITHHELD_BY_KEYPAD = frozenset({"+7378742883", "+2562533", "+8656696", "+266696687", "+86282452253"})
"""RESTRICTED, BLOCKED, UNKNOWN, ANONYMOUS and UNAVAILABLE as keys: what Twilio sends as `From` (its help pages)."""

_URI = re.compile(r"^\s*(?:sips?|tel|callto)\s*:\s*", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\s\-.()/\u00ad\u2010-\u2015\u2212\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]+")
_TRUNK_IN_BRACKETS = re.compile(r"^(\s*(?:\+|00)[\d\s]*)\(0\)")
_DIALLED = re.compile(r"^\+?[0-9*#]+$")

T = TypeVar("T")


def normalise(raw: str, default_country: str | None = None) -> str:
    """Bring a number into the form under which it is compared: E.164 where that can be known.

    ``+33…``, ``0033…``, ``33…`` (11 digits or more), ``sip:+33…@host;user=phone`` and ``tel:+33-…`` become
    ``+33…``. Internal extensions (up to 6 digits), codes such as ``*98``, national numbers where no country is known,
    and SIP user names stay as they are. Doing it twice changes nothing.

    Args:
        raw: As the line or an operator wrote it.
        default_country: Calling code for national forms, such as ``33``.
    Returns:
        At most 128 characters without control characters; empty when there is no number.
    """
    text = _user_part(_clean(raw))
    bare = _SEPARATORS.sub("", _TRUNK_IN_BRACKETS.sub(r"\1", text))
    if not _DIALLED.match(bare):
        return text
    return _international(bare, (default_country or "").strip().removeprefix("+"))


def normalise_caller(raw: str, default_country: str | None = None) -> str:
    """The same for a calling number, where the many words for a withheld one become empty."""
    number = normalise(raw, default_country)
    if number.lower() in WITHHELD or number in WITHHELD_BY_KEYPAD or number.lower().startswith("anonymous@"):
        return ""
    return number if any(char.isalnum() for char in number) else ""


def _clean(raw: str) -> str:
    """No control characters, one form per digit, no outer blanks."""
    text = "".join(_plain(char) for char in unicodedata.normalize("NFKC", raw[: 4 * MAX_NUMBER_CHARS]))
    return text[:MAX_NUMBER_CHARS].strip()


def _plain(char: str) -> str:
    if unicodedata.category(char) in ("Cc", "Cs", "Cn"):
        return ""
    return str(unicodedata.decimal(char)) if char.isdecimal() else char


def _user_part(text: str) -> str:
    """What a SIP or tel address calls the user, until nothing more can be taken off."""
    while True:
        shorter = _unwrap(text)
        if shorter == text:
            return text
        text = shorter


def _unwrap(text: str) -> str:
    if (start := text.rfind("<")) >= 0 and (end := text.find(">", start)) > 0 and _is_address(text[start + 1 : end]):
        text = text[start + 1 : end]  # "Display name" <sip:user@host>
    uri = _URI.match(text)
    rest = text[uri.end() :] if uri else text
    if not uri and "@" not in rest:
        return text.strip()
    user = rest.partition("@")[0].partition(";")[0].partition("?")[0]
    return _clean(unquote(user.partition(":")[0]))  # no password (RFC 3261 section 19.1.1), no port


def _is_address(text: str) -> bool:
    return bool(_URI.match(text)) or "@" in text


def _international(dialled: str, country: str) -> str:
    """Digits, perhaps with a plus, ``*`` or ``#``, in E.164 where that can be known."""
    if dialled.startswith("+"):
        digits = dialled[1:]
        return _with_plus(digits.removeprefix("00") if digits.startswith("00") else digits, dialled)
    if not dialled.isdigit() or len(dialled) <= MAX_EXTENSION_DIGITS:
        return dialled
    plan = PLANS.get(country, ANY_PLAN)
    for prefix in ("00", plan.international) if country else ("00",):
        if dialled.startswith(prefix) and len(dialled) > len(prefix) + MAX_EXTENSION_DIGITS:
            return _with_plus(dialled[len(prefix) :], dialled)
    return _national(dialled, country, plan) if country else _unmarked(dialled)


def _national(dialled: str, country: str, plan: Plan) -> str:
    """A number on a line of a known country: national first, as that is how such a line writes."""
    with_trunk = plan.trunk and dialled.startswith(plan.trunk)
    if with_trunk and plan.shortest <= len(dialled) - len(plan.trunk) <= plan.longest:
        return _with_plus(country + dialled[len(plan.trunk) :], dialled)
    fits = plan.shortest <= len(dialled) <= plan.longest
    has_code = dialled.startswith(country) and plan.shortest <= len(dialled) - len(country) <= plan.longest
    if has_code and (not fits or len(dialled) >= MIN_INTERNATIONAL_DIGITS):
        return _with_plus(dialled, dialled)
    if fits and not with_trunk:
        return _with_plus(country + dialled, dialled)
    return _unmarked(dialled)


def _unmarked(dialled: str) -> str:
    if len(dialled) >= MIN_INTERNATIONAL_DIGITS and dialled[0] != "0":
        return _with_plus(dialled, dialled)
    return dialled


def _with_plus(digits: str, otherwise: str) -> str:
    return f"+{digits}" if 0 < len(digits) <= MAX_E164_DIGITS and digits.isdigit() and digits[0] != "0" else otherwise


# --- which settings rule a call ------------------------------------------------------------------------------------
CATCH_ALL = "*"


def normalise_pattern(raw: str, default_country: str | None = None) -> str:
    """The same for a key under `numbers`: a number, a prefix that ends in ``*``, or ``*`` alone."""
    text = raw.strip()
    if not text.endswith(CATCH_ALL) or len(text) < 2 or text.startswith("*"):
        return normalise(text, default_country) if text != CATCH_ALL else CATCH_ALL
    return _prefix(text[:-1], (default_country or "").strip().removeprefix("+")) + CATCH_ALL


def _prefix(raw: str, country: str) -> str:
    """Beginnings have no length to judge by: only a plus, 00, a trunk prefix and more digits than an extension tell."""
    text = _user_part(_clean(raw))
    bare = _SEPARATORS.sub("", text)
    if not bare.removeprefix("+").isdigit():
        return text
    if bare.startswith("00"):
        return "+" + bare[2:]
    trunk = PLANS.get(country, ANY_PLAN).trunk
    if country and trunk == "0" and bare.startswith(trunk):
        return f"+{country}{bare[len(trunk) :]}"
    return "+" + bare if len(bare) > MAX_EXTENSION_DIGITS and bare[0] not in "+0" else bare


class NumberTable(Generic[T]):
    """Finds what stands under a called number: the number itself, else its longest prefix, else the catch-all.

    Args:
        entries: By keys that `normalise_pattern` has made.
    """

    def __init__(self, entries: Mapping[str, T]) -> None:
        self._exact = {key: value for key, value in entries.items() if not _is_prefix(key)}
        self._prefixes = {key[:-1]: value for key, value in entries.items() if _is_prefix(key)}
        self._lengths = _longest_first({len(prefix) for prefix in self._prefixes})

    def find(self, called: str) -> T | None:
        """Look up a normalised number; None when nothing matches, not even a catch-all."""
        if (exact := self._exact.get(called)) is not None:
            return exact
        prefixes = (called[:length] for length in self._lengths if length <= len(called))
        return next((self._prefixes[prefix] for prefix in prefixes if prefix in self._prefixes), None)


def _is_prefix(key: str) -> bool:
    return key == CATCH_ALL or (key.endswith(CATCH_ALL) and not key.startswith(CATCH_ALL))


def _longest_first(lengths: Collection[int]) -> tuple[int, ...]:
    return tuple(sorted(lengths, reverse=True))
