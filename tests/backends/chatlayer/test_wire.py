"""What goes over the wire to the platform, by the golden vectors: addresses, tokens, bodies, what is read back."""

from __future__ import annotations

import asyncio
import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.backends.chatlayer.platform import Platform
from gateway.backends.chatlayer.protocol import carousel_message, session_data, text_message
from gateway.backends.chatlayer.settings import ChatlayerBotSection
from gateway.caller_events import CallStarted, UserChoice, UserText
from gateway.errors import ConfigError, LocalProtocolError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.kit.http import HttpClient
from gateway.lab.server import LabReply, LabRequest, LabServer, json_reply
from tests.fakes.chatlayer import CALL, SENDER, VECTORS, bot_settings, chat_rig
from tests.fakes.virtual_loop import virtual_time

TOKEN = "abc42"
JSON = {"content-type": "application/json; charset=utf-8"}


async def asked(work: Any, *answers: LabReply, **settings: Any) -> tuple[Any, list[LabRequest]]:
    """What a request gives, and what it was."""
    left = list(answers)

    async def handle(request: LabRequest) -> LabReply:
        return left.pop(0) if left else LabReply(headers=JSON)

    async with LabServer(handle) as server, HttpClient() as http:
        given = {**bot_settings(server.url), "access_token": TOKEN, **settings}
        found = await work(Platform("reception", ChatlayerBotSection(**given), http))
        await asyncio.sleep(0.01)  # virtual; for connections to be seen closing
        return found, list(server.requests)


# --- what the caller said ------------------------------------------------------------------------------------------
@virtual_time
async def test_c1_cl03_cl05_cl16_cl17_user_text_as_in_the_document() -> None:
    async with chat_rig(start={"text": "hi"}, verify_token="8wMsLZkdDPT64nqh", locale="fr") as rig:
        await rig.send(CallStarted())
    (request,) = rig.requests
    assert request.path == "/api/webhookMessage/11"
    assert request.query == {}  # no access token where the verify token stands for it
    assert json.dumps(rig.bodies[0]) == json.dumps(VECTORS["user_text_request"])
    assert rig.claimed == [SENDER]


@virtual_time
async def test_c2_cl18_a_click_as_in_the_document() -> None:
    payload = VECTORS["button_click_request"]["text"]
    async with chat_rig(start="none") as rig:
        button = {"type": "postback", "title": "Dutch", "payload": payload}
        template = {"template_type": "button", "text": "Language?", "buttons": [button]}
        await rig.deliver({"message": {"attachment": {"type": "template", "payload": template}}})
        menu_id = (await rig.taken())[-1].actions[-1].menu_id  # type: ignore[union-attr]  # a Menu
        await rig.send(UserChoice(turn=1, menu_id=menu_id, option_id="1", label="Dutch", source="digits"))
    assert json.dumps(rig.bodies[0]) == json.dumps(VECTORS["button_click_request"])
    clicked = json.loads(rig.bodies[0]["text"])
    assert list(clicked) == ["params", "nextDialogstateId", "type", "caption"]


@pytest.mark.parametrize(
    ("setting", "heard", "language", "sent"),
    [
        ("auto", None, "fr-FR", "fr"),
        ("auto", "nl-BE", "fr-FR", "nl"),
        ("auto", "yue-HK", "fr-FR", "fr"),
        ("auto", None, "", None),
        ("de", "nl-BE", "fr-FR", "de"),
        ("none", "nl-BE", "fr-FR", None),
    ],
)
@virtual_time
async def test_cl16_the_locale(setting: str, heard: str | None, language: str, sent: str | None) -> None:
    async with chat_rig(call=replace(CALL, language=language), locale=setting) as rig:
        await rig.send(UserText(turn=1, text="hello", language=heard))
    assert rig.bodies[0].get("locale") == sent


# --- asynchronous actions ------------------------------------------------------------------------------------------
@virtual_time
async def test_c10_cl04_cl21_cl22_cl23_an_action_as_in_the_document() -> None:
    wanted = VECTORS["webview_request"]

    async def act(platform: Platform) -> None:
        await platform.webview(
            wanted["senderId"],
            session=session_data("options", {"example": True}),
            next_dialogstate="12345",
            messages=[text_message("This is a sample text message.")],
        )

    _, (request,) = await asked(act, bot_id="1234")
    assert (request.method, request.path, request.query) == ("POST", "/api/webview", {"access_token": TOKEN})
    assert json.dumps(request.json()) == json.dumps(wanted)


