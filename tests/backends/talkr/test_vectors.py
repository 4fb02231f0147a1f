"""The golden vectors of the TALKR contract, each between the real adapter and a server on a socket.

What only a whole call can show (timers, the number of re-prompts, hanging up) is tested where whole calls are; here is
what the adapter sends, and what it asks the conversation for.
"""

from __future__ import annotations

import pytest

from gateway.actions import Fail, Pause, Play, Record, Say, SetSpeech, SynthesizerChoice, TextFormat
from gateway.caller_events import CallStarted, UserText
from gateway.errors import VendorError, VendorRejected, VendorUnavailable
from gateway.kit.http import failure_kind
from gateway.lab.server import LabReply
from tests.fakes.chatting import of, spoken
from tests.fakes.talkr import VECTORS, listening, response, talkr_call, telephony

pytestmark = pytest.mark.asyncio


async def test_g1_tk01_tk02_tk04_tk06_tk07_tk08_init_request():
    async with talkr_call(response()) as call:
        await call.start()
        (request,) = call.server.requests
    assert (request.method, request.path) == ("POST", "/bot/acme/42/telephony")
    assert request.body == b"{}"
    assert request.json() == VECTORS["init_request"]
    assert request.headers["content-type"] == "application/json"
    assert "authorization" not in request.headers


async def test_g2_tk11_tk12_second_call_has_exactly_the_documents_body():
    first = response(responses=[{"tracking": "TRACKING_FROM_PREVIOUS_STEP"}])
    async with talkr_call({**first, "session": "YOUR_SESSION_ID"}, response()) as call:
        await call.start()
        await call.say("how does talkr work?")
        assert call.bodies[1] == VECTORS["turn_request"]


async def test_g3_tk16_tk18_tk19_tk26_waiting_message_gap_answer_and_language():
    async with talkr_call(response()) as call:
        batch = await call.start()
    speech = [action for action in batch.actions if isinstance(action, (Say, Pause))]
    assert speech == [
        Say(text="Please wait...", format="markdown", role="waiting", interruptible=False),
        Pause(seconds=0.4, interruptible=False),
        Say(text="Final bot response", format="markdown"),
    ]
    assert of(SetSpeech, batch) == [SetSpeech(language="fr-FR")]
    assert (batch.turn, batch.turn_done) == (0, True)


async def test_g3_tk09_tk10_next_post_has_session_and_tracking():
    async with talkr_call(response(), response()) as call:
        await call.start()
        await call.say("bonjour")
        assert (call.bodies[1]["session"], call.bodies[1]["tracking"]) == ("abc123...", "175173...")


async def test_g3_tk21_silence_is_met_with_the_retry_block_as_often_as_the_number_says():
    async with talkr_call(response()) as call:
        listen = listening(await call.start())
    assert listen.no_input_prompts == ("Sorry, what did you say?",)
    assert (listen.no_input_retries, listen.on_exhausted) == (None, "idle")


async def test_g3_tk17_several_messages_are_spoken_in_order():
    messages = [{"type": "text", "content": text} for text in ("One.", "Two.", " ", "Three.")]
    async with talkr_call(response(messages=messages, has_background_text=0)) as call:
        assert spoken(await call.start()) == ["One.", "Two.", "Three.", "Final bot response"]


@pytest.mark.parametrize(
    ("retries", "hangup", "then"),
    [
        pytest.param(1, 1, "hangup", id="g4_tk22_tk23"),
        pytest.param(0, 1, "hangup", id="g5_tk22_tk23"),
        pytest.param(3, 0, "idle", id="g6_tk21_tk22"),
    ],
)
async def test_rules_for_silence(retries: int, hangup: int, then: str):
    async with talkr_call(response(retries=retries, hangup_no_response=hangup)) as call:
        listen = listening(await call.start())
    assert (listen.no_input_retries, listen.on_exhausted) == (retries, then)
    assert listen.no_input_prompts == ("Sorry, what did you say?",)


async def test_g7_tk20_without_responses_the_tracking_is_object_id():
    async with talkr_call(response(responses=[], object_id="9001"), response()) as call:
        listen = listening(await call.start())
        await call.say("hello")
        assert call.bodies[1]["tracking"] == "9001"
    assert listen.no_input_prompts == ("",)  # blank: the last answer is repeated


async def test_g8_without_any_tracking_the_previous_one_and_at_first_an_empty_one():
    bare = response(responses=[], object_id=None)
    async with talkr_call(bare, response(), bare, response()) as call:
        await call.start()
        for text in ("one", "two", "three"):
            await call.say(text)
        assert [body["tracking"] for body in call.bodies[1:]] == ["", "175173...", "175173..."]


