"""One configured speech vendor, started as the gateway starts it, for as long as a command needs it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from config.nearest import hint
from config.settings import Settings
from config.speech import engine_of
from gateway.errors import ConfigError, GatewayError
from gateway.kit.http import HttpClient
from gateway.kit.options import VendorOptions, understood
from gateway.plugins import Plugins, SpeechVendor
from gateway.speech_interfaces import Recognizer, Synthesizer

SAID_OTHERWISE = frozenset(
    {
        "vendor option",
        "there is no such synthesizer, the next one speaks",
        "there is no such recognizer, the next one listens",
    }
)
"""What adapters and directory log and a command says by itself, or has meant: nobody stands in for who is tried."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A vendor on trial.

    Attributes:
        name: Of its entry under `speech`.
        plugin: Its class.
        made: The vendor itself.
    """

    name: str
    plugin: Any
    made: SpeechVendor

    @property
    def synthesizer(self) -> Synthesizer:
        """Raises GatewayError where the vendor only listens."""
        if self.made.synthesizer is None:
            raise GatewayError(f"{self.name} listens only: it has no voice")
        return self.made.synthesizer

    @property
    def recognizer(self) -> Recognizer:
        """Raises GatewayError where the vendor only speaks."""
        if self.made.recognizer is None:
            raise GatewayError(f"{self.name} speaks only: it recognizes nothing")
        return self.made.recognizer

    def doubts(self, side: Literal["SpeakOptions", "ListenOptions"], options: Mapping[str, Any]) -> list[str]:
        """A sentence on each option that the vendor does not understand."""
        model: type[VendorOptions] | None = getattr(self.plugin, side, None)
        return [] if model is None else understood(model, options)[1]


@asynccontextmanager
async def started(settings: Settings, name: str, plugins: Plugins) -> AsyncIterator[Tried]:
    """The vendor of an entry under `speech`, ready to be asked.

    Raises:
        ConfigError: There is no such entry, or the vendor's own client is not installed.
        VendorError: It cannot be started.
    """
    section = settings.speech.get(name)
    if section is None:
        raise ConfigError(_nobody(name, settings, plugins))
    plugin = plugins.speech[engine_of(name, section)]
    async with HttpClient() as http:
        made: SpeechVendor = plugin(name, section, http)
        await made.start()
        try:
            yield Tried(name, plugin, made)
        finally:
            await made.close()


def _nobody(name: str, settings: Settings, plugins: Plugins) -> str:
    if name in plugins.speech:
        return f"{name} is not configured: it needs an entry under `speech` (docs/plugin-settings.md lists its keys)"
    return f"nothing under `speech` is called {name!r}{hint(name, settings.speech)}"


@contextmanager
def warnings_told() -> Iterator[None]:
    """Within, what adapters warn of is told on standard error, a line each."""
    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, _told],
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def _told(_logger: Any, _method: str, event: structlog.typing.EventDict) -> str:
    what = str(event.pop("event", ""))
    if what in SAID_OTHERWISE:
        raise structlog.DropEvent
    more = ", ".join(f"{key} {value}" for key, value in event.items() if key != "level" and not key.startswith("pii."))
    return f"talkpath: {event['level']}: {what}" + (f" ({more})" if more else "")
