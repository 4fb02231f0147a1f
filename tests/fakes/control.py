"""A gateway as the shared port sees it: a few calls, lines and records, and an account of what was asked of it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.http.control import Refused, Reloaded, UnknownName

Json = dict[str, Any]


class FakeControl:
    """Implements `gateway.http.control.Control`.

    Attributes:
        running, ended: Calls as `/api/calls` has them; records: what `/api/records` finds.
        asked: What was asked of the gateway, in order.
    """

    def __init__(self) -> None:
        self.is_ready = True
        self.refusing: str | None = None
        self.running: dict[str, Json] = {}
        self.stored: dict[str, Json] = {}
        self.folder = Path("nowhere")
        self.problems: list[str] = []
        self.needs_restart: list[str] = []
        self.asked: list[tuple[Any, ...]] = []

    def refuses_calls(self) -> str | None:
        return self.refusing

    def status(self) -> Json:
        return {"version": "1.2.3", "ready": self.is_ready, "draining": False, "calls": 1, "max_calls": 200}

    def lines(self) -> Sequence[Json]:
        return [{"name": "pbx", "transport": "asterisk", "path": "/media/asterisk", "auth": "basic"}]

    def calls(self) -> Sequence[Json]:
        return list(self.running.values())

    def call(self, call_id: str) -> Json:
        if call_id not in self.running:
            raise UnknownName(f"no call {call_id} is running or has just ended")
        return self.running[call_id]

    async def hang_up(self, call_id: str) -> None:
        self.call(call_id)
        self.asked.append(("hang_up", call_id))

    async def transfer(self, call_id: str, target: str) -> None:
        self.call(call_id)
        self.asked.append(("transfer", call_id, target))

    async def connect(self, line: str, connection_id: str, caller: str, called: str, custom: Mapping[str, str]) -> None:
        if line == "elsewhere":
            raise UnknownName(f"there is no line {line}")
        if line == "cloud":
            raise Refused(f"line {line} does not dial; its peer does")
        self.asked.append(("connect", line, connection_id, caller, called, dict(custom)))

    def numbers(self) -> Sequence[Json]:
        return [{"number": "+33123456789", "bot": "demo", "language": "fr-FR", "profile": None}]

    def invite(self, number: str, caller: str) -> Json:
        if not number.startswith("+33"):
            raise UnknownName(f"no entry under numbers matches {number}")
        self.asked.append(("invite", number, caller))
        return {"token": "for-one-call", "path": "/media/browser", "expires_in": 60.0}

    def explain(self, number: str) -> Sequence[Json]:
        if not number.startswith("+33"):
            raise UnknownName(f"no entry under numbers matches {number}")
        return [{"key": "language", "value": number, "origin": "built-in"}]

    async def records(self, *, limit: int, number: str | None, before: datetime.datetime | None) -> Sequence[Json]:
        self.asked.append(("records", limit, number, before))
        return list(self.stored.values())[:limit]

    async def record(self, call_id: str) -> Json:
        if call_id not in self.stored:
            raise UnknownName(f"there is no record of a call {call_id}")
        return self.stored[call_id]

    async def journal(self, call_id: str) -> bytes:
        return self._file(call_id, "jsonl").read_bytes()

    async def recording(self, call_id: str) -> Path:
        if call_id in self.running:
            raise Refused(f"call {call_id} is still being recorded, if it is")
        return self._file(call_id, "wav")

    def _file(self, call_id: str, kind: str) -> Path:
        path = self.folder / f"{call_id}.{kind}"
        if not path.is_file():
            raise UnknownName(f"call {call_id} has no file")
        return path

    async def reload(self) -> Reloaded:
        return Reloaded(problems=self.problems, needs_restart=self.needs_restart)

    async def drain(self) -> None:
        self.asked.append(("drain",))

    def metrics(self) -> bytes:
        return b"talkpath_calls_running 1.0\n"
