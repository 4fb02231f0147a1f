"""What the gateway's API says of calls that a browser has made."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

ENDS_WITHIN = 30.0
POLL = 0.1


async def running_call(api: httpx.AsyncClient) -> dict[str, Any]:
    """The one call that is up."""
    calls = [call for call in (await api.get("/api/calls")).json() if call["state"] != "over"]
    assert len(calls) == 1, f"{len(calls)} calls are up"
    return dict(calls[0])


async def last_call(api: httpx.AsyncClient) -> dict[str, Any]:
    """The record of the newest call, once all are over."""
    async with asyncio.timeout(ENDS_WITHIN):
        while True:
            calls: list[dict[str, Any]] = (await api.get("/api/calls")).json()
            if calls and all(call["state"] == "over" for call in calls):
                break
            await asyncio.sleep(POLL)
    newest = max(calls, key=lambda call: str(call["started_at"]))
    return await record_of(api, newest["call_id"])


async def record_of(api: httpx.AsyncClient, call_id: str) -> dict[str, Any]:
    """One call's record, once it is over."""
    async with asyncio.timeout(ENDS_WITHIN):
        while True:
            record: dict[str, Any] = (await api.get(f"/api/calls/{call_id}")).json()
            if record.get("state", "over") == "over":
                return record
            await asyncio.sleep(POLL)


async def recording_of(api: httpx.AsyncClient, call_id: str) -> bytes:
    """What was recorded of a call, once it is written."""
    async with asyncio.timeout(ENDS_WITHIN):
        while True:
            reply = await api.get(f"/api/calls/{call_id}/recording")
            if reply.status_code == 200:
                return reply.content
            await asyncio.sleep(POLL)
