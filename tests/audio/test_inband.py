"""Keys by sound, and by several ways at once."""

from __future__ import annotations

import pytest

from audio import tones
from audio.codecs import convert, g711
from audio.format import L16_8K, L16_16K, PCMA_8K, PCMU_8K, AudioFormat
from audio.inband import InbandDigits, Presses
from audio.levels import is_quiet, pcm_of, samples_of
from tests.fakes.lossy_line import slots, voice
from tests.fakes.sounds import pink_noise, to_pcm

KEYS = "0123456789*#ABCD"


def wire(pcm: bytes, audio_format: AudioFormat = PCMU_8K) -> list[bytes]:
    """8 kHz PCM as frames of 20 ms."""
    data = convert(pcm, L16_8K, audio_format)
    return slots(data, audio_format.size(0.02))


def heard(pcm: bytes, audio_format: AudioFormat = PCMU_8K) -> str:
    listener = InbandDigits(audio_format)
    return "".join(digit for frame in wire(pcm, audio_format) for digit in listener.heard(frame))


@pytest.mark.parametrize("audio_format", [PCMU_8K, PCMA_8K, L16_8K, L16_16K])
def test_every_key_is_heard_once(audio_format: AudioFormat) -> None:
    assert heard(tones.dtmf_string(KEYS + "1155", 0.08, 0.06), audio_format) == KEYS + "1155"


def test_a_key_pressed_again_after_a_long_quiet_is_a_press_of_its_own() -> None:
    """The detector is not shown the quiet, but that there was some."""
    key = tones.dtmf("5", 0.08)
    assert heard(tones.silence(1) + key + tones.silence(3) + key + tones.silence(0.06) + key) == "555"


def test_a_key_held_for_seconds_is_one() -> None:
    assert heard(tones.dtmf("7", 3.0) + tones.silence(0.1)) == "7"


def test_voices_and_noise_are_no_keys() -> None:
    assert heard(to_pcm(voice(20))) == ""
    assert heard(to_pcm(pink_noise(20, -25))) == ""
    assert heard(tones.ringback(5, country="us")) == ""


def test_keys_in_noise() -> None:
    keys = tones.dtmf_string("0123456789", 0.1, 0.1)
    noise = pink_noise(len(keys) / 16000, -40)
    assert heard(to_pcm(samples_of(keys) + noise)) == "0123456789"


def test_quiet_is_not_analysed() -> None:
    quiet = PCMU_8K.silence(160)
    assert is_quiet(quiet, PCMU_8K.encoding)
    listener = InbandDigits(PCMU_8K)
    assert [listener.heard(quiet) for _ in range(5)] == [[]] * 5


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.5, 0.9])
def test_our_own_keys_coming_back_are_nobodys(delay: float) -> None:
    ours = tones.silence(0.5) + tones.dtmf_string("59", 0.1, 0.1) + tones.silence(1.5)
    echo = tones.silence(delay) + ours
    listener = InbandDigits(PCMU_8K)
    found = []
    for sent, back in zip(wire(ours), wire(echo[: len(ours)]), strict=True):
        listener.sent(sent)
        found += listener.heard(back)
    assert found == []


def test_other_keys_and_later_ones_are_the_callers() -> None:
    listener = InbandDigits(PCMU_8K)
    for frame in wire(tones.dtmf("5") + tones.silence(0.1)):
        listener.sent(frame)
    assert [d for frame in wire(tones.dtmf("6") + tones.silence(0.1)) for d in listener.heard(frame)] == ["6"]
    later = wire(tones.silence(1.2) + tones.dtmf("5") + tones.silence(0.1))
    assert [digit for frame in later for digit in listener.heard(frame)] == ["5"]


def test_in_a_wire_that_clips() -> None:
    loud = g711.decode(b"".join(wire(tones.dtmf_string("147", 0.1, 0.1, 8000))), PCMU_8K.encoding)
    assert heard(pcm_of(samples_of(loud) * 1.6)) == "147"


# --- one press, several ways ---------------------------------------------------------------------------------------
def test_a_message_that_repeats_an_event_is_no_second_press() -> None:
    presses = Presses()
    assert presses.is_new("5", "event", 1.0)
    assert not presses.is_new("5", "info", 1.25)
    assert presses.is_new("5", "info", 1.28)  # each event explains one message


def test_the_same_key_twice_by_both_ways_is_two_presses() -> None:
    presses = Presses()
    told = [("event", 0.0), ("info", 0.12), ("event", 0.16), ("info", 0.28)]
    assert [presses.is_new("5", way, at) for way, at in told] == [True, False, True, False]


def test_the_message_may_come_first() -> None:
    presses = Presses()
    assert presses.is_new("5", "info", 1.0)
    assert not presses.is_new("5", "event", 1.1)


def test_a_message_tells_when_a_long_press_began() -> None:
    presses = Presses()
    assert presses.is_new("5", "event", 1.0)
    assert not presses.is_new("5", "info", 3.05, duration=2.0)


def test_other_keys_and_later_presses_are_new() -> None:
    presses = Presses()
    assert presses.is_new("5", "event", 1.0)
    assert presses.is_new("6", "info", 1.1)
    assert presses.is_new("5", "info", 1.4)
    assert presses.is_new("5", "event", 1.0 + 5)


def test_the_window_between_two_ways() -> None:
    presses = Presses()
    assert presses.is_new("5", "event", 0.0)
    assert not presses.is_new("5", "info", Presses.WINDOW)
    assert presses.is_new("6", "event", 10.0)
    assert presses.is_new("6", "info", 10.01 + Presses.WINDOW)


def test_one_way_alone_may_be_as_fast_as_it_likes() -> None:
    presses = Presses()
    assert all(presses.is_new("1", "info", number * 0.05) for number in range(40))


def test_sound_counts_until_a_key_came_otherwise() -> None:
    presses = Presses()
    assert presses.is_new("1", "tone", 0.0)
    assert presses.is_new("2", "tone", 0.2)
    assert not presses.is_new("2", "event", 0.25)
    assert not presses.is_new("3", "tone", 5.0)
    assert presses.is_new("3", "event", 5.05)
