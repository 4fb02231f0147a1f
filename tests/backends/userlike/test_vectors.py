"""The golden vectors of Userlike's contract, each between the real adapter and a server on a socket.

What only a whole call can show (what is heard, timers, transfers, the API URL's port) is in tests/calls/userlike.
"""

from __future__ import annotations

import json

import pytest

from gateway.actions import Hangup, Listen, Menu, Pause, PostCall, Record, Say, Transfer
from gateway.caller_events import CallStarted, TransferResult, UserText
from gateway.errors import VendorRejected, VendorUnavailable
from gateway.kit.http import failure_kind
from gateway.lab.server import LabReply, json_reply
from tests.fakes.chatting import of, spoken
from tests.fakes.userlike import CID, EMPTY, HEADERS, VECTORS, choice, event, says, userlike_call, warnings

pytestmark = pytest.mark.asyncio


async def test_u1_ul06_ul10_ul13_ul14_start_request():
    async with userlike_call(EMPTY) as call:
        await call.start()
        (request,) = call.bot.requests
    body, vector = request.json(), VECTORS["start_event"]
    assert (request.method, request.path) == ("POST", "/webhook")
    assert request.headers["content-type"] == "application/json"
    assert {name: request.headers[name.lower()] for name in HEADERS} == HEADERS
    assert body["packet"] == vector["packet"]
    assert list(body["info"]) == list(vector["info"])
    assert (body["info"]["cid"], body["info"]["context"]) == (vector["info"]["cid"], {})
    assert body["info"]["approach_mode"] == "normal"
    assert call.claimed == [CID]


async def test_ul13_info_describes_caller_conversation_and_widget():
    async with userlike_call(EMPTY, widget="Front desk") as call:
        await call.start()
        (body,) = call.bot.bodies
    contact, conversation = body["info"]["contact"], body["info"]["conversation"]
    assert contact.pop("id")
    assert contact == {
        "name": None,
        "email": None,
        "mobile_number": "+33612345678",
        "external_customer_id": None,
        "custom_fields": {},
        "locale": "en-GB",
    }
    assert conversation["custom_fields"] == {
        "call_id": "call-1",
        "called_number": "+441632960000",
        "caller_number": "+33612345678",
        "direction": "inbound",
    }
    assert (conversation["topics"], conversation["subject"]) == ([], None)
    assert body["info"]["widget"] == {"id": "+441632960000", "name": "Front desk", "language": "en-GB"}


@pytest.mark.parametrize("answer", [VECTORS["message_out"], [VECTORS["message_out"]]], ids=["object", "list"])
async def test_u2_ul23_ul24_a_message_alone_or_in_a_list(answer: object):
    async with userlike_call(answer) as call:
        batch = await call.start()
    assert of(Say, batch) == [Say(text="Welcome!", format="markdown")]
    assert (batch.turn, batch.turn_done) == (0, True)
    assert of(Listen, batch) == [Listen(on_exhausted="event")]


async def test_u3_ul38_ul50_the_published_server_forwards_at_once():
    async with userlike_call(VECTORS["server_sample_start_verbatim"], group="front", groups={"front": "100"}) as call:
        batch = await call.start()
    (transfer,) = of(Transfer, batch)
    assert (transfer.target, transfer.feedback) == ("100", True)
    assert not of(Say, batch)
    assert call.chat.session.context == {}
    assert call.chat.is_over


