"""What a message of the bot amounts to on the telephone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.actions import Hangup, Menu, Pause, Play, Record, Say, SendLink, Transfer
from gateway.backends.chatlayer.messages import MAX_KEPT, Heard, kept, payload_text, read_message, text_of
from gateway.backends.chatlayer.settings import ChatlayerBotSection
from tests.fakes.chatlayer import VECTORS, shown
from tests.fakes.chatting import of


def heard(message: Any, *, language: str = "en-GB", **settings: Any) -> Heard:
    section = ChatlayerBotSection(**{"bot_id": "11", "verify_token": "t", **settings})
    return read_message(message, section, menu_id="m", language=language)


def said(message: Any, **settings: Any) -> list[str]:
    return [say.text for say in of(Say, heard(message, **settings).actions)]


def labels(message: Any, **settings: Any) -> list[str]:
    return [option.label for menu in of(Menu, heard(message, **settings).actions) for option in menu.options]


def template(kind: str, **payload: Any) -> dict[str, Any]:
    return {"attachment": {"type": "template", "payload": {"template_type": kind, **payload}}}


def postback(title: str, payload: Any = "p") -> dict[str, Any]:
    return {"type": "postback", "title": title, "payload": payload}


# --- text ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "format", "language"),
    [
        ("Hello **you**", "markdown", None),
        ("Hello <b>you</b>", "html", None),
        ("<speak>Hello</speak>", "ssml", None),
        ('<speak version="1.1" xml:lang="nl-BE">Hallo</speak>', "ssml", "nl-BE"),
        ("<speak version='1.1' xml:lang='nl'>Hallo</speak>", "ssml", "nl-NL"),
        ('<speak xml:lang="not a tag">Hi</speak>', "ssml", None),
    ],
)
def test_text_is_said_in_its_format_and_language(text: str, format: str, language: str | None) -> None:
    assert heard({"text": text}).actions == (Say(text=text, format=format, language=language),)  # type: ignore[arg-type]  # one of a table of tests


@pytest.mark.parametrize("message", [{"text": ""}, {"text": "  "}, {"text": None}, {}, {"foo": 1}, {"text": ["a"]}])
def test_what_says_nothing_is_kept(message: dict[str, Any]) -> None:
    assert heard(message).actions == (Record(kind="event", data={"message": message}),)


def test_a_number_as_text_is_said() -> None:
    assert said({"text": 42}) == ["42"]


# --- choices -------------------------------------------------------------------------------------------------------
def test_c5_cl12_quick_replies_are_a_menu_after_the_text() -> None:
    found = heard(shown(1))
    assert [type(action) for action in found.actions] == [Say, Menu]
    assert labels(shown(1)) == ["go to button"]
    assert found.clicks["1"].payload == shown(1)["quick_replies"][0]["payload"]


def test_c6_cl11_the_three_kinds_of_buttons() -> None:
    found = heard(shown(0))
    assert said(shown(0)) == ["button text"]
    assert labels(shown(0)) == ["go to button title", "to be connected with tel"]
    assert found.clicks["1"].payload == shown(0)["attachment"]["payload"]["buttons"][0]["payload"]
    assert (found.clicks["2"].target, found.clicks["2"].payload) == ("+32477990022", None)
    assert of(SendLink, found.actions) == []
    linked = heard(shown(0), send_links=True)
    assert of(SendLink, linked.actions) == [SendLink(url="https://www.google.com", text="URL button")]


@pytest.mark.parametrize("language", ["fr-FR", "de-DE", "nl-BE", "es-ES", "it-IT", "pt-PT"])
def test_c6_cl11_a_number_is_named_in_the_call_s_language_long_enough_to_be_said_once(language: str) -> None:
    label = labels(shown(0), language=language)[1]
    assert "tel" in label.split()
    assert len(label.split()) > 3


def test_c6_the_operator_may_name_numbers_otherwise() -> None:
    assert labels(shown(0), connect_label="call {title}")[1] == "call tel"
    assert labels(shown(0), language="sv-SE")[1] == "tel"


def test_the_vendor_s_buttons_have_opaque_payloads() -> None:
    message = VECTORS["webhook_buttons"]["message"]
    found = heard(message)
    assert said(message) == ["Hello, in which language can I help you?"]
    assert [(each.title, each.payload) for each in found.clicks.values()] == [
        ("Nederlands", "437a034cde170b50de1b6a87d1cba104e39b1f6e"),
        ("English", "a6a318dd6afe997f282b3c7472e038a2e0f4046a"),
    ]


def test_c7_cl13_a_generic_template() -> None:
    assert said(shown(2)) == ["title. subtitle"]
    assert labels(shown(2)) == []
    links = [link.url for link in of(SendLink, heard(shown(2), send_links=True).actions)]
    assert links == ["https://www.chatlayer.ai", "https://www.chatlayer.ai/image.jpg", "https://www.chatlayer.ai"]


def test_a_carousel_is_read_first_and_asked_about_then() -> None:
    elements = [
        {"title": "Early.", "subtitle": "At seven.", "buttons": [postback("Choose", "1")]},
        {"title": "Late", "buttons": [postback("Choose", "2"), postback("More", "3")]},
    ]
    found = heard(template("generic", elements=elements))
    assert said(template("generic", elements=elements)) == ["Early. At seven.", "Late"]
    (menu,) = of(Menu, found.actions)
    assert found.actions[-1] is menu
    assert [(option.label, option.aliases) for option in menu.options] == [
        ("Early., Choose", ("Early.",)),
        ("Late, Choose", ()),
        ("Late, More", ()),
    ]
    assert [click.payload for click in found.clicks.values()] == ["1", "2", "3"]


def test_an_element_s_own_address_is_a_link() -> None:
    element = {"title": "Early", "item_url": "https://x.example/early", "image_url": "https://x.example/a.jpg"}
    links = of(SendLink, heard(template("generic", elements=[element]), send_links=True).actions)
    assert links == [
        SendLink(url="https://x.example/early", text="Early"),
        SendLink(url="https://x.example/a.jpg", text="Early"),
    ]


def test_a_number_without_a_title_is_named_by_itself() -> None:
    message = template("button", buttons=[{"type": "phone_number", "payload": "+32 2 123 45 67"}])
    assert labels(message) == ["to be connected with +32 2 123 45 67"]
    assert heard(message).clicks["1"].title == "+32 2 123 45 67"
    odd = template("button", buttons=[{"type": "phone_number", "title": "x", "payload": "sip:bad@@"}])
    assert heard(odd).clicks["1"].target == "sip:bad@@"  # the core refuses it, and says so


def test_no_more_elements_than_can_be_listened_to() -> None:
    assert len(said(template("generic", elements=[{"title": str(place)} for place in range(60)]))) == 50


def test_one_element_s_buttons_are_named_alone() -> None:
    assert labels(template("generic", elements=[{"title": "Early", "buttons": [postback("Choose")]}])) == ["Choose"]


def test_a_list_s_own_button_comes_last() -> None:
    message = VECTORS["webhook_list"]["message"]
    message = json.loads(json.dumps(message))
    message["attachment"]["payload"]["buttons"] = [postback("More")]
    assert said(message) == ["Language. Select your language"]
    assert labels(message) == ["Nederlands", "More"]


def test_text_quick_replies_and_an_attachment_in_one_message_are_one_menu() -> None:
    message = {"text": "Hi.", "quick_replies": [{"title": "b", "payload": "2"}]}
    message |= template("button", text="Choose.", buttons=[postback("a", "1")])
    found = heard(message)
    assert [type(action) for action in found.actions] == [Say, Say, Menu]
    assert [click.payload for click in found.clicks.values()] == ["1", "2"]


@pytest.mark.parametrize(
    "buttons", [[{"type": "element_share"}], [postback("")], [{"type": "phone_number", "title": "x"}]]
)
def test_buttons_that_cannot_be_pressed_by_phone_are_left_out(buttons: list[Any]) -> None:
    assert labels(template("button", text="Hi.", buttons=buttons)) == []


def test_more_than_nine_options_have_two_digits() -> None:
    (menu,) = of(Menu, heard(template("button", buttons=[postback(f"o{n}") for n in range(120)])).actions)
    assert (len(menu.options), menu.max_digits) == (99, 2)


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ('{"a": 1,\n "b":"\\u00e9"}', '{"a": 1,\n "b":"\\u00e9"}'),
        ({"b": 1, "a": "é"}, '{"b":1,"a":"é"}'),
        ([1, {"x": None}], '[1,{"x":null}]'),
        ("", "Title"),
        (None, "Title"),
    ],
)
def test_c2_cl18_what_goes_back(payload: Any, text: str) -> None:
    assert payload_text({"title": "Title", "payload": payload}) == text


@given(st.text())
def test_c2_a_payload_of_text_goes_back_byte_for_byte(payload: str) -> None:
    assert payload_text({"title": payload or "t", "payload": payload}) == (payload or "t")


# --- media, events -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["image", "video", "file"])
def test_c8_cl14_what_cannot_be_heard_is_noted_and_linked_when_wanted(kind: str) -> None:
    message = {"attachment": {"type": kind, "payload": {"url": "https://x.example/a", "is_reusable": False}}}
    record = Record(kind="event", data={"not_spoken": kind, "url": "https://x.example/a"})
    assert heard(message).actions == (record, Pause(seconds=0.0))
    assert SendLink(url="https://x.example/a") in heard(message, send_links=True).actions


def test_a_recording_is_played() -> None:
    message = {"attachment": {"type": "audio", "payload": {"url": "https://x.example/a.mp3"}}}
    assert heard(message).actions == (Play(url="https://x.example/a.mp3"),)


@pytest.mark.parametrize("data", [{}, {"transfer": "+32 477 99 00 22"}, {"data": {"hangup": True}}])
def test_c22_an_event_is_kept_and_by_default_not_obeyed(data: dict[str, Any]) -> None:
    message = {"type": "event", "text": "not said", **data}
    assert heard(message).actions == (Record(kind="event", data={"message": message}),)


@pytest.mark.parametrize(
    ("data", "action"),
    [
        ({"transfer": "+32 477 99 00 22"}, Transfer(transfer_id="message", target="+32477990022")),
        ({"data": {"transfer": "sip:desk@pbx"}}, Transfer(transfer_id="message", target="sip:desk@pbx")),
        ({"value": {"hangup": True}}, Hangup()),
        ({"hangup": True}, Hangup()),
    ],
)
def test_events_are_obeyed_where_that_was_agreed(data: dict[str, Any], action: Any) -> None:
    assert heard({"type": "event", **data}, obey_events=True).actions[1:] == (action,)


@pytest.mark.parametrize("data", [{"hangup": "yes"}, {"hangup": False}, {"transfer": ""}, {"data": "hangup"}])
def test_events_that_say_nothing_clear_do_nothing(data: dict[str, Any]) -> None:
    assert len(heard({"type": "event", **data}, obey_events=True).actions) == 1


def test_agreed_texts_transfer_and_hang_up() -> None:
    marks = {"transfer_marker": "#transfer:", "hangup_marker": "#bye"}
    assert heard({"text": "#transfer: +32 2 123 45 67"}, **marks).actions == (
        Transfer(transfer_id="message", target="+3221234567"),
    )
    assert [type(action) for action in heard({"text": "Goodbye. #bye"}, **marks).actions] == [Say, Hangup]
    assert said({"text": "Goodbye. #bye"}, **marks) == ["Goodbye."]
    assert said({"text": "#transfer: me"}) == ["#transfer: me"]


# --- for the record ------------------------------------------------------------------------------------------------
def test_the_words_of_a_message() -> None:
    assert text_of({"text": "Hi.", **template("button", text="other")}) == "Hi."
    assert text_of(shown(0)) == "button text"
    assert (
        text_of(template("generic", elements=[{"title": "Early"}, {"title": ""}, {"title": "Late"}])) == "Early. Late"
    )
    assert text_of(shown(3)) == ""


def test_messages_are_kept_as_they_are_read_in_any_script() -> None:
    assert kept({"a": "é" * 3900}) == {"a": "é" * 3900}


# --- whatever comes ------------------------------------------------------------------------------------------------
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from(
    [
        "text",
        "title",
        "subtitle",
        "payload",
        "buttons",
        "elements",
        "quick_replies",
        "type",
        "url",
        "attachment",
        "data",
    ]
)
kinds = st.sampled_from(["template", "image", "audio", "event", "postback", "phone_number", "web_url", "generic"])
messages = st.recursive(
    kinds | st.text(max_size=8) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=5),
    max_leaves=15,
)


@given(st.dictionaries(fields, messages, max_size=6), st.booleans())
def test_no_message_is_too_strange(message: dict[str, Any], obeys: bool) -> None:
    found = heard(message, obey_events=obeys, send_links=obeys, hangup_marker="##")
    assert found.actions
    menus = of(Menu, found.actions)
    assert [option.id for menu in menus for option in menu.options] == list(found.clicks)
    assert isinstance(text_of(message), str)


@given(st.dictionaries(st.text(max_size=5), anything, max_size=5))
def test_nor_anything_else(message: dict[str, Any]) -> None:
    assert heard(message).actions
    assert isinstance(text_of(message), str)


def test_long_messages_are_kept_in_part() -> None:
    assert kept({"a": "b"}) == {"a": "b"}
    long = kept({"a": "x" * 5000})
    assert isinstance(long, str)
    assert len(long) == MAX_KEPT
