"""What waits to be sent: slots, marks, and taking back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.format import L16_16K, PCMA_8K, PCMU_8K
from gateway.errors import LocalProtocolError
from gateway.transports.media.slots import MAX_MARKS, SlotQueue

SLOT = 160


def test_whole_slots_leave_as_they_were_pushed() -> None:
    queue = SlotQueue(PCMU_8K, 0.02)
    data = bytes(range(160)) * 3
    queue.push(data[:100])
    queue.push(data[100:])
    assert [queue.take(), queue.take(), queue.take(), queue.take()] == [data[:160], data[160:320], data[320:], None]


def test_less_than_a_slot_waits_for_one_slot_and_is_filled_up() -> None:
    queue = SlotQueue(PCMA_8K, 0.02)
    queue.push(b"\x01" * 100)
    assert queue.take() is None
    queue.push(b"\x02" * 40)
    assert queue.take() is None
    assert queue.take() == b"\x01" * 100 + b"\x02" * 40 + b"\xd5" * 20
    assert queue.take() is None


def test_less_than_a_slot_before_a_mark_leaves_at_once() -> None:
    queue = SlotQueue(L16_16K, 0.02)
    queue.push(b"\x01\x00" * 10)
    queue.mark("end")
    assert queue.reached() == []
    assert queue.take() == b"\x01\x00" * 10 + b"\x00\x00" * 310
    assert queue.reached() == ["end"]
    assert queue.reached() == []


def test_a_mark_inside_a_slot_is_reached_with_it() -> None:
    queue = SlotQueue(PCMU_8K, 0.02)
    queue.push(b"a" * 200)
    queue.mark("first")
    queue.push(b"b" * 120)
    queue.mark("second")
    assert queue.take() == b"a" * 160
    assert queue.reached() == []
    assert queue.take() == b"a" * 40 + b"b" * 120
    assert queue.reached() == ["first", "second"]


def test_a_mark_behind_nothing_is_reached() -> None:
    queue = SlotQueue(PCMU_8K, 0.02)
    queue.mark("now")
    assert queue.reached() == ["now"]


def test_what_is_cleared_never_leaves_and_its_marks_are_never_reached() -> None:
    queue = SlotQueue(PCMU_8K, 0.02)
    queue.push(b"a" * 1000)
    queue.mark("old")
    queue.take()
    queue.clear()
    assert (queue.take(), len(queue), queue.reached()) == (None, 0, [])
    queue.push(b"b" * 160)
    queue.mark("new")
    assert (queue.take(), queue.reached()) == (b"b" * 160, ["new"])


def test_marks_are_bounded() -> None:
    queue = SlotQueue(PCMU_8K, 0.02)
    queue.push(b"a")
    for number in range(MAX_MARKS):
        queue.mark(str(number))
    with pytest.raises(LocalProtocolError):
        queue.mark("one too many")


@given(st.lists(st.one_of(st.binary(max_size=400), st.just("mark"), st.just(None)), max_size=40))
def test_everything_leaves_in_order_and_marks_when_it_has(steps: list[bytes | str | None]) -> None:
    queue = SlotQueue(PCMU_8K, 0.02)
    pushed, due, left, reached = b"", {}, b"", []

    def take() -> bool:
        nonlocal left
        before = len(queue)
        slot = queue.take()
        if slot is None:
            return bool(before)
        assert len(slot) == SLOT
        left += slot[: min(before, SLOT)]
        assert slot[min(before, SLOT) :] == b"\xff" * (SLOT - min(before, SLOT))
        for mark in queue.reached():
            assert due[mark] <= len(left)
            reached.append(mark)
        return True

    for number, step in enumerate(steps):
        if isinstance(step, bytes):
            queue.push(step)
            pushed += step
        elif step == "mark":
            due[str(number)] = len(pushed)
            queue.mark(str(number))
            for mark in queue.reached():
                assert due[mark] <= len(left)
                reached.append(mark)
        else:
            take()
    while take():
        pass
    assert left == pushed
    assert reached == list(due)
