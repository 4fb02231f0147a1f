"""The contract of every chat backend, kept by this one; a module of open questions stands for a bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette

from gateway.backends.talklift.client import TalkliftBackend
from gateway.backends.talklift.settings import TalkliftBotSection
from gateway.http.port import build_listener
from gateway.kit.http import HttpClient
from gateway.lab.talklift import LabTalklift
from tests.contracts.test_backends import OF_ANY, Check, Rig, every
from tests.fakes.shared_port import served
from tests.fakes.talklift import project, slots

pytestmark = pytest.mark.asyncio

QUESTIONS = slots({"label": "One?"}, {"label": "Two?"}, {"label": "Three?"}, {"label": "Four?"})


def settings(lab: LabTalklift, **more: str) -> TalkliftBotSection:
    return TalkliftBotSection(**project(lab.url, QUESTIONS, **more))


@asynccontextmanager
async def talklift() -> AsyncIterator[Rig]:
    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    async with LabTalklift() as lab, HttpClient() as http:
        yield Rig(TalkliftBackend("desk", settings(lab), http, sleep=at_once), lab.server.stop)


@every(OF_ANY)  # the questions are asked whether the platform is there or not
async def test_contract(check: Check) -> None:
    await check(talklift)


async def test_tl01_a_backend_written_for_talklift_finds_its_paths_at_the_root_of_a_listener():
    async with LabTalklift() as lab, HttpClient() as http:
        backend = TalkliftBackend("desk", settings(lab, listen="127.0.0.1:0"), http)
        fixed = [route for route in backend.routes if route.listen is not None]
        assert len(fixed) == 6
        app: Starlette = build_listener(fixed)
        async with served(app) as address:
            lab.gateway = f"http://{address}"
            assert len(await lab.log_in()) == 40
            await lab.post("/api/v1/sessions/send_message/", {"session_id": 1, "text": "x"})
        assert lab.sent[-1].status == 404
