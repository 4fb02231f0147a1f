"""The prompt cache: what was spoken once is not synthesized again, and recordings that replace sentences."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from config.base import Section


class PromptsSection(Section):
    """Prompts that are kept, so that the same sentence comes at once the next time, also from a dead vendor."""

    memory_bytes: int = Field(default=64 << 20, ge=1 << 20, le=16 << 30)
    """How much memory prompts may take; what was not said for longest goes first. A minute takes 0.5 to 2 MB."""
    directory: Path | None = None
    """Folder in which prompts survive a restart, and which `talkpath prompts render` fills. It holds what callers were
    told as sound, readable to its owner only; answers to sensitive questions are never in it. Looked for beside the
    configuration. Unset: prompts are kept in memory only."""
    disk_bytes: int = Field(default=512 << 20, ge=1 << 20, le=1 << 40)
    """How much of the disk may be taken by what calls said, and again by what was rendered; what was not said for
    longest goes first."""
    overrides: Path | None = None
    """Folder of recordings that replace sentences, which `talkpath prompts override` fills. Looked for beside the
    configuration. Unset: none do."""
