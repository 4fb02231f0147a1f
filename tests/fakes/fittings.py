"""What stands for a gateway's own ears and memory in tests: voice detection, echo cancelling, the database."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from audio.endpointing import Endpointer, VoiceEvent
from audio.format import AudioFormat
from audio.frame import Frame


class CleanDetector:
    """The gateway's own endpointing on a line without noise: voice is every 20 ms that are not all silence."""

    rate = 8000

    def __init__(self, format: AudioFormat, on_event: Callable[[VoiceEvent], None], min_speech: float) -> None:
        self._silence = format.encoding.silence
        self._endpointer = Endpointer(self.rate, min_speech)
        self._on_event = on_event

    @property
    def end_silence(self) -> float:
        return self._endpointer.end_silence

    @end_silence.setter
    def end_silence(self, seconds: float) -> None:
        self._endpointer.end_silence = seconds

    def push(self, frame: Frame) -> None:
        for event in self._endpointer.push(frame.end_samples, frame.data.strip(self._silence) != b""):
            self._on_event(event)

    def close(self) -> None:
        """Nothing waits."""


class NoCanceller:
    """A line that brings nothing of us back."""

    def reference(self, pcm: bytes, at_samples: int) -> None: ...
    def cut(self, at_samples: int) -> None: ...
    def process(self, frame: Frame) -> Frame:
        return frame


class KeptRecords:
    """A database of call records, without the database."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    async def keep(self, record: dict[str, Any]) -> bool:
        self.records.append(json.loads(json.dumps(record)))
        return True
