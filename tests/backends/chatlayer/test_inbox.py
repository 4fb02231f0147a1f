"""The messages of one call in their order, each once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.chatlayer.inbox import KEEP, MAX_HELD, Inbox
from tests.fakes.clock import ManualClock


def inbox(clock: ManualClock, order_within: float = 0.25) -> Inbox[str]:
    return Inbox(clock.now, order_within)


def take(box: Inbox[str], text: str, counter: int | None = None) -> bool:
    return box.take(text, counter=counter, digest=text)


def test_a_first_message_with_a_high_counter_waits_for_the_gap_only() -> None:
    clock = ManualClock()
    box = inbox(clock)
    assert take(box, "a", 57)
    assert box.ready() == []
    assert box.deadline() == clock.now() + 0.25
    clock.advance(0.25)
    assert box.ready() == ["a"]
    assert box.deadline() is None
    assert take(box, "b", 58)
    assert box.ready() == ["b"]


def test_counters_may_begin_with_nought_or_one() -> None:
    for first in (0, 1):
        box = inbox(ManualClock())
        take(box, "a", first)
        assert box.ready() == ["a"]


def test_messages_without_counter_are_played_as_they_come_also_beside_others() -> None:
    box = inbox(ManualClock())
    take(box, "later", 3)
    take(box, "now")
    assert box.ready() == ["now"]


def test_a_message_that_was_refused_is_played_once_when_it_comes_again() -> None:
    clock = ManualClock()
    box = inbox(clock)
    box.refuse("a")
    assert take(box, "a")
    assert not take(box, "a")
    assert take(box, "b")
    assert take(box, "b")
    clock.advance(KEEP + 1)
    assert take(box, "a")


def test_a_refused_counter_may_come_again() -> None:
    box = inbox(ManualClock())
    box.refuse("a")
    assert take(box, "a", 1)
    assert not take(box, "a", 1)


def test_a_message_found_in_the_history_is_not_played_again_and_leaves_no_gap() -> None:
    box = inbox(ManualClock())
    take(box, "a", 1)
    box.recovered("b")
    box.recovered("x")
    assert not take(box, "x")
    assert not take(box, "b", 2)
    take(box, "c", 3)
    take(box, "b", 4)  # said once more by the bot: that is another message
    assert box.ready() == ["a", "c", "b"]


def test_a_platform_that_counts_afresh_says_something_new() -> None:
    clock = ManualClock()
    box = inbox(clock)
    for counter in (1, 2, 3):
        take(box, str(counter), counter)
    assert box.ready() == ["1", "2", "3"]
    assert take(box, "again", 1)
    assert not take(box, "again", 1)
    assert not take(box, "2", 2)
    assert box.ready() == ["again"]
    take(box, "a", 7)
    take(box, "b", 7)
    clock.advance(0.25)
    assert box.ready() == ["b", "a"]
    take(box, "c", 8)
    assert box.ready() == ["c"]


def test_what_is_put_back_comes_first() -> None:
    box = inbox(ManualClock())
    for counter in (1, 2, 3):
        take(box, str(counter), counter)
    ready = box.ready()
    take(box, "4", 4)
    box.put_back(ready[1:])
    assert box.ready() == ["2", "3", "4"]


def test_no_more_are_held_than_that() -> None:
    box = inbox(ManualClock())
    for counter in range(10, 10 + MAX_HELD):
        take(box, str(counter), counter)
        assert box.ready() == []
    take(box, "9", 9)
    assert box.ready() == [str(counter) for counter in range(9, 10 + MAX_HELD)]


@given(st.permutations(range(1, 12)), st.data())
def test_every_message_is_played_once_whatever_the_order_and_the_repetitions(
    order: list[int], data: st.DataObject
) -> None:
    clock = ManualClock()
    box = inbox(clock)
    played: list[str] = []
    for counter in order:
        for _ in range(data.draw(st.integers(1, 4))):
            take(box, str(counter), counter)
            played += box.ready()
        clock.advance(data.draw(st.sampled_from([0.0, 0.01, 0.3])))
        played += box.ready()
    clock.advance(0.25)
    played += box.ready()
    assert sorted(map(int, played)) == list(range(1, 12))
    assert box.deadline() is None


@given(st.permutations(range(1, 12)))
def test_within_the_gap_every_order_becomes_the_right_one(order: list[int]) -> None:
    clock = ManualClock()
    box = inbox(clock)
    played: list[str] = []
    for counter in order:
        take(box, str(counter), counter)
        played += box.ready()
        clock.advance(0.02)
    assert played == [str(counter) for counter in range(1, 12)]
