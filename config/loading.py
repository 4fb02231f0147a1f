"""From files to `Settings`: read, check, merge, and report all problems at once.

Pure but for reading files and the environment, so that a reload is another `load`: when that raises, the old
`Settings` are as they were.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from config import files
from config.base import Section
from config.bots import BotSection
from config.call import NumberSettings
from config.document import Document
from config.document import Path as KeyPath
from config.errors import ConfigErrors
from config.jobs import HookSection, JobsSection, MailSection
from config.lines import LineSection
from config.nearest import hint
from config.numbers import normalise_pattern
from config.origins import Layer, Origin, Origins, inherit
from config.plugins import PluginSections, not_installed
from config.problems import report
from config.prompts import PromptsSection
from config.references import check_lines, check_number
from config.server import LoggingSection, MediaSection, RecordsSection, ServerSection
from config.settings import NumberSection, ProfileSection, Settings
from config.speech import named_engine

LOCAL = "local"
S = TypeVar("S", bound=Section)


def load(path: Path | str, plugins: PluginSections, env: Mapping[str, str] | None = None) -> Settings:
    """Load a configuration.

    Args:
        path: A YAML file, or a folder of them.
        env: Variables for ``${NAME}``; unset: the process's own.
    Raises:
        ConfigErrors: With everything that is wrong, each with file, line, key and the nearest valid spelling.
    """
    document = files.read(path, os.environ if env is None else env)
    settings = _Builder(document, plugins).build()
    if document.problems or settings is None:
        raise ConfigErrors(sorted(document.problems, key=lambda p: (p.file or "", p.line or 0, p.field or "")))
    return settings


class _Builder:
    """Turns one document into settings; what is wrong goes to the document's problems."""

    def __init__(self, document: Document, plugins: PluginSections) -> None:
        self._document = document
        self._plugins = plugins
        self._country: str | None = None
        self._base = Layer("defaults", ("defaults",), {})
        self._layers: dict[str, Layer] = {}
        self._inherited: set[object] = set()  # problems that the next number inherits from the same line

    def build(self) -> Settings | None:
        self._check_blocks()
        server = self._section(ServerSection, ("server",))
        self._country = server.country if server else None
        parts: dict[str, Any] = {
            "server": server,
            "lines": dict(self._lines()),
            "bots": dict(self._bots()),
            "speech": dict(self._speech()),
            "prompts": self._section(PromptsSection, ("prompts",)),
            "defaults": self._defaults(),
            "profiles": dict(self._profiles()),
            "hooks": dict(self._hooks()),
            "jobs": self._section(JobsSection, ("jobs",)),
            "mail": self._mail(),
            "records": self._section(RecordsSection, ("records",)),
            "logging": self._section(LoggingSection, ("logging",)),
            "media": self._section(MediaSection, ("media",)),
        }
        numbers, origins = self._numbers()
        for finding in check_lines(parts["lines"]):
            self._document.report(finding.path, finding.text)
        if self._document.problems:
            return None
        settings = Settings(**parts, numbers=numbers)
        settings._origins = origins
        return settings

    def _check_blocks(self) -> None:
        for key in list(self._document.values):
            if key not in Settings.model_fields:
                self._document.report((key,), f"unknown block{hint(key, [*Settings.model_fields, files.INCLUDE])}")

    def _section(self, section: type[S], path: KeyPath, data: Any = None) -> S | None:
        data = self._at(path) if data is None else data
        try:
            return section.model_validate({} if data is None else data)
        except ValidationError as error:
            report(self._document, error, section, data, path)
            return None

    def _at(self, path: KeyPath) -> Any:
        value: Any = self._document.values
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def _entries(self, block: str) -> Iterator[tuple[str, KeyPath, dict[str, Any]]]:
        """The named entries of a block, those that are blocks themselves."""
        entries = self._at((block,))
        if entries is None or (block,) in self._document.broken:
            return
        if not isinstance(entries, dict):
            self._document.report((block,), "must be a block of named entries")
            return
        for name, value in entries.items():
            if value is None or isinstance(value, dict):
                yield name, (block, name), value or {}
            elif (block, name) not in self._document.broken:
                self._document.report((block, name), "must be a block of keys")

    # --- plug-ins --------------------------------------------------------------------------------------------------
    def _lines(self) -> Iterator[tuple[str, LineSection]]:
        for name, path, value in self._entries("lines"):
            section = self._plugin(path, "transport", value, self._plugins.transports)
            if section and (line := self._section(section, path, value)):
                yield name, line

    def _bots(self) -> Iterator[tuple[str, BotSection]]:
        for name, path, value in self._entries("bots"):
            section = self._plugin(path, "backend", value, self._plugins.backends)
            if section and (bot := self._section(section, path, value)):
                yield name, bot

    def _hooks(self) -> Iterator[tuple[str, HookSection]]:
        for name, path, value in self._entries("hooks"):
            if hook := self._section(HookSection, path, value):
                yield name, hook

    def _mail(self) -> MailSection | None:
        return None if self._at(("mail",)) is None else self._section(MailSection, ("mail",))

    def _speech(self) -> Iterator[tuple[str, Section]]:
        for name, path, value in self._entries("speech"):
            section = self._plugin(path, "engine", {"engine": named_engine(name), **value}, self._plugins.speech)
            if section and (vendor := self._section(section, path, value)):
                yield name, vendor
        if LOCAL in self._plugins.speech and LOCAL not in self._names("speech"):
            yield LOCAL, self._plugins.speech[LOCAL]()

    def _plugin(
        self, path: KeyPath, key: str, value: dict[str, Any], sections: Mapping[str, type[S]]
    ) -> type[S] | None:
        """The section of the plug-in that an entry names; what is wrong is reported."""
        name = value.get(key)
        if isinstance(name, str) and name in sections:
            return sections[name]
        if (*path, key) not in self._document.broken:
            is_written = key in (self._at(path) or {})
            self._document.report((*path, key) if is_written else path, not_installed(key, name, sections))
        return None

    # --- numbers ---------------------------------------------------------------------------------------------------
    def _conduct(
        self, section: type[ProfileSection], path: KeyPath, data: Any
    ) -> tuple[ProfileSection, dict[str, Any]]:
        """A block that numbers inherit from, checked; without what is wrong, so that the rest is checked as well."""
        block = dict(data) if isinstance(data, dict) else {}
        try:
            return section.model_validate(block), block
        except ValidationError as error:
            wrong = report(self._document, error, section, block, path)
        sound = {key: value for key, value in block.items() if key not in wrong}
        return section.model_validate(sound), sound

    def _profiles(self) -> Iterator[tuple[str, ProfileSection]]:
        for name, path, value in self._entries("profiles"):
            if "profile" in value:
                self._document.report((*path, "profile"), "a profile inherits from `defaults` alone, from no other")
                value = {key: item for key, item in value.items() if key != "profile"}
            profile, block = self._conduct(ProfileSection, path, value)
            self._layers[name] = Layer(f"profile {name}", path, block)
            yield name, profile

    def _defaults(self) -> ProfileSection:
        path = ("defaults",)
        value = self._at(path)
        if value is not None and not isinstance(value, dict):
            self._document.report(path, "must be a block of keys")
        defaults, block = self._conduct(ProfileSection, path, value)
        self._base = Layer("defaults", path, block)
        return defaults

    def _numbers(self) -> tuple[dict[str, NumberSettings], Origins]:
        numbers: dict[str, NumberSettings] = {}
        origins: dict[str, Mapping[KeyPath, Origin]] = {}
        written: dict[str, str] = {}
        for raw, path, value in self._entries("numbers"):
            key = normalise_pattern(raw, self._country)
            if not key:
                self._document.report(path, "is not a number, a prefix that ends in *, or *")
            elif key in written:
                self._document.report(path, f"is the same number as {written[key]!r}")
            elif made := self._number(key, path, value):
                numbers[key], origins[key] = made
            written.setdefault(key, raw)
        return numbers, Origins(self._document.places, origins, written)

    def _number(
        self, key: str, path: KeyPath, value: dict[str, Any]
    ) -> tuple[NumberSettings, dict[KeyPath, Origin]] | None:
        _, block = self._conduct(NumberSection, path, value)
        layers = [self._base, *self._profile_of(path, block), Layer("number", path, block)]
        merged, origins = inherit(layers, self._document)
        bots = self._names("bots")
        if merged.get("bot") is None and len(bots) == 1:
            merged["bot"] = bots[0]
            origins[("bot",)] = Origin("only bot", *(self._document.place(("bots", bots[0])) or ()))
        if merged.get("bot") is None:
            if (*path, "bot") not in self._document.broken:
                valid = f"one of {', '.join(bots)}" if bots else "and there is none under `bots`"
                self._document.report(path, f"needs `bot`, {valid}")
            return None
        number = self._section(NumberSettings, path, {**merged, "number": key})
        if number:
            self._check_references(number, path, origins)
        return (number, origins) if number else None

    def _profile_of(self, path: KeyPath, block: dict[str, Any]) -> list[Layer]:
        """The layer of the profile that a number names, if it names one."""
        if block.get("profile") is None:
            return []
        name = str(block["profile"])
        if name not in self._names("profiles"):
            reason = f"there is no profile {name!r}{hint(name, self._names('profiles'))}"
            self._document.report((*path, "profile"), reason)
        return [self._layers[name]] if name in self._layers else []

    def _check_references(self, number: NumberSettings, path: KeyPath, origins: Mapping[KeyPath, Origin]) -> None:
        speech = {*self._names("speech"), LOCAL}
        for finding in check_number(number, self._names("bots"), speech, self._names("hooks")):
            keys = finding.path[2:]
            origin = next((origins[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in origins), None)
            place = origin.place if origin else None
            if place is None or (place, keys, finding.text) not in self._inherited:
                self._document.report((*path, *keys), finding.text, place)
            self._inherited.add((place, keys, finding.text))

    def _names(self, block: str) -> list[str]:
        entries = self._at((block,))
        return list(entries) if isinstance(entries, dict) else []
