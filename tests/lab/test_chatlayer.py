"""The lab's Chatlayer platform, asked by clients written after the vendor's page, and by ones that do it wrong.

Nothing of the gateway's adapter is in here: both sides are held to the same golden bodies.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.lab import chatlayer_bot as desk
from gateway.lab.chatlayer import ACCESS_TOKEN, CHANNEL, LabChatlayer, main
from gateway.lab.server import LabReply, LabRequest, LabServer

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "fixtures/chatlayer/vectors.json").read_text())
USER = VECTORS["user_text_request"]["sender"]["id"]
TOKEN = {"access_token": ACCESS_TOKEN}
PATIENCE = 10.0

pytestmark = pytest.mark.asyncio


class Channel:
    """A channel's webhook: what came, and what is answered."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.server = LabServer(self._take)

    async def _take(self, request: LabRequest) -> LabReply:
        return LabReply(status=self.statuses.pop(0) if self.statuses else 200)

    async def messages(self, count: int) -> list[Any]:
        async with asyncio.timeout(PATIENCE):
            await self.server.received(count)
        return [json.loads(request.body) for request in self.server.requests if request.body.startswith(b'{"senderId"')]


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[tuple[LabChatlayer, httpx.AsyncClient, Channel]]:
    channel = Channel()
    async with channel.server, LabChatlayer(retry_after=0.0, **settings) as lab:
        lab.courier.url = channel.server.url + "/hook"
        async with httpx.AsyncClient(base_url=lab.url, trust_env=False) as client:
            yield lab, client, channel


async def post(client: httpx.AsyncClient, text: str = "hi", **changes: Any) -> httpx.Response:
    return await client.post("/api/webhookMessage/11", json={**VECTORS["user_text_request"], "text": text, **changes})


async def test_c1_cl16_cl17_the_document_s_user_message_is_received() -> None:
    async with opened() as (_, client, channel):
        answer = await client.post("/api/webhookMessage/11", json=VECTORS["user_text_request"])
        assert (answer.status_code, answer.text) == (200, VECTORS["webhook_message_response_text"])
        first, second = await channel.messages(2)
    assert first == {**VECTORS["webhook_text"], "message": {"text": desk.GREETING}}
    assert (second["messageCounter"], second["senderId"]) == (2, USER)


async def test_c2_cl18_the_document_s_click_goes_to_its_dialog_state() -> None:
    async with opened() as (_, client, channel):
        assert (await client.post("/api/webhookMessage/11", json=VECTORS["button_click_request"])).status_code == 200
        (shown,) = await channel.messages(1)
    assert shown["message"] == desk.TRAINS


async def test_c4_the_other_shape() -> None:
    async with opened(shape="recipient", counts=False) as (_, client, channel):
        await post(client, "opening hours")
        async with asyncio.timeout(PATIENCE):
            await channel.server.received(1)
        body = json.loads(channel.server.requests[0].body)
    assert body.keys() == VECTORS["webhook_text_recipient"].keys()
    assert body["recipient"] == {"id": USER}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"verifyToken": "wrong"}, 401),
        ({"sender": {"id": "x" * 31}}, 400),
        ({"sender": {}}, 400),
        ({"text": None}, 400),
        ({"locale": "fr-FR"}, 400),
    ],
)
async def test_cl05_cl06_messages_that_break_the_document_s_rules(changes: dict[str, Any], status: int) -> None:
    async with opened() as (_, client, channel):
        assert (await post(client, **changes)).status_code == status
    assert not channel.server.requests


async def test_cl03_cl04_paths_and_tokens() -> None:
    async with opened() as (_, client, _):
        assert (await client.post("/webhookMessage/11", json=VECTORS["user_text_request"])).status_code == 404
        assert (await client.post("/api/webhookMessage/12", json=VECTORS["user_text_request"])).status_code == 404
        for path in (f"/api/bots/11/history/{USER}", "/api/chatMessage/11", f"/api/sessionData/11/{USER}/call"):
            assert (await client.get(path)).status_code == 401
            assert (await client.get(path, params={"access_token": "wrong"})).status_code == 401
            assert (await client.get(path, params=TOKEN)).status_code == 200
            assert (await client.get(path.replace("11", "12", 1), params=TOKEN)).status_code == 404
        assert (await client.post("/api/webview", json={})).status_code == 401


async def test_c10_c11_cl21_cl22_cl23_the_document_s_actions() -> None:
    async with opened(bot_id="1234") as (_, client, channel):
        for name in ("webview_request", "webview_carousel_request"):
            answer = await client.post("/api/webview", params=TOKEN, json=VECTORS[name])
            assert (answer.status_code, answer.content) == (200, b"")
        bodies = await channel.messages(4)
        sender = VECTORS["webview_request"]["senderId"]
        data = await client.get(f"/api/sessionData/1234/{sender}/options", params=TOKEN)
    assert data.json() == {"example": True}
    assert bodies[0]["message"] == {"text": "This is a sample text message."}
    element = bodies[2]["message"]["attachment"]["payload"]["elements"][0]
    assert (element["title"], element["subtitle"]) == ("title", "subtitle")


async def test_c12_cl24_an_action_without_message_and_state() -> None:
    async with opened() as (_, client, _):
        body = {"botId": "11", "senderId": USER, "session": VECTORS["webview_request"]["session"]}
        assert (await client.post("/api/webview", params=TOKEN, json=body)).status_code == 400
        assert (await client.post("/api/webview", params=TOKEN, json={**body, "messages": []})).status_code == 400


