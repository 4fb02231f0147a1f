"""The calls through Asterisk judge sound rightly."""

from __future__ import annotations

import numpy as np
import pytest

from tools.asterisk.pbx import contexts
from tools.asterisk.sound import correlation, level, likeness, share_of, tone, voiced


def _noise(seconds: float, seed: int) -> bytes:
    return np.random.default_rng(seed).normal(0, 3000, round(seconds * 8000)).astype("<i2").tobytes()


def test_a_sound_is_found_where_it_is() -> None:
    speech = _noise(1.0, 1)
    score, place = correlation(bytes(8000) + speech + _noise(0.5, 2), speech)
    assert score > 0.999
    assert place == pytest.approx(0.5)


def test_a_gap_a_doubled_piece_or_another_sound_is_not_taken_for_it() -> None:
    speech = _noise(1.0, 1)
    for heard in (
        speech[:8000] + bytes(640) + speech[8000:],
        speech[:8000] + speech[7680:],
        _noise(2.0, 3),
        bytes(32000),
        b"",
    ):
        assert correlation(heard, speech)[0] < 0.9


def test_a_stutter_is_measured_and_noise_is_not_overlooked() -> None:
    speech = _noise(5.0, 1)
    score, drift = likeness(bytes(8000) + speech[:20000] + bytes(1600) + speech[20000:] + bytes(8000), speech)
    assert score > 0.999
    assert drift == pytest.approx(0.1)
    assert likeness(speech[:48000] + _noise(2.0, 2), speech)[0] < 0.5


def test_a_tone_is_told_from_other_sounds() -> None:
    assert share_of(tone(440, 0.5), 440) > 0.99
    assert share_of(_noise(0.5, 1), 440) < 0.1
    assert share_of(bytes(8000), 440) == 0


def test_levels() -> None:
    assert level(tone(440, 0.5)) == pytest.approx(-15.3, abs=0.1)
    assert level(bytes(320)) == float("-inf")
    assert voiced(bytes(320) + tone(440, 0.02) + bytes(100)) == [False, True]


def test_every_way_in_of_the_published_dialplan_is_called() -> None:
    assert {"bot", "bot-tls", "bot-plain", "bot-incoming", "bot-then-people", "bot-alaw"} <= set(contexts())
