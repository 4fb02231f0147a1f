"""What a real Asterisk is configured with: the published files, and variants of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.asterisk import by_sip
from tools.asterisk.chroot import remove_incomplete
from tools.asterisk.pbx import Setup, contexts
from tools.debian import Unavailable

SETUPS = {"media": Setup(), "sip": by_sip.SETUP}


@pytest.mark.parametrize("name", SETUPS)
def test_the_published_files_are_in_it_as_they_are(name: str, tmp_path: Path) -> None:
    setup = SETUPS[name]
    setup.write(tmp_path, [("desk", "people", 5080)])
    for file in setup.files:
        published = (setup.examples / file).read_text(encoding="utf-8")
        assert published in (tmp_path / file).read_text(encoding="utf-8")
    assert f"contact = sip:desk@{setup.phones}:5080" in (tmp_path / "pjsip.conf").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SETUPS)
def test_every_context_of_the_calls_is_there(name: str, tmp_path: Path) -> None:
    setup = SETUPS[name]
    setup.write(tmp_path, [])
    sections = re.findall(r"^\[([\w-]+)\]", (tmp_path / "extensions.conf").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(contexts(setup)) <= set(sections)


def test_a_variant_has_every_section_of_that_name_and_its_own_word(tmp_path: Path) -> None:
    by_sip.SETUP.write(tmp_path, [])
    text = (tmp_path / "pjsip.conf").read_text(encoding="utf-8")
    assert text.count("[talkpath-info]\n") == text.count("[talkpath-trunk]\n") == 2
    assert text.count("dtmf_mode = info") == 1
    assert text.count("password = a-wrong-one") == 1


def test_every_way_to_the_gateway_is_tried() -> None:
    assert set(by_sip.WAYS.values()) <= set(contexts(by_sip.SETUP))
    for way in by_sip.WAYS:
        for promise in ("talk", "bot hangs up", "transfer", "transfer refused", "refused number"):
            assert f"sip {way} {promise}" in by_sip.CHECKS


def test_what_an_interrupted_run_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    empty, begun, other = tmp_path / "empty", tmp_path / "begun", tmp_path / "other"
    for folder in (empty, begun / "debootstrap", other / "letters"):
        folder.mkdir(parents=True)
    remove_incomplete(empty)
    remove_incomplete(begun)
    with pytest.raises(Unavailable, match="holds something else"):
        remove_incomplete(other)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
