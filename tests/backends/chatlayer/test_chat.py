"""One call's conversation, over real sockets: how it begins, what the caller's choices and silences do, what is asked
when nothing comes, and what is due when the call is over."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.actions import PostCall, Record, Release, Say, Transfer
from gateway.caller_events import (
    CallEnded,
    CallStarted,
    NoInput,
    PlaybackDone,
    TransferResult,
    UserChoice,
    UserDigits,
    UserText,
)
from gateway.errors import VendorError, VendorRejected, VendorUnavailable
from gateway.interfaces import AfterCallJob
from gateway.kit.signature import hmac_hex
from gateway.lab.chatlayer import VERIFY_TOKEN
from gateway.lab.server import LabReply, json_reply
from tests.fakes.chatlayer import CALL, SENDER, VECTORS, ChatRig, chat_rig, menu, shown
from tests.fakes.chatting import of, spoken
from tests.fakes.virtual_loop import elapsed, virtual_time

TOKEN = {"access_token": "abc42"}
SILENT = NoInput(turn=1, count=3, elapsed=7.0, exhausted=True)


def texts(rig: ChatRig) -> list[str]:
    return [body["text"] for body in rig.bodies if "text" in body]


def jumps(rig: ChatRig) -> list[tuple[str, Any]]:
    """Dialog states that were jumped to, each with the data that was written before."""
    return [
        (body["action"]["nextDialogstate"], body.get("session", {}).get("data"))
        for body in rig.bodies
        if "action" in body
    ]


# --- the beginning -------------------------------------------------------------------------------------------------
@virtual_time
async def test_by_default_a_call_begins_with_hi() -> None:
    async with chat_rig() as rig:
        await rig.send(CallStarted())
        (batch,) = await rig.taken()
    assert texts(rig) == ["hi"]
    assert (batch.turn, batch.turn_done) == (None, False)
    assert batch.actions == (Record(kind="event", data={"conversation": SENDER}),)


@virtual_time
async def test_the_gateway_may_greet_instead() -> None:
    async with chat_rig(start="none", greeting="Hello.") as rig:
        await rig.send(CallStarted())
        _, greeting = await rig.taken()
    assert rig.requests == []
    assert (greeting.turn, greeting.turn_done, spoken(greeting)) == (0, True, ["Hello."])


@virtual_time
async def test_or_nobody_begins() -> None:
    async with chat_rig(start="none") as rig:
        await rig.send(CallStarted())
        assert len(await rig.taken()) == 1
    assert rig.requests == []


@pytest.mark.parametrize(
    ("caller", "settings", "sender"),
    [
        ("+331", {}, SENDER),
        ("+331", {"identity": "caller", "identity_secret": "s"}, "tel-" + hmac_hex("s", "+331")[:32]),
        ("", {"identity": "caller", "identity_secret": "s"}, SENDER),
        ("+331", {"sender_id": "x.{caller_hash}", "identity_secret": "s"}, "x." + hmac_hex("s", "+331")[:32]),
        ("", {"sender_id": "x.{caller_hash}", "identity_secret": "s"}, "x." + hmac_hex("s", SENDER)[:32]),
        ("+331", {"sender_id": "phone-{uuid}"}, "phone-" + SENDER),
    ],
)
@virtual_time
async def test_c19_cl06_who_a_call_is_to_the_platform(caller: str, settings: dict[str, Any], sender: str) -> None:
    async with chat_rig(call=replace(CALL, caller=caller), **settings) as rig:
        await rig.send(CallStarted())
    assert rig.bodies[0]["sender"] == {"id": sender}
    assert rig.claimed == [sender]
    assert len(sender) >= 32


# --- the caller's turn ---------------------------------------------------------------------------------------------
@virtual_time
async def test_words_and_keys_are_text() -> None:
    async with chat_rig(locale="none") as rig:
        await rig.send(UserText(turn=1, text="I'd like a ticket."))
        await rig.send(UserDigits(turn=2, digits="42"))
        await rig.send(UserText(turn=3, text="x" * 5000))
        for event in (PlaybackDone(turn=0, complete=True, played=1.0, heard_text="x"), CallEnded(turn=3, by="caller")):
            await rig.send(event)
    assert [len(text) if len(text) > 99 else text for text in texts(rig)] == ["I'd like a ticket.", "42", 4000]


@virtual_time
async def test_c6_cl11_choosing_a_number_transfers_without_asking_the_bot() -> None:
    async with chat_rig() as rig:
        await rig.deliver({"message": shown(0)})
        asked = menu((await rig.taken())[0])
        await rig.send(UserChoice(turn=4, menu_id=asked.menu_id, option_id="2", label=asked.options[1].label))
        (batch,) = await rig.taken()
    assert rig.requests == []
    assert (batch.turn, batch.turn_done) == (4, True)
    (transfer,) = of(Transfer, batch)
    assert transfer.target == "+32477990022"


@virtual_time
async def test_c5_cl12_the_payload_of_the_menu_that_was_chosen_from_goes_back() -> None:
    async with chat_rig() as rig:
        for message in (shown(1), VECTORS["webhook_buttons"]["message"]):
            await rig.deliver({"message": message})
        first, second = (menu(batch) for batch in await rig.taken())
        await rig.send(UserChoice(turn=1, menu_id=first.menu_id, option_id="1", label="go to button"))
        await rig.send(UserChoice(turn=2, menu_id=second.menu_id, option_id="2", label="English"))
        await rig.send(UserChoice(turn=3, menu_id="unknown", option_id="1", label="Something"))
    assert texts(rig) == [
        shown(1)["quick_replies"][0]["payload"],
        "a6a318dd6afe997f282b3c7472e038a2e0f4046a",
        "Something",
    ]
    assert ["locale" in body for body in rig.bodies] == [False, False, True]


# --- one at a time, and again --------------------------------------------------------------------------------------
@virtual_time
async def test_a_server_error_is_tried_once_more_after_a_second() -> None:
    async with chat_rig(LabReply(status=502)) as rig:
        await rig.send(UserText(turn=1, text="hello"))
    assert rig.waits == [1.0]
    assert texts(rig) == ["hello", "hello"]


@pytest.mark.parametrize(
    ("answers", "settings", "requests", "error"),
    [
        ([500, 500], {}, 2, VendorUnavailable),
        ([500], {"retry_delays": []}, 1, VendorUnavailable),
        ([400], {}, 1, VendorRejected),
        ([404], {}, 1, VendorRejected),
        ([429], {}, 1, VendorError),
        ([401], {}, 1, VendorRejected),
        ([403], {}, 1, VendorRejected),
    ],
)
@virtual_time
async def test_what_is_refused_is_a_failed_turn(
    answers: list[int], settings: dict[str, Any], requests: int, error: type[Exception]
) -> None:
    async with chat_rig(*(LabReply(status=status) for status in answers), **settings) as rig:
        with pytest.raises(error) as refused:
            await rig.send(UserText(turn=1, text="hello"))
        await rig.send(UserText(turn=2, text="again"))
    assert len(rig.requests) == requests + 1
    assert VERIFY_TOKEN not in str(refused.value)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@virtual_time
async def test_c1_cl17_any_success_will_do_whatever_stands_in_it(status: int) -> None:
    async with chat_rig(LabReply(status=status, body=b"" if status == 204 else b"<html>")) as rig:
        await rig.send(UserText(turn=1, text="hello"))
    assert len(rig.requests) == 1


@virtual_time
async def test_the_next_words_wait_until_the_ones_before_them_were_taken() -> None:
    async with chat_rig(LabReply(delay=4.0, body=b"EVENT_RECEIVED")) as rig:
        first = asyncio.create_task(rig.send(UserText(turn=1, text="one")))
        await asyncio.sleep(1)
        first.cancel()  # the caller has answered to what the bot said meanwhile
        await asyncio.wait([first])
        await rig.send(UserText(turn=2, text="two"))
        assert elapsed() == pytest.approx(4.0, abs=0.05)
    assert texts(rig) == ["one", "two"]
    assert rig.requests[1].at - rig.requests[0].at == pytest.approx(4.0, abs=0.05)


@virtual_time
async def test_c21_a_message_of_the_bot_shows_that_a_request_without_an_answer_was_taken() -> None:
    async with chat_rig(LabReply(drop=True, delay=2.0)) as rig:
        sending = asyncio.create_task(rig.send(UserText(turn=1, text="hello")))
        await asyncio.sleep(1)
        await rig.deliver({"message": {"text": "Hi."}})
        await sending
        assert spoken(*await rig.taken()) == ["Hi."]
    assert texts(rig) == ["hello"]  # not again: the bot would act twice


@virtual_time
async def test_c21_nor_is_it_sent_again_when_the_message_comes_before_the_second_attempt() -> None:
    async with chat_rig(LabReply(drop=True)) as rig:
        sending = asyncio.create_task(rig.send(UserText(turn=1, text="hello")))
        await asyncio.sleep(0.5)
        await rig.deliver({"message": {"text": "Hi."}})
        await sending
    assert texts(rig) == ["hello"]


@virtual_time
async def test_but_a_request_that_was_refused_was_not_taken_whatever_the_bot_says_late() -> None:
    async with chat_rig(LabReply(status=500)) as rig:
        sending = asyncio.create_task(rig.send(UserText(turn=1, text="hello")))
        await asyncio.sleep(0.5)
        await rig.deliver({"message": {"text": "And one more thing."}})
        await sending
    assert texts(rig) == ["hello", "hello"]


@virtual_time
async def test_a_call_that_ends_gives_up_what_is_on_its_way() -> None:
    async with chat_rig(LabReply(delay=8.0)) as rig:
        sending = asyncio.create_task(rig.send(UserText(turn=1, text="one")))
        await asyncio.sleep(1)
        sending.cancel()
        await asyncio.wait([sending])
    assert elapsed() < 2


# --- silence, transfers --------------------------------------------------------------------------------------------
@virtual_time
async def test_cl21_silence_goes_to_its_dialog_state_once_and_then_to_the_fallback() -> None:
    async with chat_rig(silence_dialogstate="4000", **TOKEN) as rig:
        await rig.send(SILENT)
        assert await rig.taken() == []
        await rig.send(replace(SILENT, turn=2))
        assert of(Release, (await rig.taken())[0]) == [Release(policy="no_input")]
        await rig.send(UserText(turn=3, text="I'm here."))
        await rig.send(replace(SILENT, turn=4))
    assert jumps(rig) == [("4000", None), ("4000", None)]


@virtual_time
async def test_or_silence_is_told_in_words() -> None:
    async with chat_rig(silence_text="(silence)") as rig:
        await rig.send(SILENT)
    assert texts(rig) == ["(silence)"]


@virtual_time
async def test_silence_that_the_bot_has_no_word_for_goes_to_the_fallback() -> None:
    async with chat_rig() as rig:
        await rig.send(replace(SILENT, exhausted=False))
        assert await rig.taken() == []
        await rig.send(SILENT)
        (batch,) = await rig.taken()
    assert (batch.turn, of(Release, batch)) == (1, [Release(policy="no_input")])
    assert rig.requests == []


@virtual_time
async def test_cl21_cl23_a_transfer_that_failed_goes_to_its_dialog_state_with_the_cause() -> None:
    async with chat_rig(transfer_failed_dialogstate="4001", **TOKEN) as rig:
        assert rig.backend.capabilities.transfer_feedback
        await rig.send(TransferResult(turn=1, transfer_id="t", ok=False, cause="busy"))
        await rig.send(TransferResult(turn=2, transfer_id="t", ok=True))
    assert jumps(rig) == [("4001", {"transfer_cause": "busy"})]


# --- what never arrived --------------------------------------------------------------------------------------------
def history(*messages: tuple[str, str]) -> dict[str, Any]:
    rows = [
        {"id": str(place), "actor": actor, "createdAt": f"2026-01-01T10:00:0{place}Z", "message": {"text": text}}
        for place, (actor, text) in enumerate(messages)
    ]
    return {"rows": rows, "count": len(rows)}


RECOVERS = {"recover_missed": True, **TOKEN}


@virtual_time
async def test_what_the_platform_could_not_deliver_is_found_in_its_history() -> None:
    found = json_reply(history(("bot", "old"), ("user", "hello"), ("bot", "One."), ("bot", "Two.")))
    async with chat_rig(LabReply(), found, **RECOVERS) as rig:
        await rig.send(UserText(turn=1, text="hello"))
        assert elapsed() == pytest.approx(15.0, abs=0.1)
        assert spoken(*await rig.taken()) == ["One.", "Two."]
        await rig.deliver({"message": {"text": "One."}})  # late after all
        await rig.deliver({"message": {"text": "Two."}}, messageCounter=2)
        await rig.deliver({"message": {"text": "Three."}}, messageCounter=3)
        await asyncio.sleep(1)
        assert spoken(*await rig.taken()) == ["Three."]


@virtual_time
async def test_nothing_is_looked_for_when_a_message_came() -> None:
    async with chat_rig(**RECOVERS) as rig:
        sending = asyncio.create_task(rig.send(UserText(turn=1, text="hello")))
        await asyncio.sleep(1)
        await rig.deliver({"message": {"type": "event"}})  # the bot types
        await asyncio.sleep(1)
        assert not sending.done()
        await rig.deliver({"message": {"text": "Hi."}})
        await sending
    assert len(rig.requests) == 1


@pytest.mark.parametrize("answer", [LabReply(status=500), LabReply(body=b"garbage"), json_reply(history())])
@virtual_time
async def test_a_history_that_does_not_help_costs_nothing(answer: LabReply) -> None:
    async with chat_rig(LabReply(), answer, **RECOVERS) as rig:
        await rig.send(UserText(turn=1, text="hello"))
        assert await rig.taken() == []


# --- after the call ------------------------------------------------------------------------------------------------
def job(**data: Any) -> AfterCallJob:
    call = {"call_id": "call-1", "started_at": "2026-01-01T10:00:12+00:00"}
    return AfterCallJob(key="k", kind="backend", data={"sender": SENDER, **data}, call=call)


@virtual_time
async def test_c9_what_is_due_after_the_call_is_asked_for_at_its_start() -> None:
    async with chat_rig(hangup_dialogstate="5000", history_delay=7.5, **TOKEN) as rig:
        await rig.send(CallStarted())
        (batch,) = await rig.taken()
    assert of(PostCall, batch) == [
        PostCall(kind="backend", data={"job": "hangup", "sender": SENDER}),
        PostCall(kind="backend", data={"job": "history", "sender": SENDER, "delay": 7.5}),
    ]


@pytest.mark.parametrize("settings", [{}, {**TOKEN, "history": False}])
@virtual_time
async def test_without_a_token_or_a_wish_there_is_none(settings: dict[str, Any]) -> None:
    async with chat_rig(**settings) as rig:
        await rig.send(CallStarted())
        (batch,) = await rig.taken()
    assert of(PostCall, batch) == []


@virtual_time
async def test_c9_cl15_the_history_and_session_data_join_the_record() -> None:
    answers = [json_reply(VECTORS["history_response"]), json_reply({"name": "Ann"})]
    async with chat_rig(*answers, record_namespaces=["call"], **TOKEN) as rig:
        found = await rig.backend.after_call(job(job="history"))
    assert [record.kind for record in found] == ["conversation"] * 5 + ["variables"]
    assert found[-1].data == {"namespace": "call", "data": {"name": "Ann"}}


@virtual_time
async def test_of_a_caller_s_own_conversation_only_this_call_joins_it() -> None:
    settings = {"identity": "caller", "identity_secret": "s", **TOKEN}
    rows = [("bot", "last week"), *[("bot", "now")] * 4]
    async with chat_rig(json_reply(history(*rows)), **settings) as rig:
        found = await rig.backend.after_call(job(job="history"))
    assert [record.data["created_at"][-3:] for record in found] == ["02Z", "03Z", "04Z"]


@virtual_time
async def test_cl21_the_last_dialog_state_is_jumped_to() -> None:
    async with chat_rig(hangup_dialogstate="5000", **TOKEN) as rig:
        assert list(await rig.backend.after_call(job(job="hangup"))) == []
    assert jumps(rig) == [("5000", None)]


@pytest.mark.parametrize(("status", "retryable"), [(500, True), (401, False)])
@virtual_time
async def test_a_job_that_fails_says_whether_it_may_work_later(status: int, retryable: bool) -> None:
    async with chat_rig(LabReply(status=status), **TOKEN) as rig:
        with pytest.raises(VendorError) as failed:
            await rig.backend.after_call(job(job="history"))
    assert failed.value.retryable is retryable


@virtual_time
async def test_a_job_of_a_configuration_that_has_changed_is_given_up() -> None:
    async with chat_rig() as rig:
        assert list(await rig.backend.after_call(job(job="hangup"))) == []
        for data in ({"job": "history"}, {"job": "strange"}, {}):
            with pytest.raises(VendorError) as failed:
                await rig.backend.after_call(job(**data))
            assert not failed.value.retryable


@virtual_time
async def test_the_same_caller_who_rings_again_has_the_conversation() -> None:
    settings = {"identity": "caller", "identity_secret": "s"}
    async with chat_rig(**settings) as rig:
        async with rig.backend.open_chat(replace(CALL, call_id="call-2"), lambda key: None) as newer:
            await rig.deliver({"message": {"text": "Hi."}})
            assert await rig.taken() == []
            (said,) = of(Say, await anext(newer.actions()))
            assert said.text == "Hi."
        assert (await rig.deliver({"message": {"text": "Bye."}})).json() == {"status": "ignored"}
