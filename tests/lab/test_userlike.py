"""The lab's bots for Userlike's API, held to the vendor's own samples without our adapter."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.lab.directory import main_of
from gateway.lab.server import LabReply, LabRequest, LabServer, json_reply
from gateway.lab.userlike import LabUserlike, main
from gateway.lab.userlike_bots import BOTS

pytestmark = pytest.mark.asyncio

VECTORS = json.loads((Path(__file__).parent.parent / "fixtures/userlike/vectors.json").read_text())
CID = VECTORS["start_event"]["info"]["cid"]
SECRET = VECTORS["server_sample_header"]["API-SECURITY-TOKEN"]


def request(name: str, payload: dict[str, Any] | None = None, context: dict[str, Any] | None = None) -> dict[str, Any]:
    info = {**VECTORS["start_event"]["info"], "cid": "C", "context": context or {}}
    return {"info": info, "packet": {"name": name, "payload": payload or {}}}


async def asked(lab: LabUserlike, body: Any, path: str = "", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(lab.url + path, json=body, headers=headers)


async def test_u3_the_sample_as_published():
    async with LabUserlike(bot="sample", token=SECRET) as lab:
        answer = await asked(lab, request("start"), **VECTORS["server_sample_header"])
        assert answer.json() == VECTORS["server_sample_start_verbatim"]
        confused = await asked(lab, request("click"), **VECTORS["server_sample_header"])
        assert (confused.status_code, confused.json()) == (400, VECTORS["server_sample_errors"]["400"])
        stranger = await asked(lab, request("start"))
        assert (stranger.status_code, stranger.json()) == (401, VECTORS["server_sample_errors"]["401"])


async def test_u4_the_sample_repaired():
    async with LabUserlike(bot="repaired") as lab:
        steps = [
            (request("start"), "start_repaired"),
            (request("message", {"body": "Ann"}, {"state": "name"}), "name_answer"),
            (request("message", {"body": "ann@example.com"}, {"state": "email"}), "email_answer"),
        ]
        for body, vector in steps:
            assert (await asked(lab, body)).json() == VECTORS[f"server_sample_{vector}"]
        broken = {"info": {"cid": "C", "context": {"state": "name"}}, "packet": {"name": "message"}}
        assert (await asked(lab, broken)).status_code == 500


async def test_u7_the_campaign_sample():
    async with LabUserlike() as lab:
        assert (await asked(lab, request("start"), "/campaign")).json() == VECTORS["campaign_button_template"]
        click = {"value": {"id": "start"}}
        for body in (request("click", click), request("message", {"body": "START"})):
            assert (await asked(lab, body, "/campaign")).json() == VECTORS["campaign_accept_answer"]
        lost = await asked(lab, request("message", {"body": "no idea"}), "/campaign")
        assert lost.json() == VECTORS["campaign_unknown_answer"]
        assert (await asked(lab, request("media"), "/campaign")).status_code == 400


async def test_u8_the_shop_sends_its_result_to_the_api_url():
    async def api(asked: LabRequest) -> LabReply:
        return json_reply({})

    async with LabServer(api) as gateway, LabUserlike(api_url=gateway.url, api_token="t", slow=0.0) as lab:
        welcome = (await asked(lab, request("start"))).json()
        assert [item["packet"]["name"] for item in welcome] == ["message", "bubbles"]
        (order,) = (await asked(lab, request("click", {"value": {"id": "delivery"}}))).json()
        assert order["info"]["context"] == {"state": "order"}
        looking = await asked(lab, request("message", {"body": "12"}, {"state": "order"}))
        assert len(looking.json()) == 1
        async with asyncio.timeout(5):
            await lab.posted(1)
        (sent,) = gateway.requests
        assert sent.headers["security-token"] == "t"
        assert sent.json()[0]["packet"]["payload"]["body"] == "Your order 1 2 will arrive tomorrow."
        assert lab.posts[0].status == 200


async def test_every_choice_of_the_shop_has_an_answer():
    async with LabUserlike() as lab:
        for option in ("delivery", "hours", "person", "bye", "nonsense"):
            assert (await asked(lab, request("click", {"value": {"id": option}}))).json()
        assert len((await asked(lab, request("forward_failed"))).json()) == 2
        assert (await asked(lab, request("campaign_unsubscribe"))).content == b""


async def test_faults_by_script_and_by_header():
    async with LabUserlike(faults="503,expired") as lab:
        assert (await asked(lab, request("start"))).status_code == 503
        assert (await asked(lab, request("start"))).status_code == 400
        assert (await asked(lab, request("start"), **{"X-Lab-Fault": "500"})).status_code == 500
        assert (await asked(lab, request("start"), **{"X-Lab-Fault": "nonsense"})).status_code == 400
        assert (await asked(lab, request("start"))).status_code == 200
        assert (await asked(lab, request("start"), "/nobody")).status_code == 404
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(lab.url)).status_code == 405


async def test_what_is_sent_to_the_api_url_goes_wrong_as_told():
    async def api(asked: LabRequest) -> LabReply:
        return json_reply({}, 200 if asked.headers["security-token"] == "t" else 401)

    faults = "duplicate,wrong-token,reorder,ok,drop,deep"
    async with LabServer(api) as gateway:
        async with LabUserlike(api_url=gateway.url, api_token="t", slow=0.0, push_faults=faults) as lab:
            for order, count in (("1", 2), ("2", 3), ("3", 3), ("4", 5), ("5", 5), ("6", 6)):
                await asked(lab, request("message", {"body": order}, {"state": "order"}))
                async with asyncio.timeout(5):
                    await lab.posted(count)
        said = [post.body[0]["packet"]["payload"]["body"].split()[2] for post in lab.posts if post.body]
        assert said == ["1", "1", "2", "4", "3"]
        assert [post.status for post in lab.posts] == [200, 200, 401, 200, 200, 200]


async def test_a_gateway_that_is_not_there_is_noted():
    async with LabUserlike(api_url="http://127.0.0.1:1/") as lab:
        assert (await lab.post([])).status == 0


async def test_the_command(capsys: pytest.CaptureFixture[str]):
    assert main_of("userlike") is main
    for wrong in (["--faults", "nonsense"], ["--push-faults", "nonsense"], ["--bot", "nobody"]):
        with pytest.raises(SystemExit):
            main(wrong)
    assert "nonsense" in capsys.readouterr().err
    assert set(BOTS) == {"sample", "repaired", "campaign", "shop"}
