"""The 49 messages of RFC 4475, each treated as that RFC says."""

from __future__ import annotations

import pytest

from gateway.transports.sip.digest import parse_auth
from gateway.transports.sip.framing import StreamFramer
from gateway.transports.sip.message import SipParseError, SipRequest, SipResponse, parse
from tests.fakes.torture import NAMES, torture

VALID = [
    *("wsinv", "intmeth", "esc01", "escnull", "esc02", "lwsdisp", "longreq", "dblreq", "semiuri", "transports"),
    *("mpart01", "unreason", "noreason"),
]
FOR_THE_LAYERS_ABOVE = [
    *("badbranch", "unkscm", "novelsc", "unksm2", "bext01", "invut", "regaut01", "zeromf", "cparam01", "cparam02"),
    *("regescrt", "sdp01", "inv2543"),
]
OVERLOOKED = ["baddate"]
"""Invalid, but only in a header that we do not read: the RFC advises to overlook it."""
ANSWERED = {
    "badinv01": 400,
    "clerr": 400,
    "ncl": 400,
    "scalar02": 400,
    "quotbal": 400,
    "ltgtruri": 400,
    "lwsruri": 400,
    "lwsstart": 400,
    "trws": 400,
    "escruri": 400,
    "regbadct": 400,
    "badaspec": 400,
    "baddn": 400,
    "badvers": 505,
    "mismatch01": 400,
    "mismatch02": 400,
    "insuf": 400,
    "multi01": 400,
    "mcl01": 400,
}
DROPPED = ["scalarlg", "bigcode", "bcast"]


def request(name: str) -> SipRequest:
    message = parse(torture(name))
    assert isinstance(message, SipRequest)
    return message


def response(name: str) -> SipResponse:
    message = parse(torture(name))
    assert isinstance(message, SipResponse)
    return message


def test_every_message_of_the_rfc_is_there_once() -> None:
    treated = [*VALID, *FOR_THE_LAYERS_ABOVE, *OVERLOOKED, *ANSWERED, *DROPPED]

    assert sorted(treated) == NAMES
    assert len(treated) == 49


@pytest.mark.parametrize("name", VALID + FOR_THE_LAYERS_ABOVE + OVERLOOKED)
def test_well_formed_messages_are_read_and_written_without_change(name: str) -> None:
    message = parse(torture(name))
    again = parse(message.to_bytes())

    assert [item for item in again.headers.items() if item[0] != "Content-Length"] == [
        item for item in message.headers.items() if item[0] != "Content-Length"
    ]
    assert again.body == message.body
    assert again.to_bytes() == message.to_bytes()


@pytest.mark.parametrize(("name", "status"), ANSWERED.items())
def test_malformed_requests_are_answered(name: str, status: int) -> None:
    with pytest.raises(SipParseError) as raised:
        parse(torture(name))

    assert raised.value.status == status
    assert raised.value.answer is not None
    assert raised.value.answer.to_bytes().startswith(f"SIP/2.0 {status} ".encode())
    assert "Via" in raised.value.answer.headers


@pytest.mark.parametrize("name", DROPPED)
def test_malformed_responses_are_dropped(name: str) -> None:
    with pytest.raises(SipParseError) as raised:
        parse(torture(name))

    assert (raised.value.status, raised.value.answer) == (None, None)


