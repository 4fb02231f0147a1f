"""The contract of every chat backend, kept by this one against its lab, whose webhooks come straight to its route."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette

from gateway.backends.haptik.backend import HaptikBackend
from gateway.backends.haptik.settings import HaptikBotSection
from gateway.http.webhooks import webhook_route
from gateway.kit.http import HttpClient
from gateway.lab.haptik import LabHaptik
from tests.contracts.test_backends import CHECKS, Check, Rig, every
from tests.fakes.haptik import bot_settings
from tests.fakes.shared_port import served

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def haptik() -> AsyncIterator[Rig]:
    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    async with LabHaptik(think=0.0) as lab, HttpClient() as http:
        backend = HaptikBackend("reception", HaptikBotSection(**bot_settings(lab.url)), http, sleep=at_once)
        async with served(Starlette(routes=[webhook_route(backend.routes[0], None, lambda *_: None)])) as address:
            lab.webhook = f"http://{address}{backend.routes[0].path}"
            yield Rig(backend, lab.server.stop)


@every(CHECKS)
async def test_contract(check: Check) -> None:
    await check(haptik)
