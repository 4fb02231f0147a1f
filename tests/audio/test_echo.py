"""The bot's voice comes back at -12 to -30 dB and 50 to 400 ms late: nobody hears it; a word over it is heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.codecs import g711
from audio.ear import SpeechDetector
from audio.echo import EchoCanceller
from audio.endpointing import VoiceSustained
from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding
from audio.frame import Frame
from audio.judge_batch import JudgeBatch
from audio.resample import resample
from tests.fakes.sounds import (
    FRAME,
    RATE,
    Sound,
    at_level,
    frames,
    heard,
    judge,
    pink_noise,
    silence,
    spoken,
    through_mulaw,
    to_pcm,
    trimmed,
    wire,
)

PROMPTS = [("en", "vm-intro"), ("fr", "vm-intro"), ("en", "demo-congrats"), ("es", "vm-intro"), ("en", "vm-options")]
WORDS = [
    ("en", "cancelled"),
    ("en", "agent-pass"),
    ("en", "followme/no-recording"),
    ("fr", "vm-goodbye"),
    ("en", "privacy-thankyou"),
    ("es", "vm-goodbye"),
    ("en", "digits/day-4"),
]
MESSAGE = 1600  # samples of one outgoing message
AHEAD = 8000  # samples by which the playout sends ahead of the caller


@dataclass
class Played:
    """What the bot plays: the sound on the true time line, and what we believe of it."""

    sound: Sound
    references: list[tuple[int, bytes]]
    starts: list[int]
    ends: list[int]


def play(prompts: Sequence[Sound], seed: int = 1, jitter: int = 160, pause: int = 8000) -> Played:
    """Prompts one after the other; each one's place is only known to +-20 ms."""
    choose = np.random.default_rng(seed)
    at, pieces, references, starts, ends = 4000, [silence(0.5)], list[tuple[int, bytes]](), list[int](), list[int]()
    for prompt in prompts:
        believed = at + int(choose.integers(-jitter, jitter + 1))
        for start in range(0, len(prompt), MESSAGE):
            references.append((believed + start, to_pcm(prompt[start : start + MESSAGE])))
        starts.append(at)
        ends.append(at + len(prompt))
        pieces += [prompt, np.zeros(pause)]
        at += len(prompt) + pause
    return Played(np.concatenate(pieces), references, starts, ends)


@dataclass
class Line:
    """A line that returns what it is given: weaker, late, and coloured by a hybrid; mu-law both ways."""

    decibels: float
    delay: float
    hybrid: bool = True
    seed: int = 1
    response: Sound = field(init=False)

    def __post_init__(self) -> None:
        self.response = np.ones(1)
        if self.hybrid:
            decay = np.random.default_rng(self.seed).standard_normal(32) * np.exp(-np.arange(32) / 6)
            self.response = np.convolve(decay, [1, -0.95])  # no direct current
            self.response /= np.sqrt(np.sum(self.response**2))

    def echo(self, played: Sound) -> Sound:
        back = np.convolve(through_mulaw(played), self.response)[: len(played)] * 10 ** (self.decibels / 20)
        return np.concatenate([np.zeros(round(self.delay * RATE)), back])[: len(played)]


@dataclass
class Result:
    sustained: list[int]
    """When voice was said to go on, in samples."""
    out: Sound
    """What a recognizer gets."""
    untouched: int
    """Frames that came back as the same object."""


def call(played: Played, incoming: Sound, canceller: EchoCanceller | None = None) -> Result:
    canceller = canceller or EchoCanceller()
    batch, sustained, out, untouched, now = JudgeBatch(judge()), list[int](), list[bytes](), 0, 0

    def listen(event: object) -> None:
        if isinstance(event, VoiceSustained):
            sustained.append(now)

    detector, waiting = SpeechDetector(PCMU_8K, batch, listen), list(played.references)
    for frame in frames(wire(incoming)):
        now = frame.end_samples
        while waiting and waiting[0][0] < now + AHEAD:
            canceller.reference(waiting[0][1], waiting.pop(0)[0])
        clean = canceller.process(frame)
        untouched += clean is frame
        assert (clean.format, clean.pts_samples, clean.samples) == (frame.format, frame.pts_samples, frame.samples)
        out.append(clean.data)
        detector.push(clean)
        batch.flush()
    pcm = np.frombuffer(g711.decode(b"".join(out), Encoding.PCMU), "<i2").astype(np.float64)
    return Result(sustained, pcm, untouched)


def prompts(count: int, first: int = 0, seconds: float = 4.5) -> list[Sound]:
    chosen = [PROMPTS[(first + index) % len(PROMPTS)] for index in range(count)]
    return [at_level(trimmed(spoken(*name))[: round(seconds * RATE)], -21) for name in chosen]


