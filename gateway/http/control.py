"""What the shared port asks of the gateway. `app` implements it; a test gives a small one."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Json = dict[str, Any]


class UnknownName(LookupError):
    """There is no such call, line, number or record."""


class Refused(Exception):
    """It is there, and it cannot be done; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What became of reading the configuration again.

    Attributes:
        problems: What is wrong with it; it was not taken.
        needs_restart: Sections that have changed and that only a restart puts in force, such as ``lines`` or
            ``bots.reception``; all others are.
    """

    problems: Sequence[str] = ()
    needs_restart: Sequence[str] = ()


class Control(Protocol):
    """The gateway, as its operator's API sees it. Everything returned is JSON."""

    @property
    def is_ready(self) -> bool:
        """Whether new calls are accepted."""
        ...

    def refuses_calls(self) -> str | None:
        """Why a new call would be refused now (``full``, ``draining``); None: it would be accepted."""
        ...

    def status(self) -> Json: ...
    def lines(self) -> Sequence[Json]: ...
    def calls(self) -> Sequence[Json]: ...
    def call(self, call_id: str) -> Json:
        """One running or recent call with its turns. Raises UnknownName."""
        ...

    async def hang_up(self, call_id: str) -> None:
        """Raises UnknownName."""
        ...

    async def transfer(self, call_id: str, target: str) -> None:
        """Raises UnknownName."""
        ...

    async def connect(self, line: str, connection_id: str, caller: str, called: str, custom: Mapping[str, str]) -> None:
        """Dial a media connection that waits for us. Raises UnknownName, Refused."""
        ...

    def numbers(self) -> Sequence[Json]:
        """The entries under `numbers`: ``number``, ``bot``, ``language``, ``profile``."""
        ...

    def invite(self, number: str, caller: str) -> Json:
        """Let a page place one call: ``token``, ``path`` on the shared port, ``expires_in`` in seconds.

        Raises UnknownName.
        """
        ...

    def explain(self, number: str) -> Sequence[Json]:
        """Effective settings of a number with their origins, secrets masked. Raises UnknownName."""
        ...

    async def records(self, *, limit: int, number: str | None, before: datetime.datetime | None) -> Sequence[Json]:
        """Ended calls, newest first; those of a number, or that started before a moment (UTC)."""
        ...

    async def record(self, call_id: str) -> Json:
        """Raises UnknownName."""
        ...

    async def journal(self, call_id: str) -> bytes:
        """The lines of a call's journal; while it is up, those until now. Raises UnknownName."""
        ...

    async def recording(self, call_id: str) -> Path:
        """The WAV file of a call that is over. Raises UnknownName, and Refused while it is up."""
        ...

    async def reload(self) -> Reloaded:
        """Read the configuration again, for new calls."""
        ...

    async def drain(self) -> None:
        """Accept no more calls."""
        ...

    def metrics(self) -> bytes:
        """Prometheus text format."""
        ...
