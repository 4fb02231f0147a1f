"""The contract of every chat backend, kept by this one, with the lab's platform behind it and its webhook on a port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.backends.chatlayer.client import ChatlayerBackend
from gateway.backends.chatlayer.settings import ChatlayerBotSection
from gateway.caller_events import CallStarted, UserText
from gateway.errors import GatewayError
from gateway.http.port import build_listener
from gateway.kit.http import HttpClient
from gateway.lab.chatlayer import LabChatlayer
from tests.contracts import test_backends as contract
from tests.fakes.chatlayer import PATH, bot_settings
from tests.fakes.shared_port import served

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def chatlayer() -> AsyncIterator[contract.Rig]:
    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    async with LabChatlayer() as lab, HttpClient() as http:
        backend = ChatlayerBackend("reception", ChatlayerBotSection(**bot_settings(lab.url)), http, sleep=at_once)
        async with served(build_listener(backend.routes)) as address:
            lab.courier.url = f"http://{address}{PATH}"
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
async def test_contract(check: Any) -> None:
    await check(chatlayer)


async def test_a_platform_that_is_gone_is_an_error_of_ours() -> None:
    async with chatlayer() as rig, contract.chat_of(rig) as chat:
        await contract.answers(chat, chat.actions(), CallStarted())
        assert rig.cut_off is not None
        await rig.cut_off()
        with pytest.raises(GatewayError):
            await chat.send(UserText(turn=1, text="hello"))
