"""Offers of real peers, odd ones, and what is answered; offers of our own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.transports.media.answer import Negotiation
from gateway.transports.media.described import AgreedAudio, LocalMedia
from gateway.transports.media.offered import Security
from gateway.transports.media.path import Fingerprint, LocalIce
from gateway.transports.media.sdes import SUITES, Crypto
from gateway.transports.media.sdp import SdpError, SessionDescription

OFFERS = Path(__file__).parents[2] / "fixtures" / "sip" / "offers"
NAMES = sorted(path.name for path in OFFERS.glob("*.sdp"))
ICE = LocalIce(
    ufrag="ours",
    pwd="ourpasswordourpasswordou",
    fingerprint=Fingerprint("sha-256", "AA:BB"),
    candidates=("1 1 udp 2130706431 198.51.100.1 30000 typ host",),
    address="198.51.100.1",
    port=30000,
    rtcp_port=None,
)
WEBRTC = LocalMedia.of(ICE)
PLAIN = LocalMedia(address="198.51.100.1", port=20000, rtcp_port=20001)
HEAD = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n"
DTLS = "a=fingerprint:sha-256 CC:DD\na=ice-ufrag:theirs\na=ice-pwd:theirpassword\n"


def offer(name: str) -> bytes:
    return (OFFERS / name).read_bytes()


ALL: tuple[Security, ...] = ("none", "sdes", "dtls")


def negotiation(*codecs: str, security: tuple[Security, ...] = ALL) -> Negotiation:
    return Negotiation(codecs or ("PCMA", "PCMU"), session_id=1000, security=security)


def answered(
    body: bytes | str, *codecs: str, local: LocalMedia | None = None, security: tuple[Security, ...] = ALL
) -> tuple[AgreedAudio, SessionDescription]:
    """What was agreed, and our answer; a body given as text may leave out the session's lines."""
    talks = negotiation(*codecs, security=security)
    agreed = talks.read_offer(body if isinstance(body, bytes) else (HEAD + body).encode())
    local = local or (WEBRTC if agreed.security == "dtls" else PLAIN)
    return agreed, SessionDescription.from_wire(talks.answer(local))


# --- offers of real peers ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_every_answer_has_the_offers_sections_profiles_and_payload_types(name: str) -> None:
    offered = SessionDescription.from_wire(offer(name))
    agreed, answer = answered(offer(name), "opus", "G722", "PCMA", "PCMU")
    assert [(media.kind, media.protocol) for media in answer.media] == [
        (media.kind, media.protocol) for media in offered.media
    ]
    ours, theirs = answer.media[agreed.index], offered.media[agreed.index]
    assert ours.port
    assert set(ours.formats) <= set(theirs.formats)
    assert ours.formats[0] == str(agreed.codec.payload_type)
    assert ours.get("mid") == theirs.get("mid")
    assert (ours.get("rtcp-mux") is None) == (theirs.get("rtcp-mux") is None)
    assert answer.get("group") == (f"BUNDLE {theirs.get('mid')}" if offered.get("group") else None)
    assert [media.port for media in answer.media if media is not ours] == [0] * (len(answer.media) - 1)


def test_asterisk_with_webrtc() -> None:
    agreed, answer = answered(offer("asterisk_webrtc.sdp"))
    assert (agreed.codec.name, agreed.codec.payload_type) == ("PCMA", 8)
    assert agreed.event is not None
    assert (agreed.event.payload_type, agreed.event.clock_rate) == (101, 8000)
    assert agreed.security == "dtls"
    assert agreed.rtcp_mux
    assert agreed.dtls_role == "passive"
    remote = agreed.remote_ice
    assert remote is not None
    assert (remote.ufrag, len(remote.candidates), remote.is_lite) == ("43c85635766c9d5751c9e19a55eb2d32", 3, False)
    assert remote.fingerprints[0].value.startswith("BB:5D:4C")
    assert answer.to_wire() == (
        b"v=0\r\no=- 1000 1000 IN IP4 198.51.100.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE audio-0\r\n"
        b"m=audio 30000 UDP/TLS/RTP/SAVPF 8 101\r\nc=IN IP4 198.51.100.1\r\n"
        b"a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n"
        b"a=mid:audio-0\r\na=sendrecv\r\na=rtcp-mux\r\na=fingerprint:sha-256 AA:BB\r\na=setup:passive\r\n"
        b"a=ice-ufrag:ours\r\na=ice-pwd:ourpasswordourpasswordou\r\n"
        b"a=candidate:1 1 udp 2130706431 198.51.100.1 30000 typ host\r\na=end-of-candidates\r\n"
    )


