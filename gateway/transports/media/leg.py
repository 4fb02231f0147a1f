"""The part of a leg that is the same whoever signals the call: its audio, its keys, its events, and its end.

RTP has no buffer behind it that could be cleared: what was sent is heard. So what waits to be sent waits here, marks
are our own, and a clear takes back everything but the slot that is under way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from audio.frame import Frame
from audio.inband import InbandDigits, Presses, Way
from gateway.clock import Clock
from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.events import AudioReceived, CallInfo, DigitPressed, LegClosed, LegEvent
from gateway.interfaces import LegCapabilities
from gateway.speech_interfaces import Utterance
from gateway.transports.media.call_media import LOOKAHEAD, CallMedia
from gateway.transports.media.mailbox import Mailbox
from gateway.transports.media.path import PEER_CLOSED, PathFailed
from gateway.transports.media.session import MediaSession

MESSAGE = 0.1

MakeMedia = Callable[[Callable[[LegEvent], None], Callable[[str], None]], CallMedia]
"""Given who takes events, and who is told that the media are gone."""


class MediaLeg:
    """See the module's docstring. Whoever signals the call inherits it, and adds answer, transfer and hang-up.

    Args:
        offer: The peer's description; None where we are to make the first one.

    Raises:
        SdpError: the offer cannot be used; see `Negotiation.read_offer`.
    """

    def __init__(
        self, info: CallInfo, make_media: MakeMedia, offer: bytes | None, clock: Clock, *, can_signal: bool
    ) -> None:
        self.info = info
        self.mailbox = Mailbox()
        self.media = make_media(self._take, self._media_lost)
        if offer is not None:
            self.media.read_offer(offer)
        self.capabilities = LegCapabilities(
            format=self.media.format,
            lookahead=LOOKAHEAD,
            message=MESSAGE,
            has_marks=True,
            has_clear=True,
            can_ring=can_signal,
            can_transfer=can_signal,
            can_send_digits=self.media.takes_digits,
        )
        self._clock = clock
        self._presses = Presses()
        self._inband = InbandDigits(self.media.format) if self.media.hears_tones else None

    # --- what a call asks for --------------------------------------------------------------------------------------
    def events(self) -> AsyncIterator[LegEvent]:
        return self.mailbox.events()

    def pass_audio(self, take: Callable[[Frame], None] | None) -> None:
        self.mailbox.pass_audio(take)

    async def send_audio(self, frame: Frame) -> None:
        if frame.format != self.capabilities.format:
            raise LocalProtocolError(f"this call carries {self.capabilities.format}, not {frame.format}")
        if (session := self.media.session) is not None:
            if self._inband is not None:
                self._inband.sent(frame.data)
            await session.send_audio(frame)

    async def mark(self, mark_id: str) -> None:
        if (session := self.media.session) is not None:
            session.mark(mark_id)

    async def clear(self) -> None:
        if (session := self.media.session) is not None:
            session.clear()

    async def send_digits(self, digits: str) -> None:
        if (session := self.media.session) is None:
            raise LocalProtocolError("the call is not up")
        await session.send_digits(digits)

    async def speak(self, utterance: Utterance, mark_id: str) -> None:
        raise LocalProtocolError("this line carries audio")

    # --- for whoever signals the call ------------------------------------------------------------------------------
    def pressed(self, digit: str, way: Way) -> None:
        """A key, however it came; one that comes by two ways is one."""
        if self._presses.is_new(digit, way, self._clock.now()):
            self.mailbox.post(DigitPressed(digit=digit))

    def end(self, closed: LegClosed) -> None:
        """The leg has ended; the first to say why is right."""
        self.mailbox.post(closed)

    @property
    def is_closed(self) -> bool:
        return self.mailbox.closed is not None

    def require_open(self) -> None:
        """Raises RemoteProtocolError once the leg has ended."""
        if self.mailbox.closed is not None:
            raise RemoteProtocolError(f"the call is over: {self.mailbox.closed.reason}")

    async def opened(self) -> CallMedia:
        """The media with their sockets open. Raises RemoteProtocolError."""
        try:
            await self.media.open()
        except PathFailed as error:
            raise RemoteProtocolError(f"no media: {error}") from error
        self.require_open()
        return self.media

    async def connected(self) -> MediaSession:
        """The media, flowing. Raises RemoteProtocolError."""
        try:
            return await self.media.connect()
        except PathFailed as error:
            raise RemoteProtocolError(f"no media: {error}") from error

    def broken(self) -> None:
        """The media are gone, and the leg has ended: the peer is to be told."""

    # --- from the media --------------------------------------------------------------------------------------------
    def _take(self, event: LegEvent) -> None:
        if isinstance(event, DigitPressed):
            self.pressed(event.digit, "event")
            return
        self.mailbox.post(event)
        if self._inband is not None and isinstance(event, AudioReceived):
            for digit in self._inband.heard(event.frame.data):
                self.pressed(digit, "tone")

    def _media_lost(self, reason: str) -> None:
        """A peer that says goodbye by DTLS has hung up: browsers close their media at once, and BYE may be behind."""
        if not self.is_closed:
            self.end(LegClosed(by="caller" if reason == PEER_CLOSED else "failure", reason=reason))
            self.broken()
