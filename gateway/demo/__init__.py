"""The demonstration: a lab bot, the gateway and a caller, each a process of its own, as an operator would start them.

There is no private path: the processes are `talkpath lab`, `talkpath serve` with the shipped example, and `talkpath
call`, which any operator can run the same way.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from gateway.demo.bundle import opened
from gateway.demo.parts import PartEnded, started, unless_one_ends
from gateway.errors import ConfigError

LAB_PORT = 9101
SPARE_PORTS = (20_000, 32_000)
PICKS = 50
STARTS_WITHIN = 60.0
CALL_WITHIN = 180.0
SUM_TOLERANCE = 0.020  # s by which the parts of a waterfall may differ from the whole


async def run_demo(*, bot: str, call: str, once: bool, port: int) -> int:
    """Run the demonstration.

    Args:
        bot: The chat vendor whose demonstration it is.
        call: Which of its calls.
        once: End after the call; else stay up until interrupted.
        port: The gateway's; another one is taken when it is in use. 0: any free one, for the lab as well.
    Returns:
        The command's exit code.
    """
    port, lab_port = ports(port)
    urls = {"lab": f"http://127.0.0.1:{lab_port}", "gateway": f"http://127.0.0.1:{port}"}
    with tempfile.TemporaryDirectory(prefix="talkpath-demo-") as scratch, opened(bot, call) as files:
        folder, shown, configuration = files
        environment = {
            **shown.variables(**urls),
            "TALKPATH_PORT": str(port),
            "TALKPATH_RECORDS": str(Path(scratch) / "records"),
        }
        lab = ["gateway", "lab", bot, *shown.lab_arguments(**urls), "--port", str(lab_port)]
        gateway = ["gateway", "serve", "-c", str(configuration)]
        bot_log, log = Path(scratch) / "lab.log", Path(scratch) / "gateway.log"
        async with (
            started("the lab bot", lab, environment, bot_log) as lab_part,
            started("the gateway", gateway, environment, log) as gateway_part,
        ):
            parts = [lab_part, gateway_part]
            try:
                if not await unless_one_ends(parts, _is_ready(port)):
                    print(log.read_text(errors="replace"), file=sys.stderr)
                    print("talkpath: the gateway did not start", file=sys.stderr)
                    return 1
                print(
                    f"The gateway is up at {urls['gateway']}, a {bot} bot behind it. A caller rings {shown.number}:\n"
                )
                calling = _place_call(shown.number, urls["gateway"], folder / shown.steps, environment)
                code = await unless_one_ends(parts, calling)
                if code != 0:
                    print(f"\nThe gateway's log:\n{log.read_text(errors='replace')}", file=sys.stderr)
                if not once:
                    with suppress(asyncio.CancelledError):  # Ctrl-C
                        await unless_one_ends(parts, _stay(shown.number, urls["gateway"]))
                return code
            except PartEnded as ended:
                print(f"talkpath: {ended.part.obituary()}", file=sys.stderr)
                return 1


def ports(asked: int) -> tuple[int, int]:
    """The gateway's port and the lab's. Asked for 0, both are any free ones: demonstrations then run side by side."""
    return _free(asked), _free(LAB_PORT if asked else 0)


def _free(port: int) -> int:
    """The port, or any free one when it is taken, or 0.

    A port that is found free here is bound a second later by another process. So it is not one that the system gives
    to outgoing connections meanwhile, and demonstrations side by side hardly pick the same.
    """
    picked = [random.randrange(*SPARE_PORTS) for _ in range(PICKS)]
    for candidate in ([port] if port else []) + picked:
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", candidate))
            return int(probe.getsockname()[1])
    raise ConfigError("no port is free")


async def _is_ready(port: int) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        with suppress(TimeoutError):
            async with asyncio.timeout(STARTS_WITHIN):
                while True:
                    with suppress(httpx.HTTPError):
                        answer = await client.get(f"http://127.0.0.1:{port}/health/ready")
                        if answer.status_code == 200:
                            return True
                    await asyncio.sleep(0.1)
    return False


async def _place_call(number: str, gateway: str, steps: Path, environment: dict[str, str]) -> int:
    """The recorded caller. Its own exit code says whether audio, words and order were right; here, the waterfall."""
    command = [sys.executable, "-m", "gateway", "call", number, "--to", gateway, "--json", "--steps", str(steps)]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environment}, stdout=PIPE)
    try:
        async with asyncio.timeout(CALL_WITHIN):
            out, _ = await process.communicate()
    except TimeoutError:
        print("talkpath: the call did not end in time", file=sys.stderr)
        return 1
    finally:
        if process.returncode is None:  # too late, or nobody is left to call
            process.kill()
            await process.wait()
    report = _report_of(out)
    _print_summary(report)
    wrong = wrong_sums(report)
    for line in wrong:
        print(f"WRONG waterfall: {line}")
    return 1 if process.returncode or not report or wrong else 0


def _report_of(out: bytes) -> dict[str, Any]:
    try:
        report = json.loads(out)
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


def _print_summary(report: dict[str, Any]) -> None:
    from gateway.caller.printing import print_report

    if report:
        print_report(report, sys.stdout)


def wrong_sums(report: dict[str, Any]) -> list[str]:
    """Turns whose parts do not sum to the time that really passed, or that have no answer and did not fail either.

    A transfer is an answer, also when nothing was said before it and the caller came back from it.
    """
    record = report.get("record", {})
    turns = record.get("exchange", [])
    transferred = {turn["turn"] - 1 for turn in turns if turn["kind"] == "transfer_failed"}
    wrong, unanswered = [], []
    for turn in turns:
        total, parts = turn["answer_seconds"], sum(turn["stages"].values())
        if total is None and turn["turn"] in transferred:
            continue
        if total is None:
            unanswered.append(f"turn {turn['turn']} has no answer")
        elif abs(total - parts) > SUM_TOLERANCE:
            wrong.append(f"turn {turn['turn']}: the parts sum to {parts:.3f} s, {total:.3f} s passed")
    failed = record.get("failed_turns", 0)  # the caller heard an apology instead
    return wrong + (unanswered if len(unanswered) > failed else [])


async def _takes_browsers(gateway: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        lines = (await client.get(f"{gateway}/api/lines")).json()
    return any(line["transport"] == "browser" for line in lines)


async def _stay(number: str, gateway: str) -> None:
    print(f"\nThe gateway stays up: {gateway}/ shows its calls. Talk to the bot yourself:")
    if await _takes_browsers(gateway):
        print(f"  {gateway}/talk in your browser: choose {number}, and speak")
    print(f"  talkpath chat {number} --to {gateway}")
    print(f"  talkpath call {number} --to {gateway} --say YOUR.wav --expect .")
    print("Ctrl-C ends it.", flush=True)
    await asyncio.Event().wait()
