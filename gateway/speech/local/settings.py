"""What an operator may set about local speech: `speech.local`."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import Field

from config.base import Section

MAX_AUTO_WORKERS = 8
Workers = Annotated[int, Field(ge=1, le=64)] | Literal["auto"]


class LocalSpeechSection(Section):
    """Speech without a vendor: espeak-ng speaks, pocketsphinx hears what a question allows."""

    engine: Literal["local"] = "local"
    speak_workers: Workers = "auto"
    """Processes that speak. `auto`: one, as it speaks several hundred times faster than real time; a second one from
    four processors on, so that a long text delays nobody."""
    listen_workers: Workers = "auto"
    """Processes that listen; each hears about a dozen talking callers at a time. `auto`: half of the processors."""
    hang_after: float = Field(default=3.0, ge=0.5, le=60)
    """Seconds without a sign of life after which a worker process is replaced."""
    start_timeout: float = Field(default=20.0, ge=1, le=120)
    """Seconds a worker process may take to start."""
    voice: str | None = None
    """Voice where a number names none: `f3` or `m3` (a variant of the language's voice), `fr+f3`, `female`, `male`."""
    rate: int = Field(default=165, ge=80, le=450)
    """Words per minute."""
    pitch: int = Field(default=50, ge=0, le=99)
    """Base pitch of the voice."""
    max_text: int = Field(default=5000, ge=100, le=50_000)
    """Longest text, in characters, that is spoken in one piece."""
    max_seconds: float = Field(default=120.0, ge=5, le=120)
    """Longest speech of one text; what is beyond is not said."""
    max_streams: int = Field(default=200, ge=1, le=5000)
    """Callers listened to at a time."""
    rejection: float = Field(default=0.0)
    """How much better than arbitrary sounds an answer must fit to count as heard: higher rejects more of what nobody
    asked for, and more right answers. In units of score a frame above the built-in threshold."""

    @property
    def speak_processes(self) -> int:
        """How many processes speak."""
        return (2 if _processors() >= 4 else 1) if self.speak_workers == "auto" else self.speak_workers

    @property
    def listen_processes(self) -> int:
        """How many processes listen."""
        automatic = min(max(1, _processors() // 2), MAX_AUTO_WORKERS)
        return automatic if self.listen_workers == "auto" else self.listen_workers


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
