"""Speech vendors: credentials, endpoints, limits. Each vendor adds its own keys by a subclass of `SpeechSection`."""

from __future__ import annotations

from pydantic import Field

from config.base import Section


class SpeechSection(Section):
    """A speech vendor. Its entry's name is what `recognizer.vendor` and `synthesizer.vendor` say."""

    engine: str | None = None
    """Which adapter serves this entry, where the entry has another name: two accounts with one vendor, a script."""
    url: str | None = Field(default=None, min_length=1)
    """Another endpoint for the adapter: self-hosted, a proxy, an emulator. Unset: the vendor's own."""


def engine_of(name: str, section: Section) -> str:
    """The adapter that serves an entry under `speech`: the one it names by `engine`, else the one it is called like."""
    engine = getattr(section, "engine", None)
    return engine if isinstance(engine, str) else named_engine(name)


def named_engine(name: str) -> str:
    """What an entry's name says of its adapter: ``livekit`` for ``livekit:deepgram``, else the name itself."""
    return name.partition(":")[0] or name
