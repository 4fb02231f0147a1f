"""The lab's customer backend and account for TalkLift, held to the reference's samples without the gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.lab.server import LabReply, LabRequest, LabServer, json_reply
from gateway.lab.talklift import LabTalklift, LabTalkliftAccount, main
from tests.fakes.virtual_loop import virtual_time

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "fixtures/talklift/vectors.json").read_text())
UPDATE = "/api/v1/session-slot-states/update_from_webhook/"
MESSAGE = "/api/v1/sessions/send_message/"


class Platform:
    """TalkLift's three endpoints, which keep what they are asked."""

    def __init__(self) -> None:
        self.server = LabServer(self._answer)

    async def _answer(self, request: LabRequest) -> LabReply:
        if request.path == "/api-token-auth/":
            return json_reply(VECTORS["token_response"])
        token = VECTORS["token_response"]["token"]
        return json_reply({}, 200 if request.headers.get("authorization") == f"Token {token}" else 401)

    async def asked(self, count: int) -> list[LabRequest]:
        async with asyncio.timeout(60):
            await self.server.received(count)
        return list(self.server.requests)


@asynccontextmanager
async def customer(**settings: Any) -> AsyncIterator[tuple[LabTalklift, Platform, httpx.AsyncClient]]:
    platform = Platform()
    async with (
        platform.server,
        LabTalklift(gateway=platform.server.url, **settings) as lab,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        yield lab, platform, client


@pytest.mark.parametrize("semantics", ["flags", "sample"])
@virtual_time
async def test_tl12_tl22_tl23_a_slot_is_checked_and_updated(semantics: str) -> None:
    async with customer(semantics=semantics) as (lab, platform, client):
        assert (await client.post(lab.url, json=VECTORS["slot_webhook"])).status_code == 200
        login, message, update = await platform.asked(3)
    assert login.json() == VECTORS["token_request"]
    assert (message.path, message.json()["session_id"], message.json()["channel"]) == (MESSAGE, 58521, "MESSENGER")
    sample = VECTORS["update_from_webhook"]
    done = {} if semantics == "sample" else {"is_done": True, "waiting_response": False}
    assert (update.path, update.json()) == (UPDATE, {**sample, **done})


@virtual_time
async def test_tl04_tl24_tl25_a_complete_module_is_answered_with_a_button() -> None:
    async with customer() as (lab, platform, client):
        await client.post(lab.url, json=VECTORS["general_webhook"])
        _, message = await platform.asked(2)
    assert set(message.json()) == set(VECTORS["send_message"])
    assert message.json()["buttons"] == VECTORS["send_message"]["buttons"]


@virtual_time
async def test_tl03_basic_auth_is_asked_for() -> None:
    async with customer(basic="u:p") as (lab, _, client):
        assert (await client.post(lab.url, json=VECTORS["general_webhook"])).status_code == 401
        assert (await client.post(lab.url, json=VECTORS["general_webhook"], auth=("u", "p"))).status_code == 200


@virtual_time
async def test_what_is_no_event_is_refused() -> None:
    async with customer() as (lab, _, client):
        for body in (b"", b"{}", b"[]", b'{"event_name": "x", "payload": []}'):
            assert (await client.post(lab.url, content=body)).status_code == 400
        assert (await client.get(lab.url)).status_code == 404


@virtual_time
async def test_faults_of_answers_and_of_its_own_requests() -> None:
    script = {"faults": "503,ok", "request_faults": "wrong-token,duplicate,deep"}
    async with customer(**script) as (lab, platform, client):
        assert (await client.post(lab.url, json=VECTORS["slot_webhook"])).status_code == 503
        await client.post(lab.url, json=VECTORS["slot_webhook"])
        await platform.asked(5)
        await asyncio.sleep(0.1)
        assert [(sent.path, sent.status) for sent in lab.sent] == [
            (MESSAGE, 401),
            (MESSAGE, 200),
            (UPDATE, 200),
            (UPDATE, 200),
        ]
        await lab.post(MESSAGE, {})
        assert platform.server.requests[-1].body.count(b"[") == 20_000


@virtual_time
async def test_tl01_tl26_tl27_the_account() -> None:
    async with LabTalkliftAccount() as real, httpx.AsyncClient(base_url=real.server.url, trust_env=False) as client:
        token = (await client.post("/api-token-auth/", json=VECTORS["token_request"])).json()
        assert token == VECTORS["token_response"]
        headers = {"Authorization": f"Token {token['token']}"}
        sample = VECTORS["send_message"]
        assert (await client.post(MESSAGE, json=sample, headers=headers)).json() == {"status": "ok"}
        for changed, extra, status in (
            ({}, {"Authorization": f"Bearer {token['token']}"}, 401),
            ({"session_id": 1}, {}, 404),
            ({"org_id": 1}, {}, 403),
        ):
            answer = await client.post(MESSAGE, json={**sample, **changed}, headers={**headers, **extra})
            assert answer.status_code == status
        assert real.messages == [sample]


def test_a_wrong_script_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--faults", "nonsense"])
    assert "is not a fault" in capsys.readouterr().err
