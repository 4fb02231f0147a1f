"""The scenarios are what SIPp reads."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tools.peers.scenario import (
    FIRST_BRANCH,
    ack_refusal,
    answered,
    bye,
    cancel,
    cancel_race,
    info,
    invite,
    notify,
    pause,
    play,
    receive,
    refused,
    reinvite,
    reply,
    request,
    scenario,
    sdp,
    until_bye,
)

EVERYTHING = (
    invite("alaw"),
    answered(),
    play(Path('/tmp/a "quoted" & strange.pcap')),
    pause(1.5),
    *info("5", 2),
    *reinvite("alaw", "sendonly", 3, 2),
    *notify("200 OK", "terminated;reason=noresource", 4),
    reply("202 Accepted", "Supported: norefersub"),
    request("REFER"),
    receive(200, optional=True),
    cancel(),
    refused(404),
    *cancel_race(0.05),
    *until_bye(),
    *bye(),
)


def test_every_step_is_xml_and_every_message_is_sip() -> None:
    root = ElementTree.fromstring(scenario(*EVERYTHING, name='a "name" & more').partition('sipp.dtd">')[2])
    assert root.attrib["name"] == 'a "name" & more'
    assert {step.tag for step in root} == {"send", "recv", "nop", "pause", "label"}
    for step in root.iter("send"):
        head, _, body = (step.text or "").strip().partition("\n\n")
        lines = head.splitlines()
        assert "SIP/2.0" in lines[0]
        for name in ("Call-ID", "CSeq", "From", "To", "Via"):
            assert any(line.startswith((f"{name}:", f"[last_{name}:]")) for line in lines[1:]), (name, head)
        has_type = any(line.startswith("Content-Type:") for line in lines)
        assert has_type == bool(body)


def test_pauses_and_waits_are_in_milliseconds() -> None:
    assert pause(1.5) == '<pause milliseconds="1500"/>'
    assert 'timeout="2000"' in receive(200, timeout=2)


def test_a_refusal_is_acknowledged_in_its_own_transaction() -> None:
    assert all(f"branch={FIRST_BRANCH}\n" in step for step in (invite(), cancel(), ack_refusal()))
    assert "[last_To:]" in ack_refusal()


@pytest.mark.parametrize(("codec", "kind"), [("ulaw", "0 101"), ("alaw", "8 101")])
def test_the_description_names_codec_and_events(codec: str, kind: str) -> None:
    assert f"RTP/AVP {kind}\n" in sdp(codec)
    assert "a=sendonly" in sdp(codec, direction="sendonly", version=3)
    assert "o=- 4711 3 " in sdp(codec, version=3)
