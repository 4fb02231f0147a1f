"""One caller turn in Scribe's words: realtime speech to text. No I/O.

Source: the realtime client of elevenlabs 2.78 and its documentation, read 2026-11. A commit asks for the final of what
was sent since the one before; it needs 0.3 s of audio, which silence makes up for.
"""

from __future__ import annotations

from collections.abc import Sequence

from audio.format import AudioFormat
from gateway.errors import VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.hearing import Result
from gateway.kit.warm_sockets import Message
from gateway.speech.elevenlabs.protocol import audio_chunk, parsed, trouble

LEAST_COMMITTED = 0.3
TOO_LITTLE = frozenset({"commit_throttled", "insufficient_audio_activity"})
"""Answers to a commit of nothing."""


class ScribeTurn:
    """See `gateway.kit.hearing.TurnProtocol`.

    Args:
        vendor: Its name in the configuration.
        format: Of the audio.
        ends_turns: Whether the vendor decides when the turn is over.
        interim: Whether partials are wanted.
    """

    def __init__(self, vendor: str, format: AudioFormat, *, ends_turns: bool, interim: bool = True) -> None:
        self.is_over = False
        self.is_clean = False
        self.keep_alive = audio_chunk(b"", format.rate)
        self._vendor = vendor
        self._format = format
        self._ends_turns = ends_turns
        self._interim = interim
        self._sent = 0
        self._is_finished = False
        self._has_partial = False

    def audio(self, data: bytes) -> Message:
        self._sent += len(data)
        return audio_chunk(data, self._format.rate)

    def finish(self) -> Sequence[Message]:
        self._is_finished = True
        if not self._sent:
            self.is_over = self.is_clean = True
            return ()
        missing = self._format.samples(max(0, self._format.size(LEAST_COMMITTED) - self._sent))
        return (audio_chunk(self._format.silence(missing), self._format.rate, commit=True),)

    def insist(self) -> Sequence[Message]:
        """There is no other way to ask. Where nothing was being said, nothing is missing."""
        self.is_over = not self._has_partial
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
        self.is_over = self.is_clean = self._is_finished
        if not text:
            return ()
        return (Transcript(text=text, final=True, ends_turn=self._ends_turns and not self._is_finished),)