async def test_g9_tk14_a_welcome_in_both_places_is_spoken_once():
    same = {"type": "text", "content": "Final bot response"}
    async with talkr_call(response(messages=[same], has_background_text=0)) as call:
        assert spoken(await call.start()) == ["Final bot response"]


@pytest.mark.parametrize("name", ["messages_only_tk14", "answer_only_tk15"])
async def test_g9_variant_a_welcome_in_one_place(name: str):
    only_message = {**response(has_background_text=0), "variables": {}}
    only_answer = response(messages=[], has_background_text=0)
    async with talkr_call(only_message if name == "messages_only_tk14" else only_answer) as call:
        said = spoken(await call.start())
    assert said == ["Please wait..."] if name == "messages_only_tk14" else ["Final bot response"]


async def test_g10_a_silent_turn_listens():
    silent = {**response(messages=[]), "variables": {"bot_answer": ""}}
    async with talkr_call(silent) as call:
        batch = await call.start()
    assert not of(Say, batch)
    assert not of(Play, batch)
    assert not of(Fail, batch)
    assert listening(batch)


async def test_g11_tk28_an_error_with_nothing_to_say_is_a_failed_turn():
    broken = {**response(messages=[]), "variables": {"error": "missing variable in the tree"}}
    async with talkr_call(response(), broken) as call:
        await call.start()
        batch = await call.say("hello")
    assert [fail.kind for fail in of(Fail, batch)] == ["protocol"]
    assert Record(kind="event", data={"bot_error": "missing variable in the tree"}) in batch.actions


async def test_g11_tk28_an_error_beside_an_answer_is_kept_and_the_answer_spoken():
    half = {**response(messages=[]), "variables": {"error": "oops", "bot_answer": "Still here."}}
    async with talkr_call(half) as call:
        batch = await call.start()
    assert spoken(batch) == ["Still here."]
    assert not of(Fail, batch)
    assert Record(kind="event", data={"bot_error": "oops"}) in batch.actions


@pytest.mark.parametrize("status", [400, 404])
async def test_g12_tk29_tk31_an_expired_session_is_renewed_without_a_second_welcome(status: int):
    welcome = {**response(messages=[{"content": "Welcome"}]), "session": "new", "variables": {}}
    answer = {**response(messages=[{"content": "Answer"}]), "session": "new", "variables": {}}
    async with talkr_call(response(), LabReply(status=status), welcome, answer) as call:
        await call.start()
        batch = await call.say("my words")
        bodies = call.bodies
    assert spoken(batch) == ["Answer"]
    assert bodies[1]["session"] == "abc123..."
    assert bodies[2] == {}
    assert (bodies[3]["session"], bodies[3]["message"]) == ("new", "my words")
    assert call.waits == []


async def test_g13_tk29_404_on_init_is_one_request_and_a_configuration_error():
    async with talkr_call(LabReply(status=404)) as call:
        with pytest.raises(VendorRejected) as caught:
            await call.chat.send(CallStarted())
        assert len(call.bodies) == 1
    assert failure_kind(caught.value) == "config"


async def test_g14_tk29_tk30_two_server_errors_are_waited_out():
    async with talkr_call(response(), LabReply(status=500), LabReply(status=500), response()) as call:
        await call.start()
        assert spoken(await call.say("hello"))[-1] == "Final bot response"
        assert call.bodies[1] == call.bodies[2] == call.bodies[3]
    assert call.waits == [2.0, 4.0]


async def test_g15_tk29_three_server_errors_are_a_failed_turn():
    async with talkr_call(response(), *[LabReply(status=500)] * 3) as call:
        await call.start()
        with pytest.raises(VendorUnavailable) as caught:
            await call.chat.send(UserText(turn=1, text="hello"))
        assert len(call.bodies) == 4
    assert failure_kind(caught.value) == "unavailable"
    assert call.waits == [2.0, 4.0]


async def test_g16_tk24_a_voice_of_an_unknown_vendor_is_passed_on_as_a_wish():
    async with talkr_call(response(speech_synthesis={"vendor": "acme-tts", "voice": "x"})) as call:
        (speech,) = of(SetSpeech, await call.start())
    assert speech.synthesizer == SynthesizerChoice(vendor="acme-tts", voice="x")
    assert speech.language == "fr-FR"


async def test_g17_tk24_vendor_voice_and_options_of_elevenlabs():
    async with talkr_call(telephony()) as call:
        (speech,) = of(SetSpeech, await call.start())
    assert speech.synthesizer == SynthesizerChoice(vendor="elevenlabs", voice="VOICE_ID", options={"stability": 0.5})


