"""The proxy in front of the gateway that speaks TLS, with a certificate of an authority of its own; the PBX has it,
too."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST_NAMES = ("talkpath.example.com", "pbx.example.com")
AUTHORITY = "talkpath-ca.crt"
OWN = "proxy.pem"
"""Certificate and key of our side, in one file."""
PORT = 443
GATEWAY_PORT = 8080
ANSWERS_WITHIN = 1.0
"""Seconds the gateway has for the answer to the upgrade; a proxy with such a bound spares callers a frozen gateway."""


def make_certificates(folder: Path, keys: Path, addresses: Sequence[str] = ()) -> None:
    """Write certificate and key into a folder, for the proxy, and where the PBX looks for them, with their authority's
    certificate. ``addresses``: that they are good for, beside the names."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Talkpath test authority")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST_NAMES[0])])
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in HOST_NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    ca = _certificate(ca_name, ca_name, ca_key, ca_key, None)
    own = _certificate(name, ca_name, key, ca_key, names)
    (keys / AUTHORITY).write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    for file in (folder / OWN, keys / "pbx.pem"):
        file.write_bytes(pem + own.public_bytes(serialization.Encoding.PEM))


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    names: Sequence[x509.GeneralName] | None,
) -> x509.Certificate:
    """``names``: of whom it is good for; None: it is an authority's."""
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
    if names is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())


async def serve(folder: Path) -> asyncio.Server:
    """Take TLS connections and pass what is in them on to the gateway."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / OWN)
    return await asyncio.start_server(_pass_on, "127.0.0.1", PORT, ssl=context)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        to_gateway = await asyncio.open_connection("127.0.0.1", GATEWAY_PORT)
    except OSError:
        writer.close()
        return
    await asyncio.gather(_copy(reader, to_gateway[1]), _copy(to_gateway[0], writer, first_within=ANSWERS_WITHIN))


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, first_within: float | None = None) -> None:
    with suppress(OSError, ssl.SSLError, TimeoutError):
        async with asyncio.timeout(first_within):
            data = await source.read(65536)
        while data:
            target.write(data)
            await target.drain()
            data = await source.read(65536)
    target.close()
