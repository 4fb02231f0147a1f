"""The demonstration has no private path: it types what an operator could type, and asks what anybody may ask.

Another program stands where `talkpath` is: it notes how it was started and what it was asked, and does what the
demonstration may rely on, which is no more than the commands' help says. Imports are held by a contract in
`.importlinter`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from gateway.caller.steps import from_file
from gateway.cli import command_line
from gateway.demo import run_demo
from gateway.demo.bundle import USUAL_CALL, calls, opened

STAND_IN = """#!{python} -S
import json, os, signal, sys
module, command, *arguments = sys.argv[2:]
environment = dict(os.environ)
def note(**what):
    with open({log!r}, "a") as log:
        log.write(json.dumps(what) + "\\n")
note(option=sys.argv[1], module=module, command=command, arguments=arguments, environment=environment)
signal.signal(signal.SIGTERM, lambda *_: (note(ended=command), sys.exit(0)))
if command == "call":
    print({report!r})
    sys.exit({code})
elif command == "serve":
    from http.server import BaseHTTPRequestHandler, HTTPServer
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            note(asked=self.path)
            self.send_response(200)
            self.end_headers()
        def log_message(self, *_):
            pass
    HTTPServer(("127.0.0.1", int(environment["TALKPATH_PORT"])), Handler).serve_forever()
else:
    signal.pause()
"""
TURN = {"turn": 1, "kind": "speech", "caller": "hello", "answer_seconds": 1.0, "stages": {"bot": 0.6, "synthesis": 0.4}}
OWN_VARIABLES = {"TALKPATH_PORT", "TALKPATH_RECORDS"}


def report(turn: dict[str, Any]) -> str:
    heard = {"seconds": 1.0, "said_seconds": 1.0, "level_dbfs": -20.0}
    record = {"exchange": [turn], "result": "completed", "by": "caller", "reason": "", "seconds": 3.0}
    return json.dumps({"ok": True, "steps": [], "heard": heard, "hung_up_by": "caller", "record": record})


@dataclass
class Shown:
    """What a demonstration did."""

    code: int
    started: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    ended: list[str] = field(default_factory=list)


async def show(
    folder: Path,
    patch: pytest.MonkeyPatch,
    vendor: str = "talkr",
    call: str = USUAL_CALL,
    *,
    code: int = 0,
    printed: str = report(TURN),
) -> Shown:
    """Run a demonstration with the stand-in; ``code`` and ``printed`` are of its `call`."""
    program, log = folder / "python", folder / "log"
    program.write_text(STAND_IN.format(python=sys.executable, log=str(log), report=printed, code=code))
    program.chmod(0o755)
    with patch.context() as patched:
        patched.setattr(sys, "executable", str(program))
        async with asyncio.timeout(60):
            shown = Shown(await run_demo(bot=vendor, call=call, once=True, port=0))
    for note in map(json.loads, log.read_text().splitlines()):
        if "command" in note:
            assert note["command"] not in shown.started, "each is started once"
            shown.started[note["command"]] = note
        elif "asked" in note:
            shown.asked.add(note["asked"])
        else:
            shown.ended.append(note["ended"])
    return shown


@pytest.mark.asyncio
@pytest.mark.parametrize(("vendor", "name"), calls())
async def test_it_starts_public_commands_and_asks_only_whether_the_gateway_is_ready(
    vendor: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = await show(tmp_path, monkeypatch, vendor, name)
    assert shown.code == 0
    assert set(shown.started) == {"lab", "serve", "call"}
    assert shown.asked == {"/health/ready"}
    assert shown.ended == ["serve", "lab"]  # by a signal, as an operator ends them
    with opened(vendor, name) as (folder, described, configuration):
        lab, serve, call = (shown.started[name]["arguments"] for name in ("lab", "serve", "call"))
        assert lab[0] == vendor
        assert serve == ["-c", str(configuration)]
        gateway = f"http://127.0.0.1:{shown.started['serve']['environment']['TALKPATH_PORT']}"
        assert call == [described.number, "--to", gateway, "--json", "--steps", str(folder / described.steps)]
        for note in shown.started.values():
            assert (note["option"], note["module"]) == ("-m", "gateway")
            added = set(note["environment"]) - set(os.environ) - OWN_VARIABLES
            assert added <= set(described.environment)


@pytest.mark.parametrize(("vendor", "name"), calls())
def test_what_it_types_are_commands_with_help(vendor: str, name: str) -> None:
    group: Any = get_command(command_line())
    for command in ("lab", "serve", "call"):
        assert not group.get_command(None, command).hidden
    with opened(vendor, name) as (folder, described, configuration):
        assert from_file(folder / described.steps)
        assert configuration.is_file()


@pytest.mark.asyncio
async def test_a_turn_that_failed_is_no_mistake_of_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller heard an apology, as it is with faults."""
    value = json.loads(report({**TURN, "answer_seconds": None}))
    value["record"]["failed_turns"] = 1
    assert (await show(tmp_path, monkeypatch, printed=json.dumps(value))).code == 0


WRONG = {
    "what the caller expected": {"code": 1},
    "no report": {"printed": "no JSON"},
    "a waterfall that does not sum": {"printed": report({**TURN, "answer_seconds": 1.1})},
    "a turn without an answer": {"printed": report({**TURN, "answer_seconds": None})},
}


@pytest.mark.asyncio
@pytest.mark.parametrize("what", WRONG)
async def test_anything_wrong_with_the_call_exits_with_one(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = WRONG[what]
    shown = await show(tmp_path, monkeypatch, **given)
    assert shown.code == 1
    assert shown.ended == ["serve", "lab"]