@virtual_time
async def test_c11_cl22_an_action_with_a_carousel_as_in_the_document() -> None:
    wanted = VECTORS["webview_carousel_request"]
    elements = wanted["messages"][0]["config"]["elements"]

    async def act(platform: Platform) -> None:
        session = session_data("options", {"example": True})
        carousel = carousel_message(elements)
        await platform.webview(wanted["senderId"], session=session, next_dialogstate="12345", messages=[carousel])

    _, (request,) = await asked(act, bot_id="1234")
    assert json.dumps(request.json()) == json.dumps(wanted)


@virtual_time
async def test_c12_cl24_an_action_without_message_and_state_is_refused_here() -> None:
    async def act(platform: Platform) -> None:
        with pytest.raises(LocalProtocolError, match="message or a next dialog state"):
            await platform.webview(SENDER, session=session_data("options", {"example": True}))

    _, requests = await asked(act)
    assert requests == []


@virtual_time
async def test_cl24_a_message_alone_is_enough() -> None:
    async def act(platform: Platform) -> None:
        await platform.webview(SENDER, messages=[text_message("Hello.")])

    _, (request,) = await asked(act)
    assert set(request.json()) == {"botId", "senderId", "messages"}


@virtual_time
async def test_cl21_cl23_a_call_may_begin_at_a_dialog_state_with_the_caller_s_number() -> None:
    async with chat_rig(start={"dialogstate": "3050"}, access_token=TOKEN) as rig:
        await rig.send(CallStarted())
    assert rig.requests[0].path == "/api/webview"
    data = {"caller": "+33612345678", "called": "+33123456789", "call_id": "call-1", "language": "fr-FR"}
    assert rig.bodies == [
        {
            "botId": "11",
            "senderId": SENDER,
            "session": {"namespace": "call", "data": data},
            "action": {"nextDialogstate": "3050"},
        }
    ]


# --- history -------------------------------------------------------------------------------------------------------
def page(*rows: dict[str, Any], count: int | None = None) -> LabReply:
    value: dict[str, Any] = {"rows": list(rows)} if count is None else {"rows": list(rows), "count": count}
    return LabReply(body=json_reply(value).body, headers=JSON)


@virtual_time
async def test_c9_cl04_cl10_cl15_history_as_in_the_document() -> None:
    wanted = VECTORS["history_response"]
    found, (request,) = await asked(lambda platform: platform.history(SENDER), page(*wanted["rows"], count=5))
    assert (request.method, request.path) == ("GET", f"/api/bots/11/history/{SENDER}")
    assert request.query == {"access_token": TOKEN, "offset": "0", "limit": "100"}
    assert [(row.id, row.actor, row.created_at, row.is_intro, row.message) for row in found] == [
        (row["id"], row["actor"], row["createdAt"], row["isIntro"], row["message"]) for row in wanted["rows"]
    ]


@virtual_time
async def test_c9_cl08_answers_are_read_as_utf8() -> None:
    row = {**VECTORS["history_response"]["rows"][4], "message": {"text": "Où êtes-vous ? 東京 🙂"}}
    found, _ = await asked(lambda platform: platform.history(SENDER), page(row, count=1))
    assert found[0].message == row["message"]


def many(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"id": f"row-{place}", "actor": "bot", "message": {"text": str(place)}} for place in range(start, count)]


@pytest.mark.parametrize("counted", [True, False])
@virtual_time
async def test_c9_cl10_every_page_is_fetched(counted: bool) -> None:
    rows = many(230)
    pages = [page(*rows[at : at + 100], count=230 if counted else None) for at in (0, 100, 200)]
    found, requests = await asked(lambda platform: platform.history(SENDER), *pages)
    assert [row.id for row in found] == [row["id"] for row in rows]
    assert [request.query["offset"] for request in requests] == ["0", "100", "200"]


@virtual_time
async def test_cl10_a_platform_that_knows_no_offset_is_not_asked_for_ever() -> None:
    same = page(*many(100), count=100_000)
    found, requests = await asked(lambda platform: platform.history(SENDER), same, same, same)
    assert (len(found), len(requests)) == (100, 2)


