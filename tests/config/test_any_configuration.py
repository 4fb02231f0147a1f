"""Whatever an operator writes, it loads or is refused with problems that name their place; nothing else happens."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from config.call import CallSection, NumberSettings
from config.errors import ConfigError, ConfigErrors
from config.lint import lint
from config.loading import load
from config.origins import explain
from config.settings import NumberSection, Settings
from tests.fakes.config_sections import PLUGINS

WORDS = [
    "",
    "local",
    "cloud",
    "pbx",
    "chat",
    "a",
    "b",
    "off",
    "none",
    "speech",
    "digits",
    "idle",
    "+33123",
    "100",
    "/m",
]
NESTED = ["by", "timeout", "retries", "prompts", "vendor", "options", "allow", "ring", "mode", "username", "basic"]
PLUGIN_KEYS = ["transport", "backend", "engine", "auth", "path", "include", "url"]
KEYS = [*Settings.model_fields, *NumberSection.model_fields, *PLUGIN_KEYS]

leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 99), st.floats(), st.sampled_from(WORDS), st.text(max_size=5)
)
keys = st.sampled_from([*KEYS, *NESTED, *WORDS])
blocks = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)
named = st.dictionaries(st.sampled_from(WORDS), st.dictionaries(keys, blocks, max_size=4) | leaves, max_size=3)
conduct = st.dictionaries(st.sampled_from(list(NumberSection.model_fields)), blocks, max_size=4)
trees = st.fixed_dictionaries(
    {},
    optional={
        "server": st.dictionaries(keys, blocks, max_size=3) | leaves,
        "lines": named | leaves,
        "bots": st.just({"a": {"backend": "chat", "url": "x"}}) | named | leaves,
        "speech": named | leaves,
        "defaults": conduct | leaves,
        "profiles": st.dictionaries(st.sampled_from(WORDS), conduct | leaves, max_size=2) | leaves,
        "numbers": st.dictionaries(st.sampled_from(WORDS), conduct | leaves, max_size=3) | leaves,
        "media": blocks,
        "include": blocks,
    },
)


def attempt(folder: Path, tree: dict[str, Any]) -> Settings | None:
    file = folder / "t.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    problems: tuple[ConfigError, ...] = ()
    loaded = None
    try:
        loaded = load(file, PLUGINS, {})
    except ConfigErrors as errors:
        problems = errors.problems
    assert all(problem.reason and problem.file for problem in problems)
    assert len(set(map(str, problems))) == len(problems)
    assert (loaded is None) == bool(problems)
    return loaded


@settings(deadline=None, max_examples=300)
@given(trees)
def test_any_tree_loads_or_is_refused(tree: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        loaded = attempt(Path(folder), tree)
    if loaded is not None:
        assert all(finding.text for finding in lint(loaded))
        assert all(explain(loaded, number) for number in loaded.numbers if number not in ("*",))


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(["fr-FR", "en"]), st.integers(0, 10), st.lists(st.text(max_size=5), max_size=3))
def test_settings_of_a_call_survive_its_journal(language: str, retries: int, prompts: list[str]) -> None:
    number = NumberSettings.model_validate(
        {"number": "*", "bot": "a", "language": language, "no_input": {"retries": retries, "prompts": prompts}}
    )
    assert NumberSettings.model_validate_json(number.model_dump_json()) == number


def test_numbers_have_what_calls_have() -> None:
    assert set(CallSection.model_fields) < set(NumberSection.model_fields) <= {*NumberSettings.model_fields, "number"}
