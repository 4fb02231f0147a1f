"""Bytes that look like SIP, to be read or refused: real messages with pieces changed, moved, cut out and repeated."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.fakes import captured_sip, torture

SEEDS = [torture.torture(name) for name in torture.NAMES] + [captured_sip.captured(name) for name in captured_sip.NAMES]
PIECES = [
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\r\n ", b" ", b"\t", b"\0", b"\xff", b"\xc3", b'"', b"\\", b"<", b">"),
    *(b",", b";", b":", b"=", b"@", b"?", b"%", b"*", b"[", b"]", b"/", b"SIP/2.0", b"sip:", b"tel:", b"99999999999"),
    *(b"Via: ", b"v:", b"Content-Length: 1\r\n", b"l: -1\r\n", b"Contact: *\r\n", b"To: x\r\n", b"CSeq: 1 ACK\r\n"),
    *(b"Digest ", b'realm="', b"z9hG4bK", b";lr", b";tag=", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc2\x85"),
]


@st.composite
def changed_messages(draw: st.DrawFn) -> bytes:
    """A real message with up to six changes."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 40))
        new = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)))
        data[start : start + length] = new * draw(st.integers(1, 3))
    return bytes(data)


anything = st.one_of(changed_messages(), st.binary(max_size=200))
