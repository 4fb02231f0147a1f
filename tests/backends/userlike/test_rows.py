"""The rest of Userlike's acceptance rows that the adapter alone can show: what bots trigger, and what they are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.actions import (
    Hangup,
    Listen,
    Menu,
    Play,
    PostCall,
    Record,
    Release,
    Say,
    SendLink,
    SetSpeech,
    Transfer,
)
from gateway.backends.userlike.client import UserlikeBackend
from gateway.backends.userlike.settings import UserlikeBotSection
from gateway.caller_events import (
    CallEnded,
    CallStarted,
    ContactOptOut,
    NoInput,
    PlaybackDone,
    TransferResult,
    UserChoice,
    UserLocation,
    UserMedia,
)
from gateway.errors import MediaError
from gateway.events import CallInfo
from gateway.interfaces import HttpRequest
from gateway.kit.http import HttpClient
from tests.fakes.userlike import (
    CALL,
    CID,
    EMPTY,
    KEY,
    OPT_OUT,
    choice,
    event,
    of,
    says,
    spoken,
    userlike_call,
    warnings,
)

pytestmark = pytest.mark.asyncio

MEDIA = event("media", {"link": "https://cdn.example.com/song.mp3"})


def silent(turn: int, elapsed: float = 7.0) -> NoInput:
    return NoInput(turn=turn, count=3, elapsed=elapsed, exhausted=True)


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


# --- choices ---------------------------------------------------------------------------------------------------------
async def test_ul26_a_carousel_is_a_menu_and_its_pictures_are_links_where_wanted():
    options = [{"id": 1, "label": "Red", "image": "https://cdn.example.com/red.png"}, {"id": 2, "label": "Blue"}]
    carousel = event("carousel", {"body": "Body.", "fallback": "Which colour?", "options": options})
    async with userlike_call(carousel, carousel, EMPTY, send_images=True) as call:
        batch = await call.start()
        (menu,) = of(Menu, batch)
        await call.choose(menu, "2")
        assert [(option.id, option.label) for option in menu.options] == [("1", "Red"), ("2", "Blue")]
        assert of(SendLink, batch) == [SendLink(url="https://cdn.example.com/red.png", text="Red")]
        assert call.bot.packets[1]["payload"]["value"] == {"id": 2, "label": "Blue"}  # as it came: a number
    async with userlike_call(carousel) as call:
        assert of(SendLink, await call.start()) == []


async def test_ul27_header_and_footer_of_a_button_template_are_not_spoken():
    template = choice("yes", name="button_template", header={"type": "text", "text": "HEAD"}, footer="FOOT")
    async with userlike_call(template) as call:
        (menu,) = of(Menu, await call.start())
    assert menu.prompt == "Which one?"
    assert [option.label for option in menu.options] == ["yes"]


async def test_ul28_the_descriptions_of_a_list_are_spoken_where_wanted():
    options = [{"id": "a", "label": "Tea", "description": "green or black"}, {"id": "b", "label": "Coffee"}]
    listed = event("list_template", {"body": "Body.", "fallback": "What?", "button": "Choose", "options": options})
    for wanted, described in ((True, ["green or black", None]), (False, [None, None])):
        async with userlike_call(listed, speak_descriptions=wanted) as call:
            (menu,) = of(Menu, await call.start())
        assert [option.description for option in menu.options] == described


@pytest.mark.parametrize(
    ("policy", "prompt"), [("fallback", "Which one?"), ("body", "Body."), ("body_then_fallback", "Body.\nWhich one?")]
)
async def test_ul46_which_text_introduces_a_choice(policy: str, prompt: str):
    async with userlike_call(choice("a"), choice("a", fallback=" "), choice_text=policy) as call:
        (menu,) = of(Menu, await call.start())
        without = await call.say("x")
    assert menu.prompt == prompt
    assert [menu.prompt for menu in of(Menu, without)] == ["Body."]
    assert warnings(without) == ["bubbles has no fallback; its body is spoken"]


async def test_ul28_more_than_nine_options_take_two_keys_and_more_than_twenty_are_cut():
    async with userlike_call(choice(*"abcdefghij"), choice(*[f"n{place}" for place in range(25)])) as call:
        (ten,) = of(Menu, await call.start())
        batch = await call.say("x")
    (many,) = of(Menu, batch)
    assert (ten.max_digits, len(ten.options)) == (2, 10)
    assert (many.max_digits, len(many.options)) == (2, 20)
    assert warnings(batch) == ["bubbles has more than 20 options; the first 20 are offered"]


async def test_ul46_options_as_bots_may_write_them():
    options = [{"title": "One", "payload": "p1"}, "Two", {"id": "x"}, {"id": "x", "label": "Other x"}, 7, {}, None]
    async with userlike_call(event("bubbles", {"body": "Which?", "options": options}), EMPTY) as call:
        (menu,) = of(Menu, await call.start())
        assert [(option.id, option.label) for option in menu.options] == [
            ("p1", "One"),
            ("Two", "Two"),
            ("x", "x"),
            ("x'", "Other x"),
            ("7", "7"),
        ]
        await call.choose(menu, "x'")
        assert call.bot.packets[1]["payload"]["value"] == {"id": "x", "label": "Other x"}


async def test_ul47_only_the_newest_choice_is_a_click_and_only_once():
    async with userlike_call([choice("a"), choice("b")], EMPTY, EMPTY, EMPTY) as call:
        older, newer = of(Menu, await call.start())
        late = UserChoice(turn=1, menu_id=older.menu_id, option_id="id-a", label="a")
        await call.send(late)
        await call.send(UserChoice(turn=2, menu_id=newer.menu_id, option_id="id-b", label="b"))
        packets = call.bot.packets[1:]
    assert packets == [{"name": "message", "payload": {"body": label}} for label in ("a", "b")]


async def test_ul47_silence_does_not_answer_a_choice():
    async with userlike_call(choice("a"), EMPTY) as call:
        (menu,) = of(Menu, await call.start())
        waiting = await call.send(silent(1))
        (again,) = of(Menu, waiting)
        assert (again.menu_id, again.aloud) == (menu.menu_id, False)
        call.turn = 1
        await call.choose(again, "id-a")
        assert call.bot.packets[1]["name"] == "click"


# --- links and media -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("happened", "said", "links"),
    [
        pytest.param(
            event("button", {"body": "Our shop", "link": "https://a.example"}),
            ["Our shop"],
            [SendLink(url="https://a.example")],
            id="ul29",
        ),
        pytest.param(
            event("button", {"title": "Open", "url": "https://a.example"}),
            ["Open"],
            [SendLink(url="https://a.example")],
            id="ul29_title",
        ),
        pytest.param(
            event(
                "buttons",
                {
                    "body": "Look.",
                    "buttons": [{"label": "A", "link": "https://a.example"}, {"link": "https://b.example"}],
                },
            ),
            ["Look."],
            [SendLink(url="https://a.example", text="A"), SendLink(url="https://b.example")],
            id="ul30",
        ),
        pytest.param(
            event("buttons", {"body": "Look.", "link": "https://c.example"}),
            ["Look."],
            [SendLink(url="https://c.example")],
            id="ul30_one_link",
        ),
        pytest.param(
            event("navigate", {"target": "https://d.example"}), [], [SendLink(url="https://d.example")], id="ul32"
        ),
    ],
)
async def test_links(happened: dict[str, Any], said: list[str], links: list[SendLink]):
    async with userlike_call(happened) as call:
        batch = await call.start()
    assert spoken(batch) == said
    assert of(SendLink, batch) == links


async def test_u15_ul31_media_is_played_when_it_is_there():
    async def look(url: str) -> str:
        if "gone" in url:
            raise MediaError("nobody there")
        return "image/png" if "picture" in url else "audio/mpeg"

    gone = event("media", {"link": "https://cdn.example.com/gone.mp3"})
    picture = event("media", {"link": "https://cdn.example.com/picture", "name": "A picture"})
    async with userlike_call([MEDIA, picture], [says("a"), gone, says("b")], inspect=look, send_images=True) as call:
        first, second = await call.start(), await call.say("x")
        assert (await call.api([says("before"), gone, says("after")])).status == 422
        pushed = await anext(call.batches)
        assert (await call.api(MEDIA)).status == 200
        assert of(Play, await anext(call.batches)) == [Play(url="https://cdn.example.com/song.mp3")]
    assert of(Play, first) == [Play(url="https://cdn.example.com/song.mp3")]
    assert of(SendLink, first) == [SendLink(url="https://cdn.example.com/picture", text="A picture")]
    assert (spoken(second), of(Play, second)) == (["a", "b"], [])
    assert warnings(second) == ["the media file cannot be fetched"]
    assert spoken(pushed) == ["before"]


async def test_ul31_without_a_look_at_them_files_are_judged_by_their_names():
    picture = event("media", {"link": "https://cdn.example.com/picture.png"})
    async with userlike_call([MEDIA, picture, event("media", {"link": "https://cdn.example.com/x"})]) as call:
        batch = await call.start()
    assert [play.url for play in of(Play, batch)] == ["https://cdn.example.com/song.mp3", "https://cdn.example.com/x"]


# --- records and dispatches ------------------------------------------------------------------------------------------
async def test_ul33_an_update_is_merged_noted_and_told_back():
    changes = {"name": "Ann", "custom_fields": {"b": 2}, "unknown": 1}
    async with userlike_call(
        event("contact_update", {"custom_fields": {"a": 1}}), event("contact_update", changes), EMPTY
    ) as call:
        await call.start()
        batch = await call.say("x")
        await call.say("y")
        contact = call.bot.bodies[2]["info"]["contact"]
    assert (contact["name"], contact["custom_fields"]) == ("Ann", {"a": 1, "b": 2})
    assert of(Record, batch)[0].data == {"id": contact["id"], "name": "Ann", "custom_fields": {"b": 2}}


@pytest.mark.parametrize("name", ["contact_update", "conversation_update"])
async def test_ul33_ul41_an_update_of_nothing_is_refused(name: str):
    async with userlike_call(event(name), EMPTY) as call:
        assert warnings(await call.start()) == [f"ignored: {name}: needs one of {_fields(name)}"]
        assert (await call.api(event(name, {"custom_fields": "no object"}))).status == 400


def _fields(name: str) -> str:
    if name == "contact_update":
        return "name, email, mobile_number, external_customer_id, custom_fields, campaigns"
    return "subject, topics, locale, custom_fields"


@pytest.mark.parametrize(
    ("locale", "language"), [("de", "de-DE"), ("de_AT", "de-AT"), ("en", "en-IE"), ("pt-BR", "pt-BR"), ("?!", None)]
)
async def test_ul41_the_locale_switches_what_is_spoken_and_heard(locale: str, language: str | None):
    known = CallInfo(call_id="c", language="en-IE")
    update = event("conversation_update", {"locale": locale, "subject": "Orders", "custom_fields": {"a": 1}})
    async with userlike_call(update, EMPTY, call=known) as call:
        batch = await call.start()
        await call.say("x")
        conversation = call.bot.bodies[1]["info"]["conversation"]
    assert of(SetSpeech, batch) == ([SetSpeech(language=language)] if language else [])
    assert (conversation["locale"], conversation["subject"]) == (locale, "Orders")
    assert conversation["custom_fields"]["a"] == 1
    assert conversation["custom_fields"]["call_id"] == "c"


@pytest.mark.parametrize("key", ["type", "addon", "addon_type"])
async def test_ul42_an_addon_is_dispatched_by_the_hook_of_its_name(key: str):
    async with userlike_call(event("addon_dispatch", {key: "crm", "x": 1})) as call:
        (job,) = of(PostCall, await call.start())
    assert (job.kind, job.data["hook"], job.data["payload"]["x"]) == ("addon", "crm", 1)


async def test_u22_ul40_a_note_about_somebody_else_is_about_the_caller():
    async with userlike_call(event("note_create", {"note": "x", "contact_identity_id": "9"})) as call:
        batch = await call.start()
    assert of(Record, batch)[-1].data["about"] == "contact"
    assert len(warnings(batch)) == 1


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
