"""One caller turn in Scribe's words: realtime speech to text. No I/O.

Source: the realtime client of elevenlabs 2.78 and its documentation, read 2026-11. A commit asks for the final of what
was sent since the one before; it needs 0.3 s of audio, which silence makes up for.
"""

from __future__ import annotations

from collections.abc import Sequence

from audio.format import AudioFormat
from gateway.errors import VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.turn_protocol import Message, Result
from gateway.speech.elevenlabs.protocol import audio_chunk, parsed, trouble

LEAST_COMMITTED = 0.3
MARGIN = 0.2
"""Seconds by which silence is made longer than the vendor waits for."""
TOO_LITTLE = frozenset({"commit_throttled", "insufficient_audio_activity"})
"""Answers to a commit of nothing."""


class ScribeTurn:
    """See `gateway.kit.turn_protocol.TurnProtocol`.

    Args:
        vendor: Its name in the configuration.
        format: Of the audio.
        silence: Seconds of it after which the vendor commits by itself, and so ends the turn; None: we do.
        interim: Whether partials are wanted.
    """

    def __init__(self, vendor: str, format: AudioFormat, *, silence: float | None = None, interim: bool = True) -> None:
        self.is_over = False
        self.is_clean = False
        self.keep_alive = audio_chunk(b"", format.rate)
        self._vendor = vendor
        self._format = format
        self._silence = silence
        self._interim = interim
        self._sent = 0
        self._is_finished = False
        self._is_insisting = False
        self._has_partial = False

    def opening(self) -> Sequence[Message]:
        """The address has said everything."""
        return ()

    def audio(self, data: bytes) -> Message:
        self._sent += len(data)
        return audio_chunk(data, self._format.rate)

    def finish(self) -> Sequence[Message]:
        self._is_finished = True
        if not self._sent:
            self.is_over = self.is_clean = True
            return ()
        if self._silence is not None:
            # Whether a commit answers one of ours cannot be seen, so the vendor is brought to make its own.
            return (audio_chunk(self._quiet(self._silence + MARGIN), self._format.rate),)
        missing = LEAST_COMMITTED - self._format.seconds(self._sent)
        return (audio_chunk(self._quiet(max(0.0, missing)), self._format.rate, commit=True),)

    def insist(self) -> Sequence[Message]:
        """There is no other way to ask. A commit is always answered; silence where nothing was being said is not."""
        self._is_insisting = True
        self.is_over = self._silence is not None and not self._has_partial
        return ()

    def receive(self, message: Message) -> Sequence[Result]:
        value = parsed(message, self._vendor, "listen")
        kind = value.get("message_type")
        if not isinstance(kind, str):
            raise VendorReplyInvalid("a message has no type", vendor=self._vendor, operation="listen")
        if kind in ("partial_transcript", "committed_transcript"):
            return self._transcript(kind, str(value.get("text") or "").strip())
        if kind in TOO_LITTLE and self._is_finished:
            self.is_over = True
            return ()
        if "error" in value:
            raise trouble(kind, self._vendor, "listen")
        return ()  # what comes beside: the session's beginning, copies with times, kinds this version does not know

    def closed(self) -> Sequence[Result]:
        if self._is_finished and not self._has_partial:
            self.is_over = True
            return ()
        raise VendorUnavailable("it closed before the end of the turn", vendor=self._vendor, operation="listen")

    def _transcript(self, kind: str, text: str) -> Sequence[Result]:
        if kind == "partial_transcript":
            self._has_partial = bool(text)
            return (Transcript(text=text, final=False),) if text and self._interim else ()
        self._has_partial = False
        if self._is_finished and self._silence is None:
            self.is_over = self.is_clean = True
        elif self._is_insisting:
            self.is_over = True
        if not text:
            return ()
        return (Transcript(text=text, final=True, ends_turn=self._silence is not None),)

    def _quiet(self, seconds: float) -> bytes:
        return self._format.silence(round(seconds * self._format.rate))
