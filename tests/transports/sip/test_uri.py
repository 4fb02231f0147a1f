from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.uri import (
    NameAddress,
    SipUri,
    parse_name_address,
    parse_name_addresses,
    parse_uri,
)

WRITTEN = [
    "sip:example.com",
    "sip:alice@pbx1",
    "sips:alice@example.com:5061",
    "sip:alice:secret@example.com",
    "sip:+33123456789@10.99.0.1:47114;transport=ws",
    "sip:bot@k3n9s0.invalid;transport=ws;ob",
    "sip:[2001:db8::1]:5060;lr",
    "sip:a@under_scored.host",
    "sip:x@host?Replaces=a%40b%3Bto-tag%3D1&Subject=",
    "sip:10.99.0.1:5080;transport=ws;r2=on;lr;ftag=afa030545cbd0f55",
    "sip:caller-0x55d086126c50@10.99.0.1:5161;alias=10.0.0.1~5060~1",
    "tel:+33-1-23-45",
    "tel:100;phone-context=example.com",
    "urn:service:sos",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_uris_are_written_as_they_were_read(text: str) -> None:
    assert str(parse_uri(text)) == text


def test_every_part_has_its_place() -> None:
    uri = parse_uri("SIPS:Alice:pw@Example.COM:5061;transport=tcp;lr?Subject=hi%20there&x")

    assert uri == SipUri(
        "sips",
        "Alice",
        "pw",
        "example.com",
        5061,
        (("transport", "tcp"), ("lr", None)),
        (("Subject", "hi%20there"), ("x", None)),
    )
    assert (uri.param("TRANSPORT"), uri.param("lr"), uri.param("maddr")) == ("tcp", "", None)
    assert (uri.header("subject"), uri.header("x"), uri.header("y")) == ("hi there", "", None)


def test_a_telephone_number_is_a_user_without_a_host() -> None:
    uri = parse_uri("tel:+33123;phone-context=x")

    assert (uri.scheme, uri.user, uri.host, uri.param("phone-context")) == ("tel", "+33123", "", "x")


def test_a_parameter_is_replaced_where_it_stood() -> None:
    uri = parse_uri("sip:a@b;transport=udp;lr")

    assert str(uri.with_param("Transport", "ws").with_param("ob")) == "sip:a@b;transport=ws;lr;ob"


def test_what_is_no_utf_8_is_replaced_in_a_name() -> None:
    assert parse_uri("sip:caf%C3%A9%FF@h").username == "café\ufffd"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:",
        "alice@example.com",
        "sip:@host",
        "sip:a@",
        "sip:a b@host",
        "sip:a@host:",
        "sip:a@host:65536",
        "sip:a@host:5060x",
        "sip:a@ho st",
        "sip:a@[::1",
        "<sip:a@host>",
        "sip:a@host\r\nX: y",
        "sip:a%4@host",
        "sip:a%zz@host",
        "sip:a@host;;lr",
        "sip:a@host;=x",
        "sip:a@b@c",
        "sip:a@host;" + ";".join(["p"] * 200),
    ],
)
def test_what_is_no_uri_is_refused(text: str) -> None:
    with pytest.raises(SipParseError) as raised:
        parse_uri(text)

    assert raised.value.status == 400


@pytest.mark.parametrize(
    ("text", "display", "uri", "params"),
    [
        ("<sip:a@b>", "", "sip:a@b", ()),
        ("<sip:a@b>;tag=x", "", "sip:a@b", (("tag", "x"),)),
        ("<sip:a@b;tag=x>", "", "sip:a@b;tag=x", ()),
        ("sip:a@b;tag=x", "", "sip:a@b", (("tag", "x"),)),
        ('"Bell, \\"A\\"" <sip:a@b> ; tag = x', 'Bell, "A"', "sip:a@b", (("tag", "x"),)),
        ('""<sip:a@b>', "", "sip:a@b", ()),
        ('"a <sip:no@b>" <sip:yes@b>', "a <sip:no@b>", "sip:yes@b", ()),
        ("Jean-François d'É. (dir) <sip:a@b>", "Jean-François d'É. (dir)", "sip:a@b", ()),
        ("tel:+331;phone-context=x", "", "tel:+331", (("phone-context", "x"),)),
        ("<sip:a@b>;", "", "sip:a@b", ()),
        (
            '<sip:a@b>;+sip.instance="<urn:uuid:6f1e>";reg-id=1',
            "",
            "sip:a@b",
            (("+sip.instance", '"<urn:uuid:6f1e>"'), ("reg-id", "1")),
        ),
    ],
)
def test_addresses(text: str, display: str, uri: str, params: tuple[tuple[str, str | None], ...]) -> None:
    address = parse_name_address(text)

    assert (address.display, str(address.uri), address.params) == (display, uri, params)
    assert parse_name_address(str(address)) == address


def test_parameters_of_an_address_come_without_quotes() -> None:
    address = parse_name_address('<sip:a@b>;+sip.instance="<urn:uuid:6f1e>";tag=1;flag')

    assert address.param("+SIP.instance") == "<urn:uuid:6f1e>"
    assert (address.tag, address.param("flag"), address.param("none")) == ("1", "", None)
    assert address.with_param("tag", "2").tag == "2"
    assert parse_name_address("<sip:a@b>").tag is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<>",
        "<sip:a@b",
        '"open <sip:a@b>',
        '"a" b <sip:a@b>',
        "<sip:a@b> x",
        "<sip:a@b>;;x",
        "<sip:a@b>;x y",
        "sip:a@b?Subject=x",
        "Bell, A <sip:a@b>",
        "* ",
        "  " * 9000 + '"<',
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(SipParseError):
        parse_name_address(text)


def test_lists_split_at_commas_that_are_not_inside() -> None:
    values = ['"a, b" <sip:a,b@b>, <sip:c@d>', "sip:e@f"]

    assert [address.uri.user for address in parse_name_addresses(values)] == ["a,b", "c", "e"]


def test_an_empty_element_of_a_list_is_refused() -> None:
    with pytest.raises(SipParseError):
        parse_name_addresses(["<sip:a@b>,,<sip:c@d>"])


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (parse_uri, parse_name_address):
        try:
            found = read(text)
        except SipParseError:
            continue
        assert read(str(found)) == found


@given(
    st.text(
        st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\n\r"),
        max_size=30,
    ),
    st.sampled_from(WRITTEN),
)
def test_any_display_name_survives(display: str, uri: str) -> None:
    address = NameAddress(display, parse_uri(uri), (("tag", "x"),))

    assert parse_name_address(str(address)) == address
