"""`talkpath call` exits with 1 on each thing that may be otherwise than expected, and with 0 when all is well.

The gateway that is called says one thing in its record and does another on the line, as each case wants it.
"""

from __future__ import annotations

import ast
import asyncio
import base64
import inspect
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from typer.testing import CliRunner

from audio.format import PCMU_8K
from gateway.caller import script
from gateway.cli import app
from gateway.speech.scripted.signal import duration_of
from tests.fakes.callers import sound
from tests.fakes.shared_port import served

WORDS = "welcome to acme"
SECONDS = round(duration_of(WORDS), 3)
WITHIN = 60.0


def said(text: str = WORDS, seconds: float = SECONDS) -> list[dict[str, Any]]:
    return [{"text": text, "seconds": seconds, "result": "played"}]


@dataclass
class TwoFacedGateway:
    """A gateway of one line and one call.

    Attributes:
        says: What its record has of the bot's speech.
        plays: What really goes to the caller, mu-law.
        closes: After it played, with this code; None: it waits for the caller to hang up.
        result: In the record once the call is over; empty: it never comes to one.
        is_known: The call is in its books at all.
    """

    says: list[dict[str, Any]] = field(default_factory=said)
    plays: bytes = sound(WORDS)
    closes: int | None = None
    result: str = "completed"
    is_known: bool = True
    url: str = ""
    _leg_id: str = ""
    _is_over: bool = False

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[TwoFacedGateway]:
        routes = [
            Route("/api/lines", self._lines),
            Route("/api/calls", self._calls),
            Route("/api/calls/call-1", self._call),
            WebSocketRoute("/media/twilio", self._conduct),
        ]
        async with served(Starlette(routes=routes)) as address:
            self.url = f"http://{address}"
            yield self

    async def _lines(self, _: Request) -> JSONResponse:
        return JSONResponse([{"name": "cloud", "transport": "twilio", "path": "/media/twilio"}])

    async def _calls(self, _: Request) -> JSONResponse:
        return JSONResponse([{"call_id": "call-1", "leg_id": self._leg_id}] if self.is_known else [])

    async def _call(self, _: Request) -> JSONResponse:
        result = self.result if self._is_over else ""
        return JSONResponse({"call_id": "call-1", "said": self.says, "exchange": [], "result": result})

    async def _conduct(self, socket: WebSocket) -> None:
        await socket.accept()
        try:
            while (message := await socket.receive_json())["event"] != "start":
                pass
            self._leg_id = message["streamSid"]
            await self._play(socket)
            if self.closes is not None:
                await socket.close(self.closes)
            while True:
                await socket.receive_json()
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            self._is_over = True

    async def _play(self, socket: WebSocket) -> None:
        media = {"payload": base64.b64encode(self.plays).decode()}
        await socket.send_json({"event": "media", "streamSid": self._leg_id, "media": media})
        await asyncio.sleep(PCMU_8K.seconds(len(self.plays)))  # as long as the caller hears it, on his own clock


@dataclass(frozen=True)
class Wrong:
    """A call that is otherwise than expected: what is told of it, in which step, and why."""

    gateway: TwoFacedGateway
    flags: str
    step: str
    why: str


MET = f"--expect {WORDS.replace(' ', '.')} --within 5"
WRONG = {
    "the bot says something else": Wrong(
        TwoFacedGateway(), "--expect goodbye --within 0.2", "expect ", f"not within 0.2 s; heard: {WORDS}"
    ),
    "the bot says nothing": Wrong(
        TwoFacedGateway(says=[], plays=b""), "--expect . --within 0.1", "expect ", "not within 0.1 s; heard: nothing"
    ),
    "the call ends before the bot says it": Wrong(
        TwoFacedGateway(closes=1000), "--expect goodbye --within 30", "expect ", f"the call was over; heard: {WORDS}"
    ),
    "the same words do not count twice": Wrong(
        TwoFacedGateway(), f"{MET} --expect welcome --within 0.1", "expect ", "not within 0.1 s; heard: nothing"
    ),
    "nobody hangs up": Wrong(
        TwoFacedGateway(), f"{MET} --expect-hangup --within 0.1", "expect hang-up", "the call is still up after 0.1 s"
    ),
    "the connection breaks": Wrong(
        TwoFacedGateway(closes=1011), "--expect-hangup --within 5", "expect hang-up", "ended by failure"
    ),
    "the call comes to no result": Wrong(TwoFacedGateway(result=""), MET, "record", "no outcome"),
    "the gateway does not know the call": Wrong(
        TwoFacedGateway(is_known=False), "--silence 0.1", "record", "the gateway has no record of this call"
    ),
    "less is heard than was said": Wrong(
        TwoFacedGateway(says=said(seconds=SECONDS + 3)),
        f"{MET} --silence {SECONDS}",
        "heard what was said",
        f"the gateway says it played {SECONDS + 3:.2f} s, the caller heard 0.",
    ),
    "more is heard than was said": Wrong(
        TwoFacedGateway(says=said(seconds=0.1), closes=1000),
        f"{MET} --expect-hangup",
        "heard what was said",
        "the gateway says it played 0.10 s, the caller heard 0.",
    ),
    "what is heard is silence": Wrong(
        TwoFacedGateway(plays=PCMU_8K.silence(PCMU_8K.size(1.2)), says=said(seconds=1.2)),
        f"{MET} --silence 1.2",
        "heard what was said",
        "dBFS reached the ear",
    ),
}


