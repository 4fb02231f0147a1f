"""Where somebody speaks in a recording, as the detector of a call finds it: some recognizers get nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from audio.ear import SpeechDetector
from audio.endpointing import VoiceEvent, VoiceStarted, VoiceStopped, VoiceSustained
from audio.format import AudioFormat
from audio.frame import Frame
from audio.judge import Judge
from audio.judge_batch import JudgeBatch

LEAD, TRAIL = 0.3, 0.2
"""Seconds around speech that such a recognizer gets as well, as in `gateway.call.ears`."""
FRAME = 0.02

Stretch = tuple[float, float]


def voice_events(audio: bytes, format: AudioFormat) -> list[VoiceEvent]:
    """What the detector of a call would say, one frame after the other; positions in samples at 8 kHz."""
    batch, told, size = JudgeBatch(Judge()), list[VoiceEvent](), format.size(FRAME)
    detector = SpeechDetector(format, batch, told.append)
    for start in range(0, len(audio), size):
        detector.push(Frame(audio[start : start + size], format, format.samples(start)))
        batch.flush()
    detector.close()
    return told


def spoken_stretches(audio: bytes, format: AudioFormat) -> list[Stretch]:
    """From when to when somebody speaks, in seconds, with what a recognizer gets around it."""
    stretches: list[Stretch] = []
    begun: float | None = None
    for event in voice_events(audio, format):
        at = event.at_samples / SpeechDetector.rate
        if isinstance(event, VoiceStarted):
            begun = max(0.0, at - LEAD)
        elif isinstance(event, VoiceStopped) and begun is not None:
            stretches.append((begun, at + TRAIL))
            begun = None
    return stretches if begun is None else [*stretches, (begun, format.seconds(len(audio)))]


def interruptions(events: Sequence[VoiceEvent]) -> int:
    """Stretches of voice that were long enough to interrupt a bot."""
    count, begun = 0, False
    for event in events:
        if isinstance(event, VoiceStarted):
            begun = True
        elif isinstance(event, VoiceSustained) and begun:
            count, begun = count + 1, False
    return count
