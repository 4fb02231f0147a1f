"""The gateway and its lab bot, as an operator runs them: processes of their own, with the published configuration."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

CONFIGURATION = Path(__file__).resolve().parents[2] / "examples" / "asterisk" / "talkpath.yaml"
API_TOKEN = "change-me-too"  # as in extensions.conf
PASSWORD = "change-me"  # as in websocket_client.conf, or in pjsip.conf
TRUNK_PASSWORD = "change-me-too"  # as in pjsip.conf
MANAGER_SECRET = "change-me-as-well"  # as in manager.conf
SECRETS = {
    "PBX_PASSWORD": PASSWORD,
    "TRUNK_PASSWORD": TRUNK_PASSWORD,
    "API_TOKEN": API_TOKEN,
    "MANAGER_SECRET": MANAGER_SECRET,
}
URL = "http://127.0.0.1:8080"
BOT_PORT = 9101
STARTS_WITHIN = 40.0


class Process:
    """A `talkpath` command that runs until it is told not to."""

    def __init__(
        self, name: str, arguments: list[str], folder: Path, environment: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self._arguments = arguments
        self._folder = folder
        self._environment = {**os.environ, **SECRETS, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "gateway", *self._arguments]
        with open(self._folder / f"{self.name}.log", "ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    @property
    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, within: float = 10.0) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process = None


class House:
    """Bot and gateway.

    Args:
        folder: For logs and records.
        configuration: Of the gateway.
        environment: Of the gateway, always.
    """

    def __init__(
        self, folder: Path, configuration: Path = CONFIGURATION, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self._arguments = ["serve", "-c", str(configuration)]
        self._environment = dict(environment or {})
        self.bot = Process("bot", ["lab", "talkr", "--port", str(BOT_PORT)], folder)
        self.gateway = Process("gateway", self._arguments, folder)
        headers = {"authorization": f"Bearer {API_TOKEN}"}
        self._client = httpx.AsyncClient(base_url=URL, headers=headers, timeout=5.0, trust_env=False)

    async def open(self, **environment: str) -> None:
        """Start what does not run; ``environment``: of the gateway."""
        if self.bot.has_ended:
            self.bot.start()
        if self.gateway.has_ended:
            self.gateway = Process("gateway", self._arguments, self.folder, {**self._environment, **environment})
            self.gateway.start()
        deadline = time.monotonic() + STARTS_WITHIN
        while not await self._is_ready():
            if self.gateway.has_ended or time.monotonic() > deadline:
                raise RuntimeError(f"the gateway did not start; see {self.folder / 'gateway.log'}")
            await asyncio.sleep(0.1)

    async def close(self) -> None:
        self.gateway.stop()
        self.bot.stop()
        await self._client.aclose()

    async def call_from(self, number: str) -> dict[str, Any]:
        """The record, so far, of the newest call from a number; empty where there is none."""
        calls = (await self._client.get("/api/calls")).json()
        found = [call for call in calls if call.get("from") == number]
        if not found:
            return {}
        return await self.record(found[0]["call_id"])

    async def record(self, call_id: str) -> dict[str, Any]:
        return dict((await self._client.get(f"/api/calls/{call_id}")).json())

    async def transfer(self, call_id: str, target: str) -> None:
        """As an operator does it."""
        (await self._client.post(f"/api/calls/{call_id}/transfer", json={"target": target})).raise_for_status()

    async def _is_ready(self) -> bool:
        try:
            return (await self._client.get("/health/ready")).status_code == 200
        except httpx.HTTPError:
            return False
