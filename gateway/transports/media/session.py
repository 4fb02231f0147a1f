"""A call's media: packets from a path become a leg's events, and what the leg is given leaves in packets of 20 ms.

Receiving is driven by the path, sending by the process' ticker. Everything is done at once where it happens; only the
leg's reader waits, at the other end of ``post``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from audio.codecs.live import Codec
from audio.format import MediaError
from audio.frame import Frame
from audio.rtp.jitter import Ear
from audio.rtp.packet import RtpPacket
from audio.rtp.reports import MediaQuality, Reporter
from audio.rtp.rtcp import from_wire as read_reports
from audio.rtp.stream import RtpSender
from audio.rtp.telephone_event import DigitReceiver, DigitSender
from gateway.clock import Clock, LoopClock
from gateway.errors import LocalProtocolError
from gateway.events import AudioReceived, DigitPressed, LegEvent, MarkReached
from gateway.transports.media.path import MediaPath, PathFailed, Unheard
from gateway.transports.media.slots import SlotQueue
from gateway.transports.media.ticker import PTIME, Ticker

REFILL = 0.1
"""Seconds of room after which somebody who waits in `send_audio` goes on: twice a message is better than every slot."""
PHASE = 2 * PTIME
"""Seconds by which the beat may be behind the clock of somebody who keeps just the lookahead: he is not to wait."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaTerms:
    """What offer and answer agreed on.

    Attributes:
        codec: Of this call alone; it encodes and decodes.
        payload_type: Of the codec, both ways.
        others: Codecs that the peer may send as well, by payload type; each is made when it is first needed.
        event_type: Of telephone-event; None where the peer has none.
        sending: Whether the peer wants to hear us.
        receiving: Whether it sends. Not: on hold; its silence is no failure then, and its audio is not passed on.
    """

    codec: Codec
    payload_type: int
    others: Mapping[int, Callable[[], Codec]] = field(default_factory=dict)
    event_type: int | None = None
    event_clock: int = 8000
    sending: bool = True
    receiving: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaOrigin:
    """Who we are in RTP (RFC 3550 sections 5.1, 6.5.1): everything random, made by whoever opens the call.

    Attributes:
        cname: The same for all streams of a call, and no more telling than a random number (RFC 7022).
    """

    ssrc: int
    sequence: int
    timestamp: int
    cname: str


