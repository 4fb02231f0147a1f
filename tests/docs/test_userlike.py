"""The page for owners of a bot written for Userlike says what the adapter does."""

from __future__ import annotations

import re

import pytest

from config.call import AnswerWhenSection
from config.loading import load
from config.settings import NumberSection
from gateway.backends.userlike import names
from gateway.backends.userlike.payloads import MAX_DELAY, READERS
from gateway.backends.userlike.settings import UnassignedSection, UserlikeBotSection
from gateway.backends.userlike.triggers import MAX_BODY, MAX_OPTIONS
from gateway.checking import examine
from gateway.plugins import installed
from tests.pages import ROOT

PAGE = (ROOT / "docs" / "userlike.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples" / "userlike" / "talkpath.yaml"


def test_every_event_a_bot_can_trigger_is_there() -> None:
    rows = "".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))
    assert [name for name in READERS if f"`{name}`" not in rows] == []


def test_every_event_a_bot_is_told_of_is_there() -> None:
    for name in ("start", "message", "click", "media", "location", "forward_failed", "campaign_unsubscribe"):
        assert f"| `{name}` |" in PAGE


def test_ul03_registration_mode_is_said_not_to_apply() -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith("| Registration mode")]
    assert "not applicable" in row


def test_ul02_every_behavior_mode_has_its_settings() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| (Firewall|Service time|Backup|Human):", line)]
    modes = set(re.findall(r"mode: (\w+)", "".join(rows)))
    assert len(rows) == 4
    assert modes == set(AnswerWhenSection.model_fields["mode"].annotation.__args__)  # type: ignore[union-attr]  # a Literal


def test_bounds_and_statuses_are_right() -> None:
    assert f"More than {MAX_BODY:,} characters" in PAGE
    assert f"up to {MAX_DELAY:g} s" in PAGE
    assert f"the first {MAX_OPTIONS} are offered" in PAGE
    for status in (names.ACCEPTED, names.REFUSED, names.UNAUTHORIZED, names.NO_SESSION, names.NO_MEDIA, names.TOO_MANY):
        assert f"\n| {status} |" in PAGE


def test_settings_that_are_named_exist_with_their_defaults() -> None:
    settings = UserlikeBotSection(webhook_url="https://bot.example.com")
    assert f"`conversation_timeout` ({settings.conversation_timeout:g} s)" in PAGE
    assert f"`timeout` ({settings.timeout:g} s)" in PAGE
    for name in re.findall(r"^    (\w+):", PAGE, re.MULTILINE):
        assert name in {*UserlikeBotSection.model_fields, *NumberSection.model_fields}
    for policy in UnassignedSection.model_fields["then"].annotation.__args__:  # type: ignore[union-attr]  # a Literal
        assert f"| `{policy}` |" in PAGE


@pytest.mark.asyncio
async def test_the_example_is_without_warnings() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    variables = set(re.findall(r"\$\{(\w+)\}", text))
    assert variables <= set(re.findall(r"[A-Z_]{4,}", text.partition("\nserver:")[0]))
    environment = dict.fromkeys(variables, "a-secret-of-the-test") | {"PUBLIC_URL": "https://voice.example.com"}
    settings = load(EXAMPLE, installed().sections(), environment)
    assert [str(finding) for finding in await examine(settings)] == []
