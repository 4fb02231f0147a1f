"""The contract of every chat backend, kept by this one against its lab."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.backends.openai.client import OpenAiBackend
from gateway.backends.openai.settings import OpenAiBotSection
from gateway.kit.http import HttpClient
from gateway.lab.openai import LabOpenAi
from tests.contracts.test_backends import CHECKS, Check, Rig, every

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def reception() -> AsyncIterator[Rig]:
    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    async with LabOpenAi() as lab, HttpClient() as http:
        settings = OpenAiBotSection(url=lab.url, model="lab", instructions="Be kind.")
        yield Rig(OpenAiBackend("reception", settings, http, sleep=at_once), lab.server.stop)


@every(CHECKS)
async def test_contract(check: Check) -> None:
    await check(reception)
