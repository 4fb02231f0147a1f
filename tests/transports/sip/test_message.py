from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.transports.sip.grammar import parse_number
from gateway.transports.sip.headers import parse_cseq, parse_via
from gateway.transports.sip.message import (
    CSeq,
    Headers,
    Message,
    SipParseError,
    SipRequest,
    SipResponse,
    mark_received,
    parse,
    reason_of,
    response_to,
)
from gateway.transports.sip.uri import parse_uri
from tests.fakes.captured_sip import NAMES, captured, captured_request, captured_response
from tests.fakes.sip_bytes import anything

OPTIONS = (
    b"OPTIONS sip:bot@10.99.0.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;rport\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:bot@10.99.0.1>\r\nCall-ID: c1\r\nCSeq: 1 OPTIONS\r\n"
)


def options(more: bytes = b"", body: bytes = b"") -> bytes:
    return OPTIONS + more + b"\r\n" + body


def request(data: bytes) -> SipRequest:
    message = parse(data)
    assert isinstance(message, SipRequest)
    return message


def fault(data: bytes, *, is_framed: bool = False) -> SipParseError:
    with pytest.raises(SipParseError) as raised:
        parse(data, is_framed=is_framed)
    return raised.value


def attempt(data: bytes, is_framed: bool) -> Message | SipParseError:
    try:
        return parse(data, is_framed=is_framed)
    except SipParseError as wrong:
        return wrong


# --- headers -------------------------------------------------------------------------------------------------------
def test_headers_are_found_whatever_their_spelling() -> None:
    headers = Headers([("v", "one"), ("VIA", "two, three"), ("X-Odd", "1"), ("f", "me")])

    assert headers.get("via") == "one"
    assert headers.all("V") == ["one", "two", "three"]
    assert headers.fields("Via") == ["one", "two, three"]
    assert headers.items() == [("Via", "one"), ("VIA", "two, three"), ("X-Odd", "1"), ("From", "me")]
    assert "x-odd" in headers
    assert "F" in headers
    assert "To" not in headers
    assert 3 not in headers
    assert (headers.get("To"), headers.all("To")) == (None, [])
    assert len(headers) == 4


@pytest.mark.parametrize(
    ("short", "name"),
    [
        *(("a", "Accept-Contact"), ("b", "Referred-By"), ("c", "Content-Type"), ("d", "Request-Disposition")),
        *(("e", "Content-Encoding"), ("f", "From"), ("i", "Call-ID"), ("j", "Reject-Contact"), ("k", "Supported")),
        *(("l", "Content-Length"), ("m", "Contact"), ("n", "Identity-Info"), ("o", "Event"), ("r", "Refer-To")),
        *(("s", "Subject"), ("t", "To"), ("u", "Allow-Events"), ("v", "Via"), ("x", "Session-Expires")),
        ("y", "Identity"),
    ],
)
def test_a_short_name_means_the_long_one(short: str, name: str) -> None:
    for spelling in (short, short.upper()):
        assert Headers([(spelling, "1")]).get(name) == "1"
        assert Headers([(name, "1")]).get(spelling) == "1"


def test_a_header_that_is_no_list_keeps_its_commas() -> None:
    challenge = 'Digest realm="a, b", nonce="1", qop="auth,auth-int"'
    headers = Headers([("WWW-Authenticate", challenge), ("Date", "Sat, 21 Nov 2026 13:00:00 GMT")])

    assert headers.all("WWW-Authenticate") == [challenge]
    assert headers.all("Date") == ["Sat, 21 Nov 2026 13:00:00 GMT"]


def test_set_replaces_where_the_first_one_stood() -> None:
    headers = Headers([("A-1", "1"), ("To", "x"), ("A-2", "2"), ("t", "y")])
    headers.set("TO", "z")
    headers.set("A-3", "3")

    assert headers.items() == [("A-1", "1"), ("TO", "z"), ("A-2", "2"), ("A-3", "3")]


def test_remove_and_copy() -> None:
    headers = Headers([("Via", "1"), ("v", "2"), ("To", "x")])
    other = headers.copy()
    other.remove("v")
    other.remove("Subject")

    assert other.items() == [("To", "x")]
    assert len(headers) == 3
    assert headers != other
    assert headers == Headers([("via", "1"), ("VIA", "2"), ("t", "x")])


