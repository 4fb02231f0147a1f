"""When a failed job is tried again. Pure."""

from __future__ import annotations

import datetime
import hashlib

from config.jobs import RetrySection

SPREAD = 0.2
"""Part of a pause by which jobs that failed together are spread, so that they do not return together."""


def next_attempt(
    rules: RetrySection,
    *,
    key: str,
    attempts: int,
    first_due_at: datetime.datetime,
    now: datetime.datetime,
    asked: float | None = None,
) -> datetime.datetime | None:
    """When to try again; None: give up.

    The pause doubles with each attempt, up to the longest, and is longer by up to a fifth, by the job's key. The last
    attempt is made when the time is up, so that no long pause shortens it.

    Args:
        attempts: How often it was tried, at least once.
        first_due_at: When it was due for the first time, or an operator asked for it again.
        asked: Seconds the other side asks to be left alone.
    """
    until = first_due_at + datetime.timedelta(seconds=rules.give_up_after)
    if now >= until:
        return None
    doubled = rules.first * 2.0 ** min(attempts - 1, 40)
    pause = min(max(doubled, asked or 0.0), rules.longest) * (1 + SPREAD * _share(f"{key} {attempts}"))
    return min(now + datetime.timedelta(seconds=pause), until)


def _share(text: str) -> float:
    """A number from 0 to 1 that is the same for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32
