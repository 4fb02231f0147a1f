"""What an operator may write for a bot of Chatlayer, and what is refused before a call comes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from config.errors import ConfigError
from gateway.backends.chatlayer.client import ChatlayerBackend
from gateway.backends.chatlayer.identity import new_uuid
from gateway.backends.chatlayer.settings import ChatlayerBotSection
from gateway.kit.http import HttpClient

NEEDED = {"bot_id": "11", "verify_token": "secret"}


def section(**settings: Any) -> ChatlayerBotSection:
    return ChatlayerBotSection(**{**NEEDED, **settings})


def refusal(**settings: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        section(**settings)
    return str(refused.value)


def test_cl01_only_https_is_taken_unless_insecure_is_said() -> None:
    assert "https" in refusal(url="http://127.0.0.1:9102")
    assert section(url="http://127.0.0.1:9102", insecure=True).base_url == "http://127.0.0.1:9102"
    assert section(url="https://bots.example.com/").base_url == "https://bots.example.com"
    assert "https" in refusal(url="ftp://bots.example.com")
    v1 = {"dialect": "v1", "channel_token": "t"}
    assert "https" in refusal(channel_url="http://bots.example.com/x", **v1)


def test_cl02_the_hosts_of_both_environments() -> None:
    assert section().base_url == "https://api.chatlayer.ai"
    assert section(environment="staging").base_url == "https://api.staging.chatlayer.ai"
    assert "environment" in refusal(environment="development")


@pytest.mark.parametrize("template", ["call", "tel-", "a" * 31, "x{uuid", "{from}-{uuid}", "sp ace-{uuid}", "a" * 40])
def test_c19_cl06_a_sender_id_that_is_too_short_or_shared_is_refused(template: str) -> None:
    said = refusal(sender_id=template, identity_secret="s")
    assert "sender_id" in said
    if template.isascii() and "{" not in template and " " not in template and len(template) < 32:
        assert "fewer than 32 characters" in said


@pytest.mark.parametrize("template", ["{uuid}", "phone-{uuid}", "{caller_hash}", "tel.{caller_hash}_x"])
def test_c19_cl06_a_sender_id_of_32_characters_or_more_is_taken(template: str) -> None:
    assert section(sender_id=template, identity_secret="s").sender_id == template


def test_cl06_a_new_conversation_has_an_id_of_36_characters() -> None:
    first, second = new_uuid(), new_uuid()
    assert first != second
    assert len(first) == len(second) == 36


def test_callers_are_told_apart_only_with_a_secret() -> None:
    assert "identity_secret" in refusal(identity="caller")
    assert "identity_secret" in refusal(sender_id="{caller_hash}")
    assert section(identity="caller", identity_secret="s").identity == "caller"


@pytest.mark.parametrize(
    "settings",
    [
        {"start": {"dialogstate": "1"}},
        {"silence_dialogstate": "1"},
        {"transfer_failed_dialogstate": "1"},
        {"hangup_dialogstate": "1"},
        {"recover_missed": True},
        {"record_namespaces": ["call"]},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_cl04_what_needs_the_access_token_says_so(settings: dict[str, Any]) -> None:
    assert "access_token" in refusal(**settings)
    section(access_token="token", **settings)


@pytest.mark.parametrize(
    ("written", "text", "state", "is_none"),
    [
        (None, "hi", None, False),
        ({"text": "bonjour"}, "bonjour", None, False),
        ({"dialogstate": 1000}, None, "1000", False),
        ("none", None, None, True),
        (False, None, None, True),
        ("off", None, None, True),
    ],
)
def test_the_ways_to_begin(written: Any, text: str | None, state: str | None, is_none: bool) -> None:
    begins = section(start=written, access_token="t").begins
    assert (begins.text, begins.dialogstate, begins.is_none) == (text, state, is_none)


def test_only_one_way_to_begin() -> None:
    assert "one of" in refusal(start={"text": "hi", "dialogstate": "1"}, access_token="t")
    assert "v1" in refusal(start={"intro": True})


def test_cl27_the_newer_dialect_needs_its_channel() -> None:
    assert "channel_url" in refusal(dialect="v1")
    v1 = section(dialect="v1", channel_url="https://api.chatlayer.ai/v1/channels/x", channel_token="t")
    assert v1.begins.intro
    assert section(dialect="v1", channel_url="https://x.example/", channel_token="t", start={"text": "a"}).begins.text


def test_session_data_names_only_what_is_known_of_a_call() -> None:
    assert "session_data" in refusal(session_data={"a": "{caller}"})
    assert section(session_data={"a": "{from} {to}"}).filled({"from": "1", "to": "2"}) == {"a": "1 2"}


@pytest.mark.parametrize("label", ["speak", "{name}", "{title} {x}"])
def test_a_label_for_numbers_names_the_title(label: str) -> None:
    assert "title" in refusal(connect_label=label)


def test_secrets_are_not_shown() -> None:
    shown = repr(section(verify_token="very secret", access_token="most secret"))
    assert "secret'" not in shown.replace("SecretStr", "")


@pytest.mark.asyncio
async def test_check_says_what_callers_or_tokens_would_suffer() -> None:
    async with HttpClient() as http:
        sound = ChatlayerBackend("reception", section(), http)
        assert await sound.check() == []
        odd = ChatlayerBackend("reception", section(insecure=True, start="none"), http)
        assert [problem.field for problem in await odd.check()] == ["insecure", "start"]
        assert not odd.capabilities.greets_first
        greeted = ChatlayerBackend("reception", section(start="none", greeting="Hello."), http)
        assert greeted.capabilities.greets_first
        assert greeted.capabilities.pushes


@pytest.mark.asyncio
async def test_a_bot_s_name_stands_in_its_webhook_s_address() -> None:
    async with HttpClient() as http:
        (route,) = ChatlayerBackend("travel-desk", section(), http).routes
        assert (route.path, route.max_bytes) == ("/in/chatlayer/travel-desk", 256 * 1024)
        with pytest.raises(ConfigError, match="address"):
            ChatlayerBackend("travel desk/{x}", section(), http)


def test_what_an_operator_does_not_say() -> None:
    bare = section().model_dump(exclude={"bot_id", "verify_token", "backend", "session_data"})
    assert bare == {
        **dict.fromkeys(("access_token", "url", "channel_url", "channel_token", "identity_secret")),
        **dict.fromkeys(("sender_id", "start", "greeting", "silence_dialogstate", "silence_text")),
        **dict.fromkeys(("transfer_failed_dialogstate", "hangup_dialogstate", "connect_label", "offload_to")),
        **dict.fromkeys(("transfer_marker", "hangup_marker")),
        **dict.fromkeys(("insecure", "send_links", "obey_events", "recover_missed"), False),
        "environment": "production",
        "dialect": "legacy",
        "version": "LIVE",
        "locale": "auto",
        "identity": "call",
        "session_namespace": "call",
        "history": True,
        "history_delay": 5.0,
        "record_namespaces": (),
        "recover_after": 15.0,
        "order_within": 0.25,
        "retry_delays": (1.0,),
        "connect_timeout": 3.0,
        "timeout": 10.0,
    }
    assert section().session_data == {
        "caller": "{from}",
        "called": "{to}",
        "call_id": "{call_id}",
        "language": "{language}",
    }


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("bot_id", ["1", 11, "a" * 200], ["", "a" * 201]),
        ("locale", ["auto", "none", "fr"], ["french", "FR", "f", ""]),
        ("session_namespace", ["call", "a.b-c_d", "x" * 100], ["", "a b", "x" * 101]),
        ("transfer_marker", ["##", "#" * 50], ["#", "#" * 51]),
        ("hangup_marker", ["##", "#" * 50], ["#", "#" * 51]),
        ("history_delay", [0, 3600], [-1, 3601]),
        ("record_namespaces", [["n"] * 20], [["n"] * 21]),
        ("recover_after", [1, 120], [0.9, 121]),
        ("order_within", [0, 2], [-0.1, 2.1]),
        ("retry_delays", [[], [0, 30], [1] * 5], [[31], [-1], [1] * 6]),
        ("connect_timeout", [0.1, 30], [0, 31]),
        ("timeout", [0.1, 60], [0, 61]),
        ("start", [{"text": "x" * 1000}, {"dialogstate": "x" * 200}], [{"text": ""}, {"text": "x" * 1001}, "hi", 3]),
    ],
)
def test_the_bounds_of_what_may_be_said(name: str, taken: list[Any], refused: list[Any]) -> None:
    for value in taken:
        section(**{"access_token": "t", name: value})
    for value in refused:
        assert name in refusal(**{"access_token": "t", name: value})
