"""What is raised for SIP that cannot be read; nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import RemoteProtocolError

if TYPE_CHECKING:
    from gateway.transports.sip.message import SipResponse


class SipParseError(RemoteProtocolError):
    """The peer sent something that is not SIP as we understand it.

    Args:
        reason: One sentence, without anything the peer wrote.
        status: What a request is to be answered with; None: say nothing, the message is dropped.
        answer: That answer, made of what could be read; None where there is nobody to answer to.
    """

    def __init__(self, reason: str, *, status: int | None = None, answer: SipResponse | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.answer = answer
