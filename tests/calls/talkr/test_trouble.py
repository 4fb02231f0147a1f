"""Calls in which the bot, or the way to it, is in trouble: the caller is never left in silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.lab.server import LabReply, json_reply
from tests.fakes.callers import near, on_each_line, own_words, phone, request_times, typist
from tests.fakes.talkr import response
from tests.fakes.talkr_gateway import talkr_gateway
from tests.fakes.virtual_loop import virtual_time

WAIT, ANSWER, AGAIN = "Please wait...", "Final bot response", "Sorry, what did you say?"
APOLOGY, FILLER = own_words("apology"), own_words("filler")
FALLBACK = "An agent will call you back."
NUMBER = {"fallback": {"say": FALLBACK}, "language": "fr-FR"}
BROKEN = {"session": "abc123...", "variables": {"error": "missing variable in the tree"}, "data": {}}
EMPTY = {**response(messages=[]), "variables": {}}
DOWN = LabReply(status=500)


# --- errors the bot reports itself ---------------------------------------------------------------------------------
@on_each_line
@virtual_time
async def test_g11_tk28_an_error_and_nothing_to_say_is_an_apology(dial: Any, tmp_path: Path) -> None:
    answers = response(), BROKEN, response()
    async with talkr_gateway(tmp_path, *answers, number=NUMBER) as gateway, dial(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.say("my words")
        await caller.hears(APOLOGY)
        await caller.wait(1)
        await caller.say("my words")
        await caller.hears(ANSWER)
    assert caller.words == [WAIT, ANSWER, APOLOGY, WAIT, ANSWER]
    assert {"bot_error": "missing variable in the tree"} in gateway.notes("event")
    assert gateway.record()["failed_turns"] == 1


@virtual_time
async def test_g11_tk28_on_the_first_words_it_is_the_fallback(tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, BROKEN, number=NUMBER) as gateway, phone(gateway) as caller:
        await caller.over()
    assert caller.words == [FALLBACK]
    assert gateway.outcome == ("bot_failed", "gateway")
    assert len(gateway.bot.bodies) == 1


@virtual_time
async def test_tk28_an_error_beside_an_answer_is_noted_and_the_answer_heard(tmp_path: Path) -> None:
    half = response()
    half["variables"] = {**half["variables"], "error": "model timeout"}
    async with talkr_gateway(tmp_path, half) as gateway, phone(gateway) as caller:
        await caller.hears(AGAIN)
    assert caller.words == [WAIT, ANSWER, AGAIN]
    assert {"bot_error": "model timeout"} in gateway.notes("event")
    assert gateway.record()["failed_turns"] == 0


@pytest.mark.parametrize("fault", [BROKEN, LabReply(status=403)], ids=["tk28_error", "tk29_403"])
@virtual_time
async def test_the_third_failed_turn_in_a_row_is_the_fallback(fault: Any, tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, response(), *[fault] * 3, number=NUMBER) as gateway, phone(gateway) as caller:
        await caller.hears(ANSWER)
        for _ in range(2):
            await caller.say("my words")
            await caller.hears(APOLOGY)
        await caller.say("my words")
        over = await caller.over()
    assert caller.words == [WAIT, ANSWER, APOLOGY, APOLOGY, FALLBACK]
    assert over == near(caller.heard[-1].until)
    assert gateway.outcome == ("bot_failed", "gateway")


@virtual_time
async def test_an_answer_between_failed_turns_begins_their_count_anew(tmp_path: Path) -> None:
    answers = response(), BROKEN, BROKEN, response(), BROKEN, BROKEN
    async with talkr_gateway(tmp_path, *answers, number=NUMBER) as gateway, typist(gateway) as caller:
        await caller.hears(ANSWER)
        for heard in (APOLOGY, APOLOGY, ANSWER, APOLOGY, APOLOGY):
            await caller.say("my words")
            await caller.hears(heard)
    assert gateway.outcome == ("completed", "caller")


# --- silent turns --------------------------------------------------------------------------------------------------
@on_each_line
@virtual_time
async def test_g10_one_silent_turn_listens_two_apologise_three_fall_back(dial: Any, tmp_path: Path) -> None:
    answers = response(), EMPTY, EMPTY, EMPTY
    async with talkr_gateway(tmp_path, *answers, number=NUMBER) as gateway, dial(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.say("my words")
        await gateway.asked(2)
        await caller.wait(2)
        assert caller.words == [WAIT, ANSWER]
        await caller.say("my words")
        await caller.hears(APOLOGY)
        await caller.wait(1)
        await caller.say("my words")
        await caller.over()
    assert caller.words == [WAIT, ANSWER, APOLOGY, FALLBACK]
    assert gateway.outcome == ("bot_failed", "gateway")


# --- statuses ------------------------------------------------------------------------------------------------------
@on_each_line
@virtual_time
async def test_g13_tk29_404_on_the_first_call_is_the_fallback_after_one_request(dial: Any, tmp_path: Path) -> None:
    fault = LabReply(status=404)
    async with talkr_gateway(tmp_path, fault, number=NUMBER) as gateway, dial(gateway) as caller:
        over = await caller.over()
    assert caller.words == [FALLBACK]
    assert over == near(caller.heard[-1].until)
    assert gateway.bot.bodies == [{}]
    assert gateway.outcome == ("bot_failed", "gateway")


@pytest.mark.parametrize("status", [400, 401, 403, 418])
@virtual_time
async def test_tk29_what_is_refused_is_not_tried_again(status: int, tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, LabReply(status=status), number=NUMBER) as gateway, typist(gateway) as caller:
        await caller.over()
    assert caller.words == [FALLBACK]
    assert len(gateway.bot.bodies) == 1


@virtual_time
async def test_tk29_a_code_in_the_body_counts_as_that_status(tmp_path: Path) -> None:
    refused = json_reply({**response(), "code": 404})
    async with talkr_gateway(tmp_path, refused, number=NUMBER) as gateway, typist(gateway) as caller:
        await caller.over()
    assert caller.words == [FALLBACK]
    assert len(gateway.bot.bodies) == 1


@on_each_line
@virtual_time
async def test_g14_tk29_tk30_two_server_errors_are_waited_out_with_a_filler(dial: Any, tmp_path: Path) -> None:
    answers = response(), DOWN, DOWN, response()
    async with talkr_gateway(tmp_path, *answers) as gateway, dial(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.say("my words")
        filler = await caller.hears(FILLER)
        await caller.hears(ANSWER)
    sent = request_times(gateway, caller)
    assert [later - sent[1] for later in sent[2:]] == [near(2.0), near(6.0)]  # 2 s, then 4 s
    assert filler.at - sent[1] == near(1.5)
    assert gateway.bot.bodies[1] == gateway.bot.bodies[2] == gateway.bot.bodies[3]
    assert caller.words == [WAIT, ANSWER, FILLER, WAIT, ANSWER]
    assert gateway.record()["failed_turns"] == 0


@virtual_time
async def test_g14_tk30_so_are_they_on_the_first_call(tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, DOWN, DOWN, response(), number=NUMBER) as gateway, phone(gateway) as caller:
        await caller.hears(ANSWER)
    assert request_times(gateway, caller) == [near(0), near(2), near(6)]
    assert caller.words == [FILLER, WAIT, ANSWER]


@pytest.mark.parametrize("fault", ["500", "502", "503", "504", "code", "drop", "garbage"])
@virtual_time
async def test_tk29_tk30_everything_that_counts_as_a_server_error(fault: str, tmp_path: Path) -> None:
    faults = {
        "code": json_reply({"code": 500}),
        "drop": LabReply(drop=True),
        "garbage": LabReply(body=b"<html>out of memory</html>"),
    }
    broken = faults[fault] if fault in faults else LabReply(status=int(fault))
    async with talkr_gateway(tmp_path, response(), broken, response()) as gateway, typist(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.say("my words")
        await caller.hears(ANSWER)
    sent = request_times(gateway, caller)
    assert sent[2] - sent[1] == near(2.0)


@on_each_line
@virtual_time
async def test_g15_tk29_three_server_errors_are_a_failed_turn(dial: Any, tmp_path: Path) -> None:
    answers = response(), DOWN, DOWN, DOWN, response()
    async with talkr_gateway(tmp_path, *answers, number=NUMBER) as gateway, dial(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.say("my words")
        apology = await caller.hears(APOLOGY)
        await caller.wait(1)
        await caller.say("my words")
        await caller.hears(ANSWER)
    assert apology.at == near(request_times(gateway, caller)[3])
    assert caller.words == [WAIT, ANSWER, FILLER, APOLOGY, WAIT, ANSWER]
    assert gateway.record()["failed_turns"] == 1


@virtual_time
async def test_g15_tk29_three_server_errors_on_the_first_call_are_the_fallback(tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, DOWN, DOWN, DOWN, number=NUMBER) as gateway, phone(gateway) as caller:
        await caller.over()
    assert caller.words == [FILLER, FALLBACK]
    assert gateway.outcome == ("bot_failed", "gateway")


@pytest.mark.parametrize(("asked", "waits"), [("3", 3.0), ("9", 2.0)], ids=["short", "long"])
@virtual_time
async def test_tk30_a_busy_bot_is_asked_again_when_it_says(asked: str, waits: float, tmp_path: Path) -> None:
    busy = LabReply(status=429, headers={"retry-after": asked})
    async with talkr_gateway(tmp_path, busy, response()) as gateway, typist(gateway) as caller:
        await caller.hears(ANSWER)
    assert request_times(gateway, caller) == [near(0), near(waits)]


@virtual_time
async def test_tk30_the_delays_are_the_operators(tmp_path: Path) -> None:
    bot = {"retry_delays": [0.5]}
    async with talkr_gateway(tmp_path, DOWN, DOWN, bot=bot, number=NUMBER) as gateway, typist(gateway) as caller:
        await caller.over()
    assert request_times(gateway, caller) == [near(0), near(0.5)]


# --- slow bots -----------------------------------------------------------------------------------------------------
@on_each_line
@virtual_time
async def test_a_bot_that_never_answers_is_given_up_and_its_late_answer_is_not_heard(dial: Any, tmp_path: Path) -> None:
    bot = {"timeout": 60}
    answers = response(), LabReply(delay=60), response()
    async with talkr_gateway(tmp_path, *answers, bot=bot, number=NUMBER) as gateway, dial(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.say("my words")
        apology = await caller.hears(APOLOGY)
        await caller.wait(1)
        await caller.say("my words")
        await caller.hears(ANSWER)
        await caller.wait(1)
    sent = request_times(gateway, caller)[1]
    assert apology.at - sent == near(30.0)
    fillers = [word for word in caller.heard if word.text in {own_words("filler", variant=n) for n in range(3)}]
    assert [word.at - sent for word in fillers] == [
        near(1.5),
        near(9.5),
        near(17.5),
        near(25.5),
    ]
    assert caller.words[-2:] == [WAIT, ANSWER]


@virtual_time
async def test_an_attempt_that_takes_too_long_is_made_again(tmp_path: Path) -> None:
    answers = response(), LabReply(delay=60), response()
    async with talkr_gateway(tmp_path, *answers) as gateway, typist(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.say("my words")
        await caller.hears(ANSWER)
    sent = request_times(gateway, caller)
    assert sent[2] - sent[1] == near(22.0)  # 20 s for an attempt, 2 s before the next


@dataclass
class HeldBot:
    """A bot that answers some requests, and holds the next one until the client goes away."""

    answers: int = 1
    url: str = ""
    held: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    requests: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                await reader.readexactly(length)
                self.requests += 1
                if self.requests <= self.answers:
                    body = json_reply(response()).body
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
                else:
                    self.held.set()
        except asyncio.IncompleteReadError:
            self.left.set()
        finally:
            writer.close()


@asynccontextmanager
async def held_bot(answers: int = 1) -> AsyncIterator[HeldBot]:
    bot = HeldBot(answers)
    server = await asyncio.start_server(bot.serve, "127.0.0.1", 0)
    bot.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/bot"
    async with server:
        yield bot


@on_each_line
@virtual_time
async def test_a_caller_who_hangs_up_while_the_bot_thinks_ends_the_request(dial: Any, tmp_path: Path) -> None:
    async with held_bot() as bot, talkr_gateway(tmp_path, bot={"url": bot.url}) as gateway, dial(gateway) as caller:
        await caller.hears(ANSWER)
        await caller.say("my words")
        async with asyncio.timeout(10):
            await bot.held.wait()
        assert not bot.left.is_set()
        await caller.hang_up()
        async with asyncio.timeout(1):
            await bot.left.wait()
    assert bot.requests == 2
    assert gateway.outcome == ("completed", "caller")


@on_each_line
@virtual_time
async def test_a_caller_who_leaves_before_the_first_answer_ends_the_request(dial: Any, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        bot = await stack.enter_async_context(held_bot(answers=0))
        gateway = await stack.enter_async_context(talkr_gateway(tmp_path, bot={"url": bot.url}))
        caller = await stack.enter_async_context(dial(gateway))
        async with asyncio.timeout(10):
            await bot.held.wait()
        await caller.hang_up()
        async with asyncio.timeout(1):
            await bot.left.wait()
    assert gateway.outcome == ("abandoned", "caller")


@virtual_time
async def test_a_bot_that_never_says_a_first_word_is_the_fallback(tmp_path: Path) -> None:
    parts = {"bot": {"timeout": 60}, "number": {**NUMBER, "answer_timeout": 10}}
    async with talkr_gateway(tmp_path, LabReply(delay=60), **parts) as gateway, phone(gateway) as caller:
        await caller.over()
    assert caller.words == [FILLER, own_words("filler", variant=1), FALLBACK]
    assert caller.heard[-1].at == near(max(10.0, caller.heard[1].until))
    assert gateway.outcome == ("bot_failed", "gateway")
