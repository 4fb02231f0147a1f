from __future__ import annotations

import pytest
from hypothesis import given

from config.lines import LineSection
from gateway.transports.sip.call_data import CallData, clean, number_of, read_call_data
from gateway.transports.sip.message import Headers, SipParseError, SipRequest, parse
from gateway.transports.sip.uri import parse_uri
from tests.fakes.captured_sip import captured_request
from tests.fakes.sip_bytes import anything


def invite(
    *headers: tuple[str, str],
    uri: str = "sip:+33199000000@gw",
    to: str = "<sip:+33199000000@gw>",
    from_: str = '"Ada L." <sip:+33612345678@carrier>;tag=1',
) -> SipRequest:
    return SipRequest("INVITE", parse_uri(uri), Headers([("From", from_), ("To", to), *headers]))


def read(request: SipRequest, *, is_trusted: bool = True, accounts: tuple[str, ...] = ()) -> CallData:
    return read_call_data(request, is_trusted=is_trusted, accounts=accounts)


def test_a_call_of_a_trunk() -> None:
    data = read(invite())

    assert (data.caller, data.called, data.display_name) == ("+33612345678", "+33199000000", "Ada L.")
    assert (data.is_private, data.is_asserted, data.diverted_by, data.custom) == (False, False, (), {})


def test_the_call_that_asterisk_rings_an_account_with() -> None:
    data = read(captured_request("asterisk_invite"), accounts=("bot",))

    assert (data.caller, data.called) == ("caller", "bot")


# --- who calls -----------------------------------------------------------------------------------------------------
ASSERTED = ("P-Asserted-Identity", '"Real" <sip:+33100000001@carrier;user=phone>, <tel:+33100000001>')
PARTY = ("Remote-Party-ID", '"Party" <sip:+33100000002@pbx>;party=calling;privacy=off;screen=yes')


@pytest.mark.parametrize(
    ("headers", "is_trusted", "caller", "name", "is_asserted"),
    [
        ([ASSERTED, PARTY], True, "+33100000001", "Real", True),
        ([PARTY], True, "+33100000002", "Party", True),
        ([ASSERTED, PARTY], False, "+33612345678", "Ada L.", False),
        ([("P-Asserted-Identity", "broken <")], True, "+33612345678", "Ada L.", False),
        ([("P-Asserted-Identity", "<sip:pbx.example.com>")], True, "+33612345678", "Ada L.", False),
        ([("P-Asserted-Identity", '<tel:+331>, "Both" <sip:+331@x>')], True, "+331", "Both", True),
        ([("Remote-Party-ID", "<sip:5@pbx>;party=called")], True, "+33612345678", "Ada L.", False),
    ],
)
def test_assertions_count_from_peers_of_ours(
    headers: list[tuple[str, str]], is_trusted: bool, caller: str, name: str, is_asserted: bool
) -> None:
    data = read(invite(*headers), is_trusted=is_trusted)

    assert (data.caller, data.display_name, data.is_asserted) == (caller, name, is_asserted)


@pytest.mark.parametrize(
    "request_",
    [
        invite(ASSERTED, ("Privacy", "id")),
        invite(("Privacy", "header; user;critical")),
        invite(("Remote-Party-ID", "<sip:5@pbx>;party=calling;privacy=full")),
        invite(from_='"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1'),
        invite(from_="<sip:Restricted@carrier>;tag=1"),
        invite(from_="sip:12345@anonymous.invalid;tag=1"),
    ],
)
def test_a_withheld_caller_stays_withheld(request_: SipRequest) -> None:
    data = read(request_)

    assert (data.caller, data.display_name, data.is_private) == ("", "", True)


@pytest.mark.parametrize("words", ["none", "session", "history;critical"])
def test_privacy_of_other_things_withholds_nobody(words: str) -> None:
    assert not read(invite(("Privacy", words))).is_private


