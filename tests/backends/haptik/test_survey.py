"""Two questions at the end of a conversation: who is asked, what is an answer, and what is sent of it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.actions import Hangup, Listen, Menu, PostCall, Say
from gateway.backends.haptik.client import HaptikRefused
from gateway.caller_events import NoInput, UserChoice
from gateway.interfaces import AfterCallJob
from gateway.lab.server import json_reply
from tests.fakes.chatting import of, spoken
from tests.fakes.haptik import AUTH_ID, SECRET, HaptikCall, haptik_call, message, vector

pytestmark = pytest.mark.asyncio

RESOLVED = "Was your question answered?"
RATING = "How satisfied are you, from 1 to 5? Please press a key; 5 is best."
THANKS = "Thank you. Goodbye."
ANY = {"survey": {"after": "any"}, "history": {"enabled": False}}


async def complete(call: HaptikCall) -> tuple[Any, ...]:
    """The platform says that the conversation is over; what the gateway does."""
    await call.hook(vector("conversation_complete"))
    return await call.next()


async def choose(call: HaptikCall, menu_id: str, option_id: str) -> tuple[Any, ...]:
    call.turn += 1
    await call.send(UserChoice(turn=call.turn, menu_id=menu_id, option_id=option_id, label=option_id, source="digits"))
    return await call.next()


async def nothing(call: HaptikCall) -> tuple[Any, ...]:
    call.turn += 1
    await call.send(NoInput(turn=call.turn, count=2, elapsed=14.0, exhausted=True))
    return await call.next()


async def test_two_answers_are_sent_when_the_call_is_over():
    async with haptik_call(json_reply({"success": True}, 201), **ANY) as call:
        asked = await complete(call)
        assert spoken(asked) == [RESOLVED]
        (menu,), (listen,) = of(Menu, asked), of(Listen, asked)
        assert [(option.id, option.label) for option in menu.options] == [("yes", "Yes"), ("no", "No")]
        assert (menu.menu_id, menu.aloud) == ("survey-resolved", True)
        assert (listen.no_input_prompts, listen.no_input_retries, listen.on_exhausted) == ((RESOLVED,), 1, "event")
        asked = await choose(call, "survey-resolved", "no")
        assert spoken(asked) == [RATING]
        (menu,) = of(Menu, asked)
        assert ([option.id for option in menu.options], menu.aloud) == (["1", "2", "3", "4", "5"], False)
        thanked = await choose(call, "survey-rating", "4")
        assert spoken(thanked) == [THANKS]
        assert isinstance(thanked[-1], Hangup)
        (booked,) = of(PostCall, thanked)
        assert booked.data == {"job": "feedback", "auth_id": AUTH_ID, "resolved": False, "rating": 4}
        assert not call.server.requests
        job = AfterCallJob(key="k", kind="backend", data=booked.data, call={})
        assert await call.backend.after_call(job) == ()
    (sent,) = call.requests("/v1.0/log_feedback_from_user/")
    assert sent.json() == {"auth_id": AUTH_ID, "business_id": 343, "query_resolved": False, "query_rating": 4}
    assert sent.headers["authorization"] == "Bearer lab-token"


@pytest.mark.parametrize("answer", [("duplicate feedback", 400), ("no conversation", 404)])
async def test_feedback_that_is_refused_is_given_up(answer: tuple[str, int]):
    async with haptik_call(json_reply({"error_message": answer[0]}, answer[1])) as call:
        data = {"job": "feedback", "auth_id": AUTH_ID, "resolved": True, "rating": 5}
        with pytest.raises(HaptikRefused, match=answer[0]) as caught:
            await call.backend.after_call(AfterCallJob(key="k", kind="backend", data=data, call={}))
        assert not caught.value.retryable


async def test_who_is_not_asked_is_hung_up_on():
    for settings in ({}, {"survey": {"after": "agent"}}):
        async with haptik_call(**settings) as call:
            assert [type(action).__name__ for action in await complete(call)] == ["Record", "Hangup"]


async def test_only_those_an_agent_has_taken_may_be_asked():
    async with haptik_call(survey={"after": "agent"}) as call:
        await call.hook(vector("chat_pinned"))
        await call.next()
        assert RESOLVED in spoken(await complete(call))


async def test_nobody_is_asked_twice_in_a_call():
    async with haptik_call(**ANY, hangup_on_complete=False) as call:
        await complete(call)
        await choose(call, "survey-resolved", "yes")
        assert isinstance((await choose(call, "survey-rating", "5"))[-1], Listen)
        await call.hook({**vector("conversation_complete"), "timestamp": "2019-07-03T11:43:00.000Z"})
        assert spoken(await call.next()) == []


async def test_other_words_are_asked_about_once_for_each_question():
    async with haptik_call(**ANY) as call:
        await complete(call)
        await call.say("I want my money back")
        assert spoken(await call.next()) == [RESOLVED]
        await choose(call, "survey-resolved", "yes")
        await call.say("no idea")
        assert spoken(await call.next()) == [RATING]
        await call.say("no idea")
        ended = await call.next()
        assert [type(action) for action in ended] == [Hangup]
    assert not call.server.requests


async def test_silence_ends_the_survey_and_half_of_one_is_not_sent():
    async with haptik_call(**ANY) as call:
        await complete(call)
        await choose(call, "survey-resolved", "yes")
        assert [type(action) for action in await nothing(call)] == [Hangup]


async def test_what_the_platform_still_says_is_heard_before_the_question_is_put_again():
    async with haptik_call(**ANY) as call:
        await complete(call)
        await call.hook(message({"text": "Bye from the bot.", "type": "TEXT"}, 9))
        assert [said.text for said in of(Say, await call.next())] == ["Bye from the bot.", RESOLVED]
    assert SECRET not in str(call.server.requests)
