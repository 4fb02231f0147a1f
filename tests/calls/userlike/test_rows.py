"""Whole calls with bots written for Userlike: silence, slots, media, languages, dispatches, the API URL on its port."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path
from typing import Any

import pytest

from gateway.kit.media import MediaFetcher
from gateway.lab.server import LabReply, LabRequest, LabServer
from gateway.lab.userlike import LabUserlike, Post
from gateway.lab.userlike_bots import ASK_ORDER, HOURS, SHOP_QUESTION, SHOP_WELCOME
from tests.fakes.callers import own_words
from tests.fakes.office import Office, dial, texting
from tests.fakes.party import BUSY, rings
from tests.fakes.userlike import (
    CID,
    EMPTY,
    KEY,
    OPT_OUT,
    TOKEN,
    ScriptedBot,
    api_url,
    choice,
    event,
    says,
    userlike_office,
    with_cid,
)
from tests.fakes.virtual_loop import virtual_time

FIXTURES = Path(__file__).parents[2] / "fixtures/userlike"


def cid_of(bot: Any, place: int = 0) -> str:
    return str(bot.requests[place].json()["info"]["cid"])


async def push(office: Office, bot: Any, value: Any, *, url: str = "", token: str = TOKEN) -> Post:
    """What a bot sends to its API URL; ``C`` is the first call's cid."""
    async with LabUserlike(api_url=url or api_url(office), api_token=token) as client:
        return await client.post(with_cid(value, cid_of(bot)))


# --- silence ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("action", "outcome", "transfers"),
    [
        ("end", ("no_input", "gateway"), []),
        ("unassign", ("completed", "bot"), []),
        ("forward", ("transferred", "transfer"), ["100"]),
    ],
)
@virtual_time
async def test_ul04_the_conversation_timeout(
    action: str, outcome: tuple[str, str], transfers: list[str], tmp_path: Path
) -> None:
    bot = ScriptedBot(says("What is it?"))
    settings = {"timeout_action": action, "unassigned": {"then": "announce", "say": "Call again."}}
    async with bot, userlike_office(tmp_path, bot, **settings) as office, rings(office) as caller:
        began = await caller.hears("What is it?")
        await caller.hears("What is it?")
        last = await caller.hears("What is it?")
        await caller.over()
        ended = asyncio.get_running_loop().time()
    assert last - began == pytest.approx(2 * 7.7, abs=0.5)  # the number's re-prompts
    assert ended - last == pytest.approx(60.7 + (0.8 if action == "unassign" else 0), abs=0.3)
    assert [target.target for target in caller.transfers] == transfers
    assert office.outcome == outcome
    assert len(bot.bodies) == 1


@virtual_time
async def test_ul04_the_choice_is_open_until_the_timeout(tmp_path: Path) -> None:
    async with LabUserlike() as lab, userlike_office(tmp_path, lab) as office, rings(office) as caller:
        for _ in range(3):
            await caller.hears(SHOP_QUESTION)
        await asyncio.sleep(40)
        await caller.press("2")
        await caller.hears(HOURS)
        said = len(caller.texts)
    assert caller.texts[said - 1].startswith(HOURS)
    assert [request.json()["packet"]["name"] for request in lab.requests] == ["start", "click"]


# --- slots -----------------------------------------------------------------------------------------------------------
@virtual_time
async def test_ul05_calls_beyond_the_slots_go_to_people(tmp_path: Path) -> None:
    async with LabUserlike() as lab, userlike_office(tmp_path, lab, slots=5, human="300") as office:
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(_short_call(office, place)) for place in range(20)]
        transferred = [call.result() for call in calls if call.result()]
        again = await _short_call(office, 20)
    assert len(lab.requests) == 2 * 5 + 2
    assert transferred == [["300"]] * 15
    assert again == []


async def _short_call(office: Office, place: int) -> list[str]:
    """Ask for the opening hours; returns where one was sent instead."""
    async with rings(office, call_id=f"call-{place}", caller=f"+4416329601{place:02d}") as caller:
        await caller.until(lambda: bool(caller.transfers) or len(caller.texts) > 1)
        if not caller.transfers:
            await caller.press("2")
            await caller.hears(HOURS)
        return [target.target for target in caller.transfers]


