"""The application as a whole, in real time on real ports: what it serves, what a reload changes, and how it ends."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.bots import BotSection
from config.loading import load
from gateway.app import App
from gateway.errors import ConfigError
from gateway.interfaces import BackendCapabilities, Problem
from gateway.plugins import Plugins, installed
from gateway.routes import HttpReply, HttpRequest, Webhook

pytestmark = pytest.mark.asyncio
STARTS_WITHIN = 20.0
FREE = "127.0.0.1:0"


class PlatformSection(BotSection):
    """A platform that calls back."""

    backend: str = "platform"
    says: str = "first"
    path: str = "/in/platform"
    listen: str | None = FREE


class Platform:
    """Knows the call that has its own word for a key, and no other."""

    Section = PlatformSection
    capabilities = BackendCapabilities()

    def __init__(self, name: str, settings: PlatformSection, http: Any) -> None:
        self._says = settings.says
        self.routes: Sequence[Webhook] = [
            Webhook(path=settings.path, methods=("POST",), handle=self._handle, listen=settings.listen)
        ]

    async def _handle(self, request: HttpRequest) -> HttpReply:
        key = request.body.decode()
        return HttpReply(body=self._says.encode(), unknown_call=None if key == self._says else key)

    def open_chat(self, call: Any, claim: Any) -> Any:
        raise AssertionError("nobody calls")

    async def check(self) -> list[Problem]:
        return []


PLUGINS: Plugins = replace(installed(), backends={"platform": Platform})


def write(folder: Path, *, server: dict[str, Any] | None = None, **bot: Any) -> Path:
    file = folder / "talkpath.yaml"
    configuration = {
        "server": {"port": 0, **(server or {})},
        "bots": {"reception": {"backend": "platform", **bot}},
        "speech": {"local": {"engine": "scripted"}},
        "records": {"directory": str(folder / "records")},
        "numbers": {"*": {"bot": "reception"}},
    }
    file.write_text(json.dumps(configuration))  # JSON is YAML
    return file


@asynccontextmanager
async def running(file: Path) -> AsyncIterator[tuple[App, httpx.AsyncClient]]:
    app = App(file, load(file, PLUGINS.sections(), env={}), PLUGINS)
    serving = asyncio.create_task(app.run())
    starting = asyncio.create_task(app.started.wait())
    try:
        async with asyncio.timeout(STARTS_WITHIN), httpx.AsyncClient(trust_env=False) as client:
            await asyncio.wait([serving, starting], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
            yield app, client
            app.stop()
            await serving
    finally:
        starting.cancel()
        serving.cancel()
        await asyncio.wait([serving, starting])


async def test_a_webhook_is_served_on_both_its_ports_and_on_none_when_all_is_over(tmp_path: Path) -> None:
    async with running(write(tmp_path)) as (app, client):
        listener = f"http://127.0.0.1:{app.listening[FREE]}"
        for base in (app.url, listener):
            assert (await client.post(f"{base}/in/platform", content=b"first")).text == "first"
        assert (await client.get(f"{listener}/api")).status_code == 404
        assert (await client.get(f"{app.url}/api")).status_code == 200
        metrics = (await client.get(f"{app.url}/metrics")).text
        assert 'talkpath_webhook_requests_total{path="/in/platform",status="200"} 2.0' in metrics
    async with httpx.AsyncClient(trust_env=False) as client:
        for base in (app.url, listener):
            with pytest.raises(httpx.ConnectError):
                await client.get(base)


async def test_a_reload_keeps_the_ports_and_says_what_it_cannot_do(tmp_path: Path) -> None:
    async with running(write(tmp_path)) as (app, client):

        async def reload(**changes: Any) -> Any:
            write(tmp_path, **changes)
            return (await client.post(f"{app.url}/api/reload")).json()

        async def asked(call: str) -> str:
            return (await client.post(f"http://127.0.0.1:{app.listening[FREE]}/in/platform", content=call)).text

        done = {"reloaded": True, "problems": [], "needs_restart": []}
        assert await reload() == done
        assert await reload(says="second") == done
        assert [await asked(call) for call in ("first", "second", "third")] == ["first", "second", "second"]
        moved = await reload(says="third", path="/in/elsewhere", server={"max_calls": 7})
        assert moved == {**done, "needs_restart": ["server", "bots.reception"]}
        assert [await asked(call) for call in ("first", "second")] == ["first", "second"]
        assert (await client.post(f"{app.url}/in/elsewhere", content=b"third")).status_code in (404, 405)
        assert (await client.get(f"{app.url}/api")).json()["max_calls"] == 200
        wrong = await reload(server={"max_calls": 0})
        assert (wrong["reloaded"], wrong["needs_restart"]) == (False, [])
        assert "max_calls" in wrong["problems"][0]


@pytest.mark.parametrize("which", ["server.port", "listener"])
async def test_a_port_that_cannot_be_had_ends_the_start_with_one_sentence(which: str, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        mine = {"server": {"port": port}} if which == "server.port" else {"listen": f"127.0.0.1:{port}"}
        app = App(file := write(tmp_path, **mine), load(file, PLUGINS.sections(), env={}), PLUGINS)
        with pytest.raises(ConfigError, match=f"{which}.*cannot listen on 127.0.0.1:{port}: address already in use"):
            await app.run()
