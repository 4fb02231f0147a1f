"""Whole calls with a language model behind them: the lab's rules, streamed over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.openai.history import INTERRUPTED
from gateway.lab.openai import GREETING, STYLES, LabOpenAi
from tests.fakes.callers import own_words
from tests.fakes.office import Office, open_office, texting
from tests.fakes.virtual_loop import virtual_time

CHOICE = "Paris is a good choice."


OPTIONS = "For train, say train or press 1. For plane, say plane or press 2. For ship, say ship or press 3."


@asynccontextmanager
async def agency(
    folder: Path, *, lab: dict[str, Any] | None = None, number: dict[str, Any] | None = None, **bot: Any
) -> AsyncIterator[tuple[Office, LabOpenAi]]:
    async with LabOpenAi(**(lab or {})) as opened:
        settings = {"backend": "openai", "url": opened.url, "model": "lab", "instructions": "Sell trips.", **bot}
        weather = {"description": "The weather.", "url": f"{opened.server.url}/tools/weather"}
        settings.setdefault("http_tools", {"weather": weather})
        async with open_office(folder, bot=opened, bot_settings=settings, number=number) as office:
            yield office, opened
        await asyncio.sleep(0.01)


def sent(lab: LabOpenAi, place: int = -1) -> list[dict[str, Any]]:
    """The messages of a request."""
    completions = [request for request in lab.requests if request.path.endswith("/completions")]
    messages: list[dict[str, Any]] = completions[place].json()["messages"]
    return messages


@pytest.mark.parametrize("style", STYLES)
@virtual_time
async def test_a_conversation_with_every_kind_of_server(tmp_path: Path, style: str) -> None:
    lab = {"style": style, "api_key": "k3y"}
    async with agency(tmp_path, lab=lab, api_key="k3y") as (office, model), texting(office) as caller:
        await caller.hears("Where would you like to go?")
        await caller.say("Paris")
        await caller.hears(CHOICE)
        await caller.say("what is the weather in Rome")
        await caller.hears("It is sunny in rome, 21 degrees.")
        await caller.say("bye")
        await caller.hears("Goodbye, and have a good trip!")
        await caller.over()
    assert office.outcome == ("completed", "bot")
    assert [message["role"] for message in sent(model)] == [
        *("system", "system", "assistant", "user", "assistant"),
        *("user", "assistant", "tool", "assistant", "user"),
    ]
    assert sent(model)[2]["content"] == GREETING
    assert not any("think" in word.lower() for word in caller.words)


@virtual_time
async def test_a_sentence_is_spoken_while_the_next_is_written(tmp_path: Path) -> None:
    async with agency(tmp_path, lab={"drip": 0.004}, greeting="Hello.") as (office, _), texting(office) as caller:
        await caller.hears("Hello.")
        asked = await caller.say("tell me a story")
        first = await caller.hears("This is the first sentence.")
        last = await caller.hears("And here the story ends.")
    assert first.at - asked.at < (last.at - asked.at) / 2


@virtual_time
async def test_the_model_knows_what_was_really_heard(tmp_path: Path) -> None:
    number = {"barge_in": {"protect": 0.0}}
    async with agency(tmp_path, greeting="Hello.", number=number) as (office, model), texting(office) as caller:
        await caller.hears("Hello.")
        await caller.say("tell me a story")
        await caller.hears("This is the first sentence.")
        await caller.wait(0.3)
        await caller.say("stop, what did i hear")
        await caller.hears("You heard: This is the first sentence.")
    told = [message["content"] for message in sent(model) if message["role"] == "assistant"][-1]
    assert told.startswith("This is the first sentence.")
    assert told.endswith(INTERRUPTED)
    assert "story ends" not in told


@virtual_time
async def test_digits_and_choices(tmp_path: Path) -> None:
    async with agency(tmp_path, greeting="Hello.") as (office, model), texting(office) as caller:
        await caller.hears("Hello.")
        await caller.say("my booking")
        await caller.hears("Please key in your booking number.")
        await caller.press("123#")
        await caller.hears("It leaves at nine.")
        await caller.say("what are my options")
        await caller.hears(f"By which? {OPTIONS}")
        await caller.press("2")
        await caller.hears("Plane is a good choice.")
    assert sent(model)[-1] == {"role": "user", "content": "plane"}


@virtual_time
async def test_a_transfer_that_cannot_be_done_is_the_models_to_explain(tmp_path: Path) -> None:
    settings = {"greeting": "Hello.", "transfers": {"sales": "sip:100@pbx"}}
    number = {"transfer": {"allow": ["sip:*@pbx"]}}
    async with agency(tmp_path, number=number, **settings) as (office, model), texting(office) as caller:
        await caller.hears("Hello.")
        await caller.say("a person please")
        await caller.hears("One moment, please.")
        await caller.hears("I am sorry, nobody is free.")
        await caller.say("the wrong person")
        await caller.hears("One moment, please.")
    assert "could not be put through (unsupported)" in sent(model, 1)[-1]["content"]


@virtual_time
async def test_silence_is_told_at_its_end(tmp_path: Path) -> None:
    number = {"no_input": {"timeout": 5, "retries": 0, "then": "event"}}
    async with agency(tmp_path, greeting="Hello.", number=number) as (office, _), texting(office) as caller:
        await caller.hears("Hello.")
        await caller.hears("Are you still there?")


@pytest.mark.parametrize("fault", ["500*2", "429*2", "401", "404", "drop*2", "garbage", "deep", "oversized"])
@virtual_time
async def test_a_model_in_trouble_is_an_apology_and_the_call_goes_on(tmp_path: Path, fault: str) -> None:
    async with agency(tmp_path, lab={"faults": fault}, greeting="Hello.") as (office, _), texting(office) as caller:
        await caller.hears("Hello.")
        await caller.say("Paris")
        await caller.hears(own_words("apology", "en-GB"))
        await caller.say("Paris")
        await caller.hears(CHOICE)
    assert office.outcome == ("completed", "caller")


@pytest.mark.parametrize("fault", ["500", "429", "drop"])
@virtual_time
async def test_one_failure_before_any_word_is_tried_again(tmp_path: Path, fault: str) -> None:
    async with agency(tmp_path, lab={"faults": fault}, greeting="Hello.") as (office, lab), texting(office) as caller:
        await caller.hears("Hello.")
        await caller.say("Paris")
        await caller.hears(CHOICE)
    assert len(lab.requests) == 2


@virtual_time
async def test_what_was_written_before_a_break_is_said_and_the_turn_is_over(tmp_path: Path) -> None:
    async with agency(tmp_path, lab={"faults": "cut"}, greeting="Hello.") as (office, lab), texting(office) as caller:
        await caller.hears("Hello.")
        await caller.say("tell me a story")
        await caller.hears("This is the first sentence.")
        await caller.say("Paris")
        await caller.hears(CHOICE)
    assert [note["event"] for note in office.notes("event")] == ["answer broke off"]
    assert len(lab.requests) == 2


@virtual_time
async def test_a_tool_that_cannot_be_reached_is_the_models_to_explain(tmp_path: Path) -> None:
    tools = {"weather": {"description": "The weather.", "url": "http://127.0.0.1:1/x", "timeout": 1}}
    async with agency(tmp_path, greeting="Hello.", http_tools=tools) as (office, _), texting(office) as caller:
        await caller.hears("Hello.")
        await caller.say("the weather in Rome")
        await caller.hears("I am sorry, that did not work.")


@virtual_time
async def test_hanging_up_ends_the_request(tmp_path: Path) -> None:
    async with agency(tmp_path, lab={"drip": 0.05}, greeting="Hello.") as (office, _):
        async with texting(office) as caller:
            await caller.hears("Hello.")
            await caller.say("tell me a story")
            await caller.wait(1.0)
        async with asyncio.timeout(5):
            await office.calls_over()
    assert office.outcome[1] == "caller"
