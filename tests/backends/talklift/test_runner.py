"""The module runner without a socket: what it says, asks, delivers and waits for, step by step."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Mapping
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.actions import Hangup, Listen, Menu, PostCall, Record, Release, Say, SendLink, Transfer
from gateway.backends.talklift.outputs import Arm, Deliver, Mode, Output
from gateway.backends.talklift.runner import Runner
from gateway.backends.talklift.settings import TalkliftBotSection
from gateway.backends.talklift.steering import message, update
from tests.fakes.talklift import CALL, CLAIM, MAIN_MENU, RENEWAL, project, slots

A = TypeVar("A")
AT = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)


def runner(*modules: Mapping[str, Any], **settings: Any) -> Runner:
    numbers = itertools.count(101)
    section = TalkliftBotSection(**project("http://127.0.0.1:1/", *modules, **settings))
    return Runner(section, CALL, 100, ids=lambda kind: next(numbers), clock=lambda: AT, since=AT)


def of(kind: type[A], outputs: list[Output]) -> list[A]:
    return [item for item in outputs if isinstance(item, kind)]


def said(outputs: list[Output]) -> list[str]:
    return [item.text for item in of(Say, outputs)]


def data_of(one: Runner) -> list[str | None]:
    assert one.standing.story is not None
    return [state.data for state in one.standing.story.states]


# --- beginning -----------------------------------------------------------------------------------------------------
def test_a_project_of_one_module_begins_with_it() -> None:
    assert said(runner(RENEWAL, start="menu").start()) == ["Please enter your policy number"]
    assert said(runner(RENEWAL, CLAIM, start="menu").start()) == ["What can I do for you?"]
    assert said(runner(RENEWAL, CLAIM, start="Make a claim").start())[0].startswith("Let's start")
    assert said(runner(RENEWAL, greeting="Hello.", texts={"which_module": "Well?"}).start())[0] == "Hello."
    own = runner(RENEWAL, CLAIM, start="menu", texts={"which_module": "Well?"}).start()
    assert said(own) == ["Well?"]


def test_the_menu_of_modules_takes_names_triggers_and_numbers() -> None:
    modules = ({**RENEWAL, "triggers": ["renew it"]}, CLAIM)
    for words in ("policy renewal", " RENEW IT ", "14301"):
        one = runner(*modules, start="menu")
        (menu,) = of(Menu, one.start())
        assert [(option.id, option.label, option.aliases) for option in menu.options] == [
            ("14301", "Policy renewal", ("renew it",)),
            ("1220", "Make a claim", ()),
        ]
        assert said(one.heard(words)) == ["Please enter your policy number"]
    one = runner(*modules, start="menu", max_retries=2)
    one.start()
    assert of(Menu, one.heard("what?"))
    assert of(Release, one.heard("what?"))
    assert one.heard("policy renewal") == []


def test_silence_in_the_menu_is_the_fallback() -> None:
    one = runner(RENEWAL, CLAIM, start="menu")
    one.start()
    assert of(Release, one.silence())
    assert one.silence() == []


# --- questions -----------------------------------------------------------------------------------------------------
def test_how_a_question_listens() -> None:
    module = slots({"label": "<b>PIN</b>", "sensitive": True}, {"label": "Which?", "choice_options": "a,b"})
    one = runner(module)
    (listen,) = of(Listen, one.start())
    assert listen == Listen(
        kind="free",
        sensitive=True,
        no_input_prompts=("<b>PIN</b>",),
        no_input_format="html",
        no_input_retries=3,
        on_exhausted="event",
    )
    asked = one.heard("1234")
    (listen,), (menu,) = of(Listen, asked), of(Menu, asked)
    assert (listen.no_input_prompts, listen.sensitive) == (("",), False)
    assert (menu.menu_id, [option.label for option in menu.options], menu.max_digits) == ("slot-103", ["a", "b"], 1)


def test_what_is_sensitive_is_read_back_as_such() -> None:
    one = runner(slots({"label": "PIN", "sensitive": True, "confirm": "always"}))
    one.start()
    (listen,) = of(Listen, one.heard("12"))
    assert (listen.kind, listen.sensitive, listen.no_input_prompts) == ("yesno", True, ("I heard 12. Is that right?",))


def test_ten_choices_need_two_keys() -> None:
    options = ",".join(f"option {place}" for place in range(1, 11))
    (menu,) = of(Menu, runner(slots({"label": "Which?", "choice_options": options})).start())
    assert menu.max_digits == 2


def test_messages_of_a_slot_cannot_be_interrupted() -> None:
    one = runner(slots({"label": "Age", "field_type": "NUMBER", "validation_message": "A number."}))
    one.start()
    refused = one.heard("banana")[0]
    assert refused == Say(text="A number.", format="markdown", interruptible=False, role="agent")
    own = runner_says("banana")
    assert said(own) == [runner(RENEWAL).standing.words.say("invalid_number"), "Age"]


def runner_says(words: str) -> list[Output]:
    one = runner(slots({"label": "Age", "field_type": "NUMBER"}))
    one.start()
    return one.heard(words)


def test_wrong_answers_are_counted_for_each_question_anew() -> None:
    one = runner(slots({"label": "A", "field_type": "NUMBER"}, {"label": "B", "field_type": "NUMBER"}), max_retries=2)
    one.start()
    one.heard("banana")
    one.heard("1")
    assert not of(Release, one.heard("banana"))
    assert of(Release, one.heard("banana"))


def test_what_is_not_confirmed_is_asked_for_again_and_then_given_up() -> None:
    one = runner(slots({"label": "A", "confirm": "always"}), max_retries=2)
    one.start()
    one.heard("x")
    assert said(one.heard("no")) == ["A"]
    one.heard("x")
    assert of(Release, one.heard("no"))
    one = runner(slots({"label": "A", "confirm": "always"}), max_retries=2)
    one.start()
    one.heard("x")
    assert said(one.heard("hm")) == ["I heard x. Is that right?"]
    assert of(Release, one.heard("hm"))


# --- files and pictures --------------------------------------------------------------------------------------------
MEDIA = slots({"label": "A photo", "field_type": "IMAGE"}, {"label": "Name"})


def test_what_a_telephone_cannot_give_is_the_fallback() -> None:
    outputs = runner(MEDIA).start()
    assert of(Release, outputs)
    assert said(outputs) == []


def test_what_a_telephone_cannot_give_may_be_skipped() -> None:
    one = runner(MEDIA, media_slots="skip")
    outputs = one.start()
    assert said(outputs) == ["Name"]
    assert of(Record, outputs)[0].data == {"slot_skipped": "A photo"}
    one.heard("Ann")
    assert one.standing.story is not None
    assert [(state.is_done, state.data) for state in one.standing.story.states] == [(False, None), (True, "Ann")]


def test_what_a_telephone_cannot_give_may_come_by_link() -> None:
    one = runner(MEDIA, media_slots="link", media_link="https://x.example/{session}/{slot}")
    outputs = one.start()
    assert said(outputs) == ["I am sending you a link for that.", "Name"]
    assert of(SendLink, outputs) == [SendLink(url="https://x.example/100/1", text="A photo")]
    assert data_of(one)[0] == "https://x.example/100/1"


# --- steering ------------------------------------------------------------------------------------------------------
def test_keys_that_may_be_an_answer_do_not_call_the_operator() -> None:
    operator = {"target": "sip:1@pbx", "key": "0"}
    one = runner(slots({"label": "N", "field_type": "NUMBER"}, {"label": "T"}), operator=operator)
    one.start()
    assert not of(Transfer, one.heard("0", by_key=True))
    assert data_of(one)[0] == "0"
    assert of(Transfer, one.heard("0", by_key=True))
    assert not of(Transfer, one.heard("0"))
    assert not of(Transfer, runner_says("operator"))


def test_going_back_opens_the_answer_before() -> None:
    one = runner(slots({"label": "A"}, {"label": "B"}), allow_back=True)
    one.start()
    one.heard("a")
    assert said(one.heard("go back")) == ["A"]
    assert one.standing.story is not None
    assert [(state.is_done, state.waiting_response) for state in one.standing.story.states] == [
        (False, True),
        (False, False),
    ]


def test_keys_steer_nothing_but_the_operator() -> None:
    one = runner(slots({"label": "A"}, {"label": "B"}))
    one.start()
    one.heard("repeat", by_key=True)
    assert data_of(one) == ["repeat", None]
    one = runner(slots({"label": "A", "confirm": "always"}))
    one.start()
    one.heard("x")
    assert said(one.heard("repeat")) == ["I heard x. Is that right?"]


def test_what_the_backend_refuses_is_said_to_the_end() -> None:
    slot = {"label": "A", "validate_with_webhook": True, "validation_message": "No."}
    one = runner(slots(slot))
    one.start()
    one.heard("x")
    first, *_ = update(one, {"id": 102, "is_done": False}).outputs
    assert first == Say(text="No.", format="markdown", interruptible=False, role="agent")
    assert data_of(one) == [None]


def test_messages_without_words() -> None:
    one = runner(slots({"label": "A", "field_type": "NUMBER"}))
    one.start()
    assert message(one, {}).body == {"text": ["This field is required."]}
    outputs = message(one, {"buttons": [{"type": "postback", "title": "5"}]}).outputs
    assert said(outputs) == []
    (listen,) = of(Listen, outputs)
    assert listen.kind == "number"
    assert of(Record, outputs)[0].data == {"message": "", "sender": "BOT"}


def test_going_back_must_be_allowed() -> None:
    one = runner(slots({"label": "A"}, {"label": "B"}))
    one.start()
    one.heard("a")
    one.heard("go back")
    assert data_of(one) == ["a", "go back"]


@pytest.mark.parametrize("mode", ["menu", "asking", "confirming", "closing"])
def test_a_transfer_that_failed_leads_back_to_where_the_caller_was(mode: str) -> None:
    one = runner(slots({"label": "A", "confirm": "always"}), RENEWAL, start="menu" if mode == "menu" else "Test")
    one.start()
    if mode in ("confirming", "closing"):
        one.heard("x")
    if mode == "closing":
        one.heard("yes")
    last = {"menu": "What can I do for you?", "asking": "A", "confirming": "I heard x. Is that right?"}
    found = said(one.transfer_failed())
    assert found[0] == one.standing.words.say("transfer_failed")
    assert found[1:] == ([last[mode]] if mode in last else [])


# --- ends ----------------------------------------------------------------------------------------------------------
def test_a_complete_module_is_booked_delivered_closed_and_waited_for() -> None:
    one = runner({**RENEWAL, "closing": ["Bye."]}, post_module_wait=3)
    one.start()
    outputs = one.heard("p1")
    (booked,), (sent,), (timer,) = of(PostCall, outputs), of(Deliver, outputs), of(Arm, outputs)
    assert booked.data == {"job": "module", "key": "call-1-101", "body": sent.body}
    assert (sent.key, sent.slot_state) == ("call-1-101", None)
    assert (timer.name, timer.seconds) == ("after", 3)
    assert said(outputs) == ["Bye."]
    assert of(Hangup, one.waited(timer.mark))
    assert one.waited(timer.mark) == []


def test_what_is_secret_is_not_booked() -> None:
    one = runner(slots({"label": "PIN", "sensitive": True}))
    one.start()
    outputs = one.heard("12")
    assert not of(PostCall, outputs)
    assert of(Record, outputs)[0].data["story_state"]["slot_states"][0]["data"] is None
    assert of(Deliver, outputs)[0].body["payload"][0]["slot_states"][0]["data"] == "12"


def test_a_module_that_may_be_left_in_the_middle_is_booked_when_it_begins() -> None:
    one = runner(slots({"label": "A"}, {"label": "B"}), partial_webhook=True)
    outputs = one.start()
    assert of(PostCall, outputs)[0].data == {"job": "partial", "story_state": 101, "key": "call-1-101"}
    assert of(Record, one.heard("a"))[0].data["story_state"]["slot_states"][0]["data"] == "a"
    assert not of(PostCall, runner(MAIN_MENU, partial_webhook=True).start())[1:]


def test_modules_in_a_circle_end_in_the_fallback() -> None:
    one = runner({**MAIN_MENU, "then": "main-menu"}, post_module_wait=0)
    outputs = one.start()
    for _ in range(30):
        if of(Release, outputs):
            break
        outputs = one.waited(of(Arm, outputs)[0].mark)
    assert of(Release, outputs)


def test_a_menu_of_the_backends_gets_the_callers_time() -> None:
    one = runner(RENEWAL, MAIN_MENU)
    one.start()
    (timer,) = of(Arm, one.heard("p1"))
    buttons = [{"type": "postback", "title": "Menu", "payload": "main-menu"}]
    assert message(one, {"text": "Done.", "buttons": buttons}).status == 200
    assert one.waited(timer.mark) == []
    assert of(Listen, one.heard("what?"))
    assert of(Hangup, one.silence())
    assert one.standing.mode is Mode.OVER
    assert message(one, {"text": "x"}).status == 404


def test_words_while_the_backend_is_waited_for_may_start_a_module() -> None:
    one = runner(RENEWAL, MAIN_MENU)
    one.start()
    one.heard("p1")
    assert said(one.heard("main-menu")) == ["This is the main menu."]


# --- timers that are no longer wanted ------------------------------------------------------------------------------
def test_an_answered_validation_is_not_given_up_later() -> None:
    one = runner(slots({"label": "A", "validate_with_webhook": True}, {"label": "B"}))
    one.start()
    outputs = one.heard("x")
    (timer,), (sent,) = of(Arm, outputs), of(Deliver, outputs)
    assert (timer.name, timer.seconds, timer.mark) == ("validation", 20.0, sent.mark)
    assert sent.key == f"call-1-102-{timer.mark}"
    assert said(update(one, {"id": 102, "is_done": "true"}).outputs) == ["B"]
    assert one.slots.unchecked(timer.mark) == []
    assert data_of(one) == ["x", None]


def test_an_update_of_a_finished_module_changes_nothing() -> None:
    one = runner(RENEWAL, {**MAIN_MENU, "then": "menu"})
    one.start()
    one.heard("p1")
    assert update(one, {"id": 102, "data": "other", "is_done": True}).body["data"] == "p1"


# --- anything ------------------------------------------------------------------------------------------------------
BODIES = st.dictionaries(
    st.sampled_from(["id", "data", "is_done", "org", "project", "story_state", "slot", "text", "buttons"]),
    st.none()
    | st.booleans()
    | st.integers(0, 110)
    | st.text(max_size=5)
    | st.lists(
        st.dictionaries(
            st.sampled_from(["type", "title", "payload", "url"]), st.text(max_size=4) | st.none(), max_size=3
        ),
        max_size=3,
    ),
    max_size=6,
)
STEPS = st.one_of(
    st.tuples(st.just("heard"), st.sampled_from(["yes", "no", "12", "0", "go back", "x", "Test", "operator", ""])),
    st.tuples(st.just("silence"), st.none()),
    st.tuples(st.just("update"), BODIES),
    st.tuples(st.just("message"), BODIES),
    st.tuples(st.just("due"), st.integers(0, 9)),
)


@given(st.lists(STEPS, max_size=15))
def test_whatever_happens_the_caller_is_asked_or_leaves(steps: list[tuple[str, Any]]) -> None:
    """After every step a question is open, the backend is waited for with a timer, or the call goes elsewhere."""
    module = slots(
        {"label": "A", "field_type": "NUMBER"},
        {"label": "B", "validate_with_webhook": True, "confirm": "always"},
        {"label": "C", "show_condition": "A >", "show_condition_value": "5"},
        then="menu",
    )
    one = runner(module, {**MAIN_MENU, "then": "Test"}, operator={"target": "1"}, allow_back=True, post_module_wait=0)
    _open(one, one.start())
    for name, argument in steps:
        match name:
            case "heard":
                outputs = one.heard(argument)
            case "silence":
                outputs = one.silence()
            case "update":
                outputs = update(one, argument).outputs
            case "message":
                outputs = message(one, argument).outputs
            case _:
                outputs = one.slots.unchecked(argument) + one.waited(argument)
        _open(one, outputs)


def _open(one: Runner, outputs: list[Output]) -> None:
    assert all(isinstance(item.body, dict) for item in of(Deliver, outputs))
    if of(Release, outputs) or of(Hangup, outputs):
        assert one.standing.mode is Mode.OVER
    if one.standing.mode is Mode.ASKING:
        assert one.standing.current is not None
        assert one.standing.current.waiting_response
    if one.standing.mode in (Mode.CONFIRMING, Mode.VALIDATING):
        assert one.standing.candidate is not None
