"""The TALKR adapter when things go wrong: the vendor's errors, expired sessions, servers that misbehave."""

from __future__ import annotations

import asyncio
import json

import pytest
import structlog
from pydantic import SecretStr

from gateway.actions import Fail, Listen, Record, Release, Say, SetSpeech
from gateway.backends.talkr.client import TalkrBackend
from gateway.backends.talkr.settings import TalkrBotSection
from gateway.caller_events import (
    CallEnded,
    CallStarted,
    NoInput,
    PlaybackDone,
    Timer,
    TransferResult,
    UserChoice,
    UserDigits,
    UserMedia,
    UserText,
)
from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.kit.http import HttpClient, failure_kind
from gateway.lab.faults import Fault, instead
from gateway.lab.server import LabReply, json_reply
from gateway.lab.talkr import LabTalkr
from tests.fakes.chatting import of, spoken
from tests.fakes.talkr import CALL, TalkrCall, listening, response, talkr_call

pytestmark = pytest.mark.asyncio
HELLO = UserText(turn=1, text="hello")
SAYS_NOTHING = {**response(messages=[]), "variables": {}}


def welcome(session: str, **data: object) -> dict[str, object]:
    return {**response(messages=[{"content": "Welcome"}], **data), "session": session, "variables": {}}


async def failed(call: TalkrCall, event: UserText = HELLO) -> VendorError:
    with pytest.raises(VendorError) as caught:
        await call.chat.send(event)
    return caught.value


# --- sessions ------------------------------------------------------------------------------------------------------
async def test_tk31_one_new_session_per_turn():
    async with talkr_call(response(), LabReply(status=400), welcome("b"), LabReply(status=400)) as call:
        await call.start()
        assert failure_kind(await failed(call)) == "protocol"
        assert [body.get("session") for body in call.bodies] == [None, "abc123...", None, "b"]


async def test_tk31_three_new_sessions_per_call():
    lost = [LabReply(status=400), welcome("new"), response()]
    async with talkr_call(response(), *lost, *lost, *lost, LabReply(status=400)) as call:
        await call.start()
        for _ in range(3):
            assert spoken(await call.say("again"))
        assert isinstance(await failed(call), VendorRejected)
        assert len(call.bodies) == 11


@pytest.mark.parametrize("error", ["unknown session", "SESSION expired"])
async def test_tk31_an_error_that_names_the_session_renews_it(error: str):
    lost = {"session": "", "variables": {"error": error}}
    async with talkr_call(response(), lost, welcome("b"), {**welcome("b"), "variables": {"bot_answer": "A"}}) as call:
        await call.start()
        assert spoken(await call.say("my words")) == ["Welcome", "A"]
        assert [body.get("message") for body in call.bodies] == [None, "my words", None, "my words"]


async def test_tk31_an_error_that_names_the_session_is_only_an_error_after_three_new_ones():
    lost = {"session": "", "variables": {"error": "session expired"}}
    renewals = [part for _ in range(3) for part in (lost, welcome("new"), response())]
    async with talkr_call(response(), *renewals, lost) as call:
        await call.start()
        for _ in range(3):
            assert spoken(await call.say("again"))
        last = await call.say("again")
        assert len(call.bodies) == 11
    assert [fail.kind for fail in of(Fail, last)] == ["protocol"]


@pytest.mark.parametrize("status", [401, 403, 405, 418])
async def test_tk31_no_other_refusal_renews_the_session(status: int):
    async with talkr_call(response(), LabReply(status=status), response()) as call:
        await call.start()
        assert isinstance(await failed(call), VendorRejected)
        assert len(call.bodies) == 2


async def test_tk31_what_a_new_session_sets_holds_although_its_welcome_is_not_spoken():
    first = welcome("b", speech_synthesis={"voice": "marie"}, responses=[{"tracking": "start", "content": "?"}])
    async with talkr_call(response(), LabReply(status=404), first, welcome("b")) as call:
        await call.start()
        batch = await call.say("my words")
        assert call.bodies[3]["tracking"] == "start"
    voices = [speech.synthesizer.voice for speech in of(SetSpeech, batch) if speech.synthesizer]
    assert voices == ["marie"]
    assert len(of(Say, batch)) == len(of(Listen, batch)) == 1


async def test_tk31_a_body_code_counts_as_that_status():
    refused = json_reply({"code": 400})
    async with talkr_call(response(), refused, welcome("b"), response()) as call:
        await call.start()
        assert spoken(await call.say("my words"))[-1] == "Final bot response"
        assert len(call.bodies) == 4


