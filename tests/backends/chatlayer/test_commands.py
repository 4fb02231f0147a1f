"""`talkpath chatlayer ...` against the lab, from the command line's own parser to the platform's answer."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from gateway.backends.chatlayer.commands import described
from gateway.cli import command_line
from gateway.errors import ConfigError, LocalProtocolError, VendorRejected
from gateway.lab.chatlayer import ACCESS_TOKEN, LabChatlayer
from tests.fakes.chatlayer import VECTORS, bot_settings

USER = "u" * 36


class Elsewhere:
    """A lab in a thread of its own: a command has an event loop for itself."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.lab: LabChatlayer

    def __enter__(self) -> Elsewhere:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        async with LabChatlayer() as self.lab:
            self._started.set()
            await self._over.wait()


@pytest.fixture
def lab() -> Iterator[LabChatlayer]:
    with Elsewhere() as elsewhere:
        yield elsewhere.lab


def run(
    lab: LabChatlayer, folder: Path, *arguments: str, bots: dict[str, Any] | None = None, ok: bool = True
) -> Result:
    bot = {"backend": "chatlayer", **bot_settings(lab.url), "access_token": ACCESS_TOKEN}
    file = folder / "talkpath.yaml"
    file.write_text(yaml.safe_dump({"bots": {"travel": bot} if bots is None else bots}))
    found = CliRunner().invoke(command_line(), ["chatlayer", *arguments, "-c", str(file)])
    assert (found.exit_code == 0) is ok, found.output
    return found


def test_c13_cl25_language_understanding_for_a_person(lab: LabChatlayer, tmp_path: Path) -> None:
    said = run(lab, tmp_path, "nlp", "what are your opening hours").output.splitlines()
    assert said[0] == "intent  opening hours  1.0000"
    assert said[-1] == "thresholds: intent 0.8, entity 0.7"
    assert lab.requests[-1].path == "/api/bots/11/extract/LIVE"
    assert lab.requests[-1].json() == {"language": "en", "expression": "what are your opening hours"}


def test_c13_cl25_or_as_json(lab: LabChatlayer, tmp_path: Path) -> None:
    output = run(lab, tmp_path, "nlp", "tickets", "--language", "FR", "--version", "DRAFT", "--json").output
    assert json.loads(output)["intent"] == "tickets"
    assert lab.requests[-1].path == "/api/bots/11/extract/DRAFT"
    assert lab.requests[-1].json()["language"] == "fr"


def test_c13_the_document_s_example_for_a_person() -> None:
    assert described(VECTORS["extract_response"]["data"]["extract"]) == [
        "intent  book train ticket  0.9999",
        "        book train ticket  0.9999",
        "        define train class  0.0001",
        "        yes  0.0000",
        "entity  arrival_date: Tomorrow  0.6109",
        "entity  time: 2020-05-13T01:00:00.000+00:00  1.0000",
        "entity  time_grain: hour  1.0000",
        "thresholds: intent 0.8, entity 0.7",
    ]


def test_cl26_a_strange_extract_is_described_as_far_as_it_goes() -> None:
    strange = {"intent": None, "intents": "x", "entities": [3, {"name": "a"}], "score": "high"}
    assert described(strange) == ["intent  None  ", "entity  a: None  ", "thresholds: intent None, entity None"]


def test_cl07_all_messages_since_a_day_as_in_the_introduction(lab: LabChatlayer, tmp_path: Path) -> None:
    run(lab, tmp_path, "act", USER, "--text", "Où êtes-vous ?")
    found = json.loads(run(lab, tmp_path, "messages", "--from", "2019-09-11").output)
    assert [row["message"] for row in found] == [{"text": "Où êtes-vous ?"}]
    assert lab.requests[-1].path == "/api/chatMessage/11"
    assert lab.requests[-1].query == {"access_token": ACCESS_TOKEN, "from": "2019-09-11"}


def test_c10_cl21_cl22_cl23_an_action(lab: LabChatlayer, tmp_path: Path) -> None:
    arguments = ["--text", "One.", "--text", "Two.", "--namespace", "options", "--data", "a=b=c", "--data", "d=e"]
    run(lab, tmp_path, "act", USER, "--dialogstate", "3052", *arguments)
    assert lab.requests[-1].json() == {
        "botId": "11",
        "senderId": USER,
        "session": {"namespace": "options", "data": {"a": "b=c", "d": "e"}},
        "action": {"nextDialogstate": "3052"},
        "messages": [
            {"type": "text", "config": {"textMessages": [{"text": "One."}]}},
            {"type": "text", "config": {"textMessages": [{"text": "Two."}]}},
        ],
    }


def test_c12_cl24_an_action_that_would_be_refused_is_not_sent(lab: LabChatlayer, tmp_path: Path) -> None:
    found = run(lab, tmp_path, "act", USER, "--data", "a=b", ok=False)
    assert isinstance(found.exception, LocalProtocolError)
    assert lab.requests == []


def test_c9_cl15_the_history_of_a_conversation(lab: LabChatlayer, tmp_path: Path) -> None:
    run(lab, tmp_path, "act", USER, "--text", "One.", "--dialogstate", "3052")
    lines = [json.loads(line) for line in run(lab, tmp_path, "history", USER).output.splitlines()]
    assert [line["actor"] for line in lines] == ["bot", "bot"]
    assert lines[0]["text"] == "One."


def test_which_bot_is_asked(lab: LabChatlayer, tmp_path: Path) -> None:
    bot = {"backend": "chatlayer", **bot_settings(lab.url), "access_token": ACCESS_TOKEN}
    two = {"one": bot, "two": {**bot, "access_token": "wrong"}}
    assert isinstance(run(lab, tmp_path, "history", USER, bots=two, ok=False).exception, ConfigError)
    run(lab, tmp_path, "history", USER, "--bot", "one", bots=two)
    refused = run(lab, tmp_path, "history", USER, "--bot", "two", bots=two, ok=False)
    assert isinstance(refused.exception, VendorRejected)
    assert isinstance(run(lab, tmp_path, "history", USER, "--bot", "three", bots=two, ok=False).exception, ConfigError)
    assert isinstance(run(lab, tmp_path, "history", USER, bots={}, ok=False).exception, ConfigError)
