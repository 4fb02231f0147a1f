"""Userlike's acceptance rows about what bots trigger: choices, links, media, updates, notes, dispatches."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.actions import (
    Menu,
    Play,
    PostCall,
    Record,
    SendLink,
    SetSpeech,
)
from gateway.caller_events import (
    NoInput,
    UserChoice,
)
from gateway.errors import MediaError
from gateway.events import CallInfo
from tests.fakes.chatting import of, spoken
from tests.fakes.userlike import EMPTY, choice, event, says, userlike_call, warnings

pytestmark = pytest.mark.asyncio

MEDIA = event("media", {"link": "https://cdn.example.com/song.mp3"})


def silent(turn: int, elapsed: float = 7.0) -> NoInput:
    return NoInput(turn=turn, count=3, elapsed=elapsed, exhausted=True)


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
    async with userlike_call(choice(*"abcdefghi")) as call:
        (nine,) = of(Menu, await call.start())
    assert (nine.max_digits, len(nine.options)) == (1, 9)
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