async def test_u4_ul16_ul33_ul44_the_repaired_server_asks_saves_and_forwards():
    answers = [VECTORS[f"server_sample_{name}"] for name in ("start_repaired", "name_answer", "email_answer")]
    async with userlike_call(*answers, group="front", groups={"front": "100"}) as call:
        assert spoken(await call.start()) == ["Welcome! I am a Bot. What is your name?"]
        named = await call.say("Ann")
        mailed = await call.say("ann@example.com")
        bodies = call.bot.bodies
    assert [body["info"]["context"] for body in bodies] == [{}, {"state": "name"}, {"state": "email"}]
    assert bodies[1]["packet"] == {"name": "message", "payload": {"body": "Ann"}}
    assert spoken(named) == ["Hello Ann! Could you tell me your email as well?"]
    assert of(Record, named)[0].data["name"] == "Ann"
    assert bodies[2]["info"]["contact"]["name"] == "Ann"
    assert of(Record, mailed)[0].data["email"] == "ann@example.com"
    kinds = [type(action) for action in mailed.actions]
    assert kinds.index(Say) < kinds.index(Transfer)
    assert call.chat.session.context == {"state": "email"}


async def test_u5_ul10_a_start_that_is_refused_is_a_failure_of_the_configuration():
    async with userlike_call(json_reply(VECTORS["server_sample_errors"]["401"], 401)) as call:
        with pytest.raises(VendorRejected) as caught:
            await call.chat.send(CallStarted())
    assert failure_kind(caught.value) == "auth"


async def test_u5_ul10_401_in_mid_call_is_a_failed_turn():
    async with userlike_call(EMPTY, json_reply(VECTORS["server_sample_errors"]["401"], 401)) as call:
        await call.start()
        with pytest.raises(VendorRejected):
            await call.chat.send(UserText(turn=1, text="hello"))
        assert len(call.bot.bodies) == 2


async def test_u6_400_on_a_click_goes_on():
    refusal = json_reply(VECTORS["server_sample_errors"]["400"], 400)
    async with userlike_call(choice("a", "b"), refusal, says("Still here.")) as call:
        (menu,) = of(Menu, await call.start())
        batch = await call.choose(menu, "id-a")
        assert warnings(batch) == ["the webhook answered click with 400"]
        assert of(Listen, batch)
        assert spoken(await call.say("hello")) == ["Still here."]


async def test_u6_400_on_start_is_a_failure():
    async with userlike_call(json_reply(VECTORS["server_sample_errors"]["400"], 400)) as call:
        with pytest.raises(VendorRejected):
            await call.chat.send(CallStarted())


async def test_u7_ul17_ul27_ul33_ul46_ul49_a_choice_comes_back_as_a_click():
    async with userlike_call(VECTORS["campaign_button_template"], VECTORS["campaign_accept_answer"]) as call:
        (menu,) = of(Menu, await call.start())
        assert menu.prompt == VECTORS["campaign_button_template"]["packet"]["payload"]["fallback"]
        assert [(option.id, option.label) for option in menu.options] == [("start", "start")]
        batch = await call.choose(menu, "start")
        packet = call.bot.packets[1]
    assert packet["name"] == "click"
    assert packet["payload"]["value"] == {"id": "start", "label": "start"}
    assert of(Record, batch)[0].data["campaigns"] is True
    assert spoken(batch) == ["You've been subscribed to the campaign!"]


async def test_u7_ul46_ul49_what_is_no_option_is_a_message():
    group = {"group": "front", "groups": {"front": "100"}}
    async with userlike_call(VECTORS["campaign_button_template"], VECTORS["campaign_unknown_answer"], **group) as call:
        await call.start()
        batch = await call.say("no idea")
        assert call.bot.packets[1] == {"name": "message", "payload": {"body": "no idea"}}
    assert spoken(batch) == ["I don't understand this, I will redirect you to support."]
    assert [transfer.target for transfer in of(Transfer, batch)] == ["100"]


async def test_u8_ul08_ul25_ul51_an_answer_at_once_and_a_result_later():
    welcome = [says("Welcome!"), choice("Delivery status of an order", "Opening hours")]
    async with userlike_call(welcome, says("Your order number?"), says("One moment.")) as call:
        (menu,) = of(Menu, await call.start())
        assert spoken(await call.choose(menu, "id-Delivery status of an order")) == ["Your order number?"]
        assert spoken(await call.say("1234")) == ["One moment."]
        assert (await call.api(says("It will arrive tomorrow."))).status == 200
        batch = await anext(call.batches)
        names = [packet["name"] for packet in call.bot.packets]
    assert names == ["start", "click", "message"]
    assert (spoken(batch), batch.turn) == (["It will arrive tomorrow."], None)


