"""A simulated caller, driven by hand: what it says, what it counts, and what it calls a failure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from benchmarks import sound, wire
from benchmarks.callers import PTIME, REST, Caller, EchoCaller, Window

MESSAGE = 0.2


class Line:
    """A caller and the server it talks to, on a clock of their own."""

    def __init__(self, number: int = 2, *, interrupts: bool = False) -> None:
        self.now = 100.0
        self.window = Window()
        self.caller = Caller(number, self.window, self.now, interrupts=interrupts, checks=True)
        self.spoken: list[bytes] = []

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / PTIME)):
            self.now += PTIME
            self.spoken.append(self._payload(self.caller.speak(self.now)))

    def _payload(self, frame: bytes) -> bytes:
        return base64.b64decode(self.read(frame)["media"]["payload"])

    @staticmethod
    def read(frame: bytes) -> dict[str, dict[str, str]]:
        ((_, payload),) = wire.FrameReader().feed(frame)
        found: dict[str, dict[str, str]] = json.loads(payload)
        return found

    def hear(self, event: str, **body: object) -> None:
        self.caller.hear(json.dumps({"event": event, **body}).encode(), self.now)

    def answers(self) -> list[dict[str, dict[str, str]]]:
        taken, self.caller.outgoing = self.caller.outgoing, []
        return [self.read(frame) for frame in taken]

    def audio(self, data: bytes) -> None:
        self.hear("media", media={"payload": base64.b64encode(data).decode()})


def prompt(number: int) -> Iterator[bytes]:
    """The messages of a prompt."""
    data = sound.stamp(sound.prompt_clips()[number % len(sound.prompt_clips())], number)
    size = round(MESSAGE * 8000)
    return (data[at : at + size] for at in range(0, len(data), size))


def play(line: Line, number: int, *, missing: int = 0, late: float = 0.0) -> None:
    """Play a prompt as the gateway does: a second at once, the rest on the beat, then a mark."""
    messages = list(prompt(number))
    for index, message in enumerate(messages[: len(messages) - missing]):
        if index > 5:
            line.run(MESSAGE)
        if index == 12:
            line.run(late)
        line.audio(message)
    line.hear("mark", mark={"name": "m"})


def test_a_number_survives_in_a_prompt() -> None:
    for number in (0, 7, 63, 64, 4095, 123_456, (1 << 24) - 1):
        assert sound.read_stamp(sound.stamp(b"\xff" * 160, number)) == number
    assert sound.read_stamp(b"\x10\x20\x30\x40") is None


def test_a_caller_hears_the_greeting_rests_and_talks() -> None:
    line = Line()
    line.run(0.04)
    play(line, 0)
    line.run(2.0)
    assert [answer["event"] for answer in line.answers()] == ["mark"]
    assert line.window.greetings == [pytest.approx(0.04)]
    assert set(b"".join(line.spoken)) == {0xFF}
    line.run(REST + sound.TALK + 0.1)
    voiced = b"".join(frame for frame in line.spoken if set(frame) != {0xFF})
    assert voiced in sound.caller_clips()
    assert line.window.failures == {}
    assert line.window.correlations == [pytest.approx(1.0)]


def test_an_answer_that_does_not_come_is_a_failure() -> None:
    line = Line()
    play(line, 0)
    line.run(1.2 + REST + sound.TALK + 5.9)
    assert line.window.failures == {}
    line.run(0.2)
    assert line.window.failures == {"no answer": 1}


def test_a_greeting_that_does_not_come_is_a_failure() -> None:
    line = Line()
    line.run(7)
    assert line.window.failures == {"no greeting": 1}


def test_a_prompt_on_the_beat_has_no_deviation_and_a_late_message_has() -> None:
    line = Line()
    play(line, 0)
    line.run(2)
    assert max(line.window.pacing) < 1e-6
    late = Line()
    play(late, 0, late=0.1)
    late.run(2)
    assert max(late.window.pacing) == pytest.approx(0.1)
    assert late.window.late == []


def test_a_message_after_the_last_sound_was_played_is_a_loss() -> None:
    line = Line()
    play(line, 0, late=3.0)
    assert len(line.window.late) == 1
    assert line.window.late[0] == pytest.approx(3.0 + MESSAGE - 6 * MESSAGE, abs=0.05)


def test_a_prompt_without_its_end_is_told_by_its_correlation() -> None:
    line = Line()
    play(line, 0, missing=3)
    line.run(2)
    assert line.window.correlations[0] < 0.99


def test_an_interruption_lasts_from_the_first_word_to_the_clear() -> None:
    line = Line(number=5, interrupts=True)
    for message in list(prompt(0))[:6]:
        line.audio(message)
    line.run(1.52)
    assert set(line.spoken[-1]) == {0xFF}
    line.run(PTIME)
    word = line.now
    line.run(0.2)
    for message in list(prompt(0))[6:9]:
        line.audio(message)
    line.run(0.1)
    line.hear("clear")
    assert line.window.interruptions == [pytest.approx(line.now - word, abs=2 * PTIME)]
    assert line.window.failures == {}


def test_a_prompt_that_stops_by_itself_is_a_failure() -> None:
    line = Line()
    for message in list(prompt(0))[:6]:
        line.audio(message)
    line.run(0.5)
    line.hear("clear")
    assert line.window.failures == {"prompt stopped without a word": 1}


def test_an_echo_is_timed() -> None:
    window = Window()
    caller = EchoCaller(0, window, 10.0)
    caller.speak(10.1)
    caller.speak(10.12)
    caller.hear(b"", 10.13)
    caller.hear(b"", 10.14)
    assert window.pacing == [pytest.approx(0.03), pytest.approx(0.02)]
    assert window.greetings == [pytest.approx(0.13)]
