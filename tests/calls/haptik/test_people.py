"""From the bot to people, and what is left when the call is over: agents, a PBX that transfers, transcripts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.caller.asterisk_line import AsteriskCaller
from gateway.interfaces import AfterCall, AfterCallJob
from gateway.lab.haptik import LabHaptik
from gateway.lab.haptik_side import AGENT, HISTORY
from tests.fakes.callers import Phone, Typist, near
from tests.fakes.haptik import haptik_office, only_user, said_by_caller
from tests.fakes.manager import Manager, manager_interface
from tests.fakes.office import Office, auth_of, dial, texting
from tests.fakes.virtual_loop import virtual_time

MENU = (
    "For opening hours, say opening hours or press 1. For rooms, say rooms or press 2. For telephone number, "
    "say telephone number or press 3. For speak to somebody, say speak to somebody or press 4."
)
HOURS = "We are open from nine to five, Monday to Friday."
NOTICE = "I'm putting you through now. Please hold the line."
SORRY = "I'm sorry, I couldn't put you through."
HOLD = "Please hold the line, somebody will be with you shortly."
JOINED = "Prateek has entered the Conversation"
APOLOGY = "Sorry, something went wrong. Please say that again."
TEAM = {"team_name": "Support", "phrases": ["speak to an agent", "agent"], "key": "0", "commands": ["talk_to_agent"]}
CHANNEL = "PJSIP/alice-00000001"


def moves(lab: LabHaptik) -> list[dict[str, Any]]:
    return [request.json() for request in lab.requests if request.path == AGENT]


async def reach_agent(caller: Typist | Phone) -> None:
    await caller.hears(NOTICE)
    await caller.hears("You are number one in the queue.")
    await caller.hears(JOINED)
    await caller.hears("How can I help you?")


@pytest.mark.parametrize("how", ["words", "key", "command", "option"])
@virtual_time
async def test_hp21_h12_h1_from_the_bot_to_an_agent_and_to_the_end(tmp_path: Path, how: str) -> None:
    bot = {"handoff": {**TEAM, "countdown": 7, "agent_voice": "f3"}}
    async with haptik_office(tmp_path, bot=bot) as (office, lab), texting(office) as caller:
        await caller.hears(MENU)
        if how == "key":
            await caller.press("0")
        else:
            said = {"words": "I want to speak to an agent!", "command": "agents", "option": "speak to somebody"}[how]
            await caller.say("an agent{x}" if how == "command" else said)
        if how == "option":
            await caller.hears("I will find somebody for you.")
        await reach_agent(caller)
        await caller.say("My key is broken")
        await caller.hears("You said: my key is broken.")
        await caller.say("goodbye")
        await caller.hears("Goodbye, and thank you for calling.")
        await caller.over()
    (move,) = moves(lab)
    user = only_user(lab)
    assert move == {
        "team_name": "Support",
        "user_name": user.name,
        "business_id": 343,
        "countdown": 7,
        "receiver": "athena",
    }
    assert said_by_caller(lab)[-2:] == ["My key is broken", "goodbye"]
    assert office.notes("conversation")[0]["completion_type"] == "agent"
    assert office.outcome == ("completed", "bot")


@virtual_time
async def test_h12_hp21_an_agents_words_are_in_his_voice_and_patience_is_longer(tmp_path: Path) -> None:
    bot = {"handoff": {**TEAM, "agent_voice": "f3", "hold_every": 20}}
    number = {"recognizer": {"hints": ["agent"]}}
    lab = {"agent_after": 50.0}
    async with haptik_office(tmp_path, bot=bot, number=number, lab=lab) as (office, _), dial(office) as caller:
        await caller.hears(MENU)
        await caller.say("agent")
        await caller.hears("You are number one in the queue.")
        hold = await caller.hears(HOLD)
        again = await caller.hears(HOLD)
        assert again.at - hold.until == near(20.0)
        await caller.hears("How can I help you?")
        await caller.wait(45)
        assert caller.words[-1] == "How can I help you?"
        office.is_truth_checked = False  # music is no word of the books
        await caller.hang_up()
    said = {
        utterance.plain or utterance.text: utterance.voice for utterance in office.vendors["local"].synthesizer.requests
    }
    assert said["How can I help you?"] == "f3"
    assert said[HOURS if HOURS in said else MENU] is None


@virtual_time
async def test_h2_hp03_the_countdown_is_music(tmp_path: Path) -> None:
    bot = {"handoff": {**TEAM, "countdown": 60}}
    number = {"recognizer": {"hints": ["agent"]}}
    async with haptik_office(tmp_path, bot=bot, number=number) as (office, lab), dial(office) as caller:
        await caller.hears(MENU)
        await caller.say("agent")
        notice = await caller.hears(NOTICE)
        first = await caller.hears("You are number one in the queue.")
        office.is_truth_checked = False  # music is no word of the books
    assert moves(lab)[0]["countdown"] == 10
    assert 10 <= first.at - notice.until <= 12
    music = [word for word in caller.heard if notice.until <= word.at and word.until <= first.at and word.text == "?"]
    assert music


@virtual_time
async def test_hp21_nobody_takes_the_chat(tmp_path: Path) -> None:
    bot = {"handoff": {**TEAM, "agent_wait": 60}}
    async with haptik_office(tmp_path, bot=bot, lab={"agent": ""}) as (office, lab), texting(office) as caller:
        await caller.hears(MENU)
        await caller.say("agent")
        await caller.hears(HOLD)
        await caller.hears("I am sorry, nobody is free at the moment.")
        await caller.say("opening hours")
        await caller.wait(5)
    assert said_by_caller(lab) == ["Hi", "opening hours"]


@pytest.mark.parametrize("wish", ["yes", "no"])
@virtual_time
async def test_hp21_nobody_takes_the_chat_and_a_call_back_is_offered(tmp_path: Path, wish: str) -> None:
    handoff = {**TEAM, "agent_wait": 60, "callback_url": "https://crm.example.com/callback"}
    bot, lab = {"handoff": handoff}, {"agent": ""}
    async with haptik_office(tmp_path, bot=bot, lab=lab) as (office, _), texting(office) as caller:
        await caller.hears(MENU)
        await caller.say("agent")
        await caller.hears("I am sorry, nobody is free at the moment. Shall we call you back?", within=120)
        await caller.say(wish)
        if wish == "yes":
            await caller.hears("Thank you. We will call you back.")
            await caller.over()
        else:
            await caller.wait(1)
    wishes = office.notes("post_call_webhook")
    assert len(wishes) == (wish == "yes")
    for found in wishes:
        assert found["url"] == "https://crm.example.com/callback"
        assert found["body"]["number"] == "+33612345678"


@virtual_time
async def test_hp21_h3_who_has_not_written_is_written_for(tmp_path: Path) -> None:
    """A user whom the platform has forgotten has written nothing: it says so, and takes the chat at the second try."""
    async with haptik_office(tmp_path, bot={"handoff": TEAM}) as (office, lab), texting(office) as caller:
        await caller.hears(MENU)
        only_user(lab).has_spoken = False
        await caller.say("agent")
        await reach_agent(caller)
    assert len(moves(lab)) == 2
    assert said_by_caller(lab)[:2] == ["Hi", "The caller asks for an agent."]


@virtual_time
async def test_hp06_h3_an_inactive_team_leaves_the_caller_with_the_bot(tmp_path: Path) -> None:
    bot = {"handoff": {**TEAM, "team_name": "Night shift"}}
    async with haptik_office(tmp_path, bot=bot) as (office, _), texting(office) as caller:
        await caller.hears(MENU)
        await caller.say("agent")
        await caller.hears(SORRY)
        await caller.say("opening hours")
        await caller.hears(HOURS)
    events = office.notes("event")
    assert {"handoff_failed": 'team "Night shift" is inactive', "class": "config"} in events


# --- a bot that fails ----------------------------------------------------------------------------------------------
@virtual_time
async def test_hp17_a_bot_that_fails_hands_the_caller_over_instead_of_apologising(tmp_path: Path) -> None:
    bot = {"handoff": TEAM}
    async with (
        haptik_office(tmp_path, bot=bot, lab={"faults": "ok,ok,500"}) as (office, lab),
        texting(office) as caller,
    ):
        await caller.hears(MENU)
        await caller.say("my words")
        await reach_agent(caller)
    assert APOLOGY not in caller.words
    assert len(moves(lab)) == 1
    assert {"handoff": "failure"} in office.notes("event")


@virtual_time
async def test_hp17_how_many_failures_it_takes_is_a_setting(tmp_path: Path) -> None:
    bot = {"handoff": {**TEAM, "after_failures": 2}}
    lab = {"faults": "ok,ok,500,500"}
    async with haptik_office(tmp_path, bot=bot, lab=lab) as (office, _), texting(office) as caller:
        await caller.hears(MENU)
        await caller.say("my words")
        await caller.hears(APOLOGY)
        await caller.say("my words again")
        await reach_agent(caller)


@virtual_time
async def test_hp17_a_bot_that_does_not_answer_hands_the_caller_over(tmp_path: Path) -> None:
    number = {"answer_timeout": 12}
    bot = {"handoff": TEAM, "greeting": "Welcome."}
    lab = {"webhook_faults": "ok,wrong-token*2"}
    async with haptik_office(tmp_path, bot=bot, number=number, lab=lab) as (office, _), texting(office) as caller:
        await caller.hears(MENU)
        for _ in range(2):
            await caller.say("telephone")
            await caller.hears(APOLOGY)
        await caller.say("telephone")
        await reach_agent(caller)


@virtual_time
async def test_hp17_a_bot_that_fails_from_the_start_and_nobody_to_go_to_is_the_fallback(tmp_path: Path) -> None:
    number = {"fallback": {"say": "Nobody is here."}}
    bot = {"handoff": TEAM}
    lab = {"faults": "500*9"}
    async with haptik_office(tmp_path, bot=bot, number=number, lab=lab) as (office, _), texting(office) as caller:
        await caller.hears("Nobody is here.")
        await caller.over()
    assert office.outcome[0] == "bot_failed"


# --- put through ---------------------------------------------------------------------------------------------------
@asynccontextmanager
async def switchboard(
    folder: Path, handoff: dict[str, Any], **parts: Any
) -> AsyncIterator[tuple[Office, LabHaptik, Manager]]:
    """An office whose PBX line transfers."""
    async with manager_interface(Manager()) as manager:
        pbx = {"manager": {"port": manager.port, "username": "talkpath", "secret": "s3cret"}}
        number = {"transfer": {"allow": ["sip:*@pbx"]}, "recognizer": {"hints": ["agent", "opening hours"]}}
        async with haptik_office(folder, bot={"handoff": handoff}, number=number, pbx=pbx, **parts) as (office, lab):
            yield office, lab, manager


async def redirected(manager: Manager) -> str:
    async with asyncio.timeout(60):
        await manager.redirects.get()
    return manager.variables["talkpath_target"]


@pytest.mark.parametrize("team", [True, False])
@virtual_time
async def test_hp21_the_caller_is_put_through_while_the_chat_goes_to_the_team(tmp_path: Path, team: bool) -> None:
    handoff = {**TEAM, "target": "sip:100@pbx", "by": "both" if team else "sip"}
    house = switchboard(tmp_path, handoff)
    async with house as (office, lab, manager), dial(office, "pbx", pbx_channel=CHANNEL) as caller:
        await caller.hears(MENU)
        await caller.say("agent")
        await caller.hears(NOTICE)
        assert await redirected(manager) == "sip:100@pbx"
        await caller.hang_up()
        manager.tell(Event="DialEnd", Channel=CHANNEL, DestChannel="PJSIP/bob-2", DialStatus="ANSWER")
        await office.calls_over()
    assert office.outcome == ("transferred", "transfer")
    assert len(moves(lab)) == team


@pytest.mark.parametrize("team", ["Support", "Night shift"])
@virtual_time
async def test_hp21_a_transfer_that_fails_brings_the_caller_back(tmp_path: Path, team: str) -> None:
    """With the chat in the queue an agent still comes; without, the bot goes on."""
    handoff = {**TEAM, "team_name": team, "target": "sip:100@pbx"}
    async with switchboard(tmp_path, handoff) as (office, _, manager):
        async with dial(office, "pbx", pbx_channel=CHANNEL) as caller:
            await caller.hears(MENU)
            await caller.say("agent")
            await redirected(manager)
            await caller.hang_up()
            manager.tell(Event="DialEnd", Channel=CHANNEL, DestChannel="PJSIP/bob-2", DialStatus="BUSY")
            back = {"pbx_channel": CHANNEL, "__talkpath_call": "call-1", "__talkpath_status": "BUSY"}
            client = AsteriskCaller(answers_itself=False)
            async with client.connect(office.url_of("pbx"), custom=back, auth=auth_of("pbx")) as line:
                again = Phone(office, line)  # type: ignore[arg-type]  # a line of its own
                if team == "Support":
                    await again.hears(HOLD)
                    await again.hears("How can I help you?")
                else:
                    await again.hears(SORRY)
                    await again.wait(1)
                    await again.say("opening hours")
                    await again.hears(HOURS)
                await again.hang_up()
                await office.calls_over()
        office.is_truth_checked = False  # one record, two connections
    assert office.notes("transfer_failed")[0]["cause"] == "busy"


@virtual_time
async def test_hp21_a_target_that_is_not_allowed_is_refused(tmp_path: Path) -> None:
    async with switchboard(tmp_path, {**TEAM, "by": "sip", "target": "sip:100@elsewhere"}) as (office, _, manager):
        async with dial(office, "pbx", pbx_channel=CHANNEL) as caller:
            await caller.hears(MENU)
            await caller.say("agent")
            await caller.hears(SORRY)
        assert manager.redirects.empty()
    assert office.notes("transfer_refused")[0]["cause"] == "not_allowed"


@virtual_time
async def test_an_agents_caller_is_asked_what_he_thinks_of_it(tmp_path: Path) -> None:
    bot = {"handoff": TEAM, "survey": {"after": "agent"}}
    async with haptik_office(tmp_path, bot=bot) as (office, lab):
        async with texting(office) as caller:
            await caller.hears(MENU)
            await caller.say("agent")
            await reach_agent(caller)
            await caller.say("goodbye")
            await caller.hears("Goodbye, and thank you for calling.")
            await caller.hears("Was your question answered?")
            await caller.say("yes")
            await caller.hears("How satisfied are you, from 1 to 5? Please press a key; 5 is best.")
            await caller.press("5")
            await caller.hears("Thank you. Goodbye.")
            await caller.over()
        await office.calls_over()
        (booked,) = [job for job in office.notes("post_call_backend") if job["job"] == "feedback"]
        backend = office.reception.house.backends["reception"]
        assert isinstance(backend, AfterCall)
        await backend.after_call(AfterCallJob(key="k", kind="backend", data=booked, call=office.record))
        found = only_user(lab).feedback
    assert found is not None
    assert (found["query_resolved"], found["query_rating"]) == (True, 5)


# --- after the call ------------------------------------------------------------------------------------------------
async def transcript(office: Office) -> list[dict[str, Any]]:
    """What the job that was booked brings into the record."""
    (booked,) = office.notes("post_call_backend")
    assert booked.pop("delay") == 5.0
    backend = office.reception.house.backends["reception"]
    assert isinstance(backend, AfterCall)
    found = await backend.after_call(AfterCallJob(key="k", kind="backend", data=booked, call=office.record))
    return [line for record in found for line in record.data["lines"]]


@pytest.mark.parametrize("form", ["json", "text"])
@virtual_time
async def test_hp07_hp09_hp10_the_transcript_of_a_call_joins_its_record(tmp_path: Path, form: str) -> None:
    bot = {"handoff": TEAM, "history": {"response_type": form}}
    async with haptik_office(tmp_path, bot=bot) as (office, lab):
        async with texting(office) as caller:
            await caller.hears(MENU)
            await caller.press("1")
            await caller.hears(HOURS)
            await caller.say("agent")
            await reach_agent(caller)
            await caller.say("goodbye")
            await caller.over()
        await office.calls_over()
        lines = await transcript(office)
    assert [(line["sender"], line["text"]) for line in lines] == [
        ("user", "Hi"),
        ("bot", "Hello, this is Acme. What can I do for you?"),
        ("user", "opening hours"),
        ("bot", HOURS),
        ("bot", "You are number one in the queue."),
        ("Prateek", "How can I help you?"),
        ("user", "goodbye"),
        ("Prateek", "Goodbye, and thank you for calling."),
    ]
    assert lines[2]["raw"] == "opening hours{task}"
    assert all(("at" in line) is (form == "json") for line in lines)
    (asked,) = [request for request in lab.requests if request.path == HISTORY]
    assert asked.query["conversation_no"] == "1"


@virtual_time
async def test_hp08_the_transcript_by_a_tract_token(tmp_path: Path) -> None:
    bot = {"history": {"pxut_variable": "token"}, "start_message": "", "mode": "sync"}
    async with haptik_office(tmp_path) as (_, lab):
        (tmp_path / "sync").mkdir()
        url = {"url": lab.url, "message_url": f"{lab.url}/v1.0/log_message_from_user/sync/"}
        async with haptik_office(tmp_path / "sync", bot={**bot, **url}) as (office, _):
            async with dial(office, "pbx", token="tw389ysgd._aksdjknsk-545641964-B") as caller:
                await caller.wait(1)
            await office.calls_over()
            user = only_user(lab)
            user.written.clear()
            lab.account.pxuts["tw389ysgd._aksdjknsk-545641964-B"] = user.auth_id
            assert await transcript(office) == []
    (asked,) = [request for request in lab.requests if request.path == HISTORY]
    assert asked.query == {"pxut": "tw389ysgd._aksdjknsk-545641964-B", "conversation_no": "1"}


@virtual_time
async def test_hp18_the_words_around_a_hand_over_are_settings(tmp_path: Path) -> None:
    bot = {"handoff": TEAM, "texts": {"transfer": "Hang on.", "caller_asks": "Person wanted."}}
    number = {"words": {"apology": "Oops."}}
    lab = {"faults": "ok,ok,500"}
    bot["handoff"] = {**TEAM, "after_failures": 2}
    async with (
        haptik_office(tmp_path, bot=bot, number=number, lab=lab) as (office, platform),
        texting(office) as caller,
    ):
        await caller.hears(MENU)
        await caller.say("my words")
        await caller.hears("Oops.")
        only_user(platform).has_spoken = False
        await caller.say("agent")
        await caller.hears("Hang on.")
        await caller.hears(JOINED)
    assert "Person wanted." in said_by_caller(platform)
