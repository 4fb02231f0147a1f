"""A login made from the API token, for people with a browser: a cookie that reads, and changes nothing."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

LASTS = 12 * 3600  # s
COOKIE = "talkpath"
MAX_COOKIE = 4096  # bytes of the header that are looked at


@dataclass(frozen=True, slots=True)
class Login:
    """Makes and checks logins. They outlive a restart, and end with the token.

    Args:
        token: The API token.
        now: Seconds since the epoch.
    """

    token: str
    now: Callable[[], float] = time.time

    def cookie(self, *, secure: bool, path: str = "/") -> str:
        """A `Set-Cookie` header that logs in."""
        value = self._value(int(self.now()) + LASTS)
        return _header(value, LASTS, secure=secure, path=path)

    def is_open(self, cookies: str) -> bool:
        """Whether a `Cookie` header has a login that is not over."""
        try:
            found = SimpleCookie(cookies[:MAX_COOKIE]).get(COOKIE)
        except CookieError:
            return False
        given = "" if found is None else found.value
        expires = given.partition(".")[0]
        if not (expires.isascii() and expires.isdigit() and len(expires) < 16):
            return False
        return hmac.compare_digest(given.encode(), self._value(int(expires)).encode()) and int(expires) > self.now()

    def _value(self, expires: int) -> str:
        seal = hmac.new(self.token.encode(), f"talkpath login {expires}".encode(), hashlib.sha256)
        return f"{expires}.{seal.hexdigest()}"


def logout(*, secure: bool, path: str = "/") -> str:
    """A `Set-Cookie` header that logs out."""
    return _header("", 0, secure=secure, path=path)


def _header(value: str, lasts: int, *, secure: bool, path: str) -> str:
    attributes = [f"{COOKIE}={value}", f"Max-Age={lasts}", f"Path={path}", "HttpOnly", "SameSite=Strict"]
    return "; ".join([*attributes, "Secure"] if secure else attributes)
