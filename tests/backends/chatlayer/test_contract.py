"""The contract of every chat backend, kept by this one, with the lab's platform behind it and its webhook on a port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.backends.chatlayer.client import ChatlayerBackend
from gateway.backends.chatlayer.settings import ChatlayerBotSection
from gateway.http.port import build_listener
from gateway.kit.http import HttpClient
from gateway.lab.chatlayer import LabChatlayer
from tests.contracts.test_backends import CHECKS, Check, Rig, every
from tests.fakes.chatlayer import PATH, bot_settings
from tests.fakes.shared_port import served

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def chatlayer() -> AsyncIterator[Rig]:
    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    async with LabChatlayer() as lab, HttpClient() as http:
        backend = ChatlayerBackend("reception", ChatlayerBotSection(**bot_settings(lab.url)), http, sleep=at_once)
        async with served(build_listener(backend.routes)) as address:
            lab.courier.url = f"http://{address}{PATH}"
            yield Rig(backend, lab.server.stop)


@every(CHECKS)
async def test_contract(check: Check) -> None:
    await check(chatlayer)
