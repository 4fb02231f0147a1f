"""The golden vectors as whole calls in text mode: the caller types, the platform delivers what the vectors hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.lab.chatlayer import VERIFY_TOKEN, LabChatlayer
from gateway.lab.chatlayer_bot import Delayed
from tests.fakes.chatlayer import PATH, VECTORS, said_to, shown, travel_office
from tests.fakes.office import Office, texting
from tests.fakes.virtual_loop import virtual_time

TEXT = VECTORS["webhook_text"]["message"]
CLICK = VECTORS["button_click_request"]["text"]


def scripted(*answer: Any, **more: Any) -> dict[str, Any]:
    """A lab whose bot answers the first words of a call with these messages."""
    return {"script": {"hi": answer, **more}}


def sender_of(lab: LabChatlayer) -> str:
    sender: str = said_to(lab)[0]["sender"]["id"]
    return sender


def delivery(lab: LabChatlayer, message: Any, **more: Any) -> dict[str, Any]:
    return {"senderId": sender_of(lab), "verifyToken": VERIFY_TOKEN, "message": message, **more}


async def post(office: Office, body: Any) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(f"http://{office.address}{PATH}", json=body)


@virtual_time
async def test_c1_cl16_cl17_what_the_caller_said_goes_out_and_the_plain_receipt_is_enough(tmp_path: Path) -> None:
    number = {"language": "fr-FR"}
    async with travel_office(tmp_path, lab=scripted(TEXT), number=number) as (office, lab), texting(office) as caller:
        await caller.hears("Hi, I'm a chatbot")
    (body,) = said_to(lab)
    assert json.dumps(body) == json.dumps({**VECTORS["user_text_request"], "sender": {"id": body["sender"]["id"]}})
    assert lab.requests[0].path == "/api/webhookMessage/11"
    assert lab.requests[0].query == {}
    assert office.outcome == ("abandoned", "caller")


@virtual_time
async def test_c2_cl18_a_click_is_the_payload_as_it_came_without_locale(tmp_path: Path) -> None:
    buttons = {"type": "postback", "title": "Dutch", "payload": CLICK}
    question = {"attachment": {"type": "template", "payload": {"template_type": "button", "buttons": [buttons]}}}
    answers = {CLICK: ({"text": "Goedendag."},)}
    async with travel_office(tmp_path, lab=scripted(question, **answers)) as (office, lab), texting(office) as caller:
        await caller.hears("For Dutch, say Dutch or press 1.")
        await caller.press("1")
        await caller.hears("Goedendag.")
    body = said_to(lab)[1]
    assert json.dumps(body) == json.dumps({**VECTORS["button_click_request"], "sender": body["sender"]})


@pytest.mark.parametrize("shape", ["senderId", "recipient"], ids=["c3_cl20_sender_id", "c4_cl20_recipient"])
@virtual_time
async def test_cl19_each_published_shape_is_spoken(shape: str, tmp_path: Path) -> None:
    lab_settings = {**scripted(TEXT), "shape": shape}
    async with travel_office(tmp_path, lab=lab_settings) as (office, lab), texting(office) as caller:
        await caller.hears("Hi, I'm a chatbot")
    (delivered,) = lab.courier.log
    assert (delivered.status, delivered.answer) == (200, b"EVENT_RECEIVED")


@virtual_time
async def test_c5_cl12_a_quick_reply_goes_back_byte_for_byte(tmp_path: Path) -> None:
    payload = shown(1)["quick_replies"][0]["payload"]
    answers = {payload: ({"text": "There you are."},)}
    async with travel_office(tmp_path, lab=scripted(shown(1), **answers)) as (office, lab), texting(office) as caller:
        await caller.hears("quick reply text")
        await caller.hears("For go to button, say go to button or press 1.")
        await caller.press("1")
        await caller.hears("There you are.")
    assert said_to(lab)[1]["text"].encode() == payload.encode()


@virtual_time
async def test_c6_cl11_buttons_are_a_menu_and_a_number_in_it_a_transfer(tmp_path: Path) -> None:
    number = {"transfer": {"allow": ["+32"]}}
    async with (
        travel_office(tmp_path, lab=scripted(shown(0)), number=number) as (office, lab),
        texting(office) as caller,
    ):
        await caller.hears("button text")
        await caller.hears("Say or press 1: go to button title. Say or press 2: to be connected with tel.")
        await caller.press("2")
        await caller.hears("I'm sorry, I couldn't put you through.")  # a call as text has nobody to go to
        await caller.press("1#")
        await caller.wait(1)
    assert [note["cause"] for note in office.notes("transfer_refused")] == ["unsupported"]
    assert office.notes("link") == []
    assert len(said_to(lab)) == 2
    assert said_to(lab)[1]["text"] == "1"  # the menu was answered; a key without one is text


@virtual_time
async def test_c7_cl13_a_carousel_is_title_and_subtitle(tmp_path: Path) -> None:
    async with travel_office(tmp_path, lab=scripted(shown(2))) as (office, _), texting(office) as caller:
        await caller.hears("title. subtitle")
        await caller.wait(2)
    assert caller.words == ["title. subtitle"]


@virtual_time
async def test_c8_cl14_a_picture_is_not_heard_but_answers(tmp_path: Path) -> None:
    number = {"no_input": {"timeout": 5, "prompts": ["Are you there?"]}}
    async with (
        travel_office(tmp_path, lab=scripted(shown(3)), number=number) as (office, lab),
        texting(office) as caller,
    ):
        again = await caller.hears("Are you there?")
    assert caller.words == ["Are you there?"]
    assert again.at == pytest.approx(0.7 + 5.0, abs=0.05)
    assert lab.courier.log[0].status == 200
    kept = [note for note in office.notes("event") if "not_spoken" in note]
    assert kept == [{"not_spoken": "image", "url": shown(3)["attachment"]["payload"]["url"]}]


@virtual_time
async def test_c14_cl09_what_is_delivered_again_is_played_once(tmp_path: Path) -> None:
    lab_settings = {**scripted(TEXT), "webhook_faults": "duplicate"}
    async with travel_office(tmp_path, lab=lab_settings) as (office, lab), texting(office) as caller:
        await caller.hears("Hi, I'm a chatbot")
        for _ in range(2):
            assert (await post(office, delivery(lab, TEXT, messageCounter=1))).status_code == 200
        await caller.wait(3)
    assert caller.words == ["Hi, I'm a chatbot"]
    assert [each.status for each in lab.courier.log] == [200, 200]


@pytest.mark.parametrize("counts", [True, False], ids=["c15_with_counters", "c16_without"])
@virtual_time
async def test_the_same_words_twice_are_said_twice(counts: bool, tmp_path: Path) -> None:
    twice = {"text": "Sorry?"}
    lab_settings = {**scripted(twice, twice), "counts": counts}
    async with travel_office(tmp_path, lab=lab_settings) as (office, _), texting(office) as caller:
        await caller.hears("Sorry?")
        await caller.hears("Sorry?")
        await caller.wait(3)
    assert caller.words == ["Sorry?", "Sorry?"]


@virtual_time
async def test_c17_cl05_a_wrong_verify_token_is_refused_and_not_heard(tmp_path: Path) -> None:
    lab_settings = {**scripted(TEXT, {"text": "Next."}), "webhook_faults": "wrong-token"}
    async with travel_office(tmp_path, lab=lab_settings) as (office, lab), texting(office) as caller:
        await caller.hears("Next.")
        await caller.wait(3)
    assert caller.words == ["One moment, please.", "Next."]
    assert [each.status for each in lab.courier.log] == [401, 401, 401, 401, 200]  # one delivery, three retries


@virtual_time
async def test_c18_cl20_a_stranger_s_message_is_taken_and_ignored(tmp_path: Path) -> None:
    async with travel_office(tmp_path, lab=scripted(TEXT)) as (office, lab), texting(office) as caller:
        await caller.hears("Hi, I'm a chatbot")
        answer = await post(office, {**delivery(lab, TEXT), "senderId": VECTORS["webhook_text"]["senderId"]})
        assert (answer.status_code, answer.json()) == (200, {"status": "ignored"})
        await caller.hang_up()
        await caller.over()
        await office.calls_over()
        late = await post(office, delivery(lab, TEXT))
        assert (late.status_code, late.json()) == (200, {"status": "ignored"})
    assert caller.words == ["Hi, I'm a chatbot"]


@virtual_time
async def test_c20_messages_in_the_wrong_order_are_said_in_the_right_one(tmp_path: Path) -> None:
    lab_settings = {**scripted({"text": "One."}, {"text": "Two."}), "webhook_faults": "reorder"}
    async with travel_office(tmp_path, lab=lab_settings) as (office, lab), texting(office) as caller:
        await caller.hears("Two.")
    assert [each.body["messageCounter"] for each in lab.courier.log] == [2, 1]
    assert caller.words == ["One.", "Two."]


@virtual_time
async def test_c20_a_missing_message_is_waited_for_a_quarter_of_a_second(tmp_path: Path) -> None:
    async with travel_office(tmp_path, lab=scripted()) as (office, lab), texting(office) as caller:
        await office.asked(1)
        began = caller.now()
        await post(office, delivery(lab, {"text": "Two."}, messageCounter=2))
        said = await caller.hears("Two.")
        assert said.at - began == pytest.approx(0.25, abs=0.02)
        await post(office, delivery(lab, {"text": "One."}, messageCounter=1))
        await caller.hears("One.")  # late, but not lost


@virtual_time
async def test_c21_cl19_a_message_faster_than_the_receipt_is_not_lost(tmp_path: Path) -> None:
    lab_settings = {**scripted(TEXT), "is_eager": True}
    async with (
        travel_office(tmp_path, lab={**lab_settings, "faults": "slow:3"}) as (office, lab),
        texting(office) as caller,
    ):
        said = await caller.hears("Hi, I'm a chatbot")
        await caller.wait(6)
    assert said.at < 0.1
    assert caller.words == ["Hi, I'm a chatbot"]
    assert len(said_to(lab)) == 1


@virtual_time
async def test_c22_an_event_is_not_heard_and_is_kept(tmp_path: Path) -> None:
    event = {"type": "event"}
    async with (
        travel_office(tmp_path, lab=scripted(event, Delayed(1.0), TEXT)) as (office, lab),
        texting(office) as caller,
    ):
        await caller.hears("Hi, I'm a chatbot")
    assert [each.status for each in lab.courier.log] == [200, 200]
    assert [note["message"] for note in office.notes("event") if "message" in note] == [event]