# --- the API URL -----------------------------------------------------------------------------------------------------
@virtual_time
async def test_u10_ul44_contexts_by_the_api_url(tmp_path: Path) -> None:
    room = 10_240 - len('{"k":""}')
    bot = ScriptedBot(says("Yes?"), says("And?"))
    async with bot, userlike_office(tmp_path, bot) as office, rings(office) as caller:
        await caller.hears("Yes?")
        note = {"body": "n"}
        statuses = [
            (await push(office, bot, event("note_create", note, context={"k": "x" * size}))).status
            for size in (room, room + 1)
        ]
        assert (await push(office, bot, event("note_create", note, context={}))).status == 200
        await caller.says("hello")
        await caller.hears("And?")
    assert statuses == [200, 400]
    assert bot.bodies[1]["info"]["context"] == {"k": "x" * room}
    assert len([note for note in office.notes("note") if note["text"] == "n"]) == 2


@virtual_time
async def test_u14_ul24_5000_characters_by_the_api_url(tmp_path: Path) -> None:
    bot = ScriptedBot(says("Yes?"))
    text = ("Fifty characters are said in this very sentence. " * 110)[:5000]
    async with bot, userlike_office(tmp_path, bot) as office, rings(office) as caller:
        await caller.hears("Yes?")
        assert (await push(office, bot, says(text + "x"))).status == 400
        assert (await push(office, bot, says(text))).status == 200
        await caller.hears("Fifty characters")


@virtual_time
async def test_u15_ul31_a_file_that_cannot_be_had(tmp_path: Path) -> None:
    wav = (FIXTURES / "beep.wav").read_bytes()

    async def cdn(asked: LabRequest) -> LabReply:
        if asked.path != "/beep.wav":
            return LabReply(status=404)
        return LabReply(body=wav, headers={"content-type": "application/octet-stream"})

    async with LabServer(cdn) as server:
        gone, there = ({"link": f"{server.url}/{name}"} for name in ("gone.mp3", "beep.wav"))
        bot = ScriptedBot([says("Listen."), event("media", gone), says("That was it.")], says("Fine."))
        async with bot, userlike_office(tmp_path, bot) as office:
            fetcher = MediaFetcher(allow=["127.0.0.1"])

            async def look(url: str) -> str:
                return (await fetcher.fetch(url)).content_type

            office.reception.house.backends["reception"].look_with(look)  # type: ignore[attr-defined]  # as app does
            async with rings(office) as caller:
                await caller.hears("Listen.")
                await caller.hears("That was it.")
                lost = await push(office, bot, [says("Before."), event("media", gone), says("After.")])
                assert lost.status == 422
                assert (await push(office, bot, event("media", there))).status == 200
                await caller.hears("Before.")
                await caller.says("thanks")
                await caller.hears("Fine.")
                assert "After." not in caller.texts
            await fetcher.aclose()
    warned = [note["bot_warning"] for note in office.notes("event") if "bot_warning" in note]
    assert warned == ["the media file cannot be fetched"]


@virtual_time
async def test_u17_ul12_the_api_url_without_its_version(tmp_path: Path) -> None:
    bot = ScriptedBot(says("Yes?"))
    async with bot, userlike_office(tmp_path, bot) as office, rings(office) as caller:
        await caller.hears("Yes?")
        for path in (f"/userlike/v1/{KEY}/", f"/userlike/{KEY}/", f"/userlike/v1/{KEY}", f"/userlike/{KEY}"):
            assert (await push(office, bot, says(f"By {path}."), url=f"http://{office.address}{path}")).status == 200
        for wrong, status in ((f"/userlike/v2/{KEY}/", 404), ("/userlike/v1/another-bots-key/", 404)):
            assert (await push(office, bot, says("No."), url=f"http://{office.address}{wrong}")).status == status
        for _ in range(4):
            await caller.hears("By ")


@virtual_time
async def test_ul21_an_opt_out_by_text_message(tmp_path: Path) -> None:
    bot = ScriptedBot(says("Yes?"), says("You are off the list."))
    async with bot, userlike_office(tmp_path, bot) as office, rings(office) as caller:
        await caller.hears("Yes?")
        told = await push(
            office, bot, {"cid": "C", "channel": "sms"}, url=api_url(office) + "unsubscribe", token=OPT_OUT
        )
        assert told.status == 200
        await caller.hears("You are off the list.")
    assert bot.packets[1] == {"name": "campaign_unsubscribe", "payload": {"channel": "sms"}}


