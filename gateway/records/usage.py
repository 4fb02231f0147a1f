"""What speech vendors did for a call, in the units they charge for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.speech_interfaces import SpeechUsed


@dataclass(slots=True)
class Usage:
    """Sums by vendor."""

    recognizers: dict[str, dict[str, float]] = field(default_factory=dict)
    synthesizers: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, use: SpeechUsed) -> None:
        if use.part == "recognizer":
            sums = self.recognizers.setdefault(use.vendor, {"streams": 0, "seconds": 0.0})
            sums["streams"] += 1
            sums["seconds"] += use.seconds
            return
        sums = self.synthesizers.setdefault(use.vendor, {"requests": 0, "characters": 0, "cache_hits": 0})
        if use.cached:
            sums["cache_hits"] += 1
        else:
            sums["requests"] += 1
            sums["characters"] += use.characters

    def to_json(self) -> dict[str, Any]:
        """Seconds recognized and streams opened; characters synthesized, requests made, prompts had from the cache."""
        seconds = {vendor: {**sums, "seconds": round(sums["seconds"], 3)} for vendor, sums in self.recognizers.items()}
        return {"recognizers": seconds, "synthesizers": {vendor: dict(it) for vendor, it in self.synthesizers.items()}}