async def test_tk29_without_a_session_400_is_final():
    async with talkr_call(LabReply(status=400)) as call:
        with pytest.raises(VendorRejected):
            await call.chat.send(CallStarted())
        assert len(call.bodies) == 1


async def test_a_call_that_never_had_a_session_gets_one_with_the_first_words():
    async with talkr_call(LabReply(status=404), welcome("b"), response()) as call:
        with pytest.raises(VendorRejected):
            await call.chat.send(CallStarted())
        assert spoken(await call.say("hello"))[-1] == "Final bot response"
        assert [body.get("session") for body in call.bodies] == [None, None, "b"]


# --- errors and retries --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_tk30_server_errors_are_tried_again(status: int):
    async with talkr_call(LabReply(status=status), response()) as call:
        assert spoken(await call.start())
    assert call.waits == [2.0]


async def test_tk30_a_body_code_of_500_is_tried_again():
    async with talkr_call(json_reply({"code": 500}), response()) as call:
        assert spoken(await call.start())
    assert call.waits == [2.0]


async def test_tk30_delays_are_the_operators():
    async with talkr_call(*[LabReply(status=500)] * 2, retry_delays=[1]) as call:
        with pytest.raises(VendorUnavailable):
            await call.chat.send(CallStarted())
    assert call.waits == [1.0]


@pytest.mark.parametrize(
    ("header", "waits"), [("3", [3.0]), ("0", [0.0]), ("6", [2.0]), ("soon", [2.0]), (None, [2.0])]
)
async def test_429_is_waited_for_as_long_as_asked_if_that_is_short(header: str | None, waits: list[float]):
    busy = LabReply(status=429, headers={} if header is None else {"retry-after": header})
    async with talkr_call(busy, response()) as call:
        assert spoken(await call.start())
    assert call.waits == waits


@pytest.mark.parametrize("fault", ["garbage", "deep"])
async def test_what_is_no_json_object_is_a_server_error(fault: str):
    answer = instead(Fault(fault))
    assert answer is not None
    async with talkr_call(answer, response()) as call:
        assert spoken(await call.start())
    assert call.waits == [2.0]
    async with talkr_call(answer, answer, answer) as call:
        with pytest.raises(VendorReplyInvalid) as caught:
            await call.chat.send(CallStarted())
    assert failure_kind(caught.value) == "protocol"


async def test_an_answer_over_a_megabyte_is_refused_and_not_asked_for_again():
    answer = instead(Fault("oversized"))
    assert answer is not None
    async with talkr_call(answer, response()) as call:
        with pytest.raises(VendorReplyInvalid):
            await call.chat.send(CallStarted())
        assert len(call.bodies) == 1


async def test_an_answer_that_breaks_off_is_not_asked_for_again():
    cut = LabReply(body=json.dumps(response()).encode(), cut=20)
    async with talkr_call(cut, response()) as call:
        with pytest.raises(VendorUnavailable):
            await call.chat.send(CallStarted())
        assert len(call.bodies) == 1


async def test_a_dripping_server_holds_no_longer_than_the_total_timeout():
    drip = LabReply(body=json.dumps(response()).encode(), drip=0.05)
    async with talkr_call(drip, response(), timeout=0.5) as call:
        with pytest.raises(VendorUnavailable):
            await call.chat.send(CallStarted())
        assert len(call.bodies) == 1


async def test_a_server_that_does_not_answer_in_time_is_asked_again():
    async with talkr_call(LabReply(delay=60), response(), timeout=0.75) as call:
        assert spoken(await call.start())
    assert call.waits == [2.0]


async def test_a_connection_closed_without_a_word_is_tried_again():
    async with talkr_call(LabReply(drop=True), response()) as call:
        assert spoken(await call.start())
    assert call.waits == [2.0]


async def test_a_server_that_is_not_there():
    async with talkr_call(response()) as call:
        await call.server.stop()
        with pytest.raises(VendorUnavailable) as caught:
            await call.chat.send(CallStarted())
    assert failure_kind(caught.value) == "unavailable"
    assert call.waits == [2.0, 4.0]


async def test_redirects_are_not_followed():
    away = LabReply(status=302, headers={"location": "https://elsewhere.example/"})
    async with talkr_call(away, bearer_token="secret") as call:
        with pytest.raises(VendorRejected) as caught:
            await call.chat.send(CallStarted())
        assert len(call.bodies) == 1
    assert "secret" not in str(caught.value)


# --- what is sent --------------------------------------------------------------------------------------------------
async def test_long_words_are_cut():
    async with talkr_call(response(), response()) as call:
        await call.start()
        await call.say("é" * 5000)
        assert call.bodies[1]["message"] == call.bodies[1]["variables"]["userresponse"] == "é" * 4000


