"""Session descriptions as text, and what an audio section in one says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError
from gateway.transports.media.offered import AudioSection, read_audio
from gateway.transports.media.path import Fingerprint
from gateway.transports.media.sdp import MAX_BYTES, Media, Origin, SdpError, SessionDescription

OFFERS = Path(__file__).parents[2] / "fixtures" / "sip" / "offers"
NAMES = sorted(path.name for path in OFFERS.glob("*.sdp"))


def audio(text: str) -> AudioSection:
    """The first section of a description that may leave out what every description has."""
    body = text if text.startswith("v=") else "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n" + text
    description = SessionDescription.from_wire(body.encode())
    return read_audio(description, description.media[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_a_description_reads_the_same_with_any_line_end_and_after_being_written(name: str, line_end: bytes) -> None:
    body = (OFFERS / name).read_bytes()
    description = SessionDescription.from_wire(body.replace(b"\n", line_end))
    assert description == SessionDescription.from_wire(body)
    assert SessionDescription.from_wire(description.to_wire()) == description


def test_every_part_is_where_it_belongs() -> None:
    description = SessionDescription.from_wire((OFFERS / "asterisk_webrtc.sdp").read_bytes())
    assert description.origin == Origin(session_id="805676951", version="805676951", address="10.99.0.1")
    assert description.address == "10.99.0.1"
    assert description.get("group") == "BUNDLE audio-0"
    (media,) = description.media
    assert (media.kind, media.port, media.protocol) == ("audio", 20362, "UDP/TLS/RTP/SAVPF")
    assert media.formats == ["0", "107", "8", "101", "102"]
    assert media.get("rtcp-mux") == ""
    assert media.get("sendonly") is None
    assert len(list(media.all("candidate"))) == 3


def test_a_description_is_written_in_the_order_of_the_rfc() -> None:
    description = SessionDescription(
        origin=Origin(session_id="7", version="8", address="2001:db8::1"),
        attributes=[("group", "BUNDLE 0")],
        media=[Media(kind="audio", port=4000, protocol="RTP/AVP", formats=["8"], address="192.0.2.1")],
    )
    description.media[0].attributes.append(("sendrecv", ""))
    assert description.to_wire() == (
        b"v=0\r\no=- 7 8 IN IP6 2001:db8::1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
        b"m=audio 4000 RTP/AVP 8\r\nc=IN IP4 192.0.2.1\r\na=sendrecv\r\n"
    )


@pytest.mark.parametrize("line_end", ["\r\n", "\r", "\n"])
def test_a_line_end_in_a_value_is_refused(line_end: str) -> None:
    attributes = [("mid", f"0{line_end}a=evil")]
    media = Media(kind="audio", port=1, protocol="RTP/AVP", formats=["0"], attributes=attributes)
    with pytest.raises(LocalProtocolError, match="line end"):
        SessionDescription(origin=Origin(session_id="1", version="1"), media=[media]).to_wire()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no media"),
        (b"v=0\r\n", "no media"),
        (b"m=audio\r\n", "three words"),
        (b"m=audio x RTP/AVP 0\r\n", "no port"),
        (b"m=audio 70000 RTP/AVP 0\r\n", "no port"),
        ("m=audio ١٢ RTP/AVP 0\r\n".encode(), "no port"),
        (b"o=- 1\r\nm=audio 1 RTP/AVP 0\r\n", "origin"),
        (b"c=IN\r\nm=audio 1 RTP/AVP 0\r\n", "connection"),
        (b"m=audio 1 RTP/AVP 0\r\n" * 33, "more than 32"),
        (b"a=x\r\n" * 3000, "lines"),
        (b"x" * (MAX_BYTES + 1), "too many"),
    ],
)
def test_what_cannot_be_read_is_refused_with_400(body: bytes, reason: str) -> None:
    with pytest.raises(SdpError, match=reason) as caught:
        SessionDescription.from_wire(body)
    assert caught.value.status == 400


_LINES = [line for name in NAMES for line in (OFFERS / name).read_bytes().split(b"\n")]


@given(st.lists(st.one_of(st.sampled_from(_LINES), st.binary(max_size=40)), max_size=30))
def test_any_bytes_are_read_or_refused(lines: list[bytes]) -> None:
    try:
        description = SessionDescription.from_wire(b"\r\n".join(lines))
    except SdpError:
        return
    for media in description.media:
        section = read_audio(description, media)
        assert all(entry.clock_rate > 0 and 0 <= entry.payload_type <= 127 for entry in section.formats)
        assert section.direction in ("sendrecv", "sendonly", "recvonly", "inactive")
    SessionDescription.from_wire(description.to_wire())


def test_what_just_fits_is_read() -> None:
    line = b"m=audio 1 RTP/AVP 0\r\n"
    assert SessionDescription.from_wire(line + b"x" * (MAX_BYTES - len(line))).media
    assert len(SessionDescription.from_wire(line * 32).media) == 32
    assert SessionDescription.from_wire(b"m=audio 65535 RTP/AVP\r\n").media[0].formats == []
    (entry,) = audio("m=audio 1 RTP/AVP 127 128\na=rtpmap:127 PCMU/8000\na=rtpmap:128 PCMA/8000").formats
    assert entry.payload_type == 127


def test_static_payload_types_need_no_rtpmap() -> None:
    formats = audio("m=audio 4000 RTP/AVP 8 0 9 96 300 x").formats
    assert [(entry.payload_type, entry.name, entry.clock_rate) for entry in formats] == [
        (8, "PCMA", 8000),
        (0, "PCMU", 8000),
        (9, "G722", 8000),
    ]


def test_blanks_and_parameters_of_a_codec() -> None:
    (opus,) = audio(
        "m=audio 4000  RTP/AVP  111 \na=rtpmap: 111  opus/48000/2 \na=fmtp:111 useinbandfec=1; stereo=0"
    ).formats
    assert (opus.name, opus.clock_rate, opus.channels, opus.parameters) == (
        "opus",
        48000,
        2,
        "useinbandfec=1; stereo=0",
    )


def test_the_sections_own_address_beats_the_sessions() -> None:
    assert audio("m=audio 4000 RTP/AVP 0").address == "192.0.2.1"
    assert audio("m=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.9").address == "192.0.2.9"
    assert audio("m=audio 4000 RTP/AVP 0\nc=IN IP4 233.252.0.1/127").address == "233.252.0.1"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ("192.0.2.1", 4001)),
        ("a=rtcp:5005", ("192.0.2.1", 5005)),
        ("a=rtcp:5005 IN IP4 192.0.2.7", ("192.0.2.7", 5005)),
        ("a=rtcp:none", ("192.0.2.1", 4001)),
    ],
)
def test_where_rtcp_goes(line: str, expected: tuple[str, int]) -> None:
    section = audio(f"m=audio 4000 RTP/AVP 0\n{line}")
    assert (section.rtcp_address, section.rtcp_port) == expected


@pytest.mark.parametrize(
    ("lines", "direction"),
    [
        ("m=audio 4000 RTP/AVP 0", "sendrecv"),
        ("m=audio 4000 RTP/AVP 0\na=sendonly", "sendonly"),
        ("a=inactive\nm=audio 4000 RTP/AVP 0", "inactive"),
        ("a=inactive\nm=audio 4000 RTP/AVP 0\na=sendrecv", "sendrecv"),
        ("m=audio 4000 RTP/AVP 0\nc=IN IP4 0.0.0.0", "sendonly"),
        ("m=audio 4000 RTP/AVP 0\nc=IN IP4 0.0.0.0\na=recvonly", "inactive"),
        ("m=audio 4000 RTP/AVP 0\nc=IN IP6 ::\na=sendrecv", "sendonly"),
        ("m=audio 9 RTP/SAVPF 0\nc=IN IP4 0.0.0.0\na=ice-ufrag:a\na=ice-pwd:b", "sendrecv"),  # not gathered yet
    ],
)
def test_direction_and_the_old_way_of_holding(lines: str, direction: str) -> None:
    assert audio(lines).direction == direction


def test_what_webrtc_needs_may_stand_at_the_session() -> None:
    section = audio(
        "a=ice-lite\na=ice-ufrag:uu\na=ice-pwd:pp\na=setup:actpass\na=fingerprint:SHA-256 ab:cd\n"
        "m=audio 4000 UDP/TLS/RTP/SAVPF 0\na=candidate:1 1 UDP 1 192.0.2.1 4000 typ host"
    )
    assert section.security == ("dtls",)
    assert section.ice is not None
    assert section.dtls is not None
    assert (section.ice.ufrag, section.ice.password, section.ice.lite) == ("uu", "pp", True)
    assert section.ice.candidates == ("1 1 UDP 1 192.0.2.1 4000 typ host",)
    assert section.dtls.fingerprints == (Fingerprint("sha-256", "AB:CD"),)
    assert section.dtls.setup == "actpass"


def test_the_best_fingerprint_is_first_and_sha_1_is_none() -> None:
    many = "m=audio 4000 RTP/SAVPF 0\na=fingerprint:sha-512 AA\na=fingerprint:sha-1 BB\na=fingerprint:SHA-256 cc"
    dtls = audio(many).dtls
    assert dtls is not None
    assert [fingerprint.algorithm for fingerprint in dtls.fingerprints] == ["sha-256", "sha-512"]
    assert dtls.setup == "active"  # RFC 4145: what is not said
    assert audio("m=audio 4000 RTP/SAVPF 0\na=fingerprint:sha-1 BB").security == ()


KEY = "inline:" + "A" * 40  # 30 bytes
ICE = "\na=ice-ufrag:a\na=ice-pwd:b"


@pytest.mark.parametrize(
    ("lines", "security"),
    [
        ("m=audio 4000 RTP/AVP 0", ("none",)),
        ("m=audio 4000 RTP/AVPF 0", ("none",)),
        (f"m=audio 4000 RTP/AVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}", ("sdes", "none")),
        (f"m=audio 4000 RTP/AVP 0\na=crypto:1 NULL_CIPHER {KEY}", ("none",)),
        ("m=audio 4000 RTP/AVP 0\na=fingerprint:sha-256 AB", ("none",)),
        (f"m=audio 4000 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}|2^20|1:4", ("sdes",)),
        (f"m=audio 4000 RTP/SAVPF 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}", ("sdes",)),
        (f"m=audio 4000 RTP/SAVP 0\na=crypto:1 NULL_CIPHER {KEY}", ()),
        (f"m=audio 4000 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\na=fingerprint:sha-256 AB", ("sdes",)),
        (
            f"m=audio 4000 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\na=fingerprint:sha-256 AB{ICE}",
            ("dtls", "sdes"),
        ),
        ("m=audio 4000 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:a\na=fingerprint:sha-256 A", ("dtls",)),
        ("m=audio 4000 UDP/TLS/RTP/SAVP 0\na=fingerprint:sha-256 AB", ("dtls",)),
        (f"m=audio 4000 UDP/TLS/RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}", ()),
        ("m=audio 4000 UDP/TLS/RTP/SAVPF 0", ()),
        ("m=audio 4000 TCP/RTP/AVP 0", ()),
    ],
)
def test_how_media_are_protected(lines: str, security: tuple[str, ...]) -> None:
    assert audio(lines).security == security


def test_sdes_lines_come_in_the_peers_order_the_short_tag_last_and_others_with_their_reason() -> None:
    section = audio(
        f"m=audio 4000 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_32 {KEY}|2^20|1:4\n"
        f"a=crypto:2 F8_128_HMAC_SHA1_80 {KEY}\na=crypto:3 AEAD_AES_128_GCM inline:{'A' * 38}==\n"
        f"a=crypto:4 AES_CM_128_HMAC_SHA1_80 {KEY}\na=crypto:5 broken"
    )
    assert [line.tag for line in section.crypto] == ["3", "4", "1"]
    assert section.crypto_faults == (
        "the suite F8_128_HMAC_SHA1_80 is unknown",
        "a crypto line without tag, suite and key",
    )
