"""What the SIP core knows of one call. The parts of the user agent change it; nothing here sends."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gateway.transports.sip.asking import Asked
from gateway.transports.sip.dialog import Dialog
from gateway.transports.sip.flow import CallKey, Flow
from gateway.transports.sip.kept_answer import KeptAnswer
from gateway.transports.sip.message import SipRequest, SipResponse
from gateway.transports.sip.refer import ReferProgress
from gateway.transports.sip.server_transaction import InviteServer, ServerTransaction
from gateway.transports.sip.session_timer import SessionTerms
from gateway.transports.sip.timers import Timer
from gateway.transports.sip.wire import Repetition


class CallState(enum.Enum):
    """How far a call is."""

    OFFERED = "they call, and we have not answered"
    ANSWERED = "our 200 is out, and no ACK has come"
    CALLING = "we call, and nobody has answered"
    UP = "both sides have answered"
    ENDING = "our BYE is out"
    ENDED = "nothing but late NOTIFYs is answered"


@dataclass(slots=True, eq=False)
class PeerOffer:
    """A re-INVITE or UPDATE of theirs that changes the session, and waits for our answer."""

    server: ServerTransaction
    has_sdp: bool
    limit: Timer


@dataclass(slots=True, eq=False)
class OwnOffer:
    """A change of the session that we want.

    Attributes:
        sdp: None for an UPDATE that only says where we are and that we are alive.
        asked: None while it waits for its turn: an open offer of theirs, the end of a glare, a flow.
        retry: The end of the wait after a glare.
        limit: Until when it has to be answered.
        next: What is to be offered when this one is decided.
    """

    sdp: bytes | None
    asked: Asked | None = None
    retry: Timer | None = None
    limit: Timer | None = None
    next: bytes | None = None
    glares: int = 0

    def stop_timers(self) -> None:
        for timer in (self.retry, self.limit):
            if timer is not None:
                timer.cancel()


@dataclass(slots=True, eq=False)
class Unheard:
    """A reliable provisional response of ours whose PRACK has not come.

    Attributes:
        has_sdp: The 200 has to wait for the PRACK.
        next: What is to be said after it: status and session description.
        answer: What the 200 that waits is to say.
    """

    repetition: Repetition
    limit: Timer
    has_sdp: bool
    next: tuple[int, bytes | None] | None = None
    answer: bytes | None = None

    def stop(self) -> None:
        self.repetition.stop()
        self.limit.cancel()


@dataclass(slots=True, eq=False, kw_only=True)
class Call:
    """See the module. `dialog` is None only while we call and nobody has answered.

    Attributes:
        tag: Ours.
        invite: Their INVITE that began the call.
        invited: CSeq of that INVITE.
        said: RSeq of our last reliable provisional response; 0 before the first.
        unheard: That response, until it is known to have arrived.
        calling: Our INVITE that began it.
        is_cancelled: We do not want it any more; what comes in spite of that is hung up on.
        kept: Our 2xx that has not been acknowledged.
        sdp: What we said last, offer or answer, for refreshes that change nothing.
        wants_bye: It was hung up, and the BYE has to wait: for the ACK, or for a flow.
        reason: The Reason header of our BYE or CANCEL; empty for none.
        limit: Of ringing, until the call is answered.
        again: The next repetition of the provisional response.
        grace: Runs while the flow is gone.
        watch: Of the session, when it has an interval.
        session: That interval; None where it has none.
        is_secure: It is one of ``sips``, and so are our Contacts in it (RFC 3261 sections 8.1.1.8 and 12.1.1).
    """

    key: CallKey
    flow: Flow
    state: CallState
    call_id: str
    tag: str
    dialog: Dialog | None = None
    invite: InviteServer | None = None
    invited: int = 0
    said: int = 0
    unheard: Unheard | None = None
    calling: Asked | None = None
    is_cancelled: bool = False
    kept: KeptAnswer | None = None
    sdp: bytes | None = None
    theirs: PeerOffer | None = None
    ours: OwnOffer | None = None
    refer: ReferProgress | None = None
    wants_bye: bool = False
    reason: str = ""
    peer_allows: frozenset[str] = frozenset()
    peer_supports: frozenset[str] = frozenset()
    limit: Timer | None = None
    again: Timer | None = None
    grace: Timer | None = None
    watch: Timer | None = None
    session: SessionTerms | None = None
    is_secure: bool = False

    @property
    def is_cut(self) -> bool:
        """Its flow is gone, and no other one has come yet."""
        return self.grace is not None

    def learn(self, message: SipRequest | SipResponse) -> None:
        """Keep what a message of the peer says about what it can do."""
        if "Allow" in message.headers:
            self.peer_allows = frozenset(word.upper() for word in message.headers.all("Allow"))
        if "Supported" in message.headers:
            self.peer_supports = frozenset(word.lower() for word in message.headers.all("Supported"))

    def stop_ringing(self) -> None:
        """The call is answered, or over."""
        for timer in (self.limit, self.again):
            if timer is not None:
                timer.cancel()
        self.limit = self.again = None
        if self.unheard is not None:
            self.unheard.stop()
            self.unheard = None

    def stop_timers(self) -> None:
        """The call is over."""
        self.stop_ringing()
        for timer in (self.grace, self.watch):
            if timer is not None:
                timer.cancel()
        self.grace = self.watch = None
