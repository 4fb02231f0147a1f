"""What 20 ms of a caller's audio costs on its way through a call, stage by stage, without any socket.

The path is the one of `gateway.call.caller_audio`: message, leg's time stamp, time line, echo canceller, recognition
stream, voice detection. Prints; compare figures within one run only.

python -m benchmarks.frame [CALLS]
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: threads would spin at twice the CPU

import base64
import sys
import time
from collections.abc import Callable

from audio.ear import SpeechDetector
from audio.echo import EchoCanceller
from audio.format import PCMU_8K
from audio.frame import Frame
from audio.framing import Timeline
from audio.judge import Judge
from audio.judge_batch import JudgeBatch
from benchmarks.vad import conversation, show
from gateway.call.caller_audio import CallerAudio
from gateway.call.ears import Ear, Ears
from gateway.call.services import Services
from gateway.speech_interfaces import ListenSettings
from gateway.transports.twilio.protocol import TwilioProtocol

PTIME = 0.02


def per_frame(name: str, frames: list[Frame], make: Callable[[], Callable[[Frame], object]], repeat: int = 5) -> None:
    """Print the best of some passes over the same frames."""
    best = float("inf")
    for _ in range(repeat):
        stage = make()
        start = time.perf_counter()
        for frame in frames:
            stage(frame)
        best = min(best, time.perf_counter() - start)
    show(name, best, len(frames))


def messages(frames: list[Frame]) -> None:
    protocol = TwilioProtocol()
    protocol.receive('{"event":"start","streamSid":"MZ1","start":{"callSid":"CA1","streamSid":"MZ1"}}')
    texts = [
        '{"event":"media","sequenceNumber":"%d","streamSid":"MZ1","media":{"track":"inbound","chunk":"%d",'  # noqa: UP031
        '"timestamp":"%d","payload":"%s"}}' % (n, n, 20 * n, base64.b64encode(frame.data).decode())
        for n, frame in enumerate(frames)
    ]
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for text in texts:
            protocol.receive(text)
        best = min(best, time.perf_counter() - start)
    show("message read", best, len(texts))


def placing() -> Callable[[Frame], object]:
    line = Timeline(PCMU_8K, wire_pts=True)
    return lambda frame: line.place(frame, (frame.pts_samples + 160) / 8000)


def listening() -> Callable[[Frame], object]:
    ears, _ = new_ears(Timeline(PCMU_8K))
    return ears.push


def new_ears(timeline: Timeline) -> tuple[Ears, Ear]:
    """A call's ears with one stream open, whose messages nobody takes: the queue drops the oldest."""
    ears = Ears(PCMU_8K, None, lambda _: False, lambda _: None, timeline.time_of, reports_speech=False)  # type: ignore[arg-type]  # nothing is asked to listen
    ear = Ear(1, ListenSettings(), PCMU_8K, speech_only=False)
    ears._ears[1] = ear
    return ears, ear


class Call:
    """Everything between leg and events, as a session has it."""

    def __init__(self, batch: JudgeBatch) -> None:
        timeline = Timeline(PCMU_8K, wire_pts=True)
        ears, _ = new_ears(timeline)
        services = Services(
            detector=lambda format, on_event: SpeechDetector(format, batch, on_event),
            canceller=lambda format: EchoCanceller(format.rate),
        )
        self.audio = CallerAudio(PCMU_8K, services, timeline, ears, lambda _: None, lambda: [])

    def take(self, frame: Frame) -> None:
        self.audio.take(frame, (frame.pts_samples + 160) / 8000)


def together(calls: int) -> None:
    """All calls, the judge's batch evaluated every 10 ms: half of the calls' frames arrive in each interval."""
    best = float("inf")
    feeds = [conversation(PCMU_8K, 1120 * number) for number in range(calls)]
    for _ in range(3):
        batch = JudgeBatch(Judge())
        group = [Call(batch) for _ in range(calls)]
        start = time.perf_counter()
        for index in range(len(feeds[0])):
            for half in (0, 1):
                for call, feed in zip(group[half::2], feeds[half::2], strict=True):
                    call.take(feed[index])
                batch.flush()
        best = min(best, time.perf_counter() - start)
    show(f"the whole way, judge included, {calls} calls", best, calls * len(feeds[0]))


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    frames = conversation(PCMU_8K)
    messages(frames)
    per_frame("time line", frames, placing)
    per_frame("echo canceller, nothing played", frames, lambda: EchoCanceller().process)
    per_frame("recognition stream", frames, listening)
    batch = JudgeBatch(Judge())
    per_frame("voice detection without judge", frames, lambda: SpeechDetector(PCMU_8K, batch, lambda _: None).push)
    together(calls)


if __name__ == "__main__":
    main()
