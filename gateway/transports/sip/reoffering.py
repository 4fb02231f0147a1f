"""The peer changes the session of a call: its new offer, and what the media make of it."""

from __future__ import annotations

from typing import Protocol

import structlog

from gateway.errors import LocalProtocolError
from gateway.transports.media.call_media import CallMedia
from gateway.transports.media.sdp import SdpError
from gateway.transports.sip.flow import CallKey

PENDING = 491

log = structlog.get_logger(__name__)


class Reofferings(Protocol):
    """What is said to the core."""

    def answer_reoffer(self, call: CallKey, sdp: bytes) -> None: ...
    def refuse_reoffer(self, call: CallKey, status: int) -> None: ...


def answer_reoffer(control: Reofferings, call: CallKey, media: CallMedia, sdp: bytes | None) -> bool:
    """Answer a new offer, or make one where the peer asks for it; whether that could be done.

    Args:
        sdp: The offer; None where we are to make it.
    """
    try:
        answer = media.offer() if sdp is None else media.change(sdp)
    except SdpError as error:
        log.info("new offer refused", reason=str(error), status=error.status)
        control.refuse_reoffer(call, error.status)
        return False
    except LocalProtocolError as error:  # before anything was agreed on
        log.info("new offer refused", reason=str(error), status=PENDING)
        control.refuse_reoffer(call, PENDING)
        return False
    control.answer_reoffer(call, answer)
    return True
