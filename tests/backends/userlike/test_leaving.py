"""Userlike's acceptance rows about forwards and their failure, silence, sessions, and the API URL's refusals."""

from __future__ import annotations

import json

import pytest

from gateway.actions import Hangup, Listen, Play, PostCall, Record, Release, Say, Transfer
from gateway.backends.userlike.chat import UserlikeChat
from gateway.backends.userlike.client import UserlikeBackend
from gateway.backends.userlike.settings import UserlikeBotSection
from gateway.caller_events import (
    CallEnded,
    CallStarted,
    NoInput,
    TransferResult,
)
from gateway.events import CallInfo
from gateway.kit.http import HttpClient
from tests.fakes.chatting import of, spoken
from tests.fakes.userlike import CALL, EMPTY, event, says, userlike_call, warnings

pytestmark = pytest.mark.asyncio

MEDIA = event("media", {"link": "https://cdn.example.com/song.mp3"})


def silent(turn: int, elapsed: float = 7.0) -> NoInput:
    return NoInput(turn=turn, count=3, elapsed=elapsed, exhausted=True)


# --- leaving ---------------------------------------------------------------------------------------------------------
async def test_ul37_a_forward_by_skills_goes_to_the_first_who_has_them_all():
    people = [
        {"target": "201", "skills": ["billing"]},
        {"target": "202", "skills": ["Billing", "french"]},
        {"target": "203", "skills": ["billing", "french", "german"]},
    ]
    for skills, target in ((["billing", "FRENCH"], "202"), (["german"], "203"), (["chess"], None), ("billing", "201")):
        async with userlike_call(event("forward_skills", {"skills": skills}), people=people) as call:
            (transfer,) = of(Transfer, await call.start())
            assert transfer.target == target
            assert call.chat.is_over


async def test_ul37_a_forward_by_skills_reports_only_where_that_is_configured():
    forward = event("forward_skills", {"skill_ids": [7], "on_failure": "feedback"})
    async with userlike_call(forward, EMPTY, skills_feedback=True) as call:
        (transfer,) = of(Transfer, await call.start())
        await call.send(TransferResult(turn=1, transfer_id=transfer.transfer_id, ok=False, cause="no_target"))
        assert call.bot.packets[1]["name"] == "forward_failed"


async def test_ul36_groups_by_name_or_number_and_none_at_all():
    for group, target in (("Support", "200"), (17, "300"), ("nobody", None)):
        async with userlike_call(
            event("forward_group", {"group_id": group}), groups={"support": "200", "17": "300"}
        ) as call:
            assert [transfer.target for transfer in of(Transfer, await call.start())] == [target]


async def test_ul38_after_a_forward_only_records_count():
    listed = [event("forward_any"), says("no"), MEDIA, event("note_create", {"body": "yes"}), event("end")]
    async with userlike_call(listed) as call:
        batch = await call.start()
    assert (of(Say, batch), of(Play, batch), of(Hangup, batch)) == ([], [], [])
    assert [record.data["text"] for record in of(Record, batch) if record.kind == "note"] == ["yes"]
    assert len(warnings(batch)) == 3


async def test_a_caller_whose_bot_has_left_is_never_left_alone():
    async with userlike_call(event("forward_any")) as call:
        await call.start()
        batch = await call.say("hello?")
        assert of(Release, batch) == [Release(policy="unassigned")]
        assert len(call.bot.bodies) == 1


async def test_u12_the_last_way_out_that_fails_is_announced():
    unassigned = {"then": "default_target", "target": "900", "say": "One moment."}
    async with userlike_call(event("abort"), unassigned=unassigned) as call:
        (transfer,) = of(Transfer, await call.start())
        second = await call.send(TransferResult(turn=1, transfer_id=transfer.transfer_id, ok=False))
        (again,) = of(Transfer, second)
        last = await call.send(TransferResult(turn=2, transfer_id=again.transfer_id, ok=False))
    assert (again.target, spoken(second)) == ("900", ["One moment."])
    assert (spoken(last), len(of(Hangup, last))) == (["One moment."], 1)