@pytest.mark.parametrize(
    ("name", "value"), [("X-A", "a\r\nX-B: b"), ("X-A", "a\nb"), ("X-A", "a\rb"), ("X A", "a"), ("", "a")]
)
def test_nothing_gets_a_line_end_into_a_header(name: str, value: str) -> None:
    headers = Headers([("X-A", "before")])

    with pytest.raises(ValueError):
        headers.add(name, value)
    with pytest.raises(ValueError):
        headers.set(name, value)
    assert headers.items() == [("X-A", "before")]


def test_values_stay_out_of_logs() -> None:
    assert "s3cret" not in repr(Headers([("Authorization", "s3cret")]))


# --- Via and CSeq --------------------------------------------------------------------------------------------------
def test_a_via_and_its_parameters() -> None:
    via = parse_via("SIP/2.0/wss K3n9s0.invalid:443;branch=z9hG4bKx;rport;received=[2001:db8::1]")

    assert (via.transport, via.host, via.port, via.sent_by) == ("WSS", "k3n9s0.invalid", 443, "k3n9s0.invalid:443")
    assert (via.branch, via.param("rport"), via.param("ttl")) == ("z9hG4bKx", "", None)
    assert parse_via(str(via)) == via
    assert str(via.with_param("rport", "5060")).endswith(";rport=5060;received=[2001:db8::1]")
    assert parse_via("SIP/2.0/UDP [2001:db8::9]:5060").host == "[2001:db8::9]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/3.0/UDP h",
        "HTTP/1.1 h",
        "SIP/2.0/UDP h:",
        "SIP/2.0/UDP h:70000",
        "SIP/2.0/UDP h x",
        "SIP/2.0/UDP h;;x",
    ],
)
def test_what_is_no_via_is_refused(text: str) -> None:
    with pytest.raises(SipParseError):
        parse_via(text)


def test_cseq() -> None:
    assert parse_cseq(" 0009  INVITE") == CSeq(9, "INVITE")
    assert str(CSeq(9, "INVITE")) == "9 INVITE"
    assert parse_cseq("2147483647 BYE").number == 2**31 - 1
    for wrong in (
        "",
        "1",
        "INVITE 1",
        "1 INVITE x",
        "-1 BYE",
        "2147483648 BYE",
        "1 B(YE",
        "١ BYE",
        "9" * 5000 + " BYE",
    ):
        with pytest.raises(SipParseError):
            parse_cseq(wrong)


@given(st.integers(0, 10**12), st.integers(0, 5))
def test_numbers_have_a_highest(number: int, zeros: int) -> None:
    text = "0" * zeros + str(number)

    if number <= 1000:
        assert parse_number(text, 1000) == number
    else:
        with pytest.raises(SipParseError):
            parse_number(text, 1000)


# --- reading -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_captured_messages_are_read_and_written_without_change(name: str) -> None:
    message = parse(captured(name))

    assert parse(message.to_bytes()) == message
    assert message.to_bytes().splitlines()[0] == captured(name).splitlines()[0]


def test_an_invite_of_asterisk() -> None:
    invite = captured_request("asterisk_invite")

    assert (invite.method, str(invite.uri)) == ("INVITE", "sip:bot@10.99.0.1:47114;transport=ws")
    assert invite.call_id == "03b8f87a-1214-4c89-bae6-6d1dc654ccbe"
    assert (invite.from_.uri.user, invite.from_.tag) == ("caller", "2d23c1e5-e144-4b38-b993-a99974923310")
    assert invite.to.tag is None
    assert invite.cseq == (18165, "INVITE")
    assert [str(contact.uri) for contact in invite.contacts] == ["sip:asterisk@vm:5060;transport=ws"]
    assert "UPDATE" in invite.headers.all("Allow")
    assert invite.body.startswith(b"v=0\r\n")
    assert len(invite.body) == 1064


def test_two_record_routes_of_kamailio() -> None:
    invite = captured_request("kamailio_invite")

    assert [route.uri.param("transport") for route in invite.record_routes] == ["ws", None]
    assert [via.transport for via in invite.vias] == ["WS", "UDP"]


def test_a_binding_with_a_quoted_parameter() -> None:
    (contact,) = captured_response("kamailio_200_register").contacts

    assert contact.param("received") == "sip:10.99.0.1:58800;transport=ws"


def test_line_ends_before_a_message_and_bare_ones_in_it_are_overlooked() -> None:
    assert parse(b"\r\n\r\n\n" + options()) == parse(options())
    assert parse(options().replace(b"\r\n", b"\n")) == parse(options())


def test_folded_lines_are_one() -> None:
    message = request(options(b"Subject: a\r\n b\r\n\t c\r\nX-Next: d\r\n"))

    assert message.headers.get("Subject") == "a b c"
    assert message.headers.get("X-Next") == "d"


