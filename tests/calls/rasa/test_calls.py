"""Whole calls with a Rasa assistant: the lab's, by each of its channels, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.lab.rasa import PICTURE, LabRasa
from tests.fakes.callers import own_words
from tests.fakes.office import CALLER, NUMBER, Office, open_office, texting
from tests.fakes.virtual_loop import virtual_time

HELLO = "Hello, this is Acme Parcels."
HELP = "How can I help?"
CHOICE = "For track a parcel, say track a parcel or press 1. For opening hours, say opening hours or press 2."
TODAY = "Say yes please or press 1, or say no thank you or press 2."
TOKEN = "0123456789abcdef"
EVENT = {"no_input": {"timeout": 5, "retries": 1, "then": "event"}}
CHANNELS: dict[str, dict[str, Any]] = {
    "rest": {},
    "streamed": {"stream": True},
    "callback": {"channel": "callback", "callback_token": TOKEN},
}
on_each_channel = pytest.mark.parametrize("channel", CHANNELS)


@asynccontextmanager
async def parcels(
    folder: Path,
    channel: str = "rest",
    *,
    lab: dict[str, Any] | None = None,
    number: dict[str, Any] | None = None,
    **bot: Any,
) -> AsyncIterator[tuple[Office, LabRasa]]:
    async with LabRasa(callback_token=TOKEN, **(lab or {})) as opened:
        settings = {"backend": "rasa", "url": opened.url, **CHANNELS[channel], **bot}
        async with open_office(folder, bot=opened, bot_settings=settings, number=number) as office:
            opened.callback_url = f"http://{office.address}/in/rasa/reception"
            yield office, opened
        await asyncio.sleep(0.01)


def messages(lab: LabRasa) -> list[str]:
    return [request.json()["message"] for request in lab.requests]


@on_each_channel
@virtual_time
async def test_a_parcel_by_key_and_word_and_the_bot_hangs_up(tmp_path: Path, channel: str) -> None:
    async with parcels(tmp_path, channel) as (office, lab), texting(office) as caller:
        for words in (HELLO, HELP, CHOICE):
            await caller.hears(words)
        await caller.press("1")
        for words in ("I have found one parcel.", "Shall it be delivered today?", TODAY):
            await caller.hears(words)
        await caller.say("yes please")
        await caller.hears("Your parcel comes today. Goodbye!")
        await caller.over()
    assert office.outcome == ("completed", "bot")
    assert messages(lab) == ["/session_start", "/track", "/affirm"]
    first, second, _ = (request.json() for request in lab.requests)
    assert {request.json()["sender"] for request in lab.requests} == {office.record["call_id"]}
    assert (first["metadata"]["from"], first["metadata"]["to"]) == (CALLER, NUMBER)
    assert second["metadata"]["input"] == "digits"
    assert set(lab.callbacks) == ({200} if channel == "callback" else set())


@on_each_channel
@virtual_time
async def test_a_payload_goes_back_as_it_came_and_leaving_waits_for_later_words(tmp_path: Path, channel: str) -> None:
    async with parcels(tmp_path, channel, start_message="/greet") as (office, lab), texting(office) as caller:
        await caller.hears(CHOICE)
        await caller.say("opening hours")
        await caller.hears("On monday we are open from nine to five.")
        await caller.say("and on sunday")
        await caller.hears("On sunday we are open not at all.")
        await caller.say("goodbye")
        await caller.hears("Thank you for calling. Goodbye!")
        await caller.over()
    assert messages(lab) == ["/greet", "/hours", "and on sunday", "goodbye"]
    assert office.outcome == ("completed", "bot")


@on_each_channel
@virtual_time
async def test_an_empty_answer_is_a_silent_turn(tmp_path: Path, channel: str) -> None:
    async with parcels(tmp_path, channel) as (office, _lab), texting(office) as caller:
        await caller.hears(CHOICE)
        await caller.say("say nothing")
        await office.asked(2)
        await asyncio.sleep(1)
        await caller.say("opening hours")
        await caller.hears("On monday we are open from nine to five.")
        assert own_words("filler", "en-GB") not in caller.words
        assert own_words("apology", "en-GB") not in caller.words


@virtual_time
async def test_an_assistant_that_says_nothing_at_first_is_greeted_for(tmp_path: Path) -> None:
    settings = {"start_message": "", "greeting": "Good day."}
    async with parcels(tmp_path, **settings) as (office, lab), texting(office) as caller:
        await caller.hears("Good day.")
        await caller.say("opening hours")
        await caller.hears("On monday we are open from nine to five.")
    assert messages(lab) == ["opening hours"]


@virtual_time
async def test_a_call_that_nobody_greets_is_listened_to(tmp_path: Path) -> None:
    async with parcels(tmp_path, start_message="") as (office, _), texting(office) as caller:
        await asyncio.sleep(1)
        await caller.say("opening hours")
        await caller.hears("On monday we are open from nine to five.")


@virtual_time
async def test_slots_are_set_before_the_first_message(tmp_path: Path) -> None:
    settings = {"slots": {"phone": "{from}", "channel": "telephone"}}
    async with parcels(tmp_path, **settings) as (office, lab), texting(office) as caller:
        await caller.hears(CHOICE)
        await caller.say("who am i")
        await caller.hears("You call from +33612345678.")
    assert lab.requests[0].path.endswith("/tracker/events")
    assert lab.requests[0].json()[1] == {"event": "slot", "name": "channel", "value": "telephone"}


@virtual_time
async def test_slots_that_are_refused_are_noted_and_the_call_goes_on(tmp_path: Path) -> None:
    settings = {"lab": {"faults": "404"}, "slots": {"phone": "{from}"}}
    async with parcels(tmp_path, **settings) as (office, _), texting(office) as caller:
        await caller.hears(CHOICE)
    assert {"slots_not_set": "status 404"} in office.notes("event")


@virtual_time
async def test_a_transfer_that_cannot_be_done_is_told(tmp_path: Path) -> None:
    number = {"transfer": {"allow": ["sip:*@pbx"]}}
    settings = {"transfer_failed_message": "/transfer_failed"}
    async with parcels(tmp_path, number=number, **settings) as (office, _), texting(office) as caller:
        await caller.hears(CHOICE)
        await caller.say("a person")
        await caller.hears("I'll get somebody.")
        await caller.hears("Nobody is free. What else can I do?")


@on_each_channel
@virtual_time
async def test_silence_is_told_once_and_the_end_of_the_call(tmp_path: Path, channel: str) -> None:
    settings = {"number": EVENT, "end_message": "/call_ended"}
    async with parcels(tmp_path, channel, **settings) as (office, lab), texting(office) as caller:
        await caller.hears(CHOICE)
        await caller.hears("Are you still there?")
        await caller.over()
    assert office.record["result"] == "no_input"
    assert messages(lab) == ["/session_start", "/no_input", "/call_ended"]
    assert {"custom": {"color": "blue"}} in office.notes("event")


@virtual_time
async def test_a_silence_that_the_bot_has_no_word_for_is_no_failure(tmp_path: Path) -> None:
    number = {**EVENT, "answer_timeout": 5}
    async with parcels(tmp_path, number=number, no_input_message="") as (office, lab), texting(office) as caller:
        await caller.hears(CHOICE)
        await caller.over()
        assert own_words("apology", "en-GB") not in caller.words
    assert messages(lab) == ["/session_start"]
    assert office.record["result"] == "no_input"


@virtual_time
async def test_a_picture_is_a_note_or_a_link(tmp_path: Path) -> None:
    async with parcels(tmp_path) as (office, _), texting(office) as caller:
        await caller.hears(CHOICE)
        await caller.say("the label")
        await caller.hears("Here is your label.")
        await caller.say("the letters")
        await caller.hears("ACME")
    assert {"image": PICTURE} in office.notes("event")


@virtual_time
async def test_a_reminder_comes_unasked(tmp_path: Path) -> None:
    async with parcels(tmp_path, "callback", lab={"slow": 5}) as (office, _), texting(office) as caller:
        await caller.hears(CHOICE)
        await caller.say("remind me")
        await caller.hears("I will.")
        await caller.hears("Remember your parcel.")


@pytest.mark.parametrize(
    ("fault", "status"), [("wrong-token", 401), ("garbage", 400), ("deep", 400), ("oversized", 413)]
)
@virtual_time
async def test_a_callback_that_is_refused_costs_only_itself(tmp_path: Path, fault: str, status: int) -> None:
    faults = {"callback_faults": fault}
    async with parcels(tmp_path, "callback", lab=faults) as (office, lab), texting(office) as caller:
        await caller.hears(HELP)
        assert HELLO not in caller.words
        await caller.hears(CHOICE)
    assert list(lab.callbacks) == [status, 200]


@virtual_time
async def test_what_comes_late_for_a_turn_the_caller_has_left_is_heard_too(tmp_path: Path) -> None:
    """It cannot be told from what comes for the next one."""
    settings = {"lab": {"slow": 6}, "start_message": ""}
    async with parcels(tmp_path, "callback", **settings) as (office, lab), texting(office) as caller:
        await caller.wait(1)
        await caller.say("track it")
        await caller.hears("I have found one parcel.")
        await caller.wait(1)
        await caller.say("on monday")
        await caller.hears("On monday we are open from nine to five.")
        await caller.hears("Shall it be delivered today?")
        await caller.say("on sunday")
        await caller.hears("On sunday we are open not at all.")
    assert list(lab.callbacks) == [200] * 4


@pytest.mark.parametrize(
    ("channel", "fault"),
    [(channel, fault) for channel in CHANNELS for fault in ("500", "429:1", "401", "drop")]
    + [
        ("rest", "garbage"),
        ("streamed", "garbage"),
        ("rest", "deep"),
        ("rest", "oversized"),
        ("streamed", "oversized"),
    ],
)
@virtual_time
async def test_a_failed_turn_is_an_apology_and_the_call_goes_on(tmp_path: Path, channel: str, fault: str) -> None:
    twice = f"ok,{fault},{fault}" if fault.startswith("429") else f"ok,{fault}"
    async with parcels(tmp_path, channel, lab={"faults": twice}) as (office, _), texting(office) as caller:
        await caller.hears(CHOICE)
        await caller.say("on monday")
        await caller.hears(own_words("apology", "en-GB"))
        await caller.say("on monday")
        await caller.hears("On monday we are open from nine to five.")
    assert office.outcome == ("completed", "caller")


@virtual_time
async def test_a_stream_is_spoken_while_it_comes(tmp_path: Path) -> None:
    async with parcels(tmp_path, "streamed", lab={"faults": "drip:0.05"}) as (office, _), texting(office) as caller:
        hello = await caller.hears(HELLO)
        await caller.hears(CHOICE)
    answered_in_full = 0.05 * 300
    assert hello.until < answered_in_full


@virtual_time
async def test_a_stream_that_breaks_is_a_failed_turn_after_what_came(tmp_path: Path) -> None:
    async with parcels(tmp_path, "streamed", lab={"faults": "ok,cut"}) as (office, _), texting(office) as caller:
        await caller.hears(CHOICE)
        await caller.say("track it")
        await caller.hears("I have found one parcel.")
        await caller.hears(own_words("apology", "en-GB"))


@virtual_time
async def test_the_token_is_sent_as_it_is_asked_for(tmp_path: Path) -> None:
    for way in ({"token": "t0ken"}, {"bearer": "t0ken"}):
        folder = tmp_path / next(iter(way))
        folder.mkdir()
        async with parcels(folder, lab={"token": "t0ken"}, **way) as (office, _), texting(office) as caller:
            await caller.hears(CHOICE)
