"""What a demonstration consists of: a folder per chat vendor beside this file, described by its ``demo.yaml``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, field_validator

from config.base import Section
from gateway.errors import ConfigError

DESCRIPTION = "demo.yaml"
USUAL_CALL = "call"
PACKAGE = "gateway.demo"


class Phrase(Section):
    """What the caller says in one recording, and how `tools.make_demo_recordings` speaks it.

    The local recognizer was trained on people: a generated phrase needs a voice and a pace that it hears with a margin
    however the call cuts it, which tests/demo/test_recordings.py holds every one to.
    """

    text: str
    voice: str = "en-us+f5"
    rate: int = 140
    """Words per minute."""


class FurtherCall(Section):
    """Another call than the usual one, often with faults; its steps are in the file ``NAME.yaml``."""

    about: str
    """What it shows, in a line."""
    number: str | None = None
    """The number the caller rings; the usual one by default."""
    lab: tuple[str, ...] = ()
    """Further arguments of `talkpath lab VENDOR`."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Further variables the configuration is read with."""


class Demonstration(Section):
    """One vendor's ``demo.yaml``. In `lab` and `environment`, ``{lab}`` and ``{gateway}`` are the two URLs."""

    lab: tuple[str, ...] = ()
    """Arguments of `talkpath lab VENDOR`, but for its port."""
    configuration: str = "talkpath.yaml"
    """The gateway's configuration: a file in the folder, or `config/example.yaml`."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables the configuration is read with."""
    number: str = "+441632960000"
    """The number the caller rings."""
    steps: str = f"{USUAL_CALL}.yaml"
    """What the caller does: a file in the folder, which `talkpath call --steps` takes as it is."""
    calls: dict[str, FurtherCall] = Field(default_factory=dict)
    """Further calls, by name."""
    phrases: dict[str, Phrase] = Field(default_factory=dict)
    """What the caller says, by the name of its recording: a text, or a text with how it is spoken."""
    language: str = "en-US"
    """Of the phrases."""

    @field_validator("phrases", mode="before")
    @classmethod
    def _plain_texts(cls, phrases: dict[str, Any]) -> dict[str, Any]:
        return {name: {"text": it} if isinstance(it, str) else it for name, it in phrases.items()}

    def with_call(self, name: str) -> Demonstration:
        """The demonstration with another of its calls in place of the usual one.

        Raises:
            ConfigError: it has no such call.
        """
        if name == USUAL_CALL:
            return self
        if name not in self.calls:
            known = [f"{USUAL_CALL} (the usual one)", *(f"{known} ({it.about})" for known, it in self.calls.items())]
            raise ConfigError(f"the demonstration has no call {name!r}; it has {', '.join(known)}")
        call = self.calls[name]
        changes = {
            "number": call.number or self.number,
            "lab": (*self.lab, *call.lab),
            "environment": {**self.environment, **call.environment},
            "steps": f"{name}.yaml",
        }
        return self.model_copy(update=changes)

    def lab_arguments(self, **urls: str) -> list[str]:
        return [argument.format_map(urls) for argument in self.lab]

    def variables(self, **urls: str) -> dict[str, str]:
        return {name: value.format_map(urls) for name, value in self.environment.items()}


def demonstrations() -> list[str]:
    """The vendors that have one."""
    folders = resources.files(PACKAGE).iterdir()
    return sorted(folder.name for folder in folders if folder.joinpath(DESCRIPTION).is_file())


def calls() -> list[tuple[str, str]]:
    """Every call of every demonstration: its vendor, and its name."""
    found = []
    for vendor in demonstrations():
        with opened(vendor) as (_, shown, _):
            found += [(vendor, name) for name in (USUAL_CALL, *shown.calls)]
    return found


@contextmanager
def opened(vendor: str, call: str = USUAL_CALL) -> Iterator[tuple[Path, Demonstration, Path]]:
    """A demonstration as files: its folder, what it says, and the gateway's configuration.

    Args:
        vendor: Whose it is.
        call: Which of its calls.
    Raises:
        ConfigError: that vendor has none, or no such call.
    """
    known = demonstrations()
    if vendor not in known:
        raise ConfigError(f"there is no demonstration of {vendor!r}; there is one of {', '.join(known)}")
    with resources.as_file(resources.files(PACKAGE).joinpath(vendor)) as folder:
        shown = Demonstration.model_validate(yaml.safe_load((folder / DESCRIPTION).read_text(encoding="utf-8")))
        shown = shown.with_call(call)
        package, _, name = shown.configuration.rpartition("/")
        if not package:
            yield folder, shown, folder / name
            return
        with resources.as_file(resources.files(package).joinpath(name)) as configuration:
            yield folder, shown, configuration