async def test_u9_ul07_ul09_ul11_the_api_url():
    clock = [0.0]
    async with userlike_call(EMPTY, now=lambda: clock[0]) as call:
        await call.start()
        unauthorized = [await call.api(says("a"), token=token) for token in (None, "", "wrong", "t0ken-of-the-ap")]
        assert [reply.status for reply in unauthorized] == [401] * 4
        assert json.loads(unauthorized[0].body) == {"error": "Unauthorized"}
        foreign = await call.api(says("a", cid="chatbot::1:ffffffffffffffffffffffffffffffff"))
        assert (foreign.status, foreign.unknown_call) == (404, "chatbot::1:ffffffffffffffffffffffffffffffff")
        assert [(await call.api(says("a"))).status for _ in range(20)] == [200] * 20
        clock[0] = 59.5
        late = await call.api(says("a"))
        assert (late.status, json.loads(late.body)) == (429, {"error": "rate limit exceeded"})
        assert late.headers["Retry-After"] == "1"
        clock[0] = 60.0
        assert (await call.api(says("a"))).status == 200


async def test_u10_ul44_the_context_is_replaced_kept_or_refused_by_its_size():
    room = 10_240 - len('{"k":""}')
    async with userlike_call(
        event("message", {"body": "a"}, context={"k": "x" * room}),
        event("message", {"body": "b"}, context={"k": "x" * (room + 1)}),
        event("message", {"body": "c"}, context={}),
        event("message", {"body": "d"}, context={"other": {"z": 1, "a": 2}}),
        EMPTY,
    ) as call:
        await call.start()
        too_big = await call.say("1")
        for text in ("2", "3", "4"):
            await call.say(text)
        contexts = [body["info"]["context"] for body in call.bot.bodies]
        refused = await call.api(event("message", {"body": "a"}, context={"k": "x" * (room + 1)}))
        taken = await call.api(event("message", {"body": "a"}, context={"k": "x" * room}))
    assert spoken(too_big) == ["b"]
    assert warnings(too_big) == ["the context is larger than 10 KB, and was ignored"]
    assert contexts[1] == contexts[2] == contexts[3] == {"k": "x" * room}
    assert list(contexts[4].items()) == [("other", {"z": 1, "a": 2})]
    assert list(contexts[4]["other"]) == ["z", "a"]
    assert (refused.status, taken.status) == (400, 200)


async def test_u10_the_context_is_measured_in_bytes():
    async with userlike_call(EMPTY) as call:
        await call.start()
        umlauts = (10_240 - len('{"k":""}')) // 2
        assert (await call.api(event("message", {"body": "a"}, context={"k": "ü" * umlauts}))).status == 200
        assert (await call.api(event("message", {"body": "a"}, context={"k": "ü" * umlauts + "xx"}))).status == 400


async def test_u11_ul20_ul36_a_forward_that_fails_with_feedback_comes_back_to_the_bot():
    forward = event("forward_group", {"group": "support", "on_failure": "feedback"}, context={"state": "asked"})
    async with userlike_call(forward, says("They are busy."), says("Yes?"), groups={"support": "200"}) as call:
        (transfer,) = of(Transfer, await call.start())
        assert (transfer.target, transfer.feedback) == ("200", True)
        assert transfer.mode == "auto"  # the number's `transfer.kind` decides; a blind one tells how it ended, too
        back = await call.send(TransferResult(turn=1, transfer_id=transfer.transfer_id, ok=False, cause="busy"))
        assert call.bot.packets[1] == {"name": "forward_failed", "payload": {}}
        assert call.bot.bodies[1]["info"]["cid"] == CID
        assert call.bot.bodies[1]["info"]["context"] == {"state": "asked"}
        assert spoken(back) == ["They are busy."]
        call.turn = 1
        assert spoken(await call.say("hello")) == ["Yes?"]


