"""What is being sent to the caller: paced, counted, and taken back when the caller interrupts. Pure: no I/O, no clock.

The playout alone keeps `LegCapabilities.lookahead` seconds ahead of the caller. It counts what was heard on the *send
clock*: audio sent at ``now`` is heard from ``max(end of what was sent before, now)`` on. The network's delay cancels
out there, because a clear travels as long as the audio did. Marks only confirm that a prompt has ended.

Call `poll` after every input and at `next_deadline`. Performing what it returns is `gateway.call.mouth`'s work.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

from gateway.call.heard import heard_text
from gateway.call.queued import Piece, QueuedPrompt
from gateway.interfaces import LegCapabilities

MARK_MARGIN = 1.0
"""Seconds after the expected end at which a prompt ends without its mark."""
STARVING = 0.06
"""With less than this ahead of the caller, part of a message is sent rather than waiting for all of it."""
_EPSILON = 2e-6
"""Call times are rounded to microseconds; a deadline counts as reached this much early."""


@dataclass(frozen=True, slots=True)
class Send:
    """Audio in the wire's format; ``at`` is the call time at which the caller hears its first sample.

    ``generation`` grows with every `Clear`: what was not sent by then must not be sent any more.
    """

    data: bytes
    at: float
    generation: int


@dataclass(frozen=True, slots=True)
class Mark:
    mark_id: str
    generation: int


@dataclass(frozen=True, slots=True)
class Clear:
    """The peer is to drop what it has not played."""


@dataclass(frozen=True, slots=True)
class Started:
    prompt_id: int


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a prompt; exactly one for each `Playout.start`, in the same order."""

    prompt_id: int
    result: Literal["played", "stopped", "failed"]
    seconds: float
    heard_text: str


@dataclass(frozen=True, slots=True)
class Heard:
    """Audio the caller has just heard; its first sample at call time ``at``."""

    data: bytes
    at: float


PlayoutOutput = Send | Mark | Clear | Started | Ended


@dataclass(frozen=True, slots=True)
class _Plan:
    """The next message: bytes of audio, silence behind it, and when it may go."""

    size: int
    padding: int
    when: float


