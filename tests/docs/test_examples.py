"""The example configurations are sound as they are shipped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config.loading import load
from gateway.checking import examine
from gateway.plugins import installed
from tests.fakes.certificates import shared
from tests.pages import ROOT, name_of

CONFIGURATIONS = sorted(ROOT.glob("examples/**/*.yaml"))
VALUES = {
    "TLS_CERTIFICATE": str(shared()[1].certificate),
    "TLS_KEY": str(shared()[1].key),
    "PUBLIC_URL": "https://voice.example.com",
    "TALKR_URL": "https://bot.example.com/api/{company}/{bot_id}/{channel}",
}


def _environment(file: Path) -> dict[str, str]:
    """A value for each variable that has no default of its own, also in files beside this one that it may include."""
    names = re.findall(r"\$\{(\w+)\}", "".join(path.read_text(encoding="utf-8") for path in file.parent.glob("*.yaml")))
    return {name: VALUES.get(name, "a-secret-of-the-test") for name in names}


@pytest.mark.asyncio
@pytest.mark.parametrize("file", CONFIGURATIONS, ids=name_of)
async def test_the_configuration_has_no_errors(file: Path) -> None:
    settings = load(file, installed().sections(), _environment(file))
    assert [str(finding) for finding in await examine(settings) if finding.severity == "error"] == []
    assert settings.numbers


@pytest.mark.asyncio
async def test_the_one_for_talkr_is_without_warnings() -> None:
    file = ROOT / "examples" / "talkr" / "talkpath.yaml"
    settings = load(file, installed().sections(), _environment(file))
    assert [str(finding) for finding in await examine(settings)] == []
    for called, number in (("0123456789", "+33123456789"), ("0033123456790", "+33123456790"), ("600", "600")):
        found = settings.number_for(called)
        assert found is not None
        assert found.number == number
    assert settings.number_for("+33999999999") is None


def test_its_environment_is_listed_at_its_head() -> None:
    text = (ROOT / "examples" / "talkr" / "talkpath.yaml").read_text(encoding="utf-8")
    head = text.partition("\nserver:")[0]
    assert set(re.findall(r"\$\{(\w+)", text)) - {"VARIABLES"} <= set(re.findall(r"[A-Z_]{4,}", head))


def test_the_services_wait_for_running_calls_is_longer_than_the_gateways() -> None:
    service = (ROOT / "examples" / "systemd" / "talkpath.service").read_text(encoding="utf-8")
    talkr = (ROOT / "examples" / "talkr" / "talkpath.yaml").read_text(encoding="utf-8")
    waits = [
        int(re.findall(pattern, text)[0])
        for pattern, text in ((r"TimeoutStopSec=(\d+)", service), (r"drain_timeout: (\d+)", talkr))
    ]
    assert waits[0] > waits[1]
