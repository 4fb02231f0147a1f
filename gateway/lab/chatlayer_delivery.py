"""The platform's way to a channel's webhook: a request for each message, three more after a failing answer, and what
can go wrong on the way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from gateway.lab.faults import Fault, FaultScript

ATTEMPTS = 4  # the vendor's page, "Response": three retries
RETRY_AFTER = 1.0  # not documented
WITHIN = 10.0
GARBAGE = b"<html><b>Fatal error</b>: out of memory</html>"
DEEP = b'{"message":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
OVERSIZED = b'{"message":{"text":"' + b"x" * (300 * 1024) + b'"}}'
INSTEAD = {"garbage": GARBAGE, "deep": DEEP, "oversized": OVERSIZED}


@dataclass(frozen=True, slots=True)
class Delivered:
    """One request to the webhook and its answer; status 0: there was none."""

    body: Mapping[str, Any]
    status: int
    answer: bytes = b""
    fault: str = "ok"


@dataclass
class Courier:
    """Delivers the messages of one bot.

    Attributes:
        url: The webhook; empty: messages go nowhere.
        faults: One step for each message; see `gateway.lab.faults`.
        log: Every request, in order.
    """

    url: str = ""
    faults: FaultScript = field(default_factory=FaultScript)
    retry_after: float = RETRY_AFTER
    log: list[Delivered] = field(default_factory=list)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _client: httpx.AsyncClient | None = None
    _held: list[dict[str, Any]] = field(default_factory=list)

    async def open(self) -> None:
        self._client = httpx.AsyncClient(timeout=WITHIN, trust_env=False)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def deliver(self, body: dict[str, Any], *, is_last: bool = True) -> None:
        """Deliver a message; with ``reorder``, after the one that follows it."""
        if not self.url:
            return
        fault = self.faults.next()
        if fault.name == "reorder" and not is_last:
            self._held.append(body)
            return
        await self._with(fault, body)
        held, self._held = self._held, []
        for late in held:
            await self._until_taken(late, "reorder")

    async def _with(self, fault: Fault, body: dict[str, Any]) -> None:
        match fault.name:
            case "slow":
                await self.sleep(fault.value or 0.0)
            case "duplicate":
                await self._until_taken(body, fault.name)
            case "wrong-token":
                body = {**body, "verifyToken": "wrong"}
            case "drop":
                await self._hang_up_early(body)
            case name if name in INSTEAD:
                await self._post(INSTEAD[name], {}, name)
        await self._until_taken(body, fault.name)

    async def _until_taken(self, body: dict[str, Any], fault: str) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                await self.sleep(self.retry_after)
            status = await self._post(None, body, fault)
            if 200 <= status < 300:
                return

    async def _post(self, content: bytes | None, body: dict[str, Any], fault: str) -> int:
        assert self._client is not None
        try:
            if content is None:
                answer = await self._client.post(self.url, json=body)
            else:
                answer = await self._client.post(
                    self.url, content=content, headers={"content-type": "application/json"}
                )
        except httpx.HTTPError:
            self.log.append(Delivered(body, 0, fault=fault))
            return 0
        self.log.append(Delivered(body, answer.status_code, answer.content, fault))
        return answer.status_code

    async def _hang_up_early(self, body: dict[str, Any]) -> None:
        """Send half of a request and close; what it said comes again, whole."""
        target = httpx.URL(self.url)
        content = httpx.Request("POST", target, json=body).read()
        head = f"POST {target.path} HTTP/1.1\r\nhost: {target.host}\r\ncontent-type: application/json\r\n"
        _, writer = await asyncio.open_connection(target.host, target.port or 80)
        writer.write(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content[: len(content) // 2])
        await writer.drain()
        writer.close()
        self.log.append(Delivered(body, 0, fault="drop"))
