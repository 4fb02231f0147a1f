"""Who calls whom, read from an INVITE; `config.lines` makes numbers of it.

Nothing here raises: an odd header is one that says nothing. Sources: RFC 3325 (P-Asserted-Identity), RFC 3323
(Privacy), RFC 7315 section 4.2 (P-Called-Party-ID), RFC 5806 (Diversion), RFC 7044 (History-Info), RFC 7433
(User-to-User), draft-ietf-sip-privacy-04 (Remote-Party-ID), all as PBXs write them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.grammar import BLANKS
from gateway.transports.sip.message import Headers, SipRequest
from gateway.transports.sip.uri import SIP_SCHEMES, NameAddress, SipUri, parse_name_address

MAX_CUSTOM_HEADERS = 64
MAX_VALUE_CHARS = 1024
MAX_ADDRESSES = 16

PRIVATE = frozenset({"id", "user", "header", "full"})
"""Words of Privacy by which a caller asks to be withheld (RFC 3323 section 4.2, RFC 3325 section 9.3; ``full`` is seen
from PBXs that know Remote-Party-ID)."""
ANONYMOUS_HOST = "anonymous.invalid"  # RFC 3323 section 4.1.1.3
ANONYMOUS_USERS = frozenset({"anonymous", "unavailable", "restricted", "unknown", "private"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallData:
    """What an INVITE says about its call, numbers as the line wrote them.

    Attributes:
        caller: User part or telephone number; empty when withheld or unknown.
        called: The number that was dialled, as far as the INVITE tells; empty when it does not.
        display_name: The caller's; empty when withheld.
        is_private: The caller asked to be withheld.
        is_asserted: The caller comes from the network (P-Asserted-Identity), not from the caller's own telephone.
        diverted_by: The numbers that passed the call on, the last one first.
        account: Of ours, that the call came to; empty on trunks.
        custom: Every ``X-`` header, and User-to-User, by its name as written. At most 64, at most 1,024 characters.
    """

    caller: str = ""
    called: str = ""
    display_name: str = ""
    is_private: bool = False
    is_asserted: bool = False
    diverted_by: tuple[str, ...] = ()
    account: str = ""
    custom: dict[str, str] = field(default_factory=dict)

    def fields(self) -> dict[str, str]:
        """The same as names and values, as `LineSection.identity` reads them.

        The ``X-`` headers come first, so that a line may take a number from one of them by name.
        """
        named = {"from": self.caller, "to": self.called}
        if self.diverted_by:
            named["diverted_by"] = self.diverted_by[0]
        if self.account:
            named["account"] = self.account
        return {**self.custom, **named}


def read_call_data(
    invite: SipRequest, *, is_trusted: bool, accounts: Collection[str] = (), account: str = ""
) -> CallData:
    """Read an INVITE.

    Args:
        is_trusted: The peer is a PBX or carrier of ours, whose assertions count. Any telephone can write them.
        accounts: User parts under which we are registered: they name us, not the number that was dialled.
        account: The address of the one that the call came to; empty where it came to none, or that is not known.
    """
    diverted_by = _diversions(invite.headers)
    caller, is_asserted = _caller(invite, is_trusted=is_trusted)
    is_private = _is_private(invite, caller)
    return CallData(
        caller="" if is_private else number_of(caller.uri),
        called=_called(invite, diverted_by, accounts, account),
        display_name="" if is_private else clean(caller.display),
        is_private=is_private,
        is_asserted=is_asserted,
        diverted_by=diverted_by,
        account=account,
        custom=_custom(invite.headers),
    )


def number_of(uri: SipUri) -> str:
    """The user part without its own parameters (``;phone-context=``, ``;isub=``); empty for other kinds of URI."""
    if uri.scheme != "tel" and uri.scheme not in SIP_SCHEMES:
        return ""
    return clean(uri.username.partition(";")[0])


def clean(text: str) -> str:
    """Text that can be logged and sent on: printable, of bounded length, no half characters."""
    whole = text[: 4 * MAX_VALUE_CHARS].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(char if char.isprintable() else " " for char in whole)[:MAX_VALUE_CHARS].strip()


# --- who calls -----------------------------------------------------------------------------------------------------
def _caller(invite: SipRequest, *, is_trusted: bool) -> tuple[NameAddress, bool]:
    """The best name there is for the caller, and whether the network vouches for it."""
    if is_trusted:
        asserted = _addresses(invite.headers, "P-Asserted-Identity")
        party = [other for other in _addresses(invite.headers, "Remote-Party-ID") if _is_calling(other)]
        named = [address for address in asserted + party if number_of(address.uri)]
        if named:
            return _with_display(named[0], asserted + party), True
    return invite.from_, False


def _with_display(address: NameAddress, others: list[NameAddress]) -> NameAddress:
    """Of two asserted identities, a SIP one and a number, the name may stand with either."""
    name = address.display or next((other.display for other in others if other.display), "")
    return NameAddress(name, address.uri, address.params)


def _is_calling(address: NameAddress) -> bool:
    return (address.param("party") or "calling").lower() == "calling"


def _is_private(invite: SipRequest, caller: NameAddress) -> bool:
    words = {word.strip(BLANKS).lower() for value in invite.headers.fields("Privacy") for word in value.split(";")}
    if words & PRIVATE:
        return True
    if (caller.param("privacy") or "off").lower() not in ("off", "name", "none"):
        return True
    return caller.uri.host == ANONYMOUS_HOST or caller.uri.username.lower() in ANONYMOUS_USERS


# --- who is called -------------------------------------------------------------------------------------------------
def _called(invite: SipRequest, diverted_by: tuple[str, ...], accounts: Collection[str], account: str) -> str:
    """The number that was dialled.

    The Request-URI is where the call was sent last, and on a registered account that is the account. Then the number is
    what the registrar replaced (P-Called-Party-ID), what the caller's side wrote (To), or what passed the call on.
    Another account of ours is a number like any where the registrar itself names it; in To it is where the call was
    before.
    """
    ours = {other.lower() for other in accounts}
    own = {_user_of(account).lower()} if account else ours
    named = [number_of(address.uri) for address in _addresses(invite.headers, "P-Called-Party-ID")]
    named = [number for number in (*named, number_of(invite.uri)) if number.lower() not in own]
    written = [number for number in (number_of(invite.to.uri), *diverted_by) if number.lower() not in ours]
    return next(filter(None, (*named, *written)), number_of(invite.uri))


def _user_of(account: str) -> str:
    return number_of(parse_name_address(account).uri)


def _diversions(headers: Headers) -> tuple[str, ...]:
    """Numbers that passed the call on, the last one first, which is the order of Diversion and not of History-Info."""
    numbers = [number_of(address.uri) for address in _addresses(headers, "Diversion")]
    if not numbers:
        history = [address for address in _addresses(headers, "History-Info") if address.uri.header("Reason")]
        numbers = [number_of(address.uri) for address in reversed(history)]
    return tuple(number for number in numbers if number)


def _addresses(headers: Headers, name: str) -> list[NameAddress]:
    """The values of a header that can be read."""
    addresses = []
    for value in headers.all(name)[:MAX_ADDRESSES]:
        try:
            addresses.append(parse_name_address(value))
        except SipParseError:
            continue
    return addresses


def _custom(headers: Headers) -> dict[str, str]:
    """A header that is there more than once counts as written first."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for name, value in headers.items():
        key = name.lower()
        if (key.startswith("x-") or key == "user-to-user") and key not in seen and len(found) < MAX_CUSTOM_HEADERS:
            seen.add(key)
            found[name] = clean(value)
    return found
