"""What we say to the caller: prompts become audio, and the playout's messages go to the leg.

The playout decides what is sent when; here is who waits for it: one task sends, one clears (also while the other waits
for a peer that says stop), and one for each prompt makes its audio, at most a little ahead.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol

import structlog

from audio.frame import Frame
from gateway.call.alarm import Alarm
from gateway.call.commands import Content
from gateway.call.guard import Helpers
from gateway.call.playout import Clear, Ended, Heard, Mark, Playout, PlayoutOutput, Send, Started
from gateway.call.rendering import Piece, Renderer, text_of
from gateway.errors import GatewayError, RemoteProtocolError
from gateway.events import CallEvent, LegClosed, PromptEnded, PromptStarted
from gateway.interfaces import Leg, ListensLater
from gateway.kit.closing import closing
from gateway.speech_interfaces import Utterance

log = structlog.get_logger()

AHEAD = 2
"""Prompts whose audio is made at the same time: the one that plays, and the next."""
BUFFER = 5.0
"""Seconds of audio of one prompt that wait to be sent; then its synthesis waits."""
AUDIO_WITHIN = 15.0
"""Seconds until the next piece of a prompt's audio; then it has failed. Vendors' own bounds are shorter."""
STALLED = 20.0
"""Seconds for which a peer may take no audio; then the leg counts as broken."""
LEG_SPEAKS_WITHIN = 2.0
"""Seconds a leg has to say itself that it is closed."""
GRID = 0.01
"""Wake-ups for sending fall on multiples of this, so that one turn of the loop serves many calls."""


class Watcher(Protocol):
    """Follows what is sent to the caller; see `caller_audio.CallerAudio`."""

    def bot_speaks(self, data: bytes, at: float) -> None: ...
    def bot_falls_silent(self, now: float) -> None: ...


class Mouth:
    """Says the prompts of a call on a leg that takes audio.

    Args:
        leg: Gets the audio.
        renderer: Makes it.
        post: Takes `PromptStarted`, `PromptEnded`, and `LegClosed` when the leg takes nothing any more.
        now: Call time.
        track: Whether somebody asks for `heard`.

    Attributes:
        watcher: Told of what goes out, and when it is cut off.
    """

    def __init__(
        self,
        leg: Leg,
        renderer: Renderer,
        post: Callable[[CallEvent], None],
        now: Callable[[], float],
        *,
        track: bool,
    ) -> None:
        self._leg = leg
        self._format = leg.capabilities.format
        self._renderer = renderer
        self._post = post
        self._now = now
        self._playout = Playout(leg.capabilities, track=track)
        self.watcher: Watcher | None = None
        self._listens_later = leg if isinstance(leg, ListensLater) else None
        self._keys = 0
        self._renders: dict[int, asyncio.Task[None]] = {}
        self._asked: dict[int, float] = {}
        self._ready: dict[int, float] = {}
        self._cached: set[int] = set()
        self._turnstile = asyncio.Semaphore(AHEAD)
        self._room = asyncio.Event()
        self._wire: deque[Send | Mark] = deque()  # bounded by the lookahead
        self._alarm = Alarm()
        self._clear_wanted = Alarm()
        self._clears = 0
        self._is_clearing = False
        self._cleared = Alarm()
        self._sending_since: float | None = None

    def start_helpers(self, helpers: Helpers) -> None:
        self._helpers = helpers
        helpers.keep("playout", patient(self._send_all()), leg_broke)
        helpers.keep("clear", patient(self._clear_all()), leg_broke)

    # --- from the conversation -------------------------------------------------------------------------------------
    def start(self, prompt_id: int, content: Content) -> None:
        text = text_of(content)
        if self._renderer.has_at_hand(content):
            self._cached.add(prompt_id)
        must_sound = isinstance(content, Utterance) and bool(text.strip())
        self._start(prompt_id, text, self._renderer.render(content), must_sound=must_sound)

    def press(self, digits: str) -> None:
        """Send keys as sound, behind what is being said. Nobody is told how that went."""
        self._keys -= 1
        self._start(self._keys, "", self._renderer.keys(digits), must_sound=True)

    def pause(self) -> None:
        self._playout.pause(self._now())
        self._step()

    def resume(self) -> None:
        self._playout.resume(self._now())
        self._step()

    def stop(self) -> None:
        for task in self._renders.values():
            task.cancel()
        self._renders.clear()
        self._playout.stop(self._now())
        self._step()

    # --- from the leg ----------------------------------------------------------------------------------------------
    def mark_reached(self, mark_id: str) -> None:
        self._playout.mark_reached(mark_id, self._now())
        self._step()

    def speech_cut(self, heard_text: str) -> None:
        """Only peers that speak for themselves cut speech."""

    def heard(self) -> list[Heard]:
        """What the caller heard since the last time."""
        return self._playout.heard(self._now())

    def is_stalled(self) -> bool:
        """The peer has taken no audio for too long."""
        return self._sending_since is not None and self._now() - self._sending_since > STALLED

    # --- making audio ----------------------------------------------------------------------------------------------
    def _start(self, prompt_id: int, text: str, audio: AsyncIterator[Piece], *, must_sound: bool) -> None:
        self._playout.start(prompt_id, text)
        self._asked[prompt_id] = self._now()
        self._renders[prompt_id] = self._helpers.once("prompt", self._render(prompt_id, audio, must_sound))

    async def _render(self, prompt_id: int, audio: AsyncIterator[Piece], must_sound: bool) -> None:
        failed = True
        try:
            async with self._turnstile:
                has_sound = await self._feed(prompt_id, audio)
                failed = must_sound and not has_sound
        except (GatewayError, TimeoutError) as error:
            log.warning("prompt failed", prompt=prompt_id, error=str(error) or "no audio in time")
        finally:
            self._renders.pop(prompt_id, None)
        self._playout.finish(prompt_id, failed)
        self._step()

    async def _feed(self, prompt_id: int, audio: AsyncIterator[Piece]) -> bool:
        """Returns whether there was something to hear."""
        has_sound = False
        async with asyncio.timeout(AUDIO_WITHIN) as bound, closing(audio) as pieces:
            async for data, chars in pieces:
                if data and not has_sound:
                    has_sound = True
                    self._ready[prompt_id] = self._now() - self._asked[prompt_id]
                    bound.reschedule(None)
                    await self._until_heard()
                self._playout.feed(prompt_id, data, chars)
                self._step()
                bound.reschedule(None)
                await self._wait_for_room(prompt_id)
                bound.reschedule(asyncio.get_running_loop().time() + AUDIO_WITHIN)
        return has_sound

    async def _until_heard(self) -> None:
        """The first word of a call waits here, and not on the wire, where its time would count as heard."""
        if self._listens_later is not None:
            await self._listens_later.until_heard()
            self._listens_later = None

    async def _wait_for_room(self, prompt_id: int) -> None:
        while self._playout.buffered(prompt_id) > BUFFER:
            self._room.clear()
            await self._room.wait()

    # --- sending ---------------------------------------------------------------------------------------------------
    def _step(self) -> None:
        """Let the playout decide, and pass on what it decided."""
        for output in self._playout.poll(self._now()):
            self._pass(output)
        self._room.set()
        self._alarm.ring()

    def _pass(self, output: PlayoutOutput) -> None:
        match output:
            case Send(data, at):
                self._wire.append(output)
                if self.watcher is not None:
                    self.watcher.bot_speaks(data, at)
            case Mark():
                self._wire.append(output)
            case Clear():
                self._wire.clear()
                self._clears += 1
                self._is_clearing = True
                self._clear_wanted.ring()
                if self.watcher is not None:
                    self.watcher.bot_falls_silent(self._now())
            case Started(prompt_id):
                ready = round(self._ready.pop(prompt_id, 0.0), 6)
                self._tell(PromptStarted(prompt_id=prompt_id, ready=ready, cached=prompt_id in self._cached))
            case Ended(prompt_id, result, seconds, heard):
                self._asked.pop(prompt_id, None)
                self._ready.pop(prompt_id, None)
                self._cached.discard(prompt_id)
                self._tell(PromptEnded(prompt_id=prompt_id, result=result, seconds=round(seconds, 6), heard_text=heard))

    def _tell(self, event: PromptStarted | PromptEnded) -> None:
        if event.prompt_id > 0:  # below are keys we pressed
            self._post(event)

    async def _send_all(self) -> None:
        while True:
            while self._wire and not self._is_clearing:
                await self._send(self._wire.popleft())
            if self._is_clearing:
                await self._cleared.wait(None)
                continue
            await self._alarm.wait(self._delay())
            for output in self._playout.poll(self._now()):
                self._pass(output)
            self._room.set()

    def _delay(self) -> float | None:
        deadline = self._playout.next_deadline()
        if deadline is None:
            return None
        now = self._now()
        time = asyncio.get_running_loop().time()
        return max(0.0, math.ceil((time + deadline - now) / GRID - 1e-6) * GRID - time)

    async def _send(self, output: Send | Mark) -> None:
        if output.generation != self._playout.generation:
            return
        if isinstance(output, Mark):
            await self._leg.mark(output.mark_id)
            return
        self._sending_since = self._now()
        try:
            await self._leg.send_audio(Frame(output.data, self._format, round(output.at * self._format.rate)))
        finally:
            self._sending_since = None

    async def _clear_all(self) -> None:
        while True:
            await self._clear_wanted.wait(None)
            wanted = self._clears
            try:
                async with asyncio.timeout(STALLED):
                    await self._leg.clear()
            except TimeoutError as error:
                raise RemoteProtocolError("the peer does not clear what it has buffered") from error
            if wanted == self._clears:
                self._is_clearing = False
                self._cleared.ring()


async def patient(work: Coroutine[Any, Any, None]) -> None:
    """A leg that breaks while we send has mostly been hung up: its own `LegClosed` says by whom, and goes first."""
    try:
        await work
    except GatewayError:
        await asyncio.sleep(LEG_SPEAKS_WITHIN)
        raise


def leg_broke(error: GatewayError) -> LegClosed:
    return LegClosed(by="failure", reason=str(error))
