"""Commands in the documents can be typed as they are printed, and configurations can be loaded."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from config.lint import lint
from config.loading import load
from config.settings import NumberSection, ProfileSection, Settings
from gateway.caller.steps import from_file, from_flags
from gateway.cli import command_line
from gateway.lab.directory import VENDORS, main_of
from gateway.plugins import installed
from tests.pages import Block, blocks, commands, mentioned_commands, name_of, pages

ENDS = {"|", ">", ">>", "2>", "&", "&&", "||", ";", "<"}
OTHERS = {"services", "scrape_configs", "groups"}
"""First keys of YAML that is not ours: container and monitoring files."""
PLACEHOLDERS = {"STEPS", "...", "…"}


def _talkpath(command: str) -> list[str] | None:
    """The arguments of a `talkpath` command line; None for any other command."""
    words = shlex.split(command, comments=True)
    while words and (re.fullmatch(r"[A-Z_]+=.*", words[0]) or words[0] in ("nice", "exec")):
        words.pop(0)
    if not words or words[0].rpartition("/")[2] != "talkpath":
        return None
    end = next((place for place, word in enumerate(words) if word in ENDS), len(words))
    return words[1:end]


COMMANDS = [
    pytest.param(arguments, id=f"{name_of(page)}: {command}")
    for page in pages()
    for command in dict.fromkeys((*commands(page), *mentioned_commands(page)))
    if "talkpath" in command and (arguments := _talkpath(command)) is not None
]
MENTIONED = {code.removeprefix("talkpath ") for page in pages() for code in mentioned_commands(page)}


@pytest.mark.parametrize("arguments", COMMANDS)
def test_the_command_parses(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    name, *rest = arguments
    if name in ("--help", "-h"):
        return
    group: Any = get_command(command_line())
    command = group.get_command(None, name)
    assert command is not None, f"there is no talkpath {name}"
    if {"--help", "-h"} & set(rest) and name != "lab":
        return
    if not rest and name in MENTIONED:
        return
    while hasattr(command, "commands") and rest:  # a group, such as a plug-in adds
        name, *rest = rest
        assert name in command.commands, f"there is no talkpath ... {name}"
        command = command.commands[name]
    if not rest and " ".join(arguments) in MENTIONED:
        return
    context = command.make_context(name, list(rest))
    if name == "call":
        _steps(context.args)
    if name == "lab" and context.params["vendor"] in VENDORS:
        _lab_options(context.params["vendor"], context.args, capsys)


def _steps(flags: list[str]) -> None:
    rest = [flag for flag in flags if flag not in PLACEHOLDERS]
    while "--steps" in rest:  # the file is checked where it is printed
        place = rest.index("--steps")
        assert rest[place + 1].endswith(".yaml")
        del rest[place : place + 2]
    from_flags(rest)


def _lab_options(vendor: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main_of(vendor)(["--help"])
    options = re.findall(r"--[a-z-]+", capsys.readouterr().out)
    assert {word.partition("=")[0] for word in arguments if word.startswith("--")} <= set(options)


# --- configurations --------------------------------------------------------------------------------------------------
YAML = [
    pytest.param(block, id=f"{name_of(page)}-{place}")
    for page in pages()
    for place, block in enumerate(blocks(page, "yaml"), 1)
]


@pytest.mark.parametrize("block", YAML)
def test_the_yaml_can_be_used(block: Block, tmp_path: Path) -> None:
    value = yaml.safe_load(re.sub(r"\$\{[^}]*\}", "1", block.text))
    if isinstance(value, list):
        file = tmp_path / "steps.yaml"
        file.write_text(block.text, encoding="utf-8")
        assert from_file(file)
        return
    if OTHERS & set(value):
        return
    file = tmp_path / "talkpath.yaml"
    file.write_text(_completed(block.text, value), encoding="utf-8")
    names = re.findall(r"\$\{(\w+)\}", block.text)
    settings = load(file, installed().sections(), dict.fromkeys(names, "a-secret-of-the-test"))
    if {"numbers", "bots", "lines"} <= set(value):
        assert [finding for finding in lint(settings) if finding.severity == "error"] == []


def _completed(text: str, value: dict[str, Any]) -> str:
    """A whole configuration of what a page shows of one."""
    if not set(value) & set(Settings.model_fields) and set(value) <= set(NumberSection.model_fields):
        inner = "".join(f"    {line}\n" for line in text.splitlines())
        text = f"numbers:\n  '*':\n{inner}"
        value = {"numbers": {"*": value}}
    assert set(value) <= {*Settings.model_fields, "include"}, f"no key of a configuration: {sorted(value)}"
    bots = {"reception", *(name for name in _bots_of(value) if name)}
    if "bots" not in value:
        entries = "".join(f"  {name}: {{backend: talkr, url: 'http://127.0.0.1:9101/bot'}}\n" for name in sorted(bots))
        text += f"\nbots:\n{entries}"
    if "numbers" not in value:
        text += f"\nnumbers:\n  '*': {{bot: {next(iter(value.get('bots') or ['reception']))}}}\n"
    return text


def _bots_of(value: dict[str, Any]) -> list[str | None]:
    numbers = value.get("numbers") or {}
    blocks_with_bots = [*numbers.values(), *(value.get("profiles") or {}).values(), value.get("defaults") or {}]
    return [block.get("bot") for block in blocks_with_bots if isinstance(block, dict)]


def test_a_profile_may_be_shown_like_a_number() -> None:
    assert set(ProfileSection.model_fields) < set(NumberSection.model_fields)
