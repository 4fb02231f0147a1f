"""What voice detection and echo cost per 20 ms frame, stage by stage. Prints; compare figures within one run only.

python -m benchmarks.vad [CALLS]
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: threads would spin at twice the CPU

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from audio.codecs import g711
from audio.ear import SpeechDetector
from audio.echo import EchoCanceller
from audio.endpointing import Endpointer
from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding
from audio.frame import Frame
from audio.judge import INPUT_SAMPLES, Judge
from audio.judge_batch import JudgeBatch
from audio.resample import resample
from audio.vad import Mode
from audio.voting import FrameVoter, level_gate

FRAME = 160
SPEECH = Path(__file__).parent.parent / "tests" / "fixtures" / "vad" / "silero_input.pcm"
TALK, CYCLE = 15840, 44000  # samples of a sentence, and of the time until the next one: the caller talks 36 %


def conversation(audio_format: AudioFormat, offset: int = 0) -> list[Frame]:
    """Eleven seconds of a caller who says two sentences."""
    sentence = np.frombuffer(SPEECH.read_bytes(), "<i2")[1024 : 1024 + TALK]
    line = np.zeros(2 * CYCLE, "<i2")
    line[:TALK] = line[CYCLE : CYCLE + TALK] = sentence
    pcm = resample(np.roll(line, offset).tobytes(), 8000, audio_format.rate)
    data = g711.encode(pcm, audio_format.encoding)
    samples = audio_format.rate // 50
    size = samples * audio_format.encoding.bytes_per_sample
    return [Frame(data[at : at + size], audio_format, at // size * samples) for at in range(0, len(data), size)]


def show(name: str, seconds: float, times: int) -> None:
    print(f"{name:<46} {1e6 * seconds / times:8.2f} µs")


def measure(name: str, action: Callable[[], object], times: int, repeat: int = 5) -> None:
    best = float("inf")
    for _ in range(repeat):
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    show(name, best, times)


def apply(stage: Callable[[bytes], bool], frames: list[bytes]) -> None:
    for data in frames:
        stage(data)


def cheap_stages() -> None:
    for audio_format in (PCMU_8K, PCMA_8K, L16_8K):
        frames = [frame.data for frame in conversation(audio_format)]
        gate = level_gate(audio_format.encoding)
        measure(f"level gate, {audio_format.encoding}", partial(apply, gate, frames), len(frames))
    frames = [frame.data for frame in conversation(PCMU_8K)]
    voter, gate = FrameVoter(Encoding.PCMU), level_gate(Encoding.PCMU)
    measure("level gate and webrtcvad, all frames", partial(apply, voter.vote, frames), len(frames))
    loud = [data for data in frames if gate(data)]
    measure("the same, loud frames only", partial(apply, voter.vote, loud), len(loud))
    endpointer = Endpointer()
    measure("endpointer", lambda: [endpointer.push(n * FRAME, n % 100 < 40) for n in range(5000)], 5000)


def judge_batches(judge: Judge) -> None:
    for size in (1, 4, 8, 16, 32, 128):
        windows = np.zeros((size, INPUT_SAMPLES), np.float32)
        states = np.zeros((size, 2, 128), np.float32)
        measure(f"judge, per window, {size} together", partial(judge.evaluate, windows, states), size, 50)


def whole(judge: Judge, audio_format: AudioFormat, mode: Mode, calls: int) -> None:
    """Many calls at once, the batch evaluated every 10 ms: half the calls' frames arrive in each interval."""
    batch = JudgeBatch(judge)
    detectors = [SpeechDetector(audio_format, batch, lambda event: None, mode=mode) for _ in range(calls)]
    feeds = [conversation(audio_format, FRAME * 7 * number) for number in range(calls)]
    start = time.perf_counter()
    for index in range(len(feeds[0])):
        for half in (0, 1):
            for detector, feed in zip(detectors[half::2], feeds[half::2], strict=True):
                detector.push(feed[index])
            batch.flush()
    name = f"{mode}, {audio_format.encoding} {audio_format.rate}, {calls} calls"
    show(name, time.perf_counter() - start, calls * len(feeds[0]))


def echo() -> None:
    out = np.tile(np.frombuffer(SPEECH.read_bytes(), "<i2")[1024 : 1024 + TALK], 4)
    back = np.concatenate([np.zeros(1600), out * 0.15])[: len(out)].astype("<i2")
    talk = np.roll(out, 9000)
    for name, incoming, is_playing in (
        ("nothing played", back, False),
        ("played, quiet line", np.zeros_like(back), True),
        ("played, echo", back, True),
        ("played, caller without echo", talk, True),
        ("played, caller and echo", (talk // 2 + back).astype("<i2"), True),
    ):
        canceller = EchoCanceller()
        data = g711.encode(incoming.tobytes(), Encoding.PCMU)
        frames = [Frame(data[at : at + FRAME], PCMU_8K, at) for at in range(0, len(data) - FRAME + 1, FRAME)]
        spent = 0.0
        for frame in frames:
            if is_playing and frame.pts_samples % 1600 == 0:
                canceller.reference(out[frame.pts_samples : frame.pts_samples + 1600].tobytes(), frame.pts_samples)
            start = time.perf_counter()
            canceller.process(frame)
            spent += time.perf_counter() - start
        show(f"echo canceller, {name}", spent, len(frames))


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    judge = Judge()
    cheap_stages()
    judge_batches(judge)
    whole(judge, PCMU_8K, "webrtc", calls)
    whole(judge, PCMU_8K, "cascade", calls)
    whole(judge, PCMA_8K, "cascade", calls)
    whole(judge, L16_16K, "cascade", calls)
    echo()


if __name__ == "__main__":
    main()
