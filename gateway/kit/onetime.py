"""Tokens that let one peer in, once: handed out with an invitation, redeemed by the first message of the stream.

A token carries its own expiry and proof, so that any process with the same secret can check it; only the process that
redeemed it knows that it is spent.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from gateway.kit.signature import equal, hmac_hex

NONCE_BYTES = 9


class OneTimeTokens:
    """Issues and redeems tokens.

    Args:
        secret: Shared by the processes that redeem each other's tokens.
        now: The time of day in seconds since 1970; the same on every machine, give or take seconds.
        lifetime: Seconds between invitation and first message.
        max_spent: Redeemed tokens that are remembered until they expire. When full, no further token is accepted:
            refusing a call is better than letting one in twice.
    """

    def __init__(
        self, secret: bytes, now: Callable[[], float], lifetime: float = 120.0, max_spent: int = 10_000
    ) -> None:
        self._secret = secret
        self._now = now
        self._lifetime = lifetime
        self._max_spent = max_spent
        self._spent: dict[str, int] = {}

    def issue(self, subject: str) -> str:
        """A new token, good for ``subject`` alone, such as a call's id."""
        expires = int(self._now() + self._lifetime)
        nonce = secrets.token_urlsafe(NONCE_BYTES)
        return f"{expires}.{nonce}.{self._proof(expires, nonce, subject)}"

    def redeem(self, token: str, subject: str) -> bool:
        """Whether the token is ours, for this subject, not expired and not spent; it is spent now."""
        expires_text, _, rest = token.partition(".")
        nonce, _, proof = rest.rpartition(".")
        if not (expires_text.isascii() and expires_text.isdigit() and len(expires_text) <= 12):
            return False
        expires = int(expires_text)
        self._forget_expired()
        if expires < self._now() or not equal(self._proof(expires, nonce, subject), proof):
            return False
        if nonce in self._spent or len(self._spent) >= self._max_spent:
            return False
        self._spent[nonce] = expires
        return True

    def _proof(self, expires: int, nonce: str, subject: str) -> str:
        return hmac_hex(self._secret, f"{expires}\n{nonce}\n{subject}")[:32]

    def _forget_expired(self) -> None:
        now = self._now()
        for nonce, expires in list(self._spent.items()):
            if expires >= now:
                return  # in order of redemption, which is nearly that of expiry
            del self._spent[nonce]