def test_kamailio_with_rtpengine() -> None:
    agreed, answer = answered(offer("kamailio_rtpengine.sdp"))
    assert (agreed.codec.name, agreed.peer.mid, answer.get("group")) == ("PCMU", "1", None)
    assert answer.media[0].get("fmtp") == "101 0-15"
    remote = agreed.remote_ice
    assert remote is not None
    assert [candidate.split()[1] for candidate in remote.candidates] == ["1", "2"]


@pytest.mark.parametrize(("codec", "event"), [("opus", 110), ("PCMU", 126), ("G722", 126)])
def test_chromium_gets_telephone_events_of_the_codecs_clock(codec: str, event: int) -> None:
    agreed, answer = answered(offer("chromium.sdp"), codec)
    assert agreed.event is not None
    assert (agreed.codec.name, agreed.event.payload_type) == (codec, event)
    assert answer.media[0].formats == [str(agreed.codec.payload_type), str(event)]
    assert f"{event} 0-16" in answer.media[0].all("fmtp")  # a browser sends no keys unless they are answered


def test_chromiums_video_is_refused_and_left_out_of_the_bundle() -> None:
    _, answer = answered(offer("chromium_with_video.sdp"), "opus")
    audio, video = answer.media
    assert (audio.port, video.port, video.formats, video.get("mid")) == (30000, 0, ["96", "97"], "1")
    assert video.get("ice-ufrag") is None
    assert answer.get("group") == "BUNDLE 0"


def test_a_browser_that_hides_its_addresses_is_not_on_hold() -> None:
    agreed, answer = answered(offer("jssip_mdns.sdp"), "PCMU")
    assert not agreed.is_held
    assert agreed.direction == "sendrecv"
    assert agreed.remote_ice is not None
    assert ".local" in agreed.remote_ice.candidates[0]
    assert answer.media[0].get("sendrecv") == ""


def test_baresip_in_plain_rtp() -> None:
    agreed, answer = answered(offer("baresip.sdp"))
    assert (agreed.security, agreed.remote_ice, agreed.rtcp_mux) == ("none", None, False)
    assert (agreed.peer.address, agreed.peer.port, agreed.peer.rtcp_port) == ("192.0.2.30", 10000, 10001)
    (media,) = answer.media
    assert (media.protocol, media.port, media.get("rtcp")) == ("RTP/AVP", 20000, "20001 IN IP4 198.51.100.1")
    assert media.get("fingerprint") is media.get("ice-ufrag") is media.get("setup") is None


def test_baresip_without_multiplexing_gets_two_ports() -> None:
    two = LocalMedia(address=ICE.address, port=30000, rtcp_port=30001, ice=ICE)
    agreed, answer = answered(offer("baresip_dtls_without_mux.sdp"), "opus", local=two)
    assert not agreed.rtcp_mux
    assert agreed.remote_ice is not None
    assert not agreed.remote_ice.rtcp_mux
    assert answer.media[0].get("rtcp-mux") is None
    assert answer.media[0].get("rtcp") == "30001 IN IP4 198.51.100.1"
    assert agreed.event is not None
    assert agreed.event.clock_rate == 8000


def test_sipp_without_and_with_events() -> None:
    agreed, answer = answered(offer("sipp.sdp"))
    assert agreed.event is None
    assert answer.media[0].formats == ["0"]
    agreed, answer = answered(offer("sipp_pcap.sdp"))
    assert answer.media[0].formats == ["8", "101"]
    assert answer.media[0].get("fmtp") == "101 0,1,2,3,4,5,6,7,8,9,10,11,16"


