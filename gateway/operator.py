"""The gateway as its operator's API sees it; implements `gateway.http.control.Control`."""

from __future__ import annotations

import asyncio
import datetime
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from config.origins import explain
from gateway.call.registry import UnknownCall
from gateway.errors import GatewayError
from gateway.events import OperatorAsked
from gateway.http.control import Json, Refused, Reloaded, UnknownName
from gateway.interfaces import InvitesPages, RegistersAtPeers, RegistrationStatus, Transport
from gateway.reception import Reception
from gateway.records.keeping import day_folder

DETAILS = ("exchange", "notes", "said", "saying", "custom")
"""Parts of a record that lists leave out."""
Connect = Callable[[str, str, str, Mapping[str, str]], Awaitable[str]]


def own_version() -> str:
    try:
        return version("talkpath")
    except PackageNotFoundError:
        return "unknown"


class Operator:
    """Answers the API.

    Args:
        reception: Where calls arrive.
        transports: Running lines, by name.
        reload: Reads the configuration again.
    """

    def __init__(
        self,
        reception: Reception,
        transports: Mapping[str, Transport],
        reload: Callable[[], Awaitable[Reloaded]],
    ) -> None:
        self._reception = reception
        self._transports = transports
        self._reload = reload
        self.is_serving = False

    # --- health ----------------------------------------------------------------------------------------------------
    @property
    def is_ready(self) -> bool:
        return self.is_serving and not self._reception.equipment.registry.is_draining

    def refuses_calls(self) -> str | None:
        reason = self._reception.equipment.registry.refusal()
        if reason is not None:
            self._reception.equipment.metrics.refused.labels("", reason).inc()
        return reason

    def metrics(self) -> bytes:
        metrics = self._reception.equipment.metrics
        for line in self._transports:
            if accounts := self._registrations_of(line):
                metrics.registrations_are(line, Counter(account.state for account in accounts))
        return metrics.text()

    # --- what there is ---------------------------------------------------------------------------------------------
    def status(self) -> Json:
        registry = self._reception.equipment.registry
        return {
            "version": own_version(),
            "ready": self.is_ready,
            "draining": registry.is_draining,
            "calls": len(registry),
            "max_calls": registry.max_calls,
        }

    def lines(self) -> Sequence[Json]:
        settings = self._reception.house.settings
        return [
            {
                "name": name,
                "transport": line.transport,
                "path": line.path,
                "listen": list(line.listens),
                "auth": line.proof,
                "registrations": [_registration(status) for status in self._registrations_of(name)],
            }
            for name, line in settings.lines.items()
        ]

    def _registrations_of(self, line: str) -> Sequence[RegistrationStatus]:
        transport = self._transports.get(line)
        return transport.registrations() if isinstance(transport, RegistersAtPeers) else ()

    def calls(self) -> Sequence[Json]:
        running = [self._running(call.info.call_id) for call in self._reception.equipment.registry]
        ended = [
            {**record.summary(), "leg_id": record.info.leg_id, "state": "over"} for record in self._reception.recent
        ]
        return [*running, *reversed(ended)]

    def _running(self, call_id: str) -> Json:
        full = self._reception.equipment.registry.snapshot(call_id)
        return {name: value for name, value in full.items() if name not in DETAILS}

    def call(self, call_id: str) -> Json:
        try:
            return self._reception.equipment.registry.snapshot(call_id)
        except UnknownCall:
            record = self._reception.recently(call_id)
        if record is None:
            raise UnknownName(f"no call {call_id} is running or has just ended")
        return {**record.to_json(), "state": "over"}

    def explain(self, number: str) -> Sequence[Json]:
        settings = self._reception.house.settings
        if settings.number_for(number) is None:
            raise UnknownName(f"no entry under numbers matches {number}")
        return [{"key": row.key, "value": row.value, "origin": str(row.origin)} for row in explain(settings, number)]

    # --- what can be asked for -------------------------------------------------------------------------------------
    async def hang_up(self, call_id: str) -> None:
        self._ask(call_id, OperatorAsked())

    async def transfer(self, call_id: str, target: str) -> None:
        self._ask(call_id, OperatorAsked(hang_up=False, target=target))

    def _ask(self, call_id: str, asked: OperatorAsked) -> None:
        try:
            self._reception.equipment.registry.ask(call_id, asked)
        except UnknownCall as unknown:
            raise UnknownName(f"no call {call_id} is running") from unknown

    async def connect(self, line: str, connection_id: str, caller: str, called: str, custom: Mapping[str, str]) -> None:
        transport = self._transports.get(line)
        if transport is None:
            raise UnknownName(f"there is no line {line}")
        dial: Connect | None = getattr(transport, "connect", None)
        if dial is None:
            raise Refused(f"line {line} does not dial; its peer does")
        if (reason := self.refuses_calls()) is not None:
            raise Refused(f"no more calls: {reason}")
        try:
            await dial(connection_id, caller, called, custom)
        except GatewayError as error:
            raise Refused(str(error)) from error

    def numbers(self) -> Sequence[Json]:
        numbers = self._reception.house.settings.numbers
        return [
            {"number": name, "bot": number.bot, "language": number.language, "profile": number.profile}
            for name, number in numbers.items()
        ]

    def invite(self, number: str, caller: str) -> Json:
        inviting = next((line for line in self._transports.values() if isinstance(line, InvitesPages)), None)
        if inviting is None:
            raise UnknownName("there is no browser line; add one under lines, with transport: browser")
        if self._reception.house.settings.number_for(number) is None:
            raise UnknownName(f"no entry under numbers matches {number}")
        invitation = inviting.invite(number, caller)
        return {"token": invitation.token, "path": invitation.path, "expires_in": invitation.lasts}

    async def reload(self) -> Reloaded:
        return await self._reload()

    async def drain(self) -> None:
        self._reception.equipment.registry.drain()

    # --- what was --------------------------------------------------------------------------------------------------
    async def records(self, *, limit: int, number: str | None, before: datetime.datetime | None) -> Sequence[Json]:
        found = await self._reception.equipment.store.find(limit=limit, number=number, before=before)
        return [_without_details(record) for record in found]

    async def record(self, call_id: str) -> Json:
        found = await self._reception.equipment.store.get(call_id)
        if found is None:
            raise UnknownName(f"there is no record of a call {call_id}")
        return found

    async def journal(self, call_id: str) -> bytes:
        path = await self._file(call_id, f"{call_id}.jsonl", "journal")
        data = await asyncio.to_thread(path.read_bytes)
        return data[: data.rfind(b"\n") + 1]  # a line may just be being written

    async def recording(self, call_id: str) -> Path:
        if call_id in {call.info.call_id for call in self._reception.equipment.registry}:
            raise Refused(f"call {call_id} is still being recorded, if it is")
        return await self._file(call_id, f"{call_id}.wav", "recording")

    async def _file(self, call_id: str, name: str, what: str) -> Path:
        """A file that a call has left. Only calls that are known have any, so no name leads anywhere else."""
        try:
            record = self.call(call_id)
        except UnknownName:
            record = await self.record(call_id)
        directory = self._reception.house.settings.records.directory
        path = day_folder(directory, datetime.datetime.fromisoformat(record["started_at"])) / name
        await asyncio.to_thread(self._reception.equipment.disk.flush)
        if not await asyncio.to_thread(path.is_file):
            raise UnknownName(f"call {call_id} has no {what}")
        return path


def _registration(status: RegistrationStatus) -> Json:
    """As the API shows it."""
    return {
        "account": status.account,
        "registrar": status.registrar,
        "state": status.state,
        "since": status.since.isoformat(timespec="seconds") if status.since else None,
        "status": status.status,
        "reason": status.reason,
        "advice": status.advice,
        "next_attempt_in": _rounded(status.next_attempt_in),
        "expires_in": _rounded(status.expires_in),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _without_details(record: dict[str, Any]) -> Json:
    return {name: value for name, value in record.items() if name not in DETAILS}
