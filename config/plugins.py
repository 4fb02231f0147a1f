"""What `app` tells the configuration about plug-ins: whose own keys may stand in an entry. Sections live with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from config.base import Section
from config.bots import BotSection
from config.lines import LineSection
from config.nearest import suggestion


@dataclass(frozen=True)
class PluginSections:
    """The sections of plug-ins, by the name that operators write: a `transport`, a `backend`, an entry of `speech`."""

    transports: Mapping[str, type[LineSection]] = field(default_factory=dict)
    backends: Mapping[str, type[BotSection]] = field(default_factory=dict)
    speech: Mapping[str, type[Section]] = field(default_factory=dict)


def not_installed(key: str, name: object, valid: Collection[str]) -> str:
    """The sentence for an entry that names no plug-in, or none that there is; always with the valid names."""
    words = ", ".join(sorted(valid)) or "none is installed"
    if name is None:
        return f"needs `{key}`; valid: {words}"
    near = suggestion(str(name), valid)
    return f"there is no {key} {str(name)!r}" + (f"; did you mean `{near}`?" if near else "") + f" (valid: {words})"