def frame_levels(sound: Sound) -> Sound:
    whole = sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME)
    return np.sqrt(np.mean(whole**2, axis=1))


CASES = [(decibels, delay) for decibels in (-12, -20, -30) for delay in (0.05, 0.12, 0.25, 0.4)]


@pytest.mark.recordings
@pytest.mark.parametrize(("decibels", "delay"), CASES)
@pytest.mark.parametrize("hybrid", [False, True], ids=["plain", "hybrid"])
def test_the_bots_own_voice_is_not_heard(decibels: float, delay: float, hybrid: bool) -> None:
    seed = round(1000 * delay) - round(decibels)
    played = play(prompts(3, seed), seed)
    echo = Line(decibels, delay, hybrid, seed).echo(played.sound)
    result = call(played, echo)
    assert result.sustained == []
    audible = frame_levels(echo) > 40  # -58 dBFS
    assert np.mean(frame_levels(result.out)[audible] > 40) < 0.05


def over_prompts(played: Played, seed: int, level: float = -21) -> tuple[Sound, list[tuple[int, int]]]:
    """A caller who says a word in each prompt, 0.7 s or more after it began; and where the words are."""
    choose = np.random.default_rng(seed)
    voice, places = np.zeros(len(played.sound)), []
    for start, end in zip(played.starts, played.ends, strict=True):
        word = at_level(trimmed(spoken(*WORDS[choose.integers(len(WORDS))]))[:12000], level)
        at = int(choose.integers(start + 5600, end - len(word)))
        voice[at : at + len(word)] = word
        places.append((at, at + len(word)))
    return voice, places


def met(result: Result, places: list[tuple[int, int]]) -> int:
    """Words during which, or shortly after, voice was said to go on."""
    return sum(any(start < at < end + 2400 for at in result.sustained) for start, end in places)


@pytest.mark.recordings
@pytest.mark.parametrize(("decibels", "delay"), CASES)
def test_words_over_the_bots_voice_are_heard_and_nothing_else(decibels: float, delay: float) -> None:
    seed = round(1000 * delay) - round(decibels)
    played = play(prompts(3, seed), seed)
    voice, places = over_prompts(played, seed)
    result = call(played, Line(decibels, delay, seed=seed).echo(played.sound) + voice)
    assert met(result, places) == len(places)
    assert all(any(start < at < end + 5600 for start, end in places) for at in result.sustained)
    for start, end in places:  # undistorted enough to be recognised
        assert np.sum((result.out - voice)[start:end] ** 2) < 0.1 * np.sum(voice[start:end] ** 2)


@pytest.mark.recordings
def test_a_caller_10_db_below_the_bot_is_heard_over_a_weak_echo() -> None:
    played = play(prompts(3, 2), 2)
    voice, places = over_prompts(played, 2, level=-31)
    assert met(call(played, Line(-20, 0.2).echo(played.sound) + voice), places) == len(places)


@pytest.mark.recordings
def test_a_line_without_echo_costs_nothing_and_changes_nothing() -> None:
    played = play(prompts(2))
    assert call(played, np.zeros(len(played.sound))).untouched == len(frame_levels(played.sound))
    voice, places = over_prompts(played, 5)
    result = call(played, voice)
    assert met(result, places) == len(places)
    start = places[1][0]
    assert np.sum((result.out - voice)[start:] ** 2) < 0.05 * np.sum(voice[start:] ** 2)


@pytest.mark.recordings
@pytest.mark.parametrize("hiss", [None, -55])
@pytest.mark.parametrize("word", [*WORDS, ("en", "vm-goodbye"), ("fr", "activated")])
def test_where_nothing_came_back_a_word_is_let_through_whole(word: tuple[str, str], hiss: float | None) -> None:
    played = play(prompts(1))
    voice = np.zeros(len(played.sound)) if hiss is None else pink_noise(len(played.sound) / RATE, hiss)
    voice = voice[: len(played.sound)]
    said = at_level(trimmed(spoken(*word))[:12000], -21)
    start = played.starts[0] + round(1.2 * RATE)
    voice[start : start + len(said)] += said
    result = call(played, voice)
    assert met(result, [(start, start + len(said))]) == 1
    wanted = through_mulaw(voice)[start : start + len(said)]
    assert np.sum((result.out[start : start + len(said)] - wanted) ** 2) < 0.02 * np.sum(wanted**2)