# --- what bots change ------------------------------------------------------------------------------------------------
@virtual_time
async def test_ul41_the_locale_switches_voice_and_ear_from_the_next_prompt(tmp_path: Path) -> None:
    listed = [says("Hello."), event("conversation_update", {"locale": "de"}), says("Guten Tag.")]
    bot = ScriptedBot(listed, says("Bitte."))
    number = {"recognizer": {"hints": ["danke"]}}
    async with bot, userlike_office(tmp_path, bot, number=number) as office, dial(office, "pbx") as caller:
        await caller.hears("Guten Tag.")
        await caller.say("danke")
        await caller.hears("Bitte.")
    spoken = {said.plain: said.language for said in office.vendors["local"].synthesizer.requests}
    assert spoken == {"Hello.": "en-GB", "Guten Tag.": "de-DE", "Bitte.": "de-DE"}
    assert bot.bodies[1]["info"]["conversation"]["locale"] == "de"


@virtual_time
async def test_u21_u22_ul40_ul42_ul43_what_is_due_after_the_call_is_in_its_record(tmp_path: Path) -> None:
    mail = event("email_dispatch", {"recipient_type": "contact"})
    first = [says("Yes?"), mail, event("note_create", {"body": "asked twice"})]
    second = [
        event("contact_update", {"email": "ann@example.com"}),
        mail,
        event("addon_dispatch", {"type": "crm"}),
        event("note_create", {"body": "polite", "contact_identity_id": "x"}),
        says("Thanks."),
    ]
    bot = ScriptedBot(first, second)
    async with bot, userlike_office(tmp_path, bot) as office, rings(office) as caller:
        await caller.hears("Yes?")
        await caller.says("ann@example.com")
        await caller.hears("Thanks.")
    assert [job["to"] for job in office.notes("post_call_email")] == ["ann@example.com"]
    assert [job["hook"] for job in office.notes("post_call_addon")] == ["crm"]
    assert [(note["about"], note["text"]) for note in office.notes("note")] == [
        ("conversation", "asked twice"),
        ("contact", "polite"),
    ]


@virtual_time
async def test_u18_ul45_ul48_two_calls_of_one_contact(tmp_path: Path) -> None:
    named = event("contact_update", {"name": "Ann"}, context={"state": "named"})
    bot = ScriptedBot([named, says("Hello Ann.")], says("Hello again."))
    async with bot, userlike_office(tmp_path, bot, channel="sms") as office:
        async with rings(office, call_id="call-1") as caller:
            await caller.hears("Hello Ann.")
        async with rings(office, call_id="call-2") as caller:
            await caller.hears("Hello again.")
            assert (await push(office, bot, says("late"))).status == 404
    first, second = (body["info"] for body in bot.bodies)
    assert first["conversation"]["contact_channel"] == {"state": "valid", "type": "sms"}
    assert (second["contact"]["name"], second["context"]) == ("Ann", {})
    assert first["cid"] != second["cid"]
    assert len(first["cid"]) == len(CID.replace("258", "1"))


@virtual_time
async def test_ul26_ul28_ul47_menus_by_voice_by_key_and_by_number(tmp_path: Path) -> None:
    listed = choice(*[f"city {place}" for place in range(1, 13)], name="list_template")
    bot = ScriptedBot(listed, choice("tea", "coffee", name="carousel"), choice("yes", "no"), EMPTY)
    async with bot, userlike_office(tmp_path, bot) as office, rings(office) as caller:
        await caller.hears("Which one?")
        await caller.press("12")
        await caller.hears("Which one?")
        await caller.says("the second one please")
        await caller.hears("Which one?")
        await caller.says("yes")
        await office.asked(4)
    chosen = [packet["payload"]["value"]["label"] for packet in bot.packets[1:]]
    assert chosen == ["city 12", "coffee", "yes"]
    assert [packet["payload"]["element"] for packet in bot.packets[1:]] == ["list_template", "carousel", "bubbles"]


@virtual_time
async def test_ul37_a_forward_by_skills_that_nobody_has_is_unassigned(tmp_path: Path) -> None:
    people = [{"target": "201", "skills": ["billing"]}]
    bot = ScriptedBot(event("forward_skills", {"skills": ["chess"], "on_failure": "feedback"}))
    async with bot, userlike_office(tmp_path, bot, people=people) as office, rings(office) as caller:
        await caller.over()
    assert caller.transfers == []
    assert caller.texts == [own_words("fallback_hangup", "en-GB")]
    assert len(bot.bodies) == 1