async def test_c9_cl08_cl10_cl15_history_by_pages() -> None:
    async with opened() as (_, client, channel):
        await post(client, "où êtes-vous ?")
        await channel.messages(1)
        answer = await client.get(f"/api/bots/11/history/{USER}", params=TOKEN)
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert "où êtes-vous".encode() in answer.content
        value = answer.json()
        assert value["count"] == 2
        assert [row["actor"] for row in value["rows"]] == ["user", "bot"]
        assert value["rows"][0].keys() == VECTORS["history_response"]["rows"][0].keys()
        second = await client.get(f"/api/bots/11/history/{USER}", params={**TOKEN, "offset": "1", "limit": "1"})
        assert second.json() == {"rows": value["rows"][1:], "count": 2}


async def test_c13_cl25_extract() -> None:
    async with opened() as (_, client, _):
        wanted = VECTORS["extract_request"]
        answer = await client.post("/api/bots/11/extract/LIVE", params=TOKEN, json=wanted)
        found = answer.json()["data"]["extract"]
        assert found.keys() == VECTORS["extract_response"]["data"]["extract"].keys()
        assert found["query"] == wanted["expression"]
        assert (await client.post("/api/bots/11/extract/TEST", params=TOKEN, json=wanted)).status_code == 400
        long = {**wanted, "language": "english"}
        assert (await client.post("/api/bots/11/extract/LIVE", params=TOKEN, json=long)).status_code == 400


async def test_c14_cl09_a_failing_answer_is_tried_three_times_more() -> None:
    async with opened(is_eager=True) as (lab, client, channel):
        channel.statuses = [500, 503, 404]
        await post(client, "opening hours")
        bodies = await channel.messages(4)
        assert [body["messageCounter"] for body in bodies] == [1, 1, 1, 1]
        channel.statuses = [500] * 4
        await post(client, "opening hours")
        await channel.messages(8)
        await post(client, "opening hours")
        assert [body["messageCounter"] for body in await channel.messages(9)][4:] == [2, 2, 2, 2, 3]
    assert [each.status for each in lab.courier.log] == [500, 503, 404, 200, 500, 500, 500, 500, 200]


async def test_c21_an_eager_platform_delivers_first() -> None:
    async with opened(is_eager=True) as (_, client, channel):
        await post(client, "opening hours")
        assert len(channel.server.requests) == 1


@pytest.mark.parametrize(
    ("fault", "bodies"),
    [("duplicate", [1, 1, 2]), ("reorder", [2, 1]), ("drop", [1, 2]), ("garbage", [1, 2]), ("deep", [1, 2])],
)
async def test_what_goes_wrong_with_deliveries(fault: str, bodies: list[int]) -> None:
    async with opened(webhook_faults=fault, is_eager=True) as (lab, client, _):
        await post(client)
    delivered = [each.body["messageCounter"] for each in lab.courier.log if each.body and each.status]
    assert delivered == bodies


async def test_a_wrong_token_is_wrong_all_through() -> None:
    async with opened(webhook_faults="wrong-token") as (_, client, channel):
        channel.statuses = [401] * 4
        await post(client, "opening hours")
        assert {body["verifyToken"] for body in await channel.messages(4)} == {"wrong"}


@pytest.mark.parametrize("fault", ["500", "garbage", "expired", "429:2"])
async def test_faults_of_answers(fault: str) -> None:
    async with opened() as (_, client, _):
        answer = await client.post(
            "/api/webhookMessage/11", json=VECTORS["user_text_request"], headers={"x-lab-fault": fault}
        )
        assert answer.status_code == {"500": 500, "429:2": 429}.get(fault, 200)
        wrong = await client.post("/api/webhookMessage/11?fault=strange", json={})
        assert wrong.status_code == 400


async def test_cl27_the_newer_channel() -> None:
    async with opened() as (_, client, channel):
        bearer = {"authorization": f"Bearer {ACCESS_TOKEN}"}
        body = {"conversationId": USER, "message": {"introMessage": {}}}
        assert (await client.post(CHANNEL, json=body)).status_code == 401
        assert (await client.post(CHANNEL, json=body, headers=bearer)).status_code == 200
        await channel.messages(2)
        postback = {"postbackMessage": {"title": "x", "nextDialogstateId": desk.STATES["hours"]}}
        await client.post(CHANNEL, json={"user": {"id": USER}, "message": postback}, headers=bearer)
        assert (await channel.messages(3))[-1]["message"] == {"text": desk.HOURS}
        odd = {"user": {"id": USER}, "message": {"strange": 1}}
        assert (await client.post(CHANNEL, json=odd, headers=bearer)).status_code == 400


async def test_it_runs_as_a_process_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    talkpath = shutil.which("talkpath", path=str(Path(sys.executable).parent))
    assert talkpath is not None
    process = await asyncio.create_subprocess_exec(
        talkpath, "lab", "chatlayer", "--port", str(port), stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            assert process.stdout is not None
            line = await process.stdout.readline()
        assert line.decode() == f"Chatlayer lab at http://127.0.0.1:{port}, bot 11\n"
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize("option", ["--faults", "--webhook-faults"])
async def test_a_mistake_in_a_fault_script_is_said(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([option, "strange"])
    assert "'strange' is not a fault" in capsys.readouterr().err
