"""The calls of this process: how many, which, and whose webhook this is.

Webhooks find their call by the keys its chat has claimed; the API finds it by its id. More processes share what is
here through a store of their own; this one knows only itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from gateway.clock import Clock
from gateway.events import CallEvent, CallInfo, OperatorAsked

log = structlog.get_logger()

MAX_KEYS = 100
"""Webhook keys one call may claim."""
Refusal = Literal["full", "draining"]


class CallRefused(Exception):
    """No more calls are taken; ``reason`` says why."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason: Refusal = reason


class UnknownCall(LookupError):
    """No running call of this process has that id."""


@dataclass(slots=True)
class RegisteredCall:
    """A running call.

    Attributes:
        since: When it was offered, on the registry's clock.
        post: Gives its conversation an event; set when its session is there.
        snapshot: Its turns so far and its state, as JSON; set by whoever keeps them.
    """

    info: CallInfo
    since: float
    post: Callable[[CallEvent], None] | None = None
    snapshot: Callable[[], dict[str, Any]] | None = None
    keys: set[str] = field(default_factory=set)


class Registry:
    """All running calls of this process.

    Args:
        clock: For the length of calls.
        max_calls: Calls at the same time; further ones are refused.
    """

    def __init__(self, clock: Clock, max_calls: int) -> None:
        self._clock = clock
        self.max_calls = max_calls
        self._calls: dict[str, RegisteredCall] = {}
        self._holders: dict[str, str] = {}
        self._is_draining = False
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[RegisteredCall]:
        return iter(list(self._calls.values()))

    # --- taking calls ----------------------------------------------------------------------------------------------
    @property
    def is_draining(self) -> bool:
        return self._is_draining

    def refusal(self) -> Refusal | None:
        """Why a call offered now would be refused; None: it would not."""
        if self._is_draining:
            return "draining"
        return "full" if len(self._calls) >= self.max_calls else None

    @contextmanager
    def register(self, info: CallInfo) -> Iterator[RegisteredCall]:
        """A place for a call, until the block is left; its keys go with it.

        Raises:
            CallRefused: there is none. ValueError: a call of this id is running.
        """
        reason = self.refusal()
        if reason is not None:
            raise CallRefused(reason)
        if info.call_id in self._calls:
            raise ValueError("a call of this id is running already")
        call = self._calls[info.call_id] = RegisteredCall(info, self._clock.now())
        self._empty.clear()
        try:
            yield call
        finally:
            del self._calls[info.call_id]
            for key in call.keys:
                self._holders.pop(key, None)
            if not self._calls:
                self._empty.set()

    def drain(self) -> None:
        """Take no more calls."""
        self._is_draining = True

    async def drained(self, within: float) -> bool:
        """Wait until the last call is over, at most ``within`` seconds. Returns whether it is."""
        try:
            async with asyncio.timeout(within):
                await self._empty.wait()
        except TimeoutError:
            log.warning("calls outlast the drain time", calls=len(self._calls))
            return False
        return True

    # --- finding calls ---------------------------------------------------------------------------------------------
    def claim(self, call_id: str, key: str) -> None:
        """Webhooks that name this key are this call's. A key that another call holds goes to the newer one.

        Raises:
            UnknownCall: the call is over. ValueError: it has claimed too many.
        """
        call = self.call(call_id)
        if key not in call.keys and len(call.keys) >= MAX_KEYS:
            raise ValueError(f"a call may claim {MAX_KEYS} keys")
        holder = self._holders.get(key)
        if holder is not None and holder in self._calls:
            self._calls[holder].keys.discard(key)
        call.keys.add(key)
        self._holders[key] = call_id

    def holder(self, key: str) -> str | None:
        """The id of the call that claimed a key."""
        return self._holders.get(key)

    def call(self, call_id: str) -> RegisteredCall:
        """Raises UnknownCall."""
        try:
            return self._calls[call_id]
        except KeyError:
            raise UnknownCall(call_id) from None

    # --- what the API asks -----------------------------------------------------------------------------------------
    def ask(self, call_id: str, asked: OperatorAsked) -> None:
        """Ask a call to hang up or to transfer. Raises UnknownCall."""
        call = self.call(call_id)
        if call.post is None:
            raise UnknownCall(call_id)
        call.post(asked)

    def snapshot(self, call_id: str) -> dict[str, Any]:
        """One call with its turns so far. Raises UnknownCall."""
        call = self.call(call_id)
        return {**self._summary(call), **(call.snapshot() if call.snapshot else {})}

    def snapshots(self) -> list[dict[str, Any]]:
        """All calls, without their turns, the oldest first."""
        return [self._summary(call) for call in self._calls.values()]

    def _summary(self, call: RegisteredCall) -> dict[str, Any]:
        info = call.info
        return {
            "call_id": info.call_id,
            "leg_id": info.leg_id,
            "line": info.line,
            "number": info.number,
            "from": info.caller,
            "to": info.called,
            "seconds": round(self._clock.now() - call.since, 3),
        }