# --- odd offers ----------------------------------------------------------------------------------------------------
def test_the_first_payload_type_need_not_be_the_codec() -> None:
    agreed, _ = answered("m=audio 4000 RTP/AVP 101 8 0\na=rtpmap:101 telephone-event/8000")
    assert (agreed.codec.name, agreed.codec.payload_type) == ("PCMA", 8)
    assert agreed.event is not None
    assert agreed.event.payload_type == 101


def test_our_order_of_codecs_decides_whatever_theirs_is() -> None:
    body = "m=audio 4000 RTP/AVP 0 8 9 96\na=rtpmap:96 OPUS/48000/2"
    assert answered(body, "pcma", "pcmu")[0].codec.name == "PCMA"
    assert answered(body, "opus", "pcmu")[0].codec.payload_type == 96
    assert answered(body, "g722")[0].codec.clock_rate == 8000


def test_payload_numbers_are_the_offers() -> None:
    body = "m=audio 4000 RTP/AVP 120 97\na=rtpmap:120 PCMU/8000\na=rtpmap:97 telephone-event/8000\na=fmtp:97 0-11"
    agreed, answer = answered(body)
    assert agreed.codec.payload_type == 120
    assert answer.media[0].formats == ["120", "97"]
    assert list(answer.media[0].all("rtpmap")) == ["120 PCMU/8000", "97 telephone-event/8000"]
    assert answer.media[0].get("fmtp") == "97 0-11"


@pytest.mark.parametrize(
    ("named", "answer"),
    [("0-15", "0-15"), ("0-16", "0-16"), ("0-255", "0-16"), ("", "0-16"), ("x", "0-16"), ("0-11,66,70", "0-11")],
)
def test_the_events_that_both_know(named: str, answer: str) -> None:
    _, ours = answered(
        "m=audio 4000 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\n" + (f"a=fmtp:101 {named}\n" if named else "")
    )
    assert ours.media[0].get("fmtp") == f"101 {answer}"


def test_without_events_there_are_none() -> None:
    agreed, answer = answered("m=audio 4000 RTP/AVP 0")
    assert agreed.event is None
    assert answer.media[0].get("fmtp") is None


@pytest.mark.parametrize(
    ("setup", "role"),
    [("actpass", "passive"), ("active", "passive"), ("passive", "active"), ("", "passive"), ("odd", "passive")],
)
def test_we_are_the_dtls_server_wherever_the_peer_lets_us(setup: str, role: str) -> None:
    line = f"a=setup:{setup}\n" if setup else ""
    agreed, answer = answered(f"m=audio 4000 UDP/TLS/RTP/SAVPF 0\n{DTLS}{line}")
    assert agreed.dtls_role == role
    assert answer.media[0].get("setup") == role


@pytest.mark.parametrize("profile", ["UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP"])
def test_the_profile_is_repeated_as_written(profile: str) -> None:
    _, answer = answered(f"m=audio 4000 {profile} 0\n{DTLS}")
    assert answer.media[0].protocol == profile


def test_a_lite_peer() -> None:
    agreed, _ = answered(f"a=ice-lite\nm=audio 4000 UDP/TLS/RTP/SAVPF 0\n{DTLS}")
    assert agreed.remote_ice is not None
    assert agreed.remote_ice.is_lite


def test_no_bundle_where_none_is_offered_or_we_are_not_in_it() -> None:
    assert answered(f"m=audio 4000 UDP/TLS/RTP/SAVPF 0\n{DTLS}a=mid:x")[1].get("group") is None
    assert answered(f"a=group:BUNDLE v\nm=audio 4000 UDP/TLS/RTP/SAVPF 0\n{DTLS}a=mid:a")[1].get("group") is None
    assert answered(f"a=group:BUNDLE v\nm=audio 4000 UDP/TLS/RTP/SAVPF 0\n{DTLS}")[1].get("group") is None


def test_a_refused_video_before_the_audio_stays_before_it() -> None:
    agreed, answer = answered("m=video 0 RTP/AVP 31\nm=audio 4000 RTP/AVP 0\nm=image 5000 udptl t38")
    assert agreed.index == 1
    assert [(media.kind, media.port, media.protocol) for media in answer.media] == [
        ("video", 0, "RTP/AVP"),
        ("audio", 20000, "RTP/AVP"),
        ("image", 0, "udptl"),
    ]


