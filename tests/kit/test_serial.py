"""Every value of the vocabulary comes back from JSON as it was."""

from __future__ import annotations

import datetime
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import is_dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from audio.format import PCMU_8K
from audio.frame import Frame
from config.call import NumberSettings
from gateway import events
from gateway.actions import ActionBatch, Listen, Menu, MenuOption, Record, Say
from gateway.call import commands
from gateway.call.outcome import CallOutcome
from gateway.caller_events import CallerEvent, UserText
from gateway.events import AudioReceived, BotReplied, CallInfo, Transcript, TranscriptUpdated
from gateway.interfaces import LegCapabilities
from gateway.kit.serial import from_json, known_types, to_json
from gateway.speech_interfaces import ListenSettings, Utterance

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.just("type"), inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=6,
)
DATA = st.dictionaries(st.text() | st.sampled_from(["type", "items"]), JSON, max_size=3)
st.register_type_strategy(datetime.date, st.dates() | st.datetimes())

WORKING_STATE = {"Prompt", "Stretch", "Waiting", "Ear", "CallerTurn", "Facts"}
"""Facts of a running conversation: mutable, and never written."""
VALUES = sorted(
    name
    for name, known in known_types().items()
    if is_dataclass(known) and name not in WORKING_STATE | {"Webhook", "SocketRoute", "HttpRequest", "HttpReply"}
)


def there_and_back(value):
    return from_json(json.loads(json.dumps(to_json(value))))


def values(known: type) -> st.SearchStrategy:
    hints = typing.get_type_hints(known)
    return st.builds(known, **{name: _field(hint) for name, hint in hints.items()})


def _field(hint) -> st.SearchStrategy:
    if hint is typing.Any:
        return JSON | st.dates()
    if hint is float:
        return st.floats(allow_nan=False)
    if hint is datetime.date:
        return st.dates()
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return st.just(NumberSettings(number="+331", bot="b"))
    if isinstance(hint, type) and is_dataclass(hint):
        return values(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([_field(choice) for choice in arguments])
    if origin is tuple:
        return st.lists(_field(arguments[0]), max_size=2).map(tuple)
    if origin in (dict, Mapping):
        return DATA if arguments[1] is typing.Any else st.dictionaries(st.text(), _field(arguments[1]), max_size=2)
    return st.from_type(hint)


@pytest.mark.parametrize("name", VALUES)
def test_every_value_comes_back(name):
    @settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(values(known_types()[name]))
    def check(value):
        assert there_and_back(value) == value
        assert type(there_and_back(value)) is type(value)

    check()


def test_every_event_and_command_is_known():
    names = {kind.__name__ for kind in events.CallEvent.__args__ + CallerEvent.__args__}
    names |= {kind.__name__ for kind in commands.Command.__args__}
    assert names <= known_types().keys()


def test_a_line_reads_as_one_would_write_it():
    event = TranscriptUpdated(stream=2, transcript=Transcript(text="oui", final=True))
    assert to_json(event) == {
        "type": "TranscriptUpdated",
        "stream": 2,
        "transcript": {
            "type": "Transcript",
            "text": "oui",
            "final": True,
            "ends_turn": False,
            "confidence": None,
            "language": None,
            "alternatives": [],
        },
    }


def test_nested_actions_keep_their_tuples():
    menu = Menu(menu_id="m", options=(MenuOption(id="1", label="a", aliases=("b", "c")),))
    event = BotReplied(batch=ActionBatch(actions=(Say(text="x"), menu, Listen(no_input_prompts=("y",))), turn=3))
    assert there_and_back(event) == event


def test_free_data_may_look_like_a_value():
    record = Record(kind="note", data={"type": "UserText", "list": [1, (2, 3)], "when": datetime.date(2026, 1, 2)})
    assert there_and_back(record) == record


def test_what_the_bot_named_only_comes_back_whole():
    utterance = Utterance(text="x", options={"rate": 1.5, "list": ["a"]}, format=PCMU_8K)
    assert there_and_back(utterance) == utterance
    assert there_and_back(LegCapabilities(format=PCMU_8K)).format.encoding is PCMU_8K.encoding
    assert there_and_back(ListenSettings(phrases=("a",), options={"x": [1]})).phrases == ("a",)


def test_settings_come_back():
    number = NumberSettings.model_validate({"number": "+331", "bot": "b", "barge_in": {"by": ["digits"]}})
    assert there_and_back(number) == number


def test_a_date_of_a_question_comes_back():
    event = UserText(turn=1, text="tomorrow", value=datetime.date(2026, 11, 22))
    assert there_and_back(event) == event


def test_audio_is_not_written():
    with pytest.raises(ValueError, match="AudioReceived"):
        to_json(AudioReceived(Frame(b"", PCMU_8K)))


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"type": 3},
        {"type": "Path"},
        {"type": "CallOutcome"},
        {"type": "CallOutcome", "x": 1},
        [],
        {"type": "Frame"},
    ],
)
def test_nonsense_is_refused(data):
    with pytest.raises(ValueError):
        from_json(data)


def test_outcome_and_info():
    outcome = CallOutcome(result="completed", by="caller", reason="x")
    assert there_and_back(outcome) == outcome
    info = CallInfo(call_id="1", custom={"type": "x"})
    assert there_and_back(info) == info
