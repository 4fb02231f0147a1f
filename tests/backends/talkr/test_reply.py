"""Answers are read liberally: whatever a server sends is an answer or is refused with the documented error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.talkr.protocol import State, interpret
from gateway.backends.talkr.reply import ABSENT, Reply, parse_reply
from gateway.backends.talkr.settings import TalkrBotSection
from gateway.errors import RemoteProtocolError
from tests.fakes.talkr import VECTORS

SETTINGS = TalkrBotSection(url="http://bot.example/")
ODD: list[Any] = [
    None, True, 0, 1, -1, 7.5, 1e300, "", " ", "200", "<speak>Hi", "a < b & c", "\ud83d", "{name}",
    "https://x.example/a", "transfer", "buttons", "audio", [], {}, [None, 3, "x"],
    {"content": ["a"], "type": "buttons"}, {"options": {"a": [1]}},
]  # fmt: skip
VALUES = st.sampled_from(ODD)
BLOCKS = st.lists(st.dictionaries(st.sampled_from(["type", "content", "tracking", "text", "url"]), VALUES), max_size=2)
SPEECH = st.dictionaries(
    st.sampled_from(["vendor", "voice", "language", "timeout", "hints", "options", "barge_in"]), VALUES
)
DATA = st.fixed_dictionaries(
    {},
    optional={
        "messages": BLOCKS | VALUES, "responses": BLOCKS | VALUES, "object_id": VALUES, "has_background_text": VALUES,
        "retries": VALUES, "hangup_no_response": VALUES, "speech_synthesis": SPEECH | VALUES,
        "speech_recognizer": SPEECH | VALUES, "background_content": VALUES,
    },
)  # fmt: skip
STRANGE = st.fixed_dictionaries(
    {},
    optional={
        "session": VALUES, "code": VALUES, "name": VALUES, "language": VALUES, "data": DATA | VALUES, "more": VALUES,
        "variables": st.dictionaries(st.sampled_from(["bot_answer", "error", "x"]), VALUES) | VALUES,
    },
)  # fmt: skip


def parse(value: Any) -> Reply:
    return parse_reply(json.dumps(value).encode())


def data(**fields: Any) -> Reply:
    return parse({"data": fields})


@given(STRANGE)
def test_any_json_object_is_understood_and_leads_to_actions(value: dict[str, Any]):
    reply = parse(value)
    after, actions = interpret(reply, State(), SETTINGS, 1)
    assert actions
    assert isinstance(after.session, str)
    json.dumps([getattr(action, "data", None) for action in actions], allow_nan=False)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_answer_or_refused(body: bytes):
    try:
        parse_reply(body)
    except RemoteProtocolError:
        return
    assert isinstance(json.loads(body.decode("utf-8-sig")), dict)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'"x"', b"<html>", b'{"a":', b"\xff\xfe{}", b'{"a":"\xe9"}', b"[" * 200_000]
)
def test_what_is_no_json_object_in_utf_8_is_refused(body: bytes):
    with pytest.raises(RemoteProtocolError):
        parse_reply(body)


def test_nesting_is_bounded():
    def nested(depth: int) -> bytes:
        return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)

    def listed(depth: int) -> bytes:
        return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    for body in (nested, listed):
        parse_reply(body(64))
        with pytest.raises(RemoteProtocolError, match="deeper than 64"):
            parse_reply(body(65))


@pytest.mark.parametrize(
    ("value", "is_set"),
    [(1, True), ("1", True), (True, True), ("true", True), (0, False), ("0", False), (False, False), (None, False),
     ("", False), ([], False), ({}, False), ("maybe", False)],
)  # fmt: skip
def test_flags(value: Any, is_set: bool):
    assert data(has_background_text=value).background is is_set
    assert data(hangup_no_response=value).hangup is is_set


@pytest.mark.parametrize(
    ("value", "retries"),
    [(0, 0), (3, 3), ("3", 3), (10, 10), (11, 10), (99, 10), (2.0, 2), (-1, None), (None, None), ("many", None),
     (True, None), ([], None), (2.5, None), ("", None), (1e300, None)],
)  # fmt: skip
def test_retries(value: Any, retries: int | None):
    assert data(retries=value).retries == retries


@pytest.mark.parametrize("value", [None, [], "text", 7])
def test_data_that_is_no_object_is_empty(value: Any):
    assert parse({"data": value, "variables": value, "session": "s"}) == Reply(session="s")


def test_a_single_object_or_a_string_stands_for_a_list():
    reply = data(messages={"content": "One"}, responses={"content": "What?", "tracking": "t"})
    assert (reply.texts, reply.tracking) == (("One",), "t")
    assert data(messages=["One", {"content": "Two"}], responses=None).texts == ("One", "Two")
    assert data(messages="One").texts == ("One",)


def test_tk10_a_tracking_goes_back_exactly_as_it_came():
    exact = b'{"session": 12345678901234567890, "data": {"responses": [{"tracking": 17517300000000000000001.50}]}}'
    reply = parse_reply(exact)
    assert (reply.session, reply.tracking) == ("12345678901234567890", "17517300000000000000001.50")
    assert data(responses=[{"tracking": "  padded "}]).tracking == "  padded "


def test_tk10_which_tracking_counts():
    assert data(responses=[{"tracking": ""}, {"tracking": "second"}], object_id="o").tracking == "second"
    assert data(responses=[{"tracking": None}], object_id="o").tracking == "o"
    assert data(responses=[{"tracking": True}]).tracking == ""


def test_a_number_as_an_answer_is_spoken_as_it_was_written():
    assert parse_reply(b'{"variables": {"bot_answer": 3.50}}').answer == "3.50"
    assert parse({"variables": {"bot_answer": ["no", "text"]}}).answer is None
    assert parse({"variables": {"bot_answer": "  "}}).answer is None


@pytest.mark.parametrize("value", [None, "", False, 0, "0", {}, []])
def test_no_error(value: Any):
    assert parse({"variables": {"error": value}}).error is None


@pytest.mark.parametrize(("value", "text"), [("oops", "oops"), (True, "true"), ({"line": 3}, '{"line": 3}')])
def test_tk28_errors(value: Any, text: str):
    assert parse({"variables": {"error": value}}).error == text


@pytest.mark.parametrize(("value", "code"), [(200, 200), ("404", 404), (None, None), (0, None), ("fine", None)])
def test_body_code(value: Any, code: int | None):
    assert parse({"code": value}).code == code


def test_speech_objects_missing_null_and_given_are_told_apart():
    assert data().synthesis is ABSENT
    assert data(speech_synthesis=None).synthesis is None
    assert data(speech_synthesis={"voice": "x"}).synthesis == {"voice": "x"}
    assert data(speech_synthesis="x").synthesis is ABSENT


def test_half_a_surrogate_pair_does_not_reach_a_voice():
    assert parse_reply(b'{"variables": {"bot_answer": "a \\ud83d b"}}').answer == "a ? b"


def test_g3_the_documents_answer():
    reply = parse(VECTORS["response"])
    assert (reply.session, reply.name, reply.slug, reply.code) == ("abc123...", "Bot name", "FR", 200)
    assert (reply.texts, reply.answer, reply.background) == (("Please wait...",), "Final bot response", True)
    assert (reply.tracking, reply.object_id, reply.retries) == ("175173...", "175173...", None)
    assert reply.other == {"data": {"background_content": "ok"}}


def test_more_items_than_anybody_listens_to_are_left_out():
    reply = data(messages=[str(n) for n in range(150)], responses=[{"content": str(n)} for n in range(150)])
    assert reply.texts == tuple(str(n) for n in range(100))
    assert len(reply.responses) == 100


def test_the_language_may_be_a_word_instead_of_an_object():
    assert parse({"language": "FR"}).slug == parse({"language": {"slug": " FR "}}).slug == "FR"
    assert parse({"language": {"name": "French"}}).slug == parse({"language": ["FR"]}).slug == ""


def test_what_a_block_says_may_stand_under_text():
    assert data(
        messages=[{"text": "One"}, {"content": None, "text": "Two"}, {"content": "", "text": "Three"}]
    ).texts == (
        "One",
        "Two",
        "",
    )


@pytest.mark.parametrize("word", ["yes", "on", "ON", " true ", "1.0", 1.0])
def test_other_words_for_yes(word: Any):
    assert data(has_background_text=word).background


@pytest.mark.parametrize("word", ["no", "off", "FALSE", " 0 "])
def test_other_words_for_no(word: str):
    assert not data(has_background_text=word).background
    assert parse({"variables": {"error": word}}).error is None


@pytest.mark.parametrize(
    ("value", "code"), [(99, None), (100, 100), (599, 599), (600, None), (" 503 ", 503), (-404, None)]
)
def test_codes_that_can_be_a_status(value: Any, code: int | None):
    assert parse({"code": value}).code == code


def test_errors_in_many_parts_are_kept_whole():
    assert parse({"variables": {"error": ["a", 1]}}).error == '["a", 1]'


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("7", 7),
        ("-7", -7),
        ("2.5", 2.5),
        ("1e3", 1000.0),
        ("123456789012345678", 123456789012345678),
        ("1234567890123456789", "1234567890123456789"),  # more digits than every reader of a record keeps
        ("1e15", "1e15"),
        ("999999999999999.0", 999999999999999.0),
        ("-1e400", "-1e400"),
        ("NaN", None),
        ("true", True),
        ('" text "', "text"),
        ('[1, {" k ": 2}]', [1, {"k": 2}]),
    ],
)
def test_tk27_what_nobody_knows_is_kept_as_it_was_meant(written: str, kept: Any):
    other = parse_reply(f'{{"more": {written}, "data": {{"deep": {written}}}}}'.encode()).other
    assert other == {"more": kept, "data": {"deep": kept}}
    assert type(other["more"]) is type(kept)


def test_what_is_known_is_not_kept_twice():
    known = {
        "messages": [], "responses": [], "object_id": 1, "has_background_text": 1, "retries": 1,
        "hangup_no_response": 1, "speech_synthesis": {}, "speech_recognizer": {},
    }  # fmt: skip
    everything = {"session": "s", "code": 200, "name": "n", "language": "FR", "variables": {"x": 1}, "data": known}
    assert parse(everything).other == {}