# --- silence ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("action", "kind"),
    [("end", Hangup), ("unassign", Release), ("forward", Transfer)],
    ids=["end", "unassign", "forward"],
)
async def test_ul04_the_conversation_timeout(action: str, kind: type):
    async with userlike_call(
        EMPTY, timeout_action=action, conversation_timeout=45, group="a", groups={"a": "100"}
    ) as call:
        await call.start()
        waiting = await call.send(silent(1))
        over = await call.send(silent(2, elapsed=38.0))
        assert of(Listen, waiting) == [Listen(start_timeout=38.0, no_input_retries=0, on_exhausted="event")]
        assert len(of(kind, over)) == 1
        assert len(call.bot.bodies) == 1
        assert call.chat.is_over


async def test_ul04_what_either_side_says_starts_the_timeout_afresh():
    async with userlike_call(EMPTY, EMPTY) as call:
        await call.start()
        await call.send(silent(1))
        await call.api(says("Still there?"))
        await anext(call.batches)
        assert of(Listen, await call.send(silent(2)))
        call.turn = 2
        await call.say("yes")
        assert of(Listen, await call.send(silent(4)))
        assert of(Hangup, await call.send(silent(5)))


async def test_ul04_silence_as_a_message_where_that_is_wanted():
    async with userlike_call(EMPTY, says("Are you there?"), no_input_text="(silence)") as call:
        await call.start()
        assert spoken(await call.send(silent(1))) == ["Are you there?"]
        assert call.bot.packets[1]["payload"] == {"body": "(silence)"}
        assert of(Listen, await call.send(silent(2)))[0].start_timeout == 53.0
        assert of(Hangup, await call.send(silent(3)))
        assert len(call.bot.bodies) == 2


# --- sessions --------------------------------------------------------------------------------------------------------
async def test_ul48_a_new_call_is_a_new_session_with_the_contact_known_and_no_context():
    update = event("contact_update", {"name": "Ann"}, context={"state": "x"})
    async with userlike_call(update, EMPTY, EMPTY) as call:
        await call.start()
        first = call.bot.bodies[0]["info"]
        await call.chat.send(CallEnded(turn=0, by="caller"))
        assert (await call.api(says("late"))).status == 404
        for caller in (CALL.caller, ""):
            async with call.backend.open_chat(CallInfo(call_id="c2", caller=caller), call.claimed.append) as chat:
                await chat.send(CallStarted())
        second, withheld = (body["info"] for body in call.bot.bodies[1:])
    assert (second["context"], second["contact"]["name"]) == ({}, "Ann")
    assert second["contact"]["id"] == first["contact"]["id"]
    assert second["cid"] != first["cid"]
    assert (withheld["contact"]["name"], withheld["contact"]["mobile_number"]) == (None, None)


async def test_ul12_without_a_key_there_is_no_api_url():
    async with HttpClient() as http:
        backend = UserlikeBackend("b", UserlikeBotSection(webhook_url="https://bot.example.com"), http)
    assert backend.routes == ()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", "the body is no JSON"),
        (b"[]", "there is no event"),
        (b'"text"', "an event is an object"),
        (b'{"info":{"cid":"C"}}', "packet.name is missing"),
        (b'{"info":{"cid":"C"},"packet":{"name":"dance"}}', "dance: unknown event name"),
        (b'{"packet":{"name":"end"}}', "info.cid is missing"),
        (b'{"info":{"cid":"C"},"packet":{"name":"message","payload":{"body":" "}}}', "message: body is missing"),
        (b"[" * 65 + b"]" * 65, "the body is nested deeper than 64 levels"),
        (b"\xff\xfe", "the body is not in UTF-8"),
    ],
)
async def test_ul07_a_wrong_request_is_refused_whole(body: bytes, reason: str):
    async with userlike_call(EMPTY) as call:
        await call.start()
        answer = await call.api(None, body=body)
        assert (answer.status, json.loads(answer.body)) == (400, {"error": reason})