# --- what each is about --------------------------------------------------------------------------------------------
def test_wsinv_folding_and_blanks_everywhere() -> None:
    invite = request("wsinv")

    assert invite.uri.param("unknownparam") == ""
    assert (invite.to.uri.user, invite.to.tag) == ("vivekg", "1918181833n")
    assert (invite.from_.display, invite.from_.tag) == ('J Rosenberg \\"', "98asjd8")
    assert invite.cseq == (9, "INVITE")
    assert invite.headers.get("Max-Forwards") == "0068"
    assert [(via.transport, via.host, via.branch) for via in invite.vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert invite.headers.get("Subject") == ""
    assert invite.headers.get("newfangledheader") == "newfangled value continued newfangled value"
    assert invite.headers.all("UnknownHeaderWithUnusualValue") == [";;,,;;,;"]
    (contact,) = invite.contacts
    assert contact.display == 'Quoted string ""'
    assert contact.params == (("newparam", "newvalue"), ("secondparam", None), ("q", "0.33"))


def test_intmeth_unusual_characters() -> None:
    strange = request("intmeth")

    assert strange.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert strange.uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert strange.uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert strange.uri.host == "example.com"
    assert strange.to.display == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert strange.from_.display == "token1~` token2'+_ token3*%!.-"
    assert strange.from_.param("fromParam''~+*_!.-%") == "работающий"
    assert strange.from_.tag == "_token~1'+`*%!-."
    assert strange.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert strange.headers.get("extensionHeader-!.%*+_`'~") == "\ufeff大停電"


def test_esc01_escapes_are_resolved_once_and_kept_as_written() -> None:
    invite = request("esc01")

    assert (invite.uri.user, invite.uri.username) == ("sips%3Auser%40example.com", "sips:user@example.com")
    assert (invite.to.uri.username, invite.from_.uri.username) == ("user", "I have spaces")
    assert str(invite.contacts[0]) == "<sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>"


def test_escnull_null_does_not_shorten_a_name() -> None:
    register = request("escnull")

    assert register.to.uri.username == "null-\0-null"
    assert [contact.uri.username for contact in register.contacts] == ["\0", "\0\0"]


def test_esc02_percent_is_no_escape_elsewhere() -> None:
    unknown = request("esc02")

    assert unknown.method == "RE%47IST%45R"
    assert unknown.to.display == "%Z%45"
    assert [contact.uri.user for contact in unknown.contacts] == ["alias1", "alias3"]


def test_lwsdisp_display_name_next_to_its_bracket() -> None:
    assert request("lwsdisp").from_.display == "caller"


def test_longreq_long_values() -> None:
    invite = request("longreq")

    assert len(invite.vias) == 34
    assert invite.vias[-1].branch == "very" + 50 * "long" + "branchvalue"
    assert invite.vias[-1].param("received") == "192.0.2.5"
    assert invite.to.uri.param("longparam" + 25 * "name") == "shortvalue"
    assert invite.from_.tag == "12" + 50 * "982" + "424"


def test_dblreq_what_follows_a_datagram_is_noise() -> None:
    register = request("dblreq")

    assert (register.method, register.body) == ("REGISTER", b"")


def test_semiuri_semicolon_in_the_user_part() -> None:
    assert request("semiuri").uri.username == "user;par=u@example.net"


def test_transports_unknown_ones() -> None:
    assert [via.transport for via in request("transports").vias] == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_mpart01_binary_body_with_nulls() -> None:
    message = request("mpart01")

    assert len(message.body) == 553
    assert b"\0" in message.body
    assert message.body.endswith(b"\r\n--7a9cbec02ceef655--\r\n")


def test_unreason_and_noreason() -> None:
    assert response("unreason").reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    assert response("noreason").reason == ""


def test_badvers_is_answered_to_its_own_via() -> None:
    with pytest.raises(SipParseError) as raised:
        parse(torture("badvers"))

    assert raised.value.answer is not None
    assert raised.value.answer.headers.get("Via") == "SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw"
    assert raised.value.answer.headers.get("Call-ID") == "badvers.31417@c.example.com"


def test_badbranch_a_magic_cookie_and_nothing_else() -> None:
    assert request("badbranch").vias[0].branch == "z9hG4bK"


def test_schemes_that_are_not_ours_are_kept_whole() -> None:
    assert str(request("unkscm").uri) == "nobodyknowsthisscheme:totallyopaquecontent"
    assert request("unkscm").uri.scheme == "nobodyknowsthisscheme"
    assert str(request("novelsc").uri) == "soap.beep://192.0.2.103:3002"
    assert (request("unksm2").to.uri.scheme, request("unksm2").from_.uri.scheme) == ("isbn", "http")


def test_bext01_what_is_required_and_unknown() -> None:
    assert request("bext01").headers.all("Require") == ["nothingSupportsThis", "nothingSupportsThisEither"]


def test_regaut01_unknown_scheme_says_nothing() -> None:
    assert parse_auth(request("regaut01").headers.get("Authorization") or "") is None


def test_multi01_is_answered_without_choosing() -> None:
    with pytest.raises(SipParseError) as raised:
        parse(torture("multi01"))

    assert raised.value.answer is not None
    assert raised.value.answer.headers.fields("CSeq") == ["5 INVITE", "59 INVITE"]


def test_cparam_before_and_behind_the_bracket() -> None:
    (bare,), (bracketed,) = request("cparam01").contacts, request("cparam02").contacts

    assert (bare.param("unknownparam"), bare.uri.param("unknownparam")) == ("", None)
    assert (bracketed.param("unknownparam"), bracketed.uri.param("unknownparam")) == (None, "")


def test_regescrt_escaped_header_in_a_contact() -> None:
    (contact,) = request("regescrt").contacts

    assert contact.uri.header("Route") == "<sip:sip.example.com>"
    assert str(contact) == "<sip:user@example.com?Route=%3Csip:sip.example.com%3E>"


def test_inv2543_no_branch_no_tag_no_length() -> None:
    old = request("inv2543")

    assert (old.vias[0].branch, old.from_.tag) == ("", None)
    assert old.to.param("user") == "phone"
    assert old.body.startswith(b"v=0")
    assert old.body.endswith(b"RTP/AVP 0\r\n")
    assert str(old.record_routes[0].uri) == "sip:UserB@example.com;maddr=ss1.example.com"


@pytest.mark.parametrize("name", ["ncl", "mcl01", "inv2543"])
def test_on_a_stream_a_message_of_unknown_length_ends_the_connection(name: str) -> None:
    with pytest.raises(SipParseError):
        list(StreamFramer().feed(torture(name)))


def test_on_a_stream_what_follows_is_the_next_message() -> None:
    first, second = (parse(item) for item in StreamFramer().feed(torture("dblreq")) if isinstance(item, bytes))

    assert isinstance(first, SipRequest)
    assert isinstance(second, SipRequest)
    assert (first.method, second.method) == ("REGISTER", "INVITE")


def test_on_a_stream_a_length_too_great_waits() -> None:
    assert list(StreamFramer().feed(torture("clerr"))) == []
