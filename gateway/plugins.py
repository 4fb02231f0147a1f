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

Importing a module registers nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol

from config.plugins import PluginSections
from gateway.errors import ConfigError
from gateway.speech_interfaces import Recognizer, Synthesizer


class SpeechVendor(Protocol):
    """What a speech plug-in's class makes."""

    @property
    def recognizer(self) -> Recognizer | None: ...
    @property
    def synthesizer(self) -> Synthesizer | None: ...
    async def start(self) -> None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Plugins:
    """Classes by the name they are configured under."""

    transports: Mapping[str, Any]
    backends: Mapping[str, Any]
    speech: Mapping[str, Any]

    def sections(self) -> PluginSections:
        """Their settings, for loading a configuration."""
        return PluginSections(
            transports={name: cls.Section for name, cls in self.transports.items()},
            backends={name: cls.Section for name, cls in self.backends.items()},
            speech={name: cls.Section for name, cls in self.speech.items()},
        )


@cache
def installed() -> Plugins:
    """Every plug-in of this environment. One that cannot be imported is a ConfigError that names it."""
    found = {group: _load(f"gateway.{group}") for group in ("transports", "backends", "speech")}
    if not found["transports"]:
        raise ConfigError("no plug-in is installed; run `make setup`, or `pip install .` in the project's folder")
    return Plugins(**found)


def commands() -> dict[str, Callable[[Any], None]]:
    """What adds the plug-ins' own commands to the command line, by name. Raises ConfigError as `installed` does."""
    return _load("gateway.commands")


def _load(group: str) -> dict[str, Any]:
    return {point.name: _import(point) for point in entry_points(group=group)}


def _import(point: EntryPoint) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"the plug-in {point.name!r} ({point.value}) cannot be imported: {error}") from error
