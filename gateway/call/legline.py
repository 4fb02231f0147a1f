"""The line to the caller, but for the audio we send: what the leg says comes in, what we ask of it goes out."""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol

import structlog

from audio.frame import Frame
from gateway.call.caller_audio import CallerAudio
from gateway.call.guard import Helpers
from gateway.call.mouth import leg_broke, patient
from gateway.errors import GatewayError, RemoteProtocolError
from gateway.events import (
    AudioReceived,
    CallAnswered,
    CallEvent,
    DigitPressed,
    HoldChanged,
    LegClosed,
    LegEvent,
    MarkReached,
    SpeechCut,
    Transcript,
    TransferFinished,
)
from gateway.interfaces import DirectLeg, HangupReason, Leg, RingingLeg, TransferTarget
from gateway.kit.closing import closing

log = structlog.get_logger()

ANSWER_WITHIN = 30.0
RING_WITHIN = 5.0
TRANSFER_GRACE = 10.0
"""Seconds beyond the ring time until a transfer that says nothing has failed."""
SEND_DIGITS_WITHIN = 30.0
HANG_UP_WITHIN = 5.0
FILL_AT_A_TIME = 0.04
"""Seconds of missing audio that are filled up at once; less would wake the loop for every frame of a silent peer."""
TICK_AT_LEAST = 0.06
TICK_AT_MOST = 1.0


class Speaker(Protocol):
    """What the leg's reports about our own speech go to: `mouth.Mouth` or `narrator.Narrator`."""

    def mark_reached(self, mark_id: str) -> None: ...
    def speech_cut(self, heard_text: str) -> None: ...
    def is_stalled(self) -> bool: ...
    def press(self, digits: str) -> None: ...


class LegLine:
    """Reads a leg's events, and asks it for what takes a while.

    Args:
        leg: The caller's connection.
        audio: Gets the caller's audio, by direct call.
        speaker: Gets marks.
        take_text: Gets the transcripts of a peer that recognizes speech itself.
        post: Takes everything else.
        now: Call time.
    """

    def __init__(
        self,
        leg: Leg,
        audio: CallerAudio,
        speaker: Speaker,
        take_text: Callable[[Transcript], None],
        post: Callable[[CallEvent], None],
        now: Callable[[], float],
    ) -> None:
        self._leg = leg
        self._audio = audio
        self._speaker = speaker
        self._take_text = take_text
        self._post = post
        self._now = now

    def start(self, helpers: Helpers) -> None:
        self._helpers = helpers
        helpers.keep("leg", self._read(), leg_broke)
        helpers.keep("ticker", self._tick(), leg_broke)

    # --- what we ask for -------------------------------------------------------------------------------------------
    def answer(self) -> None:
        self._helpers.once("answer", patient(self._answer()), leg_broke)

    def ring(self, *, early_media: bool) -> None:
        """Let it ring, on legs that can."""
        if isinstance(self._leg, RingingLeg):
            ringing = self._leg.ring(early_media=early_media)
            self._helpers.once("ring", patient(_bounded(ringing, RING_WITHIN, "the ringing")), leg_broke)

    def transfer(self, target: TransferTarget) -> None:
        self._helpers.once("transfer", self._transfer(target))

    def send_digits(self, digits: str) -> None:
        """By the line's own means, else as sound."""
        if not self._leg.capabilities.can_send_digits:
            self._speaker.press(digits)
            return
        self._helpers.once("digits", _bounded(self._leg.send_digits(digits), SEND_DIGITS_WITHIN, "digits"))

    def hang_up(self, reason: HangupReason) -> None:
        self._helpers.once("hang up", _bounded(self._leg.hang_up(reason), HANG_UP_WITHIN, "the hang-up"))

    async def _answer(self) -> None:
        await _bounded(self._leg.answer(), ANSWER_WITHIN, "the answer")
        self._post(CallAnswered())

    async def _transfer(self, target: TransferTarget) -> None:
        finished = TransferFinished(transfer_id=target.transfer_id, ok=False, cause="failed")
        try:
            async with asyncio.timeout(target.ring + TRANSFER_GRACE):
                outcome = await self._leg.transfer(target)
            finished = TransferFinished(
                transfer_id=target.transfer_id, ok=outcome.ok, cause=outcome.cause, sip_code=outcome.sip_code
            )
        except (GatewayError, TimeoutError) as error:
            log.warning("transfer failed", error=str(error) or "timeout")
        self._post(finished)

    # --- what it says ----------------------------------------------------------------------------------------------
    async def _read(self) -> None:
        with self._direct_audio():
            async with closing(self._leg.events()) as events:
                async for event in events:
                    if isinstance(event, AudioReceived):  # fifty times a second, everything else is rare
                        self._hear(event.frame)
                    elif self._is_last(event):
                        break
                else:
                    self._post(LegClosed(by="failure", reason="the leg fell silent"))
        await asyncio.get_running_loop().create_future()  # until the call is over, too

    @contextmanager
    def _direct_audio(self) -> Iterator[None]:
        """Meanwhile the leg hands us audio where it arrives, if it can; logs name this call there, too."""
        if not isinstance(self._leg, DirectLeg):
            yield
            return
        run = contextvars.copy_context().run
        self._leg.pass_audio(partial(run, self._hear))  # type: ignore[call-arg]  # the frame comes later
        try:
            yield
        finally:
            self._leg.pass_audio(None)

    def _hear(self, frame: Frame) -> None:
        self._audio.take(frame, self._now())

    def _is_last(self, event: LegEvent) -> bool:
        match event:
            case MarkReached(mark_id=mark_id):
                self._speaker.mark_reached(mark_id)
            case Transcript():
                self._take_text(event)
            case SpeechCut(heard_text=heard_text):
                self._speaker.speech_cut(heard_text)
                self._post(event)
            case LegClosed():
                self._post(event)
                return True
            case DigitPressed() | HoldChanged():
                self._post(event)
            case AudioReceived():
                pass
        return False

    async def _tick(self) -> None:
        """What goes by the clock: silence where the peer sends nothing, and a peer that takes nothing."""
        while True:
            await asyncio.sleep(self._pause())
            self._audio.tick(self._now())
            if self._speaker.is_stalled():
                raise RemoteProtocolError("the peer takes no audio")

    def _pause(self) -> float:
        deadline = self._audio.next_deadline()
        if math.isinf(deadline):
            return TICK_AT_MOST
        return min(TICK_AT_MOST, max(TICK_AT_LEAST, deadline - self._now() + FILL_AT_A_TIME))


async def _bounded(work: Awaitable[None], seconds: float, what: str) -> None:
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError as error:
        raise RemoteProtocolError(f"{what} took too long") from error
