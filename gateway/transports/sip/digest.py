"""Digest authentication, both ends (RFC 3261 section 22, RFC 7616, RFC 8760). Nothing of it is ever logged."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.kit.signature import equal
from gateway.transports.sip.grammar import TOKEN, quote, split_outside, unquote
from gateway.transports.sip.message import SipRequest, SipResponse, response_to

HASHES = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}
"""Names in SIP and in hashlib, the strongest first."""
NONCE_LIFETIME = 300.0
MAX_USERNAME_CHARS = 256

_SESSION = "-SESS"
_SUPPORTED = {name: code for name, code in HASHES.items() if code in hashlib.algorithms_available}
_PARAM = re.compile(rf'({TOKEN})[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^\s",]*)')
_COUNT = re.compile(r"[0-9A-Fa-f]{8}")
_HEADERS = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}


# --- the arithmetic ------------------------------------------------------------------------------------------------
def digest_response(
    *,
    algorithm: str,
    username: str,
    realm: str,
    password: str,
    method: str,
    uri: str,
    nonce: str,
    qop: str | None = None,
    nc: str = "",
    cnonce: str = "",
) -> str:
    """The ``response`` of RFC 7616 section 3.4.1, in hexadecimal.

    Args:
        algorithm: A name of `HASHES`, perhaps with ``-sess``; case does not matter.
        qop: ``auth``, or None for the form of RFC 2069, in which nc and cnonce have no part.
    """
    base = algorithm.upper().removesuffix(_SESSION)
    ha1 = _hash(base, f"{username}:{realm}:{password}")
    if base != algorithm.upper():
        ha1 = _hash(base, f"{ha1}:{nonce}:{cnonce}")
    ha2 = _hash(base, f"{method}:{uri}")
    middle = nonce if qop is None else f"{nonce}:{nc}:{cnonce}:{qop}"
    return _hash(base, f"{ha1}:{middle}:{ha2}")


def _hash(algorithm: str, text: str) -> str:
    hashed = hashlib.new(_SUPPORTED[algorithm], text.encode("utf-8", "surrogateescape"), usedforsecurity=False)
    return hashed.hexdigest()


def parse_auth(value: str) -> dict[str, str] | None:
    """The parameters of a Digest challenge or answer, names in lower case, values without their quotes but with their
    escapes, since that is what is hashed; None for another scheme, a malformed value or a parameter given twice."""
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    params: dict[str, str] = {}
    for piece in split_outside(rest, ","):
        found = _PARAM.fullmatch(piece)
        if found is None or found[1].lower() in params:
            return None
        text = found[2]
        params[found[1].lower()] = text[1:-1] if text.startswith('"') else text
    return params


# --- we are asked --------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class _Challenge:
    header: str  # in which the answer goes
    realm: str
    nonce: str
    algorithm: str | None  # as written
    opaque: str | None
    has_qop: bool
    is_stale: bool
    uses: int = 0


class DigestClient:
    """One set of credentials. Remembers what it was last asked, so that later requests are answered unasked.

    Args:
        tokens: Makes a cnonce, from a good source of randomness.
    """

    def __init__(self, username: str, password: str, tokens: Callable[[], str]) -> None:
        self._username = username
        self._password = password
        self._tokens = tokens
        self._challenges: dict[tuple[str, bool], _Challenge] = {}  # for a registrar, for a peer, for a proxy

    def challenged(self, request: SipRequest, response: SipResponse) -> bool:
        """Take in a 401 or 407, and say whether sending the request again, with `authorize`, can help.

        It cannot when there is nothing that we understand, and when the password was just refused. A nonce that has
        grown stale, or that was used before and is refused now, is no refusal of the password. How often one request
        is sent again is for the caller to limit: a peer may call every nonce stale.

        Args:
            request: The one that was answered, with the credentials it carried.
        """
        if response.status not in _HEADERS:
            return False
        asking, answering = _HEADERS[response.status]
        offered = [_read_challenge(value, answering) for value in response.headers.fields(asking)]
        usable = [challenge for challenge in offered if challenge is not None]
        if not usable:
            return False
        chosen = min(usable, key=_strength)
        scope = _scope(answering, request)
        known = self._challenges.get(scope)
        was_refused = answering in request.headers and not chosen.is_stale and (known is None or known.uses <= 1)
        if known is None or known.nonce != chosen.nonce:
            self._challenges[scope] = chosen
        return not was_refused

    def authorize(self, request: SipRequest) -> None:
        """Write the answers to all that is known, in the place of older ones; nothing where nothing was asked.

        A registrar's 401 is answered to the registrar alone: what is sent within a call goes through it to whoever is
        on the far side, who could guess our password from the answer.
        """
        for scope, challenge in self._challenges.items():
            if scope == _scope(challenge.header, request):
                request.headers.set(challenge.header, self._answer(challenge, request))

    def forget(self) -> None:
        """Drop the nonces: the next request goes out without credentials, as to a peer that has started anew."""
        self._challenges.clear()

    def _answer(self, challenge: _Challenge, request: SipRequest) -> str:
        challenge.uses += 1
        uri, nc, cnonce = str(request.uri), f"{challenge.uses:08x}", self._tokens()
        qop = "auth" if challenge.has_qop else None
        response = digest_response(
            algorithm=challenge.algorithm or "MD5",
            username=self._username,
            realm=challenge.realm,
            password=self._password,
            method=request.method,
            uri=uri,
            nonce=challenge.nonce,
            qop=qop,
            nc=nc,
            cnonce=cnonce,
        )
        parts = [
            f"Digest username={quote(self._username)}",
            f'realm="{challenge.realm}"',
            f'nonce="{challenge.nonce}"',
            f"uri={quote(uri)}",
            f'response="{response}"',
        ]
        if challenge.algorithm is not None:
            parts.append(f"algorithm={challenge.algorithm}")
        if qop is not None or _is_session(challenge):
            parts.append(f"cnonce={quote(cnonce)}")
        if challenge.opaque is not None:
            parts.append(f'opaque="{challenge.opaque}"')
        if qop is not None:
            parts += [f"qop={qop}", f"nc={nc}"]
        return ", ".join(parts)


def _read_challenge(value: str, header: str) -> _Challenge | None:
    """A challenge that we can answer."""
    params = parse_auth(value)
    if params is None or "realm" not in params or "nonce" not in params:
        return None
    algorithm = params.get("algorithm")
    offered = [word.strip().lower() for word in params.get("qop", "").split(",") if word.strip()]
    if (algorithm or "MD5").upper().removesuffix(_SESSION) not in _SUPPORTED or (offered and "auth" not in offered):
        return None
    return _Challenge(
        header,
        params["realm"],
        params["nonce"],
        algorithm,
        params.get("opaque"),
        bool(offered),
        params.get("stale", "").lower() == "true",
    )


def _scope(answering: str, request: SipRequest) -> tuple[str, bool]:
    """What an answer is good for: a proxy's for every request, a 401's for REGISTER or for the others."""
    return answering, answering == "Authorization" and request.method == "REGISTER"


def _strength(challenge: _Challenge) -> int:
    """The smaller, the stronger."""
    return list(HASHES).index((challenge.algorithm or "MD5").upper().removesuffix(_SESSION))


def _is_session(challenge: _Challenge) -> bool:
    return (challenge.algorithm or "").upper().endswith(_SESSION)


# --- we ask --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Verdict:
    """What a request's credentials are worth.

    Attributes:
        username: Who it is; None: nobody we know, and the request is to be refused.
        is_stale: The password was right, the nonce too old: a client asks its user nothing and tries again.
    """

    username: str | None = None
    is_stale: bool = False


class DigestServer:
    """Asks for credentials and checks them, without a memory: a nonce is its time and a proof that it is ours.

    Without a memory nc cannot be checked. Instead a nonce holds for one peer address and five minutes; a request that
    is repeated within a transaction is not checked again at all.

    Args:
        users: Names and passwords.
        secret: Random bytes of this process; with others, all nonces handed out are void.
        algorithms: Offered, the preferred one first.
        status: 401 as a user agent, 407 as a proxy would.
    """

    def __init__(
        self,
        realm: str,
        users: Mapping[str, str],
        secret: bytes,
        *,
        algorithms: tuple[str, ...] = ("SHA-256", "MD5"),
        status: int = 401,
        lifetime: float = NONCE_LIFETIME,
    ) -> None:
        self._realm = realm
        self._users = dict(users)
        self._secret = secret
        self._algorithms = tuple(name for name in algorithms if name in _SUPPORTED)
        self._status = status
        self._lifetime = lifetime

    def refuse(self, request: SipRequest, verdict: Verdict, now: float, *, peer: str, to_tag: str) -> SipResponse:
        """The 401 or 407 that asks for credentials.

        Args:
            peer: The peer's address, without its port, which may change.
        """
        response = response_to(request, self._status, to_tag=to_tag)
        nonce = self._nonce(f"{int(now * 1000):x}", peer)
        stale = ", stale=true" if verdict.is_stale else ""
        for algorithm in self._algorithms:
            challenge = f'Digest realm={quote(self._realm)}, nonce="{nonce}", qop="auth", algorithm={algorithm}{stale}'
            response.headers.add(_HEADERS[self._status][0], challenge)
        return response

    def check(self, request: SipRequest, now: float, *, peer: str) -> Verdict:
        """Judge the credentials of a request: the first answer that is for our realm counts.

        ``uri`` is taken from the answer: proxies on the way rewrite the Request-URI.
        """
        answers = [parse_auth(value) for value in request.headers.fields(_HEADERS[self._status][1])]
        mine = next((answer for answer in answers if answer and _plain(answer.get("realm", "")) == self._realm), None)
        if mine is None or not self._is_well_formed(mine):
            return Verdict()
        username = _plain(mine["username"])
        password = self._users.get(username)
        expected = digest_response(
            algorithm=mine.get("algorithm", "MD5"),
            username=username,
            realm=mine["realm"],
            password=password if password is not None else self._secret.hex(),
            method=request.method,
            uri=mine["uri"],
            nonce=mine["nonce"],
            qop=mine.get("qop"),
            nc=mine.get("nc", ""),
            cnonce=mine.get("cnonce", ""),
        )
        if not equal(expected, mine["response"].lower()) or password is None:
            return Verdict()
        return Verdict(username) if self._is_fresh(mine["nonce"], now, peer) else Verdict(is_stale=True)

    def _is_well_formed(self, answer: Mapping[str, str]) -> bool:
        if any(name not in answer for name in ("username", "nonce", "uri", "response")):
            return False
        if answer.get("algorithm", "MD5").upper() not in self._algorithms:
            return False
        if len(answer["username"]) > MAX_USERNAME_CHARS:
            return False
        if "qop" not in answer:
            return True
        return answer["qop"] == "auth" and bool(_COUNT.fullmatch(answer.get("nc", ""))) and bool(answer.get("cnonce"))

    def _nonce(self, time: str, peer: str) -> str:
        proof = hmac.digest(self._secret, f"{time} {peer}".encode(), "sha256").hex()[:32]
        return f"{time}.{proof}"

    def _is_fresh(self, nonce: str, now: float, peer: str) -> bool:
        time = nonce.partition(".")[0]
        if not re.fullmatch(r"-?[0-9a-f]{1,16}", time) or not equal(self._nonce(time, peer), nonce):
            return False
        return 0 <= now - int(time, 16) / 1000 + 0.001 <= self._lifetime


def _plain(inside: str) -> str:
    """What the inside of a quoted string says."""
    return unquote(f'"{inside}"')
