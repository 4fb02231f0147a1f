"""The office that tests of the core call: one whose bot is the lab's of TALKR, unless a test brings another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.lab.talkr import LabTalkr
from tests.fakes import office
from tests.fakes.office import CLOSING, Bot, Office


@asynccontextmanager
async def open_office(
    folder: Path,
    *,
    bot: Bot | None = None,
    bot_settings: Mapping[str, Any] | None = None,
    faults: str = "",
    slow: float = 2.0,
    **more: Any,
) -> AsyncIterator[Office]:
    """Open an office.

    Args:
        bot: Answers as TALKR does; the lab's by default.
        bot_settings: Further ones.
        faults, slow: Of the lab's bot.
        more: As of `tests.fakes.office.open_office`.
    """
    if bot is None:
        async with LabTalkr(slow=slow, faults=faults) as lab:
            async with open_office(folder, bot=lab, bot_settings=bot_settings, **more) as opened:
                yield opened
            await asyncio.sleep(CLOSING)
        return
    settings = {"backend": "talkr", "url": bot.url, "company": "acme", "bot_id": 42, **(bot_settings or {})}
    async with office.open_office(folder, bot=bot, bot_settings=settings, **more) as opened:
        yield opened