def test_of_two_audio_sections_the_first_usable_one_is_taken() -> None:
    body = "m=audio 4000 RTP/SAVP 0\nm=audio 4002 RTP/AVP 8\nm=audio 4004 RTP/AVP 0"
    agreed, answer = answered(body)
    assert (agreed.index, agreed.peer.port, [media.port for media in answer.media]) == (1, 4002, [0, 20000, 0])


def test_ice_without_dtls_is_answered_without_ice() -> None:
    agreed, answer = answered("m=audio 4000 RTP/AVP 0\na=ice-ufrag:theirs\na=ice-pwd:theirpassword")
    assert agreed.remote_ice is None
    assert answer.media[0].get("ice-ufrag") is None


KEY = "inline:" + "A" * 40  # 30 bytes
OURS = Crypto("7", "AES_CM_128_HMAC_SHA1_80", b"o" * 30)


def keyed(*ours: Crypto) -> LocalMedia:
    return LocalMedia(address="198.51.100.1", port=20000, rtcp_port=20001, crypto=ours)


@pytest.mark.parametrize("profile", ["RTP/SAVP", "RTP/SAVPF", "RTP/AVP"])
def test_sdes(profile: str) -> None:
    body = f"m=audio 4000 {profile} 0\na=crypto:7 AES_CM_128_HMAC_SHA1_80 {KEY}|2^31"
    agreed, answer = answered(body, local=keyed(OURS))
    assert agreed.crypto == Crypto("7", "AES_CM_128_HMAC_SHA1_80", bytes(30), 1 << 31)
    assert (agreed.security, answer.media[0].protocol) == ("sdes", profile)
    assert answer.media[0].get("crypto") == f"7 AES_CM_128_HMAC_SHA1_80 inline:{'b29v' * 10}"
    with pytest.raises(LocalProtocolError, match="key"):
        answered(body, local=keyed(Crypto("6", OURS.suite, OURS.key)))


def test_keys_beside_plain_audio_may_be_left_alone_and_what_cannot_be_used_is_no_obstacle() -> None:
    beside = f"m=audio 4000 RTP/AVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}"
    for body, means in ((beside, ("none",)), (beside.replace("AES_CM", "F8"), ALL)):
        agreed, answer = answered(body, security=means)
        assert (agreed.security, agreed.crypto, answer.media[0].get("crypto")) == ("none", None, None)


@pytest.mark.parametrize(
    ("lines", "reason", "warning"),
    [
        ("RTP/AVP 0", "RTP/AVP is not encrypted", 302),
        ("RTP/AVP 0\na=crypto:1 AES_CM_256_HMAC_SHA1_80 inline:abc", "RTP/AVP is not encrypted", 302),
        (
            "RTP/SAVP 0\na=crypto:1 AES_CM_256_HMAC_SHA1_80 inline:abc",
            r"no means for RTP/SAVP \(the suite AES_CM_256_HMAC_SHA1_80 is unknown\)",
            None,
        ),
    ],
)
def test_a_line_that_must_encrypt_refuses_what_is_not(lines: str, reason: str, warning: int | None) -> None:
    with pytest.raises(SdpError, match=reason) as refused:
        answered(f"m=audio 4000 {lines}", security=("sdes", "dtls"))
    assert refused.value.status == 488
    assert (refused.value.warning or (None,))[0] == warning


def test_the_key_in_use_stays_in_use_when_more_are_offered() -> None:
    talks = negotiation()
    used = f"a=crypto:2 AES_CM_128_HMAC_SHA1_80 {KEY}"
    talks.read_offer((HEAD + f"m=audio 4000 RTP/SAVP 0\n{used}").encode())
    talks.answer(keyed(Crypto("2", OURS.suite, OURS.key)))
    other = f"a=crypto:1 AEAD_AES_256_GCM inline:{'B' * 59}="
    assert talks.read_offer((HEAD + f"m=audio 4000 RTP/SAVP 0\n{other}\n{used}").encode()).crypto == talks.agreed.crypto  # type: ignore[union-attr]  # agreed by the answer
    assert talks.read_offer((HEAD + f"m=audio 4000 RTP/SAVP 0\n{other}").encode()).crypto.tag == "1"  # type: ignore[union-attr]  # there is a line


