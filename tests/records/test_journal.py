"""Journals: what is written is read as it was; damage is told from a cut; nothing a bot sends can break the call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from gateway.actions import Record, Say
from gateway.events import CallOffered
from gateway.records.disk import AppendOnly, DiskWriter
from gateway.records.journal import VERSION, Journal, JournalUnreadable, line_of, read, replay
from tests.fakes.journalling import STARTED, KeptPlaybook, assert_replays


def kept_call(folder: Path, *actions: Any) -> Path:
    """The journal of a short call."""
    play = KeptPlaybook(folder)
    play.greet("Welcome", *actions)
    play.speak("opening hours, s'il vous plaît", at=3.0)
    play.reply("From nine to five")
    play.play_out()
    return play.finish()


def test_a_journal_has_the_setup_then_every_step_as_handled(tmp_path: Path) -> None:
    play = KeptPlaybook(tmp_path, number={"no_input": {"retries": 7}})
    play.greet()
    play.speak("opening hours", at=3.0)
    setup, steps = read(play.finish())
    assert setup == play.conversation.facts.setup
    assert [(step.event, list(step.commands)) for step in steps] == [(event, done) for _, event, done in play.log]
    assert [step.now for step in steps] == [round(now, 6) for now, _, _ in play.log]


def test_its_first_line_says_version_and_start(tmp_path: Path) -> None:
    head = json.loads(kept_call(tmp_path).read_bytes().split(b"\n")[0])
    assert (head["version"], head["started_at"]) == (VERSION, STARTED.isoformat(timespec="milliseconds"))


def test_a_changed_decision_is_found(tmp_path: Path) -> None:
    path = kept_call(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"From nine to five", b"From ten to five", 1))
    differences = replay(*read(path))
    assert [type(found.step.event).__name__ for found in differences] == ["BotReplied"]
    assert b"From ten" in path.read_bytes().split(b"\n")[differences[0].line - 1]


# --- damage --------------------------------------------------------------------------------------------------------
@given(data=st.data())
def test_a_journal_cut_anywhere_gives_the_steps_before_the_cut(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    whole = folder / "whole.jsonl"
    if not whole.exists():
        kept_call(folder).rename(whole)
    content = whole.read_bytes()
    _, steps = read(whole)
    head = content.index(b"\n") + 1
    cut = data.draw(st.integers(min_value=head, max_value=len(content)))
    torn = folder / "torn.jsonl"
    torn.write_bytes(content[:cut])
    complete = content[head:cut].count(b"\n")
    found = read(torn)[1]
    assert found == steps[: len(found)]
    assert len(found) in (complete, complete + 1)  # the last line may lack nothing but its end


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"RIFF\x00\x00",
        b"[]\n",
        b'"version"\n',
        b'{"version": 99, "setup": {}}\n',
        b'{"version": 1}\n',
        b'{"version": 1, "setup": {"type": "Say", "text": "x"}}\n',
        b'{"version": 1, "setup": {"type": "os.system"}}\n',
        b'{"version": 1, "setup": ' + b"[" * 20_000 + b"]" * 20_000 + b"}\n",
    ],
)
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "call.jsonl"
    path.write_bytes(content)
    with pytest.raises(JournalUnreadable):
        read(path)


def test_a_missing_journal_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(JournalUnreadable, match="No such file"):
        read(tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize("damage", [b"{]", b'{"now": 1}', b'{"now": 1, "event": {"type": "Nothing"}, "commands": []}'])
def test_a_journal_damaged_in_the_middle_is_refused_by_line(tmp_path: Path, damage: bytes) -> None:
    path = kept_call(tmp_path)
    lines = path.read_bytes().split(b"\n")
    lines[3] = damage
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(JournalUnreadable, match="line 4"):
        read(path)


# --- what bots send ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "data",
    [
        {"text": "half a pair \ud83d"},
        {"text": "zero \x00 and \u2028 line"},
        {"type": "dict", "items": {"type": "tuple"}},
        {"deep": {"a": [{"b": [None, True, 1.5, "x"]}]}},
        {"big": 10**30, "small": 5e-324},
    ],
)
def test_odd_data_comes_back_as_it_was(tmp_path: Path, data: dict[str, Any]) -> None:
    steps = assert_replays(kept_call(tmp_path, Record(kind="note", data=data)))
    notes = [action for step in steps for action in getattr(getattr(step.event, "batch", None), "actions", ())]
    assert any(isinstance(action, Record) and action.data == data for action in notes)


def test_text_with_half_a_surrogate_pair_does_not_end_the_journal(tmp_path: Path) -> None:
    assert_replays(kept_call(tmp_path, Say(text="Smile \ud83d please")))


def test_a_step_that_cannot_be_written_ends_the_journal_and_nothing_else(tmp_path: Path) -> None:
    deep: Any = {}
    for _ in range(5000):
        deep = {"a": deep}
    with structlog.testing.capture_logs() as logs:
        path = kept_call(tmp_path, Record(kind="note", data=deep))
    assert [entry["event"] for entry in logs].count("journal ends early") == 1
    steps = assert_replays(path)
    assert isinstance(steps[0].event, CallOffered)
    assert path.read_bytes().split(b"\n")[-2].startswith(b'{"incomplete":')


def test_a_setup_that_cannot_be_written_leaves_a_journal_that_says_so(tmp_path: Path) -> None:
    disk = DiskWriter()
    journal = Journal(object(), "", AppendOnly(tmp_path / "call.jsonl", disk))  # type: ignore[arg-type]  # no setup can be written
    journal.write(0.0, CallOffered(), [])
    journal.close()
    disk.close()
    with pytest.raises(JournalUnreadable):
        read(tmp_path / "call.jsonl")


@given(st.dictionaries(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=()))))
def test_a_line_is_one_line_of_json(value: dict[str, str]) -> None:
    line = line_of(value)
    assert line.count(b"\n") == 1
    assert json.loads(line) == json.loads(json.dumps(value))
