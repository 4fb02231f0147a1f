"""The Replaces header (RFC 3891): a call that is to take the place of another one. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.grammar import BLANKS, find_param, parse_params
from gateway.transports.sip.headers import Headers

NO_TAG = "0"
"""Stands for the tag of a peer that has none, as those before RFC 3261 (RFC 3891 section 6.1)."""
_CALL_ID = re.compile(r"[^\s;,\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Replaces:
    """Names a dialog as somebody else sees it.

    Attributes:
        call_id: Its Call-ID.
        to_tag: The tag of whoever gets this header.
        from_tag: The tag of who is to be replaced.
        is_early_only: Only a call that nobody has answered yet is meant.
    """

    call_id: str
    to_tag: str
    from_tag: str
    is_early_only: bool = False

    def __str__(self) -> str:
        early = ";early-only" if self.is_early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"


def replaces_of(headers: Headers) -> Replaces | None:
    """What a request is to replace; None when it is to replace nothing.

    Raises:
        SipParseError: with status 400 for one that cannot be read, or that is there twice, or beside a Join (RFC 3911).
    """
    fields = headers.fields("Replaces")
    if not fields:
        return None
    if len(fields) > 1 or "Join" in headers:
        raise SipParseError("more than one call is to be replaced or joined", status=400)
    return parse_replaces(fields[0])


def parse_replaces(text: str) -> Replaces:
    """Read a value: ``Call-ID;to-tag=a;from-tag=b``, the parameters in any order, with ``early-only`` or without.

    Raises:
        SipParseError: with status 400, for anything else.
    """
    call_id, _, rest = text.strip(BLANKS).partition(";")
    call_id = call_id.rstrip(BLANKS)
    if not _CALL_ID.fullmatch(call_id):
        raise SipParseError("a Replaces without a Call-ID", status=400)
    params = parse_params(rest)
    names = [name.lower() for name, _ in params]
    if names.count("to-tag") != 1 or names.count("from-tag") != 1:
        raise SipParseError("a Replaces without its two tags", status=400)
    to_tag, from_tag = find_param(params, "to-tag"), find_param(params, "from-tag")
    if not to_tag or not from_tag:
        raise SipParseError("a Replaces with an empty tag", status=400)
    return Replaces(call_id, to_tag, from_tag, "early-only" in names)
