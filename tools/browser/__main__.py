"""``python -m tools.browser``: a call from the console's page by Chromium, which listens to a file as its microphone.

Logs in, chooses a number, hears the greeting, is understood, presses keys by mouse and by keyboard, reads the
transcript and hangs up; then what happens when others hang up, or when something is missing. Needs Debian's `chromium`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from gateway.demo.bundle import opened
from tools.browser.devtools import chromium
from tools.browser.sound import microphone
from tools.browser.visit import Visit
from tools.peers.process import Process

API_TOKEN = "change-me-too"
CONFIGURATION = Path(__file__).with_name("talkpath.yaml")
TALKPATH = (sys.executable, "-m", "gateway")
STARTS_WITHIN = 90.0
AT_MOST = 300.0
PHRASES = {11.0: "password.wav", 30.0: "last-call.wav"}
"""When the caller says what, in seconds since the call button: after the greeting, and after the keys."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.browser", description=__doc__)
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="the browser")
    parser.add_argument("--keep", type=Path, help="keep logs, records and pictures in this folder")
    options = parser.parse_args()
    if options.chromium is None:
        print("tools.browser: there is no Chromium here; apt-get install chromium", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="talkpath-browser-") as scratch:
        folder = (options.keep or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        return asyncio.run(_bounded(options.chromium, folder))


async def _bounded(program: str, folder: Path) -> int:
    async with asyncio.timeout(AT_MOST):
        return await _visit(program, folder)


async def _visit(program: str, folder: Path) -> int:
    track = folder / "microphone.wav"
    with opened("talkr") as (bundle, _, _):
        microphone(track, {at: bundle / name for at, name in PHRASES.items()}, 90)
    async with _gateway(folder) as url:
        headers = {"authorization": f"Bearer {API_TOKEN}"}
        listens = [f"--use-file-for-fake-audio-capture={track}%noloop"]
        async with (
            httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as api,
            chromium(program, folder, listens) as tab,
        ):
            visit = Visit(tab, api, url, API_TOKEN, folder)
            try:
                return await _steps(visit)
            finally:
                (folder / "figures.json").write_text(json.dumps(visit.figures, indent=2))
                (folder / "page.log").write_text("\n".join(tab.complaints))


async def _steps(visit: Visit) -> int:
    steps = (
        *(visit.log_in, visit.talk, visit.hang_up, visit.compare),
        *(visit.gateway_hangs_up, visit.page_is_closed, visit.troubles),
    )
    for step in steps:
        begun = time.monotonic()
        try:
            await step()
        except AssertionError as wrong:
            print(f"FAILED {step.__name__}: {wrong}")
            print(await visit.tab.run("document.body.innerText"))
            await visit.picture("failed")
            return 1
        print(f"ok     {step.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
    for name, value in visit.figures.items():
        print(f"       {name}: {value}")
    return 0


@asynccontextmanager
async def _gateway(folder: Path) -> AsyncIterator[str]:
    """Lab bot and gateway, as an operator runs them; gives the address."""
    bot_port, port = _free(), _free()
    url = f"http://127.0.0.1:{port}"
    configuration = folder / "talkpath.yaml"
    shutil.copy(CONFIGURATION, configuration)
    environment = {
        "TALKPATH_PORT": str(port),
        "TALKR_URL": f"http://127.0.0.1:{bot_port}",
        "API_TOKEN": API_TOKEN,
    }
    bot = Process("bot", [*TALKPATH, "lab", "talkr", "--port", str(bot_port)], folder)
    gateway = Process("gateway", [*TALKPATH, "serve", "-c", str(configuration)], folder, environment)
    with bot, gateway:
        async with asyncio.timeout(STARTS_WITHIN), httpx.AsyncClient(trust_env=False) as http:
            while True:
                try:
                    if (await http.get(f"{url}/health/ready")).status_code == 200:
                        break
                except httpx.HTTPError:
                    pass
                assert not gateway.has_ended, f"the gateway did not start: {gateway.said[-600:]}"
                await asyncio.sleep(0.2)
        yield url


def _free() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
