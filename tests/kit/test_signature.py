from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kit.signature import hmac_hex, is_signed_by_twilio, twilio_signature, url_spellings

TOKEN = "12345"
WEBHOOK = "https://mycompany.com/myapp.php?foo=1&bar=2"
FORM = [
    ("Digits", "1234"),
    ("CallSid", "CA1234567890ABCDE"),
    ("To", "+18005551212"),
    ("Caller", "+14158675309"),
    ("From", "+14158675309"),
]
STREAM = "wss://gw.example.com/media/twilio"
STREAM_SIGNATURE = "DuZb2DBNmRQ3P2PLxE2/QE2qf+s="


def test_the_vectors_of_the_documentation() -> None:
    assert twilio_signature(TOKEN, WEBHOOK, FORM) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    assert twilio_signature(TOKEN, STREAM) == STREAM_SIGNATURE


@pytest.mark.parametrize(
    "url",
    [
        STREAM,
        STREAM + "/",
        "wss://gw.example.com:443/media/twilio",
        "wss://gw.example.com:443/media/twilio/",
        "https://gw.example.com/media/twilio",
        "https://gw.example.com:443/media/twilio/",
    ],
)
def test_spellings_of_the_same_url_are_tolerated(url: str) -> None:
    assert is_signed_by_twilio(TOKEN, STREAM_SIGNATURE, url)
    assert is_signed_by_twilio(TOKEN, twilio_signature(TOKEN, url), STREAM)


@pytest.mark.parametrize(
    "url",
    [
        "wss://gw.example.com:8443/media/twilio",
        "wss://other.example.com/media/twilio",
        "wss://gw.example.com/media/other",
        "wss://gw.example.com/media/twilio?x=1",
        "ws://gw.example.com/media/twilio",
        "http://gw.example.com/media/twilio",
        "wss://gw.example.com/prefix/media/twilio",
    ],
)
def test_another_url_is_another_signature(url: str) -> None:
    assert not is_signed_by_twilio(TOKEN, STREAM_SIGNATURE, url)


@pytest.mark.parametrize("signature", ["", "x", STREAM_SIGNATURE[:-1], STREAM_SIGNATURE.lower(), "é" * 28])
def test_what_is_not_the_signature_is_refused(signature: str) -> None:
    assert not is_signed_by_twilio(TOKEN, signature, STREAM)
    assert not is_signed_by_twilio("54321", STREAM_SIGNATURE, STREAM)


def test_a_changed_form_is_refused_and_a_shuffled_one_is_not() -> None:
    signature = twilio_signature(TOKEN, WEBHOOK, FORM)
    assert is_signed_by_twilio(TOKEN, signature, WEBHOOK, reversed(FORM))
    assert not is_signed_by_twilio(TOKEN, signature, WEBHOOK, [*FORM[:-1], ("From", "+14158675310")])
    assert not is_signed_by_twilio(TOKEN, signature, WEBHOOK, FORM[:-1])


def test_a_port_of_an_ipv6_address_is_a_port() -> None:
    assert "ws://[::1]/m" in url_spellings("ws://[::1]:80/m")
    assert "ws://[::1]:80/m" in url_spellings("ws://[::1]/m")
    assert not any(":80" in url for url in url_spellings("ws://[::1]:8080/m") if ":8080" not in url)


@given(st.text(), st.text())
def test_a_proof_depends_on_secret_and_message(secret: str, message: str) -> None:
    assert hmac_hex(secret + "x", message) != hmac_hex(secret, message)
    assert hmac_hex(secret, message + "x") != hmac_hex(secret, message)
