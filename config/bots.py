"""Bots: who answers. Each backend adds its own keys by a subclass of `BotSection`, in its own folder."""

from __future__ import annotations

from config.base import Section


class BotSection(Section):
    """A chat bot. The backend's own keys stand beside these."""

    backend: str
    """The chat platform: a backend's name, such as `talkr` or `rest`."""