async def test_headers_for_a_proxy():
    async with talkr_call(response(), headers={"X-Tenant": "acme"}, bearer_token="t0ken") as call:
        await call.start()
        (request,) = call.server.requests
    assert (request.headers["x-tenant"], request.headers["authorization"]) == ("acme", "Bearer t0ken")


@pytest.mark.parametrize(
    ("event", "sent"),
    [
        (UserText(turn=1, text="hi", confidence=0.5), {"input_mode": "speech", "stt_confidence": 0.5}),
        (UserText(turn=1, text="12", source="digits"), {"input_mode": "dtmf"}),
        (UserText(turn=1, text="hi", source="message"), {"input_mode": "message"}),
        (UserDigits(turn=1, digits="12"), {"input_mode": "dtmf"}),
        (UserChoice(turn=1, menu_id="m", option_id="1", label="Sales", source="digits"), {"input_mode": "dtmf"}),
        (UserChoice(turn=1, menu_id="m", option_id="1", label="Sales", source="label"), {"input_mode": "speech"}),
    ],
)
async def test_call_variables_where_wanted(event: UserText | UserDigits | UserChoice, sent: dict[str, object]):
    async with talkr_call(response(), response(), send_call_variables=True) as call:
        await call.start()
        await call.send(event)
        variables = call.bodies[1]["variables"]
    who = {"caller_number": "+33612345678", "called_number": "+33123456789", "call_id": "call-1"}
    assert variables == {"userresponse": variables["userresponse"], **who, **sent}


async def test_a_choice_is_sent_as_its_label_and_keys_as_text():
    async with talkr_call(response(), response(), response()) as call:
        await call.start()
        await call.send(UserChoice(turn=1, menu_id="m", option_id="2", label="Support"))
        await call.send(UserDigits(turn=2, digits="1234", terminator="#"))
        assert [body.get("message") for body in call.bodies] == [None, "Support", "1234"]


async def test_a_bot_without_placeholders_in_its_url_is_called_as_it_is():
    async with talkr_call(response()) as call, HttpClient() as http:
        url = call.server.url + "/endpoint?key=%7B1%7D"
        backend = TalkrBackend("plain", TalkrBotSection(url=url), http)
        async with backend.open_chat(CALL, lambda key: None) as chat:
            await chat.send(CallStarted())
        (request,) = call.server.requests
    assert (request.path, request.query) == ("/endpoint", {"key": "{1}"})


async def test_what_talkr_has_no_word_for_is_not_sent():
    async with talkr_call(response()) as call:
        await call.start()
        for event in (
            PlaybackDone(turn=0, complete=True, played=1.0, heard_text="Final bot response"),
            NoInput(turn=0, count=1, elapsed=7.0, exhausted=False),
            TransferResult(turn=0, transfer_id="x", ok=False),
            UserMedia(turn=1, url="https://x.example/", mime="image/png"),
            Timer(turn=1, name="x"),
            CallEnded(turn=1, by="caller"),
        ):
            await call.chat.send(event)
        assert len(call.bodies) == 1


# --- silence -------------------------------------------------------------------------------------------------------
async def test_the_bot_is_told_of_silence_once_per_block():
    other = response(responses=[{"tracking": "other", "content": "?"}])
    told = {"send_no_input": True, "no_input_text": "(silence)"}
    async with talkr_call(response(), response(), other, **told) as call:
        assert listening(await call.start()).on_exhausted == "event"
        again = await call.send(NoInput(turn=1, count=3, elapsed=21.0, exhausted=True))
        assert call.bodies[1]["message"] == call.bodies[1]["variables"]["userresponse"] == "(silence)"
        assert listening(again).on_exhausted == "idle"
        assert again.turn == 1
        nothing = await call.send(NoInput(turn=2, count=3, elapsed=21.0, exhausted=True))
        assert nothing.actions == (Listen(no_input_retries=0, on_exhausted="idle"),)
        assert len(call.bodies) == 2
        assert listening(await call.say("hello")).on_exhausted == "event"


async def test_hanging_up_on_silence_goes_before_telling():
    async with talkr_call(response(hangup_no_response=1), send_no_input=True) as call:
        assert listening(await call.start()).on_exhausted == "hangup"


async def test_a_bot_that_is_not_told_of_silence_is_not_asked():
    async with talkr_call(response()) as call:
        await call.start()
        await call.send(NoInput(turn=1, count=3, elapsed=21.0, exhausted=True))
        assert len(call.bodies) == 1


