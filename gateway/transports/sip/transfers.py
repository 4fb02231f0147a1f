"""The transfers of one line: REFER, blind or into a call to the target that we have made before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.clock import Clock
from gateway.interfaces import TransferOutcome, TransferTarget
from gateway.transports.media.call_media import CallMedia, MediaSettings
from gateway.transports.media.offered import Security
from gateway.transports.sip.consulting import Consultation
from gateway.transports.sip.flow import CallKey
from gateway.transports.sip.refer_target import refer_headers, refer_uri
from gateway.transports.sip.sending_on import UNSUPPORTED
from gateway.transports.sip.ua_events import CallEvent
from gateway.transports.sip.user_agent import UserAgent

NORMAL = "Q.850;cause=16"
MAX_DISPLAY = 64
SLACK = 5.0
"""Seconds by which the core gives a target up later than who has asked for him."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a call came from, as its transfer needs it.

    Attributes:
        domain: Of the PBX, for targets that name none.
        address: Of the next station, for media.
        display: The caller, as the target is to read it.
        can_consult: Behind the flow is somebody who can call others for us: not so with a telephone.
    """

    domain: str
    address: str
    display: str
    can_consult: bool


class Transfers:
    """See the module.

    Args:
        media: Of the line.
        pump: Passes on what the core has to say.
    """

    def __init__(self, agent: UserAgent, media: MediaSettings, clock: Clock, pump: Callable[[], None]) -> None:
        self._agent = agent
        self._media = media
        self._clock = clock
        self._pump = pump
        self._origins: dict[CallKey, Origin] = {}
        self._consultations: dict[CallKey, Consultation] = {}

    def __len__(self) -> int:
        """How much is remembered that will be forgotten."""
        return len(self._origins) + len(self._consultations)

    def add(self, call: CallKey, origin: Origin) -> None:
        """A call that may be transferred."""
        self._origins[call] = origin

    def remove(self, call: CallKey) -> None:
        self._origins.pop(call, None)

    def take(self, event: CallEvent) -> None:
        """Something about a call that is nobody's leg."""
        if (consultation := self._consultations.get(event.call)) is not None:
            consultation.take(event)

    # --- what legs ask for -----------------------------------------------------------------------------------------
    def refer(self, call: CallKey, target: TransferTarget) -> bool:
        """Have the peer call the target; False where that is none."""
        uri = refer_uri(target.target, self._domain(call))
        if uri is None:
            return False
        self._agent.refer(call, uri, refer_headers(target.headers), now=self._clock.now())
        self._pump()
        return True

    def consultation(self, call: CallKey, security: Security | None) -> Consultation | None:
        """A call to a target, not yet begun; None where there is nobody who could be asked for one.

        Args:
            security: As the media of the call are protected: those to the target are no less.
        """
        origin = self._origins.get(call)
        if origin is None or not origin.can_consult:
            return None
        media = self._media if security is None else replace(self._media, security=(security,))
        return Consultation(
            call, self, lambda post, lost: CallMedia(media, post=post, lost=lost, toward=origin.address)
        )

    # --- what consultations ask for --------------------------------------------------------------------------------
    def call_target(
        self, caller: CallKey, target: TransferTarget, sdp: bytes, consultation: Consultation
    ) -> CallKey | TransferOutcome:
        uri, origin = refer_uri(target.target, self._domain(caller)), self._origins.get(caller)
        if uri is None or origin is None:
            return TransferOutcome(ok=False, cause="no_target")
        consulted = self._agent.consult(
            caller,
            uri,
            sdp,
            display=origin.display,
            headers=refer_headers(target.headers),
            ring_limit=target.ring + SLACK,
            now=self._clock.now(),
        )
        if consulted is None:
            return UNSUPPORTED
        self._consultations[consulted] = consultation
        self._pump()
        return consulted

    def join(self, caller: CallKey, consulted: CallKey) -> bool:
        uri = self._agent.replacing(consulted)
        if uri is None:
            return False
        self._agent.refer(caller, uri, now=self._clock.now())
        self._pump()
        return True

    def leave(self, consulted: CallKey) -> None:
        self._consultations.pop(consulted, None)
        self._agent.bye(consulted, NORMAL, now=self._clock.now())
        self._pump()

    def answer_reoffer(self, call: CallKey, sdp: bytes) -> None:
        self._agent.answer_reoffer(call, sdp, now=self._clock.now())
        self._pump()

    def refuse_reoffer(self, call: CallKey, status: int) -> None:
        self._agent.refuse_reoffer(call, status, now=self._clock.now())
        self._pump()

    def _domain(self, call: CallKey) -> str:
        origin = self._origins.get(call)
        return origin.domain if origin is not None else ""


def shown_as(display_name: str, caller: str) -> str:
    """What the target of a transfer reads of who calls: the name, else the number; nothing of who withholds both."""
    return "".join(letter for letter in display_name or caller if letter.isprintable())[:MAX_DISPLAY]