def test_bytes_that_are_no_utf_8_come_back_as_they_were() -> None:
    data = options(b"X-Name: \xe9t\xe9 \xff\r\n", b"\x00\xff")

    message = request(data)

    assert b"X-Name: \xe9t\xe9 \xff\r\n" in message.to_bytes()
    assert message.to_bytes().endswith(b"\r\n\r\n\x00\xff")


def test_a_frame_wins_over_its_content_length_and_a_datagram_does_not() -> None:
    short, long = options(b"Content-Length: 2\r\n", b"body"), options(b"Content-Length: 9\r\n", b"body")

    assert parse(short).body == b"bo"
    assert parse(short, is_framed=True).body == b"body"
    assert fault(long).status == 400
    assert parse(long, is_framed=True).body == b"body"
    assert fault(options(b"Content-Length: x\r\n"), is_framed=True).status == 400
    assert parse(options(b"", b"body")).body == b"body"


def test_a_contact_that_stands_for_all() -> None:
    assert request(options(b"Contact: *\r\n")).contacts == []


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((b"OPTIONS sip", b"OPTIONS  sip"), 400),
        ((b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia"), 505),
        ((b"CSeq: 1 OPTIONS", b"CSeq: 1 INVITE"), 400),
        ((b"CSeq: 1 OPTIONS\r\n", b""), 400),
        ((b"From: <sip:a@b>;tag=1\r\n", b""), 400),
        ((b"Call-ID: c1", b"Call-ID:"), 400),
        ((b"Call-ID: c1\r\n", b"Call-ID: c1\r\nCall-ID: c2\r\n"), 400),
        ((b"Call-ID: c1\r\n", b"Call-ID: c1\r\nno header\r\n"), 400),
        ((b"Call-ID: c1\r\n", b"Call-ID: c1\r\nX-A: a\rb\r\n"), 400),
        ((b"Call-ID: c1\r\n", b"Call-ID: c1\r\nMax-Forwards: 256\r\n"), 400),
        ((b"Call-ID: c1\r\n", b"Call-ID: c1\r\nContact: nobody\r\n"), 400),
        ((b"Call-ID: c1\r\n", b"Call-ID: c1\r\n" + 300 * b"X: y\r\n"), 400),
        ((b"Call-ID: c1\r\n", b"Call-ID: c1\r\nVia: " + 200 * b"SIP/2.0/UDP h," + b"\r\n"), 400),
        ((b"sip:bot@10.99.0.1 SIP", b"sip:bot@10.99.0.1?a=b SIP"), 400),
        ((b"sip:bot@10.99.0.1 SIP", b"bot SIP"), 400),
        ((b"\r\n\r\n", b"\r\n\r\n" + (1_048_576 + 1) * b"x"), 513),
    ],
)
def test_a_request_that_says_where_it_came_from_is_answered(change: tuple[bytes, bytes], status: int) -> None:
    wrong = fault(options().replace(*change))

    assert wrong.status == status
    assert wrong.answer is not None
    assert wrong.answer.headers.get("Via") == "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;rport"
    assert wrong.answer.to_bytes().startswith(f"SIP/2.0 {status} {reason_of(status)}\r\n".encode())
    assert "no header" not in str(wrong)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\x00\x01\x00\x00!\x12\xa4B" + bytes(12),  # STUN
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        options().replace(b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;rport\r\n", b""),
        OPTIONS,
        options().replace(b"OPTIONS", b"ACK").replace(b"From", b"Form"),
        options(b"X-Long: " + 70_000 * b"x" + b"\r\n"),
        captured("asterisk_401").replace(b"CSeq: 1", b"CSeq: x"),
        captured("asterisk_401").replace(b" 401 ", b" 099 "),
        captured("asterisk_401").replace(b"\r\nCall-ID", b"\r\nVia: SIP/2.0/UDP h\r\nCall-ID"),
        captured("asterisk_401").replace(b"SIP/2.0 401", b"SIP/2.1 401"),
        options().replace(b"OPTIONS ", b"OPT@IONS ", 1),
        options().replace(b" SIP/2.0\r\n", b" HTTP/1.1\r\n", 1),
    ],
)
def test_what_cannot_be_answered_is_dropped(data: bytes) -> None:
    wrong = fault(data)

    assert (wrong.status, wrong.answer) == (None, None)


