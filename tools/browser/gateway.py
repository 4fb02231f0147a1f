"""Lab bot and gateway as an operator runs them, for a browser to call; and what a browser's microphone says."""

from __future__ import annotations

import asyncio
import functools
import shutil
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from gateway.demo.bundle import opened
from tools.browser.sound import microphone
from tools.peers.process import Process

API_TOKEN = "change-me-too"
SIP_PASSWORD = "not-a-secret-here"
CONFIGURATION = Path(__file__).with_name("talkpath.yaml")
TALKPATH = (sys.executable, "-m", "gateway")
STARTS_WITHIN = 90.0
PHRASES: Mapping[float, str] = {11.0: "password.wav", 30.0: "last-call.wav"}
"""When the caller says what, in seconds since the microphone was opened: after the greeting, and after the keys."""


def microphone_flag(folder: Path) -> str:
    """Makes a recording, and has Chromium take it for its microphone."""
    track = folder / "microphone.wav"
    with opened("talkr") as (bundle, _, _):
        microphone(track, {at: bundle / name for at, name in PHRASES.items()}, 90)
    return f"--use-file-for-fake-audio-capture={track}%noloop"


@asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[str]:
    """Both, until the block ends; gives the gateway's address."""
    bot_port, port = _free(), _free()
    url = f"http://127.0.0.1:{port}"
    configuration = folder / "talkpath.yaml"
    shutil.copy(CONFIGURATION, configuration)
    environment = {
        "TALKPATH_PORT": str(port),
        "TALKR_URL": f"http://127.0.0.1:{bot_port}",
        "API_TOKEN": API_TOKEN,
        "SIP_PASSWORD": SIP_PASSWORD,
    }
    bot = Process("bot", [*TALKPATH, "lab", "talkr", "--port", str(bot_port)], folder)
    serving = Process("gateway", [*TALKPATH, "serve", "-c", str(configuration)], folder, environment)
    with bot, serving:
        async with asyncio.timeout(STARTS_WITHIN), httpx.AsyncClient(trust_env=False) as http:
            while True:
                try:
                    if (await http.get(f"{url}/health/ready")).status_code == 200:
                        break
                except httpx.HTTPError:
                    pass
                assert not serving.has_ended, f"the gateway did not start: {serving.said[-600:]}"
                await asyncio.sleep(0.2)
        yield url


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def pages(folder: Path) -> Iterator[str]:
    """The files of a folder over HTTP on this machine, from where browsers give the microphone; gives the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _free() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
