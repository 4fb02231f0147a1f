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
from tests.contracts import test_backends as contract
from tests.fakes.haptik import bot_settings
from tests.fakes.shared_port import served

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def haptik() -> AsyncIterator[contract.Rig]:
    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    async with LabHaptik(think=0.0) as lab, HttpClient() as http:
        backend = HaptikBackend("reception", HaptikBotSection(**bot_settings(lab.url)), http, sleep=at_once)
        async with served(Starlette(routes=[webhook_route(backend.routes[0], None, lambda *_: None)])) as address:
            lab.webhook = f"http://{address}{backend.routes[0].path}"
            yield contract.Rig(backend, lab.server.stop)


@pytest.mark.parametrize(
    "check",
    [
        contract.test_the_caller_is_greeted_and_answered_in_the_right_turn,
        contract.test_opening_a_chat_asks_nobody,
        contract.test_reports_and_the_end_of_the_call_are_taken,
        contract.test_two_calls_do_not_hear_each_other,
        contract.test_what_a_bot_asks_for_can_be_written_down,
        contract.test_a_cancelled_turn_is_not_the_end_of_the_chat,
        contract.test_capabilities_routes_and_problems_are_plain_values,
    ],
    ids=lambda check: check.__name__.removeprefix("test_"),
)
async def test_contract(check: object):
    await check(haptik)  # type: ignore[operator]  # a coroutine function
