"""Voice detection: what it hears in speech, does not hear in noise, and that neither framing nor batching matters."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.codecs import g711
from audio.ear import SpeechDetector
from audio.endpointing import VoiceEvent, VoiceStarted, VoiceStopped, VoiceSustained
from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Encoding
from audio.frame import Frame
from audio.judge_batch import JudgeBatch
from audio.resample import resample
from audio.vad import VoiceDetector
from audio.voting import FrameVoter, level_gate
from tests.fakes.sounds import (
    FRAME,
    NOISES,
    RATE,
    SENTENCES,
    Sound,
    at_level,
    frames,
    heard,
    judge,
    melody,
    pink_noise,
    silence,
    spoken,
    through_mulaw,
    to_pcm,
    tones,
    trimmed,
    verdicts,
    wire,
)

SYNTHETIC = np.frombuffer((Path(__file__).parent.parent / "fixtures/vad/silero_input.pcm").read_bytes(), "<i2")
PHRASE = np.concatenate([SYNTHETIC[:16800].astype(np.float64), silence(0.8)])  # a sentence that espeak-ng spoke


def ends(sound: Sound, audio_format: AudioFormat = PCMU_8K, cuts: tuple[int, ...] = (FRAME,)) -> list[VoiceEvent]:
    """Voice events of a sound, pushed in frames of the given sizes (in samples), repeated."""
    pcm = to_pcm(sound)
    if audio_format.rate != RATE:
        pcm = resample(pcm, RATE, audio_format.rate)
    data = g711.encode(pcm, audio_format.encoding)
    batch, said = JudgeBatch(judge()), list[VoiceEvent]()
    detector = SpeechDetector(audio_format, batch, said.append)
    width, at, turn = audio_format.encoding.bytes_per_sample, 0, 0
    while at < len(data):
        size = cuts[turn % len(cuts)] * width
        detector.push(Frame(data[at : at + size], audio_format, at // width))
        at, turn = at + size, turn + 1
        batch.flush()
    return said


# --- the cheap stages ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("encoding", list(Encoding))
def test_the_level_gate_wants_a_tenth_of_a_frame_above_the_quiet_level(encoding: Encoding) -> None:
    is_loud = level_gate(encoding)

    def frame(loud: int, level: int) -> bytes:
        samples = np.zeros(FRAME, "<i2")
        samples[:loud] = level
        return g711.encode(samples.tobytes(), encoding)

    assert is_loud(frame(16, 40))
    assert is_loud(frame(16, -40))
    assert is_loud(frame(16, -32768))
    assert is_loud(frame(16, 32767))
    assert not is_loud(frame(15, 32767))
    assert not is_loud(frame(FRAME, 15))
    assert not is_loud(frame(FRAME, -15))
    assert not is_loud(encoding.silence * FRAME)


def test_a_vote_needs_more_than_loudness() -> None:
    voter = FrameVoter(Encoding.PCMU)
    assert not any(voter.vote(frame.data) for frame in frames(wire(silence(1))))
    speech = [voter.vote(frame.data) for frame in frames(wire(PHRASE[1024:12000])) if len(frame.data) == FRAME]
    assert sum(speech) > len(speech) / 2


# --- a synthetic sentence: always there ------------------------------------------------------------------------------
def test_a_sentence_is_one_stretch_of_speech_and_what_follows_is_none() -> None:
    said = ends(PHRASE)
    assert isinstance(said[0], VoiceStarted)
    assert isinstance(said[-1], VoiceStopped)
    assert [type(event) for event in said].count(VoiceStarted) == 1
    assert [type(event) for event in said].count(VoiceSustained) >= 4
    assert said[0].at_samples == pytest.approx(1250, abs=500)


@pytest.mark.parametrize("audio_format", [PCMA_8K, L16_8K, L16_16K, AudioFormat(Encoding.L16, 48000)], ids=str)
def test_every_format_hears_the_same_sentence(audio_format: AudioFormat) -> None:
    mulaw, other = ends(PHRASE), ends(PHRASE, audio_format)
    assert [type(event) for event in other] == [type(event) for event in mulaw]
    for ours, theirs in zip(mulaw, other, strict=True):
        assert theirs.at_samples == pytest.approx(ours.at_samples, abs=3 * FRAME)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 900), min_size=1, max_size=12), st.sampled_from([PCMU_8K, L16_8K]))
def test_cutting_frames_anywhere_yields_the_same_events(cuts: list[int], audio_format: AudioFormat) -> None:
    assert ends(PHRASE, audio_format, tuple(cuts)) == ends(PHRASE, audio_format)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.floats(0, 1))
def test_batching_changes_nothing_in_what_is_said(seed: int, calls: int, chance: float) -> None:
    choose = np.random.default_rng(seed)
    batch, said = JudgeBatch(judge()), [list[VoiceEvent]() for _ in range(calls)]
    detectors = [SpeechDetector(PCMU_8K, batch, events.append) for events in said]
    for frame in frames(wire(PHRASE)):
        for detector in detectors:
            detector.push(frame)
            if choose.random() < chance / calls:
                batch.flush()
    batch.flush()
    assert all(events == ends(PHRASE) for events in said)


def test_audio_that_waits_too_long_is_judged_on_the_spot() -> None:
    batch, said = JudgeBatch(judge()), list[bool]()
    detector = VoiceDetector(PCMU_8K, batch, lambda _, voiced: said.append(voiced))
    for frame in frames(wire(np.tile(PHRASE, 2))):
        detector.push(frame)
    assert len(said) > 2 * len(PHRASE) // FRAME - 60
    assert any(said)


def test_verdicts_carry_their_position_and_miss_no_frame() -> None:
    batch, said = JudgeBatch(judge()), list[int]()
    detector = VoiceDetector(PCMU_8K, batch, lambda end, _: said.append(end))
    for frame in frames(wire(PHRASE)):
        detector.push(frame)
    batch.flush()
    assert said == list(range(FRAME, len(PHRASE) + 1, FRAME))


def test_a_hole_in_the_audio_is_silence_and_a_jump_starts_anew() -> None:
    batch, said = JudgeBatch(judge()), list[int]()
    detector = VoiceDetector(PCMU_8K, batch, lambda end, _: said.append(end))
    data = wire(PHRASE)[2000 : 2000 + FRAME]
    for position in (0, FRAME, 5 * FRAME, 1_000_000, 800):
        detector.push(Frame(data, PCMU_8K, position))
    batch.flush()
    assert said == [FRAME * n for n in (1, 2, 3, 4, 5, 6)] + [1_000_000 + FRAME, 800 + FRAME]


@pytest.mark.parametrize("mode", ["cascade", "webrtc"])
def test_nothing_is_said_once_it_is_closed(mode: str) -> None:
    batch, said = JudgeBatch(judge()), list[VoiceEvent]()
    detector = SpeechDetector(PCMU_8K, batch, said.append, mode="cascade" if mode == "cascade" else "webrtc")
    sound = list(frames(wire(PHRASE)))
    for frame in sound[:20]:
        detector.push(frame)
    before = len(said)
    detector.close()
    for frame in sound[20:]:
        detector.push(frame)
    batch.flush()
    assert len(said) == before
    assert len(batch) == 0


def test_the_cascade_needs_a_batch() -> None:
    with pytest.raises(ValueError, match="batch"):
        SpeechDetector(PCMU_8K, None, lambda event: None)
    assert not SpeechDetector(PCMU_8K, None, lambda event: None, mode="webrtc").is_speaking


# --- signals without a talker ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NOISES)
def test_noises_do_not_start_speech(name: str) -> None:
    assert heard(NOISES[name]()) == []
    assert heard(np.concatenate([silence(0.507), NOISES[name]()])) == []


def test_the_webrtc_mode_is_not_that_clever() -> None:
    """The reason for the judge, and for the option's warning."""
    assert len(heard(melody(), mode="webrtc")) > 3


