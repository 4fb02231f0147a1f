"""`talkpath jobs`: what waits is shown, tried again and dropped on the database itself."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.jobs.job import Job
from gateway.jobs.storage import SqlJobStore, sqlite_url
from tests.fakes.jobs import NOON


def job(key: str, **changes: Any) -> Job:
    given: dict[str, Any] = {"call_id": "call-1", "bot": "reception", "kind": "webhook", "data": {"url": "https://x"}}
    return Job(key=key, created_at=NOON, **{**given, **changes})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose database holds a job in each state."""
    file = tmp_path / "talkpath.yaml"
    file.write_text(json.dumps({"records": {"directory": str(tmp_path / "records")}}))

    async def fill() -> None:
        store = SqlJobStore(sqlite_url(tmp_path / "records"))
        await store.open()
        await store.add([job("held"), job("due").released(NOON), job("done").released(NOON)])
        await store.add([job("up", call_id="call-2").released(NOON)])
        await store.finish("done", "done", NOON)
        await store.finish("up", "given_up", NOON, "status 400")
        await store.close()

    asyncio.run(fill())
    return file


def ask(config: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["jobs", *arguments, "-c", str(config)])
    return done.exit_code, done.output


def states(config: Path) -> dict[str, str]:
    every = [part for state in ("held", "due", "done", "given_up", "dropped") for part in ("--state", state)]
    code, out = ask(config, "list", "--json", *every)
    assert code == 0
    return {found["key"]: found["state"] for found in json.loads(out)}


def test_what_is_not_done_is_listed(config: Path) -> None:
    code, out = ask(config, "list")
    assert code == 0
    assert all(word in out for word in ("held", "due", "given_up", "status 400"))
    assert " done " not in out
    assert "https://x" not in out


def test_by_state_and_by_call(config: Path) -> None:
    assert "No job." in ask(config, "list", "--state", "dropped")[1]
    assert [found["key"] for found in json.loads(ask(config, "list", "--json", "--call", "call-2")[1])] == ["up"]
    assert ask(config, "list", "--state", "nonsense")[0] == 2


def test_a_job_is_tried_again(config: Path) -> None:
    assert ask(config, "retry", "up") == (0, "")
    assert states(config)["up"] == "due"


def test_all_that_were_given_up_are_tried_again(config: Path) -> None:
    assert ask(config, "retry", "--given-up")[0] == 0
    assert states(config) == {"held": "held", "due": "due", "done": "done", "up": "due"}


def test_a_job_is_dropped(config: Path) -> None:
    assert ask(config, "drop", "due", "up")[0] == 0
    assert states(config) == {"held": "held", "due": "dropped", "done": "done", "up": "dropped"}


@pytest.mark.parametrize("command", ["retry", "drop"])
def test_a_job_that_is_not_there_or_was_done_is_said_to_be(config: Path, command: str) -> None:
    code, out = ask(config, command, "nobody", "done")
    assert code == 1
    assert out.count("talkpath: no job") == 2
    assert ask(config, command)[0] == 2
