"""The page on how a call behaves has the defaults that are in force, and every outcome there is."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
import yaml

from config.call import CallSection
from config.nearest import keys_of
from gateway.call.outcome import Result
from gateway.text.catalogue import Catalogue
from tests.pages import ROOT, blocks, prose

PAGE = ROOT / "docs" / "calls.md"
DEFAULTS = CallSection().model_dump()
OF_DEFAULTS = ("end_silence", "digits", "barge_in", "no_input", "max_length", "idle_limit")


def _shown() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for block in blocks(PAGE, "yaml"):
        found |= {name: value for name, value in yaml.safe_load(block.text).items() if name in OF_DEFAULTS}
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def test_the_blocks_of_defaults_are_the_defaults() -> None:
    shown = _shown()
    assert set(shown) == set(OF_DEFAULTS)
    for name in OF_DEFAULTS:
        default = DEFAULTS[name]
        wanted = {key: _plain(item) for key, item in default.items()} if isinstance(default, dict) else default
        assert shown[name] == wanted


@pytest.mark.parametrize(("name", "value"), sorted(set(re.findall(r"`(\w+)` \(([\d.]+)\)", prose(PAGE)))))
def test_a_default_in_brackets_is_the_default(name: str, value: str) -> None:
    holder = DEFAULTS if name in DEFAULTS else DEFAULTS["digits"]
    assert float(value) == holder[name]


def test_every_outcome_of_a_call_with_a_record_is_explained() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", prose(PAGE), re.MULTILINE))
    assert rows == set(get_args(Result)) - {"refused"}


def test_quoted_sentences_are_the_gateways_own() -> None:
    text, words = prose(PAGE), Catalogue.for_language("en")
    for name in ("apology", "filler"):
        assert f'"{words.say(name)}"' in text


def test_every_setting_of_a_call_that_is_named_is_there() -> None:
    names = {code.partition(":")[0] for code in re.findall(r"`([a-z]+_[a-z_]+(?:\.[a-z_]+)?)", prose(PAGE))}
    known = {*keys_of(CallSection), *get_args(Result), *DEFAULTS["digits"], *DEFAULTS["barge_in"]}
    unknown = {name for name in names if name not in known and not name.startswith("talkpath_")}
    assert not unknown
