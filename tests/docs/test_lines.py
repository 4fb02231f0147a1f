"""The pages for owners of a PBX or a carrier's number show what is run: example files, and TwiML that is read."""

from __future__ import annotations

import pytest

from gateway.caller.twilio_webhook import read_twiml
from tests.pages import ROOT, Block, blocks, prose

ASTERISK, TWILIO = ROOT / "docs" / "asterisk.md", ROOT / "docs" / "twilio.md"
FILES = {file.name: file.read_text(encoding="utf-8") for file in sorted((ROOT / "examples" / "asterisk").iterdir())}


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


def test_the_twiml_connects_the_stream_and_then_goes_on() -> None:
    [twiml] = blocks(TWILIO, "xml")
    url, parameters = read_twiml(twiml.text.encode())
    assert url == "wss://voice.example.com/media/twilio"
    assert parameters == {"from": "{{From}}", "to": "{{To}}"}
    assert "</Connect>\n  <Dial>" in twiml.text


def test_it_is_said_that_twilio_itself_was_not_asked() -> None:
    assert "None of this was tried against Twilio itself" in prose(TWILIO)
