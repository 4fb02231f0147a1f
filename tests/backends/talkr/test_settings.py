"""What an operator may write for a TALKR bot."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.backends.talkr.settings import TalkrBotSection
from tests.fakes.talkr import CALL


def section(**fields: Any) -> TalkrBotSection:
    return TalkrBotSection(**{"url": "https://bot.example/{company}/{bot_id}/{channel}", **fields})


def test_tk01_the_endpoint_is_filled_in_and_encoded():
    assert section(company="acme & sons", bot_id=42).endpoint() == "https://bot.example/acme%20%26%20sons/42/telephony"
    for url in ("https://bot.example/x%20y", "https://bot.example/?filter={{x}}"):
        assert section(url=url).endpoint() == url


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"company": "acme"},
        {"url": "ftp://bot.example/"},
        {"url": "https://bot.example/{tenant}", "company": "acme", "bot_id": 1},
        {"company": "acme", "bot_id": 1, "channel": "sms"},
        {"company": "acme", "bot_id": 1, "current_url_template": "tel:{caller}"},
        {"company": "acme", "bot_id": 1, "current_url_template": "tel:{"},
        {"url": "https://bot.example/{", "company": "acme", "bot_id": 1},
        {"company": "acme", "bot_id": 1, "headers": {"X Tenant": "a"}},
        {"company": "acme", "bot_id": 1, "headers": {"X-Tenant": "a\r\nb"}},
        {"company": "acme", "bot_id": 1, "retry_delays": [1, 2, 3, 4, 5, 6]},
        {"company": "acme", "bot_id": 1, "welcome": "hi"},
    ],
)
def test_mistakes_are_found_while_loading(fields: dict[str, Any]):
    with pytest.raises(ValidationError):
        section(**fields)


def test_secrets_do_not_show():
    shown = repr(section(company="a", bot_id=1, bearer_token="hush", headers={"X-Key": "psst"}))
    assert "hush" not in shown
    assert "psst" not in shown


@pytest.mark.parametrize(
    ("field", "accepted", "refused"),
    [
        ("background_gap", [0, 10], [-0.1, 10.1]),
        ("connect_timeout", [0.1, 30], [0, 30.1]),
        ("timeout", [0.1, 120], [0, 120.1]),
        ("retry_delays", [[], [0], [30], [1] * 5], [[-0.1], [30.1], [1] * 6]),
        ("no_input_text", ["", "x" * 4000], ["x" * 4001]),
    ],
)
def test_bounds(field: str, accepted: list[Any], refused: list[Any]):
    for value in accepted:
        section(company="a", bot_id=1, **{field: value})
    for value in refused:
        with pytest.raises(ValidationError, match=field):
            section(company="a", bot_id=1, **{field: value})


def test_what_holds_without_a_word_from_the_operator():
    plain = section(company="a", bot_id=1)
    assert (plain.connect_timeout, plain.timeout, plain.retry_delays) == (3.0, 20.0, (2.0, 4.0))
    assert (plain.background_gap, plain.stale_answer, plain.retry_tracking) == (0.4, "drop", "first")
    wishes = (plain.send_call_variables, plain.send_no_input, plain.allow_bot_transfer, plain.send_links)
    assert wishes == (False, False, False, False)
    assert plain.request_headers() == {}
    assert plain.page(CALL) is None


@pytest.mark.parametrize("name", ["X-Tenant", "x_tenant_2", "A"])
def test_header_names(name: str):
    assert section(company="a", bot_id=1, headers={name: "v~"}).request_headers() == {name: "v~"}


@pytest.mark.parametrize(("name", "value"), [("X-Ténant", "a"), ("", "a"), ("X:Y", "a"), ("X", "é"), ("X", "a\tb")])
def test_headers_that_cannot_be_sent(name: str, value: str):
    with pytest.raises(ValidationError, match="header"):
        section(company="a", bot_id=1, headers={name: value})


def test_tk13_what_the_page_may_name():
    template = "tel:{from}?to={to}&call={call_id}&number={number}&line={line}"
    assert section(company="a", bot_id=1, current_url_template=template).page(CALL) == (
        "tel:+33612345678?to=+33123456789&call=call-1&number=+33123456789&line=pbx"
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"url": "https://x.example/{tenant}/{bot_id}", "bot_id": 1}, "not ['tenant']"),
        ({}, "url names bot_id, company, which must be set too"),
        ({"bot_id": 1}, "url names company, which must be set too"),
        ({"url": "bot.example"}, "url must begin with http:// or https://"),
        ({"company": "a", "bot_id": 1, "current_url_template": "{caller}"}, "unknown ['caller']"),
    ],
)
def test_mistakes_are_named(fields: dict[str, Any], told: str):
    with pytest.raises(ValidationError, match=re.escape(told)):
        section(**fields)
