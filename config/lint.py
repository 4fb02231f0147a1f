"""What `talkpath check` says about a configuration that can be loaded: references that lead nowhere, contradictions,
and what leaves callers or operators worse off than they expect. Opens no socket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from config.call import NumberSettings
from config.contradictions import RULES, Abilities, Subject
from config.references import Finding, check_lines, check_number
from config.settings import Settings
from config.speech import engine_of

LOCAL = "local"


def lint(
    settings: Settings,
    abilities: Abilities | None = None,
    also: Callable[[NumberSettings], Iterable[Finding]] = lambda number: (),
) -> list[Finding]:
    """Examine a configuration.

    Args:
        abilities: What the plug-ins can do, where known.
        also: What is found in a number by somebody who knows more of the plug-ins.
    Returns:
        Errors first, then warnings; what several numbers inherit from one place is said once.
    """
    known = abilities or Abilities()
    findings = [*_server(settings), *_lines(settings), *_unused(settings), *check_lines(settings.lines)]
    for number in settings.numbers.values():
        findings += check_number(number, settings.bots, {*settings.speech, LOCAL}, settings.hooks)
        findings += _contradictions(settings, number, known)
        findings += _fallback_transfer(settings, number)
        findings += _attended_transfer(settings, number)
        findings += also(number)
    placed = _once(_placed(settings, finding) for finding in findings)
    return sorted(placed, key=lambda finding: finding.severity != "error")


def _contradictions(settings: Settings, number: NumberSettings, abilities: Abilities) -> Iterator[Finding]:
    name = number.recognizer.vendor
    entry = settings.speech.get(name)
    subject = Subject(number, engine_of(name, entry) if entry else name, abilities)
    for rule in RULES:
        for keys, text in rule(subject):
            yield Finding("warning", ("numbers", number.number, *keys), text)


def _fallback_transfer(settings: Settings, number: NumberSettings) -> Iterator[Finding]:
    unable = [name for name, line in settings.lines.items() if not line.can_transfer]
    if number.fallback.transfer is not None and unable:
        sentence = f"cannot be done on {_names('line', unable)}: the call ends there, and the PBX goes on"
        yield Finding("warning", ("numbers", number.number, "fallback", "transfer"), sentence)


def _attended_transfer(settings: Settings, number: NumberSettings) -> Iterator[Finding]:
    if number.transfer.kind != "attended":
        return
    lines = {name: line for name, line in settings.lines.items() if line.can_transfer}
    hindrances = [hindrance for line in lines.values() if (hindrance := line.attended_hindrance) is not None]
    for hindrance in dict.fromkeys(hindrances):
        names = [name for name, line in lines.items() if line.attended_hindrance == hindrance]
        sentence = f"cannot be `attended` on {_names('line', names)}: {hindrance}"
        yield Finding("warning", ("numbers", number.number, "transfer", "kind"), sentence)


def _server(settings: Settings) -> Iterator[Finding]:
    server = settings.server
    if server.api_token is None and not server.is_loopback:
        text = f"is not set while the port is open on {server.host}: API, metrics and console answer this machine only"
        yield Finding("warning", ("server", "api_token"), text)
    if settings.logging.pii:
        yield Finding("warning", ("logging", "pii"), "is on: numbers and what callers say appear in the logs")
    if not settings.numbers:
        yield Finding("warning", ("numbers",), "has no entry: every call is refused")
    if not settings.lines:
        yield Finding("warning", ("lines",), "has no entry: no call can come in")


def _lines(settings: Settings) -> Iterator[Finding]:
    server = settings.server
    for name, line in settings.lines.items():
        path = ("lines", name)
        if line.auth and line.auth.none and not server.is_loopback:
            yield Finding("warning", (*path, "auth"), f"is none: whoever reaches {server.host} may call")
        if line.auth and line.auth.twilio_signature and server.public_url is None:
            text = "signs the public address, and `server.public_url` is not set: the Host header is taken for it"
            yield Finding("warning", (*path, "auth", "twilio_signature"), text)
        for severity, key, text in line.faults(datetime.now(UTC)):
            yield Finding(severity, (*path, *key.split(".")), text)


def _unused(settings: Settings) -> Iterator[Finding]:
    numbers = settings.numbers.values()
    if not numbers:
        return
    bots = {number.bot for number in numbers}
    profiles = {number.profile for number in numbers}
    for block, names, used in (("bots", settings.bots, bots), ("profiles", settings.profiles, profiles)):
        for name in names:
            if name not in used:
                yield Finding("warning", (block, name), "is used by no number")
    if any(number.follow.speech == "all" for number in numbers):
        return  # a bot may name any vendor
    for name in settings.speech:
        if name != LOCAL and not any(name in _vendors(number) for number in numbers):
            yield Finding("warning", ("speech", name), "is used by no number, and no bot may choose it")


def _vendors(number: NumberSettings) -> set[str]:
    voices = {voice.vendor for voice in number.synthesizer.fallback}
    ears = {ear.vendor for ear in number.recognizer.fallback}
    return {number.recognizer.vendor, number.synthesizer.vendor, *voices, *ears}


def _placed(settings: Settings, finding: Finding) -> Finding:
    place = settings.origins.place(finding.path)
    return replace(finding, file=place.file, line=place.line) if place else finding


def _once(findings: Iterator[Finding]) -> Iterator[Finding]:
    """One setting that many numbers inherit is one finding."""
    said: set[object] = set()
    for finding in findings:
        keys = finding.path[2:] if finding.path[:1] == ("numbers",) else finding.path
        mark = (keys, finding.text, finding.file, finding.line) if finding.file else finding
        if mark not in said:
            said.add(mark)
            yield finding


def _names(word: str, names: list[str]) -> str:
    return f"the {word} {names[0]!r}" if len(names) == 1 else f"the {word}s {', '.join(map(repr, names))}"
