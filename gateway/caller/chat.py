"""`talkpath chat`: a call as text, from a terminal or a pipe."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any, TextIO

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.caller.api import CallFailed, api_base

QUIET = 0.8  # s without a word of the bot's before the next line of a pipe is sent
READ_WITHIN = 30.0  # s a pipe waits for the bot's first word
HELP = "Type what you would say. /digits 12# presses keys, /hangup ends the call."


async def chat(number: str, *, to: str | None, token: str | None, caller: str, as_json: bool, out: TextIO) -> int:
    """Hold a call as text until either side ends it.

    Returns:
        0 when the call ended in order, 1 when the connection was lost.
    Raises:
        CallFailed: it could not be placed.
    """
    base = api_base(to)
    url = base.replace("http", "ws", 1) + "/api/chat"  # wss where it is https
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        async with connect(url, additional_headers=headers, compression=None, proxy=None) as connection:
            await connection.send(json.dumps({"type": "start", "to": number, "from": caller}))
            return await Chat(connection, out, as_json=as_json).run()
    except InvalidStatus as refused:
        raise CallFailed(f"the gateway refuses with status {refused.response.status_code}") from refused
    except OSError as error:
        raise CallFailed(f"no gateway answers at {base}: {error}") from error


class Chat:
    """One conversation."""

    def __init__(self, connection: ClientConnection, out: TextIO, *, as_json: bool) -> None:
        self._connection = connection
        self._out = out
        self._as_json = as_json
        self._heard = asyncio.Event()
        self._is_tidy = False

    async def run(self) -> int:
        if sys.stdin.isatty() and not self._as_json:
            print(HELP, file=self._out)
        reading = asyncio.create_task(self._read())
        writing = asyncio.create_task(self._write())
        await asyncio.wait([reading, writing], return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            await asyncio.wait([reading], timeout=5)
        for task in (reading, writing):
            task.cancel()
        await asyncio.wait([reading, writing])
        return 0 if self._is_tidy else 1

    async def _read(self) -> None:
        try:
            async for message in self._connection:
                await self._take(json.loads(message))
        except ConnectionClosed:
            return

    async def _take(self, value: dict[str, Any]) -> None:
        if self._as_json:
            print(json.dumps(value, ensure_ascii=False), file=self._out, flush=True)
        match value.get("type"):
            case "say":
                self._print(f"bot: {value['text']}")
                await self._send({"type": "mark", "mark": value["mark"]})
                self._heard.set()
            case "digits":
                self._print(f"bot presses: {value['digits']}")
            case "hangup":
                self._is_tidy = True
                self._print(f"(hung up: {value['reason']})")

    def _print(self, line: str) -> None:
        if not self._as_json:
            print(line, file=self._out, flush=True)

    async def _write(self) -> None:
        async for line in self._lines():
            text = line.strip()
            if text == "/hangup":
                break
            if text.startswith("/digits "):
                await self._send({"type": "digits", "digits": text.removeprefix("/digits ").strip()})
            elif text:
                await self._send({"type": "text", "text": text})
        if not sys.stdin.isatty():
            await self._quiet()
        self._is_tidy = True
        await self._send({"type": "hangup"})

    async def _lines(self) -> AsyncIterator[str]:
        while True:
            if not sys.stdin.isatty():
                await self._quiet()
            line = await asyncio.to_thread(sys.stdin.readline)
            if not line:
                return
            if not sys.stdin.isatty():
                self._print(f"you: {line.strip()}")
            self._heard.clear()
            yield line

    async def _quiet(self) -> None:
        """Wait for the bot to say something, and then to stop."""
        try:
            async with asyncio.timeout(READ_WITHIN):
                await self._heard.wait()
        except TimeoutError:
            return
        while self._heard.is_set():
            self._heard.clear()
            try:
                async with asyncio.timeout(QUIET):
                    await self._heard.wait()
            except TimeoutError:
                self._heard.set()
                return

    async def _send(self, value: dict[str, Any]) -> None:
        try:
            await self._connection.send(json.dumps(value, ensure_ascii=False))
        except ConnectionClosed:
            return
