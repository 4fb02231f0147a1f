"""Settings of a `sip` line: one SIP core with any number of doors."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from config.base import Network, Section, one_or_many
from config.lines import AuthSection, LineSection
from gateway.transports.media.settings import MediaAddress, MediaPorts
from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.uri import SipUri, parse_uri

Codec = Literal["PCMA", "PCMU", "G722", "opus"]
USABLE_AUTH = ("basic", "bearer", "digest", "none")
_LISTEN = re.compile(r"(udp|tcp):(\[[0-9a-fA-F:.]+\]|[^:\s\[\]]+)(?::([0-9]{1,5}))?")
SIP_PORT = 5060
MAX_REGISTRATIONS = 64
"""Accounts of one line; each has a connection of its own."""


class Listening(NamedTuple):
    """A socket for SIP from trunks; host is an address, IPv6 without brackets."""

    transport: Literal["udp", "tcp"]
    host: str
    port: int


def _listening(value: str) -> str:
    parse_listening(value)
    return value


def parse_listening(value: str) -> Listening:
    """``udp:0.0.0.0:5060``, ``tcp:[::]:5060``; the port may be missing."""
    found = _LISTEN.fullmatch(value.strip())
    if found is None:
        raise PydanticCustomError("listen", "is a transport, an address and a port such as udp:0.0.0.0:5060")
    host, port = found[2].strip("[]"), int(found[3] or SIP_PORT)
    try:
        ip_address(host)
    except ValueError:
        raise PydanticCustomError("listen", "names an address of this machine, such as 0.0.0.0") from None
    if port > 65535:
        raise PydanticCustomError("listen", "has a port between 1 and 65535")
    return Listening("udp" if found[1] == "udp" else "tcp", host, port)


def _registrar(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.fragment:
        raise PydanticCustomError("registrar", "is a WebSocket address such as wss://pbx.example.com:8089/ws")
    return value


def _aor(value: str) -> str:
    try:
        uri = parse_uri(value)
    except SipParseError:
        uri = None
    if not isinstance(uri, SipUri) or not uri.user or not uri.host:
        raise PydanticCustomError("aor", "is an address of record such as sip:bot@pbx.example.com")
    return value


class RegistrationSection(Section):
    """An account at a PBX, at which we register over WebSocket (RFC 7118)."""

    registrar: Annotated[str, AfterValidator(_registrar)]
    """The PBX's WebSocket for SIP, such as `wss://pbx.example.com:8089/ws`."""
    aor: Annotated[str, AfterValidator(_aor)]
    """The account's address, such as `sip:bot@pbx.example.com`."""
    username: str | None = None
    """Name that the PBX asks for (digest). Unset: the user part of `aor`."""
    password: SecretStr | None = None
    """Its password. Unset: the PBX does not ask."""
    expires: int = Field(default=300, ge=30, le=86400)
    """Seconds that we ask to be known for; the PBX decides."""
    contact_transport: Literal["ws", "wss"] = "ws"
    """What the Contact says; `ws` also for wss by the RFC, and some PBXs want `wss`."""
    origin: str | None = None
    """Sent as Origin with the upgrade, for PBXs that ask for one."""

    @property
    def account(self) -> str:
        """The user part of the address: what the PBX calls when it calls us."""
        uri = parse_uri(self.aor)
        return uri.user or ""

    @property
    def place(self) -> str:
        """The registrar's address without the secrets that it may hold, for logs."""
        parts = urlsplit(self.registrar)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _few_enough(value: object) -> object:
    if isinstance(value, list | tuple) and len(value) > MAX_REGISTRATIONS:
        raise PydanticCustomError(
            "registrations",
            f"has {len(value)} accounts, and a line has at most {MAX_REGISTRATIONS}: put the others on another line",
        )
    return value


