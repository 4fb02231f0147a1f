"""What a backend may ask of a running module, request by request, without a socket."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.actions import Listen, Menu, PostCall, Record, Release, Say, SendLink
from gateway.backends.talklift.outputs import Arm, Deliver, Mode
from gateway.backends.talklift.runner import Runner
from gateway.backends.talklift.steering import is_yes, message, update, whole, words_of
from tests.backends.talklift.test_runner import AT, data_of, of, runner, said
from tests.fakes.talklift import MAIN_MENU, RENEWAL, slots

CHECKED = {"label": "Number", "validate_with_webhook": True, "validation_message": "Not known."}


def checking(*more: dict[str, Any], **settings: Any) -> tuple[Runner, Arm]:
    """A call whose first slot, number 102, waits for the backend."""
    one = runner(slots(CHECKED, *more), **settings)
    one.start()
    (timer,) = of(Arm, one.heard("12"))
    return one, timer


# --- values --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "found"),
    [
        (7, 7),
        ("7", 7),
        (" 7 ", 7),
        ("9" * 18, int("9" * 18)),
        ("9" * 19, None),
        (True, None),
        ("x", None),
        ("-7", None),
        ("٧", None),
        ("", None),
        (None, None),
        (7.0, None),
        ([], None),
    ],
)
def test_whole_numbers_may_stand_in_quotes(value: Any, found: int | None) -> None:
    assert whole(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [(" a ", "a"), (7, "7"), (7.5, "7.5"), (True, ""), (None, ""), ([], ""), ({}, ""), ("x" * 20_001, "x" * 20_000)],
)
def test_words_may_be_numbers(value: Any, found: str) -> None:
    assert words_of(value) == found


def test_what_counts_as_done() -> None:
    for value in (True, "true", " TRUE ", "1", "yes"):
        assert is_yes(value)
    for value in (False, None, 1, "false", "0", "", "done", []):
        assert not is_yes(value)


# --- update --------------------------------------------------------------------------------------------------------
def test_tl22_done_without_an_answer_keeps_what_was_said() -> None:
    one, _ = checking({"label": "Name"})
    steered = update(one, {"id": "102", "is_done": True, "data": None})
    assert (steered.status, steered.body["data"], said(steered.outputs)) == (200, "12", ["Name"])
    assert steered.body == {
        "id": 102,
        "story_state": 101,
        "slot": 1,
        "order": 1,
        "is_done": True,
        "waiting_response": False,
        "data": "12",
        "slot_label": "Number",
    }


def test_tl22_done_before_anything_was_said_needs_an_answer() -> None:
    one = runner(slots({"label": "A"}, {"label": "B"}))
    one.start()
    assert update(one, {"id": 102, "is_done": True}).outputs == []
    assert data_of(one) == [None, None]
    assert said(update(one, {"id": 102, "is_done": True, "data": 5}).outputs) == ["B"]
    assert data_of(one) == ["5", None]


@pytest.mark.parametrize(
    ("wrong", "status", "body"),
    [
        ({"id": 999}, 404, {"detail": "Not found."}),
        ({"id": None}, 404, {"detail": "Not found."}),
        ({"org": 901}, 403, {"detail": "You do not have permission to perform this action."}),
        ({"project": "2"}, 403, {"detail": "You do not have permission to perform this action."}),
        ({"story_state": 5}, 400, {"story_state": ['Invalid pk "5" - object does not exist.']}),
        ({"slot": "x"}, 400, {"slot": ['Invalid pk "x" - object does not exist.']}),
    ],
)
def test_tl26_what_is_not_this_slots_changes_nothing(wrong: dict[str, Any], status: int, body: Any) -> None:
    one, _ = checking()
    right = {"id": 102, "org": 900, "project": "1", "story_state": 101, "slot": 1, "is_done": True, "data": "x"}
    steered = update(one, {**right, **wrong})
    assert (steered.status, steered.body, steered.outputs) == (status, body, [])
    assert data_of(one) == [None]
    assert update(one, right).status == 200


def test_tl23_with_the_samples_meaning_any_answer_is_success() -> None:
    one, _ = checking({"label": "Name"}, update_semantics="call_is_success")
    assert said(update(one, {"id": 102, "is_done": False}).outputs) == ["Not known.", "Number"]
    assert said(update(one, {"id": 102, "is_done": False, "data": "13"}).outputs) == ["Name"]
    assert data_of(one) == ["13", None]


def test_tl13_a_slot_is_opened_again_up_to_the_limit() -> None:
    one, _ = checking(max_reasks=2)
    opened = update(one, {"id": 102, "is_done": False, "data": "wrong"})
    assert said(opened.outputs) == ["Not known.", "Number"]
    assert (opened.body["data"], opened.body["waiting_response"], opened.body["is_done"]) == ("wrong", True, False)
    assert update(one, {"id": 102, "is_done": False}).outputs == []  # it is being asked already
    one.heard("13")
    given_up = update(one, {"id": 102, "is_done": False}).outputs
    assert of(Release, given_up)
    assert of(Record, given_up)[0].data == {"module_given_up": "the backend opened the same slot too often"}


def test_tl13_the_backends_own_words_stand_for_the_slots_message() -> None:
    one, _ = checking()
    message(one, {"text": "Nobody has that number."})
    assert said(update(one, {"id": 102, "is_done": False}).outputs) == ["Number"]
    one.heard("13")
    assert said(update(one, {"id": 102, "is_done": False}).outputs) == ["Not known.", "Number"]


def test_tl22_other_slots_are_corrected_and_filled_in_ahead() -> None:
    one = runner(slots({"label": "A"}, {"label": "B"}, {"label": "C"}))
    one.start()
    one.heard("a")
    assert update(one, {"id": 102, "data": "A!"}).outputs == []
    assert update(one, {"id": 104, "data": "c"}).body["is_done"] is False
    assert update(one, {"id": 104, "data": "c", "is_done": True}).body["is_done"] is True
    assert update(one, {"id": 104, "is_done": True}).body["data"] == "c"
    assert data_of(one) == ["A!", None, "c"]
    assert of(Deliver, one.heard("b"))
    assert data_of(one) == ["A!", "b", "c"]
    assert update(one, {"id": 103, "data": "late", "is_done": True}).body["data"] == "b"


def test_tl22_a_module_that_was_left_can_still_be_filled_in() -> None:
    one = runner(slots({"label": "A"}, {"label": "B"}, name="First"), {**RENEWAL, "triggers": ["renew"]})
    one.start()
    one.heard("a")
    buttons = [{"type": "postback", "title": "Renew", "payload": "renew"}]
    (menu,) = of(Menu, message(one, {"buttons": buttons}).outputs)
    assert said(one.chosen(menu.menu_id, "1", "Renew")) == ["Please enter your policy number"]
    assert update(one, {"id": 103, "data": "b", "is_done": True}).body["data"] == "b"
    assert update(one, {"id": 102, "data": "other", "is_done": True}).body["data"] == "a"


# --- messages ------------------------------------------------------------------------------------------------------
def test_tl24_a_message_is_noted_and_said() -> None:
    one, _ = checking()
    steered = message(one, {"text": "**Hello**", "channel": "WEB", "sender": "Ann", "org_id": "900", "project_id": 1})
    assert (steered.status, steered.body) == (200, {"status": "ok"})
    note, words = steered.outputs
    assert note == Record(kind="event", data={"message": "WEB", "sender": "Ann"})
    assert words == Say(text="**Hello**", format="markdown")


@pytest.mark.parametrize(
    ("body", "status"),
    [({"org_id": 1}, 403), ({"project_id": 2}, 403), ({"text": " "}, 400), ({"buttons": ["x"]}, 400), ({}, 400)],
)
def test_tl26_a_message_that_cannot_be_taken(body: dict[str, Any], status: int) -> None:
    one, _ = checking()
    steered = message(one, {"text": "x", **body} if status == 403 else body)
    assert (steered.status, steered.outputs) == (status, [])


def test_tl25_buttons_are_a_menu_and_links() -> None:
    one, _ = checking()
    buttons = [
        {"type": "web_url", "title": "Page", "url": "https://x.example"},
        {"type": "WEB_URL", "url": "https://y.example"},
        {"type": "web_url", "title": "No page"},
        {"type": "postback", "title": "One", "payload": "p1"},
        {"type": "postback", "title": "Two"},
        {"type": "postback", "payload": "untitled"},
    ]
    outputs = message(one, {"buttons": buttons}).outputs
    links = [SendLink(url="https://x.example", text="Page"), SendLink(url="https://y.example", text=None)]
    assert of(SendLink, outputs) == links
    (menu,) = of(Menu, outputs)
    assert [(option.id, option.label) for option in menu.options] == [("1", "One"), ("2", "Two")]
    assert {place: button.payload for place, button in one.standing.buttons.items()} == {"1": "p1", "2": "Two"}
    assert len(of(Listen, outputs)) == 1
    only_links = message(one, {"buttons": buttons[:2]}).outputs
    assert not of(Menu, only_links)
    assert not of(Listen, only_links)


def test_tl25_a_button_answers_the_slot_that_is_open() -> None:
    one = runner(slots({"label": "How many?", "field_type": "NUMBER"}, {"label": "Name"}))
    one.start()
    buttons = [{"type": "postback", "title": "5"}, {"type": "postback", "title": "many"}]
    (menu,) = of(Menu, message(one, {"text": "Choose.", "buttons": buttons}).outputs)
    assert said(one.chosen(menu.menu_id, "2", "many"))[-1] == "How many?"
    (menu,) = of(Menu, message(one, {"buttons": buttons}).outputs)
    assert said(one.chosen(menu.menu_id, "1", "5")) == ["Name"]
    assert data_of(one) == ["5", None]


def test_tl25_a_button_is_not_taken_for_an_option_of_another_menu() -> None:
    one = runner(slots({"label": "Which?", "choice_options": "Car,Home"}, {"label": "Name"}))
    one.start()
    message(one, {"buttons": [{"type": "postback", "title": "Home"}]})
    assert said(one.chosen("slot-102", "1", "Car")) == ["Name"]
    assert data_of(one) == ["Car", None]


def test_words_after_the_last_slot_that_name_no_module_are_passed_over() -> None:
    one = runner(RENEWAL, max_retries=2)
    one.start()
    one.heard("p1")
    for _ in range(3):
        assert [type(output) for output in one.heard("what now?")] == [Listen]
    assert one.standing.mode is Mode.CLOSING


def test_tl25_a_button_while_the_backend_checks_is_nothing() -> None:
    one, timer = checking()
    (menu,) = of(Menu, message(one, {"buttons": [{"type": "postback", "title": "5"}]}).outputs)
    assert [type(output) for output in one.chosen(menu.menu_id, "1", "5")] == [Listen]
    assert one.standing.mode is Mode.VALIDATING
    assert said(one.slots.unchecked(timer.mark)) == ["I am sorry, I could not check that.", "Number"]


# --- what does not come --------------------------------------------------------------------------------------------
def test_tl15_nothing_is_taken_for_granted_twice() -> None:
    one, timer = checking()
    assert one.slots.unchecked(timer.mark + 1) == []
    first = one.slots.unchecked(timer.mark)
    assert of(Record, first)[0].data == {"slot_not_checked": "Number"}
    assert one.slots.unchecked(timer.mark) == []
    (again,) = of(Arm, one.heard("12"))
    assert again.mark == timer.mark + 1
    second = one.slots.unchecked(again.mark)
    assert of(Release, second)
    assert of(Record, second)[1].data == {"module_given_up": "the backend checks nothing"}
    assert one.slots.unchecked(again.mark) == []


def test_tl15_accepting_must_be_chosen() -> None:
    one, timer = checking({"label": "Name"}, on_validation_failure="accept")
    outputs = one.slots.unchecked(timer.mark)
    assert (said(outputs), data_of(one)) == (["Name"], ["12", None])
    assert of(Record, outputs)[0].data == {"slot_not_checked": "Number"}


def test_patience_while_the_backend_checks() -> None:
    one, _ = checking()
    for outputs in (one.heard("hello?"), one.silence()):
        words, listen = outputs
        assert words == Say(text="One moment please, I am checking that.", role="waiting")
        assert isinstance(listen, Listen)
        assert listen.no_input_prompts == ("Number",)
    assert one.standing.mode is Mode.VALIDATING


def test_a_module_of_the_backends_choice_begins_after_the_last_slot() -> None:
    one = runner(RENEWAL, MAIN_MENU)
    one.start()
    (timer,) = of(Arm, one.heard("p1"))
    (menu,) = of(Menu, message(one, {"buttons": [{"type": "postback", "title": "x", "payload": "7"}]}).outputs)
    assert one.standing.mark == timer.mark + 1
    assert said(one.chosen(menu.menu_id, "1", "x")) == ["This is the main menu."]


def test_times_move_on_with_every_change() -> None:
    one, _ = checking()
    assert one.standing.story is not None
    assert one.standing.story.updated_at == AT
    assert one.standing.story.updated_at.utcoffset() is not None
    assert str(one.standing.story.updated_at).endswith("+03:00")


def test_what_a_complete_slot_delivers_in_its_order() -> None:
    one, _ = checking()
    outputs = update(one, {"id": 102, "is_done": True}).outputs
    assert [type(item) for item in outputs] == [Record, PostCall, Deliver, Arm]
