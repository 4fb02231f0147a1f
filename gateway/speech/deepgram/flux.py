"""One caller turn in a Flux model's words: `/v2/listen`. No I/O.

Source: developers.deepgram.com, reference of `/v2/listen`, pages Flux State Machine, Force End Turn, Bring Your Own
Turn Detection and Close Stream (Flux), read 2026-11. Flux counts turns of its own; where the gateway ends turns there
is one, unless the caller is silent for longer than its timeout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.errors import VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.turn_protocol import Message, Result
from gateway.speech.deepgram.protocol import CLOSE_STREAM, FORCE_END_TURN, code_of, parsed
from gateway.speech_interfaces import SpeechHeard


class FluxTurn:
    """See `gateway.kit.turn_protocol.TurnProtocol`.

    Flux has no sign of life but audio, so no connection waits for a turn.

    Args:
        vendor: Its name in the configuration.
        ends_turns: Whether the vendor decides when the turn is over.
        interim: Whether partials are wanted.
    """

    keep_alive = None
    is_clean = False

    def __init__(self, vendor: str, *, ends_turns: bool, interim: bool = True) -> None:
        self.is_over = False
        self._vendor = vendor
        self._ends_turns = ends_turns
        self._interim = interim
        self._has_audio = False
        self._is_finished = False
        self._is_closing = False
        self._ended = -1  # index of the last turn that has ended
        self._unfinished: dict[str, Any] | None = None

    def opening(self) -> Sequence[Message]:
        """The address has said everything."""
        return ()

    def audio(self, data: bytes) -> Message:
        self._has_audio = True
        return data

    def finish(self) -> Sequence[Message]:
        self._is_finished = True
        self.is_over = not self._has_audio
        return (FORCE_END_TURN,) if self._has_audio else ()

    def insist(self) -> Sequence[Message]:
        """A forced end is not answered where no turn was in progress; closing brings the last update."""
        self._is_closing = True
        return (CLOSE_STREAM,)

    def receive(self, message: Message) -> Sequence[Result]:
        value = parsed(message, self._vendor, "listen")
        if value.get("type") == "Error":
            raise VendorUnavailable(f"it reports {code_of(value)}", vendor=self._vendor, operation="listen")
        if value.get("type") != "TurnInfo":
            return ()
        try:
            return self._turn_info(value)
        except (KeyError, TypeError, ValueError) as error:
            raise VendorReplyInvalid("a result lacks what it should have", vendor=self._vendor) from error

    def closed(self) -> Sequence[Result]:
        """After we asked for it: the last update is the final transcript (page Close Stream, Flux)."""
        if not self._is_closing:
            raise VendorUnavailable("it closed before the end of the turn", vendor=self._vendor, operation="listen")
        self.is_over = True
        return () if self._unfinished is None else self._final(self._unfinished, ends_turn=False)

    def _turn_info(self, value: dict[str, Any]) -> Sequence[Result]:
        text, index = str(value["transcript"]).strip(), int(value["turn_index"])
        if index <= self._ended:
            return ()  # a late update of a turn that is over
        match value["event"]:
            case "EndOfTurn":
                self._ended, self._unfinished = index, None
                self.is_over = self._is_finished
                by_vendor = self._ends_turns and value.get("trigger") != "manual"
                stopped = SpeechHeard(started=False, at=_last_word(value))
                return (stopped, *self._final(value, ends_turn=by_vendor))
            case "StartOfTurn":
                self._unfinished = value
                started = SpeechHeard(started=True, at=float(value["audio_window_start"]))
                return (started, *self._partial(text))
            case _:  # Update, EagerEndOfTurn, TurnResumed
                if text:
                    self._unfinished = value
                return self._partial(text)

    def _partial(self, text: str) -> Sequence[Result]:
        return (Transcript(text=text, final=False),) if text and self._interim else ()

    def _final(self, value: dict[str, Any], *, ends_turn: bool) -> Sequence[Result]:
        text = str(value["transcript"]).strip()
        if not text:
            return ()
        sure = [float(word["confidence"]) for word in value.get("words") or ()]
        languages = value.get("languages") or ()
        return (
            Transcript(
                text=text,
                final=True,
                ends_turn=ends_turn,
                confidence=min(max(sum(sure) / len(sure), 0.0), 1.0) if sure else None,
                language=str(languages[0]) if languages else None,
            ),
        )


def _last_word(value: dict[str, Any]) -> float:
    ends = [word["end"] for word in value.get("words") or () if word.get("end") is not None]
    return float(ends[-1] if ends else value["audio_window_end"])
