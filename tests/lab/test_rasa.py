"""The Rasa lab does what its documentation says of a Rasa server."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from gateway.lab.rasa import SAYS, WORDS, LabRasa, main

pytestmark = pytest.mark.asyncio


async def post(lab: LabRasa, path: str, body: Any, **more: Any) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(lab.url + path, json=body, **more)


async def test_a_message_is_answered_whole_or_line_by_line() -> None:
    body = {"sender": "c1", "message": "/session_start"}
    expected = [{"recipient_id": "c1", **response} for response in SAYS["/session_start"]]
    async with LabRasa() as lab:
        whole = await post(lab, "/webhooks/rest/webhook", body)
        streamed = await post(lab, "/webhooks/rest/webhook?stream=true", body)
    assert whole.json() == expected
    assert [json.loads(line) for line in streamed.text.splitlines()] == expected


async def test_words_mean_intents_and_intents_have_entities() -> None:
    async with LabRasa() as lab:
        for message in ("what about sunday", '/hours{"day": "sunday"}'):
            answer = await post(lab, "/webhooks/rest/webhook", {"sender": "c1", "message": message})
            assert answer.json()[0]["text"] == "On sunday we are open not at all."
    known = {*SAYS, "/hours", "/whoami"}
    assert {intent.partition("{")[0] for intent in WORDS.values()} <= known


async def test_slots_belong_to_their_conversation() -> None:
    event = {"event": "slot", "name": "phone", "value": "+33"}
    async with LabRasa() as lab:
        assert (await post(lab, "/conversations/c1/tracker/events", [event])).status_code == 200
        here = await post(lab, "/webhooks/rest/webhook", {"sender": "c1", "message": "/whoami"})
        there = await post(lab, "/webhooks/rest/webhook", {"sender": "c2", "message": "/whoami"})
        refused = await post(lab, "/conversations/c1/tracker/events", [{"event": "restart"}])
    assert (here.json()[0]["text"], there.json()[0]["text"]) == ("You call from +33.", "You call from somewhere.")
    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("/webhooks/rest/webhook", {}, 401),
        ("/webhooks/rest/webhook?token=t0ken", {}, 200),
        ("/webhooks/rest/webhook", {"headers": {"Authorization": "Bearer t0ken"}}, 200),
        ("/webhooks/telephone/webhook?token=t0ken", {}, 404),
        ("/webhooks/rest/webhook?token=t0ken", {"headers": {"X-Lab-Fault": "503"}}, 503),
        ("/webhooks/rest/webhook?token=t0ken", {"headers": {"X-Lab-Fault": "nonsense"}}, 400),
    ],
)
async def test_who_may_ask_for_what(path: str, more: dict[str, Any], status: int) -> None:
    async with LabRasa(token="t0ken") as lab:
        assert (await post(lab, path, {"sender": "c1", "message": "hello"}, **more)).status_code == status


async def test_a_message_needs_sender_and_words() -> None:
    async with LabRasa() as lab:
        assert (await post(lab, "/webhooks/rest/webhook", {"sender": "c1"})).status_code == 400


async def test_a_fault_that_there_is_not_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--faults", "nonsense"])
    assert "'nonsense' is not a fault" in capsys.readouterr().err
