"""SRTP with keys of descriptions: RFC 3711's own vector, repeated packets, changed keys, named keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.rtp.packet import RtpPacket
from gateway.transports.media.sdes import SUITES, Crypto, fresh
from gateway.transports.media.srtp import MAX_PACKET_BYTES, OLD_KEY_FOR, WINDOW, Srtp

SHA1_80 = "AES_CM_128_HMAC_SHA1_80"
GOODBYE = b"\x81\xcb\x00\x01" + (0xCAFEBABE).to_bytes(4)  # RFC 3550 section 6.6
each_suite = pytest.mark.parametrize("suite", sorted(SUITES))


def pair(suite: str = SHA1_80, **more: int) -> tuple[Srtp, Srtp]:
    """Both sides of a call."""
    one, other = fresh(suite, "1"), fresh(suite, "1")
    return Srtp(one, other), Srtp(other, Crypto(one.tag, one.suite, one.key, **more))


def rtp(sequence: int = 1, payload: bytes = b"\x55" * 160) -> bytes:
    return RtpPacket(0, sequence, 160 * sequence, 0xCAFEBABE, payload).to_wire()


def sealed(by: Srtp, packet: bytes, *, is_rtcp: bool = False) -> bytes:
    data = by.protect(packet, is_rtcp=is_rtcp)
    assert data is not None
    return data


@each_suite
def test_both_ways_and_reports_too(suite: str) -> None:
    one, other = pair(suite)
    report = GOODBYE
    for sender, receiver in ((one, other), (other, one)):
        wire = sealed(sender, rtp())
        assert wire[:12] == rtp()[:12]
        assert b"\x55" * 16 not in wire
        assert receiver.open(wire, 0.0, is_rtcp=False) == rtp()
        wire = sealed(sender, report, is_rtcp=True)
        assert wire[8:] != report[8:]
        assert receiver.open(wire, 0.0, is_rtcp=True) == report


@each_suite
def test_the_length_of_what_proves_a_packet(suite: str) -> None:
    one, _ = pair(suite)
    tag = SUITES[suite].rtp_tag or 16
    assert len(sealed(one, rtp())) == len(rtp()) + tag


def test_the_keys_of_a_session_are_those_of_rfc_3711() -> None:
    """Appendix B.3: from this master key and salt follow a cipher key, a salt and an authentication key, and with them
    AES in counter mode and HMAC-SHA1, computed here by another library, have to give the packet."""
    from cryptography.hazmat.primitives import hashes, hmac
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    master = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6")
    cipher_key = bytes.fromhex("C61E7A93744F39EE10734AFE3FF7A087")
    salt = bytes.fromhex("30CBBC08863D8C85D49DB34A9AE1")
    auth_key = bytes.fromhex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")
    packet = rtp(sequence=7)
    ssrc, index = int.from_bytes(packet[8:12]), 7
    counter = (int.from_bytes(salt) << 16) ^ (ssrc << 64) ^ (index << 16)
    encryptor = Cipher(algorithms.AES(cipher_key), modes.CTR(counter.to_bytes(16))).encryptor()
    expected = packet[:12] + encryptor.update(packet[12:])
    mac = hmac.HMAC(auth_key, hashes.SHA1())
    mac.update(expected + bytes(4))  # the roll-over counter
    ours = Crypto("1", SHA1_80, master)
    assert sealed(Srtp(ours, ours), packet) == expected + mac.finalize()[:10]


@each_suite
def test_what_comes_twice_counts_once(suite: str) -> None:
    one, other = pair(suite)
    first, *rest = [sealed(one, rtp(number)) for number in range(1, WINDOW + 10)]
    assert other.open(first, 0.0, is_rtcp=False) == rtp(1)
    assert other.open(first, 0.0, is_rtcp=False) == "repeated"
    for wire in reversed(rest[:20]):
        assert not isinstance(other.open(wire, 0.0, is_rtcp=False), str), "late is not repeated"
    for wire in rest[20:]:
        other.open(wire, 0.0, is_rtcp=False)
    assert other.open(first, 0.0, is_rtcp=False) == "repeated"


@each_suite
@pytest.mark.parametrize("is_rtcp", [False, True])
def test_what_nobody_with_the_key_has_sent(suite: str, is_rtcp: bool) -> None:
    one, other = pair(suite)
    plain = GOODBYE if is_rtcp else rtp()
    wire = bytearray(sealed(one, plain, is_rtcp=is_rtcp))
    assert other.open(plain, 0.0, is_rtcp=is_rtcp) == "undecryptable"
    assert pair(suite)[1].open(bytes(wire), 0.0, is_rtcp=is_rtcp) == "undecryptable"
    wire[-1] ^= 1
    assert other.open(bytes(wire), 0.0, is_rtcp=is_rtcp) == "undecryptable"
    wire[-1] ^= 1
    assert other.open(bytes(wire), 0.0, is_rtcp=is_rtcp) == plain, "what was forged has cost nothing"


@given(st.binary(max_size=2000), st.booleans(), st.sampled_from([0, 4]))
def test_any_bytes_are_refused(data: bytes, is_rtcp: bool, mki: int) -> None:
    _, other = pair(mki_bytes=mki)
    assert other.open(data, 0.0, is_rtcp=is_rtcp) == "undecryptable"


@each_suite
@pytest.mark.parametrize("is_rtcp", [False, True])
def test_a_key_that_is_named_in_each_packet(suite: str, is_rtcp: bool) -> None:
    one, other = pair(suite, mki_bytes=4)
    plain = GOODBYE if is_rtcp else rtp()
    wire = sealed(one, plain, is_rtcp=is_rtcp)
    tag = SUITES[suite].rtcp_tag if is_rtcp else SUITES[suite].rtp_tag
    end = len(wire) - tag
    assert other.open(wire[:end] + b"\0\0\0\1" + wire[end:], 0.0, is_rtcp=is_rtcp) == plain


def test_a_new_key_of_theirs_takes_over_and_the_old_one_ends() -> None:
    first, second, ours = fresh(SHA1_80, "1"), fresh(SHA1_80, "1"), fresh(SHA1_80, "1")
    before, after, us = Srtp(first, ours), Srtp(second, ours), Srtp(ours, first)
    assert us.open(sealed(before, rtp(1)), 10.0, is_rtcp=False) == rtp(1)
    us.change(ours, second, 10.0)
    assert us.open(sealed(after, rtp(3)), 10.1, is_rtcp=False) == rtp(3)
    assert us.open(sealed(before, rtp(2)), 10.1, is_rtcp=False) == rtp(2), "it was on its way"
    late = sealed(before, rtp(4))
    assert us.open(late, 10.0 + OLD_KEY_FOR, is_rtcp=False) == "undecryptable"
    assert us.open(late, 10.1, is_rtcp=False) == "undecryptable", "it is forgotten"


def test_a_key_that_stays_goes_on_counting() -> None:
    ours, theirs = fresh(SHA1_80, "1"), fresh(SHA1_80, "1")
    us, peer = Srtp(ours, theirs), Srtp(theirs, ours)
    wire = sealed(peer, rtp(1))
    assert us.open(wire, 0.0, is_rtcp=False) == rtp(1)
    sealed(us, rtp(5))
    us.change(ours, theirs, 1.0)
    assert us.open(wire, 1.0, is_rtcp=False) == "repeated"
    assert us.protect(rtp(5), is_rtcp=False) is None, "a key stream is used once"
    other = fresh(SHA1_80, "1")
    us.change(other, theirs, 2.0)
    assert Srtp(theirs, other).open(sealed(us, rtp(5)), 2.0, is_rtcp=False) == rtp(5)


def test_the_counter_goes_round() -> None:
    one, other = pair()
    numbers = [*range(0x7FFF, 0xFFF0, 0x1000), *range(0xFFF0, 0x10010)]
    for number in numbers:
        packet = rtp(number & 0xFFFF)
        assert other.open(sealed(one, packet), 0.0, is_rtcp=False) == packet


def test_a_packet_that_is_too_long_is_not_sent() -> None:
    one, other = pair()
    longest = rtp(1, b"x" * (MAX_PACKET_BYTES - 12))
    assert other.open(sealed(one, longest), 0.0, is_rtcp=False) == longest
    assert one.protect(longest + b"x", is_rtcp=False) is None