@virtual_time
async def test_ul20_a_target_that_is_not_allowed_is_told_to_the_bot(tmp_path: Path) -> None:
    forward = event("forward_any", {"on_failure": "feedback"})
    bot = ScriptedBot(forward, says("They are not in."))
    number = {"transfer": {"allow": ["2*"]}}
    async with bot, userlike_office(tmp_path, bot, number=number) as office, rings(office, BUSY) as caller:
        await caller.hears("They are not in.")
    assert caller.transfers == []
    assert bot.packets[1]["name"] == "forward_failed"
    assert office.notes("transfer_refused")


@pytest.mark.parametrize(
    ("message", "notes"),
    [("call me back at noon", ["call me back at noon"]), ("mumbling that nobody understands", [""]), (None, [])],
    ids=["message", "not_understood", "silence"],
)
@virtual_time
async def test_u12_ul18_ul20_a_message_for_the_voicemail_is_recorded_and_told(
    message: str | None, notes: list[str], tmp_path: Path
) -> None:
    bot = ScriptedBot([says("One moment."), event("forward_any")])
    policy = {"then": "voicemail", "say": "Please leave a message.", "mail": "desk@example.com"}
    number = {"recording": {"mode": "messages"}, "recognizer": {"hints": ["call me back at noon"]}}
    async with (
        bot,
        userlike_office(tmp_path, bot, number=number, unassigned=policy) as office,
        dial(office, "pbx") as caller,
    ):
        asked = await caller.hears("Please leave a message.")
        if message is not None:
            await caller.wait(1.0)
            await caller.say(message)
        over = await caller.over()
    seconds, is_heard = _recorded(tmp_path)
    assert seconds == pytest.approx(over - asked.until, abs=1.0)
    assert is_heard is (message is not None)
    assert [note["text"] for note in office.notes("note") if note["about"] == "voicemail"] == notes
    assert [mail["to"] for mail in office.notes("post_call_email")] == ["desk@example.com"] * len(notes)
    assert len(bot.bodies) == 1


def _recorded(folder: Path) -> tuple[float, bool]:
    """How long the only recording is, and whether the caller is heard in it."""
    (recording,) = folder.rglob("*.wav")
    with wave.open(str(recording)) as sound:
        frames = sound.readframes(sound.getnframes())
        return sound.getnframes() / sound.getframerate(), any(frames[0::4] + frames[1::4])


@virtual_time
async def test_ul29_ul30_ul32_addresses_go_where_the_numbers_links_say(tmp_path: Path) -> None:
    listed = [
        event("button", {"body": "Our shop is open.", "link": "https://a.example"}),
        event("buttons", {"body": "Two more.", "buttons": [{"label": "The map", "link": "https://b.example"}]}),
        event("navigate", {"url": "https://c.example"}),
        says("That was all."),
    ]
    bot = ScriptedBot(listed)
    number = {"links": "speak"}
    async with bot, userlike_office(tmp_path, bot, number=number) as office, rings(office) as caller:
        await caller.hears("That was all.")
    assert caller.texts == ["Our shop is open.", "Two more.", "The map", "That was all."]
    assert [note["url"] for note in office.notes("link")] == [f"https://{name}.example" for name in "abc"]


@virtual_time
async def test_u8_two_calls_as_text_over_their_own_sockets_do_not_hear_each_other(tmp_path: Path) -> None:
    async with (
        LabUserlike(slow=1.0) as lab,
        userlike_office(tmp_path, lab) as office,
        texting(office) as one,
        texting(office, caller="+441632960777") as other,
    ):
        for order, caller in (("12", one), ("34", other)):
            await caller.hears(SHOP_WELCOME)
            await caller.say("delivery status of an order")
            await caller.hears(ASK_ORDER)
            await caller.press(order)
        await one.hears("Your order 1 2 will arrive tomorrow.")
        await other.hears("Your order 3 4 will arrive tomorrow.")
        assert not any("3 4" in text for text in one.words)
    assert len({request.json()["info"]["cid"] for request in lab.requests}) == 2
