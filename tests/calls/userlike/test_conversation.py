"""Whole calls with bots written for Userlike: the lab's bots and scripted ones, over real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.lab.server import LabReply
from gateway.lab.userlike import LabUserlike
from gateway.lab.userlike_bots import (
    ASK_EMAIL,
    ASK_ORDER,
    GOODBYE,
    HOURS,
    INVITATION,
    LOOKING_UP,
    LOST,
    NOBODY,
    SHOP_QUESTION,
    SHOP_WELCOME,
    SUBSCRIBED,
    WELCOME,
)
from tests.fakes.callers import near, own_words
from tests.fakes.office import dial
from tests.fakes.party import BUSY, rings
from tests.fakes.userlike import (
    EMPTY,
    HEADERS,
    TOKEN,
    ScriptedBot,
    choice,
    event,
    says,
    slow,
    userlike_office,
)
from tests.fakes.virtual_loop import virtual_time

HEARS = {"recognizer": {"hints": ["once more", "I know that", "a sentence that lasts for quite a while, all in all"]}}
SECRET = HEADERS["API-SECURITY-TOKEN"]


@virtual_time
async def test_u3_ul38_ul50_the_published_sample_as_it_is_forwards_at_once(tmp_path: Path) -> None:
    async with (
        LabUserlike(bot="sample", token=SECRET) as lab,
        userlike_office(tmp_path, lab) as office,
        rings(office) as caller,
    ):
        await caller.over()
    assert [target.target for target in caller.transfers] == ["100"]
    assert caller.texts == []
    assert office.outcome == ("transferred", "transfer")
    assert len(lab.requests) == 1


@virtual_time
async def test_u4_ul16_ul33_ul50_the_repaired_sample_asks_and_forwards_after_its_words(tmp_path: Path) -> None:
    async with (
        LabUserlike(bot="repaired", token=SECRET) as lab,
        userlike_office(tmp_path, lab) as office,
        rings(office) as caller,
    ):
        await caller.hears(WELCOME)
        await caller.says("Ann")
        await caller.hears(ASK_EMAIL.format(name="Ann"))
        await caller.says("ann@example.com")
        thanked = await caller.hears("Thanks! I'll forward you")
        await caller.over()
        left = asyncio.get_running_loop().time()
    assert left - thanked > 2
    assert [target.target for target in caller.transfers] == ["100"]
    assert [note["email"] for note in office.notes("contact") if "email" in note] == ["ann@example.com"]
    assert [request.json()["info"]["context"] for request in lab.requests] == [
        {},
        {"state": "name"},
        {"state": "email"},
    ]


@virtual_time
async def test_u5_ul10_a_bot_that_does_not_know_us_is_the_fallback_at_once(tmp_path: Path) -> None:
    async with LabUserlike(token="another") as lab, userlike_office(tmp_path, lab) as office, rings(office) as caller:
        await caller.over()
    assert office.outcome == ("bot_failed", "gateway")
    assert caller.texts == [own_words("fallback_hangup", "en-GB")]
    assert len(lab.requests) == 1


@virtual_time
async def test_u5_ul10_401_three_times_in_a_row_is_the_fallback(tmp_path: Path) -> None:
    async with (
        LabUserlike(token=SECRET, faults="ok,401*3") as lab,
        userlike_office(tmp_path, lab) as office,
        rings(office) as caller,
    ):
        await caller.hears(SHOP_QUESTION)
        for _ in range(2):
            await caller.says("hello")
            await caller.hears(own_words("apology", "en-GB"))
        await caller.says("hello")
        await caller.over()
    assert office.outcome == ("bot_failed", "gateway")
    assert len(lab.requests) == 4


@virtual_time
async def test_u6_a_bot_that_does_not_know_an_event_goes_on(tmp_path: Path) -> None:
    async with (
        LabUserlike(faults="ok,expired") as lab,
        userlike_office(tmp_path, lab) as office,
        rings(office) as caller,
    ):
        await caller.hears(SHOP_QUESTION)
        await caller.press("2")
        await office.asked(2)
        await caller.says("opening hours")
        await caller.hears("I did not understand that.")
    assert [request.json()["packet"]["name"] for request in lab.requests] == ["start", "click", "message"]


@virtual_time
async def test_u7_ul17_ul27_ul49_the_campaign_by_key(tmp_path: Path) -> None:
    async with LabUserlike(bot="campaign") as lab, userlike_office(tmp_path, lab) as office, rings(office) as caller:
        await caller.hears(INVITATION)
        assert "start" in caller.texts[-1].removeprefix(INVITATION)
        await caller.press("1")
        await caller.hears(SUBSCRIBED)
    assert lab.requests[1].json()["packet"]["payload"]["value"]["id"] == "start"
    assert office.notes("contact")[-1]["campaigns"] is True


@virtual_time
async def test_u7_ul46_ul49_the_campaign_by_voice_and_by_other_words(tmp_path: Path) -> None:
    async with LabUserlike(bot="campaign") as lab, userlike_office(tmp_path, lab) as office:
        async with rings(office, call_id="call-1") as caller:
            await caller.hears(INVITATION)
            await caller.says("start please")
            await caller.hears(SUBSCRIBED)
        async with rings(office, call_id="call-2") as caller:
            await caller.hears(INVITATION)
            await caller.says("no idea")
            await caller.hears(LOST)
            await caller.over()
    assert [target.target for target in caller.transfers] == ["100"]
    packets = [request.json()["packet"] for request in lab.requests]
    assert [packet["name"] for packet in packets] == ["start", "click", "start", "message"]
    assert packets[3]["payload"] == {"body": "no idea"}


@virtual_time
async def test_u8_ul08_ul25_ul51_the_shop_finds_the_order_out_later(tmp_path: Path) -> None:
    async with (
        LabUserlike(token=SECRET, slow=4.0) as lab,
        userlike_office(tmp_path, lab) as office,
        rings(office) as caller,
    ):
        await caller.hears(SHOP_WELCOME)
        await caller.hears(SHOP_QUESTION)
        await caller.says("delivery status of an order")
        await caller.hears(ASK_ORDER)
        await caller.press("1234#")
        await caller.hears(LOOKING_UP)
        await caller.hears("Your order 1 2 3 4 will arrive tomorrow.")
        await caller.hears(SHOP_QUESTION)
        await caller.press("4")
        await caller.hears(GOODBYE)
        await caller.over()
    assert office.outcome == ("completed", "bot")
    assert [post.status for post in lab.posts] == [200]
    assert [request.json()["packet"]["name"] for request in lab.requests] == ["start", "click", "message", "click"]


@virtual_time
async def test_u9_ul07_ul09_ul11_the_api_url_on_its_port(tmp_path: Path) -> None:
    bot = LabUserlike(token=SECRET)
    async with bot as lab, userlike_office(tmp_path, lab) as office, rings(office) as caller:
        await caller.hears(SHOP_QUESTION)
        cid = lab.requests[0].json()["info"]["cid"]
        note = event("note_create", {"body": "counted"}, cid=cid)
        assert (await lab.post(note, token="wrong")).status == 401
        assert (await lab.post(event("note_create", {"body": "a"}, cid="chatbot::1:0"))).status == 404
        async with rings(office, call_id="call-2") as other:
            await other.hears(SHOP_QUESTION)
            elsewhere = event("note_create", {"body": "b"}, cid=lab.requests[1].json()["info"]["cid"])
            answers = [(await lab.post(note)).status for _ in range(21)]
            assert (await lab.post(elsewhere)).status == 200
        assert answers == [200] * 20 + [429]
        assert (await lab.post([note, elsewhere])).status == 404  # the other call is over
        await asyncio.sleep(60)
        assert (await lab.post(note)).status == 200


@virtual_time
async def test_u11_ul20_ul36_a_busy_group_brings_the_caller_back(tmp_path: Path) -> None:
    async with LabUserlike() as lab, userlike_office(tmp_path, lab) as office, rings(office, BUSY) as caller:
        await caller.hears(SHOP_QUESTION)
        await caller.says("talk to a person")
        await caller.hears(NOBODY)
        await caller.hears(SHOP_QUESTION)
        await caller.press("2")
        await caller.hears(HOURS)
        assert [target.target for target in caller.transfers] == ["200"]
        packets = [request.json()["packet"] for request in lab.requests]
    assert packets[2] == {"name": "forward_failed", "payload": {}}
    assert len({request.json()["info"]["cid"] for request in lab.requests}) == 1


@pytest.mark.parametrize(
    ("policy", "said", "targets"),
    [
        ({"then": "announce", "say": "Please call again."}, "Please call again.", ["200"]),
        ({"then": "announce"}, "", ["200"]),
        ({"then": "default_target", "target": "900"}, "", ["200", "900"]),
        ({"then": "callback", "mail": "desk@example.com", "say": "We call you back."}, "We call you back.", ["200"]),
    ],
    ids=["announce", "own_words", "default_target", "callback"],
)
@virtual_time
async def test_u12_ul20_nobody_takes_the_call(
    policy: dict[str, Any], said: str, targets: list[str], tmp_path: Path
) -> None:
    bot = ScriptedBot(event("forward_group", {"group": "support"}))
    async with bot, userlike_office(tmp_path, bot, unassigned=policy) as office, rings(office, BUSY) as caller:
        await caller.over()
    assert [target.target for target in caller.transfers] == targets
    assert caller.texts == ([said] if said else [] if len(targets) > 1 else [own_words("fallback_hangup", "en-GB")])
    assert len(bot.bodies) == 1
    mails = office.notes("post_call_email")
    assert [mail["to"] for mail in mails] == (["desk@example.com"] if policy["then"] == "callback" else [])


@virtual_time
async def test_u13_ul39_a_pause_between_messages_which_the_caller_can_end(tmp_path: Path) -> None:
    listed = [says("First part."), event("delay", {"seconds": 5, "typing": False}), says("Second part.")]
    bot = ScriptedBot(listed, listed, says("Third."))
    async with bot, userlike_office(tmp_path, bot, number=HEARS) as office, dial(office, "pbx") as caller:
        first = await caller.hears("First part.")
        second = await caller.hears("Second part.")
        await caller.say("once more")
        again = await caller.hears("First part.")
        await caller.until(again.until + 1)
        await caller.say("I know that")
        await caller.hears("Third.")
    assert second.at - first.until == near(5.0, within=0.1)
    assert "Second part." not in caller.words[2:]


@virtual_time
async def test_u16_ul22_an_empty_answer_is_no_word_and_the_call_goes_on(tmp_path: Path) -> None:
    bot = ScriptedBot(EMPTY, says("There you are."))
    async with bot, userlike_office(tmp_path, bot) as office, rings(office) as caller:
        await office.asked(1)
        await asyncio.sleep(1)
        await caller.says("hello")
        await caller.hears("There you are.")


@virtual_time
async def test_u19_ul35_end_lets_the_last_words_be_heard(tmp_path: Path) -> None:
    bot = ScriptedBot([says("Goodbye, and thank you for calling us."), event("end")])
    async with bot, userlike_office(tmp_path, bot) as office, dial(office, "cloud") as caller:
        over = await caller.over()
        assert caller.words == ["Goodbye, and thank you for calling us."]
        assert over == near(caller.heard[-1].until, within=0.1)
    assert office.outcome == ("completed", "bot")


@virtual_time
async def test_u20_ul34_abort_takes_the_call_to_people(tmp_path: Path) -> None:
    bot = ScriptedBot([says("I give up."), event("abort")])
    async with bot, userlike_office(tmp_path, bot, human="300") as office, rings(office) as caller:
        await caller.hears("I give up.")
        await caller.over()
    assert [target.target for target in caller.transfers] == ["300"]
    assert office.outcome == ("transferred", "transfer")


@virtual_time
async def test_ul08_what_the_bot_sends_unasked_waits_for_the_end_of_the_utterance(tmp_path: Path) -> None:
    bot = ScriptedBot(says("What is it?"), says("I see."))
    async with bot, userlike_office(tmp_path, bot, number=HEARS) as office, dial(office, "pbx") as caller:
        await caller.hears("What is it?")
        talking = asyncio.create_task(caller.say("a sentence that lasts for quite a while, all in all"))
        await asyncio.sleep(1)
        lab = LabUserlike(api_url=f"http://{office.address}/userlike/v1/k3y-of-the-bot/", api_token=TOKEN)
        async with lab:
            cid = bot.bodies[0]["info"]["cid"]
            assert (await lab.post(says("By the way.", cid=cid))).status == 200
        spoken_until = (await talking).until
        aside = await caller.hears("By the way.")
        await caller.hears("I see.")
        assert aside.at > spoken_until
    assert bot.packets[1]["name"] == "message"


@virtual_time
async def test_ul47_a_choice_is_answered_once(tmp_path: Path) -> None:
    bot = ScriptedBot(choice("tea", "coffee"), says("Fine."), says("What?"))
    async with bot, userlike_office(tmp_path, bot) as office, rings(office) as caller:
        await caller.hears("Which one?")
        await caller.press("2")
        await caller.hears("Fine.")
        await caller.press("1#")
        await caller.hears("What?")
    assert [packet["name"] for packet in bot.packets] == ["start", "click", "message"]
    assert bot.packets[1]["payload"]["value"] == {"id": "id-coffee", "label": "coffee"}
    assert bot.packets[2]["payload"] == {"body": "1"}


@virtual_time
async def test_a_slow_bot_is_waited_for_with_a_filler(tmp_path: Path) -> None:
    bot = ScriptedBot(says("Yes?"), slow(event("message", {"body": "Here it is."}, cid="x"), 4.0))
    async with bot, userlike_office(tmp_path, bot) as office, rings(office) as caller:
        await caller.hears("Yes?")
        await caller.says("look it up")
        await caller.hears(own_words("filler", "en-GB"))
        await caller.hears("Here it is.")


FAULTS = ["500", "429", "drop", "garbage", "oversized", "deep", "cut", "drip:1", "slow:11"]


@pytest.mark.parametrize("fault", FAULTS)
@virtual_time
async def test_a_bot_that_fails_on_start_leaves_the_caller_to_the_fallback(fault: str, tmp_path: Path) -> None:
    async with LabUserlike(faults=fault) as lab, userlike_office(tmp_path, lab) as office, rings(office) as caller:
        await caller.over()
    assert office.outcome == ("bot_failed", "gateway")
    assert caller.texts[-1] == own_words("fallback_hangup", "en-GB")


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "429"])
@virtual_time
async def test_a_bot_that_fails_once_costs_an_apology(fault: str, tmp_path: Path) -> None:
    async with (
        LabUserlike(faults=f"ok,{fault}") as lab,
        userlike_office(tmp_path, lab) as office,
        rings(office) as caller,
    ):
        await caller.hears(SHOP_QUESTION)
        await caller.press("2")
        await caller.hears(own_words("apology", "en-GB"))
        await caller.says("opening hours")
        await caller.hears(HOURS)


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("duplicate", [200, 200]),
        ("wrong-token", [401]),
        ("garbage", [400]),
        ("deep", [400]),
        ("oversized", [413]),
    ],
)
@virtual_time
async def test_what_goes_wrong_with_the_api_url_costs_no_call(fault: str, statuses: list[int], tmp_path: Path) -> None:
    async with LabUserlike(push_faults=fault) as lab, userlike_office(tmp_path, lab) as office:
        async with rings(office) as caller:
            await caller.hears(SHOP_QUESTION)
            await caller.press("1")
            await caller.hears(ASK_ORDER)
            await caller.press("12#")
            await caller.hears(LOOKING_UP)
            async with asyncio.timeout(60):
                await lab.posted(len(statuses))
            await caller.press("7#")
            await office.asked(4)
        assert [post.status for post in lab.posts][: len(statuses)] == statuses


@virtual_time
async def test_the_bot_is_told_nothing_of_the_end_of_the_call(tmp_path: Path) -> None:
    bot = ScriptedBot(says("Hello."), LabReply(status=599))
    async with bot, userlike_office(tmp_path, bot) as office, rings(office) as caller:
        await caller.hears("Hello.")
    assert [packet["name"] for packet in bot.packets] == ["start"]
    assert office.outcome[0] == "abandoned"


@virtual_time
async def test_u7_a_choice_that_the_bot_never_heard_of_is_open_again(tmp_path: Path) -> None:
    async with (
        LabUserlike(bot="campaign", faults="ok,500,500") as lab,
        userlike_office(tmp_path, lab) as office,
        rings(office) as caller,
    ):
        await caller.hears(INVITATION)
        for _ in range(2):
            await caller.press("1")
            await caller.hears(own_words("apology", "en-GB"))
        await caller.press("1")
        await caller.hears(SUBSCRIBED)
    assert [request.json()["packet"]["name"] for request in lab.requests] == ["start", "click", "click", "click"]