class Playout:
    """Paces and counts the prompts of one call. Prompts play in the order of `start`.

    Args:
        capabilities: The leg's format, lookahead and message rules, and whether it has marks and clear. On a leg
            without clear, what was sent counts as heard.
        track: Keep what the caller hears for `heard`; for a recording or an echo canceller.
    """

    def __init__(self, capabilities: LegCapabilities, *, track: bool) -> None:
        self._leg = capabilities
        self._format = capabilities.format
        self._rate = capabilities.format.rate
        self._track = track
        width = capabilities.format.encoding.bytes_per_sample
        self._unit = math.lcm(capabilities.multiple_of, width)
        self._cuts_at_prompts = self._unit == width
        most = min(self._format.size(min(capabilities.message, capabilities.lookahead)), capabilities.max_message_bytes)
        self._message = max(self._unit, most - most % self._unit)
        self._prompts: deque[QueuedPrompt] = deque()
        self._by_id: dict[int, QueuedPrompt] = {}
        self._ahead: deque[Piece] = deque()
        self._anchor, self._sent = 0.0, 0
        self._generation = 0
        self._paused = False
        self._out: list[PlayoutOutput] = []
        self._heard: list[Heard] = []

    @property
    def generation(self) -> int:
        return self._generation

    @property
    def outstanding(self) -> int:
        """How many prompts have not ended."""
        return len(self._prompts)

    @property
    def until(self) -> float:
        """Call time at which the caller will have heard everything sent."""
        return self._anchor + self._sent / self._rate

    def buffered(self, prompt_id: int) -> float:
        """Seconds of a prompt that were fed and not sent; 0 for one that is over."""
        prompt = self._by_id.get(prompt_id)
        return self._format.seconds(prompt.unsent) if prompt else 0.0

    def next_deadline(self) -> float | None:
        """When `poll` has something to do without further input; may lie in the past."""
        deadlines = [] if self._paused else [plan.when for plan in (self._plan(),) if plan]
        if self._prompts and (end := self._prompts[0].gives_up_at) is not None:
            deadlines.append(end)
        return min(deadlines, default=None)

    # --- input -----------------------------------------------------------------------------------------------------
    def start(self, prompt_id: int, text: str) -> None:
        """Queue a prompt; its audio may come later, and holds those behind it."""
        if prompt_id in self._by_id:
            raise ValueError(f"prompt {prompt_id} is outstanding")
        prompt = QueuedPrompt(prompt_id, text)
        self._prompts.append(prompt)
        self._by_id[prompt_id] = prompt

    def feed(self, prompt_id: int, data: bytes, chars: int | None = None) -> None:
        """Audio of a prompt, cut anywhere. What comes for one that is over is dropped.

        Args:
            data: In the wire's format.
            chars: Characters of the text spoken by the end of ``data``, where known.
        """
        prompt = self._by_id.get(prompt_id)
        if prompt is None or prompt.finished:
            return
        prompt.add(data)
        if chars is not None:
            prompt.spoken.append((self._format.seconds(prompt.total), chars))

    def finish(self, prompt_id: int, failed: bool = False) -> None:
        """Nothing more will be fed; ``failed``: there should have been more."""
        prompt = self._by_id.get(prompt_id)
        if prompt is None or prompt.finished:
            return
        torn = prompt.total % self._format.encoding.bytes_per_sample
        if torn:
            prompt.drop_tail(torn)
        prompt.finished, prompt.failed = True, failed

    def mark_reached(self, mark_id: str, now: float) -> None:
        """The peer echoed a mark. Echoes of marks sent before a clear are void."""
        if not any(prompt.mark_id == mark_id for prompt in self._prompts):
            return
        for prompt in self._prompts:
            prompt.gives_up_at = prompt.audible_until
            if prompt.mark_id == mark_id:
                return

    def pause(self, now: float) -> None:
        """Fall silent; keep everything from the sample the caller hears now."""
        if self._paused:
            return
        unheard = self._take_back(now)
        for piece in reversed(unheard):
            piece.prompt.give_back(self._bytes(piece, piece.heard, piece.samples))
            piece.prompt.not_over()
        self._paused = True

    def resume(self, now: float) -> None:
        """Go on with the very next sample."""
        self._paused = False

    def stop(self, now: float) -> None:
        """Fall silent and end every prompt, started or queued."""
        self._take_back(now)
        while self._prompts:
            prompt = self._prompts[0]
            complete = prompt.started and prompt.is_sent and prompt.heard == self._format.samples(prompt.total)
            self._end_first("stopped" if not complete else "failed" if prompt.failed else "played")
        self._paused = False

    # --- output ----------------------------------------------------------------------------------------------------
    def poll(self, now: float) -> list[PlayoutOutput]:
        """What is to be done by now, in order."""
        self._hear(now)
        self._end_due(now)
        while not self._paused and (plan := self._plan()) is not None and plan.when <= now + _EPSILON:
            self._send(plan, now)
            self._end_due(now)
        out, self._out = self._out, []
        return out

    def heard(self, now: float) -> list[Heard]:
        """What the caller heard since the last time, if this is tracked."""
        self._hear(now)
        heard, self._heard = self._heard, []
        return heard

    # --- counting --------------------------------------------------------------------------------------------------
    def _bytes(self, piece: Piece, start: int, end: int) -> bytes:
        width = self._format.encoding.bytes_per_sample
        return piece.data[start * width : end * width]

    def _hear(self, now: float) -> None:
        while self._ahead:
            piece = self._ahead[0]
            count = min(piece.samples, max(piece.heard, int((now - piece.at) * self._rate + 0.1)))
            if count > piece.heard:
                if self._track:
                    at = piece.at + piece.heard / self._rate
                    self._heard.append(Heard(self._bytes(piece, piece.heard, count), at))
                piece.prompt.heard += count - piece.heard
                piece.heard = count
            if count < piece.samples:
                return
            self._ahead.popleft()

    def _take_back(self, now: float) -> list[Piece]:
        """Settle what was heard by a clear, and return what was not."""
        self._hear(now if self._leg.has_clear else max(now, self.until))
        unheard = list(self._ahead)
        self._ahead.clear()
        if self._leg.has_clear:
            self._anchor, self._sent = now, 0
        if any(prompt.started for prompt in self._prompts):
            self._generation += 1
            self._out.append(Clear())
            for prompt in self._prompts:
                prompt.mark_id = None
                if prompt.gives_up_at is not None:  # its mark will not come any more: the send clock ends it
                    prompt.gives_up_at = prompt.audible_until
        return unheard

    def _end_due(self, now: float) -> None:
        self._close_sent(now)
        while self._prompts:
            prompt = self._prompts[0]
            if prompt.gives_up_at is None or prompt.gives_up_at > now + _EPSILON:
                return
            prompt.heard = self._format.samples(prompt.total)
            self._end_first("failed" if prompt.failed else "played")

    def _end_first(self, result: Literal["played", "stopped", "failed"]) -> None:
        prompt = self._prompts.popleft()
        del self._by_id[prompt.prompt_id]
        prompt.chunks.clear()
        seconds = prompt.heard / self._rate
        length = self._format.seconds(prompt.total) if prompt.finished and not prompt.failed else None
        text = heard_text(prompt.text, seconds, spoken=prompt.spoken, length=length)
        self._out.append(Ended(prompt.prompt_id, result, seconds, text))

    # --- sending ---------------------------------------------------------------------------------------------------
    def _plan(self) -> _Plan | None:
        """The next message: a whole one, the last of a prompt, or, when the caller is about to run dry, what is there.

        Where every message must be a multiple of some size, the remainder of a prompt is filled up from the next
        one; only the tail of a stretch is padded.
        """
        size = ended = 0
        for prompt in self._prompts:
            size += prompt.unsent
            if size >= self._message:
                return self._planned(self._message)
            if not prompt.finished:
                return self._starving(size, ended)
            ended = size
            if size and self._cuts_at_prompts:
                break
        return self._planned(size) if size else None

    def _starving(self, size: int, ended: int) -> _Plan | None:
        """Some audio is there, but the prompt at its end has more to come, only not yet."""
        whole = size - size % self._unit
        if not (whole or ended):
            return None
        plan = self._planned(whole or ended)
        return _Plan(plan.size, plan.padding, max(plan.when, self.until - STARVING))

    def _planned(self, size: int) -> _Plan:
        padding = -size % self._unit
        duration = self._format.seconds(size + padding)
        return _Plan(size, padding, self.until + min(0.0, duration - self._leg.lookahead))

    def _send(self, plan: _Plan, now: float) -> None:
        if now > self.until:
            self._anchor, self._sent = now, 0
        at, wanted, pieces = self.until, plan.size, []
        for prompt in self._prompts:
            data = prompt.take(wanted)
            if data:
                pieces.append(data)
                wanted -= len(data)
                self._note(prompt, data)
        padding = self._format.samples(plan.padding)
        pieces.append(self._format.silence(padding))
        self._sent += padding
        self._out.append(Send(b"".join(pieces), at, self._generation))

    def _note(self, prompt: QueuedPrompt, data: bytes) -> None:
        if not prompt.started:
            prompt.started = True
            self._out.append(Started(prompt.prompt_id))
        samples = self._format.samples(len(data))
        self._ahead.append(Piece(prompt, data, self.until, samples))
        self._sent += samples
        prompt.audible_until = self.until

    def _close_sent(self, now: float) -> None:
        """Every prompt that is completely sent has an expected end, and a mark behind it where the leg has marks."""
        for prompt in self._prompts:
            if not prompt.is_sent:
                return
            if prompt.gives_up_at is not None:
                continue
            prompt.gives_up_at = prompt.audible_until
            if prompt.total and self._leg.has_marks and not self._paused:
                prompt.mark_id = f"{self._generation % 10_000}-{prompt.prompt_id % 10_000_000}"
                prompt.gives_up_at = max(now, prompt.audible_until) + MARK_MARGIN
                self._out.append(Mark(prompt.mark_id, self._generation))
