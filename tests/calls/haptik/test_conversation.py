"""Whole calls with the lab's Haptik bot: through the gateway's real port, its webhook, and the platform's own HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.lab import haptik_bot
from gateway.lab.haptik_side import User
from tests.fakes.callers import near
from tests.fakes.haptik import SECRET, VECTORS, haptik_office, only_user, post_over_http, said_by_caller, sign
from tests.fakes.office import dial, texting
from tests.fakes.virtual_loop import virtual_time

GREETING = "Hello, this is Acme. What can I do for you?"
HOURS = "We are open from nine to five, Monday to Friday."
MENU = (
    "For opening hours, say opening hours or press 1. For rooms, say rooms or press 2. For telephone number, "
    "say telephone number or press 3. For speak to somebody, say speak to somebody or press 4."
)
APOLOGY = "Sorry, something went wrong. Please say that again."


def event_for(user: User, name: str = "message", **changed: Any) -> bytes:
    """A webhook of the vectors, for this user."""
    sample = VECTORS["webhook"][name]
    return json.dumps({**sample, "user": {"auth_id": user.auth_id, "user_name": user.name}, **changed}).encode()


@virtual_time
async def test_hp22_h10_hp01_a_caller_is_registered_greeted_and_answered(tmp_path: Path) -> None:
    async with haptik_office(tmp_path) as (office, lab), texting(office) as caller:
        await caller.hears(GREETING)
        await caller.hears(MENU)
        await caller.say("what about your opening hours")
        await caller.hears(HOURS)
        await caller.say("something else")
        await caller.hears(haptik_bot.UNKNOWN)
        await caller.say("goodbye")
        await caller.hears("Thank you for calling. Goodbye!")
        await caller.over()
    assert said_by_caller(lab) == ["Hi", "opening hours{task}", "something else", "goodbye"]
    assert office.outcome == ("completed", "bot")
    assert only_user(lab).profile["mobile_no"] == "+33612345678"


@pytest.mark.parametrize("line", ["cloud", "pbx"])
@virtual_time
async def test_hp22_h11_by_voice_and_by_key_on_a_real_line(tmp_path: Path, line: Any) -> None:
    number = {"recognizer": {"hints": ["goodbye"]}}
    async with haptik_office(tmp_path, number=number) as (office, lab), dial(office, line) as caller:
        await caller.hears(MENU)
        await caller.press("2")
        await caller.hears("Single room, 80 euros, with a view of the garden")
        await caller.hears("For Single room, say Single room or press 1. For Double room, say Double room or press 2.")
        await caller.say("the second one")
        await caller.hears("Thank you. I have booked the double room for you.")
        await caller.say("goodbye")
        await caller.over()
    assert said_by_caller(lab) == ["Hi", "show rooms{task}", "book the double room{task}", "goodbye"]


@virtual_time
async def test_h11_hp19_the_samples_menu_by_key(tmp_path: Path) -> None:
    async with haptik_office(tmp_path, bot={"start_message": ""}) as (office, lab), texting(office) as caller:
        await caller.say("hello")
        await caller.hears(GREETING)
        user = only_user(lab)
        body = VECTORS["hsl_quick_replies"]
        reply = await post_over_http(office, event_for(user, message={"id": 77, "body": body}))
        assert reply.status_code == 200
        await caller.hears(
            "For Show another quote, say Show another quote or press 1. For Thanks, say Thanks or press 2."
        )
        await caller.press("1")
        await caller.hears(haptik_bot.UNKNOWN)
    assert said_by_caller(lab) == ["hello", "Show another quote{task}"]


@virtual_time
async def test_h8_h9_hp22_the_sample_webhook_is_spoken_once_and_answered_at_once(tmp_path: Path) -> None:
    async with haptik_office(tmp_path) as (office, lab), texting(office) as caller:
        await caller.hears(MENU)
        event = event_for(only_user(lab))
        before = caller.now()
        assert (await post_over_http(office, event)).status_code == 200
        assert caller.now() - before < 1.0
        await caller.hears("Hi")
        changed = event.replace(b'"Hi"', b'"Ho"')
        assert (await post_over_http(office, changed, {"x-hub-signature": f"sha1={sign(event)}"})).status_code == 401
        assert (await post_over_http(office, changed, {})).status_code == 401
        assert (await post_over_http(office, event)).status_code == 200
        await caller.say("opening hours")
        await caller.hears(HOURS)
    assert caller.words.count("Hi") == 1
    assert "Ho" not in caller.words


@virtual_time
async def test_h9_the_known_signature_over_http(tmp_path: Path) -> None:
    known = VECTORS["webhook"]["hmac"]
    name, _, value = known["header"].partition(": ")
    body = known["raw_body"].encode()
    async with haptik_office(tmp_path, bot={"webhook_secret": known["secret"]}) as (office, _):
        assert (await post_over_http(office, body, {name: value})).status_code == 200
        assert (await post_over_http(office, b'{"a": 1}', {name: value})).status_code == 401


@virtual_time
async def test_h14_what_the_platform_has_not_told_us_about_is_taken(tmp_path: Path) -> None:
    async with haptik_office(tmp_path) as (office, lab), texting(office) as caller:
        await caller.hears(MENU)
        user = only_user(lab)
        assert (await post_over_http(office, event_for(user, event_name="agent_typing"))).status_code == 200
        stranger = User(auth_id="nobody", name="n")
        assert (await post_over_http(office, event_for(stranger))).status_code == 200
        assert (await post_over_http(office, b"[" * 20_000 + b"]" * 20_000)).status_code == 400
        assert (await post_over_http(office, b'"' + b"x" * (1 << 20) + b'"')).status_code == 413
        await caller.say("opening hours")
        await caller.hears(HOURS)
    assert "Hi" not in caller.words


@virtual_time
async def test_h13_hp22_the_end_of_a_conversation_is_in_the_record(tmp_path: Path) -> None:
    async with haptik_office(tmp_path) as (office, lab), texting(office) as caller:
        await caller.hears(MENU)
        await post_over_http(office, event_for(only_user(lab), "conversation_complete"))
        await caller.over()
    sample = VECTORS["webhook"]["conversation_complete"]["data"]
    assert office.notes("conversation") == [{"event": "conversation_complete", **sample}]
    assert office.outcome == ("completed", "bot")


@virtual_time
async def test_h16_hp19_a_link_goes_to_the_links_policy(tmp_path: Path) -> None:
    async with haptik_office(tmp_path) as (office, lab), texting(office) as caller:
        await caller.hears(MENU)
        body = VECTORS["hsl_button"]
        await post_over_http(office, event_for(only_user(lab), message={"id": 9, "body": body}))
        await caller.hears("Click on the below button to be redirected")
        await caller.say("opening hours")
        await caller.hears(HOURS)
    (link,) = [note for note in office.notes("link") if note["url"] == "https://google.com"]
    assert link["text"] == "Google"
    assert not any("Google" in word for word in caller.words)


@virtual_time
async def test_hp19_a_form_is_filled_in_by_voice(tmp_path: Path) -> None:
    async with haptik_office(tmp_path) as (office, lab), texting(office) as caller:
        await caller.hears(MENU)
        await caller.say("the form please")
        await caller.hears("Your name")
        await caller.say("Ann Miller")
        await caller.hears("Your age")
        await caller.say("forty two")
        await caller.hears("Thank you, I have noted that.")
    assert said_by_caller(lab)[-1] == "Your name: Ann Miller, Your age: 42"


@virtual_time
async def test_two_messages_are_both_heard_before_the_caller_is_listened_to(tmp_path: Path) -> None:
    async with haptik_office(tmp_path) as (office, _), texting(office) as caller:
        await caller.hears(MENU)
        await caller.say("two things")
        await caller.hears("This is the first thing.")
        await caller.hears("This is the second thing.")


@virtual_time
async def test_silence_is_asked_about_here_and_never_sent(tmp_path: Path) -> None:
    number = {"no_input": {"retries": 1, "then": "hangup"}}
    async with haptik_office(tmp_path, number=number) as (office, lab), texting(office) as caller:
        await caller.hears(MENU)
        await caller.over()
    assert caller.words.count(MENU) == 2
    assert said_by_caller(lab) == ["Hi"]
    assert office.outcome == ("no_input", "gateway")


@virtual_time
async def test_the_synchronous_variant_needs_no_webhook(tmp_path: Path) -> None:
    async with haptik_office(tmp_path) as (_, lab):
        sync = {"mode": "sync", "message_url": f"{lab.url}/v1.0/log_message_from_user/sync/", "url": lab.url}
        (tmp_path / "sync").mkdir()
        async with haptik_office(tmp_path / "sync", bot=sync) as (office, _), texting(office) as caller:
            await caller.hears(MENU)
            await caller.say("opening hours")
            await caller.hears(HOURS)
        assert [request.path for request in lab.requests].count("/v1.0/log_message_from_user/sync/") == 2
        assert lab.deliveries == []


# --- faults --------------------------------------------------------------------------------------------------------
@virtual_time
async def test_webhooks_that_come_twice_late_or_unsigned_are_heard_once(tmp_path: Path) -> None:
    faults = {"faults": "duplicate,duplicate,wrong-token,ok"}
    number = {"idle_limit": 120, "no_input": {"retries": 0}}
    async with haptik_office(tmp_path, lab=faults, number=number) as (office, lab), texting(office) as caller:
        await caller.hears(MENU)
        await caller.say("two things")
        await caller.hears("This is the first thing.")
        await caller.hears("This is the second thing.", within=70)  # sent again after a minute
    assert caller.words.count(GREETING) == 1
    assert caller.words.count("This is the first thing.") == 1
    assert [delivery.status for delivery in lab.deliveries if delivery.status != 200] == [401]


@virtual_time
async def test_webhooks_out_of_order_are_heard_in_order(tmp_path: Path) -> None:
    async with haptik_office(tmp_path, lab={"webhook_faults": "ok,reorder"}) as (office, _), texting(office) as caller:
        await caller.hears(MENU)
        await caller.say("two things")
        await caller.hears("This is the first thing.")
        await caller.hears("This is the second thing.")


@virtual_time
async def test_the_last_words_are_heard_though_the_end_overtakes_them(tmp_path: Path) -> None:
    async with haptik_office(tmp_path, lab={"webhook_faults": "ok,reorder"}) as (office, _), texting(office) as caller:
        await caller.hears(MENU)
        await caller.say("goodbye")
        await caller.hears("Thank you for calling. Goodbye!")
        await caller.over()
    assert office.outcome == ("completed", "bot")


@pytest.mark.parametrize("fault", ["garbage", "deep", "oversized"])
@virtual_time
async def test_a_webhook_beyond_reason_harms_nobody(tmp_path: Path, fault: str) -> None:
    async with (
        haptik_office(tmp_path, lab={"webhook_faults": f"ok,{fault}"}) as (office, lab),
        texting(office) as caller,
    ):
        await caller.hears(MENU)
        await caller.say("two things")
        await caller.hears("This is the second thing.")
        await caller.say("opening hours")
        await caller.hears(HOURS)
    assert [delivery.status for delivery in lab.deliveries][1] in (400, 413)


@pytest.mark.parametrize("fault", ["500", "drop", "cut", "garbage", "oversized", "deep", "slow:20", "drip:2"])
@virtual_time
async def test_a_message_that_fails_is_apologised_for_and_the_next_one_goes_through(tmp_path: Path, fault: str) -> None:
    async with haptik_office(tmp_path, lab={"faults": f"ok,ok,{fault}"}) as (office, _), texting(office) as caller:
        await caller.hears(MENU)
        await caller.say("rooms please now")
        await caller.hears(APOLOGY)
        await caller.say("opening hours")
        await caller.hears(HOURS)


@pytest.mark.parametrize("fault", ["429", "expired"])
@virtual_time
async def test_a_message_that_was_not_taken_is_sent_again_and_nothing_is_heard_of_it(
    tmp_path: Path, fault: str
) -> None:
    async with haptik_office(tmp_path, lab={"faults": f"ok,ok,{fault}"}) as (office, _), texting(office) as caller:
        await caller.hears(MENU)
        await caller.say("opening hours")
        await caller.hears(HOURS)
    assert APOLOGY not in caller.words


@virtual_time
async def test_a_slow_bot_is_waited_for_with_a_filler_and_then_apologised_for(tmp_path: Path) -> None:
    lab = {"think": 12.0}
    number = {"answer_timeout": 10, "filler_after": 2}
    async with haptik_office(tmp_path, lab=lab, number=number, bot={"greeting": "Welcome."}) as (office, _):
        async with texting(office) as caller:
            await caller.hears("Welcome.")
            await caller.hears(GREETING)
            await caller.hears(MENU)
            asked = await caller.say("opening hours")
            filler = await caller.hears("One moment, please.")
            await caller.hears(APOLOGY)
            await caller.hears(HOURS)
        assert filler.at - asked.until == near(2.0, 0.1)


@virtual_time
async def test_wrong_credentials_are_the_fallback_and_one_line_in_the_log(tmp_path: Path) -> None:
    number = {"fallback": {"say": "Nobody is here."}}
    async with haptik_office(tmp_path, bot={"token": "wrong"}, number=number) as (office, _), texting(office) as caller:
        await caller.hears("Nobody is here.")
        await caller.over()
    assert office.outcome == ("bot_failed", "gateway")
    assert SECRET not in json.dumps(office.records)