def test_our_offer_of_keys_and_its_answer() -> None:
    talks = Negotiation(session_id=1, security=("sdes", "dtls"))
    lines = tuple(Crypto(str(tag), suite, b"o" * SUITES[suite].key_bytes) for tag, suite in enumerate(SUITES, 1))
    offered = SessionDescription.from_wire(talks.offer(keyed(*lines))).media[0]
    assert offered.protocol == "RTP/SAVP"
    assert list(offered.all("crypto")) == [str(line) for line in lines]
    answer = HEAD + "m=audio 4000 RTP/SAVP 8\na=crypto:{} AES_CM_128_HMAC_SHA1_80 " + KEY
    with pytest.raises(SdpError, match="no means"):  # not a tag of ours for that suite
        talks.read_answer(answer.format(2).encode())
    agreed = talks.read_answer(answer.format(1).encode())
    assert agreed.crypto == Crypto("1", "AES_CM_128_HMAC_SHA1_80", bytes(30))
    again = SessionDescription.from_wire(talks.offer(keyed(lines[0]))).media[0]
    assert list(again.all("crypto")) == [str(lines[0])]
    with pytest.raises(SdpError, match="not encrypted"):
        talks.read_answer((HEAD + "m=audio 4000 RTP/AVP 8").encode())


def test_what_else_the_peer_may_send_without_a_word() -> None:
    agreed, _ = answered(
        "m=audio 4000 RTP/AVP 101 8 9 0 96\na=rtpmap:96 opus/48000/2\na=rtpmap:101 telephone-event/8000"
    )
    assert (agreed.codec.name, [entry.name for entry in agreed.others]) == ("PCMA", ["PCMU"])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("m=audio 0 RTP/AVP 0", "no audio"),
        ("m=video 4000 RTP/AVP 31", "no video"),
        ("m=audio 4000 RTP/AVP 18", "no common codec"),
        ("m=audio 4000 RTP/AVP 101\na=rtpmap:101 telephone-event/8000", "among telephone-event"),
        ("m=audio 4000 RTP/AVP 96\na=rtpmap:96 PCMU/16000", "no common codec"),
        ("m=audio 4000 RTP/SAVP 0", "no means"),
        ("m=audio 4000 RTP/SAVPF 0\na=fingerprint:sha-1 AB\na=ice-ufrag:a\na=ice-pwd:b", "no means"),
        ("m=audio 4000 UDP/TLS/RTP/SAVPF 0\na=fingerprint:sha-256 AB", "without ICE"),
        ("m=audio 4000 TCP/RTP/AVP 0", "no means"),
    ],
)
def test_what_we_cannot_do_is_refused_with_488(body: str, reason: str) -> None:
    with pytest.raises(SdpError, match=reason) as caught:
        answered(body)
    assert caught.value.status == 488


def test_what_a_line_may_not_do_is_refused() -> None:
    only_plain = Negotiation(session_id=1, security=("none",))
    with pytest.raises(SdpError, match="with dtls"):
        only_plain.read_offer(offer("chromium.sdp"))


@given(st.lists(st.sampled_from([line for name in NAMES for line in offer(name).split(b"\n")]), max_size=40))
def test_offers_of_any_lines_are_answered_or_refused(lines: list[bytes]) -> None:
    talks = negotiation("opus", "PCMU", "PCMA", "G722")
    try:
        agreed = talks.read_offer(b"\n".join(lines))
    except SdpError:
        return
    answer = SessionDescription.from_wire(talks.answer(WEBRTC if agreed.security == "dtls" else PLAIN))
    assert len(answer.media) == sum(line.startswith(b"m=") for line in lines)
    assert sum(media.port > 0 for media in answer.media) == 1


# --- later offers ----------------------------------------------------------------------------------------------------
def test_the_same_offer_again_gets_the_same_answer() -> None:
    talks = negotiation()
    first = talks.read_offer(offer("asterisk_webrtc.sdp"))
    answer = talks.answer(WEBRTC)
    again = talks.read_offer(offer("asterisk_webrtc.sdp"))
    assert not again.restarts_ice(first)
    assert not again.restarts_dtls(first)
    assert talks.answer(WEBRTC) == answer


