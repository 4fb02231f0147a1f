"""Plug-in sections for tests of the configuration, and a way to write a configuration and load it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Literal

from pydantic import SecretStr

from config.bots import BotSection
from config.lines import LineSection
from config.loading import load
from config.plugins import PluginSections
from config.settings import Settings
from config.speech import SpeechSection


class PbxLine(LineSection):
    """Calls from a PBX."""

    transport: Literal["pbx"] = "pbx"
    codec: Literal["ulaw", "alaw"] = "ulaw"
    """What the PBX sends."""

    @property
    def can_transfer(self) -> bool:
        return True


class CarrierLine(LineSection):
    """Calls from a carrier, which cannot transfer."""

    transport: Literal["carrier"] = "carrier"
    account: str | None = None
    """The account's name."""


class ChatBot(BotSection):
    """A bot that is reached by its address."""

    backend: Literal["chat"] = "chat"
    url: str
    """Its address."""
    token: SecretStr | None = None
    """Sent with each request."""


class CloudSpeech(SpeechSection):
    """A vendor in the cloud."""

    api_key: SecretStr
    """Its key."""


PLUGINS = PluginSections(
    transports={"pbx": PbxLine, "carrier": CarrierLine},
    backends={"chat": ChatBot},
    speech={"local": SpeechSection, "cloud": CloudSpeech},
)

USABLE = """
lines: {pbx: {transport: pbx, path: /media/pbx, auth: none}}
bots: {reception: {backend: chat, url: "https://bot.example.com"}}
"""
"""A line and a bot, for configurations that are about something else."""


def load_text(folder: Path, text: str, env: Mapping[str, str] | None = None) -> Settings:
    """Write a configuration into a folder, as `talkpath.yaml`, and load it."""
    file = folder / "talkpath.yaml"
    file.write_text(dedent(text), encoding="utf-8")
    return load(file, PLUGINS, env or {})
