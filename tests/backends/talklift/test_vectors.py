"""The documentation's own exchanges, word for word, over real sockets: webhooks, token, updates, messages."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import pytest

from gateway.actions import Hangup, Listen, Menu, PostCall, Release, SendLink, Transfer
from gateway.caller_events import CallEnded, NoInput, TransferResult
from gateway.lab.server import LabReply
from tests.fakes.chatting import of, spoken
from tests.fakes.talklift import (
    CLAIM,
    MAIN_MENU,
    NAIROBI,
    NAME_LABEL,
    RENEWAL,
    SLOT,
    TOKEN,
    VECTORS,
    TalkliftCall,
    slots,
    talklift_call,
)
from tests.fakes.virtual_loop import virtual_time

REFUSAL = SLOT["validation_message"]
ANSWERS = ("Mr Awesome Customer", "username@gmail.com", "209192092")
UPDATE = VECTORS["update_from_webhook"]
DONE = {"is_done": True, "waiting_response": False}
TOKEN_PATH = "/talklift/1/api-token-auth/"


async def until_validated(call: TalkliftCall) -> dict[str, Any]:
    """Answer the claim up to the membership number; the slot event that is sent then."""
    assert spoken(await call.start())[-1] == NAME_LABEL
    assert await call.answer(ANSWERS[0]) == ["Email Address"]
    assert await call.answer(ANSWERS[1]) == ["Membership Number"]
    await call.say(ANSWERS[2])
    return await call.event()


def state_of(event: dict[str, Any]) -> dict[str, Any]:
    """The state that waits, as an update names it."""
    entry = event["payload"][0]
    state = next(state for state in entry["slot_state"]["slot_states"] if state["waiting_response"])
    return {**state, "project": entry["project"], "org": entry["org"]}


# --- events --------------------------------------------------------------------------------------------------------
@virtual_time
async def test_t2_tl04_tl05_tl06_tl07_tl21_a_complete_module_is_the_general_webhook() -> None:
    sample = VECTORS["general_webhook"]
    state = sample["payload"][0]
    times = [state["created_at"], state["created_at"], state["updated_at"]]

    def clock() -> datetime.datetime:
        stamp = times.pop(0) if len(times) > 1 else times[0]
        return datetime.datetime.fromisoformat(stamp)

    ids = [state["session"], state["id"], state["slot_states"][0]["id"]]
    async with talklift_call(RENEWAL, ids=ids, at=clock) as call:
        assert spoken(await call.start()) == ["Please enter your policy number"]
        await call.say("ncsp/ik/2018/081463")
        event = await call.event()
        (request,) = call.server.requests
    assert event == sample
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["content-type"] == "application/json"
    assert isinstance(event["payload"], list)


@virtual_time
async def test_t3_tl07_tl09_tl10_tl11_tl12_tl14_an_answered_slot_is_the_slot_webhook() -> None:
    sample = VECTORS["slot_webhook"]
    entry = sample["payload"][0]
    wanted = entry["slot_state"]
    ids = [entry["session"], wanted["id"], *(state["id"] for state in wanted["slot_states"])]
    at = datetime.datetime.fromisoformat(wanted["created_at"])
    async with talklift_call(CLAIM, ids=ids, at=lambda: at) as call:
        event = await until_validated(call)
    assert event["event_name"] == sample["event_name"] == "SLOT-MODULE:Make a claim"
    found = event["payload"][0]
    assert found["slot"] == entry["slot"]
    assert len(found["slot"]) == 13
    assert {key: found[key] for key in ("value", "session", "project", "org")} == {
        key: entry[key] for key in ("value", "session", "project", "org")
    }
    states = [dict(state) for state in wanted["slot_states"]]
    states[1]["slot"] = 3441  # the sample names the third slot twice
    assert found["slot_state"]["slot_states"] == states
    assert {**found["slot_state"], "slot_states": [], "updated_at": ""} == {
        **wanted,
        "slot_states": [],
        "updated_at": "",
    }
    assert found["slot_state"]["slot_states"][2]["data"] is None


@virtual_time
async def test_t3_tl10_slots_without_dates_of_their_own_have_when_the_gateway_started() -> None:
    async with talklift_call(slots({"label": "Number", "validate_with_webhook": True})) as call:
        await call.start()
        await call.say("12")
        slot = (await call.event())["payload"][0]["slot"]
    assert slot["created_at"] == slot["updated_at"] == "2026-11-21T15:00:00.000001+03:00"


@pytest.mark.parametrize("basic", [True, False])
@virtual_time
async def test_t8_tl03_basic_auth_is_sent_where_it_is_configured(basic: bool) -> None:
    credentials = {"username": "tälk", "password": "lift:1"} if basic else {}
    async with talklift_call(RENEWAL, webhook=credentials) as call:
        await call.start()
        await call.say("p1")
        await call.event()
        (request,) = call.server.requests
    expected = "Basic " + base64.b64encode("tälk:lift:1".encode()).decode() if basic else None
    assert request.headers.get("authorization") == expected


@virtual_time
async def test_tl08_a_module_of_responses_alone_is_complete_after_the_last_one() -> None:
    async with talklift_call(MAIN_MENU) as call:
        assert spoken(await call.start()) == ["This is the main menu."]
        event = await call.event()
        await call.until(Hangup)
    assert event["event_name"] == "main-menu"
    assert event["payload"][0]["slot_states"] == []


# --- token ---------------------------------------------------------------------------------------------------------
@virtual_time
async def test_t1_tl01_the_token_for_a_user_name_that_is_an_address() -> None:
    async with talklift_call() as call:
        for _ in range(2):
            answer = await call.rest.post(TOKEN_PATH, json=VECTORS["token_request"])
            assert (answer.status_code, answer.json()) == (200, VECTORS["token_response"])
        form = await call.rest.post(TOKEN_PATH, data=VECTORS["token_request"])
        assert form.json() == VECTORS["token_response"]
        assert (await call.rest.post(TOKEN_PATH.rstrip("/"), json=VECTORS["token_request"])).status_code == 200
        for body, wrong in (
            ({"username": "name@example.com"}, {"password": ["This field is required."]}),
            ({"password": "xxx"}, {"username": ["This field is required."]}),
            (
                {"username": "name@example.com", "password": "y"},
                {"non_field_errors": ["Unable to log in with provided credentials."]},
            ),
            ([], {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]}),
        ):
            answer = await call.rest.post(TOKEN_PATH, json=body)
            assert (answer.status_code, answer.json()) == (400, wrong)


@virtual_time
async def test_t1_tl01_a_token_of_our_own_is_always_the_same_and_each_users() -> None:
    users = [{"username": name, "password": "xxx"} for name in ("a@example.com", "b@example.com")]
    tokens = []
    for _ in range(2):
        async with talklift_call(users=users) as call:
            for user in users:
                found = (await call.rest.post(TOKEN_PATH, json=user)).json()["token"]
                tokens.append(found)
                assert len(found) == 40
                assert set(found) <= set("0123456789abcdef")
                assert (await call.post("/api/v1/sessions/send_message/", {}, found)).status_code == 400
    assert tokens[:2] == tokens[2:]
    assert tokens[0] != tokens[1]


@virtual_time
async def test_t1_tl26_five_wrong_logins_a_minute_are_enough() -> None:
    wrong = {"username": "name@example.com", "password": "y"}
    async with talklift_call() as call:
        statuses = [(await call.rest.post(TOKEN_PATH, json=wrong)).status_code for _ in range(6)]
        refused = await call.rest.post(TOKEN_PATH, json=VECTORS["token_request"])
    assert statuses == [400] * 5 + [429]
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "61")


@virtual_time
async def test_t1_t7_tl02_the_scheme_is_token_and_nothing_else() -> None:
    path = "/talklift/1/api/v1/sessions/send_message/"
    missing, invalid = "Authentication credentials were not provided.", "Invalid token."
    async with talklift_call() as call:
        for header, words in (
            (None, missing),
            (f"Bearer {TOKEN}", missing),
            (TOKEN, missing),
            ("Token", missing),
            (f"Token {TOKEN}x", invalid),
            ("Token " + "0" * 40, invalid),
        ):
            headers = {} if header is None else {"Authorization": header}
            answer = await call.rest.post(path, json={"session_id": 101}, headers=headers)
            assert (answer.status_code, answer.json()) == (401, {"detail": words})
            assert answer.headers["www-authenticate"] == "Token"
        answer = await call.rest.post(path, json={}, headers={"Authorization": f"token {TOKEN}"})
        assert answer.status_code == 400


# --- updates -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("semantics", ["flags", "call_is_success"])
@virtual_time
async def test_t4_tl13_tl23_the_samples_update_has_two_readings(semantics: str) -> None:
    entry = VECTORS["slot_webhook"]["payload"][0]
    states = entry["slot_state"]["slot_states"]
    ids = [entry["session"], entry["slot_state"]["id"], *(state["id"] for state in states)]
    async with talklift_call(CLAIM, ids=ids, update_semantics=semantics) as call:
        await until_validated(call)
        answer = await call.update(**UPDATE)
        assert answer.status_code == 200
        if semantics == "flags":
            assert spoken(await call.next()) == [REFUSAL, "Membership Number"]
            assert answer.json() == {key: UPDATE[key] for key in UPDATE if key not in ("org", "project")}
        else:
            assert (await call.event(1))["event_name"] == "Make a claim"
            assert answer.json()["is_done"] is True


@virtual_time
async def test_t5_tl12_tl22_a_slot_that_is_done_leads_on() -> None:
    async with talklift_call(CLAIM) as call:
        state = state_of(await until_validated(call))
        answer = await call.update(**{**state, "data": "209192092", **DONE})
        event = await call.event(1)
        await call.until(Hangup)
    assert answer.json() == {**event["payload"][0]["slot_states"][2]}
    assert event["event_name"] == "Make a claim"
    assert [found["data"] for found in event["payload"][0]["slot_states"]] == list(ANSWERS)
    assert all(found["is_done"] and not found["waiting_response"] for found in event["payload"][0]["slot_states"])


@virtual_time
async def test_t5_tl22_the_backend_may_write_the_answer_otherwise_or_leave_it() -> None:
    for data, kept in (("M-209", "M-209"), (None, "209192092"), (209, "209")):
        async with talklift_call(CLAIM) as call:
            state = state_of(await until_validated(call))
            assert (await call.update(id=state["id"], data=data, **DONE)).json()["data"] == kept


@virtual_time
async def test_t4_tl13_a_slot_that_is_refused_too_often_is_the_fallback() -> None:
    async with talklift_call(CLAIM, max_reasks=2) as call:
        state = state_of(await until_validated(call))
        await call.update(**{**state, "is_done": False})
        assert spoken(await call.next()) == [REFUSAL, "Membership Number"]
        await call.say("1")
        await call.event(1)
        await call.update(**{**state, "is_done": False})
        await call.until(Release)


@virtual_time
async def test_t7_tl26_updates_that_do_not_fit() -> None:
    async with talklift_call(CLAIM) as call:
        state = state_of(await until_validated(call))
        for changed, status in (
            ({"id": 1}, 404),
            ({"org": 901}, 403),
            ({"project": "2"}, 403),
            ({"story_state": 1}, 400),
            ({"slot": 1}, 400),
            ({"id": None}, 400),
            ({"id": "x"}, 400),
        ):
            assert (await call.update(**{**state, **changed, **DONE})).status_code == status
        answer = await call.post("/api/v1/session-slot-states/update_from_webhook/", state, "0" * 40)
        assert answer.status_code == 401
        assert (await call.update(**{**state, "id": str(state["id"]), **DONE})).status_code == 200
        assert (await call.update(**{**state, **DONE})).status_code == 200  # once more: nothing happens
        await call.event(1)
        assert len(call.server.requests) == 2


@virtual_time
async def test_t7_bodies_that_are_none() -> None:
    async with talklift_call() as call:
        path = "/talklift/1/api/v1/sessions/send_message/"
        for content in (b"", b"{", b"[" * 20_000 + b"]" * 20_000, b"\xff"):
            answer = await call.rest.post(path, content=content, headers={"Authorization": f"Token {TOKEN}"})
            assert answer.status_code == 400
            assert answer.json()["detail"].startswith("JSON parse error - ")
        answer = await call.rest.post(path, content=b"[]", headers={"Authorization": f"Token {TOKEN}"})
        assert answer.json() == {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]}
        too_long = await call.rest.post(path, content=b'"' + b"x" * (257 << 10) + b'"')
        assert too_long.status_code == 413


@virtual_time
async def test_tl22_other_slots_are_corrected_or_filled_in_ahead() -> None:
    module = slots({"label": "One"}, {"label": "Two"}, {"label": "Three"}, {"label": "Four"})
    async with talklift_call(module) as call:
        await call.start()
        assert await call.answer("first") == ["Two"]
        assert (await call.update(id=103, data="First")).json()["data"] == "First"
        assert (await call.update(id=105, data="third", is_done=True)).json()["is_done"] is True
        assert (await call.update(id=106, data="fourth", is_done=False)).json()["data"] is None
        assert await call.answer("second") == ["Four"]
        await call.say("last")
        states = (await call.event())["payload"][0]["slot_states"]
    assert [state["data"] for state in states] == ["First", "second", "third", "last"]


@virtual_time
async def test_t12_an_update_before_the_webhook_is_answered_leads_on_once() -> None:
    answers = [LabReply(delay=5.0)]
    async with talklift_call(CLAIM, answers=answers) as call:
        state = state_of(await until_validated(call))
        assert (await call.update(**{**state, **DONE})).status_code == 200
        event = await call.event(1)
        await call.until(Hangup)
        assert len(call.server.requests) == 2
    assert event["event_name"] == "Make a claim"


@virtual_time
async def test_t13_tl15_no_update_in_time_is_never_taken_for_a_yes() -> None:
    async with talklift_call(CLAIM, validation_timeout=5) as call:
        await until_validated(call)
        assert spoken(await call.next()) == ["I am sorry, I could not check that.", "Membership Number"]
        await call.say(ANSWERS[2])
        actions = await call.next()
        assert spoken(actions) == ["I am sorry, I could not check that."]
        assert of(Release, actions)
        assert [request.json()["event_name"] for request in call.server.requests] == ["SLOT-MODULE:Make a claim"] * 2


@virtual_time
async def test_t13_tl15_a_webhook_that_is_not_delivered_is_no_yes_either() -> None:
    for trouble in (LabReply(status=503), LabReply(drop=True)):
        async with talklift_call(CLAIM, answers=[trouble, trouble]) as call:
            await until_validated(call)
            assert spoken(await call.next()) == ["I am sorry, I could not check that.", "Membership Number"]
            assert call.waits == [1.0]
            assert len(call.server.requests) == 2
    async with talklift_call(CLAIM, answers=[LabReply(status=404)]) as call:
        await until_validated(call)
        assert spoken(await call.next())[-1] == "Membership Number"
        assert call.waits == []


@virtual_time
async def test_t13_tl15_taking_it_for_a_yes_must_be_said() -> None:
    async with talklift_call(CLAIM, on_validation_failure="accept", validation_timeout=5) as call:
        await until_validated(call)
        event = await call.event(1)
    assert event["payload"][0]["slot_states"][2]["data"] == ANSWERS[2]


@virtual_time
async def test_t13_an_update_that_comes_too_late_still_counts_for_the_question_that_is_open() -> None:
    async with talklift_call(CLAIM, validation_timeout=5) as call:
        state = state_of(await until_validated(call))
        await call.next()
        assert (await call.update(**{**state, "data": "1", **DONE})).json()["is_done"] is True
        assert (await call.event(1))["event_name"] == "Make a claim"


# --- messages ------------------------------------------------------------------------------------------------------
@virtual_time
async def test_t6_tl24_tl25_the_samples_message_is_said_and_its_button_starts_a_module() -> None:
    body = {**VECTORS["send_message"], "session_id": 101, "org_id": 900, "project_id": 1}
    async with talklift_call(CLAIM, MAIN_MENU) as call:
        await call.start()
        answer = await call.message(**body)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        actions = await call.next()
        assert spoken(actions) == ["The message to send"]
        (menu,) = of(Menu, actions)
        assert [option.label for option in menu.options] == ["Back to menu"]
        assert spoken(await call.choose(menu, 1)) == ["This is the main menu."]
        assert (await call.event())["event_name"] == "main-menu"


@virtual_time
async def test_tl24_what_a_message_needs() -> None:
    async with talklift_call() as call:
        await call.start()
        for body, status in (
            ({"session_id": 101}, 400),
            ({"text": "x"}, 400),
            ({"session_id": 1, "text": "x"}, 404),
            ({"session_id": 101, "text": "x", "org_id": 1}, 403),
            ({"session_id": 101, "text": "x", "project_id": "9"}, 403),
            ({"session_id": "101", "text": "x"}, 200),
            ({"session_id": 101, "text": "x", "channel": "WEB", "sender": "BOT", "buttons": 7}, 200),
        ):
            assert (await call.message(**body)).status_code == status


@virtual_time
async def test_tl25_pages_are_links_and_postbacks_without_a_module_answer_the_slot() -> None:
    buttons = [
        {"type": "web_url", "title": "Terms", "url": "https://example.com/terms"},
        {"type": "postback", "title": "Ann", "payload": "nowhere"},
        {"type": "postback"},
        "odd",
    ]
    async with talklift_call(slots({"label": "Name"})) as call:
        await call.start()
        await call.message(session_id=101, buttons=buttons)
        actions = await call.next()
        assert of(SendLink, actions) == [SendLink(url="https://example.com/terms", text="Terms")]
        (menu,) = of(Menu, actions)
        await call.choose(menu, 1)
        assert (await call.event())["payload"][0]["slot_states"][0]["data"] == "Ann"


@virtual_time
async def test_t4_tl13_what_the_backend_said_stands_for_the_slots_own_message() -> None:
    async with talklift_call(CLAIM) as call:
        state = state_of(await until_validated(call))
        await call.message(session_id=101, text="Unknown number.")
        await call.update(**{**state, "is_done": False})
        assert spoken(await call.next()) == ["Unknown number."]
        assert spoken(await call.next()) == ["Membership Number"]


@virtual_time
async def test_t15_tl26_a_call_that_is_over_is_not_found() -> None:
    async with talklift_call(CLAIM) as call:
        state = state_of(await until_validated(call))
        await call.send(CallEnded(turn=3, by="caller"))
        assert (await call.message(session_id=101, text="x")).status_code == 404
        assert (await call.update(**{**state, **DONE})).status_code == 404
        assert [request.json()["event_name"] for request in call.server.requests] == ["SLOT-MODULE:Make a claim"]


# --- fields --------------------------------------------------------------------------------------------------------
@virtual_time
async def test_t9_tl16_tl17_nine_digits_in_words() -> None:
    slot = {"label": "Number", "validation_regex": r"^\d{9}$", "validation_message": "Nine digits, please."}
    async with talklift_call(slots(slot)) as call:
        (listen,) = of(Listen, await call.start())
        assert listen.kind == "digits"
        assert await call.answer("banana") == ["Nine digits, please.", "Number"]
        await call.say("two zero nine one nine two zero nine two")
        assert (await call.event())["payload"][0]["slot_states"][0]["data"] == "209192092"
    async with talklift_call(slots(slot)) as call:
        await call.start()
        for _ in range(2):
            assert await call.answer("banana") == ["Nine digits, please.", "Number"]
        await call.say("banana")
        actions = await call.next()
        assert spoken(actions) == ["Nine digits, please."]
        assert of(Release, actions)
        assert not call.server.requests


@virtual_time
async def test_t9_tl17_what_was_heard_is_read_back_and_may_be_said_again() -> None:
    slot = {"label": "Number", "validation_regex": r"^\d{9}$"}
    async with talklift_call(slots(slot), confirm="digits") as call:
        await call.start()
        heard = "I heard 2 0 9 1 9 2 0 9 2. Is that right?"
        assert await call.answer("209 192 092") == [heard]
        assert await call.answer("no") == ["Number"]
        assert await call.answer("209192092") == [heard]
        assert await call.answer("what?") == [heard]
        await call.say("1", source="digits")
        assert (await call.event())["payload"][0]["slot_states"][0]["data"] == "209192092"


@pytest.mark.parametrize(
    ("now", "said", "is_taken"),
    [
        ("2026-11-21T20:59:00+00:00", "21/11/2026", True),
        ("2026-11-21T20:59:00+00:00", "20/11/2026", False),
        ("2026-11-21T21:01:00+00:00", "21/11/2026", False),
        ("2026-11-21T21:01:00+00:00", "today", True),
        ("2026-11-21T12:00:00+00:00", "yesterday", False),
    ],
)
@virtual_time
async def test_t10_tl19_a_date_must_not_be_past_in_the_projects_time_zone(now: str, said: str, is_taken: bool) -> None:
    at = datetime.datetime.fromisoformat(now)
    slot = {"label": "When?", "field_type": "DATE", "date_gte_today": True, "validation_message": "Not in the past."}
    async with talklift_call(slots(slot), at=lambda: at) as call:
        await call.start()
        await call.say(said)
        if is_taken:
            data = (await call.event())["payload"][0]["slot_states"][0]["data"]
            assert data == at.astimezone(NAIROBI).date().isoformat()
        else:
            assert spoken(await call.next()) == ["Not in the past.", "When?"]


@pytest.mark.parametrize(("said", "asked"), [("yes", "B"), ("no", "C")])
@virtual_time
async def test_t11_tl18_a_slot_is_shown_where_its_condition_holds(said: str, asked: str) -> None:
    module = slots(
        {"label": "A", "field_type": "BOOLEAN"},
        {"label": "B", "show_condition": "A", "show_condition_value": "Yes "},
        {"label": "C"},
    )
    async with talklift_call(module) as call:
        await call.start()
        assert await call.answer(said) == [asked]
        if asked == "B":
            assert await call.answer("b") == ["C"]
        await call.say("c")
        states = (await call.event())["payload"][0]["slot_states"]
    assert [state["data"] for state in states] == [said, "b" if asked == "B" else None, "c"]
    assert states[1]["is_done"] is (asked == "B")
    assert states[1]["waiting_response"] is False


@virtual_time
async def test_t16_tl16_tl20_choices_are_a_menu_and_go_back_word_for_word() -> None:
    slot = {"label": "What is insured?", "field_type": "CHOICE", "choice_options": "Car,Home,Life"}
    async with talklift_call(slots(slot)) as call:
        actions = await call.start()
        (menu,) = of(Menu, actions)
        assert [option.label for option in menu.options] == ["Car", "Home", "Life"]
        assert await call.answer("boat") == ["Sorry, that isn't one of the options.", "What is insured?"]
        await call.choose(menu, 2)
        assert (await call.event())["payload"][0]["slot_states"][0]["data"] == "Home"


# --- steering ------------------------------------------------------------------------------------------------------
@virtual_time
async def test_silence_to_the_end_is_the_fallback_and_never_while_the_backend_checks() -> None:
    async with talklift_call(CLAIM) as call:
        (listen,) = of(Listen, await call.start())
        assert (listen.no_input_retries, listen.no_input_prompts, listen.on_exhausted) == (3, (NAME_LABEL,), "event")
        await call.send(NoInput(turn=1, count=4, elapsed=7, exhausted=True))
        await call.until(Release)
    async with talklift_call(CLAIM) as call:
        await until_validated(call)
        await call.send(NoInput(turn=4, count=4, elapsed=7, exhausted=True))
        assert spoken(await call.next()) == ["One moment please, I am checking that."]
        assert await call.answer("hello?") == ["One moment please, I am checking that."]


@virtual_time
async def test_repeat_back_and_operator() -> None:
    module = slots({"label": "One"}, {"label": "Two"})
    operator = {"target": "sip:100@pbx", "phrases": ["a person"]}
    async with talklift_call(module, allow_back=True, operator=operator) as call:
        await call.start()
        assert await call.answer("say that again") == ["One"]
        assert await call.answer("go back") == ["One"]
        assert await call.answer("first") == ["Two"]
        assert await call.answer("go back") == ["One"]
        assert await call.answer("1st") == ["Two"]
        for said, source in (("a person", "speech"), ("operator", "speech"), ("0", "digits")):
            await call.say(said, source=source)
            actions = await call.next()
            assert [transfer.target for transfer in of(Transfer, actions)] == ["sip:100@pbx"]
            call.turn += 1
            await call.send(TransferResult(turn=call.turn, transfer_id="operator", ok=False, cause="busy"))
            assert spoken(await call.next())[-1] == "Two"
        await call.say("second")
        states = (await call.event())["payload"][0]["slot_states"]
    assert [state["data"] for state in states] == ["1st", "second"]


@virtual_time
async def test_modules_are_chosen_by_name_and_follow_each_other() -> None:
    modules = ({**RENEWAL, "then": "menu", "triggers": ["renew"]}, {**CLAIM, "then": "Policy renewal"}, MAIN_MENU)
    async with talklift_call(*modules, start="menu", greeting="Welcome.", post_module_wait=1) as call:
        actions = await call.start()
        assert spoken(actions) == ["Welcome.", "What can I do for you?"]
        assert await call.answer("something") == ["Sorry, that isn't one of the options."]
        assert await call.answer("renew") == ["Please enter your policy number"]
        await call.say("p1")
        await call.event()
        menu = await call.until(Menu)
        assert [option.label for option in menu.options] == ["Policy renewal", "Make a claim", "main-menu"]
        assert spoken(await call.choose(menu, 2)) == [NAME_LABEL]


# --- after the call ------------------------------------------------------------------------------------------------
@virtual_time
async def test_tl04_an_event_that_is_not_delivered_is_sent_again_and_stored_before() -> None:
    answers = [LabReply(status=503), LabReply(drop=True), LabReply(status=429, headers={"retry-after": "7"})]
    async with talklift_call(RENEWAL, answers=answers) as call:
        await call.start()
        await call.say("p1")
        booked = (await call.until(PostCall)).data
        await call.event(3)
        assert call.waits[:3] == [2.0, 10.0, 7.0]
        keys = {request.headers["idempotency-key"] for request in call.server.requests}
    assert keys == {booked["key"]}
    assert booked["body"] == call.server.requests[0].json()