@pytest.mark.parametrize(
    ("line", "ours", "is_held"),
    [
        ("a=sendonly", "recvonly", True),
        ("a=inactive", "inactive", True),
        ("a=recvonly", "sendonly", False),
        ("c=IN IP4 0.0.0.0", "recvonly", True),
        ("c=IN IP4 0.0.0.0\na=inactive", "inactive", True),
    ],
)
def test_hold_and_resume(line: str, ours: str, is_held: bool) -> None:
    talks = negotiation()
    talks.read_offer((HEAD + "m=audio 4000 RTP/AVP 0").encode())
    talks.answer(PLAIN)
    held = talks.read_offer((HEAD + f"m=audio 4000 RTP/AVP 0\n{line}").encode())
    assert (held.direction, held.is_held) == (ours, is_held)
    answer = SessionDescription.from_wire(talks.answer(PLAIN))
    assert answer.media[0].get(ours) == ""
    assert (answer.origin.session_id, answer.origin.version) == ("1000", "1001")
    resumed = talks.read_offer((HEAD + "m=audio 4000 RTP/AVP 0").encode())
    assert resumed.direction == "sendrecv"
    assert SessionDescription.from_wire(talks.answer(PLAIN)).origin.version == "1002"


def test_a_later_offer_keeps_the_codec_while_it_has_it() -> None:
    talks = negotiation("PCMA", "PCMU")
    talks.read_offer((HEAD + "m=audio 4000 RTP/AVP 0").encode())
    talks.answer(PLAIN)
    assert talks.read_offer((HEAD + "m=audio 4000 RTP/AVP 8 0").encode()).codec.name == "PCMU"
    assert talks.read_offer((HEAD + "m=audio 4000 RTP/AVP 8").encode()).codec.name == "PCMA"


def test_an_offer_that_is_refused_leaves_everything_as_it_was() -> None:
    talks = negotiation()
    agreed = talks.read_offer(offer("sipp.sdp"))
    talks.answer(PLAIN)
    with pytest.raises(SdpError):
        talks.read_offer((HEAD + "m=audio 4000 RTP/AVP 18").encode())
    assert talks.agreed == agreed
    with pytest.raises(LocalProtocolError, match="no offer"):
        talks.answer(PLAIN)


def test_new_credentials_restart_ice_and_a_new_certificate_dtls() -> None:
    talks = negotiation()
    first = talks.read_offer(offer("asterisk_webrtc.sdp"))
    talks.answer(WEBRTC)
    ice = talks.read_offer(offer("asterisk_webrtc.sdp").replace(b"ice-ufrag:43", b"ice-ufrag:99"))
    assert ice.restarts_ice(first)
    assert not ice.restarts_dtls(first)
    dtls = talks.read_offer(offer("asterisk_webrtc.sdp").replace(b"BB:5D", b"BB:5E"))
    assert dtls.restarts_dtls(first)
    assert not dtls.restarts_ice(first)


def test_the_dtls_role_is_kept_when_a_later_offer_leaves_the_choice() -> None:
    talks = negotiation()
    text = offer("asterisk_webrtc.sdp")
    assert talks.read_offer(text.replace(b"setup:actpass", b"setup:passive")).dtls_role == "active"
    talks.answer(WEBRTC)
    assert talks.read_offer(text).dtls_role == "active"
    assert talks.read_offer(text.replace(b"BB:5D", b"BB:5E")).dtls_role == "passive"


# --- offers of ours ------------------------------------------------------------------------------------------------
def test_an_offer_in_plain_rtp_and_its_answer() -> None:
    talks = negotiation("PCMA", "PCMU")
    (media,) = SessionDescription.from_wire(talks.offer(PLAIN)).media
    assert (media.protocol, media.formats) == ("RTP/AVP", ["8", "0", "101"])
    assert media.get("mid") is None
    assert media.get("rtcp-mux") == ""
    assert media.get("rtcp") == "20001 IN IP4 198.51.100.1"
    body = "m=audio 5000 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000"
    agreed = talks.read_answer((HEAD + body).encode())
    assert (agreed.codec.name, agreed.peer.port, agreed.rtcp_mux, agreed.direction) == ("PCMU", 5000, False, "sendrecv")
    assert agreed == talks.agreed


