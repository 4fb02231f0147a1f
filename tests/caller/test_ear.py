from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.format import L16_16K, PCMU_8K
from gateway.caller.ear import Ear

SECOND = bytes(8000)


def ear() -> Ear:
    return Ear(PCMU_8K)


def test_what_arrives_early_waits_and_what_arrives_late_leaves_a_gap() -> None:
    heard = ear()
    assert heard.play(b"a" * 8000, 10.0) == 10.0
    assert heard.play(b"b" * 8000, 10.1) == 11.0
    assert heard.play(b"c" * 8000, 13.0) == 13.0
    assert [(piece.at, piece.data[:1], len(piece.data)) for piece in heard.heard()] == [
        (10.0, b"a", 16000),
        (13.0, b"c", 8000),
    ]


def test_only_what_has_been_played_by_now_was_heard() -> None:
    heard = ear()
    heard.play(SECOND, 10.0)
    assert heard.heard(9.0) == []
    assert [len(piece.data) for piece in heard.heard(10.25)] == [2000]
    assert [piece.end for piece in heard.heard(20.0)] == [11.0]


def test_a_cut_takes_back_the_rest_to_the_sample() -> None:
    heard = ear()
    heard.play(SECOND, 10.0)
    heard.play(SECOND, 10.0)
    assert heard.cut(10.5) == pytest.approx(1.5)
    assert heard.ends_at == 10.5
    assert heard.play(SECOND, 10.6) == 10.6
    assert [(piece.at, len(piece.data)) for piece in heard.heard()] == [(10.0, 4000), (10.6, 8000)]


def test_a_cut_before_the_beginning_takes_back_everything() -> None:
    heard = ear()
    heard.play_at(SECOND, 10.0)
    assert heard.cut(9.0) == pytest.approx(1.0)
    assert heard.heard() == []
    assert heard.ends_at == 0.0


def test_linear_audio_is_cut_between_samples() -> None:
    heard = Ear(L16_16K)
    heard.play(bytes(32000), 10.0)
    heard.cut(10.00005)
    assert [len(piece.data) for piece in heard.heard()] == []
    heard.play(bytes(32000), 10.1)
    heard.cut(10.10007)
    assert [len(piece.data) for piece in heard.heard()] == [2]


def test_old_audio_is_forgotten_where_little_is_kept() -> None:
    heard = Ear(PCMU_8K, keep=2.0)
    for second in range(100):
        heard.play(SECOND, float(second))
    assert sum(len(piece.data) for piece in heard.heard()) <= 5 * 8000
    assert heard.ends_at == 100.0


@given(st.lists(st.tuples(st.sampled_from(["play", "cut", "take"]), st.integers(1, 3000), st.integers(0, 5000))))
def test_nothing_is_heard_twice_out_of_order_or_from_the_future(steps: list[tuple[str, int, int]]) -> None:
    heard, now, taken, played, said = ear(), 100.0, b"", 0, 0
    for step, size, wait in steps:
        if step == "play":
            heard.play(bytes((said + i) % 251 for i in range(size)), now)
            said += size
            played += size
        elif step == "cut":
            played -= round(heard.cut(now) * 8000)
        else:
            taken += b"".join(piece.data for piece in heard.take(now))
        now += wait / 8000
    pieces = heard.heard()
    assert sum(len(piece.data) for piece in pieces) == played
    assert all(a.end <= b.at + 1e-6 for a, b in itertools.pairwise(pieces))
    assert all(piece.at >= 100.0 for piece in pieces)
    taken += b"".join(piece.data for piece in heard.take(now + 1000))
    assert taken == b"".join(piece.data for piece in pieces)
