"""Who answers a call: the bot, or the people behind the PBX. Settled per number, before the call is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from config.call import NumberSettings
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.events import CallInfo

AskHook = Callable[[str, str, Mapping[str, Any]], Awaitable[Any]]
"""Asks a service of the operator's, by its name under `hooks`, with a key and a body. Raises GatewayError."""

log = structlog.get_logger()


class Answering:
    """Says whether the bot answers. In doubt it does: somebody has to.

    Args:
        ask: Reaches the operator's hooks. None: there are none.
    """

    def __init__(self, clock: Clock, ask: AskHook | None = None) -> None:
        self._clock = clock
        self._ask = ask

    async def is_for_bot(self, number: NumberSettings, call: CallInfo) -> bool:
        """Whether the bot gets this call."""
        rule, hours = number.answer_when, number.hours
        is_open = not hours.is_known or hours.is_open(self._clock.wall())
        match rule.mode:
            case "always":
                return True
            case "outside_hours":
                return not is_open
            case "nobody_free":
                return not is_open or not await self._is_somebody_free(rule.hook, rule.wait, call)

    async def _is_somebody_free(self, hook: str | None, wait: float, call: CallInfo) -> bool:
        if hook is None or self._ask is None:
            return False
        body = {
            "event": "availability",
            "call_id": call.call_id,
            "number": call.number,
            "caller": call.caller,
            "called": call.called,
            "line": call.line,
        }
        try:
            async with asyncio.timeout(wait):
                answer = await self._ask(hook, call.call_id, body)
        except (GatewayError, TimeoutError) as error:
            reason = str(error) or "timeout"
            log.warning("nobody says who is free, the bot answers", call_id=call.call_id, error=reason)
            return False
        return isinstance(answer, Mapping) and answer.get("free") is True