# --- language understanding ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("version", ["LIVE", "DRAFT"])
@virtual_time
async def test_c13_cl04_cl25_extract_as_in_the_document(version: str) -> None:
    wanted = VECTORS["extract_request"]
    answer = LabReply(body=json_reply(VECTORS["extract_response"]).body, headers=JSON)
    found, (request,) = await asked(
        lambda platform: platform.extract(wanted["language"], wanted["expression"], version), answer
    )
    assert (request.method, request.path) == ("POST", f"/api/bots/11/extract/{version}")
    assert request.query == {"access_token": TOKEN}
    assert json.dumps(request.json()) == json.dumps(wanted)
    assert found == VECTORS["extract_response"]["data"]["extract"]
    assert (found["intent"], found["score"]) == ("book train ticket", 0.9998863854559811)
    assert (len(found["intents"]), len(found["entities"])) == (3, 3)
    assert (found["entityThreshold"], found["intentThreshold"]) == (0.7, 0.8)


@virtual_time
async def test_c13_cl26_new_fields_and_missing_ones_are_taken() -> None:
    value = copy.deepcopy(VECTORS["extract_response"])
    value["meta"] = {"took": 3}
    value["data"]["extract"]["sentiment"] = {"label": "neutral", "deep": [1, {"a": None}]}
    del value["data"]["extract"]["entities"]
    found, _ = await asked(lambda platform: platform.extract("EN", "hi"), json_reply(value))
    assert found["sentiment"]["deep"] == [1, {"a": None}]
    assert found["intent"] == "book train ticket"


@pytest.mark.parametrize("body", [b"[]", b'{"data": null}', b'{"data": {"extract": 3}}', b"<html>"])
@virtual_time
async def test_cl25_an_answer_without_extract_is_an_error_of_the_platform(body: bytes) -> None:
    async def ask(platform: Platform) -> None:
        with pytest.raises(VendorReplyInvalid):
            await platform.extract("en", "hi")

    await asked(ask, LabReply(body=body))


# --- session data, messages, trouble -------------------------------------------------------------------------------
@virtual_time
async def test_cl04_session_data_is_read_by_namespace() -> None:
    found, (request,) = await asked(lambda platform: platform.session_data(SENDER, "call"), json_reply({"a": 1}))
    assert found == {"a": 1}
    assert (request.path, request.query) == (f"/api/sessionData/11/{SENDER}/call", {"access_token": TOKEN})
    moved, requests = await asked(
        lambda platform: platform.session_data(SENDER, "call"),
        LabReply(status=302, headers={"location": "https://elsewhere.example/"}),
    )
    assert (moved, len(requests)) == ({}, 1)


@virtual_time
async def test_cl07_all_messages_since_a_day() -> None:
    found, (request,) = await asked(
        lambda platform: platform.chat_messages("2019-09-11"), json_reply([{"any": "shape"}])
    )
    assert found == [{"any": "shape"}]
    assert (request.method, request.path) == ("GET", "/api/chatMessage/11")
    assert request.query == {"access_token": TOKEN, "from": "2019-09-11"}


@virtual_time
async def test_cl04_without_an_access_token_nothing_is_asked() -> None:
    async def ask(platform: Platform) -> None:
        with pytest.raises(ConfigError, match="access token"):
            await platform.history(SENDER)

    _, requests = await asked(ask, access_token=None)
    assert requests == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (LabReply(status=401), VendorRejected),
        (LabReply(status=500), VendorUnavailable),
        (LabReply(drop=True), VendorUnavailable),
        (LabReply(body=b"no json"), VendorReplyInvalid),
        (LabReply(body=b'{"rows": 3}'), VendorReplyInvalid),
        (LabReply(body=b'{"rows":' + b"[" * 20_000 + b"]" * 20_000 + b"}"), VendorReplyInvalid),
        (LabReply(body=b'{"x":"' + b"x" * (1 << 20) + b'"}'), VendorReplyInvalid),
    ],
    ids=["401", "500", "drop", "garbage", "strange", "deep", "oversized"],
)
@virtual_time
async def test_trouble_with_the_history_is_an_error_without_a_secret_in_it(answer: LabReply, error: Any) -> None:
    async def ask(platform: Platform) -> str:
        with pytest.raises(error) as raised:
            await platform.history(SENDER)
        return str(raised.value)

    said, _ = await asked(ask, answer)
    assert TOKEN not in said


@virtual_time
async def test_ids_are_written_into_addresses_safely() -> None:
    _, (request,) = await asked(lambda platform: platform.session_data("a/b?c#d", "x y"), json_reply({}), bot_id="1/2")
    assert request.path == "/api/sessionData/1%2F2/a%2Fb%3Fc%23d/x%20y"
