"""The reference of the plug-ins' own keys is made from their sections, and is not stale."""

from __future__ import annotations

from config.docs import plugin_pages
from gateway.plugins import installed
from tests.pages import ROOT

PAGE = ROOT / "docs" / "plugin-settings.md"


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == plugin_pages(installed().sections()), "run: make docs"


def test_every_plug_in_has_its_part() -> None:
    text, plugins = PAGE.read_text(encoding="utf-8"), installed()
    for key, names in (("transport", plugins.transports), ("backend", plugins.backends), ("engine", plugins.speech)):
        for name in names:
            assert f"\n### {key}: {name}\n" in text
