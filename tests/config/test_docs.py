"""The reference for operators is made from the sections, and is not stale."""

from __future__ import annotations

from config.docs import PAGE, page, plugin_pages
from config.nearest import keys_of
from config.settings import NumberSection, Settings
from tests.fakes.config_sections import PLUGINS


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m config.docs"


def test_every_block_of_the_root_and_every_key_of_a_number_is_there() -> None:
    text = page()
    for name in Settings.model_fields:
        assert f"## {name}" in text or name in ("profiles", "numbers")
    for key in keys_of(NumberSection):
        assert f"| `{key}` |" in text or f"**`{key}`**" in text


def test_types_defaults_and_bounds_read_well() -> None:
    text = page()
    for row in (
        "| `port` | whole number, 0 to 65535 | `8080` | Port to listen on; 0 takes a free one. |",
        "| `api_token` | secret |  |",
        "| `no_input.then` | `event`, `hangup`, `idle` | `idle` |",
        "| `barge_in.by` | list of `speech`, `digits` | `[speech, digits]` |",
        "| `fields.from` | list of text | `[from, caller, callerid]` |",
        "| `retention_days` | number, 0 or more | `30` |",
        "| `auth.digest.users` | names to secret | *required* |",
        "| `timeout` | number, above 0 to 120 | `10` |",
    ):
        assert row in text


def test_no_cell_is_empty_where_a_meaning_belongs() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 90
    assert [row for row in rows if row.endswith("|  |")] == []


def test_plugins_have_their_own_keys_only() -> None:
    text = plugin_pages(PLUGINS)
    assert "### transport: carrier\n\nCalls from a carrier, which cannot transfer.\n" in text
    assert "| `account` | text |  | The account's name. |" in text
    assert "| `url` | text | *required* | Its address. |" in text
    assert "| `api_key` | secret | *required* | Its key. |" in text
    assert "`transport`" not in text
    assert "`path`" not in text
