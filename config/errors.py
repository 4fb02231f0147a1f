"""The root of the project's errors, in the bottom room so that every room can derive from it.

The whole tree is drawn in `gateway.errors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class GatewayError(Exception):
    """Anything the gateway expects can go wrong. What is not a GatewayError is a bug."""


class ConfigError(GatewayError):
    """The configuration cannot be used. Raised only while loading, never during a call.

    Args:
        reason: One sentence that says what is wrong and, where possible, the nearest valid spelling.
        file: The file it stands in, where known.
        line: Line in that file, counted from 1, where known.
        field: Dotted path of the key, such as ``numbers.+33123456789.no_input.timeout``.
    """

    def __init__(
        self, reason: str, *, file: Path | str | None = None, line: int | None = None, field: str | None = None
    ) -> None:
        self.reason = reason
        self.file = str(file) if file is not None else None
        self.line = line
        self.field = field
        place = ":".join(str(part) for part in (self.file, line) if part is not None)
        super().__init__(": ".join(part for part in (place, field, reason) if part))

    @property
    def problems(self) -> tuple[ConfigError, ...]:
        """Every single problem: this one."""
        return (self,)


class ConfigErrors(ConfigError):
    """All problems of a configuration at once; reads as one line for each.

    Args:
        problems: At least one, in the order of files and lines.
    """

    def __init__(self, problems: Sequence[ConfigError]) -> None:
        first = problems[0]
        super().__init__(first.reason, file=first.file, line=first.line, field=first.field)
        self._problems = tuple(problems)
        self.args = ("\n".join(str(problem) for problem in problems),)

    @property
    def problems(self) -> tuple[ConfigError, ...]:
        """Every single problem, in the order of files and lines."""
        return self._problems
