"""The lab's Haptik, asked by clients written after the vendor's own samples, and by ones that do it wrong."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.lab.haptik import LabHaptik, main
from gateway.lab.haptik_bot import answer
from gateway.lab.server import LabReply, LabRequest, LabServer
from tests.fakes.virtual_loop import virtual_time

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "fixtures/haptik/vectors.json").read_text())
HEADERS = {"Authorization": "Bearer lab-token", "client-id": "lab-client"}
AGENT = "/integration/external/v2.0/send_chat_to_agent/"
HISTORY = "/integration/external/v2.0/get_chat_history/"
FAQ = "/mogambo_api/nodes/faq/create/"
CSV = 'node_name,Question(User Message),answer(bot response)\nhours,when|what time,"Nine<m>to five"\n'


class Hook:
    """A customer's webhook; ``statuses`` are given one after the other, then 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.server = LabServer(self._take)

    async def _take(self, request: LabRequest) -> LabReply:
        return LabReply(status=self.statuses.pop(0) if self.statuses else 200)

    @property
    def requests(self) -> list[LabRequest]:
        return list(self.server.requests)

    async def events(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(60):
            await self.server.received(count)
        return [request.json() for request in self.requests]


@asynccontextmanager
async def lab_and_client(**settings: Any) -> AsyncIterator[tuple[LabHaptik, httpx.AsyncClient, Hook]]:
    hook = Hook()
    async with hook.server, LabHaptik(**settings) as lab:
        lab.webhook = hook.server.url + "/hook"
        async with httpx.AsyncClient(base_url=lab.url, headers=HEADERS, trust_env=False) as client:
            yield lab, client, hook


def message(text: str, auth_id: str = "u1") -> dict[str, Any]:
    return {**VECTORS["message_api"]["request"], "user": {"auth_id": auth_id}, "message_body": text}


async def register(client: httpx.AsyncClient, auth_id: str = "u1") -> None:
    (await client.post("/v1.0/user/", json={"auth_id": auth_id, "custom_data": {"a": 1}})).raise_for_status()


async def say(client: httpx.AsyncClient, text: str) -> dict[str, Any]:
    found = await client.post("/v1.0/log_message_from_user/", json=message(text))
    found.raise_for_status()
    shown: dict[str, Any] = found.json()
    return shown


def shape(value: Any) -> Any:
    """Names and types of a value, which is what a sample promises."""
    return {name: shape(item) for name, item in value.items()} if isinstance(value, Mapping) else type(value).__name__


@virtual_time
async def test_hp22_messages_have_the_shape_of_the_samples() -> None:
    async with lab_and_client() as (_, client, hook):
        unknown = await client.post("/v1.0/log_message_from_user/", json=message("Hi"))
        assert (unknown.status_code, unknown.json()) == (403, VECTORS["message_api"]["error_403"])
        await register(client)
        assert shape(await say(client, "Hi")) == shape(VECTORS["message_api"]["response"])
        (event,) = await hook.events(1)
        sample = VECTORS["webhook"]["message"]
        assert set(event) == set(sample)
        assert shape(event["user"]) == shape(sample["user"])
        assert event["message"]["body"]["data"]["quick_replies"][0].keys() == (
            VECTORS["hsl_quick_replies"]["data"]["quick_replies"][0].keys()
        )
        wrong = await client.post("/v1.0/log_message_from_user/", json=message("Hi"), headers={"client-id": "x"})
        assert (wrong.status_code, wrong.json()) == (401, VECTORS["message_api"]["error_401"])


@virtual_time
async def test_webhooks_are_signed_over_their_raw_body() -> None:
    async with lab_and_client() as (lab, client, hook):
        await register(client)
        await say(client, "Hi")
        await hook.events(1)
        (request,) = hook.requests
        proof = hmac.new(lab.secret.encode(), request.body, hashlib.sha1).hexdigest()
        assert request.headers["x-hub-signature"] == f"sha1={proof}"


@virtual_time
async def test_a_webhook_that_is_not_answered_with_200_comes_six_times_more_and_then_never() -> None:
    async with lab_and_client() as (lab, client, hook):
        hook.statuses = [500] * 20
        await register(client)
        await say(client, "Hi")
        async with asyncio.timeout(4000):
            await hook.server.received(7)
        assert hook.requests[-1].at - hook.requests[0].at == pytest.approx(3600, abs=5)
        await asyncio.sleep(10)
        await say(client, "Hi")
        await asyncio.sleep(10)
        assert lab.is_disabled
        assert len(hook.requests) == 7


@virtual_time
async def test_webhook_faults() -> None:
    script = "duplicate,reorder,ok,wrong-token,deep,garbage,oversized"
    async with lab_and_client(webhook_faults=script, think=0.0) as (_, client, hook):
        await register(client)
        for text in ("one", "two", "three", "four", "five", "six", "seven"):
            await say(client, text)
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        bodies = [request.body for request in hook.requests]
        assert bodies[0] == bodies[1]
        ids = [json.loads(body)["message"]["id"] for body in bodies[1:4]]
        assert ids[1] > ids[2] > ids[0]
        assert hook.requests[4].headers["x-hub-signature"] == "sha1=" + "0" * 40
        assert bodies[5].count(b"[") >= 20_000
        with pytest.raises(ValueError):
            json.loads(bodies[6])
        assert len(bodies[7]) > 1 << 20


@virtual_time
async def test_hp02_hp05_hp06_hp21_an_agent_takes_the_chat_and_ends_it() -> None:
    async with lab_and_client(think=0.0) as (lab, client, hook):
        await register(client)
        name = lab.account.users["u1"].name
        move = {"team_name": "Support", "user_name": name, "business_id": 343, "countdown": 5, "receiver": "athena"}
        errors = VECTORS["send_chat_to_agent"]["error_messages"]
        for changed, headers, words in (
            ({}, {"client-id": ""}, errors[0]),
            ({}, {"client-id": "x"}, errors[1]),
            ({}, {"Authorization": "Basic x"}, errors[2]),
            ({}, {"Authorization": ""}, errors[3]),
            ({}, {"Authorization": "Bearer x"}, errors[4]),
            ({"user_name": ""}, {}, errors[5]),
            ({"business_id": None}, {}, errors[6]),
            ({"team_name": None}, {}, errors[7]),
            ({"user_name": "x"}, {}, errors[8]),
            ({"business_id": 1}, {}, errors[9]),
            ({"team_name": "x"}, {}, errors[11]),
            ({"team_name": "Night shift"}, {}, 'team "Night shift" is inactive'),
            ({}, {}, errors[13]),
        ):
            refused = await client.post(AGENT, json={**move, **changed}, headers=headers)
            assert (refused.status_code, refused.json()) == (400, {"error_message": words})
        lab.account.is_active = False
        assert (await client.post(AGENT, json=move)).json() == {"error_message": 'business "343" is inactive'}
        lab.account.is_active = True
        await say(client, "Hi")
        assert (await client.post(AGENT, json=move)).json() == VECTORS["send_chat_to_agent"]["response"]
        events = await hook.events(4)
        assert [event["event_name"] for event in events] == ["message", "message", "chat_pinned", "message"]
        pinned, sample = events[2], VECTORS["webhook"]["chat_pinned"]
        assert pinned["message"]["body"]["text"] == sample["message"]["body"]["text"]
        assert shape(pinned["message"]["body"]) == shape(sample["message"]["body"])
        assert (events[3]["agent"]["name"], events[3]["agent"]["is_automated"]) == ("Prateek", False)
        await say(client, "goodbye")
        done = (await hook.events(6))[-1]
        assert shape(done["data"]["closing_categories"]) == shape(
            VECTORS["webhook"]["conversation_complete"]["data"]["closing_categories"]
        )
        assert (done["event_name"], done["data"]["completion_type"]) == ("webhook_conversation_complete", "agent")


@virtual_time
async def test_hp07_hp08_hp09_hp11_transcripts_in_both_groups_and_forms() -> None:
    async with lab_and_client(think=0.0) as (lab, client, hook):
        await register(client)
        await say(client, "opening hours{task}")
        await hook.events(1)
        group = {"business_id": "343", "user_name": lab.account.users["u1"].name, "conversation_no": "2"}
        found = (await client.get(HISTORY, params=group)).json()
        assert shape(found["chat_json"][0]) == shape(VECTORS["get_chat_history"]["json"]["chat_json"][0])
        assert re.fullmatch(r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d [AP]M UTC", found["chat_json"][0]["timestamp"])
        as_text = (await client.get(HISTORY, params={**group, "response_type": "text", "limit": "1"})).json()
        assert as_text["chat_text"].startswith("bot: We are open")
        lab.account.pxuts["p.1"] = "u1"
        by_token = await client.get(HISTORY, params={"pxut": "p.1", "conversation_no": "2"})
        assert by_token.json() == found
        for params, headers, place in (
            ({**group, "business_id": "x"}, {}, 0),
            (group, {"Authorization": "Bearer x"}, 1),
            ({**group, "user_name": "x"}, {}, 2),
            ({"pxut": "x", "conversation_no": "2"}, {}, 3),
            ({"business_id": "343"}, {}, 4),
            ({**group, "conversation_no": "x"}, {}, 5),
        ):
            refused = await client.get(HISTORY, params=params, headers=headers)
            assert refused.json() == {"error_message": VECTORS["get_chat_history"]["error_messages"][place]}


@virtual_time
async def test_hp12_hp13_hp14_hp15_hp16_a_faq_file_replaces_the_domains_steps() -> None:
    async with lab_and_client() as (lab, client, _):
        lab.account.steps["acme"] = {"old": True}
        files = {"csv_file": ("faq.csv", CSV.encode())}
        created = (await client.post(FAQ, data={"domain_name": "acme"}, files=files)).json()
        assert shape(created) == shape(VECTORS["faq"]["create_response"])
        task = created["body"]["task_id"]
        statuses = [(await client.get(f"{FAQ}status/{task}/")).json() for _ in range(3)]
        assert [status["body"]["status"] for status in statuses] == [
            "In Progress",
            "In Progress",
            VECTORS["faq"]["status_response"]["body"]["status"],
        ]
        assert lab.account.steps["acme"] == {"old": False, "hours": True}
        for domain, headers, status, words in (
            ("x", {}, 400, "invalid doman"),
            ("forbidden", {}, 403, "Access Forbidden"),
            ("acme", {"client-id": "x"}, 401, "Unauthorized Access or invalid token"),
        ):
            refused = await client.post(FAQ, data={"domain_name": domain}, files=files, headers=headers)
            assert (refused.status_code, refused.json()) == (status, {"error_message": words})
        assert (await client.post(FAQ, json={})).status_code == 400
        broken = {"csv_file": ("faq.csv", CSV.encode() + b"x,,y\n")}
        task = (await client.post(FAQ, data={"domain_name": "acme"}, files=broken)).json()["body"]["task_id"]
        answers = [(await client.get(f"{FAQ}status/{task}/")).json()["body"]["status"] for _ in range(3)]
        assert answers[-1].startswith("Error while creating step")


@virtual_time
async def test_faults_of_requests() -> None:
    async with lab_and_client(faults="429:3,expired,garbage,deep") as (lab, client, _):
        busy = await client.post("/v1.0/user/", json={"auth_id": "u1"})
        assert (busy.status_code, busy.headers["retry-after"]) == (429, "3")
        lab.account.users.clear()
        assert (await client.post("/v1.0/log_message_from_user/", json=message("x"))).status_code == 403
        assert (await client.get("/")).text.startswith("<html>")
        assert (await client.get("/")).content.count(b"[") >= 20_000
        assert (await client.get("/")).status_code == 404
        once = await client.get("/", headers={"X-Lab-Fault": "503"})
        assert once.status_code == 503


@virtual_time
async def test_users_are_flat_and_alphanumeric() -> None:
    async with lab_and_client() as (_, client, __):
        for body in ({"auth_id": "a-b"}, {"auth_id": "a", "custom_data": {"x": {}}}, {}, []):
            assert (await client.post("/v1.0/user/", json=body)).status_code == 400


@pytest.mark.parametrize(
    ("said", "kind"),
    [("Hi", "TEXT"), ("rooms", "CAROUSEL"), ("telephone number", "BUTTON"), ("the form", "FORM_SHOW"), ("x", "TEXT")],
)
def test_the_bot_uses_every_kind_of_message(said: str, kind: str) -> None:
    assert answer(said).messages[0]["type"] == kind


def test_a_wrong_script_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--faults", "nonsense"])
    assert "is not a fault" in capsys.readouterr().err


@virtual_time
async def test_feedback_is_taken_once_from_somebody_who_has_written() -> None:
    path, body = "/v1.0/log_feedback_from_user/", {"auth_id": "u1", "business_id": 343, "query_resolved": True}
    async with lab_and_client() as (lab, client, _):
        await register(client)
        assert (await client.post(path, json={**body, "query_rating": 4})).status_code == 404
        await client.post("/v1.0/log_message_from_user/", json=message("Hi"))
        for wrong in ({"query_rating": 6}, {"query_rating": 4, "query_resolved": "yes"}, {}, {"business_id": 1}):
            assert (await client.post(path, json={**body, **wrong})).status_code == 400
        assert (await client.post(path, content=b"x")).status_code == 400
        first = await client.post(path, json={**body, "query_rating": 4})
        assert (first.status_code, first.json()) == (201, {"success": True})
        again = await client.post(path, json={**body, "query_rating": 5})
        assert (again.status_code, again.json()) == (400, {"error_message": "duplicate feedback"})
        assert (await client.post(path, json=body, headers={"Authorization": "x"})).status_code == 401
        assert lab.account.users["u1"].feedback == {**body, "query_rating": 4}
