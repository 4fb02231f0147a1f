"""Userlike's acceptance rows about the bot's settings, and about what it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.actions import (
    Record,
    Transfer,
)
from gateway.backends.userlike.settings import UserlikeBotSection
from gateway.caller_events import (
    CallEnded,
    CallStarted,
    ContactOptOut,
    NoInput,
    PlaybackDone,
    TransferResult,
    UserLocation,
    UserMedia,
)
from gateway.events import CallInfo
from gateway.routes import HttpRequest
from tests.fakes.chatting import of, spoken
from tests.fakes.userlike import CALL, CID, EMPTY, KEY, OPT_OUT, says, userlike_call, warnings

pytestmark = pytest.mark.asyncio


# --- the bot's settings ----------------------------------------------------------------------------------------------
async def test_ul01_a_bot_has_a_name_a_group_and_an_api():
    settings = UserlikeBotSection(
        webhook_url="https://bot.example.com/hook",
        name="Shop bot",
        group="Front",
        groups={"Front": "100"},
        bot_key=KEY,
        security_token="secret",
    )
    assert (settings.name, settings.own_group, settings.group_target("front")) == ("Shop bot", "100", "100")
    assert settings.human_target == "100"


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook_url": "ftp://bot.example.com"},
        {"bot_key": KEY},
        {"security_token": "secret"},
        {"bot_key": "short", "security_token": "secret"},
        {"opt_out_token": "secret"},
        {"group": "front"},
        {"webhook_headers": {"a b": "c"}},
        {"webhook_headers": {"A": "zeile\nzeile"}},
        {"unassigned": {"then": "default_target"}},
        {"unassigned": {"then": "callback"}},
        {"slots": 0},
    ],
)
async def test_ul01_settings_that_cannot_work_are_refused(wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        UserlikeBotSection(**{"webhook_url": "https://bot.example.com/hook", **wrong})


async def test_ul01_check_says_what_will_disappoint():
    async with userlike_call(webhook_headers={}) as call:
        fields = [problem.field for problem in await call.backend.check()]
    assert fields == ["group", "webhook_headers"]
    async with userlike_call(webhook_url="http://bot.example.com/hook", group="a", groups={"a": "1"}) as call:
        assert [problem.field for problem in await call.backend.check()] == ["webhook_url"]


async def test_ul05_when_all_slots_are_taken_people_get_the_call():
    async with userlike_call(says("Hello."), slots=1, human="300") as call:
        await call.start()
        async with call.backend.open_chat(CALL, call.claimed.append) as second:
            await second.send(CallStarted())
            batch = await anext(second.actions())
            assert [transfer.target for transfer in of(Transfer, batch)] == ["300"]
        assert len(call.bot.bodies) == 1
        assert call.claimed == [CID]


# --- told to the bot -------------------------------------------------------------------------------------------------
async def test_ul13_an_outbound_call_is_proactive():
    async with userlike_call(EMPTY, call=CallInfo(call_id="c", direction="outbound")) as call:
        await call.start()
        assert call.bot.bodies[0]["info"]["approach_mode"] == "proactive"


async def test_ul15_start_brings_a_text_or_media_along():
    custom = {"Note": "about my order", "photo": "https://cdn.example.com/a/photo.jpg?x=1"}
    known = CallInfo(call_id="c", custom=custom)
    async with userlike_call(EMPTY, call=known, start_text="note", start_media="photo") as call:
        await call.start()
        packet = call.bot.packets[0]
    assert packet == {
        "name": "start",
        "payload": {
            "body": "about my order",
            "link": "https://cdn.example.com/a/photo.jpg?x=1",
            "name": "photo.jpg",
            "mime_type": "image/jpeg",
        },
    }


async def test_ul18_a_recording_of_the_caller_is_media():
    async with userlike_call(EMPTY, EMPTY) as call:
        await call.start()
        await call.send(UserMedia(turn=1, url="https://gw.example.com/m/1.wav?s=x", mime="audio/wav"))
        packet = call.bot.packets[1]
    assert packet["name"] == "media"
    assert packet["payload"] == {
        "link": "https://gw.example.com/m/1.wav?s=x",
        "name": "1.wav",
        "mime_type": "audio/wav",
    }


@pytest.mark.parametrize(
    "brought",
    [
        {"sip_headers": {"Geolocation": "<geo:48.2010,16.3695;crs=wgs84>"}},
        {"custom": {"geolocation": "geo:48.2010,16.3695"}},
    ],
)
async def test_ul19_where_the_caller_is(brought: dict[str, Any]):
    async with userlike_call(
        says("Hello."), says("Vienna!"), call=CallInfo(call_id="c", **brought), location_event=True
    ) as call:
        first = await call.start()
        second = await anext(call.batches)
        packet = call.bot.packets[1]
    assert (first.turn_done, second.turn_done) == (False, True)
    assert (spoken(first), spoken(second)) == (["Hello."], ["Vienna!"])
    assert packet["name"] == "location"
    assert (packet["payload"]["latitude"], packet["payload"]["longitude"]) == (48.2010, 16.3695)


async def test_ul19_a_place_that_is_none_or_not_wanted_is_not_sent():
    nowhere = CallInfo(call_id="c", sip_headers={"Geolocation": "<geo:95.0,16.0>"})
    somewhere = CallInfo(call_id="c", sip_headers={"Geolocation": "<geo:45.0,16.0>"})
    for known, settings in ((nowhere, {"location_event": True}), (somewhere, {})):
        async with userlike_call(EMPTY, call=known, **settings) as call:
            await call.start()
            assert len(call.bot.bodies) == 1


async def test_ul19_a_bot_that_fails_on_the_place_has_greeted_all_the_same():
    known = CallInfo(call_id="c", custom={"geolocation": "geo:48.2,16.3"})
    async with userlike_call(says("Hello."), call=known, location_event=True) as call:
        assert spoken(await call.start()) == ["Hello."]
        after = await anext(call.batches)
    assert after.turn_done
    assert warnings(after) == ["the location was not taken: status 599"]


async def test_ul19_a_location_from_the_line():
    async with userlike_call(EMPTY, EMPTY) as call:
        await call.start()
        await call.send(UserLocation(turn=1, lat=48.2, lon=16.3, label="Home"))
        assert call.bot.packets[1]["payload"] == {"latitude": 48.2, "longitude": 16.3, "name": "Home", "address": None}


async def test_ul21_an_opt_out_is_told_while_the_session_lives():
    async with userlike_call(EMPTY, says("Sorry to see you go.")) as call:
        await call.start()
        hook = next(route for route in call.backend.routes if route.path == f"/userlike/v1/{KEY}/unsubscribe")

        async def tell(body: object, token: str = OPT_OUT) -> tuple[int, Any]:
            request = HttpRequest(
                method="POST",
                path=hook.path,
                url=hook.path,
                headers={"security-token": token},
                query={},
                body=json.dumps(body).encode(),
            )
            reply = await hook.handle(request)
            return reply.status, json.loads(reply.body)

        assert await tell({"contact": CALL.caller}, token="wrong") == (401, {"error": "Unauthorized"})
        assert (await tell([]))[0] == (await tell({"channel": "sms"}))[0] == 400
        assert await tell({"contact": "+49301234"}) == (404, {"told": 0})
        assert await tell({"contact": CALL.caller, "channel": "sms"}) == (200, {"told": 1})
        assert call.bot.packets[1] == {"name": "campaign_unsubscribe", "payload": {"channel": "sms"}}
        noted, said = await anext(call.batches), await anext(call.batches)
        assert await tell({"contact": CALL.caller}) == (200, {"told": 1})  # the bot fails, the wish stands
    assert of(Record, noted)[0].data["campaigns"] is False
    assert (spoken(said), said.turn) == (["Sorry to see you go."], None)
    assert call.chat.session.contact.campaigns is False


async def test_ul21_an_opt_out_as_an_event_of_the_call():
    async with userlike_call(EMPTY, EMPTY) as call:
        await call.start()
        await call.chat.send(ContactOptOut(turn=1, channel=""))
        assert call.bot.packets[1] == {"name": "campaign_unsubscribe", "payload": {}}


async def test_no_other_event_is_ever_sent():
    async with userlike_call(EMPTY) as call:
        await call.start()
        for happened in (
            PlaybackDone(turn=0, complete=False, played=0.4, heard_text="Hel"),
            NoInput(turn=1, count=1, elapsed=7.0, exhausted=False),
            TransferResult(turn=1, transfer_id="t", ok=True),
            CallEnded(turn=1, by="caller"),
        ):
            await call.chat.send(happened)
        assert [packet["name"] for packet in call.bot.packets] == ["start"]