async def test_ul07_nothing_of_a_refused_list_is_carried_out():
    async with userlike_call(EMPTY) as call:
        await call.start()
        assert (await call.api([says("a"), event("dance")])).status == 400
        assert (await call.api([says("b")])).status == 200
        assert spoken(await anext(call.batches)) == ["b"]


async def test_ul52_unknown_events_and_properties_in_an_answer_are_passed_over():
    strange = {**event("dance", context={"state": "kept"}), "version": 9}
    plain = {**says("Hello."), "new": {"a": []}}
    async with userlike_call([strange, 7, "x", None, {"packet": None}, plain]) as call:
        batch = await call.start()
        assert call.chat.session.context == {"state": "kept"}
    assert spoken(batch) == ["Hello."]
    assert warnings(batch) == [
        "ignored: dance: unknown event name",
        "ignored: an event is an object",
        "ignored: an event is an object",
        "ignored: packet.name is missing",
    ]


async def test_an_answer_for_another_session_is_taken_with_a_warning():
    async with userlike_call(says("Hello.", cid="chatbot::1:0")) as call:
        batch = await call.start()
    assert spoken(batch) == ["Hello."]
    assert warnings(batch) == ["info.cid names another session; taken as this one"]


async def test_plain_text_loses_the_marks_nobody_wants_to_hear():
    async with userlike_call([says("**Bold** words"), says("<b> is less")]) as call:
        assert [say.format for say in of(Say, await call.start())] == ["markdown", "plain"]


async def test_ul48_a_session_that_ends_while_a_file_is_fetched_takes_nothing_more():
    over: list[UserlikeChat] = []

    async def look(url: str) -> str:
        await over[0].send(CallEnded(turn=0, by="caller"))
        return "audio/mpeg"

    async with userlike_call(EMPTY, inspect=look) as call:
        await call.start()
        over.append(call.chat)
        assert (await call.api(MEDIA)).status == 404


@pytest.mark.parametrize("then", ["callback", "voicemail"])
async def test_u12_hook_and_mail_are_told_of_a_caller_whom_nobody_took(then: str):
    policy = {"then": then, "say": "We call you back.", "hook": "crm", "mail": "desk@example.com"}
    async with userlike_call(event("forward_any"), unassigned=policy) as call:
        (transfer,) = of(Transfer, await call.start())
        batch = await call.send(TransferResult(turn=1, transfer_id=transfer.transfer_id, ok=False))
        assert of(Record, batch)[0] == Record(kind="event", data={"unassigned": then})
        assert spoken(batch) == ["We call you back."]
        if then == "voicemail":
            (listen,) = of(Listen, batch)
            assert (listen.is_message, listen.max_length, listen.end_silence) == (True, 120.0, 3.0)
            assert not of(PostCall, batch)
            call.turn = 1
            batch = await call.say("call me at noon")
            assert of(Record, batch) == [Record(kind="note", data={"about": "voicemail", "text": "call me at noon"})]
        hook, mail = of(PostCall, batch)
        assert (hook.kind, hook.data["hook"], hook.data["transcript"]) == ("addon", "crm", True)
        assert (hook.data["payload"]["type"], hook.data["payload"]["caller"]) == (then, CALL.caller)
        assert (mail.kind, mail.data["to"], mail.data["transcript"]) == ("email", "desk@example.com", True)
        assert len(of(Hangup, batch)) == 1
        assert len(call.bot.bodies) == 1


@pytest.mark.parametrize(("elapsed", "notes"), [(7.0, []), (0.0, [""])], ids=["silence", "not_understood"])
async def test_u12_a_message_without_words_is_told_and_silence_is_not(elapsed: float, notes: list[str]):
    policy = {"then": "voicemail", "hook": "crm"}
    async with userlike_call(event("forward_any"), unassigned=policy) as call:
        (transfer,) = of(Transfer, await call.start())
        await call.send(TransferResult(turn=1, transfer_id=transfer.transfer_id, ok=False))
        batch = await call.send(silent(2, elapsed=elapsed))
    assert [record.data["text"] for record in of(Record, batch)] == notes
    assert len(of(PostCall, batch)) == len(notes)
    assert len(of(Hangup, batch)) == 1
