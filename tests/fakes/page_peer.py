"""A page's side of a call, without I/O: a request with its offer, the answer to it, and RTP.

Text is a request of the page's or the reply to it; bytes are media; an empty text says that the media are up. What the
page hears cannot be taken back, as in a telephone. What carries it all is `page_caller`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable

from audio.format import PCMU_8K, MediaError
from gateway.caller.ear import Ear
from gateway.caller.peer import Answered, Complained, FarEvent, Keyed, Message
from gateway.caller.sip_media import Agreed, RtpEar, RtpMouth
from gateway.transports.media.answer import Negotiation
from gateway.transports.media.described import AgreedAudio, LocalMedia

HANG_UP = "DELETE"
"""The request that ends the call; any other text is posted as an offer."""


class PagePeer:
    """One call, in PCMU, so that every sample can be compared. It is told where its media are by `placed_by`.

    Attributes:
        retry_after: Seconds, where a refusal named them.
    """

    ends_at_once = False
    has_queued = False

    def __init__(self) -> None:
        self.format = PCMU_8K
        self.ear = Ear(self.format)
        self.is_over = False
        self.close_code: int | None = None
        self.close_reason = ""
        self.retry_after: float | None = None
        self.leg_id = ""
        self._negotiation = Negotiation(["PCMU"], session_id=1 + secrets.randbelow(1 << 31))
        self._mouth = RtpMouth(self.format)
        self.rtp = RtpEar(self.ear, delay=0.0, complain=self._complain, keyed=self._keyed)
        self._agreed: Agreed | None = None
        self._is_up = False
        self._messages: list[Message] = []
        self._events: list[FarEvent] = []

    def placed_by(self, local: LocalMedia, aim: Callable[[AgreedAudio], None]) -> None:
        """Know the media.

        Args:
            aim: Told where the gateway's are, once that was agreed on.
        """
        self._local, self._aim = local, aim

    # --- the caller's side -----------------------------------------------------------------------------------------
    def start(self, now: float) -> None:
        self._messages.append(self._negotiation.offer(self._local).decode())

    def audio(self, data: bytes, now: float) -> None:
        if self._agreed is not None and self._is_up:
            self._messages.extend(self._mouth.audio(data, self._agreed))

    def digit(self, digit: str, now: float) -> None:
        if self._agreed is None or not self._is_up:
            return
        try:
            self._messages.extend(self._mouth.key(digit, self._agreed))
        except MediaError as error:
            self._complain(now, str(error))

    def end(self, now: float) -> None:
        self._messages.append(HANG_UP)

    # --- the gateway's side ----------------------------------------------------------------------------------------
    def receive(self, message: Message, now: float) -> None:
        if isinstance(message, bytes):
            if self._agreed is not None:
                self.rtp.receive(message, self._agreed, now)
        elif not message:
            self._is_up = True
            self._events.append(Answered(now))
        elif not self.leg_id:
            status, told, body = message.split("\n", 2)
            self._replied(int(status), told, body)

    def _replied(self, status: int, told: str, body: str) -> None:
        """``told``: where the call is, or when to come again."""
        if status != 201:
            self.close_code, self.close_reason = status, str(json.loads(body)["reason"])
            self.retry_after = float(told) if told else None
            self.is_over = True
            return
        self.leg_id = told.rpartition("/")[2]
        agreed = self._negotiation.read_answer(body.encode())
        event = agreed.event.payload_type if agreed.event else None
        self._agreed = Agreed(audio_type=agreed.codec.payload_type, event_type=event)
        self._aim(agreed)

    def advance(self, now: float) -> None:
        """Nothing is due by itself."""

    def next_due(self) -> float | None:
        return None

    def take_messages(self) -> list[Message]:
        messages, self._messages = self._messages, []
        return messages

    def take_events(self) -> list[FarEvent]:
        events, self._events = self._events, []
        return events

    def _keyed(self, now: float, digit: str) -> None:
        self._events.append(Keyed(now, digit))

    def _complain(self, now: float, what: str) -> None:
        self._events.append(Complained(now, what))
