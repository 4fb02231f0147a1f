"""Names and paths that settings refer to, and whether they hold. All errors, so `loading` reports them as well."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from config.call import NumberSettings
from config.lines import LineSection
from config.nearest import hint
from config.targets import is_allowed, is_pattern

RESERVED_PATHS = ("/api", "/metrics", "/health")
"""Paths of the shared port that no line may take; `/` is the console's."""


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


def check_lines(lines: Mapping[str, LineSection]) -> Iterator[Finding]:
    """Errors in the paths and sockets of lines: each line has its own, and none takes one of the gateway's."""
    taken: dict[str, str] = {}
    for name, line in lines.items():
        if line.path is None:
            continue
        where = ("lines", name, "path")
        if line.path == "/" or any(line.path == path or line.path.startswith(path + "/") for path in RESERVED_PATHS):
            yield Finding("error", where, f"{line.path} is the gateway's own; take one such as /media/{name}")
        elif line.path in taken:
            yield Finding("error", where, f"{line.path} is the path of the line {taken[line.path]!r} already")
        taken.setdefault(line.path, name)
    sockets: dict[str, str] = {}
    for name, line in lines.items():
        for socket in line.listens:
            if sockets.setdefault(socket, name) != name:
                text = f"{socket} is a socket of the line {sockets[socket]!r} already"
                yield Finding("error", ("lines", name, "listen"), text)


def check_number(
    number: NumberSettings, bots: Collection[str], speech: Collection[str], hooks: Collection[str] = ()
) -> Iterator[Finding]:
    """Errors in what a number refers to.

    Args:
        bots: Names under `bots`.
        speech: Names under `speech`, and `local`.
        hooks: Names under `hooks`.
    """
    path = ("numbers", number.number)
    if number.bot not in bots:
        yield Finding("error", (*path, "bot"), f"there is no bot {number.bot!r}{hint(number.bot, bots)}")
    for keys, vendor in _vendors(number):
        if vendor not in speech:
            near = hint(vendor, speech)
            yield Finding("error", (*path, *keys), f"nothing under `speech` is called {vendor!r}{near}")
    yield from _targets(number, path)
    if number.links == "hook" and number.link_hook is None:
        yield Finding("error", (*path, "links"), "is hook, and `link_hook` does not say which")
    if number.link_hook is not None and number.link_hook not in hooks:
        near = hint(number.link_hook, hooks)
        yield Finding("error", (*path, "link_hook"), f"nothing under `hooks` is called {number.link_hook!r}{near}")

    yield from _answering(number, hooks, path)


def _answering(number: NumberSettings, hooks: Collection[str], path: tuple[str, ...]) -> Iterator[Finding]:
    rule, where = number.answer_when, (*path, "answer_when")
    if rule.mode == "outside_hours" and not number.hours.is_known:
        yield Finding("error", (*where, "mode"), "is outside_hours, and `hours.weekly` does not say when that is")
    if rule.mode == "nobody_free" and rule.hook is None:
        yield Finding("error", (*where, "mode"), "is nobody_free, and `answer_when.hook` does not say who knows")
    if rule.hook is not None and rule.hook not in hooks:
        near = hint(rule.hook, hooks)
        yield Finding("error", (*where, "hook"), f"nothing under `hooks` is called {rule.hook!r}{near}")
    if rule.people is not None and not is_allowed(rule.people, number.transfer.allow):
        allowed = ", ".join(number.transfer.allow) or "nothing"
        sentence = f"{rule.people!r} is not matched by `transfer.allow`, which has {allowed}"
        yield Finding("error", (*where, "people"), sentence)


def _vendors(number: NumberSettings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield ("recognizer", "vendor"), number.recognizer.vendor
    for index, recognizer in enumerate(number.recognizer.fallback):
        yield ("recognizer", "fallback", index, "vendor"), recognizer.vendor
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
