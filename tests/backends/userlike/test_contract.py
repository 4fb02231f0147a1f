"""The contract of every chat backend, kept by this one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.backends.userlike.client import UserlikeBackend
from gateway.backends.userlike.settings import UserlikeBotSection
from gateway.kit.http import HttpClient
from gateway.lab.userlike import LabUserlike
from tests.contracts.test_backends import CHECKS, Check, Rig, every
from tests.fakes.userlike import API

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def userlike() -> AsyncIterator[Rig]:
    async def at_once(seconds: float) -> None:
        pass

    async with LabUserlike(bot="shop") as lab, HttpClient() as http:
        settings = UserlikeBotSection(webhook_url=lab.url, **API)
        yield Rig(UserlikeBackend("reception", settings, http, sleep=at_once), lab.server.stop)


@every(CHECKS)
async def test_contract(check: Check) -> None:
    await check(userlike)
