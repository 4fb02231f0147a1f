"""Calls that are written down as in production, and held to their journals: replayed, each decides the same again."""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path
from typing import Any

from gateway.call.outcome import CallOutcome
from gateway.events import CallEvent
from gateway.records.disk import AppendOnly, DiskWriter
from gateway.records.journal import Step, read, replay
from gateway.records.keeping import CallKeeping
from gateway.records.recording import CallRecorder
from tests.fakes.playbook import Commands, Playbook

STARTED = datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.UTC)
COMPLETED = CallOutcome(result="completed", by="caller")


def assert_replays(path: Path) -> list[Step]:
    """The journal can be read, and the same conversation makes the same decisions from it. Returns its steps."""
    setup, steps = read(path)
    assert steps, f"{path} has no steps"
    differences = replay(setup, steps)
    assert not differences, "\n".join(
        f"line {found.line}: {found.step.event}\n  then {found.step.commands}\n  now  {found.decided}"
        for found in differences
    )
    return steps


def assert_all_replay(folder: Path) -> int:
    """Every journal below a folder replays. Returns how many there are."""
    paths = sorted(folder.rglob("*.jsonl"))
    for path in paths:
        assert_replays(path)
    return len(paths)


class KeptPlaybook(Playbook):
    """A play whose call is kept: `record` is live, `finish` closes the files."""

    numbers = itertools.count(1)

    def __init__(
        self, folder: Path, *, disk: DiskWriter | None = None, recorder: CallRecorder | None = None, **settings: Any
    ) -> None:
        super().__init__(**{"has_recording": recorder is not None, **settings})
        self.disk = disk or DiskWriter()
        self.path = folder / f"call-{next(self.numbers)}.jsonl"
        setup = self.conversation.facts.setup
        file = AppendOnly(self.path, self.disk)
        self.keeping = CallKeeping(setup, self.conversation, STARTED, journal=file, recorder=recorder)
        self.record = self.keeping.record

    def _give(self, event: CallEvent) -> Commands:
        commands = super()._give(event)
        self.keeping.observe(round(self.now, 6), event, commands)
        return commands

    def finish(self) -> Path:
        """The call is over. Returns the journal's path, once it is on the disk."""
        self.keeping.close(COMPLETED, round(self.now, 6))
        self.disk.close()
        return self.path
