"""Chromium without a window, driven by its DevTools protocol over a WebSocket (https://chromedevtools.github.io)."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
from websockets.asyncio.client import ClientConnection, connect

from tools.peers.process import Process

STARTS_WITHIN = 60.0
ANSWERS_WITHIN = 30.0
POLL = 0.1
MAX_MESSAGE = 64 << 20  # a screenshot, a recording

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run"),
    *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class ScriptFailed(Exception):
    """A script in the page has raised."""


class Tab:
    """One page."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.complaints: list[str] = []
        """What the page has written to its console, and exceptions that nobody caught."""

    async def read(self) -> None:
        """Take what the browser sends, until the connection ends."""
        async for raw in self._socket:
            message = json.loads(raw)
            waiting = self._answers.pop(message.get("id", 0), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
            elif message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
                self.complaints.append(json.dumps(message["params"])[:600])

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        async with asyncio.timeout(ANSWERS_WITHIN):
            told = await answer
        if "error" in told:
            raise ScriptFailed(f"{method}: {told['error'].get('message')}")
        return dict(told["result"])

    async def before_pages(self, script: str) -> None:
        """Have a script run in each page that is opened from now on, before its own."""
        await self.ask("Page.addScriptToEvaluateOnNewDocument", source=script)

    async def open(self, url: str) -> None:
        await self.ask("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def run(self, script: str) -> Any:
        """The value of an expression, as JSON has it; promises are waited for."""
        told = await self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in told:
            raise ScriptFailed(json.dumps(told["exceptionDetails"])[:600])
        return told["result"].get("value")

    async def until(self, script: str, within: float = 30.0) -> None:
        """Wait until an expression is true; while a page gives way to the next, there is none to ask."""
        problem = ""
        try:
            async with asyncio.timeout(within):
                while True:
                    try:
                        if await self.run(f"Boolean({script})"):
                            return
                    except ScriptFailed as failed:
                        problem = f" ({failed})"
                    await asyncio.sleep(POLL)
        except TimeoutError:
            raise AssertionError(f"not within {within:g} s: {script}{problem}") from None

    async def click(self, selector: str) -> None:
        """With the mouse, in the middle of what a selector finds."""
        middle = "[box.x + box.width / 2, box.y + box.height / 2]"
        found = f"const it = document.querySelector({json.dumps(selector)}); it.scrollIntoView({{block: 'center'}});"
        box = await self.run(f"(() => {{ {found} const box = it.getBoundingClientRect(); return {middle}; }})()")
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    async def type(self, text: str) -> None:
        """On the keyboard, key by key."""
        for key in text:
            await self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
            await self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def press(self, key: str) -> None:
        """A key that writes nothing, such as Escape."""
        for kind in ("keyDown", "keyUp"):
            await self.ask("Input.dispatchKeyEvent", type=kind, key=key)

    async def look(self, width: int, height: int, scheme: Literal["light", "dark"]) -> None:
        """How large the window is, and which colours the person prefers."""
        await self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        await self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def picture(self, path: Path) -> None:
        told = await self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(told["data"]))


@asynccontextmanager
async def chromium(program: str, folder: Path, extra: Sequence[str] = ()) -> AsyncIterator[Tab]:
    """Chromium with one tab, and a profile that ends with it."""
    profile = folder / "profile"
    shutil.rmtree(profile, ignore_errors=True)  # of an earlier run, whose port would be read as ours
    flags = [*FLAGS, f"--user-data-dir={profile}", *extra, "about:blank"]
    with Process("chromium", [program, *flags], folder) as process:
        port = await _port_of(profile / "DevToolsActivePort", process)
        async with httpx.AsyncClient(trust_env=False) as http:
            tabs = (await http.get(f"http://127.0.0.1:{port}/json/list")).json()
        address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        async with connect(address, max_size=MAX_MESSAGE, compression=None, proxy=None) as socket:
            tab = Tab(socket)
            reading = asyncio.create_task(tab.read())
            try:
                for domain in ("Page", "Runtime", "Log"):
                    await tab.ask(f"{domain}.enable")
                yield tab
            finally:
                reading.cancel()
                await asyncio.wait([reading])


async def _port_of(file: Path, process: Process) -> int:
    return await asyncio.to_thread(_wait_for_port, file, process)


def _wait_for_port(file: Path, process: Process) -> int:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and not process.has_ended:
        if file.exists() and (text := file.read_text().split("\n")[0]).isdigit():
            return int(text)
        time.sleep(POLL)
    raise RuntimeError(f"Chromium did not start: {process.said[-400:]}")
