"""What parsers remember: what comes again, and never more than a little, whatever strangers send."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.headers import parse_via
from gateway.transports.sip.remembering import MAX_CHARS, REMEMBERED, remembering
from gateway.transports.sip.uri import parse_name_address, parse_uri


class Parser:
    """Reads anything but blanks, and counts how often."""

    def __init__(self) -> None:
        self.times: Counter[str] = Counter()
        self.read = remembering(self._read)

    def _read(self, text: str) -> tuple[str, ...]:
        self.times[text] += 1
        if text == " ":
            raise SipParseError("a blank", status=400)
        return (text,)


def test_what_comes_again_is_not_read_again() -> None:
    parser = Parser()
    assert [parser.read(text) for text in "aaba"] == [("a",), ("a",), ("b",), ("a",)]
    assert parser.times == {"a": 1, "b": 1}


def test_what_is_refused_is_refused_each_time() -> None:
    parser = Parser()
    for _ in range(2):
        with pytest.raises(SipParseError):
            parser.read(" ")
    assert parser.times == {" ": 2}


def test_long_texts_are_not_kept() -> None:
    parser = Parser()
    short, long = "x" * MAX_CHARS, "x" * (MAX_CHARS + 1)
    for text in (short, long):
        assert [parser.read(text), parser.read(text)] == [(text,), (text,)]
    assert parser.times == {short: 1, long: 2}


def test_of_many_texts_the_oldest_is_forgotten() -> None:
    parser = Parser()
    texts = [str(number) for number in range(REMEMBERED + 1)]
    for text in [*texts, texts[-1], texts[0]]:
        parser.read(text)
    assert (parser.times[texts[-1]], parser.times[texts[0]]) == (1, 2)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_uri, "sip:ada@example.com;lr"),
        (parse_name_address, '"Ada" <sip:ada@example.com>;tag=1'),
        (parse_via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
    ],
)
def test_what_the_parsers_give_to_several_cannot_be_changed_by_one(parse: object, text: str) -> None:
    assert callable(parse)
    found = parse(text)
    assert parse(text) is found
    for field in dataclasses.fields(found):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(found, field.name, None)
    hash(found)  # nor is there anything in it that could be