class RtpSection(Section):
    """Where the audio of calls is sent and received."""

    ports: MediaPorts = (20000, 20999)
    """UDP ports for audio, such as `20000-20999`; two for each call, one with WebRTC. Open them in the firewall."""
    host: MediaAddress = None
    """Local address for audio. Unset: that by which the peer is reached."""
    announce: MediaAddress = None
    """Address that peers are told, for a gateway behind 1:1 NAT. Unset: the local one."""
    latching: bool = True
    """Send audio to where the peer's comes from (symmetric RTP), which telephones behind NAT need. Off: only to and
    from the address that the peer has named."""
    silence_limit: float = Field(default=20.0, ge=2, le=600)
    """Seconds without any packet from the peer, after which the call is over."""
    hold_limit: float = Field(default=900.0, ge=10, le=86400)
    """The same while the call is on hold, when many peers send nothing."""


class SipLine(LineSection):
    """Calls by SIP: from a PBX at which we register over WebSocket, from trunks by UDP and TCP, and from telephones
    that connect to our own WebSocket. Audio is plain RTP, or WebRTC where the peer offers it.
    """

    transport: Literal["sip"] = "sip"
    registrations: Annotated[tuple[RegistrationSection, ...], BeforeValidator(_few_enough)] = Field(
        default=(), max_length=MAX_REGISTRATIONS
    )
    """PBXs at which this line registers, at most 64. Whoever is there may call."""
    listen: Annotated[tuple[Annotated[str, AfterValidator(_listening)], ...], BeforeValidator(one_or_many)] = Field(
        default=(), max_length=16
    )
    """Sockets for trunks, such as `udp:0.0.0.0:5060`; needs `allow` or `auth`."""
    allow: Annotated[tuple[Network, ...], BeforeValidator(one_or_many)] = ()
    """Networks and addresses of trunks whose calls are taken on `listen`; others are refused before they are read."""
    trust_identity: bool = True
    """Whether P-Asserted-Identity and Remote-Party-ID of peers in `allow`, and of PBXs at which we register, say who
    calls. On `path` they never do."""
    rtp: RtpSection = RtpSection()
    codecs: tuple[Codec, ...] = Field(default=("PCMA", "PCMU"), min_length=1)
    """Codecs, the preferred one first; what the PBX does not have to convert is best."""
    inband_digits: bool = False
    """Whether keys are also listened for as tones in the audio, for peers that send them no other way."""
    refuse_unknown: int = Field(default=404, ge=400, le=699)
    """Status for a called number that has no entry under `numbers`."""
    refuse_busy: int = Field(default=486, ge=400, le=699)
    """Status when people answer now (`answer_when`)."""
    retry_after: int = Field(default=30, ge=1, le=3600)
    """Seconds after which a PBX may try again, told with 503 when the gateway is full or about to stop."""
    reconnect_grace: float = Field(default=15.0, ge=0, le=300)
    """Seconds a call goes on when the connection that carries its signalling has broken."""

    @model_validator(mode="after")
    def _has_a_door(self) -> Self:
        if not (self.registrations or self.listen or self.path):
            raise PydanticCustomError("door", "needs `registrations`, `listen` or `path`: a way for calls to come in")
        return self

    @model_validator(mode="after")
    def _says_who_may_come_in(self) -> Self:
        if self.auth is not None and self.auth.kind not in USABLE_AUTH:
            raise PydanticCustomError("auth", "must be digest, basic, bearer or none on a sip line")
        if self.listen and not self.allow and not (self.auth and self.auth.kind in ("digest", "none")):
            raise PydanticCustomError(
                "allow", "listens for trunks and needs `allow` with their addresses, or `auth` with digest"
            )
        if len({(it.registrar, it.aor) for it in self.registrations}) < len(self.registrations):
            raise PydanticCustomError("registrations", "names one account twice")
        return self

    @property
    def listens(self) -> tuple[str, ...]:
        return self.listen

    @property
    def can_transfer(self) -> bool:
        return True

    @property
    def attended_hindrance(self) -> str | None:
        if self.registrations or self.listen:
            return None
        return "a telephone that connects to `path` can call nobody for us, and transfers fail there"

    @property
    def sockets(self) -> list[Listening]:
        return [parse_listening(value) for value in self.listen]

    @property
    def challenge(self) -> AuthSection | None:
        """Digest, where callers have to prove who they are."""
        return self.auth if self.auth is not None and self.auth.kind == "digest" else None
