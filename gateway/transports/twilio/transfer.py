"""Callers sent elsewhere by Twilio's REST API: a call in progress is given another TwiML, which ends its media stream.

That TwiML dials the target. Twilio asks our webhooks how it went: `answered` while they talk, `transferred` when the
dialling is over, whose answer connects a new stream where nobody took the call. Facts: Twilio documentation, "Call
resource: update", "TwiML Dial" (`action`, `timeout`, DialCallStatus), "TwiML Number" (statusCallback), November 2026.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape, quoteattr

import structlog

from config.targets import canonical
from gateway.errors import VendorError, VendorRejected
from gateway.interfaces import TransferOutcome, TransferTarget
from gateway.kit.http import HttpClient, Timeouts, check_status
from gateway.transports.absence import Absence, Absences, Return
from gateway.transports.twilio.protocol import TwilioProtocol
from gateway.transports.twilio.settings import RestSection

CALL, STATUS = "talkpath_call", "talkpath_status"
"""Parameters of the stream a caller comes back on: the call he belongs to, and the DialCallStatus."""
ANSWERED, TRANSFERRED = "/answered", "/transferred"
CAUSES = {"busy": "busy", "no-answer": "no_answer", "failed": "unreachable", "canceled": "no_answer"}
TALKED = frozenset({"completed", "answered"})
MAX_HEADERS = 8
MAX_RING = 600

log = structlog.get_logger(__name__)


@dataclass(eq=False, kw_only=True)
class StreamReturn(Return):
    """A media stream on which a caller has come back. ``status``: Twilio's DialCallStatus."""

    protocol: TwilioProtocol


@dataclass(frozen=True, kw_only=True)
class WayOut:
    """How a call's caller can be sent elsewhere.

    Attributes:
        webhooks: URL of the media stream, with http instead of ws: `ANSWERED` and `TRANSFERRED` go behind it.
        account_sid, call_sid: The call, as Twilio names it.
        auth_token: The account's, unless `rest` has an API key.
    """

    line: str
    http: HttpClient
    rest: RestSection
    absences: Absences[StreamReturn]
    webhooks: str
    account_sid: str
    call_sid: str
    auth_token: str | None = None

    async def send(self, target: TransferTarget, call_id: str, absence: Absence[StreamReturn]) -> TransferOutcome:
        """Send him there; returns when he is there, gone or back. When that takes too long, the caller's to bound."""
        try:
            await self._update(dialling(self.line, target, self.webhooks, call_id, self.rest.caller_id))
        except VendorError as error:
            log.warning("transfer refused", call_id=call_id, reason=str(error))
            return TransferOutcome(ok=False, cause="failed")
        back = await absence.over()
        if back is not None:
            return TransferOutcome(ok=False, cause=CAUSES.get(back.status, "failed"))
        return TransferOutcome(ok=True) if absence.has_arrived else TransferOutcome(ok=False, cause="gone")

    async def _update(self, twiml: str) -> None:
        answer = await self.http.request(
            self.line,
            "POST",
            f"{self.rest.url}/2010-04-01/Accounts/{quote(self.account_sid)}/Calls/{quote(self.call_sid)}.json",
            operation="transfer",
            content=urlencode({"Twiml": twiml}).encode(),
            headers={"content-type": "application/x-www-form-urlencoded", "authorization": self._authorization()},
            timeout=Timeouts(total=self.rest.timeout),
        )
        check_status(answer, vendor=self.line, operation="transfer")

    def _authorization(self) -> str:
        user = self.rest.api_key or self.account_sid
        secret = self.rest.secret.get_secret_value() if self.rest.secret else self.auth_token
        return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


def dialling(line: str, target: TransferTarget, webhooks: str, call_id: str, caller_id: str | None) -> str:
    """TwiML that dials a target and reports to our webhooks.

    Raises:
        VendorRejected: it is neither a number in international form nor a SIP address: Twilio knows no extensions.
    """
    plain = canonical(target.target) or ""
    query = urlencode({"call": call_id})
    reports = f"statusCallbackEvent={quoteattr('answered')} statusCallback={quoteattr(f'{webhooks}{ANSWERED}?{query}')}"
    if plain.startswith("+"):
        noun = f"<Number {reports}>{escape(plain)}</Number>"
    elif "@" in plain:
        headers = urlencode(dict(list(target.headers.items())[:MAX_HEADERS]), quote_via=quote)
        noun = f"<Sip {reports}>{escape(f'{plain}?{headers}' if headers else plain)}</Sip>"
    else:
        reason = "the target is neither a number in international form nor a SIP address"
        raise VendorRejected(reason, vendor=line, operation="transfer")
    identity = f" callerId={quoteattr(caller_id)}" if caller_id else ""
    ring = max(1, min(MAX_RING, round(target.ring)))
    action = quoteattr(f"{webhooks}{TRANSFERRED}?{query}")
    return f'<Response><Dial timeout="{ring}" action={action}{identity}>{noun}</Dial></Response>'
