"""A leg's events on their way to their reader."""

from __future__ import annotations

import asyncio

import pytest

from audio.format import PCMU_8K
from audio.frame import Frame
from gateway.events import AudioReceived, DigitPressed, LegClosed, LegEvent
from gateway.transports.media.mailbox import MAX_AUDIO, MAX_EVENTS, Mailbox

CLOSED = LegClosed(by="caller", reason="BYE")


def audio(number: int) -> AudioReceived:
    return AudioReceived(Frame(b"\xff" * 160, PCMU_8K, number))


async def read(mailbox: Mailbox) -> list[LegEvent]:
    async with asyncio.timeout(10):
        return [event async for event in mailbox.events()]


@pytest.mark.asyncio
async def test_events_come_in_order_and_closing_is_the_last() -> None:
    mailbox = Mailbox()
    mailbox.post(audio(0))
    reading = asyncio.create_task(read(mailbox))
    for event in (DigitPressed(digit="1"), audio(160)):
        await asyncio.sleep(0)
        mailbox.post(event)
    mailbox.post(CLOSED)
    mailbox.post(LegClosed(by="failure", reason="too late"))
    mailbox.post(audio(320))
    assert await reading == [audio(0), DigitPressed(digit="1"), audio(160), CLOSED]
    assert mailbox.closed == CLOSED


@pytest.mark.asyncio
async def test_audio_that_nobody_reads_makes_room_for_newer_and_nothing_else_is_lost() -> None:
    mailbox = Mailbox()
    mailbox.post(DigitPressed(digit="7"))
    for number in range(MAX_AUDIO + 10):
        mailbox.post(audio(number))
    mailbox.post(CLOSED)
    assert await read(mailbox) == [DigitPressed(digit="7"), *map(audio, range(10, MAX_AUDIO + 10)), CLOSED]
    assert mailbox.dropped == 10


@pytest.mark.asyncio
async def test_audio_passes_by_in_order_and_what_waits_goes_first() -> None:
    mailbox, heard = Mailbox(), list[int]()
    mailbox.post(audio(0))
    mailbox.post(DigitPressed(digit="1"))
    mailbox.post(audio(1))
    mailbox.pass_audio(lambda frame: heard.append(frame.pts_samples))
    for number in range(2, MAX_AUDIO + 10):
        mailbox.post(audio(number))
    assert heard == list(range(MAX_AUDIO + 10))
    mailbox.pass_audio(None)
    mailbox.post(audio(999))
    mailbox.post(CLOSED)
    assert await read(mailbox) == [DigitPressed(digit="1"), audio(999), CLOSED]
    assert mailbox.dropped == 0


@pytest.mark.asyncio
async def test_whoever_fails_at_audio_that_passes_by_is_told_as_reader() -> None:
    mailbox, heard = Mailbox(), list[int]()

    def take(frame: Frame) -> None:
        heard.append(frame.pts_samples)
        if frame.pts_samples == 1:
            raise ValueError("no such sample")

    for number in range(3):
        mailbox.post(audio(number))
    reading = asyncio.create_task(read(mailbox))
    await asyncio.sleep(0)
    mailbox.post(audio(0))
    mailbox.pass_audio(take)
    for number in range(1, 4):
        mailbox.post(audio(number))
    with pytest.raises(ValueError, match="no such sample"):
        await reading
    assert heard == [0, 1]


@pytest.mark.asyncio
async def test_what_was_read_makes_room_again() -> None:
    mailbox = Mailbox()
    for number in range(MAX_AUDIO + 10):
        mailbox.post(audio(number))
    events = mailbox.events()
    for _ in range(MAX_AUDIO):
        await anext(events)
    for number in range(MAX_AUDIO):
        mailbox.post(audio(number))
    assert mailbox.dropped == 10
    mailbox.post(audio(0))
    assert mailbox.dropped == 11


@pytest.mark.asyncio
async def test_too_many_other_events_close_the_leg() -> None:
    mailbox = Mailbox()
    for _ in range(MAX_EVENTS + 5):
        mailbox.post(DigitPressed(digit="1"))
    events = await read(mailbox)
    assert len(events) == MAX_EVENTS + 1
    assert events[-1] == LegClosed(by="failure", reason="nobody reads the leg's events")


@pytest.mark.asyncio
async def test_a_reader_that_was_cancelled_leaves_the_rest_to_the_next() -> None:
    mailbox = Mailbox()
    reading = asyncio.create_task(read(mailbox))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    mailbox.post(DigitPressed(digit="1"))
    mailbox.post(CLOSED)
    assert await read(mailbox) == [DigitPressed(digit="1"), CLOSED]
