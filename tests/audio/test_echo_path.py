"""The memory of both directions, the search for a delay, and the filter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.echo_path import EchoPath, Floats, History, find_delay, power

CHOOSE = np.random.default_rng(3)


def noise(count: int, level: float = 3000.0) -> Floats:
    return (CHOOSE.standard_normal(count) * level).astype(np.float32)


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 90)), max_size=12),
    st.integers(-50, 400),
    st.integers(0, 200),
)
def test_history_is_the_newest_part_of_a_time_line(writes: list[tuple[int, int]], start: int, count: int) -> None:
    history, line, end = History(64), np.zeros(1000, np.int16), 0
    for number, (at, size) in enumerate(writes):
        samples = np.full(size, number + 1, np.int16)
        oldest = max(end, at + size) - 64
        line[max(at, oldest, 0) : at + size] = number + 1
        history.write(at, samples)
        end = max(end, at + size)
    line[: max(0, end - 64)] = 0
    expected = [float(line[at]) if 0 <= at < 1000 else 0.0 for at in range(start, start + count)]
    assert history.end == end
    assert history.read(start, count).tolist() == expected


def test_a_delay_is_found_where_it_is_and_stands_out() -> None:
    sent = noise(6000)
    back = 0.1 * sent[2345 : 2345 + 1600] + noise(1600, 50)
    offset, peak = find_delay(back, sent)
    assert offset == 2345
    assert peak > 10


def test_unrelated_sounds_have_no_peak() -> None:
    assert max(find_delay(noise(1600), noise(6000))[1] for _ in range(20)) < 6.5


def test_silence_is_survived() -> None:
    nothing: Floats = np.zeros(1600, np.float32)
    assert find_delay(nothing, noise(6000))[1] < 1
    assert find_delay(nothing, np.zeros(6000, np.float32))[1] < 1


def test_a_path_is_learned_and_predicts() -> None:
    path = EchoPath(64, 16)
    response = CHOOSE.standard_normal(20) * np.exp(-np.arange(20) / 5)
    sent = noise(16000)
    back = np.convolve(sent, response)[: len(sent)].astype(np.float32)
    delay = 0
    for start in range(800, 8000, 160):
        at, count = path.window(start, delay, 160)
        path.learn(sent[at : at + count], back[start : start + 160], 1e-6, 0.99)
    path.solve()
    at, count = path.window(9600, delay, 160)
    left = back[9600:9760] - path.predict(sent[at : at + count])
    assert power(left) < 1e-4 * power(back[9600:9760])


def test_power_is_the_mean_square() -> None:
    assert power(np.array([3, -3, 3, -3], np.float32)) == pytest.approx(9)
    assert power(np.zeros(0, np.float32)) == 0