@given(anything, st.booleans())
@example(b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n", False)
def test_any_bytes_are_read_or_refused(data: bytes, is_framed: bool) -> None:
    message = attempt(data, is_framed)
    if isinstance(message, SipParseError):
        assert (message.status is None) == (message.answer is None)
        assert message.answer is None or message.answer.to_bytes()
        return
    assert message.call_id
    assert all([message.from_.uri, message.to.uri, message.vias[0].transport, message.cseq.method])
    assert all(address.uri.scheme for address in message.contacts + message.record_routes)
    again = parse(message.to_bytes())
    assert again.to_bytes() == message.to_bytes()
    if isinstance(message, SipRequest):
        assert response_to(message, 180, to_tag="t").to.tag


# --- answering -----------------------------------------------------------------------------------------------------
def test_an_answer_copies_what_names_the_transaction() -> None:
    invite = captured_request("kamailio_invite")

    ringing = response_to(invite, 180, to_tag="ours")

    assert (ringing.status, ringing.reason, ringing.to.tag) == (180, "Ringing", "ours")
    for name in ("Via", "From", "Call-ID", "CSeq", "Record-Route"):
        assert ringing.headers.fields(name) == invite.headers.fields(name)
    assert ringing.body == b""


@pytest.mark.parametrize(
    ("status", "has_tag", "has_routes"), [(100, False, False), (200, True, True), (486, True, False)]
)
def test_tag_and_routes_go_where_a_dialog_is(status: int, has_tag: bool, has_routes: bool) -> None:
    answer = response_to(captured_request("kamailio_invite"), status, to_tag="ours")

    assert (answer.to.tag == "ours", "Record-Route" in answer.headers) == (has_tag, has_routes)


def test_a_tag_that_is_there_stays_and_only_an_invite_gets_routes() -> None:
    bye = captured_request("kamailio_bye")
    bye.headers.add("Record-Route", "<sip:x;lr>")

    answer = response_to(bye, 200, "Fine", to_tag="other")

    assert (answer.reason, answer.to.tag, "Record-Route" in answer.headers) == ("Fine", "cea2c0f3", False)


def test_a_bare_to_gets_its_tag_as_a_header_parameter() -> None:
    bare = request(options().replace(b"<sip:bot@10.99.0.1>\r\n", b"sip:bot@10.99.0.1\r\n"))

    assert response_to(bare, 200, to_tag="x").to.tag == "x"


def test_a_100_carries_the_timestamp_back() -> None:
    assert response_to(request(options(b"Timestamp: 54\r\n")), 100).headers.get("Timestamp") == "54"
    assert "Timestamp" not in response_to(request(options(b"Timestamp: 54\r\n")), 200).headers


def test_where_a_request_came_from_is_written_into_its_via() -> None:
    message = request(options())
    mark_received(message, "198.51.100.7", 40_000)

    assert message.headers.get("Via") == "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;rport=40000;received=198.51.100.7"


@pytest.mark.parametrize(("host", "received"), [("192.0.2.1", None), ("198.51.100.7", "198.51.100.7")])
def test_without_rport_only_another_address_is_written(host: str, received: str | None) -> None:
    message = request(options().replace(b";rport", b""))
    mark_received(message, host, 40_000)

    assert (message.vias[0].param("received"), message.vias[0].param("rport")) == (received, None)


def test_only_the_top_via_is_marked() -> None:
    invite = captured_request("kamailio_invite")
    below = invite.vias[1]
    mark_received(invite, "203.0.113.9", 5)

    assert invite.vias[0].param("received") == "203.0.113.9"
    assert invite.vias[1] == below


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (100, "Trying"),
        (302, "Moved Temporarily"),
        (200, "OK"),
        (486, "Busy Here"),
        (404, "Not Found"),
        (299, "Unknown"),
    ],
)
def test_usual_words(status: int, words: str) -> None:
    assert reason_of(status) == words


def test_content_length_is_always_written_once() -> None:
    message = SipRequest("OPTIONS", parse_uri("sip:a"), Headers([("l", "7"), ("Content-Length", "8")]), b"abc")
    bare = SipResponse(200, "OK", Headers())

    assert message.to_bytes() == b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 3\r\n\r\nabc"
    assert bare.to_bytes() == b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert bare.headers.items() == []


def test_a_line_end_in_the_start_line_is_refused() -> None:
    with pytest.raises(ValueError):
        SipResponse(200, "OK\r\nX: y", Headers()).to_bytes()


def test_a_message_of_ours_that_lacks_a_header_says_which() -> None:
    with pytest.raises(SipParseError, match="no From"):
        SipResponse(200, "OK", Headers()).from_