async def test_tk25_vendor_language_and_timeout_of_the_recognizer():
    async with talkr_call(telephony()) as call:
        batch = await call.start()
    (speech,) = of(SetSpeech, batch)
    assert speech.recognizer is not None
    assert (speech.recognizer.vendor, speech.recognizer.language) == ("google", "fr-FR")
    assert speech.recognizer.start_timeout == 7.0
    asked = {"start_timeout": {"key": "timeout", "asked": 7, "used": 7.0}}
    assert Record(kind="event", data={"speech_setting": asked}) in batch.actions


async def test_g18_keys_are_sent_as_text():
    async with talkr_call(response(), response()) as call:
        await call.start()
        await call.say("1234", source="digits")
        assert call.bodies[1]["message"] == call.bodies[1]["variables"]["userresponse"] == "1234"


@pytest.mark.parametrize(
    ("content", "markup"),
    [
        pytest.param('<speak>Hi<break time="500ms"/>you</speak>', "ssml", id="g19-ssml"),
        pytest.param("<b>Hi</b> &amp; bye", "html", id="g19-html"),
    ],
)
async def test_markup_is_handed_on_whole_with_its_format(content: str, markup: TextFormat):
    async with talkr_call(
        response(messages=[], has_background_text=0) | {"variables": {"bot_answer": content}}
    ) as call:
        assert of(Say, await call.start()) == [Say(text=content, format=markup)]


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        pytest.param({"channel": "web"}, "1", id="g20_tk03_tk05_tk34_web"),
        pytest.param({"channel": "telephony"}, None, id="g20_tk34_telephony"),
        pytest.param({"send_query_header": "always"}, "1", id="g20_always"),
        pytest.param({"channel": "web", "send_query_header": "never"}, None, id="g20_never"),
    ],
)
async def test_query_header(settings: dict[str, str], sent: str | None):
    async with talkr_call(response(), response(), **settings) as call:
        assert spoken(await call.start()) == ["Please wait...", "Final bot response"]
        await call.say("hello")
        assert [request.headers.get("x-talkr-query") for request in call.server.requests] == [sent, sent]
        assert call.server.requests[0].path.endswith("/" + settings.get("channel", "telephony"))
        assert call.bodies[1].keys() == VECTORS["turn_request"].keys()


async def test_g21_flags_as_strings_mean_the_same():
    as_strings = response(has_background_text="1", hangup_no_response="1", retries="1")
    async with talkr_call(as_strings, response(hangup_no_response=1, retries=1)) as call:
        strings, numbers = await call.start(), await call.send(CallStarted())
    assert [a for a in strings.actions if not isinstance(a, Record)] == [
        a for a in numbers.actions if not isinstance(a, Record)
    ]
    assert of(Pause, strings)


async def test_g22_tk31_a_new_session_in_an_answer_is_adopted():
    async with talkr_call(response(), {**response(), "session": "other"}, response()) as call:
        await call.start()
        assert spoken(await call.say("one"))[-1] == "Final bot response"
        await call.say("two")
        assert [body.get("session") for body in call.bodies] == [None, "abc123...", "other"]


async def test_tk13_current_url_is_optional():
    async with talkr_call(response(), response(), current_url_template="tel:{from}") as call:
        await call.start()
        await call.say("hello")
        assert call.bodies[1]["currentUrl"] == "tel:+33612345678"
    async with talkr_call(response(), response()) as call:
        await call.start()
        await call.say("hello")
        assert "currentUrl" not in call.bodies[1]


async def test_tk27_name_code_variables_and_unknown_keys_are_kept_once():
    answer = {**response(), "build": 7}
    async with talkr_call(answer, answer) as call:
        first, second = await call.start(), await call.say("hello")
    (record,) = of(Record, first)
    assert record.kind == "variables"
    assert (record.data["name"], record.data["code"]) == ("Bot name", 200)
    assert record.data["variables"]["horaire"] == "horairein"
    assert record.data["other"] == {"build": 7, "data": {"background_content": "ok"}}
    assert not of(Record, second)


async def test_tk29_statuses_are_told_apart():
    for status, kind in ((400, "protocol"), (404, "config"), (401, "auth"), (403, "auth"), (418, "config")):
        async with talkr_call(LabReply(status=status)) as call:
            with pytest.raises(VendorError) as caught:
                await call.chat.send(CallStarted())
            assert failure_kind(caught.value) == kind
            assert len(call.bodies) == 1


async def test_tk33_only_the_conversations_endpoint_is_ever_called():
    """The vendor's admin API is another one, with credentials; nothing here knows of it."""
    async with talkr_call(response(), LabReply(status=404), response(), response(), LabReply(status=404)) as call:
        await call.start()
        await call.say("hello")
        assert {(request.method, request.path) for request in call.server.requests} == {
            ("POST", "/bot/acme/42/telephony")
        }
        assert len(call.server.requests) == 4
