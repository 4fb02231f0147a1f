"""Plug-ins: transports, backends and speech vendors, declared as entry points, ours and others' alike.

An entry point in the group `gateway.transports`, `gateway.backends` or `gateway.speech` names a class:

- ``Section``: its settings, a subclass of `LineSection`, `BotSection` or `SpeechSection`;
- a transport is made as ``cls(name, settings, LineContext)``, a backend as ``cls(name, settings, HttpClient)``, a
  speech vendor as ``cls(name, settings, HttpClient)`` with ``recognizer`` and ``synthesizer`` (either may be None),
  ``await start()`` and ``await close()``. Its class may have ``ListenOptions`` and ``SpeakOptions`` (see
  `gateway.kit.options`), for `talkpath check`, and ``tried`` and ``examples`` (see `tools.speech_table`), for the table
  of vendors.

One in the group `gateway.commands` names a function that takes the `typer.Typer` of the command line and adds a
command, or a group of them, under the entry point's name. It is imported whenever `talkpath` is started, so its module
imports little until a command of it runs.

Importing a module registers nothing, and only what a configuration names is imported: a vendor's library, or its fault,
costs nobody else anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, TypeVar

from config.plugins import PluginSections
from gateway.errors import ConfigError
from gateway.speech_interfaces import Recognizer, Synthesizer

ThingT = TypeVar("ThingT")


class SpeechVendor(Protocol):
    """What a speech plug-in's class makes."""

    @property
    def recognizer(self) -> Recognizer | None: ...
    @property
    def synthesizer(self) -> Synthesizer | None: ...
    async def start(self) -> None: ...
    async def close(self) -> None: ...


class OnDemand(Mapping[str, ThingT]):
    """Things by name, each made when it is first asked for. Asking whether it is there, or for the names, makes none.

    Args:
        makers: By name; what they raise goes to who asks.
    """

    def __init__(self, makers: Mapping[str, Callable[[], ThingT]]) -> None:
        self._makers = makers
        self._made: dict[str, ThingT] = {}

    def __getitem__(self, name: str) -> ThingT:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


@dataclass(frozen=True, slots=True)
class Plugins:
    """Classes by the name they are configured under. Looking one up raises ConfigError where it cannot be imported."""

    transports: Mapping[str, Any]
    backends: Mapping[str, Any]
    speech: Mapping[str, Any]

    def sections(self) -> PluginSections:
        """Their settings, for loading a configuration."""
        return PluginSections(
            transports=_sections(self.transports), backends=_sections(self.backends), speech=_sections(self.speech)
        )


def _sections(classes: Mapping[str, Any]) -> Mapping[str, Any]:
    return OnDemand({name: partial(_section_of, classes, name) for name in classes})


def _section_of(classes: Mapping[str, Any], name: str) -> Any:
    return classes[name].Section


@cache
def installed() -> Plugins:
    """Every plug-in of this environment, imported when it is looked up. Raises ConfigError where there is none."""
    found = {group: OnDemand(_points(f"gateway.{group}")) for group in ("transports", "backends", "speech")}
    if not found["transports"]:
        raise ConfigError("no plug-in is installed; run `make setup`, or `pip install .` in the project's folder")
    return Plugins(**found)


def commands() -> dict[str, Callable[[Any], None]]:
    """What adds the plug-ins' own commands to the command line, by name. Raises ConfigError for one that cannot be."""
    return {name: load() for name, load in _points("gateway.commands").items()}


def _points(group: str) -> dict[str, Callable[[], Any]]:
    return {point.name: partial(_import, point) for point in entry_points(group=group)}


def _import(point: EntryPoint) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"the plug-in {point.name!r} ({point.value}) cannot be imported: {error}") from error
