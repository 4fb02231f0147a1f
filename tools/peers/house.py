"""The gateway and its lab bot, as an operator runs them: processes of their own, in a folder for logs and records."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
import sys
import time
import wave
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from audio.files import read
from audio.format import L16_8K
from tools.asterisk.tls import make_certificates
from tools.peers.network import GATEWAY
from tools.peers.process import Process

API_TOKEN = "change-me-too"
SECRETS = {"API_TOKEN": API_TOKEN, "BOT_PASSWORD": "change-me"}  # as in examples/kamailio
URL = "http://127.0.0.1:8080"
BOT_PORT = 9101
CONFIGURATION = Path(__file__).with_name("talkpath.yaml")
TALKPATH = (sys.executable, "-m", "gateway")
NUMBER = "600"
KEEPS_PROMPTS = "\nprompts: {directory: prompts}\n"
"""So that a call says what we have rendered, and can be held against it."""
STARTS_WITHIN = 60.0
RENDERS_WITHIN = 120.0
POLL = 0.1


class House:
    """Bot and gateway.

    Args:
        folder: For logs, prompts and records.
        configuration: Of the gateway; it is copied into the folder, because its paths are beside it.
        prompts: Folder of what was spoken for another house, where this one is to say the same.
    """

    def __init__(self, folder: Path, configuration: Path = CONFIGURATION, prompts: Path | None = None) -> None:
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier run, whose logs and records would be read as ours
        folder.mkdir(parents=True)
        self._configuration = folder / "talkpath.yaml"
        text = configuration.read_text(encoding="utf-8")
        self._configuration.write_text(text + ("" if "\nprompts:" in text else KEEPS_PROMPTS), encoding="utf-8")
        make_certificates(folder, folder, [GATEWAY])
        if prompts is not None:
            shutil.copytree(prompts, folder / "prompts", dirs_exist_ok=True)
        self.bot = Process("bot", [*TALKPATH, "lab", "talkr", "--port", str(BOT_PORT)], folder)
        self.gateway = Process("gateway", [*TALKPATH, "serve", "-c", str(self._configuration)], folder, SECRETS)
        headers = {"authorization": f"Bearer {API_TOKEN}"}
        self._client = httpx.AsyncClient(base_url=URL, headers=headers, timeout=5.0, trust_env=False)

    def prompts(self, *texts: str) -> dict[str, bytes]:
        """How the gateway's synthesizer speaks texts, spoken now and kept for the calls: PCM at 8 kHz."""
        words = self.folder / "prompts.txt"
        words.write_text("\n".join(texts) + "\n", encoding="utf-8")
        self._command("prompts", "render", "-c", str(self._configuration), NUMBER, "--also", str(words))
        return {text: self._spoken(text, words) for text in texts}

    def _spoken(self, text: str, words: Path) -> bytes:
        sound = self.folder / "prompt.wav"
        where = ["-c", str(self._configuration), "--number", NUMBER, "--also", str(words)]
        self._command("prompts", "play", text, *where, "-o", str(sound))
        return read(sound, L16_8K)

    def _command(self, *arguments: str) -> None:
        """A `talkpath` command that ends by itself."""
        command = [*TALKPATH, *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **SECRETS},
            capture_output=True,
            text=True,
            timeout=RENDERS_WITHIN,
        )
        assert done.returncode == 0, f"talkpath {' '.join(arguments)}: {done.stdout}{done.stderr}"

    async def open(self, **environment: str) -> None:
        """Start what does not run; ``environment``: of the gateway."""
        if self.bot.has_ended:
            self.bot.start()
        if self.gateway.has_ended:
            self.gateway.start(environment)
        deadline = time.monotonic() + STARTS_WITHIN
        while not await self._is_ready():
            if self.gateway.has_ended or time.monotonic() > deadline:
                raise RuntimeError(f"the gateway did not start; see {self.folder / 'gateway.log'}")
            await asyncio.sleep(POLL)

    async def close(self) -> None:
        self.gateway.stop()
        self.bot.stop()
        await self._client.aclose()

    async def get(self, path: str) -> Any:
        return (await self._client.get(path)).raise_for_status().json()

    async def calls_from(self, number: str) -> list[dict[str, Any]]:
        """What is known of calls from a number, the newest first."""
        return [call for call in await self.get("/api/calls") if call.get("from") == number]

    async def call_from(self, number: str) -> dict[str, Any]:
        """The record, so far, of the newest call from a number; empty where there is none."""
        found = await self.calls_from(number)
        return dict(await self.get(f"/api/calls/{found[0]['call_id']}")) if found else {}

    async def recorded(self, call_id: str) -> bytes:
        """The caller's side of a recording: PCM at 8 kHz."""
        wav = (await self._client.get(f"/api/calls/{call_id}/recording")).raise_for_status().content
        with wave.open(io.BytesIO(wav)) as file:
            assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
            return np.frombuffer(file.readframes(file.getnframes()), "<i2")[::2].tobytes()

    async def transfer(self, call_id: str, target: str) -> None:
        """As an operator does it."""
        (await self._client.post(f"/api/calls/{call_id}/transfer", json={"target": target})).raise_for_status()

    async def _is_ready(self) -> bool:
        try:
            return (await self._client.get("/health/ready")).status_code == 200
        except httpx.HTTPError:
            return False
