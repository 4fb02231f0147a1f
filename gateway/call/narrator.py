"""Prompts and transcripts of a peer that speaks, or hears, for itself: text instead of audio.

The counterparts for audio are `mouth` and `ears`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

import structlog

from gateway.call.alarm import Alarm
from gateway.call.commands import Content, Recording, Silence, Tone
from gateway.call.guard import Helpers
from gateway.call.heard import TYPICAL_CHARS_PER_SECOND, heard_text
from gateway.call.mouth import leg_broke, patient
from gateway.call.playout import MARK_MARGIN
from gateway.call.rendering import text_of
from gateway.events import CallEvent, PromptEnded, PromptStarted, RecognitionEnded, Transcript, TranscriptUpdated
from gateway.interfaces import Leg
from gateway.speech_interfaces import ListenSettings

log = structlog.get_logger()

SLOWEST = 2.0
"""How much longer than usual a peer may speak before its missing mark is not waited for any more."""
MAX_UNREAD = 16


class Narrator:
    """Says the prompts of a call on a leg that takes text, one at a time.

    What was heard of one that is stopped is what the peer says (`SpeechCut`), else what the usual speed allows.
    """

    def __init__(self, leg: Leg, post: Callable[[CallEvent], None], now: Callable[[], float]) -> None:
        self._leg = leg
        self._post = post
        self._now = now
        self._prompts: deque[tuple[int, Content]] = deque()
        self._started_at: float | None = None
        self._marks = 0
        self._mark_id = ""
        self._cut: str | None = None
        self._over_at: float | None = None
        self._clear_wanted = False
        self._alarm = Alarm()

    def start_helpers(self, helpers: Helpers) -> None:
        helpers.keep("narrator", patient(self._speak_all()), leg_broke)

    # --- from the conversation -------------------------------------------------------------------------------------
    def start(self, prompt_id: int, content: Content) -> None:
        self._prompts.append((prompt_id, content))
        self._alarm.ring()

    def pause(self) -> None:
        """Text cannot be taken back and resumed: the peer goes on."""

    def resume(self) -> None:
        """See `pause`."""

    def stop(self) -> None:
        was_speaking = self._started_at is not None
        while self._prompts:
            self._end("stopped")
        self._clear_wanted = self._clear_wanted or was_speaking
        self._alarm.ring()

    # --- from the leg ----------------------------------------------------------------------------------------------
    def mark_reached(self, mark_id: str) -> None:
        if self._started_at is not None and mark_id == self._mark_id:
            self._end("played")
            self._alarm.ring()

    def speech_cut(self, heard_text: str) -> None:
        self._cut = heard_text

    def is_stalled(self) -> bool:
        return False

    def press(self, digits: str) -> None:
        log.warning("a leg without audio and without keys cannot send digits")

    # --- speaking --------------------------------------------------------------------------------------------------
    async def _speak_all(self) -> None:
        while True:
            if self._clear_wanted:
                self._clear_wanted = False
                await self._leg.clear()
            elif self._started_at is None and self._prompts:
                await self._speak(*self._prompts[0])
            elif self._over_at is not None and self._over_at <= self._now():
                self._end("played")
            else:
                await self._alarm.wait(None if self._over_at is None else self._over_at - self._now() + 1e-6)

    async def _speak(self, prompt_id: int, content: Content) -> None:
        utterance = content.alternative if isinstance(content, Recording) else content
        if utterance is None:
            self._end("failed")
            return
        now = self._started_at = self._now()
        self._marks += 1
        self._mark_id = f"t{self._marks}"
        self._post(PromptStarted(prompt_id=prompt_id))
        if isinstance(utterance, Silence | Tone):
            self._over_at = now + utterance.seconds
            return
        usual = len(utterance.plain or utterance.text) / TYPICAL_CHARS_PER_SECOND
        self._over_at = now + (usual * SLOWEST + 10 * MARK_MARGIN if self._leg.capabilities.has_marks else usual)
        await self._leg.speak(utterance, self._mark_id)

    def _end(self, result: Literal["played", "stopped", "failed"]) -> None:
        prompt_id, content = self._prompts.popleft()
        text = text_of(content)
        seconds = 0.0 if self._started_at is None else self._now() - self._started_at
        if result == "stopped":
            heard, self._cut = self._cut, None
            text = heard if heard is not None and self._started_at is not None else heard_text(text, seconds)
        self._started_at = self._over_at = None
        heard_of_it = "" if result == "failed" else text
        self._post(PromptEnded(prompt_id=prompt_id, result=result, seconds=round(seconds, 6), heard_text=heard_of_it))


class ReadTranscripts:
    """The transcripts of a peer that recognizes speech itself, given to the open stream.

    Those that come while none is open wait for the next one, if they came after its ``since``.
    """

    def __init__(self, post: Callable[[CallEvent], None], now: Callable[[], float]) -> None:
        self._post = post
        self._now = now
        self._stream: int | None = None
        self._unread: deque[tuple[float, Transcript]] = deque(maxlen=MAX_UNREAD)

    def take(self, transcript: Transcript) -> None:
        if self._stream is not None:
            self._post(TranscriptUpdated(stream=self._stream, transcript=transcript))
        elif transcript.final:
            self._unread.append((self._now(), transcript))

    def open(self, stream: int, settings: ListenSettings, since: float, helpers: Helpers) -> None:
        self._stream = stream
        while self._unread:
            at, transcript = self._unread.popleft()
            if at >= since:
                self._post(TranscriptUpdated(stream=stream, transcript=transcript))

    def finish(self, stream: int) -> None:
        if stream == self._stream:
            self._stream = None
            self._post(RecognitionEnded(stream=stream))

    def close(self, stream: int) -> None:
        if stream == self._stream:
            self._stream = None
