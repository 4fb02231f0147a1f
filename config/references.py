"""Names that settings of a number use, and whether anything has them. Errors, so `loading` reports them too."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from config.call import NumberSettings
from config.nearest import hint
from config.targets import is_allowed, is_pattern


@dataclass(frozen=True, slots=True)
class Finding:
    """Something `talkpath check` says.

    Attributes:
        severity: With an error, a configuration is refused.
        path: The keys that lead to the setting.
        text: One sentence, which reads on after the setting's name.
        file, line: Where it is written, where known.
    """

    severity: Literal["error", "warning"]
    path: tuple[str | int, ...]
    text: str
    file: str | None = None
    line: int | None = None

    @property
    def field(self) -> str:
        """The dotted path."""
        return ".".join(str(part) for part in self.path)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file else ""
        return f"{place}{self.severity}: {self.field}: {self.text}"


def check_number(number: NumberSettings, bots: Collection[str], speech: Collection[str]) -> Iterator[Finding]:
    """Errors in what a number refers to.

    Args:
        bots: Names under `bots`.
        speech: Names under `speech`, and `local`.
    """
    path = ("numbers", number.number)
    if number.bot not in bots:
        yield Finding("error", (*path, "bot"), f"there is no bot {number.bot!r}{hint(number.bot, bots)}")
    for keys, vendor in _vendors(number):
        if vendor not in speech:
            near = hint(vendor, speech)
            yield Finding("error", (*path, *keys), f"nothing under `speech` is called {vendor!r}{near}")
    yield from _targets(number, path)


def _vendors(number: NumberSettings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield ("recognizer", "vendor"), number.recognizer.vendor
    yield ("synthesizer", "vendor"), number.synthesizer.vendor
    for index, voice in enumerate(number.synthesizer.fallback):
        yield ("synthesizer", "fallback", index, "vendor"), voice.vendor
    for name, vendor in number.follow.vendors.items():
        yield ("follow", "vendors", name), vendor


def _targets(number: NumberSettings, path: tuple[str, ...]) -> Iterator[Finding]:
    for index, pattern in enumerate(number.transfer.allow):
        if not is_pattern(pattern):
            sentence = f"{pattern!r} matches nothing; write a prefix such as +33, an extension, or sip:*@host"
            yield Finding("error", (*path, "transfer", "allow", index), sentence)
    target = number.fallback.transfer
    if target is not None and not is_allowed(target, number.transfer.allow):
        allowed = ", ".join(number.transfer.allow) or "nothing"
        sentence = f"{target!r} is not matched by `transfer.allow`, which has {allowed}"
        yield Finding("error", (*path, "fallback", "transfer"), sentence)
