"""The JSON Schema: it accepts what loads, and refuses what does not, as far as a schema can tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.document import parse
from config.plugins import PluginSections
from config.schema import schema
from tests.config.test_loading import WHOLE
from tests.fakes.config_sections import PLUGINS
from tests.fakes.json_schema import violations

SCHEMA = schema(PLUGINS)
EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "example.yaml"


class Everything(dict[str, str]):
    """An environment in which every variable is set."""

    def get(self, key: str, default: Any = None) -> Any:
        return "1"


def broken(text: str) -> list[str]:
    document = parse(text, "t.yaml", Everything())
    return list(violations(document.values, SCHEMA, SCHEMA))


def test_it_is_json() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        "",
        "include: [a.yaml]",
        "include: a.yaml",
        "speech:\nnumbers:\n  '100':\nprofiles: {a: }",
        "server: {port: '$${PORT}', max_calls: '$${N}', vad: '$${VAD}'}",
        "records: {journal: off}\nlogging: {pii: yes}",
        "lines: {a: {transport: pbx, auth: none}, b: {transport: pbx, auth: {bearer: t}}}",
        "lines: {a: {transport: pbx, fields: {from: ani, to: [x]}}}",
        "speech: {cloud: {api_key: k}, local: , second: {engine: cloud, api_key: k}}",
        "speech: {'cloud:third': {api_key: k}, 'cloud:fourth': {engine: local}}",
        "numbers: {'*': {barge_in: {by: off}, hear_during_prompt: digits, transfer: {allow: +33}}}",
        "numbers: {'*': {digits: {term_char: off}, recording: {mode: on}, recognizer: {hints: [1, no]}}}",
        "defaults: {bot: a, synthesizer: {options: {a: {b: [1]}}, fallback: [{vendor: local}]}}",
    ],
)
def test_accepted(text: str) -> None:
    assert broken(text) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("servr: {}", ".servr: unknown"),
        ("server: {porrt: 1}", ".server.porrt: unknown"),
        ("server: {port: 99999}", ".server.port: anyOf"),
        ("server: {vad: x}", ".server.vad: anyOf"),
        ("lines: {a: {}}", ".lines.a.transport: required"),
        ("lines: {a: {transport: x}}", ".lines.a.transport: enum"),
        ("lines: {a: {transport: pbx, account: x}}", ".lines.a.account: unknown"),
        ("lines: {a: {transport: carrier, codec: ulaw}}", ".lines.a.codec: unknown"),
        ("lines: {a: {transport: pbx, auth: open}}", ".lines.a.auth: anyOf"),
        ("bots: {a: {backend: chat}}", ".bots.a.url: required"),
        ("speech: {cloud: {}}", ".speech.cloud: anyOf"),
        ("speech: {second: {api_key: k}}", ".speech.second.engine: required"),
        ("speech: {'cloud:third': {key: k}}", ".speech.cloud:third: anyOf"),
        ("speech: {cloud: {engine: local, api_key: k}}", ".speech.cloud.api_key: unknown"),
        ("numbers: {'1': {no_input: {retries: -1}}}", ".numbers.1: anyOf"),
        ("profiles: {a: {profile: b}}", ".profiles.a: anyOf"),
        ("defaults: {barge_in: {by: [speech, keys]}}", ".defaults.barge_in.by: anyOf"),
        ("numbers: []", ".numbers: type"),
    ],
)
def test_refused(text: str, where: str) -> None:
    assert where in broken(text)


def test_the_shipped_example_names_only_keys_that_exist() -> None:
    written = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    values = {name: block for name, block in written.items() if name not in ("lines", "bots")}
    assert list(violations(values, SCHEMA, SCHEMA)) == []


def test_every_key_is_described() -> None:
    silent = [
        f"{name}.{key}"
        for name, section in SCHEMA["$defs"].items()
        for key, rule in section.get("properties", {}).items()
        if "description" not in rule and "const" not in str(rule) and name != "SpeechEntry" and not _is_block(rule)
    ]
    assert silent == []


def _is_block(rule: dict[str, Any]) -> bool:
    """A block's own definition describes it."""
    reference = rule.get("$ref", "").rpartition("/")[2]
    return bool(reference) and "description" in SCHEMA["$defs"][reference]


def test_without_plugins_there_is_a_schema_too() -> None:
    empty = schema(PluginSections())
    assert list(violations({"numbers": {"1": {"bot": "a"}}}, empty, empty)) == []
    assert list(violations({"lines": {"a": {"transport": "pbx"}}}, empty, empty)) == [".lines.a.transport: enum"]
