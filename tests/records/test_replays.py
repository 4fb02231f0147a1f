"""Every play of the suite, and random calls, replay from their journals to the same decisions."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.events import CallAnswered, CallOffered
from gateway.interfaces import BackendCapabilities, LegCapabilities
from gateway.records.disk import DiskWriter
from gateway.speech_interfaces import RecognizerCapabilities
from tests.call.test_never_silent import NUMBERS, STEPS, Chaos
from tests.fakes.journalling import KeptPlaybook, assert_all_replay, assert_replays
from tests.fakes.playbook import Playbook

CALLS = Path(__file__).parent.parent / "call"
PLAYS = [CALLS / "test_conversation.py", CALLS / "test_bargein.py"]


def acted_again(path: Path, folder: Path, disk: DiskWriter, calls: list[KeptPlaybook]) -> Iterator[Callable[[], None]]:
    """The plays of a test module; the calls they make are kept, and added to `calls`."""
    spec = importlib.util.spec_from_file_location(f"kept_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def keep(**given: Any) -> Playbook:
        calls.append(KeptPlaybook(folder, disk=disk, **given))
        return calls[-1]

    module.Playbook = keep
    for name, play in vars(module).copy().items():
        if name.startswith("test_") and inspect.isfunction(play) and not inspect.signature(play).parameters:
            yield play


@pytest.mark.parametrize("module", PLAYS, ids=lambda path: path.stem)
def test_every_play_replays_to_the_same_decisions(module: Path, tmp_path: Path) -> None:
    disk = DiskWriter()
    calls: list[KeptPlaybook] = []
    for play in acted_again(module, tmp_path, disk, calls):
        play()
    for call in calls:
        call.finish()
    disk.close()
    assert assert_all_replay(tmp_path) == len(calls) > 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    number=NUMBERS,
    steps=st.lists(STEPS, min_size=5, max_size=40),
    partials=st.booleans(),
    wants_no_input=st.booleans(),
    transfers=st.booleans(),
)
def test_random_calls_replay_to_the_same_decisions(
    tmp_path_factory: pytest.TempPathFactory,
    number: dict[str, Any],
    steps: list[tuple[tuple[str, Any], float]],
    partials: bool,
    wants_no_input: bool,
    transfers: bool,
) -> None:
    play = KeptPlaybook(
        tmp_path_factory.getbasetemp(),
        number=number,
        recognizer=RecognizerCapabilities(partials=partials),
        backend=BackendCapabilities(wants_no_input=wants_no_input),
        leg=LegCapabilities(can_transfer=transfers),
    )
    chaos = Chaos(play)
    play(CallOffered())
    play(CallAnswered(), at=0.01)
    for (name, detail), wait in steps:
        play(chaos.event(name, detail), at=play.now + wait)
    assert len(assert_replays(play.finish())) == len(play.log)
