"""Where prompts are kept, as the configuration has it; the gateway and the commands open the same."""

from __future__ import annotations

from pathlib import Path

from config.prompts import PromptsSection
from gateway.errors import ConfigError
from gateway.speech.cache import PromptCache
from gateway.speech.disk import PromptDisk
from gateway.speech.overrides import Overrides

RENDERED = "rendered"
"""The folder of what was synthesized in advance, in that of what calls said."""


def beside(config: Path | str, named: Path | None) -> Path | None:
    """A path of a configuration's, from where that lies."""
    path = Path(config)
    return None if named is None else (path if path.is_dir() else path.parent) / named


def open_cache(config: Path | str, section: PromptsSection) -> PromptCache:
    """The prompt cache.

    Args:
        config: The configuration's file or folder.
    Raises:
        ConfigError: its folder cannot be made.
    """
    folder = beside(config, section.directory)
    if folder is None:
        return PromptCache(section.memory_bytes)
    try:
        disk = PromptDisk(folder, section.disk_bytes)
        rendered = PromptDisk(folder / RENDERED, section.disk_bytes)
    except OSError as error:
        reason = f"{folder} cannot be made: {error.strerror}"
        raise ConfigError(reason, file=config, field="prompts.directory") from error
    return PromptCache(section.memory_bytes, disk, rendered)


def open_overrides(config: Path | str, section: PromptsSection) -> Overrides:
    """The recordings that replace sentences. Raises ConfigError where their index cannot be understood."""
    return Overrides(beside(config, section.overrides))
