"""Who is let in: the token, this machine, and nobody who pretends to be it."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.guard import SOCKET, Guard, is_loopback, is_loopback_name
from gateway.http.login import LASTS, Login, logout

OUTSIDE = "203.0.113.9"
TOKEN = "s3cret-token"
LOCAL = Guard()
LOCKED = Guard(token=TOKEN)
PROXIED = Guard(trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("127.0.0.1/32")))


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


# --- the token -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("peer", [OUTSIDE, "127.0.0.1", "::1", ""])
def test_the_token_lets_in_from_anywhere(peer: str) -> None:
    assert LOCKED.refusal(peer, bearer(TOKEN)) is None
    assert LOCKED.refusal(peer, {"authorization": f"bearer   {TOKEN} "}) is None


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        "Bearer \xe9\xff",
        "Bearer \ud800",
    ],
)
def test_without_the_token_not_even_this_machine_is_let_in(authorization: str) -> None:
    headers = {"authorization": authorization} if authorization else {}
    refusal = LOCKED.refusal("127.0.0.1", headers)
    assert refusal is not None
    assert refusal[0] == 401


@given(st.text())
def test_nothing_but_the_token_is_the_token(given_token: str) -> None:
    assert LOCKED.is_token(given_token) == (given_token.strip() == TOKEN)


def test_a_token_with_accents_is_sent_as_bytes_of_utf_8() -> None:
    sent = "clé-secrète".encode().decode("latin-1")
    assert Guard(token="clé-secrète").refusal(OUTSIDE, bearer(sent)) is None


# --- this machine --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_without_a_token_this_machine_is_let_in(peer: str) -> None:
    assert LOCAL.refusal(peer, {}) is None


@pytest.mark.parametrize(
    "peer", [OUTSIDE, "10.0.0.1", "::ffff:203.0.113.9", "2001:db8::1", "", "localhost", "0.0.0.0", "127.0.0.1:80", "::"]
)
def test_without_a_token_nobody_else_is(peer: str) -> None:
    refusal = LOCAL.refusal(peer, {})
    assert refusal is not None
    assert refusal[0] == 403


def test_a_unix_socket_has_no_address_and_needs_the_token() -> None:
    assert LOCAL.refusal("", {}) is not None
    assert LOCKED.refusal("", bearer(TOKEN)) is None


@pytest.mark.parametrize(
    "host", ["", "127.0.0.1", "127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080", "[::1]", "bot.localhost"]
)
def test_loopback_names(host: str) -> None:
    assert is_loopback_name(host)
    assert LOCAL.refusal("127.0.0.1", {"host": host}) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "[::1", "notlocalhost", "10.0.0.1"],
)
def test_a_name_that_somebody_points_at_this_machine_is_refused(host: str) -> None:
    assert LOCAL.refusal("127.0.0.1", {"host": host}) is not None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", SOCKET])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "http://[bad"])
def test_pages_of_others_change_nothing_and_open_no_socket(method: str, origin: str) -> None:
    headers = {"host": "127.0.0.1:8080", "origin": origin}
    assert LOCAL.refusal("127.0.0.1", headers, method) is not None


def test_our_own_pages_and_programs_do() -> None:
    headers = {"host": "127.0.0.1:8080"}
    assert LOCAL.refusal("127.0.0.1", headers, "POST") is None
    assert LOCAL.refusal("127.0.0.1", {**headers, "origin": "http://127.0.0.1:8080"}, SOCKET) is None


# --- proxies -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", OUTSIDE])
@pytest.mark.parametrize("claimed", ["127.0.0.1", "::1", "127.0.0.1, 127.0.0.1", "", "localhost", OUTSIDE])
def test_a_forwarded_request_is_not_of_this_machine_where_no_proxy_is_trusted(peer: str, claimed: str) -> None:
    assert LOCAL.refusal(peer, {"x-forwarded-for": claimed}) is not None


@pytest.mark.parametrize("header", ["forwarded", "x-real-ip", "via", "x-forwarded-proto", "x-forwarded-host"])
def test_a_proxy_that_does_not_say_for_whom_it_asks_is_not_this_machine(header: str) -> None:
    assert LOCAL.refusal("127.0.0.1", {header: "127.0.0.1"}) is not None
    assert PROXIED.refusal("127.0.0.1", {header: "127.0.0.1"}) is not None


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "127.0.0.1, 203.0.113.9", "203.0.113.9"),  # the first was made up by the client
        ("10.0.0.1", "203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("10.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2"),
        ("10.0.0.1", "nonsense", "nonsense"),
        ("10.0.0.1", "", ""),
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        (OUTSIDE, "127.0.0.1", OUTSIDE),
        ("::1", "127.0.0.1", ""),
    ],
)
def test_the_client_behind_proxies(peer: str, forwarded: str, client: str) -> None:
    assert PROXIED.client(peer, {"x-forwarded-for": forwarded}) == client


def test_a_proxy_speaks_for_nobody_without_the_header() -> None:
    assert PROXIED.refusal("10.0.0.1", {}) is not None


@given(st.text(), st.text(), st.text())
def test_whatever_headers_say_an_outsider_stays_out(forwarded: str, host: str, origin: str) -> None:
    headers = {"x-forwarded-for": forwarded, "host": host, "origin": origin}
    assert LOCAL.refusal(OUTSIDE, headers, "POST") is not None


@given(st.text())
def test_any_text_is_loopback_or_not(text: str) -> None:
    assert is_loopback(text) in (True, False)
    assert is_loopback_name(text) in (True, False)


# --- logins --------------------------------------------------------------------------------------------------------
class Days:
    """A clock in seconds that a test sets."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def cookie_of(set_cookie: str) -> str:
    return set_cookie.partition(";")[0]


