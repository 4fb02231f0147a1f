"""Where a caller is sent, as REFER has to write it; and what became of it, in the words of `TransferOutcome`."""

from __future__ import annotations

from collections.abc import Mapping

from config.targets import canonical
from gateway.interfaces import TransferOutcome
from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.ua_events import ReferFailed
from gateway.transports.sip.uri import SipUri, parse_uri

MAX_HEADERS = 8
_CAUSES = {
    404: "unreachable",
    408: "no_answer",
    410: "unreachable",
    480: "no_answer",
    484: "unreachable",
    486: "busy",
    487: "no_answer",
    488: "failed",
    503: "unreachable",
    600: "busy",
    603: "rejected",
    604: "unreachable",
}
_UNSUPPORTED = frozenset({405, 420, 501})
_FORBIDDEN = frozenset({401, 403, 407})
_BY = {"hang_up": "gone", "timeout": "no_answer", "unknown": "failed", "peer": "failed", "target": "failed"}


def refer_uri(target: str, domain: str) -> SipUri | None:
    """The address in Refer-To; None for what is no target.

    Args:
        target: A number, an extension, or a SIP address, as `transfer.allow` has let it through.
        domain: Host of the PBX, for targets that name none.
    """
    text = canonical(target)
    if text is None:
        return None
    if "@" in text:
        try:
            uri = parse_uri(text)
        except SipParseError:
            return None
        return uri if isinstance(uri, SipUri) else None
    return SipUri("sip", text, None, domain, None)


def refer_headers(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The bot's own headers that may go with the REFER: ``X-`` ones, without line ends, eight at most."""
    fit = [(name, value) for name, value in headers.items() if name[:2].lower() == "x-" and value.isprintable()]
    return fit[:MAX_HEADERS]


def failure_of(failed: ReferFailed) -> TransferOutcome:
    """What the bot is told."""
    if failed.by == "peer" and failed.status in _UNSUPPORTED:
        return TransferOutcome(ok=False, cause="unsupported", sip_code=failed.status)
    if failed.by == "peer" and failed.status == 403:
        return TransferOutcome(ok=False, cause="rejected", sip_code=403)
    if failed.status is None:
        return TransferOutcome(ok=False, cause=_BY[failed.by])
    return TransferOutcome(ok=False, cause=_CAUSES.get(failed.status, "failed"), sip_code=failed.status)


def refusal_of(status: int | None) -> TransferOutcome:
    """What the bot is told of a target that was called by us and did not answer.

    A redirection (3xx) is a failure: nobody has said that callers may be sent where it leads.

    Args:
        status: None where nothing was said at all.
    """
    if status is None:
        return TransferOutcome(ok=False, cause="unreachable")
    cause = "rejected" if status in _FORBIDDEN else _CAUSES.get(status, "failed")
    return TransferOutcome(ok=False, cause=cause, sip_code=status)