@pytest.mark.recordings
def test_a_line_that_begins_to_return_the_bot_is_noticed_before_it_interrupts() -> None:
    played = play(prompts(3), jitter=0)
    echo = Line(-15, 0.2).echo(played.sound)
    echo[: played.starts[1]] = 0
    canceller = EchoCanceller()
    result = call(played, echo, canceller)
    assert canceller.delay == pytest.approx(0.2, abs=0.005)
    assert result.sustained == []


@pytest.mark.recordings
def test_noise_on_the_line_is_not_taken_for_an_echo_for_long() -> None:
    played = play(prompts(2))
    noise = pink_noise(len(played.sound) / RATE, -45)[: len(played.sound)]
    canceller = EchoCanceller()
    result = call(played, noise, canceller)
    assert canceller.delay is None
    assert result.sustained == []
    assert result.untouched > 0.8 * len(frame_levels(noise))


@pytest.mark.recordings
def test_noise_does_not_hide_an_echo() -> None:
    played = play(prompts(3, 1), 4)
    noise = pink_noise(len(played.sound) / RATE, -50)[: len(played.sound)]
    assert call(played, Line(-16, 0.18).echo(played.sound) + noise).sustained == []


@pytest.mark.recordings
def test_an_echo_that_moves_is_found_again() -> None:
    played = play(prompts(3), jitter=0)
    near, far = Line(-15, 0.1).echo(played.sound), Line(-15, 0.35).echo(played.sound)
    middle = played.starts[1] - 2000
    canceller = EchoCanceller()
    result = call(played, np.concatenate([near[:middle], far[middle:]]), canceller)
    assert canceller.delay == pytest.approx(0.35, abs=0.005)
    assert [at for at in result.sustained if at > played.starts[2]] == []


@pytest.mark.recordings
def test_what_was_cut_off_is_expected_no_longer() -> None:
    played = play(prompts(1), jitter=0)
    stop = played.starts[0] + 2 * RATE
    canceller = EchoCanceller()
    for at, pcm in played.references:
        canceller.reference(pcm, at)
    canceller.cut(stop)
    frame = Frame(wire(played.sound)[stop + RATE : stop + RATE + FRAME], PCMU_8K, stop + RATE)
    assert canceller.process(frame) is frame


@pytest.mark.recordings
@pytest.mark.parametrize("audio_format", [PCMU_8K, PCMA_8K, L16_8K, L16_16K], ids=str)
@pytest.mark.parametrize("milliseconds", [20, 30, 100])
def test_any_format_and_frame_size_is_cleaned(audio_format: AudioFormat, milliseconds: int) -> None:
    played = play(prompts(2, 3), jitter=0)
    echo = Line(-15, 0.15).echo(played.sound)

    def wide(sound: Sound) -> bytes:
        return resample(to_pcm(sound), RATE, audio_format.rate)

    canceller, rate = EchoCanceller(audio_format.rate), audio_format.rate
    canceller.reference(wide(played.sound)[: 2 * rate], 0)
    out = []
    for frame in frames(g711.encode(wide(echo), audio_format.encoding), audio_format, rate * milliseconds // 1000):
        if frame.pts_samples % rate < frame.samples:  # the next second
            at = frame.pts_samples // rate + 1
            canceller.reference(wide(played.sound)[2 * rate * at : 2 * rate * (at + 1)], at * rate)
        out.append(canceller.process(frame).pcm())
    left = np.frombuffer(b"".join(out), "<i2").astype(np.float64)
    heard_back = np.frombuffer(wide(echo), "<i2").astype(np.float64)
    assert np.sum(left**2) < 0.02 * np.sum(heard_back**2)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-2000, 30000), st.integers(0, 4000)), max_size=8),
    st.lists(st.integers(0, 700), min_size=1, max_size=20),
    st.integers(0, 2**16),
)
def test_any_order_and_place_of_audio_is_survived(told: list[tuple[int, int]], sizes: list[int], seed: int) -> None:
    choose = np.random.default_rng(seed)
    canceller = EchoCanceller()
    at = 0
    for index, size in enumerate(sizes):
        if index < len(told):
            position, count = told[index]
            canceller.reference(choose.integers(-9000, 9000, count).astype("<i2").tobytes(), position)
        frame = Frame(choose.integers(0, 256, size).astype(np.uint8).tobytes(), PCMU_8K, at)
        clean = canceller.process(frame)
        assert (clean.pts_samples, clean.samples) == (at, size)
        at += size
        if index % 5 == 4:
            canceller.cut(at)


@pytest.mark.recordings
def test_without_it_the_bot_interrupts_itself() -> None:
    """What the module is for."""
    echo = Line(-20, 0.2).echo(play(prompts(2)).sound)
    assert sum(isinstance(event, VoiceSustained) for _, event in heard(echo)) > 10
