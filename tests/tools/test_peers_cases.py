"""The cases with real peers are found by name, and judge rightly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tools.peers.__main__ import PEERS, name_of
from tools.peers.baresip import configuration, control_port, media_ports, netstring, sip_port
from tools.peers.bench import must_have_said, repeated, said
from tools.peers.kamailio import EXAMPLES
from tools.peers.names import is_named
from tools.peers.network import ADDRESSES, PACKAGES
from tools.peers.network_calls import GATEWAY_PORTS, lost_slots
from tools.peers.talk import Talk, lose
from tools.peers.versions import COMMANDS, read_version


def _noise(seconds: float, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).normal(0, 3000, round(seconds * 8000)).astype("<i2").tobytes()


def test_every_case_has_a_name_of_its_own() -> None:
    names = [name_of(peer, check) for peer, checks in PEERS.items() for check in checks]
    assert len(names) == len(set(names))
    assert all(PEERS.values())
    assert set(PEERS) <= set(COMMANDS) == set(PACKAGES)
    assert "kamailio registrar restarted" in names


def test_cases_are_chosen_by_a_word_of_their_name() -> None:
    assert is_named("sipp hold udp", [])
    assert is_named("sipp hold udp", ["refer", "hold"])
    assert not is_named("sipp hold udp", ["refer"])


@pytest.mark.parametrize("share", [0, 0.01, 0.05])
def test_what_a_network_has_lost_is_counted_and_no_more(share: float) -> None:
    speech = _noise(20)
    talk = Talk("ulaw").say(speech)
    kept = {one.packet for one in lose(talk.sent, share, seed=4)}
    track = bytearray(_noise(1.5, seed=2))
    last = b"\x00"
    for one in talk.sent:
        if one.packet in kept:
            last = one.packet[12:]
        track += np.frombuffer(_decoded(last), "<i2").astype("<i2").tobytes() if one.packet in kept else bytes(320)
    missing, first, second = lost_slots(bytes(track), speech)
    assert missing == len(talk.sent) - len(kept)
    assert first == second == pytest.approx(1.5)


def test_a_delay_that_has_grown_is_seen() -> None:
    speech = _noise(10)
    coded = b"".join(_decoded(one.packet[12:]) for one in Talk("ulaw").say(speech).sent)
    track = bytes(8000) + coded[:100_000] + bytes(1600) + coded[100_000:]
    _, first, second = lost_slots(track, speech)
    assert second - first == pytest.approx(0.1)


def _decoded(payload: bytes) -> bytes:
    from audio.codecs.g711 import decode
    from audio.format import Encoding

    return decode(payload, Encoding.PCMU)


def test_what_a_caller_heard_is_read_from_the_record() -> None:
    record = {"said": [{"text": "Good morning.", "result": "played"}, {"text": "Bye.", "result": "stopped"}]}
    assert said(record, "morning")
    assert not said(record, "Bye.")
    with pytest.raises(AssertionError, match="stopped"):
        must_have_said(record, "Bye.")


def test_messages_that_were_sent_again_are_counted() -> None:
    screen = """
      INVITE ---------->         1600      3392      0
         100 <----------         1600      17        0         0
         ACK ---------->         511       0
         BYE ---------->         511       285       0
"""
    assert repeated(screen) == 3677
    assert repeated("") == 0


def test_telephones_do_not_share_ports() -> None:
    places = range(1, 100)
    ports = [port for place in places for port in media_ports(place)]
    assert len(ports) == len(set(ports))
    assert not set(ports) & set(GATEWAY_PORTS)
    # baresip takes the port above its own for TLS.
    assert len({sip_port(place) + above for place in places for above in (0, 1)}) == 2 * len(places)
    text = configuration(Path("/tmp/there"), 3, "opus")
    assert f":{sip_port(3)}\n" in text
    assert f":{control_port(3)}\n" in text
    assert "auplay_channels 2\n" in text
    assert "auplay_srate 16000\n" in configuration(Path("/tmp/there"), 3, "g722")


def test_netstrings() -> None:
    assert netstring("dial ü") == b"7:dial \xc3\xbc,"


def test_versions() -> None:
    assert read_version("\n SIPp v3.6.1-SCTP-PCAP-RTPSTREAM.\n") == "3.6.1"
    assert read_version("Version: 10.5.3.5-1+deb12u1") == "10.5.3.5"
    assert read_version("none") == ""


def test_the_published_configurations_name_each_other() -> None:
    kamailio, rtpengine, ours = (
        (EXAMPLES / name).read_text(encoding="utf-8") for name in ("kamailio.cfg", "rtpengine.conf", "talkpath.yaml")
    )
    assert "udp:127.0.0.1:2223" in kamailio
    assert "listen-ng = 127.0.0.1:2223" in rtpengine
    assert "listen=tcp:192.0.2.10:8088" in kamailio
    assert "interface = 192.0.2.10" in rtpengine
    assert "192.0.2.10" in ADDRESSES
    assert "ws://pbx.example.com:8088/" in ours
    assert kamailio.index("pv_www_authenticate") < kamailio.index("rtpengine_offer(")
