"""Keys for SRTP within a session description: ``a=crypto`` (RFC 4568), read, written, made. `srtp` uses them.

The keys stand in the description itself, so they are as secret as the signalling that carries it.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_LINES = 16
"""Of one offer that are looked at."""
MAX_LIFETIME = 1 << 48  # packets, RFC 3711 section 9.2
LEAST_WINDOW = 64  # RFC 3711 section 3.3.2

_TAG = re.compile(r"[1-9][0-9]{0,8}")
_LIFETIME = re.compile(r"(2\^)?([0-9]{1,15})")
_MKI = re.compile(r"([0-9]{1,310}):([0-9]{1,3})")
_WINDOW = re.compile(r"WSH=([0-9]{2,5})")


class SdesError(ValueError):
    """A line that cannot be used; the text says why, and never holds a key."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A crypto suite.

    Attributes:
        key_bytes: Of master key and salt together.
        rtp_tag, rtcp_tag: Bytes of authentication behind the MKI; 0 where it is a part of the payload (RFC 7714).
    """

    name: str
    key_bytes: int
    rtp_tag: int
    rtcp_tag: int


_ALL = (
    Suite("AES_CM_128_HMAC_SHA1_80", 30, 10, 10),  # RFC 4568 section 6.2.1
    Suite("AEAD_AES_256_GCM", 44, 0, 0),  # RFC 7714 section 14.2
    Suite("AEAD_AES_128_GCM", 28, 0, 0),
    Suite("AES_CM_128_HMAC_SHA1_32", 30, 4, 10),  # RFC 4568 section 6.2.2
)
SUITES = {suite.name: suite for suite in _ALL}
"""What can be used, in the order of our own offers. Not AES_256_CM: pylibsrtp has no profile for it."""
OFFERED_SUITES = tuple(name for name in SUITES if not name.endswith("_32"))
"""What we offer ourselves: a tag of four bytes is forged too easily to be asked for."""


@dataclass(frozen=True, slots=True)
class Crypto:
    """A key for one direction.

    Attributes:
        tag: By which an answer names the line of the offer that it has chosen.
        key: Master key and salt.
        lifetime: Packets after which whoever sends with it changes it; None: the most there may be.
        mki_bytes: Of the key's name in each packet; 0: it is in none.
    """

    tag: str
    suite: str
    key: bytes = field(repr=False)
    lifetime: int | None = None
    mki_bytes: int = 0

    def __str__(self) -> str:
        """As in ``a=crypto``; we never name our keys in packets, nor do we change them by count."""
        return f"{self.tag} {self.suite} inline:{base64.b64encode(self.key).decode('ascii')}"


def parse_crypto(value: str) -> Crypto:
    """Read the value of ``a=crypto``.

    Raises:
        SdesError: when it is malformed, or asks for what cannot be done.
    """
    words = value.split()
    if len(words) < 3 or not _TAG.fullmatch(words[0]):
        raise SdesError("a crypto line without tag, suite and key")
    tag, name, parameters, *session = words
    suite = SUITES.get(name.upper())
    if suite is None:
        raise SdesError(f"the suite {_shown(name)} is unknown")
    for parameter in session:
        _check_session_parameter(parameter)
    if ";" in parameters:
        raise SdesError("more than one key in a line")
    method, _, info = parameters.partition(":")
    if method.lower() != "inline":
        raise SdesError(f"keys by {_shown(method)} are unknown")
    written, *rest = info.split("|")
    lifetime, mki_bytes = _read_rest(rest)
    return Crypto(tag, suite.name, _read_key(written, suite), lifetime, mki_bytes)


def fresh(suite: str, tag: str) -> Crypto:
    """A key that nobody has."""
    return Crypto(tag, suite, secrets.token_bytes(SUITES[suite].key_bytes))


class OwnKeys:
    """Our keys in one call.

    They stay as long as the peer keeps its own, so that the same offer gets the same answer. When it changes, ours is
    fresh, too: both sides then count packets anew, and nobody has to know how often the other's counter went round.
    """

    def __init__(self, make: Callable[[str, str], Crypto] = fresh) -> None:
        self._make = make
        self._theirs: Crypto | None = None
        self._ours: tuple[Crypto, ...] = ()

    def for_answer(self, theirs: Crypto) -> Crypto:
        """The key to answer a line of theirs with."""
        found = self.matching(theirs)
        if found is None or theirs != self._theirs:
            found = self._make(theirs.suite, theirs.tag)
            self._ours = (found,)
        self._theirs = theirs
        return found

    def for_offer(self) -> tuple[Crypto, ...]:
        """Those to offer, a line for each suite; once something was agreed on, that alone."""
        if not self._ours:
            self._ours = tuple(self._make(suite, str(tag)) for tag, suite in enumerate(OFFERED_SUITES, 1))
        return self._ours

    def answered(self, theirs: Crypto) -> None:
        """They have chosen one of those we offered."""
        found = self.matching(theirs)
        self._theirs = theirs
        self._ours = (found,) if found is not None else self._ours

    def matching(self, theirs: Crypto) -> Crypto | None:
        """Ours that belongs to a line of theirs."""
        return next((our for our in self._ours if (our.tag, our.suite) == (theirs.tag, theirs.suite)), None)


def _check_session_parameter(parameter: str) -> None:
    """RFC 4568 section 6.3: what is unknown and not marked as dispensable forbids the line. A window is a hint."""
    if parameter.startswith("-"):
        return
    window = _WINDOW.fullmatch(parameter.upper())
    if window is None or int(window[1]) < LEAST_WINDOW:
        raise SdesError(f"the session parameter {_shown(parameter.partition('=')[0])} cannot be met")


def _read_key(written: str, suite: Suite) -> bytes:
    """Base64, of which some peers leave out the padding."""
    try:
        key = base64.b64decode(written.rstrip("=") + "=" * (-len(written.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SdesError("a key that is no base64") from None
    if len(key) != suite.key_bytes:
        raise SdesError(f"a key of {len(key)} bytes, where {suite.name} has {suite.key_bytes}")
    return key


def _read_rest(parts: list[str]) -> tuple[int | None, int]:
    """Lifetime and MKI, each of which may be missing."""
    lifetime: int | None = None
    if parts and (found := _LIFETIME.fullmatch(parts[0])) is not None:
        number = int(found[2])
        lifetime = (1 << number if number <= 48 else 0) if found[1] else number
        if not 0 < lifetime <= MAX_LIFETIME:
            raise SdesError("a lifetime out of bounds")
        parts = parts[1:]
    if not parts:
        return lifetime, 0
    mki = _MKI.fullmatch(parts[0])
    if len(parts) > 1 or mki is None:
        raise SdesError("something behind a key that is neither lifetime nor MKI")
    value, length = int(mki[1]), int(mki[2])
    if not 1 <= length <= 128 or value >> (8 * length):
        raise SdesError("an MKI out of bounds")
    return lifetime, length


def _shown(word: str) -> str:
    """A word of the peer's, for the log."""
    return word[:40] if word.isascii() and word.isprintable() else "?"
