"""Lines that have a last word to say say it while the shared port still carries it, however the gateway ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from config.lines import LineSection
from config.loading import load
from gateway.app import App
from tests.test_app import PLUGINS, STARTS_WITHIN, write


class PartingLine(LineSection):
    """A line that has something to say."""

    transport: Literal["parting"] = "parting"


class Parting:
    """Asks the shared port, when it ends, whether it is still there."""

    Section = PartingLine
    routes: Sequence[Any] = ()
    port = 0
    answers: ClassVar[list[bytes]] = []

    def __init__(self, *_: Any) -> None: ...

    def drain(self) -> None: ...

    async def serve(self, _: Any) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.answers.append(await self._ask())

    async def _ask(self) -> bytes:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", Parting.port)
        except OSError:
            return b"nobody listens"
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.readline()
        writer.close()
        return answer


@pytest.mark.parametrize("is_abrupt", [False, True])
@pytest.mark.asyncio
async def test_the_port_is_there_until_lines_have_left(tmp_path: Path, is_abrupt: bool) -> None:
    file = write(tmp_path)
    file.write_text(json.dumps({**json.loads(file.read_text()), "lines": {"last": {"transport": "parting"}}}))
    plugins = replace(PLUGINS, transports={**PLUGINS.transports, "parting": Parting})
    app = App(file, load(file, plugins.sections(), env={}), plugins)
    Parting.answers = []
    running = asyncio.create_task(app.run())
    async with asyncio.timeout(STARTS_WITHIN):
        await app.started.wait()
        Parting.port = app.port
        if is_abrupt:
            running.cancel()
        else:
            app.stop()
        await asyncio.wait([running])
    assert Parting.answers == [b"HTTP/1.1 200 OK\r\n"]
    assert running.cancelled() is is_abrupt
