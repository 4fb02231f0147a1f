"""What the SIP core says about calls and registrations. Commands are the methods of `user_agent.UserAgent`.

Every call begins with `Invited` (theirs) or a call of ``invite`` (ours), and ends with exactly one of `CallEnd`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.transports.sip.flow import CallKey, Flow
from gateway.transports.sip.message import SipRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """Something about one call."""

    call: CallKey


# --- their calls ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Invited(CallEvent):
    """A call has come in; 100 was said already. To be answered by ``ring``, ``accept`` or ``reject``.

    Attributes:
        request: The INVITE, for the call's data; not to be changed.
        sdp: The offer; None when we are to offer in ``accept``.
        replaces: The call whose place it is to take (RFC 3891), which has been answered; hanging that one up, once this
            one is answered, is for the owner.
    """

    request: SipRequest
    flow: Flow
    sdp: bytes | None
    replaces: CallKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(CallEvent):
    """The caller gave up before we answered, or somebody else's telephone was quicker.

    Attributes:
        reason: The Reason header as it came, such as ``Q.850;cause=16``; empty without.
    """

    answered_elsewhere: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acked(CallEvent):
    """Our 200, the first or one to a new offer of theirs, has arrived.

    Attributes:
        sdp: The peer's answer, where our 200 held the offer.
    """

    sdp: bytes | None = None


# --- our calls -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Ringing(CallEvent):
    """The called side said something before its answer, such as 180 or 183; several telephones say it more often."""

    status: int
    sdp: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(CallEvent):
    """The called side has answered. Without ``sdp`` it did not answer our offer."""

    sdp: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(CallEvent):
    """Nobody answered.

    Attributes:
        status: What the peer said; None when it said nothing at all, or was cancelled in vain.
        retry_after: Seconds, where the peer named them.
        contacts: Where else to ask, of a 3xx.
    """

    status: int | None
    reason: str = ""
    retry_after: float | None = None
    contacts: tuple[str, ...] = ()


# --- while a call is up --------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Reoffered(CallEvent):
    """The peer changes the session (hold, codec, address). To be answered by ``answer_reoffer`` or ``refuse_reoffer``.

    Attributes:
        sdp: None when we are to offer.
    """

    sdp: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReofferCancelled(CallEvent):
    """The peer took its new offer back, or waited in vain for our answer: all stays as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reanswered(CallEvent):
    """The peer answered our new offer.

    Attributes:
        sdp: Its answer; None when there was none to give.
    """

    sdp: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReofferRefused(CallEvent):
    """The peer does not want our new offer: all stays as it was. ``status`` is None when the way to it is gone."""

    status: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoReceived(CallEvent):
    """An INFO, which was answered with 200: keys, or whatever else.

    Attributes:
        content_type: Lower case, without parameters.
    """

    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferProgressed(CallEvent):
    """The transfer goes on: 100, 180 ... as the peer heard it from the target; 202 when the peer has taken it on."""

    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferSucceeded(CallEvent):
    """The caller is with the target; ``bye`` is ours to say, unless the call ends in the same breath.

    Attributes:
        status: What the target said; None when the peer does not tell, and all looks as if it went well.
    """

    status: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferFailed(CallEvent):
    """The transfer did not happen; the caller is still ours unless the call ends in the same breath.

    Attributes:
        status: What the peer, or the target, said; None when nothing was said.
        by: Who refused: ``peer`` did not want to transfer, ``target`` did not take the call, ``hang_up`` the caller
            left before anything happened, ``timeout`` nothing came for too long, ``unknown`` the end was not told.
    """

    status: int | None
    by: Literal["peer", "target", "hang_up", "timeout", "unknown"]


# --- the end of a call ---------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class ByeReceived(CallEvent):
    """The peer hung up.

    Attributes:
        reason: The Reason header as it came; empty without.
    """

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released(CallEvent):
    """The call has ended because we said so: our BYE was answered, or will not be; our refusal is out."""


LossCause = Literal["no_ack", "no_answer", "not_decided", "signalling", "dialog_gone", "session_expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLost(CallEvent):
    """The call has ended, and nobody hung up.

    Attributes:
        cause: ``no_ack``: our 200 was never acknowledged; ``no_answer``: the ACK had no answer to our offer;
            ``not_decided``: nobody answered or refused the call in time; ``signalling``: its flow broke and did not
            come back; ``dialog_gone``: the peer knows nothing of the call (any more), or does not react;
            ``session_expired``: the peer did not refresh its session (RFC 4028).
    """

    cause: LossCause


CallEnd = Cancelled | Refused | ByeReceived | Released | CallLost


# --- registrations -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A registrar knows where we are; said once, and again after a failure or on a new flow, not for every refresh.

    Attributes:
        registration: Its name.
        expires: Seconds that were granted.
        path: The way calls to us will take, as the registrar returned it (RFC 3327).
        service_route: The way our calls have to take (RFC 3608).
    """

    registration: str
    flow: Flow
    expires: float
    path: tuple[str, ...] = ()
    service_route: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationFailed:
    """A registrar does not know where we are.

    Attributes:
        status: What it said; None when it said nothing, or its connection broke.
        retry_in: Seconds to the next attempt; None for want of a connection.
        is_refusal: Somebody has to set it right, such as the password; it is tried again seldom.
    """

    registration: str
    status: int | None
    reason: str
    retry_in: float | None
    is_refusal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unregistered:
    """We have taken our leave of a registrar, whether or not it answered."""

    registration: str


RegistrationEvent = Registered | RegistrationFailed | Unregistered
UserAgentEvent = (
    Invited
    | Acked
    | Ringing
    | Answered
    | Reoffered
    | ReofferCancelled
    | Reanswered
    | ReofferRefused
    | InfoReceived
    | ReferProgressed
    | ReferSucceeded
    | ReferFailed
    | CallEnd
    | RegistrationEvent
)
