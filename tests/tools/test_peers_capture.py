"""What went over the wire is read and put together rightly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tools.asterisk.sound import correlation
from tools.peers.capture import Endpoint, Heard, Taken, read_datagram
from tools.peers.network import packages_of
from tools.peers.talk import Sent, Talk, lose, write_pcap

HERE, THERE = Endpoint("127.0.0.1", 4000), Endpoint("127.0.0.2", 4002)


def _noise(seconds: float) -> bytes:
    return np.random.default_rng(1).normal(0, 3000, round(seconds * 8000)).astype("<i2").tobytes()


def _heard(sent: list[Sent]) -> Heard:
    return Heard([Taken(one.at, HERE, THERE, one.packet) for one in sent])


def test_datagrams_are_read_from_frames(tmp_path: Path) -> None:
    talk = Talk("ulaw").say(_noise(0.02))
    write_pcap(tmp_path / "a.pcap", talk.sent)
    frame = (tmp_path / "a.pcap").read_bytes()[40:]
    assert read_datagram(1.5, frame) == Taken(1.5, HERE, THERE, talk.sent[0].packet)
    for cut in range(42):
        assert read_datagram(0, frame[:cut]) is None
    assert read_datagram(0, frame[:23] + b"\x06" + frame[24:]) is None


def test_time_stamps_place_audio_and_leave_holes_for_what_is_missing() -> None:
    speech = _noise(4.0)
    whole = Talk("alaw").say(speech).sent
    assert correlation(_heard(whole).pcm(), speech)[0] > 0.999
    lossy = _heard(lose(whole, 0.05, seed=3))
    assert len(lossy.pcm()) == len(speech)
    assert 0.96 < correlation(lossy.pcm(), speech)[0] < 0.99
    swapped = [*whole[:50], whole[51], whole[50], *whole[52:]]
    assert _heard(swapped).pcm() == _heard(whole).pcm()


def test_reports_and_other_protocols_are_not_heard() -> None:
    report, stun = bytes([0x80, 200]) + bytes(26), bytes(20)
    heard = Heard([Taken(0, HERE, THERE, data) for data in (report, stun, b"\r\n\r\n")])
    assert heard.taken == []
    assert heard.pcm() == b""
    assert heard.summary() == "nothing heard"


def test_delay_that_grows_is_seen() -> None:
    sent = Talk("ulaw").silence(1.0).sent
    assert _heard(sent).lateness == pytest.approx(0, abs=1e-6)
    late = [Sent(one.at + (0.3 if number > 20 else 0), one.packet) for number, one in enumerate(sent)]
    assert _heard(late).lateness == pytest.approx(0.3)
    assert _heard(late).gaps()[-1] == pytest.approx(0.32)


def test_packages_of_missing_peers() -> None:
    assert packages_of(["sipp"]) == ["sip-tester"]
    assert packages_of(["kamailio"]) == ["kamailio", "kamailio-websocket-modules", "kamailio-utils-modules"]


def test_one_callers_audio_is_found_among_others() -> None:
    ours, theirs = Talk("ulaw", source=7).silence(0.2).press("1").silence(0.1), Talk("ulaw", source=8).silence(0.4)
    both = _heard([*ours.sent, *theirs.sent])
    found = both.audio_of(7)
    assert found.sources == {7}
    assert found.payload_types == {0}
    assert len(found.taken) == sum(not one.is_event for one in ours.sent)
    assert found.lateness == pytest.approx(0, abs=1e-6)
    assert both.audio_of(9).lateness == 0.0
