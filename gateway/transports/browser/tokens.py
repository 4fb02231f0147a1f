"""Tokens for calls from a page: each is good for one call, to one number, within a minute.

Whoever may read the console gets one and hands it to his page, which shows it when it calls. What it is for stands in
the token itself, sealed; only that it is spent is remembered.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from gateway.kit.onetime import OneTimeTokens

LASTS = 60.0
"""Seconds from the click to the call."""
MAX_TOKEN = 2048
"""Characters; numbers are far shorter."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a token stands for: who calls whom, as the operator wrote it."""

    called: str
    caller: str = ""


class Invitations:
    """Makes tokens and takes them back.

    Args:
        now: The time of day in seconds since 1970.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._tokens = OneTimeTokens(secrets.token_bytes(32), now, lifetime=LASTS)

    def issue(self, invitation: Invitation) -> str:
        """A new token; letters, digits, and signs that a bearer token may have (RFC 6750 section 2.1)."""
        written = json.dumps([invitation.called, invitation.caller], separators=(",", ":")).encode()
        subject = base64.urlsafe_b64encode(written).decode().rstrip("=")
        return f"{subject}~{self._tokens.issue(subject)}"

    def redeem(self, token: str) -> Invitation | None:
        """What it stands for; None where it is not ours, expired or spent. It is spent now."""
        subject, _, proof = token.partition("~")
        if len(token) > MAX_TOKEN or not token.isascii() or not self._tokens.redeem(proof, subject):
            return None
        return _read(subject)


def _read(subject: str) -> Invitation | None:
    """Never None for what was sealed by us."""
    try:
        called, caller = json.loads(base64.urlsafe_b64decode(subject + "=" * (-len(subject) % 4)))
    except (binascii.Error, ValueError):
        return None
    return Invitation(called, caller)