def test_a_login_reads_and_changes_nothing() -> None:
    login = Login(TOKEN)
    guard = Guard(token=TOKEN, login=login)
    headers = {"cookie": f"theme=dark; {cookie_of(login.cookie(secure=False))}", "host": "voice.example.com"}
    assert guard.refusal(OUTSIDE, headers, "GET") is None
    assert guard.refusal(OUTSIDE, headers, "HEAD") is None
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert guard.refusal(OUTSIDE, headers, method) is not None


def test_a_login_opens_sockets_for_our_own_pages_only() -> None:
    login = Login(TOKEN)
    guard = Guard(token=TOKEN, login=login)
    headers = {"cookie": cookie_of(login.cookie(secure=True)), "host": "voice.example.com"}
    assert guard.refusal(OUTSIDE, {**headers, "origin": "https://voice.example.com"}, SOCKET) is None
    assert guard.refusal(OUTSIDE, {**headers, "origin": "https://evil.example"}, SOCKET) is not None
    assert guard.refusal(OUTSIDE, headers, SOCKET) is not None


def test_a_login_ends_with_its_time_and_with_the_token() -> None:
    clock = Days()
    login = Login(TOKEN, clock)
    cookie = cookie_of(login.cookie(secure=False))
    assert login.is_open(cookie)
    assert not Login("another-token", clock).is_open(cookie)
    clock.now += LASTS + 1
    assert not login.is_open(cookie)


def test_a_login_cannot_be_prolonged_or_made_up() -> None:
    login = Login(TOKEN)
    name, _, value = cookie_of(login.cookie(secure=False)).partition("=")
    expires, _, seal = value.partition(".")
    for forged in (f"{int(expires) + 9}.{seal}", f"{expires}.{seal[:-1]}", expires, f".{seal}", "x.y", "", "9" * 20):
        assert not login.is_open(f"{name}={forged}")


@given(st.text())
def test_any_cookie_is_a_login_or_not(text: str) -> None:
    assert not Login(TOKEN).is_open(text)


def test_cookies_are_kept_from_scripts_and_other_sites() -> None:
    for cookie in (Login(TOKEN).cookie(secure=True, path="/talkpath/"), logout(secure=True, path="/talkpath/")):
        assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/talkpath/"} <= set(cookie.split("; "))
    assert "Secure" not in Login(TOKEN).cookie(secure=False)
    assert TOKEN not in Login(TOKEN).cookie(secure=True)
