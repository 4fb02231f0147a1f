"""The newer interface: what goes out has other shapes, what comes in is the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.chatlayer import v1
from gateway.caller_events import CallStarted, UserChoice, UserText
from gateway.lab import chatlayer_bot as desk
from gateway.lab.chatlayer import ACCESS_TOKEN, CHANNEL, LabChatlayer
from gateway.lab.server import json_reply
from tests.fakes.chatlayer import SENDER, VECTORS, ChatRig, chat_rig, menu, shown
from tests.fakes.chatting import spoken
from tests.fakes.virtual_loop import virtual_time


def v1_rig(*answers: Any, **settings: Any) -> Any:
    """A call of a bot whose messages go to a channel; its address is known once the platform listens."""
    url = "http://127.0.0.1:9/channel"
    given = {"dialect": "v1", "channel_url": url, "channel_token": "secret", "access_token": "account"}
    return chat_rig(*answers, **{**given, **settings})


async def sent(rig: ChatRig, event: Any) -> dict[str, Any]:
    await rig.send(event)
    request = rig.requests[-1]
    assert request.path == "/v1/channels/x"
    assert request.headers["authorization"] == "Bearer secret"
    body: dict[str, Any] = request.json()
    return body


@virtual_time
async def test_cl27_the_bot_introduces_itself() -> None:
    async with v1_rig(channel_path="/v1/channels/x") as rig:
        body = await sent(rig, CallStarted())
    assert body == {"conversationId": SENDER, "message": {"introMessage": {}}}


@virtual_time
async def test_cl27_text_goes_to_the_channel() -> None:
    async with v1_rig(channel_path="/v1/channels/x") as rig:
        body = await sent(rig, UserText(turn=1, text="hello"))
    assert body == {"message": {"textMessage": {"text": "hello"}}, "user": {"id": SENDER, "preferredLanguage": "fr"}}


@virtual_time
async def test_cl27_a_dialog_state_is_a_postback_with_session_data() -> None:
    async with v1_rig(channel_path="/v1/channels/x", start={"dialogstate": "1000"}, locale="none") as rig:
        body = await sent(rig, CallStarted())
    assert body["message"] == {"postbackMessage": {"title": "", "nextDialogstateId": "1000"}}
    assert body["user"] == {"id": SENDER}
    assert body["sessionData"]["caller"] == "+33612345678"


@virtual_time
async def test_cl27_a_click_goes_as_a_postback_when_it_names_its_state() -> None:
    async with v1_rig(channel_path="/v1/channels/x", locale="none") as rig:
        await rig.deliver({"message": shown(1)})
        asked = menu((await rig.taken())[0])
        event = UserChoice(turn=1, menu_id=asked.menu_id, option_id="1", label="go to button")
        body = await sent(rig, event)
    postback = {"title": "go to button", "nextDialogstateId": "e38fl4df-kkb1-46c0-836f-b8ffff4c42b1"}
    assert body["message"] == {"postbackMessage": postback}


@virtual_time
async def test_cl27_an_opaque_click_goes_back_as_it_came() -> None:
    async with v1_rig(channel_path="/v1/channels/x", locale="none") as rig:
        await rig.deliver({"message": VECTORS["webhook_buttons"]["message"]})
        asked = menu((await rig.taken())[0])
        body = await sent(rig, UserChoice(turn=1, menu_id=asked.menu_id, option_id="2", label="English"))
    assert body["message"] == {"textMessage": {"text": "a6a318dd6afe997f282b3c7472e038a2e0f4046a"}}


@virtual_time
async def test_cl27_answers_come_by_the_same_webhook() -> None:
    async with v1_rig(channel_path="/v1/channels/x") as rig:
        await rig.deliver({"message": {"text": "Hi."}}, senderId=None, conversationId=SENDER)
        assert spoken(*await rig.taken()) == ["Hi."]


@virtual_time
async def test_cl27_language_understanding_has_an_address_of_its_own() -> None:
    async with v1_rig(json_reply(VECTORS["extract_response"]), channel_path="/x", version="DRAFT") as rig:
        found = await rig.account.extract("en", "hello")
    assert found["intent"] == "book train ticket"
    (request,) = rig.requests
    assert (request.path, request.query) == ("/v1/bots/11/nlp/extract", {"version": "DRAFT"})
    assert request.headers["authorization"] == "Bearer account"


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (
            VECTORS["button_click_request"]["text"],
            {
                "title": "T",
                "nextDialogstateId": "3050",
                "sessionDataToSet": [{"key": "userLangSelected", "value": "en-en"}],
            },
        ),
        ('{"nextDialogstateId": 3050}', {"title": "T", "nextDialogstateId": 3050}),
    ],
)
def test_cl27_what_a_payload_says(payload: str, message: dict[str, Any]) -> None:
    assert v1.click_body(payload, "T", SENDER)["message"] == {"postbackMessage": message}


@given(st.text())
def test_cl27_any_other_payload_is_text(payload: str) -> None:
    assert v1.click_body(payload, "T", SENDER)["message"] == {"textMessage": {"text": payload}}


@virtual_time
async def test_cl27_a_call_through_the_lab_s_channel() -> None:
    async with LabChatlayer() as lab:
        channel = {"channel_url": lab.url + CHANNEL, "channel_token": ACCESS_TOKEN}
        async with v1_rig(**channel) as rig:
            lab.courier.url = rig.webhook
            await rig.send(CallStarted())
            await rig.next()  # what is known of the call
            assert spoken(await rig.next()) == [desk.GREETING]
            asked = menu(await rig.next())
            await rig.send(UserChoice(turn=1, menu_id=asked.menu_id, option_id="3", label="opening hours"))
            assert spoken(await rig.next()) == [desk.HOURS]
            await rig.send(UserText(turn=2, text="tickets"))
            assert spoken(await rig.next()) == [desk.TICKET]
    assert lab.requests[0].json().keys() == {"conversationId", "message"}