async def test_the_tracking_of_the_retry_block_last_heard():
    blocks = [{"content": f"{word}?", "tracking": word} for word in ("one", "two")]
    for policy, sent in (("spoken", "two"), ("first", "one")):
        async with talkr_call(response(responses=blocks), response(), retry_tracking=policy) as call:
            await call.start()
            for heard in ("Final bot response", "one?", "tw"):
                await call.chat.send(PlaybackDone(turn=0, complete=True, played=1.0, heard_text=heard))
            await call.say("hello")
            assert call.bodies[1]["tracking"] == sent


async def test_a_bot_that_says_nothing_three_times_loses_the_caller():
    async with talkr_call(response(), *[SAYS_NOTHING] * 3) as call:
        await call.start()
        first, second, third = [await call.say("hello") for _ in range(3)]
    assert (of(Fail, first), of(Release, first)) == ([], [])
    assert (len(of(Fail, second)), of(Release, second)) == (1, [])
    assert (of(Fail, third), of(Release, third)) == ([], [Release(policy="failed")])
    assert listening(first)
    assert listening(second)


async def test_silent_turns_in_a_row_only():
    async with talkr_call(response(), SAYS_NOTHING, response(), SAYS_NOTHING) as call:
        await call.start()
        last = [await call.say("hello") for _ in range(3)][-1]
    assert not of(Fail, last)


# --- whole calls ---------------------------------------------------------------------------------------------------
async def test_tk32_five_turns_with_the_lab():
    async with LabTalkr(slow=0.0) as lab, HttpClient() as http:
        backend = TalkrBackend("lab", TalkrBotSection(url=lab.url, company="acme", bot_id="42"), http)
        async with backend.open_chat(CALL, lambda key: None) as chat:
            batches = chat.actions()
            heard = []
            for turn, words in enumerate(
                ["", "hours", "information about your last call", "password", "1234", "goodbye"]
            ):
                await chat.send(UserText(turn=turn, text=words) if words else CallStarted())
                batch = await anext(batches)
                assert batch.turn == turn
                heard.append(spoken(batch))
        sessions = {request.json().get("session") for request in lab.requests[1:]}
    assert [len(texts) for texts in heard] == [1, 1, 2, 1, 1, 1]
    assert heard[4] == ["Thank you. Your code is 1 2 3 4. What else can I do for you?"]
    assert len(sessions) == 1
    assert (listening(batch).no_input_retries, listening(batch).on_exhausted) == (0, "hangup")


async def test_a_cancelled_turn_leaves_the_chat_usable():
    async with talkr_call(response(), LabReply(delay=60), response()) as call:
        await call.start()
        sending = asyncio.ensure_future(call.chat.send(HELLO))
        async with asyncio.timeout(5):
            await call.server.received(2)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        batch = await call.say("again", barged_in=True)
    assert spoken(batch)[-1] == "Final bot response"
    assert of(Record, batch) == []


async def test_actions_end_with_the_chat():
    async with talkr_call(response()) as call:
        await call.start()
    assert [batch async for batch in call.batches] == []


async def test_what_check_says():
    async with HttpClient() as http:
        careless = TalkrBotSection(url="http://bot.example/", channel="web", bearer_token=SecretStr("x"))
        problems = await TalkrBackend("x", careless, http).check()
        fine = await TalkrBackend("x", TalkrBotSection(url="https://bot.example/"), http).check()
    assert [problem.field for problem in problems] == ["url", "channel"]
    assert fine == []


async def test_talkr_speaks_first():
    assert TalkrBackend.capabilities.greets_first


async def test_a_secret_sent_in_the_clear_is_warned_of():
    async with HttpClient() as http:
        for fields, found in (
            ({"url": "https://bot.example/", "bearer_token": SecretStr("x")}, []),
            ({"url": "http://bot.example/"}, []),
            ({"url": "http://bot.example/", "bearer_token": SecretStr("x")}, ["url"]),
        ):
            problems = await TalkrBackend("x", TalkrBotSection(**fields), http).check()
            assert [problem.field for problem in problems] == found
            assert {problem.severity for problem in problems} <= {"warning"}


async def test_what_operators_are_told_of_errors_and_of_a_bot_that_is_not_there():
    broken = {**response(), "variables": {"error": "personal words"}}
    with structlog.testing.capture_logs() as logs:
        async with talkr_call(response(), broken, LabReply(status=405)) as call:
            await call.start()
            await call.say("hello")
            await failed(call)
        async with talkr_call(LabReply(status=404)) as call:
            with pytest.raises(VendorRejected):
                await call.chat.send(CallStarted())
    assert [(entry["event"], entry["log_level"]) for entry in logs if entry.get("bot") == "reception"] == [
        ("bot reported an error", "warning"),
        ("bot not found: check company and bot_id", "error"),
    ]
    assert "personal words" not in str(logs)
