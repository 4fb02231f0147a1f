from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transports.sip.digest import (
    HASHES,
    DigestClient,
    DigestServer,
    Verdict,
    digest_response,
    parse_auth,
)
from gateway.transports.sip.message import Headers, SipRequest, SipResponse, response_to
from gateway.transports.sip.uri import parse_uri
from tests.fakes.captured_sip import captured_response

PEER = "192.0.2.7"


def request(method: str = "REGISTER", cseq: int = 1) -> SipRequest:
    headers = Headers(
        [
            ("Via", "SIP/2.0/WSS x.invalid;branch=z9hG4bK1"),
            ("From", "<sip:bot@pbx.example.com>;tag=1"),
            ("To", "<sip:bot@pbx.example.com>"),
            ("Call-ID", "c"),
            ("CSeq", f"{cseq} {method}"),
        ]
    )
    return SipRequest(method, parse_uri("sip:pbx.example.com"), headers)


def asked(*challenges: str, status: int = 401) -> SipResponse:
    response = response_to(request(), status)
    for challenge in challenges:
        response.headers.add("WWW-Authenticate" if status == 401 else "Proxy-Authenticate", challenge)
    return response


def client(password: str = "s3cret", username: str = "bot") -> DigestClient:
    numbers = count(1)
    return DigestClient(username, password, lambda: f"cnonce{next(numbers)}")


def server(**changes: Any) -> DigestServer:
    settings: dict[str, Any] = {"realm": "pbx", "users": {"bot": "s3cret"}, "secret": b"of this process"}
    return DigestServer(**(settings | changes))


def answer(request: SipRequest, header: str = "Authorization") -> dict[str, str]:
    params = parse_auth(request.headers.get(header) or "")
    assert params is not None
    return params