@pytest.mark.parametrize(("setup", "role"), [("passive", "active"), ("active", "passive")])
def test_an_offer_with_webrtc_and_its_answer(setup: str, role: str) -> None:
    talks = negotiation("opus", "PCMU")
    description = SessionDescription.from_wire(talks.offer(WEBRTC))
    (media,) = description.media
    assert (media.protocol, media.formats) == ("UDP/TLS/RTP/SAVPF", ["111", "0", "110", "101"])
    assert (media.get("setup"), media.get("mid"), description.get("group")) == ("actpass", "0", "BUNDLE 0")
    body = f"m=audio 5000 UDP/TLS/RTP/SAVPF 0 101\na=rtpmap:101 telephone-event/8000\na=rtcp-mux\na=mid:0\n{DTLS}"
    agreed = talks.read_answer((HEAD + body + f"a=setup:{setup}").encode())
    assert (agreed.codec.name, agreed.rtcp_mux, agreed.dtls_role) == ("PCMU", True, role)


def test_the_answer_to_our_offer_is_read_by_the_one_who_offered() -> None:
    ours, theirs = negotiation("opus", "PCMU"), negotiation("PCMU")
    theirs.read_offer(ours.offer(WEBRTC))
    agreed = ours.read_answer(theirs.answer(WEBRTC))
    assert agreed.codec.name == "PCMU"
    assert agreed.dtls_role == "active"
    assert agreed.event is not None
    assert agreed.event.payload_type == 101


@pytest.mark.parametrize(
    ("body", "reason", "status"),
    [
        ("m=audio 0 RTP/AVP 8", "refuses", 488),
        ("m=video 5000 RTP/AVP 31", "refuses", 488),
        ("m=audio 5000 RTP/AVP 9", "no common codec", 488),
        ("a=sendrecv", "no media", 400),
    ],
)
def test_an_answer_that_refuses(body: str, reason: str, status: int) -> None:
    talks = negotiation()
    talks.offer(PLAIN)
    with pytest.raises(SdpError, match=reason) as caught:
        talks.read_answer((HEAD + body).encode())
    assert caught.value.status == status
    assert talks.agreed is None


def test_an_answer_needs_an_offer() -> None:
    with pytest.raises(LocalProtocolError, match="no offer"):
        negotiation().read_answer(offer("sipp.sdp"))


def test_a_later_offer_of_ours_repeats_sections_payload_types_and_mid() -> None:
    talks = negotiation("opus")
    talks.read_offer(offer("chromium_with_video.sdp"))
    talks.answer(WEBRTC)
    again = SessionDescription.from_wire(talks.offer(WEBRTC, "sendonly"))
    audio, video = again.media
    assert (audio.formats, audio.get("mid"), audio.get("setup")) == (["111", "110"], "0", "actpass")
    assert audio.get("sendonly") == ""
    assert again.get("group") == "BUNDLE 0"
    assert (video.kind, video.port) == ("video", 0)
    assert again.origin.version == "1001"


def test_a_second_offer_that_was_agreed_on_keeps_the_index() -> None:
    talks = negotiation()
    talks.read_offer((HEAD + "m=video 4000 RTP/AVP 31\na=mid:v\nm=audio 4000 RTP/AVP 8").encode())
    talks.answer(PLAIN)
    talks.offer(PLAIN, "sendonly")
    with pytest.raises(SdpError, match="fewer"):
        talks.read_answer((HEAD + "m=video 0 RTP/AVP 31").encode())
    agreed = talks.read_answer((HEAD + "m=video 0 RTP/AVP 31\nm=audio 4000 RTP/AVP 8\na=recvonly").encode())
    assert (agreed.index, agreed.direction) == (1, "sendonly")


def test_an_unknown_codec_is_a_mistake_of_ours() -> None:
    with pytest.raises(LocalProtocolError, match="g729"):
        Negotiation(["g729"], session_id=1)
