"""The contract of every chat backend, kept by this one against its lab."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.backends.rest.client import RestBackend
from gateway.backends.rest.settings import RestBotSection
from gateway.kit.http import HttpClient
from gateway.lab.rest import LabRest
from tests.contracts.test_backends import CHECKS, Check, Rig, every

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def reception() -> AsyncIterator[Rig]:
    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    async with LabRest() as lab, HttpClient() as http:
        backend = RestBackend("reception", RestBotSection(url=lab.url), http, sleep=at_once)
        yield Rig(backend, lab.server.stop, option="s")


@every(CHECKS)
async def test_contract(check: Check) -> None:
    await check(reception)
