"""Settings of a `sip` line: one SIP core with any number of doors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self, cast
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
_LISTEN = re.compile(r"(udp|tcp|tls):(\[[0-9a-fA-F:.]+\]|[^:\s\[\]]+)(?::([0-9]{1,5}))?")
SIP_PORT, SIPS_PORT = 5060, 5061
MAX_REGISTRATIONS = 64
"""Accounts of one line; each has a connection of its own."""


class Listening(NamedTuple):
    """A socket for SIP from trunks; host is an address, IPv6 without brackets."""

    transport: Literal["udp", "tcp", "tls"]
    host: str
    port: int

    @property
    def is_stream(self) -> bool:
        return self.transport != "udp"


def _listening(value: str) -> str:
    parse_listening(value)
    return value


def parse_listening(value: str) -> Listening:
    """``udp:0.0.0.0:5060``, ``tcp:[::]:5060``, ``tls:0.0.0.0:5061``; the port may be missing."""
    found = _LISTEN.fullmatch(value.strip())
    if found is None:
        raise PydanticCustomError("listen", "is a transport, an address and a port such as udp:0.0.0.0:5060")
    transport = cast(Literal["udp", "tcp", "tls"], found[1])
    host, port = found[2].strip("[]"), int(found[3] or (SIPS_PORT if transport == "tls" else SIP_PORT))
    try:
        ip_address(host)
    except ValueError:
        raise PydanticCustomError("listen", "names an address of this machine, such as 0.0.0.0") from None
    if port > 65535:
        raise PydanticCustomError("listen", "has a port between 1 and 65535")
    return Listening(transport, host, port)


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


class TlsSection(Section):
    """Who we are towards peers that connect by TLS. The files may change while the gateway runs: new connections get
    what is in them within a minute."""

    certificate: Path
    """Our certificate in PEM, with those between it and its authority behind it (`fullchain.pem`)."""
    key: Path | None = None
    """Its key in PEM, without a passphrase. Unset: it is in the file of the certificate."""
    client_ca: Path | None = None
    """Certificates in PEM of the authorities whose peers may connect (mutual TLS). Unset: peers show none."""

    @property
    def key_file(self) -> Path:
        return self.key or self.certificate


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
    encryption: Literal["optional", "required"] = "optional"
    """`optional`: encrypted audio (SRTP) where the peer offers it, by keys in the SDP or by DTLS. `required`: calls
    without it are refused with 488, and our own offers ask for it."""
    hold_limit: float = Field(default=900.0, ge=10, le=86400)
    """The same while the call is on hold, when many peers send nothing."""


class SipLine(LineSection):
    """Calls by SIP: from a PBX at which we register over WebSocket, from trunks by UDP, TCP and TLS, and from
    telephones that connect to our own WebSocket. Audio is plain RTP, or SRTP or WebRTC where the peer offers it.
    """

    transport: Literal["sip"] = "sip"
    registrations: Annotated[tuple[RegistrationSection, ...], BeforeValidator(_few_enough)] = Field(
        default=(), max_length=MAX_REGISTRATIONS
    )
    """PBXs at which this line registers, at most 64. Whoever is there may call."""
    listen: Annotated[tuple[Annotated[str, AfterValidator(_listening)], ...], BeforeValidator(one_or_many)] = Field(
        default=(), max_length=16
    )
    """Sockets for trunks, such as `udp:0.0.0.0:5060` or `tls:0.0.0.0:5061`; needs `allow`, `auth`, or for TLS
    `tls.client_ca`."""
    tls: TlsSection | None = None
    """Certificate and key for `tls:` in `listen`."""
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
        if self._takes_strangers:
            raise PydanticCustomError(
                "allow", "listens for trunks and needs `allow` with their addresses, or `auth` with digest"
            )
        if len({(it.registrar, it.aor) for it in self.registrations}) < len(self.registrations):
            raise PydanticCustomError("registrations", "names one account twice")
        return self

    @model_validator(mode="after")
    def _has_a_certificate(self) -> Self:
        has_tls = any(it.transport == "tls" for it in self.sockets)
        if has_tls and self.tls is None:
            raise PydanticCustomError("tls", "listens by TLS and needs `tls` with a certificate and its key")
        if self.tls is not None and not has_tls:
            raise PydanticCustomError("tls", "has `tls`, and `listen` has no socket such as tls:0.0.0.0:5061 for it")
        return self

    def faults(self, now: datetime) -> Iterator[tuple[Literal["error", "warning"], str, str]]:
        if self.tls is not None:
            from gateway.transports.sip.tls import faults  # it brings a library that no other line needs

            yield from faults(self.tls, now)
        ways = {str(it.transport) for it in self.sockets}
        ways |= {section.registrar.partition(":")[0] for section in self.registrations}
        if self.rtp.encryption == "required" and (in_the_clear := sorted(ways - {"tls", "wss"})):
            text = f"is required, and whoever sees what goes by {' and '.join(in_the_clear)} can read keys in the SDP"
            yield "warning", "rtp.encryption", text

    @property
    def _takes_strangers(self) -> bool:
        """Whether somebody could connect of whom nothing is known."""
        if self.allow or (self.auth and self.auth.kind in ("digest", "none")):
            return False
        return any(it.transport != "tls" or not self.has_client_ca for it in self.sockets)

    @property
    def has_client_ca(self) -> bool:
        """Peers that connect by TLS prove who they are by a certificate."""
        return self.tls is not None and self.tls.client_ca is not None

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
