"""The page for owners of a Kamailio shows the files that are run, whole, and the calls it speaks of exist."""

from __future__ import annotations

import pytest

from tests.pages import ROOT, blocks, prose
from tools.peers.__main__ import PEERS
from tools.peers.network import BESIDE, PACKAGES

KAMAILIO, CALLS = ROOT / "docs" / "kamailio.md", ROOT / "docs" / "sip-peers.md"


@pytest.mark.parametrize("name", ["kamailio.cfg", "rtpengine.conf", "talkpath.yaml"])
def test_every_file_is_on_the_page_as_it_is_run(name: str) -> None:
    text = (ROOT / "examples" / "kamailio" / name).read_text(encoding="utf-8")
    assert text in [block.text for block in blocks(KAMAILIO)]


def test_the_packages_are_those_that_are_installed() -> None:
    wanted = {PACKAGES["kamailio"], *BESIDE["kamailio"], PACKAGES["rtpengine"]}
    assert wanted <= set(blocks(KAMAILIO, "console")[0].text.split())
    assert {*PACKAGES.values(), *BESIDE["kamailio"]} <= set(prose(CALLS).replace("`", " ").replace(",", " ").split())


def test_the_calls_shown_are_called() -> None:
    names = {f"{peer} {check.__name__.replace('_', ' ')}" for peer, checks in PEERS.items() for check in checks}
    shown = [line.split("(")[0].removeprefix("ok").strip() for line in blocks(CALLS, "text")[0].text.splitlines()]
    assert len(shown) == 3
    assert set(shown) <= names
