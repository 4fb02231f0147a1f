"""Which labs there are: the other side of each chat vendor, as `talkpath lab VENDOR` runs it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from gateway.errors import ConfigError

VENDORS = ("chatlayer", "haptik", "openai", "rasa", "rest", "talklift", "talkr", "userlike")


def main_of(vendor: str) -> Callable[[list[str]], int]:
    """A lab's command. Raises ConfigError for a vendor that has none."""
    if vendor in ("-h", "--help"):
        return _help
    if vendor not in VENDORS:
        raise ConfigError(f"there is no lab for {vendor!r}; there is one for {', '.join(VENDORS)}")
    main: Callable[[list[str]], int] = import_module(f"gateway.lab.{vendor}").main
    return main


def _help(_: list[str]) -> int:
    print("Usage: talkpath lab VENDOR [OPTIONS]\n")
    print(f"Runs a chat vendor's other side on this machine. Vendors: {', '.join(VENDORS)}.")
    print("`talkpath lab VENDOR --help` lists the options of one.")
    return 0
