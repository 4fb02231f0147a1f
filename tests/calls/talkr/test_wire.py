"""What a TALKR bot is asked over a whole call: address, headers, bodies, and whose ids go back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.lab.server import LabReply
from gateway.lab.talkr import LabTalkr
from gateway.lab.talkr_bot import BOTS
from tests.fakes.callers import FROM, on_each_line, phone, typist
from tests.fakes.talkr import VECTORS, response
from tests.fakes.talkr_gateway import NUMBER, talkr_gateway
from tests.fakes.virtual_loop import virtual_time


def block(tracking: object, says: str, **data: Any) -> dict[str, Any]:
    """An answer from the block of the tree that has this tracking."""
    blocks = [{"type": "custom", "content": "Sorry, what did you say?", "tracking": tracking}]
    answer = response(responses=blocks, messages=[], has_background_text=0, object_id="other", **data)
    return {**answer, "variables": {"bot_answer": says}}


@on_each_line
@virtual_time
async def test_g1_tk01_tk02_tk04_tk06_tk07_tk08_the_first_request(dial: Any, tmp_path: Path) -> None:
    async with talkr_gateway(tmp_path, response()) as gateway, dial(gateway) as caller:
        await caller.hears("Please wait...")
    (request,) = gateway.bot.requests
    assert (request.method, request.path, dict(request.query)) == ("POST", "/bot/acme/42/telephony", {})
    assert request.body == b"{}"
    assert request.headers["content-type"] == "application/json"
    assert not {"authorization", "x-talkr-query", "cookie"} & request.headers.keys()
    assert request.at == caller.began  # before anything is said


@on_each_line
@virtual_time
async def test_g2_tk09_tk10_tk11_tk12_the_second_request_is_the_documents(dial: Any, tmp_path: Path) -> None:
    first = {**block("TRACKING_FROM_PREVIOUS_STEP", "Hello."), "session": "YOUR_SESSION_ID"}
    async with talkr_gateway(tmp_path, first, response()) as gateway, dial(gateway) as caller:
        await caller.hears("Hello.")
        await caller.say("how does talkr work?")
        await caller.hears("Final bot response")
    assert gateway.bot.bodies == [VECTORS["init_request"], VECTORS["turn_request"]]
    assert gateway.bot.requests[1].path == "/bot/acme/42/telephony"


@virtual_time
async def test_tk13_current_url_goes_along_where_it_is_configured(tmp_path: Path) -> None:
    bot = {"current_url_template": "tel:{from}?to={to}"}
    async with talkr_gateway(tmp_path, response(), response(), bot=bot) as gateway, typist(gateway) as caller:
        await caller.hears("Final bot response")
        await caller.say("my words")
        await caller.hears("Final bot response")
    assert "currentUrl" not in gateway.bot.bodies[0]
    assert gateway.bot.bodies[1]["currentUrl"] == f"tel:{FROM}?to={NUMBER}"


@pytest.mark.parametrize(("channel", "header"), [("web", "1"), ("telephony", None)], ids=["web", "telephony"])
@virtual_time
async def test_g20_tk03_tk05_tk34_one_format_on_both_channels(channel: str, header: str | None, tmp_path: Path) -> None:
    bot = {"channel": channel}
    async with talkr_gateway(tmp_path, response(), response(), bot=bot) as gateway, phone(gateway) as caller:
        await caller.hears("Final bot response")
        await caller.say("my words")
        await caller.hears("Final bot response")
    assert caller.words == ["Please wait...", "Final bot response"] * 2
    assert [request.path for request in gateway.bot.requests] == [f"/bot/acme/42/{channel}"] * 2
    assert [request.headers.get("x-talkr-query") for request in gateway.bot.requests] == [header] * 2
    assert gateway.bot.bodies[1].keys() == VECTORS["turn_request"].keys()


@virtual_time
async def test_g7_tk20_without_retry_blocks_the_tracking_is_the_blocks_id(tmp_path: Path) -> None:
    bare = response(responses=[], object_id="9001")
    async with talkr_gateway(tmp_path, bare, response()) as gateway, phone(gateway) as caller:
        await caller.hears("Final bot response")
        again = await caller.hears("Final bot response")
        await caller.say("my words")
        await caller.hears("Final bot response")
    assert again.at - caller.heard[1].until == pytest.approx(7.0, abs=0.001)
    assert caller.words[:3] == ["Please wait...", "Final bot response", "Final bot response"]
    assert gateway.bot.bodies[1]["tracking"] == "9001"


@virtual_time
async def test_g8_without_any_tracking_the_one_before_goes_back(tmp_path: Path) -> None:
    bare = response(responses=[], object_id=None)
    async with talkr_gateway(tmp_path, bare, response(), bare, bare) as gateway, typist(gateway) as caller:
        await caller.hears("Final bot response")
        for words in ("one", "two", "three"):
            await caller.say(words)
            await caller.hears("Final bot response")
    assert [body["tracking"] for body in gateway.bot.bodies[1:]] == ["", "175173...", "175173..."]


@virtual_time
async def test_tk10_a_tracking_goes_back_exactly_as_it_came(tmp_path: Path) -> None:
    raw = json.dumps(block("TRACKING", "Hello.")).replace('"TRACKING"', "17517300000000000001.50")
    spaced = block("  spaced ", "Yes?")
    answers = LabReply(body=raw.encode()), spaced, response()
    async with talkr_gateway(tmp_path, *answers) as gateway, typist(gateway) as caller:
        await caller.hears("Hello.")
        await caller.say("one")
        await caller.hears("Yes?")
        await caller.say("two")
        await caller.hears("Final bot response")
    assert [body["tracking"] for body in gateway.bot.bodies[1:]] == ["17517300000000000001.50", "  spaced "]


@pytest.mark.parametrize(("policy", "sent"), [("first", "one"), ("spoken", "two")])
@virtual_time
async def test_tk10_tk21_whose_tracking_goes_back_after_silence(policy: str, sent: str, tmp_path: Path) -> None:
    blocks = [{"content": "Are you there?", "tracking": "one"}, {"content": "Still there?", "tracking": "two"}]
    answers = response(responses=blocks), response()
    async with talkr_gateway(tmp_path, *answers, bot={"retry_tracking": policy}) as gateway, phone(gateway) as caller:
        await caller.hears("Are you there?")
        await caller.hears("Still there?")
        await caller.say("my words")
        await gateway.asked(2)
    assert gateway.bot.bodies[1]["tracking"] == sent


@virtual_time
async def test_g21_flags_as_strings_mean_the_same(tmp_path: Path) -> None:
    heard = []
    for index, (yes, retries) in enumerate([("1", "1"), (1, 1), (True, 1.0)]):
        answer = response(has_background_text=yes, hangup_no_response=yes, retries=retries)
        folder = tmp_path / str(index)
        folder.mkdir()
        async with talkr_gateway(folder, answer) as gateway, typist(gateway) as caller:
            await caller.over()
        assert gateway.outcome == ("no_input", "gateway")
        heard.append([(word.text, round(word.at, 3)) for word in caller.heard])
    assert [text for text, _ in heard[0]] == ["Please wait...", "Final bot response", "Sorry, what did you say?"]
    assert heard[0] == heard[1] == heard[2]


@virtual_time
async def test_g22_tk31_a_session_that_differs_is_the_new_one(tmp_path: Path) -> None:
    moved = {**block("2", "I was restarted."), "session": "other"}
    async with talkr_gateway(tmp_path, response(), moved, block("3", "Yes?")) as gateway, phone(gateway) as caller:
        await caller.hears("Final bot response")
        await caller.say("my words")
        await caller.hears("I was restarted.")
        await caller.say("yes please")
        await caller.hears("Yes?")
    assert [body.get("session") for body in gateway.bot.bodies] == [None, "abc123...", "other"]


@on_each_line
@virtual_time
async def test_tk32_init_message_response_repeat_five_times(dial: Any, tmp_path: Path) -> None:
    says = ("how does talkr work?", "my words", "yes please", "a second thing", "my words")
    answers = [block(str(turn), f"This is answer {turn}.") for turn in range(6)]
    async with talkr_gateway(tmp_path, *answers) as gateway, dial(gateway) as caller:
        await caller.hears("This is answer 0.")
        for turn, words in enumerate(says, 1):
            await caller.say(words)
            await caller.hears(f"This is answer {turn}.")
    assert caller.words == [f"This is answer {turn}." for turn in range(6)]
    bodies = gateway.bot.bodies
    assert [body.get("message") for body in bodies] == [None, *says]
    assert [body.get("tracking") for body in bodies] == [None, "0", "1", "2", "3", "4"]
    assert {body.get("session") for body in bodies[1:]} == {"abc123..."}
    assert gateway.outcome == ("completed", "caller")


@virtual_time
async def test_tk32_tk33_a_call_to_the_lab_bot_and_nothing_but_its_endpoint(tmp_path: Path) -> None:
    """The vendor's admin API is another one, with credentials; the gateway never calls it."""
    topics = {topic.name: topic for topic in BOTS["en"].topics}
    async with LabTalkr(slow=3.0) as lab, talkr_gateway(tmp_path, bot={"url": lab.url}) as gateway:
        async with typist(gateway) as caller:
            await caller.hears(BOTS["en"].greeting)
            for name in ("hours", "location", "lookup", "code"):
                await caller.say(topics[name].hears[0])
                await caller.hears(topics[name].says)
            await caller.press("1234#")
            await caller.hears(BOTS["en"].code_heard.format(code="1 2 3 4"))
            await caller.say("goodbye")
            await caller.hears(topics["goodbye"].says)
            await caller.over()
        assert {(request.method, request.path) for request in lab.requests} == {("POST", "/api/acme/42/telephony")}
        assert len(lab.requests) == 7
    assert gateway.outcome == ("no_input", "gateway")  # retries 0 and hangup_no_response 1: how a tree ends a call


@virtual_time
async def test_tk27_name_code_and_variables_are_in_the_call_record(tmp_path: Path) -> None:
    other = {**block("2", "Yes?"), "build": 7}
    async with talkr_gateway(tmp_path, response(), other, other) as gateway, typist(gateway) as caller:
        await caller.hears("Final bot response")
        for _ in range(2):
            await caller.say("my words")
            await caller.hears("Yes?")
    first, second = gateway.notes("variables")  # the third answer says what the second said
    assert (first["name"], first["code"], first["language"]) == ("Bot name", 200, "FR")
    assert first["variables"] == VECTORS["response"]["variables"]
    assert first["other"] == {"data": {"background_content": "ok"}}
    assert second["variables"] == {"bot_answer": "Yes?"}
    assert second["other"]["build"] == 7
