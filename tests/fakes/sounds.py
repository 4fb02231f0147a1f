"""Sounds for tests of voice detection, and a line to hear them through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import numpy.typing as npt

from audio import tones as made_tones
from audio.codecs import g711
from audio.ear import SpeechDetector
from audio.endpointing import VoiceEvent
from audio.format import PCMU_8K, AudioFormat, Encoding
from audio.frame import Frame
from audio.judge import Judge
from audio.judge_batch import JudgeBatch
from audio.vad import Mode, VoiceDetector
from tests.recordings import recording

RATE = 8000
FRAME = 160
Sound = npt.NDArray[np.float64]

SENTENCES = (
    ("en", "vm-intro"), ("en", "demo-congrats"), ("en", "basic-pbx-ivr-main"), ("fr", "vm-intro"), ("es", "vm-intro"),
)  # fmt: skip


@cache
def judge() -> Judge:
    return Judge()


def spoken(language: str, name: str) -> Sound:
    return np.frombuffer(recording(language, name), "<i2").astype(np.float64)


def trimmed(sound: Sound, threshold: float = 300.0, margin: int = 400) -> Sound:
    """Without the silence around it."""
    loud = np.flatnonzero(np.abs(sound) > threshold)
    return sound[max(0, loud[0] - margin) : loud[-1] + margin]


def silence(seconds: float) -> Sound:
    return np.zeros(round(seconds * RATE))


def at_level(sound: Sound, dbfs: float) -> Sound:
    """With this root mean square."""
    return sound * 32768 * 10 ** (dbfs / 20) / np.sqrt(np.mean(sound**2))


def tones(seconds: float, *frequencies: float, dbfs: float = -15.0) -> Sound:
    time = np.arange(round(seconds * RATE)) / RATE
    return at_level(sum((np.sin(2 * np.pi * f * time) for f in frequencies), np.zeros(len(time))), dbfs)


def pink_noise(seconds: float, dbfs: float, seed: int = 1) -> Sound:
    count = round(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / RATE)
    spectrum *= np.where(frequency > 60, 1 / np.sqrt(np.maximum(frequency, 60)), 0)
    return at_level(np.fft.irfft(spectrum, count), dbfs)


def to_pcm(sound: Sound) -> bytes:
    return np.clip(np.round(sound), -32768, 32767).astype("<i2").tobytes()


def wire(sound: Sound, audio_format: AudioFormat = PCMU_8K) -> bytes:
    return g711.encode(to_pcm(sound), audio_format.encoding)


def through_mulaw(sound: Sound) -> Sound:
    """As a line leaves it."""
    return np.frombuffer(g711.decode(wire(sound), Encoding.PCMU), "<i2").astype(np.float64)


def frames(data: bytes, audio_format: AudioFormat = PCMU_8K, samples: int = FRAME) -> Iterator[Frame]:
    size = samples * audio_format.encoding.bytes_per_sample
    for start in range(0, len(data), size):
        position = start // audio_format.encoding.bytes_per_sample
        yield Frame(data[start : start + size], audio_format, position)


def verdicts(sound: Sound, mode: Mode = "cascade") -> npt.NDArray[np.bool_]:
    """Whether each 20 ms of a sound counts as voice."""
    batch, said = JudgeBatch(judge()), list[bool]()
    detector = VoiceDetector(PCMU_8K, batch, lambda _, voiced: said.append(voiced), mode=mode)
    for frame in frames(wire(sound)):
        detector.push(frame)
        batch.flush()
    return np.array(said)


def heard(sound: Sound, mode: Mode = "cascade") -> list[tuple[int, VoiceEvent]]:
    """The voice events of a sound, each with the sample position at which it was known."""
    batch, said, now = JudgeBatch(judge()), list[tuple[int, VoiceEvent]](), 0
    detector = SpeechDetector(PCMU_8K, batch, lambda event: said.append((now, event)), mode=mode)
    for frame in frames(wire(sound)):
        now = frame.end_samples
        detector.push(frame)
        batch.flush()
    return said


# --- signals without a talker ----------------------------------------------------------------------------------------
def dtmf_keys() -> Sound:
    return np.frombuffer(made_tones.dtmf_string("0123456789*#" * 2), "<i2").astype(np.float64)


def ringing() -> Sound:
    return np.concatenate([np.concatenate([tones(1.5, 440), silence(1.5)]) for _ in range(4)])


def melody() -> Sound:
    """Three-note chords with overtones, half a second each, as music on hold has them."""
    notes = np.tile([262.0, 294, 330, 349, 392, 440, 494, 523], 3)
    return np.concatenate([tones(0.5, f, 1.25 * f, 1.5 * f, 2 * f, 3 * f, dbfs=-18) for f in notes])


def clicks() -> Sound:
    sound = silence(10)
    sound[::RATE] = 20000
    sound[1::RATE] = -15000
    return sound


NOISES: dict[str, Callable[[], Sound]] = {
    "silence": lambda: silence(10),
    "dtmf": dtmf_keys,
    "ringback": ringing,
    "melody": melody,
    "clicks": clicks,
    "hum": lambda: tones(10, 50, 100, 150, 250, 350, dbfs=-25),
    "pink -30": lambda: pink_noise(15, -30),
    "pink -45": lambda: pink_noise(15, -45),
}