# --- the arithmetic ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "2b851f8ffeb9f07cdcbb26c4c39942c0"),
        ("SHA-256", "1b80c029358ae3d237a562cd98992c96cc1e85eb73ec95a0512049c7df5e8bb6"),
    ],
)
def test_a_register_as_asterisk_asks_for_it(algorithm: str, expected: str) -> None:
    response = digest_response(
        algorithm=algorithm,
        username="bot",
        realm="asterisk",
        password="s3cret",
        method="REGISTER",
        uri="sip:pbx.example.com",
        nonce="1545446005/07b7",
        qop="auth",
        nc="00000001",
        cnonce="0a4f113b",
    )

    assert response == expected


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("md5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, expected: str) -> None:
    """Section 3.9.1."""
    response = digest_response(
        algorithm=algorithm,
        username="Mufasa",
        realm="http-auth@example.org",
        password="Circle of Life",
        method="GET",
        uri="/dir/index.html",
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        qop="auth",
        nc="00000001",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )

    assert response == expected


def test_the_example_of_rfc_2617_and_the_form_before_it() -> None:
    common = {
        "algorithm": "MD5",
        "username": "Mufasa",
        "realm": "testrealm@host.com",
        "password": "Circle Of Life",
        "method": "GET",
        "uri": "/dir/index.html",
        "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    }

    assert digest_response(**common, qop="auth", nc="00000001", cnonce="0a4f113b") == "6629fae49393a05397450978507c4ef1"
    assert digest_response(**common) == "670fd8c2df070c60b045671b8b24ff02"


def test_parameters_are_read_with_commas_and_blanks_inside() -> None:
    assert parse_auth('DIGEST realm = "a, \\"b\\"" ,nonce="1=", qop="auth,auth-int",stale=TRUE, algorithm=md5') == {
        "realm": 'a, \\"b\\"',
        "nonce": "1=",
        "qop": "auth,auth-int",
        "stale": "TRUE",
        "algorithm": "md5",
    }


@pytest.mark.parametrize(
    "value", ["", "Digest", "Basic x", 'Digest realm="a', "Digest realm", "Digest a=1, a=2", "Digest a=1,,b=2"]
)
def test_what_is_no_digest_says_nothing(value: str) -> None:
    assert parse_auth(value) is None


@given(st.text(max_size=80))
def test_any_text_is_read_or_says_nothing(text: str) -> None:
    params = parse_auth("Digest " + text)

    assert params is None or all(name == name.lower() for name in params)


# --- we are asked --------------------------------------------------------------------------------------------------
def test_the_challenge_of_asterisk_is_answered() -> None:
    bot, register = client(), request()

    assert bot.challenged(register, captured_response("asterisk_401"))
    bot.authorize(register)
    given_ = answer(register)

    assert register.headers.fields("Authorization")[0].startswith('Digest username="bot", realm="asterisk", ')
    assert given_["nonce"] == "1795216272/c0db329eab8b9b4605168e039cc442c9"
    assert (given_["opaque"], given_["uri"], given_["algorithm"]) == ("16e09475122c5146", "sip:pbx.example.com", "MD5")
    assert (given_["qop"], given_["nc"], given_["cnonce"]) == ("auth", "00000001", "cnonce1")
    assert given_["response"] == digest_response(
        algorithm="MD5",
        username="bot",
        realm="asterisk",
        password="s3cret",
        method="REGISTER",
        uri="sip:pbx.example.com",
        nonce=given_["nonce"],
        qop="auth",
        nc="00000001",
        cnonce="cnonce1",
    )


def test_what_servers_want_unquoted_is_unquoted() -> None:
    bot, register = client(), request()
    bot.challenged(register, captured_response("asterisk_401"))
    bot.authorize(register)
    value = register.headers.get("Authorization") or ""

    assert all(part in value for part in ("qop=auth,", "nc=00000001", "algorithm=MD5"))


def test_without_qop_the_old_form_is_used() -> None:
    bot, register = client(), request()

    assert bot.challenged(register, asked('Digest realm="r", nonce="n"'))
    bot.authorize(register)

    assert not {"qop", "nc", "cnonce", "algorithm", "opaque"} & answer(register).keys()


def test_the_strongest_challenge_is_answered() -> None:
    bot, register = client(), request()
    offered = [f'Digest realm="r", nonce="{name}", algorithm={name}, qop="auth"' for name in ("MD5", "SHA-256", "X")]

    assert bot.challenged(register, asked(*offered, 'Basic realm="r"'))
    bot.authorize(register)

    assert answer(register)["algorithm"] == "SHA-256"


@pytest.mark.parametrize(
    "challenge",
    [
        'Basic realm="r"',
        'Digest realm="r"',
        'Digest nonce="n"',
        'Digest realm="r", nonce="n", algorithm=SHA-3',
        'Digest realm="r", nonce="n", qop="auth-int"',
    ],
)
def test_what_we_do_not_understand_is_not_answered(challenge: str) -> None:
    bot, register = client(), request()

    assert not bot.challenged(register, asked(challenge))
    bot.authorize(register)
    assert "Authorization" not in register.headers


def test_no_challenge_no_second_try() -> None:
    assert not client().challenged(request(), asked())
    assert not client().challenged(request(), response_to(request(), 403))


def test_a_refused_password_is_not_tried_again() -> None:
    bot, register = client("wrong"), request()
    assert bot.challenged(register, asked('Digest realm="r", nonce="1", qop="auth"'))
    bot.authorize(register)

    assert not bot.challenged(register, asked('Digest realm="r", nonce="2", qop="auth"'))


def test_a_stale_nonce_is_no_refusal() -> None:
    bot, register = client(), request()
    bot.challenged(register, asked('Digest realm="r", nonce="1", qop="auth"'))
    bot.authorize(register)

    assert bot.challenged(register, asked('Digest realm="r", nonce="2", qop="auth", stale=true'))
    bot.authorize(register)
    assert (answer(register)["nonce"], answer(register)["nc"]) == ("2", "00000001")
    assert len(register.headers.fields("Authorization")) == 1


def test_a_nonce_is_used_again_and_counted_and_its_end_is_no_refusal() -> None:
    bot = client()
    bot.challenged(request(), asked('Digest realm="r", nonce="1", qop="auth"'))
    counts = []
    for number in range(1, 4):
        refresh = request(cseq=number)
        bot.authorize(refresh)
        counts.append(answer(refresh)["nc"])

    assert counts == ["00000001", "00000002", "00000003"]
    assert bot.challenged(refresh, asked('Digest realm="r", nonce="2", qop="auth"'))


def test_a_proxy_and_a_registrar_are_answered_side_by_side() -> None:
    bot, register = client(), request()
    bot.challenged(register, asked('Digest realm="proxy", nonce="p"', status=407))
    bot.authorize(register)

    assert bot.challenged(register, asked('Digest realm="registrar", nonce="r"'))
    bot.authorize(register)

    assert answer(register)["realm"] == "registrar"
    assert answer(register, "Proxy-Authorization")["realm"] == "proxy"


def test_a_session_key_is_made_where_asked_for() -> None:
    bot, register = client(), request()
    bot.challenged(register, asked('Digest realm="r", nonce="n", algorithm=MD5-sess, qop="auth"'))
    bot.authorize(register)

    plain = digest_response(
        algorithm="MD5",
        username="bot",
        realm="r",
        password="s3cret",
        method="REGISTER",
        uri="sip:pbx.example.com",
        nonce="n",
        qop="auth",
        nc="00000001",
        cnonce="cnonce1",
    )
    assert answer(register)["response"] != plain
    assert answer(register)["algorithm"] == "MD5-sess"


def test_forgetting_sends_nothing_unasked() -> None:
    bot, register = client(), request()
    bot.challenged(register, asked('Digest realm="r", nonce="n"'))
    bot.forget()
    bot.authorize(register)

    assert "Authorization" not in register.headers


# --- we ask --------------------------------------------------------------------------------------------------------
def admitted(
    door: DigestServer, bot: DigestClient, invite: SipRequest, *, later: float = 0.0, peer: str = PEER
) -> Verdict:
    """What becomes of a request that is refused, answered and sent again."""
    refusal = door.refuse(invite, door.check(invite, 100.0, peer=PEER), 100.0, peer=PEER, to_tag="t")
    bot.challenged(invite, refusal)
    bot.authorize(invite)
    return door.check(invite, 100.0 + later, peer=peer)


@pytest.mark.parametrize("algorithm", list(HASHES))
@pytest.mark.parametrize("status", [401, 407])
def test_who_knows_the_password_is_let_in(algorithm: str, status: int) -> None:
    door = server(algorithms=(algorithm,), status=status)

    assert admitted(door, client(), request("INVITE")) == Verdict("bot")


def test_the_refusal_asks_with_every_algorithm() -> None:
    invite = request("INVITE")
    refusal = server().refuse(invite, Verdict(), 100.0, peer=PEER, to_tag="t")
    challenges = [parse_auth(value) or {} for value in refusal.headers.fields("WWW-Authenticate")]

    assert (refusal.status, refusal.to.tag) == (401, "t")
    assert [challenge["algorithm"] for challenge in challenges] == ["SHA-256", "MD5"]
    assert {challenge["qop"] for challenge in challenges} == {"auth"}
    assert not any("stale" in challenge for challenge in challenges)
    assert invite.headers.items() == request("INVITE").headers.items()


@pytest.mark.parametrize(("username", "password"), [("bot", "wrong"), ("eve", "s3cret"), ("eve", "")])
def test_nobody_else_is(username: str, password: str) -> None:
    assert admitted(server(), client(password, username), request("INVITE")) == Verdict()


def test_quotes_and_letters_in_names_and_realms() -> None:
    door = server(realm='say "hi", all', users={'j"é\\r': "pàss"})

    assert admitted(door, client("pàss", 'j"é\\r'), request("INVITE")) == Verdict('j"é\\r')


@pytest.mark.parametrize(("later", "expected"), [(299.0, Verdict("bot")), (301.0, Verdict(is_stale=True))])
def test_a_nonce_grows_old(later: float, expected: Verdict) -> None:
    assert admitted(server(), client(), request("INVITE"), later=later) == expected


def test_an_old_nonce_is_renewed_without_asking_for_a_password() -> None:
    door, bot, invite = server(), client(), request("INVITE")
    verdict = admitted(door, bot, invite, later=400.0)
    refusal = door.refuse(invite, verdict, 500.0, peer=PEER, to_tag="t")

    assert (parse_auth(refusal.headers.get("WWW-Authenticate") or "") or {})["stale"] == "true"
    assert bot.challenged(invite, refusal)
    bot.authorize(invite)
    assert door.check(invite, 500.0, peer=PEER) == Verdict("bot")


def test_a_nonce_is_for_one_peer_and_one_process() -> None:
    bot, invite = client(), request("INVITE")

    assert admitted(server(), bot, invite, peer="198.51.100.1") == Verdict(is_stale=True)
    assert server(secret=b"another").check(invite, 100.0, peer=PEER) == Verdict(is_stale=True)


def test_an_answer_is_for_one_method() -> None:
    door, invite = server(), request("INVITE")
    admitted(door, client(), invite)
    invite.method = "REFER"

    assert door.check(invite, 100.0, peer=PEER) == Verdict()


def test_the_form_without_qop_is_taken() -> None:
    door, invite = server(), request("INVITE")
    refusal = door.refuse(invite, Verdict(), 100.0, peer=PEER, to_tag="t")
    nonce = (parse_auth(refusal.headers.fields("WWW-Authenticate")[1]) or {})["nonce"]
    bot = client()
    bot.challenged(invite, asked(f'Digest realm="pbx", nonce="{nonce}"'))
    bot.authorize(invite)

    assert door.check(invite, 100.0, peer=PEER) == Verdict("bot")


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        ("nc=00000001", "nc=1"),
        ("qop=auth", "qop=auth-int"),
        ("algorithm=SHA-256", "algorithm=SHA-512"),
        ('uri="sip:pbx.example.com"', 'uri="sip:other"'),
        ('realm="pbx"', 'realm="other"'),
        ("response=", "Response2="),
        ("cnonce=", "cnonce2="),
        ("nonce=", "nonce=x"),
        ('username="bot"', f'username="{300 * "b"}"'),
        ("Digest ", "Basic "),
    ],
)
def test_a_changed_answer_is_worth_nothing(part: str, instead: str) -> None:
    door, invite = server(), request("INVITE")
    assert admitted(door, client(), invite) == Verdict("bot")
    value = invite.headers.get("Authorization") or ""
    invite.headers.set("Authorization", value.replace(part, instead, 1))

    assert part in value
    assert door.check(invite, 100.0, peer=PEER) == Verdict()


@given(st.text(st.characters(exclude_characters="\r\n"), max_size=120))
def test_any_credentials_are_judged(text: str) -> None:
    invite = request("INVITE")
    invite.headers.add("Authorization", "Digest " + text)

    assert server().check(invite, 100.0, peer=PEER).username is None


@given(
    st.dictionaries(
        st.sampled_from(["username", "realm", "nonce", "uri", "response", "algorithm", "qop", "nc", "cnonce"]),
        st.one_of(
            st.sampled_from(["bot", "pbx", "MD5", "SHA-256", "auth", "00000001", "sip:x", "64.0", "-1.", "1869f."]),
            st.text(st.characters(exclude_characters='\r\n"\\'), max_size=12),
        ),
    )
)
def test_any_answer_of_the_right_shape_is_judged(params: dict[str, str]) -> None:
    invite = request("INVITE")
    invite.headers.add("Authorization", "Digest " + ", ".join(f'{name}="{value}"' for name, value in params.items()))

    assert server().check(invite, 100.0, peer=PEER) == Verdict()