class MediaSession:
    """Joins a path to a leg. `start` it when the path is up, `close` it in any case.

    Args:
        path: Open; closed with the session.
        terms: As agreed; they may change by `agree`, but for the format of the audio.
        ticker: Of the process.
        post: Takes the leg's events: audio, keys, marks.
        lost: Told, once, that the media are gone, and why; the leg hangs up then.
        lookahead: Seconds of audio that may wait to be sent. `send_audio` waits for the rest.
        silence_limit: Seconds without a packet after which the peer is gone; None: it may be silent for ever.
        hold_limit: The same while it does not send, on hold.
    """

    def __init__(
        self,
        path: MediaPath,
        terms: MediaTerms,
        *,
        origin: MediaOrigin,
        ticker: Ticker,
        post: Callable[[LegEvent], None],
        lost: Callable[[str], None],
        clock: Clock | None = None,
        lookahead: float = 0.5,
        silence_limit: float | None = 20.0,
        hold_limit: float | None = None,
    ) -> None:
        self.format = terms.codec.format
        self._terms = terms
        self._ear = Ear({terms.payload_type: terms.codec})
        self._others = dict(terms.others)  # that have not been heard yet
        self._keys_in, self._keys_out = DigitReceiver(terms.event_clock), _digit_sender(terms)
        self._path = path
        self._ticker = ticker
        self._post = post
        self._lost: Callable[[str], None] | None = lost
        self._clock = clock or LoopClock()
        self._silence_limit, self._hold_limit = silence_limit, hold_limit
        self._most = self.format.size(lookahead + PHASE)
        self._refill = self.format.size(min(REFILL, lookahead / 2))
        self._queue = SlotQueue(self.format, PTIME)
        self._sender = RtpSender(
            ssrc=origin.ssrc,
            payload_type=terms.payload_type,
            slot_ticks=round(terms.codec.clock_rate * PTIME),
            sequence=origin.sequence & 0x7FFF,
            timestamp=origin.timestamp,
        )
        now = self._clock.now()
        wall = self._clock.wall().timestamp() - now
        self._reporter = Reporter(self._sender, cname=origin.cname, clock_rate=terms.codec.clock_rate, wall=wall)
        self._report_at = now + Reporter.INTERVAL
        self._was_silent = True
        self._waiters: set[asyncio.Future[None]] = set()
        self._clears = 0
        self._is_started = self._is_closed = False
        self._heard_at = now
        self._is_heard = asyncio.Event()
        self._goodbye_at: float | None = None
        self.malformed = 0
        self.goodbyes = 0
        """How often the peer has said that the stream we hear ends (RTCP BYE)."""

    def start(self) -> None:
        """Send from the next slot on, and pass on what comes."""
        self._is_started = True
        self._heard_at = self._clock.now()
        self._report_at = self._heard_at + Reporter.INTERVAL
        self._path.deliver_to(self)
        self._ticker.add(self._tick, self._broke)

    def agree(self, terms: MediaTerms) -> None:
        """Go on under new terms.

        Raises:
            LocalProtocolError: when the audio would have another format: a leg keeps its own.
        """
        if terms.codec.format != self.format:
            raise LocalProtocolError(f"this call carries {self.format}, not {terms.codec.format}")
        if terms.receiving and not self._terms.receiving:
            self._heard_at = self._clock.now()
        self._listen(terms)
        self._sender.payload_type = terms.payload_type
        self._sender.slot_ticks = round(terms.codec.clock_rate * PTIME)
        self._terms = terms

    def move(self, path: MediaPath, terms: MediaTerms) -> None:
        """Go on by another path, to another peer who takes the place of the first: what waits to be sent goes there,
        and what is heard goes on where the first has ended. The path before is left to its owner.

        Raises:
            LocalProtocolError: see `agree`.
        """
        self.agree(terms)
        if not self._is_closed:
            self._path.send_rtcp(self._reporter.goodbye())
            self._path.deliver_to(Unheard())
            path.deliver_to(self)
        self._path = path
        self._heard_at, self._was_silent = self._clock.now(), True

    def _listen(self, terms: MediaTerms) -> None:
        """What of the receiving side depends on the terms. What is still on its way under the old codec is understood,
        unless its payload type means something else now."""
        if terms.codec.clock_rate != self._terms.codec.clock_rate:
            self._reporter.change_clock(terms.codec.clock_rate)
        self._ear.learn(terms.payload_type, terms.codec)
        self._others = dict(terms.others)
        if terms.event_type is not None:
            self._ear.forget(terms.event_type)
        if (terms.event_type, terms.event_clock) != (self._terms.event_type, self._terms.event_clock):
            self._keys_in, self._keys_out = DigitReceiver(terms.event_clock), _digit_sender(terms)

    async def until_peer_sends(self) -> None:
        """Until the peer's first packet; for good, if there is none."""
        await self._is_heard.wait()

    # --- what the leg is asked for ---------------------------------------------------------------------------------
    async def send_audio(self, frame: Frame) -> None:
        """Queue audio; waits while more than `lookahead` waits already. `clear` ends the wait, and drops the rest."""
        if frame.format != self.format:
            raise LocalProtocolError(f"this call carries {self.format}, not {frame.format}")
        data, clears = frame.data, self._clears
        while data and clears == self._clears and not self._is_closed:
            room = self._most - len(self._queue)
            if room <= 0:
                await self._wait()
                continue
            room -= room % self.format.encoding.bytes_per_sample
            self._queue.push(data[:room])
            data = data[room:]
        if self._is_closed:
            await asyncio.sleep(0)  # who goes on and on must not hold up the loop

    def mark(self, mark_id: str) -> None:
        """`MarkReached` comes when everything before it has left."""
        if not self._is_closed:
            self._queue.mark(mark_id)
            self._report_marks()

    def clear(self) -> None:
        """Drop everything that has not left; its marks are never reached."""
        self._queue.clear()
        self._clears += 1
        self._wake()

    async def send_digits(self, digits: str) -> None:
        """Press keys, in place of audio, which waits; returns when they have left.

        Raises:
            LocalProtocolError: when the peer takes no telephone events, or when there is no such key.
        """
        if self._keys_out is None:
            raise LocalProtocolError("the peer takes no telephone events")
        try:
            self._keys_out.queue(digits)
        except MediaError as error:
            raise LocalProtocolError(str(error)) from error
        while self._keys_out is not None and self._keys_out.is_busy and not self._is_closed:
            await self._wait()

    @property
    def quality(self) -> MediaQuality:
        """How the media travelled so far; for the record of the call."""
        return self._reporter.quality

    async def close(self) -> None:
        """Stop sending, say so, and give the path back. Calling it twice is harmless."""
        if self._is_started and not self._is_closed:
            self._path.send_rtcp(self._reporter.goodbye())
        self._stop()
        await self._path.close()

    # --- from the path ---------------------------------------------------------------------------------------------
    def rtp_received(self, packet: bytes) -> None:
        try:
            arrived = RtpPacket.from_wire(packet)
        except MediaError:
            self.malformed += 1
            return
        now = self._heard_at = self._clock.now()
        self._is_heard.set()
        self._reporter.received(arrived, now)
        if arrived.payload_type in self._others:
            self._ear.learn(arrived.payload_type, self._others.pop(arrived.payload_type)())
        if arrived.payload_type == self._terms.event_type:
            for digit in self._keys_in.receive(arrived, now):  # told when pressed: a lost end delays nothing
                self._post(DigitPressed(digit=digit))
        self._heard(self._ear.push(arrived, now))

    def rtcp_received(self, packet: bytes) -> None:
        """Reports. A goodbye ends nothing: peers say it when they hold, change their SSRC, or hand the call to somebody
        else, anybody may write one (RFC 3550 section 9), and that a call is over is for its signalling to say."""
        now = self._clock.now()
        try:
            is_goodbye = self._reporter.reported(read_reports(packet), now)
        except MediaError:
            self.malformed += 1
            return
        if is_goodbye:
            self.goodbyes += 1
            self._goodbye_at = now
            log.debug("the peer's stream says goodbye; the call goes on", goodbyes=self.goodbyes)

    def path_lost(self, failure: PathFailed) -> None:
        self._fail(str(failure))

    def _heard(self, frames: list[Frame]) -> None:
        if not self._terms.receiving:
            return
        for frame in frames:
            self._post(AudioReceived(frame))

    # --- from the ticker -------------------------------------------------------------------------------------------
    def _tick(self, left_out: int) -> None:
        now = self._clock.now()
        if now >= self._ear.next_deadline():
            self._heard(self._ear.release(now))
        if left_out:
            self._sender.skip(left_out)
        if self._terms.sending:
            self._send_slot()
        else:
            self._sender.skip()
        if now >= self._report_at:
            self._report_at = now + Reporter.INTERVAL
            self._path.send_rtcp(self._reporter.report(now))
        limit = self._silence_limit if self._terms.receiving else self._hold_limit
        if limit is not None and now - self._heard_at > limit:
            self._fail(self._path.trouble or self._silence(limit))

    def _silence(self, limit: float) -> str:
        has_left = self._goodbye_at is not None and self._goodbye_at >= self._heard_at
        return f"no media from the peer for {limit:g} s" + (
            ", since its stream said goodbye (RTCP)" if has_left else ""
        )

    def _send_slot(self) -> None:
        """Keys, else audio, else silence: NAT, the peer's timers and its jitter buffer want something in every slot."""
        keys = self._keys_out
        if keys is not None and keys.is_busy:
            packets = keys.next_packets(self._sender)
            for packet in packets:
                self._path.send_rtp(packet)
            if packets:
                return
            if not keys.is_busy:
                self._wake()
        audio = self._queue.take()
        is_silent = audio is None
        payload = self._terms.codec.encode(audio or self._queue.silence)
        self._path.send_rtp(self._sender.audio(payload, marker=self._was_silent and not is_silent))
        self._was_silent = is_silent
        if not is_silent:
            self._report_marks()
            if self._waiters and self._most - len(self._queue) >= self._refill:
                self._wake()

    def _report_marks(self) -> None:
        for mark_id in self._queue.reached():
            self._post(MarkReached(mark_id=mark_id))

    # --- waiting and ending ----------------------------------------------------------------------------------------
    async def _wait(self) -> None:
        """Until something may have changed."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _broke(self) -> None:
        self._fail("sending failed")

    def _fail(self, reason: str) -> None:
        lost, self._lost = self._lost, None
        self._stop()
        if lost is not None:
            lost(reason)

    def _stop(self) -> None:
        self._lost = None
        self._is_closed = True
        self._ticker.remove(self._tick)
        self._wake()


def _digit_sender(terms: MediaTerms) -> DigitSender | None:
    return DigitSender(terms.event_type, terms.event_clock) if terms.event_type is not None else None
