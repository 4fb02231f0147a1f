"""A real mail server (aiosmtpd) on loopback that keeps what it takes, and refuses what a test wants refused."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Security = Literal["none", "starttls", "tls"]


@dataclass
class Mailbox:
    """What came, and what is refused.

    Attributes:
        recipients: Replies to RCPT, by address; others are taken.
        replies: Replies to DATA, one after the other; then mails are taken.
        login: The only user name and password; None: nobody needs to log in.
    """

    recipients: dict[str, str] = field(default_factory=dict)
    replies: list[str] = field(default_factory=list)
    login: tuple[str, str] | None = None
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[list[str]] = field(default_factory=list)
    port: int = 0
    trust: ssl.SSLContext | None = None

    # --- as aiosmtpd calls them ------------------------------------------------------------------------------------
    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        reply = self.recipients.get(address, "250 OK")
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        reply = self.replies.pop(0) if self.replies else "250 taken"
        if reply.startswith("250"):
            mail = message_from_bytes(envelope.content, policy=default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
            self.envelopes.append(list(envelope.rcpt_tos))
        return reply

    def check(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        return AuthResult(success=given == self.login, handled=False)  # the server says so itself


@asynccontextmanager
async def mailbox(folder: Path, security: Security = "none", **given: Any) -> AsyncIterator[Mailbox]:
    """A mail server that listens. Its certificate, for ``localhost``, is trusted by ``Mailbox.trust``."""
    box = Mailbox(**given)
    served: ssl.SSLContext | None = None
    if security != "none":
        served, box.trust = certificate(folder)
    options: dict[str, Any] = {"hostname": "localhost", "enable_SMTPUTF8": True}
    if security == "starttls":
        options |= {"tls_context": served, "require_starttls": True}
    if box.login is not None:
        options |= {"authenticator": box.check, "auth_required": True, "auth_require_tls": security == "starttls"}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(box, loop=loop, **options), "127.0.0.1", 0, ssl=served if security == "tls" else None
    )
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()
        for _ in range(10):  # connections notice that they are closed
            await asyncio.sleep(0)


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server called ``localhost``, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + pem
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=pem.decode())
