"""The contract of every chat backend, kept by this one against its lab."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.backends.talkr.client import TalkrBackend
from gateway.backends.talkr.settings import TalkrBotSection
from gateway.kit.http import HttpClient
from gateway.lab.talkr import LabTalkr
from tests.contracts.test_backends import CHECKS, Check, Rig, every

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def reception() -> AsyncIterator[Rig]:
    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    async with LabTalkr(slow=0.0) as lab, HttpClient() as http:
        settings = TalkrBotSection(url=lab.url, company="acme", bot_id="42")
        yield Rig(TalkrBackend("reception", settings, http, sleep=at_once), lab.server.stop)


@every(CHECKS)
async def test_contract(check: Check) -> None:
    await check(reception)