async def test_u12_ul20_without_feedback_the_bot_is_left_alone():
    forward = event("forward_group", {"group": "support"})
    unassigned = {"then": "announce", "say": "Please call again."}
    async with userlike_call(forward, groups={"support": "200"}, unassigned=unassigned) as call:
        (transfer,) = of(Transfer, await call.start())
        back = await call.send(TransferResult(turn=1, transfer_id=transfer.transfer_id, ok=False, cause="busy"))
        assert spoken(back) == ["Please call again."]
        assert of(Hangup, back)
        assert len(call.bot.bodies) == 1
        assert (await call.api(says("a"))).status == 404


async def test_u13_ul39_a_delay_holds_back_what_follows_in_its_list_only():
    both = [says("A."), event("delay", {"seconds": 2}), says("B.")]
    async with userlike_call(both, [says("C."), event("delay", {"seconds": 2})], says("D.")) as call:
        first = await call.start()
        second, third = await call.say("1"), await call.say("2")
    speech = [action for action in first.actions if isinstance(action, Say | Pause)]
    assert speech == [Say(text="A.", format="markdown"), Pause(seconds=2.0), Say(text="B.", format="markdown")]
    assert (of(Pause, second), of(Pause, third)) == ([], [])


@pytest.mark.parametrize(
    ("payload", "pause"),
    [
        ({"milliseconds": 1500}, Pause(seconds=1.5)),
        ({"duration": "3"}, Pause(seconds=3.0, filler="soft")),
        ({"delay": 3, "typing": False}, Pause(seconds=3.0)),
        ({"seconds": 3, "typing_indicator": True}, Pause(seconds=3.0, filler="soft")),
        ({"seconds": 3600}, Pause(seconds=30.0, filler="soft")),
    ],
)
async def test_ul39_delays_as_bots_may_write_them(payload: dict[str, object], pause: Pause):
    async with userlike_call([event("delay", payload), says("B.")]) as call:
        assert of(Pause, await call.start()) == [pause]


async def test_u14_ul24_a_message_has_at_most_5000_characters():
    sentence = "This is a sentence of fifty characters, all in all. "
    text = (sentence * 100)[:5000]
    async with userlike_call(says(text), says(text + "x")) as call:
        batch = await call.start()
        assert (spoken(batch), warnings(batch)) == ([text], [])
        cut = await call.say("more")
        assert (await call.api(says(text))).status == 200
        assert (await call.api(says(text + "x"))).status == 400
    assert warnings(cut) == ["the message has more than 5000 characters, and was cut"]
    assert len(spoken(cut)[0]) <= 5000
    assert spoken(cut)[0].endswith("all in all.")


async def test_u16_ul22_an_empty_answer_does_nothing_and_listens():
    async with userlike_call(EMPTY) as call:
        batch = await call.start()
    assert batch.actions == (Listen(on_exhausted="event"),)
    assert (batch.turn, batch.turn_done) == (0, True)


@pytest.mark.parametrize("body", [b"null", b"[]", b"{}", b'""', b"OK", b" \n", b"[null, {}]", b"true"])
async def test_u16_ul22_ul23_answers_that_say_nothing(body: bytes):
    async with userlike_call(LabReply(body=body)) as call:
        assert (await call.start()).actions == (Listen(on_exhausted="event"),)


async def test_u17_ul12_the_url_without_a_version_is_the_same():
    async with userlike_call(EMPTY) as call:
        await call.start()
        paths = [route.path for route in call.backend.routes if "unsubscribe" not in route.path]
        assert len(paths) == 4
        assert [(await call.api(says(f"{place}"), path=path)).status for place, path in enumerate(paths)] == [200] * 4
        assert [spoken(await anext(call.batches)) for _ in paths] == [["0"], ["1"], ["2"], ["3"]]


