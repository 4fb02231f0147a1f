"""What of an answer is spoken: the eight rules, and the messages that are more than text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.actions import Action, Hangup, Menu, MenuOption, Pause, Play, Record, Say, SendLink, Transfer
from gateway.backends.talkr.compose import Before, compose
from gateway.backends.talkr.reply import parse_reply
from gateway.backends.talkr.settings import TalkrBotSection
from tests.fakes.chatting import of, spoken

SETTINGS = TalkrBotSection(url="http://bot.example/")
FIRST_TURN = Before()


def composed(
    messages: Any = (), answer: Any = None, *, before: Before = FIRST_TURN, data: Any = (), **settings: Any
) -> tuple[Action, ...]:
    value = {"variables": {"bot_answer": answer}, "data": {"messages": messages, **dict(data)}}
    return tuple(compose(parse_reply(json.dumps(value).encode()), before, SETTINGS.model_copy(update=settings), 3))


@pytest.mark.parametrize(
    ("messages", "answer", "heard"),
    [
        pytest.param(["Hello."], None, ["Hello."], id="rule_4_no_answer"),
        pytest.param(["Hello."], "  ", ["Hello."], id="rule_4_blank_answer"),
        pytest.param([], "Hello.", ["Hello."], id="rule_4_no_messages"),
        pytest.param([" ", ""], "Hello.", ["Hello."], id="rule_4_blank_messages"),
        pytest.param(["Hello."], "Hello.", ["Hello."], id="rule_5_equal"),
        pytest.param(["Hello   there"], "<b>hello</b> THERE", ["Hello   there"], id="rule_5_equal_when_normalised"),
        pytest.param(["One.", "Two."], "One. Two.", ["One.", "Two."], id="rule_5_equal_when_joined"),
        pytest.param(["Hi. How are you?"], "How are you?", ["Hi. How are you?"], id="rule_5_within_a_message"),
        pytest.param(["Welcome. Hi"], "Welcome", ["Welcome. Hi"], id="rule_5_within_without_full_stop"),
        pytest.param(["Hi."], "Hi. How are you?", ["Hi. How are you?"], id="rule_5_within_the_answer"),
        pytest.param(["B.", "A."], "A. B. C.", ["A. B. C."], id="rule_5_every_message_within_the_answer"),
        pytest.param(
            ["I do not know, one moment."], "No.", ["I do not know, one moment.", "No."], id="rule_5_not_a_substring"
        ),
        pytest.param(["Hi."], "Hi there. Bye.", ["Hi.", "Hi there. Bye."], id="rule_5_only_whole_sentences"),
        pytest.param(["One.", "Two."], "Three.", ["One.", "Two.", "Three."], id="rule_7_both"),
        pytest.param([], "...", ["..."], id="rule_4_an_answer_without_a_word"),
        pytest.param([], None, [], id="rule_8_nothing"),
    ],
)
def test_what_is_heard(messages: list[str], answer: str | None, heard: list[str]):
    assert spoken(composed(messages, answer)) == heard


def background(messages: list[Any], answer: str | None) -> tuple[Action, ...]:
    return composed(messages, answer, data={"has_background_text": 1})


def test_tk18_rule_3_waiting_messages_are_not_interrupted_and_followed_by_a_gap():
    waiting, more, gap, answer = background(["Please wait.", "Still at it."], "Done.")
    assert isinstance(waiting, Say)
    assert isinstance(more, Say)
    assert (waiting.role, waiting.interruptible, more.role) == ("waiting", False, "waiting")
    assert gap == Pause(seconds=0.4, interruptible=False)
    assert isinstance(answer, Say)
    assert (answer.text, answer.role, answer.interruptible) == ("Done.", "answer", True)


def test_tk18_rule_3_an_answer_that_is_the_last_message_is_not_said_again():
    waiting, answer = background(["Please wait.", "Done."], "done.")
    assert isinstance(waiting, Say)
    assert isinstance(answer, Say)
    assert (waiting.role, answer.role, answer.text, answer.interruptible) == ("waiting", "answer", "Done.", True)


def test_tk18_rule_3_says_the_answer_although_an_earlier_message_holds_it():
    assert spoken(background(["Done. Please wait.", "Really."], "Done.")) == ["Done. Please wait.", "Really.", "Done."]


def test_tk18_a_background_turn_without_an_answer_says_its_messages_as_the_answer():
    (said,) = background(["Please wait."], None)
    assert isinstance(said, Say)
    assert (said.role, said.interruptible) == ("answer", True)


def test_a_waiting_melody_counts_as_a_waiting_message():
    play, gap, answer = background([{"type": "audio", "url": "https://x.example/wait.wav"}], "Done.")
    assert play == Play(url="https://x.example/wait.wav", interruptible=False)
    assert isinstance(gap, Pause)
    assert isinstance(answer, Say)


def test_what_is_not_said_stays_among_the_waiting_messages():
    card = {"type": "card", "url": "https://x.example/card.png"}
    waiting, link, gap, answer = composed(
        ["Please wait.", card], "Done.", data={"has_background_text": 1}, send_links=True, background_gap=1.5
    )
    assert isinstance(waiting, Say)
    assert link == SendLink(url="https://x.example/card.png")
    assert gap == Pause(seconds=1.5, interruptible=False)
    assert isinstance(answer, Say)


STALE = Before(answer="Old.", texts=("Earlier.",), tracking="1")


@pytest.mark.parametrize(
    ("message", "tracking", "before", "policy", "heard"),
    [
        pytest.param("New.", "2", STALE, "drop", ["New."], id="stale"),
        pytest.param("New.", "2", STALE, "speak", ["New.", "Old."], id="stale_but_wanted"),
        pytest.param("New.", "1", STALE, "drop", ["New.", "Old."], id="same_block"),
        pytest.param("New.", "", STALE, "drop", ["New.", "Old."], id="no_block_named"),
        pytest.param("Earlier.", "2", STALE, "drop", ["Earlier.", "Old."], id="same_messages"),
        pytest.param("New.", "2", FIRST_TURN, "drop", ["New.", "Old."], id="first_turn"),
        pytest.param("New.", "2", Before(answer="old.", tracking="1"), "drop", ["New.", "Old."], id="not_verbatim"),
        pytest.param("", "2", STALE, "drop", ["Old."], id="nothing_else_to_say"),
    ],
)
def test_rule_6_stale_answers(message: str, tracking: str, before: Before, policy: str, heard: list[str]):
    found = composed([message], "Old.", before=before, data={"object_id": tracking}, stale_answer=policy)
    assert spoken(found) == heard


def test_formats_are_found_text_by_text():
    found = of(Say, composed(["<speak>Hi</speak>", "<b>Hi</b> you", "Plain."], None))
    assert [said.format for said in found] == ["ssml", "html", "markdown"]


def test_an_unfilled_placeholder_alone_is_not_spoken():
    assert composed(["{greeting}"], "$name") == ()


@pytest.mark.parametrize(
    "message",
    [
        {"type": "audio", "content": "https://x.example/a.mp3"},
        {"type": "sound", "url": "https://x.example/a.mp3"},
        {"type": "AUDIO", "content": {"src": "https://x.example/a.mp3"}},
    ],
)
def test_audio_is_played(message: dict[str, Any]):
    assert composed([message]) == (Play(url="https://x.example/a.mp3"),)


def test_audio_without_a_url_is_left_out_and_recorded():
    assert composed([{"type": "audio", "content": "file:///etc/passwd"}]) == (
        Record(kind="event", data={"skipped_message": "audio"}),
    )


def test_pictures_are_links_where_links_are_sent():
    picture = {"type": "image", "url": "https://x.example/map.png", "title": "The way"}
    assert composed([picture], send_links=True) == (SendLink(url="https://x.example/map.png", text="The way"),)
    assert composed([picture]) == (Record(kind="event", data={"skipped_message": "image"}),)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "buttons", "text": "Which?", "buttons": [{"label": "Sales"}, {"title": "Support", "value": 2}]},
        {"type": "quick_replies", "title": "Which?", "content": ["Sales", "Support", "Sales", ""]},
        {"type": "choice", "content": {"text": "Which?", "choices": [{"text": "Sales"}, {"value": "Support"}]}},
    ],
)
def test_choices_become_a_menu_after_all_speech(message: dict[str, Any]):
    said, menu = composed([message, "Hello."])
    assert isinstance(said, Say)
    assert isinstance(menu, Menu)
    assert menu.prompt == "Which?"
    assert menu.options == (MenuOption(id="1", label="Sales"), MenuOption(id="2", label="Support"))
    assert menu.max_digits == 1


@pytest.mark.parametrize(("tracking", "name"), [("t7", "t7.3"), ("", "menu.3")])
def test_a_menu_is_named_after_its_block_and_turn(tracking: str, name: str):
    (menu,) = of(Menu, composed([{"type": "buttons", "buttons": ["A"]}], data={"object_id": tracking}))
    assert menu.menu_id == name


def test_a_menu_has_twenty_options_at_most():
    (menu,) = of(Menu, composed([{"type": "buttons", "buttons": [f"Number {n}" for n in range(1, 31)]}]))
    assert [option.label for option in menu.options] == [f"Number {n}" for n in range(1, 21)]
    many = [{"type": "choices", "items": [f"{half}{n}" for n in range(15)]} for half in "ab"]
    (menu,) = of(Menu, composed(many))
    assert [option.id for option in menu.options] == [str(n) for n in range(1, 21)]
    assert menu.options[-1].label == "b4"


def test_choices_without_labels_are_what_they_say():
    assert spoken(composed([{"type": "buttons", "content": "Which one?", "buttons": [{}, None, ""]}])) == ["Which one?"]
    assert composed([{"type": "buttons", "buttons": []}]) == (
        Record(kind="event", data={"skipped_message": "buttons"}),
    )


def test_the_questions_of_several_menus_are_asked_one_after_the_other():
    both = [{"type": "buttons", "text": words, "buttons": [words]} for words in ("Sales?", "", "Support?")]
    (menu,) = of(Menu, composed(both))
    assert menu.prompt == "Sales? Support?"
    (menu,) = of(Menu, composed([{"type": "buttons", "buttons": ["A"]}]))
    assert menu.prompt is None


def test_two_menus_become_one():
    both = [{"type": "buttons", "buttons": [str(n)]} for n in range(1, 12)]
    (menu,) = of(Menu, composed(both))
    assert [option.label for option in menu.options] == [str(n) for n in range(1, 12)]
    assert menu.max_digits == 2


@pytest.mark.parametrize(
    ("content", "target"),
    [("tel:+33 1 23 45 67 89", "+33123456789"), ("sip:100@pbx", "sip:100@pbx"), ("01.23.45", "012345"), ("100", "100")],
)
def test_transfers_only_where_allowed(content: str, target: str):
    message = {"type": "transfer", "content": content}
    assert of(Transfer, composed([message], "Hold on.", allow_bot_transfer=True)) == [
        Transfer(transfer_id="3.0", target=target)
    ]
    assert composed([message]) == (Record(kind="event", data={"skipped_message": "transfer"}),)


def test_a_sentence_beside_a_transfer_is_spoken():
    found = composed([{"type": "forward", "content": "One moment.", "target": "100"}], allow_bot_transfer=True)
    assert spoken(found) == ["One moment."]
    assert of(Transfer, found)


@pytest.mark.parametrize("target", ["javascript:alert(1)", "call me", "1", "https://x.example"])
def test_what_is_no_target_is_no_transfer(target: str):
    found = composed([{"type": "transfer", "target": target}], allow_bot_transfer=True)
    assert not of(Transfer, found)


def test_hanging_up_only_where_allowed():
    message = {"type": "hangup", "content": "Goodbye."}
    allowed, forbidden = composed([message], allow_bot_transfer=True), composed([message])
    assert (spoken(allowed), of(Hangup, allowed)) == (["Goodbye."], [Hangup()])
    assert (spoken(forbidden), of(Hangup, forbidden)) == (["Goodbye."], [])


def test_leaving_comes_after_the_answer():
    found = composed([{"type": "hangup"}], "Goodbye.", allow_bot_transfer=True)
    assert [type(action) for action in found] == [Say, Hangup]


@pytest.mark.parametrize("kind", ["text", "custom", None, "", "surprise"])
def test_other_types_with_text_are_spoken(kind: str | None):
    assert spoken(composed([{"type": kind, "content": "Hello."}])) == ["Hello."]


def test_an_unknown_type_without_text_is_recorded():
    assert composed([{"type": "hologram", "content": {"x": 1}}]) == (
        Record(kind="event", data={"skipped_message": "hologram"}),
    )


def test_the_name_of_an_unknown_type_is_recorded_only_so_far():
    assert composed([{"type": "x" * 60}]) == (Record(kind="event", data={"skipped_message": "x" * 40}),)