# --- who is called -------------------------------------------------------------------------------------------------
DIVERTED = ("Diversion", "<sip:+33199000002@x>;reason=no-answer, <sip:+33199000001@x>;reason=unconditional")


@pytest.mark.parametrize(
    ("request_", "called"),
    [
        (invite(uri="sip:bot@gw"), "+33199000000"),
        (invite(uri="sip:BOT@gw", to="<sip:bot@gw>"), "BOT"),
        (invite(DIVERTED, uri="sip:bot@gw", to="<sip:bot@gw>"), "+33199000002"),
        (invite(("P-Called-Party-ID", "<sip:+33199000009@x>"), uri="sip:bot@gw"), "+33199000009"),
        (invite(DIVERTED), "+33199000000"),
        (invite(uri="tel:+33199000003;phone-context=x"), "+33199000003"),
        (invite(uri="sip:+33199000003;npdi=yes@gw"), "+33199000003"),
        (invite(uri="sip:gw.example.com", to="<sip:gw.example.com>"), ""),
        (invite(uri="sip:%2B331@gw"), "+331"),
    ],
)
def test_the_number_that_was_dialled(request_: SipRequest, called: str) -> None:
    assert read(request_, accounts=("bot",)).called == called


def test_who_passed_the_call_on_last_comes_first() -> None:
    history = (
        "History-Info",
        "<sip:+331@x?Reason=SIP%3Bcause%3D302>;index=1, <sip:+332@x?Reason=SIP%3Bcause%3D486>;index=1.1, "
        "<sip:bot@gw>;index=1.1.1",
    )

    assert read(invite(DIVERTED)).diverted_by == ("+33199000002", "+33199000001")
    assert read(invite(history)).diverted_by == ("+332", "+331")


# --- the rest ------------------------------------------------------------------------------------------------------
def test_headers_of_the_pbx_become_call_data() -> None:
    request = invite(
        ("X-DID", "+33199000005"),
        ("x-did", "again"),
        ("X-Naïf".replace("ï", "i"), "caf\udcc3\udca9 \x07"),
        ("User-to-User", "56a390f3;encoding=hex"),
        ("Subject", "no"),
    )

    assert read(request).custom == {"X-DID": "+33199000005", "X-Naif": "café", "User-to-User": "56a390f3;encoding=hex"}


def test_custom_data_is_bounded() -> None:
    request = invite(*((f"X-{number}", "v" * 5000) for number in range(100)))
    custom = read(request).custom

    assert len(custom) == 64
    assert {len(value) for value in custom.values()} == {1024}


def test_a_line_reads_its_fields() -> None:
    fields = read(invite(DIVERTED, ("X-Customer", "7"))).fields()

    line = LineSection(transport="sip")
    caller, called, rest = line.identity(fields)

    assert (caller, called) == ("+33612345678", "+33199000000")
    assert rest == {"X-Customer": "7", "diverted_by": "+33199000002"}


def test_a_line_may_take_the_number_from_a_header_of_its_own() -> None:
    line = LineSection.model_validate({"transport": "sip", "fields": {"to": "x-did"}})

    assert line.identity(read(invite(("X-DID", "0033199000005"))).fields())[1] == "+33199000005"


def test_numbers_of_other_addresses_are_none() -> None:
    assert number_of(parse_uri("http://www.example.com")) == ""
    assert number_of(parse_uri("urn:service:sos")) == ""


def test_text_is_made_printable() -> None:
    assert clean(" a\x00b\r\nc\udcff\u202ed ") == "a b  c\ufffd d"


@given(anything)
def test_whatever_can_be_parsed_can_be_read(data: bytes) -> None:
    try:
        message = parse(data)
    except SipParseError:
        return
    if isinstance(message, SipRequest):
        found = read(message)
        texts = [found.caller, found.called, found.display_name, *found.diverted_by, *found.custom.values()]
        assert all(text.isprintable() and text.encode() is not None for text in texts)
