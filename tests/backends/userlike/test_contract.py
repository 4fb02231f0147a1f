"""The contract of every chat backend, kept by this one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.backends.userlike.client import UserlikeBackend
from gateway.backends.userlike.settings import UserlikeBotSection
from gateway.kit.http import HttpClient
from gateway.lab.userlike import LabUserlike
from tests.contracts import test_backends as contract
from tests.fakes.userlike import API

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def userlike() -> AsyncIterator[contract.Rig]:
    async def at_once(seconds: float) -> None:
        pass

    async with LabUserlike(bot="shop") as lab, HttpClient() as http:
        settings = UserlikeBotSection(webhook_url=lab.url, **API)
        yield contract.Rig(UserlikeBackend("reception", settings, http, sleep=at_once), lab.server.stop)


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
    await check(userlike)  # type: ignore[operator]  # a coroutine function
