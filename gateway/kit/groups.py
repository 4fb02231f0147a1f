"""What went wrong first, when a group of tasks failed."""

from __future__ import annotations

from typing import TypeVar

ErrorT = TypeVar("ErrorT", bound=BaseException)


def first_of(group: BaseExceptionGroup[ErrorT]) -> ErrorT:
    """The error itself, from however many groups around it: the others are mostly its consequences."""
    error = group.exceptions[0]
    return first_of(error) if isinstance(error, BaseExceptionGroup) else error
