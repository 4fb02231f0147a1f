"""What responses do on the telephone."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.actions import (
    Action,
    Hangup,
    Listen,
    Menu,
    MenuOption,
    Play,
    Record,
    Say,
    SendLink,
    SetSpeech,
    Transfer,
)
from gateway.backends.rasa.compose import Composer
from gateway.backends.rasa.protocol import read_responses
from gateway.backends.rasa.settings import RasaBotSection


def composed(answer: Any, **settings: Any) -> tuple[list[Action], list[Action], dict[str, str]]:
    composer = Composer(RasaBotSection.model_validate({"url": "http://rasa", **settings}), "a1")
    heard = [action for response in read_responses(answer) for action in composer.take(response)]
    return heard, *composer.close()


def test_texts_are_spoken_and_every_button_is_in_one_menu_after_them() -> None:
    first = {"text": "A?", "buttons": [{"title": "x", "payload": "/x"}, {"title": "y", "payload": "/y"}]}
    second = {"text": "B?", "buttons": [{"title": "y", "payload": "/z"}, {"title": "z", "payload": '/z{"a":1}'}]}
    heard, last, payloads = composed([first, second])
    assert heard == [Say(text="A?", format="markdown"), Say(text="B?", format="markdown")]
    options = tuple(MenuOption(id=str(place), label=label) for place, label in enumerate("xyz", 1))
    assert last == [Menu(menu_id="a1", options=options)]
    assert payloads == {"1": "/x", "2": "/y", "3": '/z{"a":1}'}


def test_many_buttons_need_two_keys_and_have_an_end() -> None:
    many = [{"title": f"t{place}", "payload": "/t"} for place in range(15)]
    _, last, payloads = composed(
        [{"buttons": many}, {"buttons": [{**item, "title": f"u{item['title']}"} for item in many]}]
    )
    assert isinstance(last[0], Menu)
    assert (len(last[0].options), last[0].max_digits, len(payloads)) == (20, 2, 20)


@pytest.mark.parametrize(
    ("custom", "heard", "last"),
    [
        ({"hangup": True}, [], [Hangup()]),
        ({"hangup": "bye"}, [], [Hangup()]),
        ({"hangup": False}, [], []),
        ({"hangup": "No"}, [], []),
        ({"hangup": True, "transfer": "sip:1@pbx"}, [], [Transfer(transfer_id="a1", target="sip:1@pbx")]),
        ({"transfer": 100}, [], [Transfer(transfer_id="a1", target="100")]),
        ({"ssml": "<speak>a</speak>"}, [Say(text="<speak>a</speak>", format="ssml")], []),
        ({"language": "fr-FR"}, [SetSpeech(language="fr-FR")], []),
        ({"listen": "digits"}, [], [Listen(kind="digits")]),
        ({"listen": "guesses"}, [], []),
        ({"color": "blue"}, [Record(kind="event", data={"custom": {"color": "blue"}})], []),
        (["a"], [Record(kind="event", data={"custom": ["a"]})], []),
    ],
)
def test_conventions_of_custom_objects(custom: Any, heard: list[Action], last: list[Action]) -> None:
    assert composed({"custom": custom})[:2] == (heard, last)


def test_after_a_silence_that_went_on_the_next_one_is_the_idle_limits() -> None:
    settings = RasaBotSection(url="http://rasa")
    asks = Composer(settings, "a1", silenced=True)
    assert asks.take(read_responses({"text": "A?"})[0]) == [Say(text="A?", format="markdown")]
    assert asks.close()[0] == [Listen(on_exhausted="idle")]
    leaves = Composer(settings, "a2", silenced=True)
    leaves.take(read_responses({"custom": {"hangup": True}})[0])
    assert leaves.close()[0] == [Hangup()]


def test_conventions_can_be_elsewhere_or_nowhere() -> None:
    paths = {"hangup": "phone.end", "transfer": None}
    assert composed({"custom": {"phone": {"end": 1}}}, custom=paths)[1] == [Hangup()]
    custom = {"transfer": "sip:1@pbx", "hangup": True}
    assert composed({"custom": custom}, custom=paths)[:2] == ([Record(kind="event", data={"custom": custom})], [])


def test_ssml_is_spoken_instead_of_the_text_beside_it() -> None:
    heard, _, _ = composed({"text": "ACME", "custom": {"ssml": "<speak>A C M E</speak>", "language": "en-GB"}})
    assert heard == [SetSpeech(language="en-GB"), Say(text="<speak>A C M E</speak>", format="ssml")]


def test_the_format_of_texts() -> None:
    assert composed({"text": "<b>a</b>"})[0] == [Say(text="<b>a</b>", format="html")]
    assert composed({"text": "*a*"}, format="plain")[0] == [Say(text="*a*", format="plain")]


PICTURE = "https://example.com/a.png"


@pytest.mark.parametrize(
    ("response", "skipped", "linked"),
    [
        ({"image": PICTURE}, Record(kind="event", data={"image": PICTURE}), SendLink(url=PICTURE)),
        ({"attachment": PICTURE}, Record(kind="event", data={"attachment": PICTURE}), SendLink(url=PICTURE)),
        (
            {"attachment": {"type": "video", "payload": {"src": PICTURE, "title": "T"}}},
            Record(kind="event", data={"attachment": PICTURE}),
            SendLink(url=PICTURE, text="T"),
        ),
        (
            {"attachment": {"type": "audio", "payload": {"src": PICTURE, "title": "T"}}},
            Play(url=PICTURE, alt_text="T"),
            Play(url=PICTURE, alt_text="T"),
        ),
        ({"image": "file:///a"}, Record(kind="event", data={"image": "file:///a"}), None),
        ({"attachment": {"a": 1}}, Record(kind="event", data={"attachment": {"a": 1}}), None),
    ],
)
def test_files(response: Any, skipped: Action, linked: Action | None) -> None:
    assert composed(response)[0] == [skipped]
    assert composed(response, images="link")[0] == [linked or skipped]
