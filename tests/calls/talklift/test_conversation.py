"""Whole calls: the gateway is TalkLift to the lab's customer backend, over its real port and the backend's own HTTP."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from gateway.interfaces import AfterCall, AfterCallJob
from gateway.lab.server import LabServer
from gateway.lab.talklift import LabTalkliftAccount
from tests.fakes.callers import near
from tests.fakes.office import Office, dial, texting
from tests.fakes.talklift import CLAIM, MAIN_MENU, NAME_LABEL, RENEWAL, SLOT, TOKEN, slots, talklift_office
from tests.fakes.virtual_loop import virtual_time

REFUSAL = SLOT["validation_message"]
FIRST = " ".join(NAME_LABEL.split())
"""The first question as it is spoken: the sample has a double blank."""
MEMBERSHIP = "Membership Number"
CLAIM_NUMBER = "Your claim has the number 77."
SORRY = "I am sorry, I could not check that."
OTP = slots(
    {
        "label": "One time password",
        "validate_with_webhook": True,
        "validation_regex": r"^\d{4}$",
        "validation_message": "That is not the password.",
    },
    name="Log in",
    closing=["You are logged in."],
)


async def to_membership(caller: Any) -> None:
    await caller.hears(FIRST)
    await caller.say("Mr Awesome Customer")
    await caller.hears("Email Address")
    await caller.say("username@gmail.com")
    await caller.hears(MEMBERSHIP)


@virtual_time
async def test_t3_t5_t6_tl12_tl22_tl24_tl25_a_claim_from_the_first_question_to_the_menu(tmp_path: Path) -> None:
    async with talklift_office(tmp_path, CLAIM, MAIN_MENU) as (office, customer), texting(office) as caller:
        await to_membership(caller)
        await caller.say("209192092")
        await caller.hears("Thank you, Ann Miller.")
        await caller.hears(CLAIM_NUMBER)
        await caller.hears("For Back to menu, say Back to menu or press 1.")
        await caller.press("1")
        await caller.hears("This is the main menu.")
        await caller.over()
    names = [event["event_name"] for event in customer.events]
    assert names == ["SLOT-MODULE:Make a claim", "Make a claim", "main-menu"]
    claim = customer.events[1]["payload"][0]
    assert [state["data"] for state in claim["slot_states"]] == [
        "Mr Awesome Customer",
        "username@gmail.com",
        "209192092",
    ]
    assert {sent.status for sent in customer.sent} == {200}
    assert office.outcome == ("completed", "bot")
    notes = [note for note in office.notes("variables") if note.get("complete")]
    assert notes[0]["story_state"] == claim


@virtual_time
async def test_t4_tl13_tl23_an_unknown_number_is_asked_for_again(tmp_path: Path) -> None:
    async with talklift_office(tmp_path) as (office, _), texting(office) as caller:
        await to_membership(caller)
        await caller.say("12")
        await caller.hears("This number is not known to us.")
        await caller.hears(MEMBERSHIP)
        await caller.say("481632960")
        await caller.hears("Thank you, Joe Smith.")
    assert REFUSAL not in caller.words


@pytest.mark.parametrize("semantics", ["flags", "call_is_success"])
@virtual_time
async def test_t4_tl23_a_backend_that_copied_the_sample(tmp_path: Path, semantics: str) -> None:
    bot = {"update_semantics": semantics}
    async with (
        talklift_office(tmp_path, lab={"semantics": "sample"}, bot=bot) as (office, _),
        texting(office) as caller,
    ):
        await to_membership(caller)
        await caller.say("209192092")
        await caller.hears("Thank you, Ann Miller.")
        await caller.hears(MEMBERSHIP if semantics == "flags" else CLAIM_NUMBER)


@pytest.mark.parametrize("line", ["cloud", "pbx"])
@virtual_time
async def test_t9_t16_tl16_tl17_tl20_by_voice_and_by_key_on_a_real_line(tmp_path: Path, line: Any) -> None:
    module = slots(
        {"label": "What is insured?", "field_type": "CHOICE", "choice_options": "Car,Home,Life"},
        {"label": "Your number?", "validation_regex": r"^\d{9}$", "validation_message": "Nine digits, please."},
        closing=["That is all."],
    )
    spoken_number = "two zero nine one nine two zero nine two"
    number = {"recognizer": {"hints": [spoken_number, "banana"]}}
    bot = {"confirm": "digits"}
    async with (
        talklift_office(tmp_path, module, number=number, bot=bot) as (office, customer),
        dial(office, line) as caller,
    ):
        await caller.hears("For Car, say Car or press 1. For Home, say Home or press 2. For Life, say Life or press 3.")
        await caller.press("2")
        await caller.hears("Your number?")
        await caller.wait(1)
        await caller.say("banana")
        await caller.hears("Nine digits, please.")
        await caller.hears("Your number?")
        await caller.wait(1)
        await caller.say(spoken_number)
        await caller.hears("I heard 2 0 9 1 9 2 0 9 2. Is that right?")
        await caller.wait(1)
        await caller.say("yes")
        await caller.hears("That is all.")
        await caller.over()
    (event,) = customer.events
    assert [state["data"] for state in event["payload"][0]["slot_states"]] == ["Home", "209192092"]


@virtual_time
async def test_t10_t11_tl18_tl19_conditions_and_dates(tmp_path: Path) -> None:
    module = slots(
        {"label": "Is anybody hurt?", "field_type": "BOOLEAN"},
        {"label": "Who?", "show_condition": "1", "show_condition_value": "yes"},
        {"label": "Come on which day?", "field_type": "DATE", "date_gte_today": True, "validation_message": "Later."},
    )
    async with talklift_office(tmp_path, module) as (office, customer), texting(office) as caller:
        await caller.hears("Is anybody hurt?")
        await caller.say("no")
        await caller.hears("Come on which day?")
        await caller.say("yesterday")
        await caller.hears("Later.")
        await caller.hears("Come on which day?")
        await caller.say("tomorrow")
        await caller.hears(CLAIM_NUMBER)
    assert "Who?" not in caller.words
    assert [state["data"] for state in customer.events[0]["payload"][0]["slot_states"]][:2] == ["no", None]


@virtual_time
async def test_tl15_t13_a_one_time_password_is_never_taken_for_granted(tmp_path: Path) -> None:
    async with talklift_office(tmp_path, OTP) as (office, customer), texting(office) as caller:
        await caller.hears("One time password")
        await caller.press("1234#")
        await caller.hears("That is not the password.")
        await caller.hears("One time password")
        customer.gateway = ""  # from here on nobody answers
        await caller.press("4711#")
        filler = await caller.hears("One moment, please.")
        sorry = await caller.hears(SORRY)
        assert sorry.at - filler.at > 15
        await caller.hears("One time password")
        await caller.press("4711#")
        await caller.hears(SORRY)
        await caller.over()
    assert "You are logged in." not in caller.words
    assert office.outcome == ("completed", "gateway")
    assert [event["event_name"] for event in customer.events] == ["SLOT-MODULE:Log in"] * 3


@virtual_time
async def test_t2_tl04_tl08_tl21_without_validation_there_is_one_event(tmp_path: Path) -> None:
    house = talklift_office(tmp_path, {**RENEWAL, "then": "main-menu"}, MAIN_MENU)
    async with house as (office, customer), texting(office) as caller:
        await caller.hears("Please enter your policy number")
        await caller.say("ncsp/ik/2018/081463.")
        await caller.hears(CLAIM_NUMBER)
        await caller.say("main-menu")
        await caller.hears("This is the main menu.")
        await caller.over()
    first, second = customer.events
    assert (first["event_name"], second["event_name"]) == ("Policy renewal", "main-menu")
    assert first["payload"][0]["slot_states"][0]["data"] == "ncsp/ik/2018/081463"
    assert second["payload"][0]["slot_states"] == []


@virtual_time
async def test_t8_tl03_basic_auth_reaches_the_backend(tmp_path: Path) -> None:
    bot = {"webhook": {"username": "talk", "password": "lift"}}
    lab = {"basic": "talk:lift"}
    async with talklift_office(tmp_path, RENEWAL, lab=lab, bot=bot) as (office, _), texting(office) as caller:
        await caller.hears("Please enter your policy number")
        await caller.say("p1")
        await caller.hears(CLAIM_NUMBER)


@virtual_time
async def test_t15_tl26_after_the_call_nothing_is_found(tmp_path: Path) -> None:
    async with talklift_office(tmp_path, lab={"think": 3.0}) as (office, customer):
        async with texting(office) as caller:
            await to_membership(caller)
            await caller.say("209192092")
            await caller.hears("One moment, please.")
        await office.calls_over()
        await asyncio.sleep(5)
        assert [sent.status for sent in customer.sent] == [404, 404]


@virtual_time
async def test_t7_t12_an_early_twice_or_wrongly_signed_update_leads_on_once(tmp_path: Path) -> None:
    lab = {"early": True, "request_faults": "duplicate,wrong-token,ok"}
    async with talklift_office(tmp_path, lab=lab) as (office, customer), texting(office) as caller:
        await to_membership(caller)
        await caller.say("209192092")
        await caller.hears("Thank you, Ann Miller.")
        await caller.hears(CLAIM_NUMBER)
    assert [sent.status for sent in customer.sent] == [200, 200, 401, 200, 200]
    assert [event["event_name"] for event in customer.events] == ["SLOT-MODULE:Make a claim", "Make a claim"]


@pytest.mark.parametrize("fault", ["reorder", "deep", "garbage", "oversized"])
@virtual_time
async def test_requests_of_the_backend_beyond_reason_harm_nobody(tmp_path: Path, fault: str) -> None:
    lab = {"request_faults": fault}
    async with talklift_office(tmp_path, lab=lab) as (office, customer), texting(office) as caller:
        await to_membership(caller)
        await caller.say("209192092")
        await caller.hears(CLAIM_NUMBER)
    assert customer.sent[0].status in (200, 400, 413)


@pytest.mark.parametrize("fault", ["500", "429:2", "drop"])
@virtual_time
async def test_an_event_about_a_slot_is_sent_once_more(tmp_path: Path, fault: str) -> None:
    async with talklift_office(tmp_path, lab={"faults": fault}) as (office, _), texting(office) as caller:
        await to_membership(caller)
        await caller.say("209192092")
        await caller.hears("Thank you, Ann Miller.")
    assert SORRY not in caller.words


@pytest.mark.parametrize("fault", ["slow:30*2", "500*2", "drip:2*2", "404"])
@virtual_time
async def test_an_event_about_a_slot_that_does_not_arrive_is_no_yes(tmp_path: Path, fault: str) -> None:
    lab = {"faults": fault, "think": 60.0}
    async with talklift_office(tmp_path, lab=lab) as (office, _), texting(office) as caller:
        await to_membership(caller)
        await caller.say("209192092")
        await caller.hears(SORRY)
        await caller.hears(MEMBERSHIP)


@virtual_time
async def test_whoever_speaks_while_the_backend_checks_loses_nothing(tmp_path: Path) -> None:
    bot, lab = {"post_module_wait": 30}, {"think": 12.0}
    async with talklift_office(tmp_path, lab=lab, bot=bot) as (office, _), texting(office) as caller:
        await to_membership(caller)
        await caller.say("209192092")
        await caller.hears("One moment, please.")
        await caller.say("hello? is anybody there?")
        await caller.hears("Thank you, Ann Miller.")
        await caller.hears(CLAIM_NUMBER)


@virtual_time
async def test_silence_repeats_the_question_and_then_falls_back(tmp_path: Path) -> None:
    number = {"fallback": {"say": "Nobody is here."}}
    house = talklift_office(tmp_path, RENEWAL, bot={"max_retries": 2}, number=number)
    async with house as (office, _), texting(office) as caller:
        await caller.hears("Nobody is here.")
        await caller.over()
    question = "Please enter your policy number"
    assert caller.words == [question, question, question, "Nobody is here."]
    gaps = [later.at - earlier.until for earlier, later in itertools.pairwise(caller.heard)]
    assert gaps == [near(7.0)] * 3


# --- after the call ------------------------------------------------------------------------------------------------
async def after(office: Office) -> None:
    """Do what was booked, as the gateway does it when a call is over."""
    backend = office.reception.house.backends["reception"]
    assert isinstance(backend, AfterCall)
    for data in office.notes("post_call_backend"):
        job = {name: value for name, value in data.items() if name != "delay"}
        await backend.after_call(AfterCallJob(key="k", kind="backend", data=job, call=office.record))


@virtual_time
async def test_tl04_an_event_that_was_not_delivered_goes_out_after_the_call(tmp_path: Path) -> None:
    async with talklift_office(tmp_path, RENEWAL, lab={"faults": "500*2"}) as (office, customer):
        async with texting(office) as caller:
            await caller.hears("Please enter your policy number")
            await caller.say("p1")
            await caller.wait(1)
        await office.calls_over()
        assert len(customer.requests) == 1
        with pytest.raises(Exception, match="status 500"):
            await after(office)
        await after(office)
        await after(office)
        assert len(customer.requests) == 3
    assert len({request.headers["idempotency-key"] for request in customer.requests}) == 1


@virtual_time
async def test_tl04_an_event_that_was_delivered_does_not(tmp_path: Path) -> None:
    async with talklift_office(tmp_path, RENEWAL) as (office, customer):
        async with texting(office) as caller:
            await caller.hears("Please enter your policy number")
            await caller.say("p1")
            await caller.hears(CLAIM_NUMBER)
        await office.calls_over()
        await after(office)
        assert len(customer.requests) == 1


@pytest.mark.parametrize("partial", [True, False])
@virtual_time
async def test_a_module_that_is_left_in_the_middle(tmp_path: Path, partial: bool) -> None:
    async with talklift_office(tmp_path, bot={"partial_webhook": partial}) as (office, customer):
        async with texting(office) as caller:
            await caller.hears(FIRST)
            await caller.say("Mr Awesome Customer")
            await caller.hears("Email Address")
        await office.calls_over()
        await after(office)
    assert [event["event_name"] for event in customer.events] == (["Make a claim"] if partial else [])
    for event in customer.events:
        states = event["payload"][0]["slot_states"]
        assert [state["is_done"] for state in states] == [True, False, False]


@virtual_time
async def test_what_is_sensitive_is_sent_but_not_written_down(tmp_path: Path) -> None:
    module = slots({"label": "Your PIN", "sensitive": True}, {"label": "Your name"})
    async with talklift_office(tmp_path, module) as (office, customer), texting(office) as caller:
        await caller.hears("Your PIN")
        await caller.say("very secret")
        await caller.hears("Your name")
        await caller.say("Ann")
        await caller.hears(CLAIM_NUMBER)
    states = customer.events[0]["payload"][0]["slot_states"]
    assert [state["data"] for state in states] == ["very secret", "Ann"]
    assert "very secret" not in str(office.records)
    assert not any(
        "very secret" in file.read_text(errors="replace") for file in (tmp_path / "records").rglob("*.jsonl")
    )


@virtual_time
async def test_tl27_t14_the_answers_in_writing_to_a_session_of_a_real_account(tmp_path: Path) -> None:
    async with LabTalkliftAccount(faults="ok,401,ok,429:1") as real:
        account = {
            "url": real.server.url,
            "username": "name@example.com",
            "password": "xxx",
            "org_id": 22121,
            "project_id": 2022,
            "session_variable": "chat",
        }
        async with talklift_office(tmp_path, RENEWAL, bot={"account": account}) as (office, _):
            number = {"chat": "29289"}
            async with dial(office, "pbx", **number) as caller:
                await caller.hears("Please enter your policy number")
                await caller.press("12345#")
                await caller.hears(CLAIM_NUMBER)
                await caller.hang_up()
            await office.calls_over()
            await after(office)
    (message,) = real.messages
    assert message == {
        "session_id": 29289,
        "channel": "MESSENGER",
        "sender": "BOT",
        "text": "Please enter your policy number: 12345",
        "org_id": 22121,
        "project_id": 2022,
    }
    assert TOKEN not in str(office.records)
    assert isinstance(real.server, LabServer)