def _checks() -> Counter[str]:
    """Every place where a placed call notes that something may be otherwise, by the step it is noted under."""
    tree = ast.parse(inspect.getsource(script))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "self._note"]
    return Counter(
        _beginning(call.args[0]) for call in calls if not getattr(call.args[1], "value", False)
    )  # those that note a success say True


def _beginning(step: ast.expr) -> str:
    constant = step.values[0] if isinstance(step, ast.JoinedStr) else step
    assert isinstance(constant, ast.Constant)
    return str(constant.value)


def test_every_kind_of_expectation_has_a_case_in_which_it_is_wrong() -> None:
    cases = Counter(case.step for case in WRONG.values())
    checks = _checks()
    assert set(cases) == set(checks)
    assert all(cases[step] >= count for step, count in checks.items()), f"{checks} in the code, {cases} here"


async def call(url: str, *flags: str) -> tuple[int, dict[str, Any]]:
    """The command's exit code, and its report."""
    arguments = ["call", "+441632960000", "--to", url, "--json", *flags]
    async with asyncio.timeout(WITHIN):
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", WRONG)
async def test_what_is_not_as_expected_is_said_and_exits_with_one(name: str) -> None:
    case = WRONG[name]
    async with case.gateway.serve() as gateway:
        code, report = await call(gateway.url, *case.flags.split())
    assert code == 1
    assert not report["ok"]
    wrong = [step for step in report["steps"] if not step["ok"]]
    assert [step["step"].startswith(case.step) for step in wrong] == [True]
    assert case.why in wrong[0]["detail"]


@pytest.mark.asyncio
async def test_all_as_expected_exits_with_zero() -> None:
    async with TwoFacedGateway(closes=1000).serve() as gateway:
        code, report = await call(gateway.url, *MET.split(), "--expect-hangup", "--within", "5")
    assert (code, report["ok"], report["hung_up_by"]) == (0, True, "gateway")
    assert [step["ok"] for step in report["steps"]] == [True, True, True]


# --- as a process --------------------------------------------------------------------------------------------------
async def run(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "call", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(WITHIN):
            out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


@pytest.mark.asyncio
async def test_the_process_exits_with_one_for_an_expectation_and_for_a_call_that_cannot_be_placed() -> None:
    async with TwoFacedGateway().serve() as gateway:
        code, out, errors = await run("1", "--to", gateway.url, "--expect", "goodbye", "--within", "0.1")
        assert (code, errors) == (1, "")
        assert "expect goodbye: not within 0.1 s" in out
    code, out, errors = await run("1", "--to", gateway.url, "--silence", "0")
    assert (code, out) == (1, "")
    assert errors.startswith(f"talkpath: the gateway's API at {gateway.url} does not answer")
    assert len(errors.splitlines()) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--shout", "x.wav"], "--shout is no step"),
        (["--expect", "(", "--within", "1"], "no regular expression"),
        (["--within", "1"], "--within belongs behind"),
        (["--digits", "12x"], "no keys of a telephone"),
    ],
)
async def test_steps_that_cannot_be_understood_are_wrong_use_of_the_command(flags: list[str], why: str) -> None:
    result = await asyncio.to_thread(CliRunner().invoke, app, ["call", "1", *flags])
    assert result.exit_code == 2
    assert why in result.stderr
    assert len(result.stderr.splitlines()) == 1
