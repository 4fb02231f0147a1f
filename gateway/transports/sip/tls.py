"""The certificate of a line that takes SIP over TLS: read, checked, and read again when its files have changed.

Certificates that renew themselves are replaced every few weeks, at night; nobody has to restart anything for it.
"""

from __future__ import annotations

import math
import os
import ssl
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import structlog

from gateway.clock import Clock
from gateway.errors import ConfigError
from gateway.transports.sip.settings import TlsSection

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

LOOK_EVERY = 60.0
"""Seconds between two looks at the files, at a new connection."""
WARNS_EVERY = 24 * 3600.0
EXPIRES_SOON = timedelta(days=14)
"""Who renews automatically has done so by then."""
NOT_TLS = frozenset({"HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER", "UNEXPECTED_EOF_WHILE_READING"})

Fault = tuple[Literal["error", "warning"], str, str]
"""Severity, the line's key, such as ``tls.key``, and a sentence."""
T = TypeVar("T")
_Stamp = tuple[tuple[int, int, int], ...]

log = structlog.get_logger(__name__)


def faults(section: TlsSection, now: datetime) -> Iterator[Fault]:
    """What is wrong or doubtful with the files, for `talkpath check`."""
    try:
        chain = _read(section)
    except ConfigError as error:
        yield "error", error.field or "tls", error.reason
        return
    own = chain[0]
    if own.not_valid_after_utc <= now:
        yield "warning", "tls.certificate", f"has expired on {own.not_valid_after_utc:%Y-%m-%d}: peers will refuse it"
    elif own.not_valid_after_utc <= now + EXPIRES_SOON:
        yield "warning", "tls.certificate", f"expires on {own.not_valid_after_utc:%Y-%m-%d}"
    if own.not_valid_before_utc > now:
        yield "warning", "tls.certificate", f"is valid only from {own.not_valid_before_utc:%Y-%m-%d} on"


class ServerIdentity:
    """Who we are towards peers that connect by TLS, and whose certificates we believe.

    Args:
        line: The line's name, for the log.
    Raises:
        ConfigError: the files cannot be used.
    """

    def __init__(self, section: TlsSection, *, line: str, clock: Clock) -> None:
        self._section = section
        self._clock = clock
        self._log = log.bind(line=line)
        self._stamp = _stamp(section)
        self._until = clock.wall()
        self._context = self._made()
        self._looked_at = clock.now()
        self._warned_at = -math.inf

    def context(self) -> ssl.SSLContext:
        """For the next connection. Files that have changed are read; if they cannot be used, what was read stays."""
        now = self._clock.now()
        if now - self._looked_at >= LOOK_EVERY:
            self._looked_at = now
            self._look()
            self._warn(now)
        return self._context

    def _look(self) -> None:
        stamp = _stamp(self._section)
        if stamp == self._stamp:
            return
        self._stamp = stamp  # files that are half written change once more
        try:
            self._context = self._made()
        except ConfigError as error:
            self._log.error("new certificate cannot be used, the old one stays", reason=str(error))

    def _warn(self, now: float) -> None:
        """Tell once a day that nobody has renewed it."""
        if self._until <= self._clock.wall() + EXPIRES_SOON and now - self._warned_at >= WARNS_EVERY:
            self._warned_at = now
            self._log.warning("certificate expires soon, or has expired", valid_until=self._until.isoformat())

    def _made(self) -> ssl.SSLContext:
        chain = _read(self._section)
        context = _context(self._section)
        self._until = chain[0].not_valid_after_utc
        self._log.info("certificate read", file=str(self._section.certificate), valid_until=self._until.isoformat())
        return context


def reason_of(error: OSError) -> str:
    """Why a handshake failed, in words an operator can do something with."""
    if not isinstance(error, ssl.SSLError):
        is_late = isinstance(error, ConnectionAbortedError | TimeoutError)
        return "it took too long" if is_late else f"the connection broke ({type(error).__name__})"
    code = error.reason or ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the peer's certificate is not believed: {error.verify_message}"
    if code in NOT_TLS:
        return "the peer does not speak TLS"
    if code == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return "the peer shows no certificate, and `client_ca` asks for one"
    if code.startswith(("TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_CERTIFICATE", "SSLV3_ALERT_BAD_CERTIFICATE")):
        return f"the peer does not believe our certificate ({_worded(code)})"
    return _worded(code) or "no reason given"


def _worded(code: str) -> str:
    return code.removeprefix("TLSV1_").removeprefix("SSLV3_").replace("_", " ").lower()


def _context(section: TlsSection) -> ssl.SSLContext:
    """TLS 1.2 or more, with the ciphers Python holds to be good."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(section.certificate, section.key_file, password="")  # it is checked to need none
        if section.client_ca is not None:
            context.load_verify_locations(section.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        raise ConfigError(
            f"cannot be used: {getattr(error, 'reason', None) or error}", field="tls.certificate"
        ) from error
    return context


def _read(section: TlsSection) -> list[Certificate]:
    """The chain, our own certificate first; everything is looked at, because OpenSSL's own words say little.

    Raises:
        ConfigError: with the line's key as its field.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    chain = _parsed(section.certificate, "tls.certificate", x509.load_pem_x509_certificates, "certificate")
    field = "tls.key" if section.key is not None else "tls.certificate"
    try:
        key = _parsed(section.key_file, field, lambda data: load_pem_private_key(data, None), "private key")
    except TypeError:
        sentence = (
            f"{section.key_file} is encrypted; write the key without a passphrase (openssl pkey -in ... -out ...)"
        )
        raise ConfigError(sentence, field=field) from None
    if key.public_key() != chain[0].public_key():
        raise ConfigError(f"{section.key_file} does not belong to {section.certificate}", field=field)
    if section.client_ca is not None:
        _parsed(section.client_ca, "tls.client_ca", x509.load_pem_x509_certificates, "certificate")
    return chain


def _parsed(path: Path, field: str, parse: Callable[[bytes], T], what: str) -> T:
    try:
        data = path.read_bytes()
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise ConfigError(f"{path} cannot be read: {why}", field=field) from error
    try:
        return parse(data)
    except ValueError as error:
        raise ConfigError(f"{path} holds no {what} in PEM", field=field) from error


def _stamp(section: TlsSection) -> _Stamp:
    """Changes when a file does; a file that is missing is a change, too."""
    stamps = []
    for path in (section.certificate, section.key_file, section.client_ca):
        try:
            found = path.stat() if path is not None else None
        except OSError:
            found = None
        stamps.append((found.st_mtime_ns, found.st_size, found.st_ino) if found is not None else (0, 0, 0))
    return tuple(stamps)
