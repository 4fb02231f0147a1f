"""One caller turn in a Nova model's words: `/v1/listen`. No I/O.

Source: developers.deepgram.com, reference of `/v1/listen`, pages Finalize, Close Stream, Endpointing and Utterance End,
read 2026-11. Times are of the audio on the connection, which may have carried turns before: they are put right here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audio.format import AudioFormat
from gateway.errors import VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.turn_protocol import Message, Result
from gateway.speech.deepgram.protocol import CLOSE_STREAM, FINALIZE, KEEP_ALIVE, code_of, parsed
from gateway.speech_interfaces import SpeechHeard

SAME = 0.02
"""Seconds by which two places in the audio may differ and be the same."""


class NovaTurn:
    """See `gateway.kit.turn_protocol.TurnProtocol`.

    Args:
        vendor: Its name in the configuration.
        format: Of the audio.
        ends_turns: Whether the vendor decides when the turn is over.
        interim: Whether partials are wanted.
        starts_at: Seconds of audio that the connection has carried before.
    """

    keep_alive = KEEP_ALIVE

    def __init__(
        self, vendor: str, format: AudioFormat, *, ends_turns: bool, interim: bool = True, starts_at: float = 0.0
    ) -> None:
        self.is_over = False
        self.is_clean = False
        self._vendor = vendor
        self._format = format
        self._ends_turns = ends_turns
        self._interim = interim
        self._starts_at = self._final_until = starts_at
        self._sent = 0
        self._is_finished = False
        self._has_words = False  # since the last end of a turn

    def opening(self) -> Sequence[Message]:
        """The address has said everything."""
        return ()

    def audio(self, data: bytes) -> Message:
        self._sent += len(data)
        return data

    def finish(self) -> Sequence[Message]:
        self._is_finished = True
        if self._sent:
            return (FINALIZE,)
        self.is_over = self.is_clean = True
        return ()

    def insist(self) -> Sequence[Message]:
        """Finalize is not answered where nothing was left to be finalized; closing always is."""
        return (CLOSE_STREAM,)

    def receive(self, message: Message) -> Sequence[Result]:
        value = parsed(message, self._vendor, "listen")
        try:
            match value.get("type"):
                case "Results":
                    return self._results(value)
                case "SpeechStarted":
                    return self._heard(float(value["timestamp"]), started=True)
                case "UtteranceEnd":
                    return self._utterance_end(float(value["last_word_end"]))
                case "Metadata":
                    self.is_over = self._is_finished
                    return ()
                case "Error":
                    raise VendorUnavailable(f"it reports {code_of(value)}", vendor=self._vendor, operation="listen")
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise VendorReplyInvalid("a result lacks what it should have", vendor=self._vendor) from error
        return ()  # a message this version does not know

    def closed(self) -> Sequence[Result]:
        """Metadata comes before the end, so without it this is too early."""
        raise VendorUnavailable("it closed before the end of the turn", vendor=self._vendor, operation="listen")

    def _results(self, value: dict[str, Any]) -> Sequence[Result]:
        best, *others = value["channel"]["alternatives"]
        text = str(best["transcript"]).strip()
        until = float(value["start"]) + float(value["duration"])
        if not value.get("is_final"):
            is_late = until <= self._final_until + SAME
            return () if is_late or not text or not self._interim else (Transcript(text=text, final=False),)
        if value.get("from_finalize") and self._is_finished:
            self.is_over = self.is_clean = True
        if until <= self._starts_at + SAME:
            return ()  # what is left of the turn before
        self._final_until = max(self._final_until, until)
        self._has_words |= bool(text)
        ends_turn = self._ends_turn() if value.get("speech_final") else False
        if not text:
            return (Transcript(text="", final=True, ends_turn=True),) if ends_turn else ()
        return (_final(text, best, others, ends_turn),)

    def _utterance_end(self, last_word_end: float) -> Sequence[Result]:
        if last_word_end < self._starts_at:
            return ()
        stopped = self._heard(last_word_end, started=False)
        return (*stopped, Transcript(text="", final=True, ends_turn=True)) if self._ends_turn() else stopped

    def _ends_turn(self) -> bool:
        """Whether a pause is the end of a turn: once for the words before it."""
        ends, self._has_words = self._has_words and self._ends_turns, False
        return ends

    def _heard(self, at: float, *, started: bool) -> Sequence[Result]:
        at -= self._starts_at
        return (SpeechHeard(started=started, at=at),) if at >= 0 else ()


def _final(text: str, best: dict[str, Any], others: list[dict[str, Any]], ends_turn: bool) -> Transcript:
    languages = best.get("languages") or ()
    return Transcript(
        text=text,
        final=True,
        ends_turn=ends_turn,
        confidence=min(max(float(best["confidence"]), 0.0), 1.0),
        language=str(languages[0]) if languages else None,
        alternatives=tuple(str(other["transcript"]) for other in others),
    )
