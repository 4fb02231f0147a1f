"""What an operator may write for a TALKR bot."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.backends.talkr.settings import TalkrBotSection


def section(**fields: Any) -> TalkrBotSection:
    return TalkrBotSection(**{"url": "https://bot.example/{company}/{bot_id}/{channel}", **fields})


def test_tk01_the_endpoint_is_filled_in_and_encoded():
    assert section(company="acme & sons", bot_id=42).endpoint() == "https://bot.example/acme%20%26%20sons/42/telephony"
    assert section(url="https://bot.example/x%20y").endpoint() == "https://bot.example/x%20y"


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