@pytest.mark.parametrize("channel", ["custom", "sms"])
async def test_u18_ul45_the_channel(channel: str):
    async with userlike_call(EMPTY, channel=channel) as call:
        await call.start()
        shape = VECTORS["channel"]["info"]["conversation"]["contact_channel"]
        assert call.bot.bodies[0]["info"]["conversation"]["contact_channel"] == {**shape, "type": channel}


async def test_u19_ul35_end_is_a_hang_up_after_the_speech():
    async with userlike_call([says("Bye."), event("end"), says("Too late."), event("abort")]) as call:
        batch = await call.start()
    kinds = [type(action) for action in batch.actions if isinstance(action, Say | Hangup | Listen | Transfer)]
    assert kinds == [Say, Hangup]
    assert of(Hangup, batch)[0].after_speech
    assert len(warnings(batch)) == 2


@pytest.mark.parametrize(("settings", "target"), [({"human": "300"}, "300"), ({}, "100")])
async def test_u20_ul34_abort_goes_to_people(settings: dict[str, str], target: str):
    async with userlike_call(event("abort"), group="front", groups={"front": "100"}, **settings) as call:
        batch = await call.start()
        assert [transfer.target for transfer in of(Transfer, batch)] == [target]
        assert call.chat.is_over


async def test_u21_ul43_mail_to_a_contact_needs_his_address():
    mail = event("email_dispatch", {"recipient_type": "contact"})
    update = event("contact_update", {"email": "ann@example.com"})
    async with userlike_call(mail, [update, mail], name="Shop") as call:
        first, second = await call.start(), await call.say("hello")
    assert of(PostCall, first) == []
    assert warnings(first) == ["email_dispatch: the contact has no known address; nothing is sent"]
    (job,) = of(PostCall, second)
    assert (job.kind, job.data["to"], job.data["transcript"]) == ("email", "ann@example.com", True)
    assert "Shop" in job.data["subject"]


async def test_ul43_mail_to_an_operator():
    mail = event("email_dispatch", {"recipient_type": "operator", "operator_id": 12})
    unknown = event("email_dispatch", {"type": "operator", "id": 13})
    async with userlike_call([mail, unknown], operators={"12": "anna@example.com"}) as call:
        batch = await call.start()
    assert [job.data["to"] for job in of(PostCall, batch)] == ["anna@example.com"]
    assert warnings(batch) == ["email_dispatch: operator '13' has no known address; nothing is sent"]


async def test_u22_ul40_notes_about_the_contact_and_the_conversation():
    async with userlike_call(EMPTY, EMPTY, event("note_create", {"body": "likes tea"})) as call:
        await call.start()
        contact_id = call.chat.session.contact.id
        reply = await call.api(event("note_create", {"text": "calls often", "contact_identity_id": contact_id}))
        assert reply.status == 200
        about_contact = await anext(call.batches)
        await call.say("hello")
        about_conversation = await call.say("again")
    assert of(Record, about_contact) == [
        Record(kind="note", data={"about": "contact", "text": "calls often", "contact_identity_id": contact_id})
    ]
    assert not of(Listen, about_contact)
    assert of(Record, about_conversation)[0] == Record(kind="note", data={"about": "conversation", "text": "likes tea"})


async def test_a_connection_that_cannot_be_opened_is_tried_once_more():
    async with userlike_call() as call:
        await call.bot.server.stop()
        with pytest.raises(VendorUnavailable):
            await call.chat.send(CallStarted())
    assert call.waits == [0.5]


async def test_a_server_error_is_not_repeated():
    async with userlike_call(LabReply(status=500), says("no")) as call:
        with pytest.raises(VendorUnavailable):
            await call.chat.send(CallStarted())
        assert len(call.bot.bodies) == 1
    assert call.waits == []
