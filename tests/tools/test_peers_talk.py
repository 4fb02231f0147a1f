"""What the callers of the real peers send is what it says."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from audio.codecs.g711 import decode
from audio.format import Encoding
from tools.peers.talk import EVENT_TYPE, Sent, Talk, lose, run_at, write_pcap


def _number(one: Sent) -> int:
    return int(struct.unpack_from("!H", one.packet, 2)[0])


def _stamp(one: Sent) -> int:
    return int(struct.unpack_from("!I", one.packet, 4)[0])


def _tone(seconds: float) -> bytes:
    return (8000 * np.sin(np.arange(round(8000 * seconds)) / 3)).astype("<i2").tobytes()


@pytest.mark.parametrize(("codec", "kind", "encoding"), [("ulaw", 0, Encoding.PCMU), ("alaw", 8, Encoding.PCMA)])
def test_words_are_sent_every_20_ms(codec: str, kind: int, encoding: Encoding) -> None:
    talk = Talk(codec).silence(0.1).say(_tone(0.09)).until(0.3)
    assert [round(one.at, 3) for one in talk.sent] == [round(n / 50, 3) for n in range(15)]
    assert [_number(one) - _number(talk.sent[0]) for one in talk.sent] == list(range(15))
    assert [_stamp(one) - _stamp(talk.sent[0]) for one in talk.sent] == [160 * n for n in range(15)]
    assert {one.packet[1] & 0x7F for one in talk.sent} == {kind}
    heard = np.frombuffer(decode(b"".join(one.packet[12:] for one in talk.sent), encoding), "<i2")[800:1520]
    assert np.abs(heard - np.frombuffer(_tone(0.09), "<i2")).max() < 300


def test_a_key_is_an_event_that_grows_and_ends_three_times() -> None:
    talk = Talk("ulaw").silence(0.04).press("#")
    events = [one for one in talk.sent if one.is_event]
    assert [struct.unpack("!BBH", one.packet[12:]) for one in events] == [
        *((11, 10, 160 * step) for step in range(1, 6)),
        *((11, 0x8A, 800) for _ in range(3)),
    ]
    assert len({_stamp(one) for one in events}) == 1
    assert [one.packet[1] for one in events] == [0x80 | EVENT_TYPE] + 7 * [EVENT_TYPE]
    after = talk.sent[talk.sent.index(events[-1]) + 1]
    assert _stamp(after) - _stamp(events[0]) == 800
    assert after.at == pytest.approx(0.14)


def test_lost_ends_leave_their_numbers_free() -> None:
    talk = Talk("ulaw").press("1", ends=0)
    numbers = [_number(one) for one in talk.sent]
    assert numbers[5] - numbers[4] == 4
    assert len([one for one in talk.sent if one.is_event]) == 5


def test_a_network_loses_its_share_and_the_same_one_each_time() -> None:
    sent = Talk("ulaw").silence(100).sent
    kept = lose(sent, 0.05, seed=1)
    assert 0.93 < len(kept) / len(sent) < 0.97
    assert kept == lose(sent, 0.05, seed=1) != lose(sent, 0.05, seed=2)
    assert kept[0] == sent[0]
    assert lose(sent, 0, seed=1) == sent


def test_a_clock_that_is_too_fast_is_done_sooner() -> None:
    sent = Talk("ulaw").silence(100).sent
    assert run_at(sent, 500)[-1].at == pytest.approx(sent[-1].at - 0.05, abs=0.001)
    assert [one.packet for one in run_at(sent, 500)] == [one.packet for one in sent]


def test_the_file_is_a_pcap_of_ethernet_frames(tmp_path: Path) -> None:
    sent = Talk("ulaw").silence(1.5).sent
    write_pcap(tmp_path / "talk.pcap", sent)
    data = (tmp_path / "talk.pcap").read_bytes()
    assert struct.unpack_from("=I", data)[0] == 0xA1B2C3D4
    assert struct.unpack_from("=I", data, 20)[0] == 1
    place, times, packets = 24, [], []
    while place < len(data):
        seconds, micros, kept, whole = struct.unpack_from("=IIII", data, place)
        assert kept == whole
        frame = data[place + 16 : place + 16 + kept]
        assert frame[12:14] == b"\x08\x00"
        assert struct.unpack_from("!H", frame, 16)[0] == kept - 14
        times.append(seconds + micros / 1e6)
        packets.append(frame[42:])
        place += 16 + kept
    assert packets == [one.packet for one in sent]
    assert times == pytest.approx([one.at for one in sent])
