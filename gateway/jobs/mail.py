"""Mails that a bot asks for: SMTP (RFC 5321) to the operator's server, with a Message-ID made from the job's key.

A server or mailbox that has taken a mail of the same Message-ID can drop the repetition; nothing else can, as SMTP has
no idempotency of its own.
"""

from __future__ import annotations

import email.utils
import re
import ssl
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from email.policy import SMTP

import aiosmtplib

from config.jobs import MailSection
from gateway.actions import Record
from gateway.clock import Clock
from gateway.errors import VendorRejected, VendorUnavailable
from gateway.interfaces import AfterCallJob
from gateway.jobs.addresses import may_be_mailed
from gateway.jobs.job import JobRefused
from gateway.jobs.transcript import transcript

VENDOR = "mail"
MAX_RECIPIENTS = 20
MAX_SUBJECT = 200  # characters
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")  # as in HTML's input type=email


class MailPerformer:
    """Data: ``to`` (an address or several), ``subject``, ``body``; ``transcript: true`` adds what was said.

    Args:
        section: Read anew for each mail. None: nothing is configured.
        tls: Context for `starttls` and `tls`; None: the system's authorities.
    """

    def __init__(
        self, section: Callable[[], MailSection | None], clock: Clock, tls: ssl.SSLContext | None = None
    ) -> None:
        self._section = section
        self._clock = clock
        self._tls = tls

    async def perform(self, job: AfterCallJob) -> Sequence[Record]:
        section = self._section()
        if section is None:
            raise JobRefused("email: `mail` is not configured")
        recipients = _recipients(job.data.get("to"), section)
        refused = await self._send(section, recipients, self._message(section, recipients, job))
        return [Record(kind="event", data={"mail": "refused", "recipients": len(refused)})] if refused else ()

    def _message(self, section: MailSection, recipients: Sequence[str], job: AfterCallJob) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = section.sender
        message["To"] = ", ".join(recipients)
        message["Subject"] = _one_line(job.data.get("subject")) or f"Call {job.call.get('call_id', '')}"
        message["Date"] = email.utils.format_datetime(self._clock.wall())
        message["Message-ID"] = f"<{job.key}@{section.sender.partition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office notice answers it
        message.set_content(_body(job))
        return message

    async def _send(self, section: MailSection, recipients: Sequence[str], message: EmailMessage) -> Sequence[str]:
        """Returns which of several recipients the server refused."""
        secret = section.password
        try:
            refused, _ = await aiosmtplib.send(
                message,
                sender=section.sender,
                recipients=list(recipients),
                hostname=section.host,
                port=section.effective_port,
                username=section.username,
                password=None if secret is None else secret.get_secret_value(),
                use_tls=section.security == "tls",
                start_tls=section.security == "starttls",
                tls_context=self._tls,
                timeout=section.timeout,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = {refusal.code for refusal in error.recipients}
            raise _refusal(min(codes, default=550), "the recipients were refused") from error
        except aiosmtplib.SMTPResponseException as error:
            raise _refusal(error.code, type(error).__name__) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise VendorUnavailable(f"no mail server ({type(error).__name__})", vendor=VENDOR) from error
        return list(refused)


def _refusal(code: int, what: str) -> VendorRejected | VendorUnavailable:
    """A reply of the server (RFC 5321 section 4.2.1): 4yz may work later, 5yz will not. Its text may be personal."""
    kind = VendorRejected if code >= 500 else VendorUnavailable
    return kind(f"{what}: {code}", vendor=VENDOR, operation="send")


def _recipients(given: object, section: MailSection) -> Sequence[str]:
    several = [given] if isinstance(given, str) else given
    if not isinstance(several, list | tuple) or not 1 <= len(several) <= MAX_RECIPIENTS:
        raise JobRefused(f"email: `to` has no address, or more than {MAX_RECIPIENTS}")
    found = []
    for one in several:
        address = str(one).strip()
        if not ADDRESS.fullmatch(address):
            raise JobRefused("email: `to` has something that is no e-mail address")
        if not may_be_mailed(address, section.recipients):
            raise JobRefused("email: `mail.recipients` does not have the address")
        found.append(address)
    return found


def _one_line(text: object) -> str:
    return " ".join(str(text or "").split())[:MAX_SUBJECT].encode(errors="replace").decode()


def _body(job: AfterCallJob) -> str:
    parts = [str(job.data.get("body") or "")]
    if job.data.get("transcript") is True:
        parts.append(transcript(job.call))
    return "\n\n".join(part for part in parts if part).encode(errors="replace").decode() or "\n"
