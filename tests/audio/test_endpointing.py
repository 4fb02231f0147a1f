"""Start, continuation and end of voice, from verdicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.endpointing import Endpointer, VoiceEvent, VoiceStarted, VoiceStopped, VoiceSustained

FRAME = 160


def feed(endpointer: Endpointer, pattern: str, start: int = 0) -> list[VoiceEvent]:
    """``#`` is a voiced frame, anything else is not."""
    events: list[VoiceEvent] = []
    for index, mark in enumerate(pattern):
        events += endpointer.push(start + (index + 1) * FRAME, mark == "#")
    return events


def test_four_of_six_frames_start_it_at_the_first_voiced_one() -> None:
    assert feed(Endpointer(), "....#..####")[:1] == [VoiceStarted(4 * FRAME)]
    assert feed(Endpointer(), "...##.##")[:1] == [VoiceStarted(3 * FRAME)]


@pytest.mark.parametrize("pattern", ["###" + "." * 30, "###...###...###", "#." * 40, "##...#..##..#"])
def test_short_noises_start_nothing(pattern: str) -> None:
    endpointer = Endpointer()
    assert feed(endpointer, pattern) == []
    assert not endpointer.is_speaking


def test_it_ends_when_half_a_second_has_two_voiced_frames_and_says_when_the_voice_did() -> None:
    endpointer = Endpointer()
    started, *_, stopped = feed(endpointer, "." * 10 + "#" * 10 + "." * 25)
    assert (started, stopped) == (VoiceStarted(10 * FRAME), VoiceStopped(20 * FRAME))


def test_a_pause_shorter_than_the_rule_does_not_end_it() -> None:
    assert not any(isinstance(event, VoiceStopped) for event in feed(Endpointer(), "#" * 10 + "." * 22 + "#" * 5))


def test_two_stray_frames_do_not_keep_it_alive() -> None:
    events = feed(Endpointer(), "#" * 10 + "." * 12 + "#" + "." * 8 + "#" + "." * 20)
    assert isinstance(events[-1], VoiceStopped)


def test_sustained_comes_again_after_each_stretch_of_voice() -> None:
    events = feed(Endpointer(min_speech=0.25), "#" * 30 + "." * 10 + "#" * 10)
    sustained = [event for event in events if isinstance(event, VoiceSustained)]
    assert [event.voiced_samples for event in sustained] == [13 * FRAME, 25 * FRAME, 38 * FRAME]
    assert [event.at_samples for event in sustained] == [13 * FRAME, 25 * FRAME, 48 * FRAME]  # pauses do not count


def test_a_minimum_shorter_than_the_start_rule_comes_with_the_start() -> None:
    assert feed(Endpointer(min_speech=0.06), "####") == [VoiceStarted(0), VoiceSustained(4 * FRAME, 4 * FRAME)]


def test_a_minimum_is_kept_to_the_sample_at_the_rate_of_telephones() -> None:
    endpointer = Endpointer(min_speech=2.0)
    assert (endpointer.rate, endpointer.min_speech) == (8000, 2.0)
    assert feed(endpointer, "#" * 101)[1:] == [VoiceSustained(100 * FRAME, 100 * FRAME)]


def test_no_minimum_at_all_is_a_frame() -> None:
    endpointer = Endpointer(min_speech=0.0)
    assert endpointer.min_speech == 0.02
    sustained = [event for event in feed(endpointer, "#" * 7) if isinstance(event, VoiceSustained)]
    assert [event.voiced_samples for event in sustained] == [4 * FRAME, 5 * FRAME, 6 * FRAME, 7 * FRAME]


def test_one_voice_after_another_is_counted_anew() -> None:
    endpointer = Endpointer()
    feed(endpointer, "#" * 20 + "." * 25)
    assert not endpointer.is_speaking
    assert feed(endpointer, "." * 10 + "#" * 13, 45 * FRAME) == [
        VoiceStarted(55 * FRAME),
        VoiceSustained(68 * FRAME, 13 * FRAME),
    ]


@pytest.mark.parametrize(
    ("seconds", "frames"), [(0.2, 10), (0.21, 10), (0.3, 15), (0.5, 25), (2.0, 25), (0.1, 10), (0.0, 10)]
)
def test_the_end_silence_sets_the_rule_within_its_bounds(seconds: float, frames: int) -> None:
    endpointer = Endpointer()
    feed(endpointer, "#" * 40)
    endpointer.end_silence = seconds
    assert endpointer.end_silence == pytest.approx(frames * 0.02)
    quiet = "." * (frames - 2)  # two voiced frames are still in the window then
    assert feed(endpointer, quiet[:-1], 40 * FRAME) == []
    assert feed(endpointer, ".", (40 + len(quiet) - 1) * FRAME) == [VoiceStopped(40 * FRAME)]


def test_end_silence_and_minimum_may_change_while_somebody_speaks() -> None:
    endpointer = Endpointer()
    feed(endpointer, "#" * 10 + "." * 15)
    assert endpointer.is_speaking
    endpointer.end_silence, endpointer.min_speech = 0.2, 0.5
    assert feed(endpointer, ".", 25 * FRAME) == [VoiceStopped(10 * FRAME)]
    assert [e.voiced_samples for e in feed(endpointer, "#" * 30) if isinstance(e, VoiceSustained)] == [25 * FRAME]


def test_what_the_detector_adds_and_misses_is_made_up_for() -> None:
    endpointer = Endpointer(hangover=0.06, lead=0.02)
    events = feed(endpointer, "." * 10 + "#" * 13 + "." * 25)
    assert events == [
        VoiceStarted(9 * FRAME),
        VoiceSustained(22 * FRAME, 13 * FRAME),
        VoiceStopped(20 * FRAME),
    ]


@given(st.lists(st.booleans(), max_size=400), st.sampled_from([0.2, 0.3, 0.5]))
def test_events_alternate_and_their_positions_make_sense(pattern: list[bool], end_silence: float) -> None:
    endpointer = Endpointer(hangover=0.06, lead=0.02)
    endpointer.end_silence = end_silence
    speaking, last = False, 0
    for index, voiced in enumerate(pattern):
        now = (index + 1) * FRAME
        for event in endpointer.push(now, voiced):
            if isinstance(event, VoiceStarted):
                assert not speaking
                assert now - 7 * FRAME <= event.at_samples < now
                speaking, last, total = True, event.at_samples, 0
            else:
                assert speaking
                assert last <= event.at_samples <= now
            if isinstance(event, VoiceSustained):
                assert event.voiced_samples - total >= 0.25 * 8000 - FRAME
                assert event.voiced_samples <= now - last
                total = event.voiced_samples
            elif isinstance(event, VoiceStopped):
                speaking = False
    assert endpointer.is_speaking is speaking