def test_the_webrtc_mode_can_be_muted_while_a_key_is_pressed() -> None:
    said = list[VoiceEvent]()
    detector = SpeechDetector(PCMU_8K, None, said.append, mode="webrtc")
    detector.mute(RATE // 2)
    for frame in frames(wire(np.concatenate([silence(0.1), tones(0.3, 770, 1336), silence(0.6)]))):
        detector.push(frame)
    assert said == []


# --- recorded people -------------------------------------------------------------------------------------------------
@cache
def conversation() -> tuple[Sound, npt.NDArray[np.bool_]]:
    """People's sentences with pauses, and where there is voice: frames of the clean sound with energy, and short
    gaps between them."""
    pieces = [silence(0.5)]
    for language, name in SENTENCES:
        pieces += [at_level(trimmed(spoken(language, name))[: 7 * RATE], -24), silence(1.2)]
    sound = np.concatenate(pieces)
    sound = sound[: len(sound) // FRAME * FRAME]
    energy = np.sqrt(np.mean(sound.reshape(-1, FRAME) ** 2, axis=1)) > 90
    voiced = energy.copy()
    loud = np.flatnonzero(energy)
    for before, after in itertools.pairwise(loud):
        if after - before <= 10:
            voiced[before:after] = True
    return sound, voiced


def figures(sound: Sound, mode: str = "cascade") -> tuple[float, float]:
    """Share of voiced frames missed, and of the others taken for voice."""
    truth = conversation()[1]
    said = verdicts(sound, "cascade" if mode == "cascade" else "webrtc")
    return float(np.mean(~said[truth])), float(np.mean(said[~truth]))


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("noise", "miss", "false"), [(None, 0.06, 0.13), (-44, 0.07, 0.13), (-34, 0.10, 0.15), (-27, 0.15, 0.18)]
)
def test_people_are_heard_also_over_noise(noise: float | None, miss: float, false: float) -> None:
    sound, _ = conversation()
    if noise is not None:
        sound = sound + pink_noise(len(sound) / RATE, noise)
    missed, taken = figures(sound)
    assert missed < miss
    assert taken < false


@pytest.mark.recordings
def test_a_quiet_talker_is_heard() -> None:
    missed, taken = figures(through_mulaw(conversation()[0] * 10 ** (-26 / 20)))  # -50 dBFS
    assert missed < 0.08
    assert taken < 0.13


@pytest.mark.recordings
@pytest.mark.parametrize("sentence", SENTENCES, ids=str)
def test_the_first_words_of_a_call_are_heard_at_once(sentence: tuple[str, str]) -> None:
    speech = at_level(trimmed(spoken(*sentence))[:RATE], -24)
    known, started = heard(np.concatenate([silence(0.4), speech]))[0]
    assert isinstance(started, VoiceStarted)
    assert known / RATE < 0.4 + 0.05 + 0.25  # the silence, the margin that is left around the words, the onset


@pytest.mark.recordings
def test_the_judge_takes_less_for_voice_than_webrtc_does() -> None:
    sound = conversation()[0] + pink_noise(len(conversation()[0]) / RATE, -30)
    assert figures(sound)[1] < figures(sound, "webrtc")[1]


@pytest.mark.recordings
def test_onset_barge_in_and_end_come_in_time() -> None:
    sound, voiced = conversation()
    events = heard(sound)
    starts = [
        index for index in np.flatnonzero(np.diff(voiced.astype(int)) == 1) if not voiced[index - 40 : index].any()
    ]
    ends_at = [i for i in np.flatnonzero(np.diff(voiced.astype(int)) == -1) if not voiced[i + 2 : i + 42].any()]
    assert len(starts) == len(ends_at) == len(SENTENCES)

    def first(kind: type, after: int) -> tuple[float, float]:
        """When it was known and where it says it was, in seconds after a frame's end."""
        known, event = next((k, e) for k, e in events if isinstance(e, kind) and k > (after + 1) * FRAME)
        return known / RATE - (after + 1) * 0.02, event.at_samples / RATE - (after + 1) * 0.02

    started = [first(VoiceStarted, index) for index in starts]
    assert np.median([known for known, _ in started]) <= 0.13
    assert max(known for known, _ in started) <= 0.2
    assert np.abs([at for _, at in started]).max() <= 0.12
    assert np.median([first(VoiceSustained, index)[0] for index in starts]) <= 0.25 + 0.06
    stopped = [first(VoiceStopped, index) for index in ends_at]
    assert np.median([known for known, _ in stopped]) <= 0.62
    assert np.abs(np.median([at for _, at in stopped])) <= 0.06
