"""The pages for owners of a PBX or a carrier's number show what is run: example files, and TwiML that is read."""

from __future__ import annotations

import re

import pytest

from gateway.caller.twilio_webhook import read_twiml
from tests.pages import ROOT, Block, blocks, prose

ASTERISK, TWILIO, SIP = (ROOT / "docs" / f"{name}.md" for name in ("asterisk", "twilio", "sip"))


def _files(folder: str) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in sorted((ROOT / "examples" / folder).iterdir())}


FILES, SIP_FILES = _files("asterisk"), _files("asterisk-sip")


@pytest.mark.parametrize(
    "block", [pytest.param(block, id=block.text.split("\n")[0]) for block in blocks(ASTERISK, "ini")]
)
def test_every_block_for_asterisk_is_in_a_file_that_is_run(block: Block) -> None:
    assert any(block.text in text for text in FILES.values())


def test_every_section_of_the_examples_is_explained() -> None:
    shown = "".join(block.text for block in blocks(ASTERISK, "ini"))
    sections = [line for text in FILES.values() for line in text.splitlines() if line.startswith("[")]
    assert len(sections) > 10
    assert [section for section in sections if section not in shown] == [
        "[bot-tls]"
    ]  # differs in one line, which is shown


def test_both_sides_of_the_examples_know_the_same_path_and_user() -> None:
    gateway, client, dialplan = (FILES[name] for name in ("talkpath.yaml", "websocket_client.conf", "extensions.conf"))
    assert "path: /media/asterisk\n" in gateway
    assert client.count("/media/asterisk") == client.count("type = websocket_client")
    assert "username: pbx," in gateway
    assert client.count("username = pbx") == client.count("type = websocket_client")
    assert "/api/lines/pbx/connect" in dialplan


@pytest.mark.parametrize(
    "block", [pytest.param(block, id=block.text.split("\n")[0]) for block in blocks(SIP, "ini", "yaml")]
)
def test_every_block_for_sip_is_in_a_file_that_is_run(block: Block) -> None:
    is_about_browsers = "path: /sip" in block.text  # the one way in that Asterisk cannot take
    part = block.text.removeprefix("lines:\n")
    assert is_about_browsers or any(part in text for text in SIP_FILES.values())


def test_every_section_of_the_sip_examples_is_explained() -> None:
    shown = "".join(block.text for block in blocks(SIP, "ini"))
    sections = [line for text in SIP_FILES.values() for line in text.splitlines() if line.startswith("[")]
    assert len(sections) > 10
    assert [section for section in sections if section not in shown] == []


def test_both_sides_of_the_sip_examples_know_the_same_accounts_and_contexts() -> None:
    gateway, pjsip, dialplan = (SIP_FILES[name] for name in ("talkpath.yaml", "pjsip.conf", "extensions.conf"))
    for account in re.findall(r"aor: \"?sip:([\w-]+)@", gateway):
        assert f"[{account}]\ntype = endpoint" in pjsip
        assert f"username = {account}\n" in pjsip
    endpoints = set(re.findall(r"\[([\w-]+)\]\ntype = endpoint", pjsip))
    assert endpoints == set(re.findall(r"PJSIP/\$\{EXTEN\}@([\w-]+)", dialplan))
    assert set(re.findall(r"context = ([\w-]+)", pjsip)) <= set(re.findall(r"^\[([\w-]+)\]", dialplan, re.MULTILINE))


def test_the_twiml_connects_the_stream_and_then_goes_on() -> None:
    [twiml] = blocks(TWILIO, "xml")
    url, parameters = read_twiml(twiml.text.encode())
    assert url == "wss://voice.example.com/media/twilio"
    assert parameters == {"from": "{{From}}", "to": "{{To}}"}
    assert "</Connect>\n  <Dial>" in twiml.text


def test_it_is_said_that_twilio_itself_was_not_asked() -> None:
    assert "None of this was tried against Twilio itself" in prose(TWILIO)
