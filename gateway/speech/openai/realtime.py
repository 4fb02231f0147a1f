"""One turn in a realtime transcription session, without I/O.

Realtime API reference and guide "Realtime transcription" of November 2026. The turn's sound is appended to a buffer and
committed when the gateway says that the turn is over; with turn detection the server commits utterances by itself. A
session may be updated at any time, so one serves turn after turn; its times count from its first sound.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from audio.format import AudioFormat, Encoding
from gateway.errors import VendorError, VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.turn_protocol import Message, Result
from gateway.speech.openai.options import ListenOptions
from gateway.speech.openai.protocol import transcription
from gateway.speech_interfaces import ListenSettings, SpeechHeard

WITHOUT_DETECTION = ("gpt-live-transcribe", "gpt-realtime-whisper")
"""Models that write while they hear, and whose sessions detect no turns."""
COMMIT_EMPTY = "input_audio_buffer_commit_empty"
_TRANSCRIPTION = "conversation.item.input_audio_transcription."


def writes_while_hearing(model: str) -> bool:
    """Whether a model's text comes before the end of the speech."""
    return model.startswith(WITHOUT_DETECTION)


def audio_format(format: AudioFormat) -> dict[str, Any]:
    """A format as a session names it."""
    if format.encoding is Encoding.L16:
        return {"type": "audio/pcm", "rate": format.rate}
    return {"type": f"audio/{format.encoding.value}"}


class RealtimeTurn:
    """See `gateway.kit.turn_protocol.TurnProtocol`.

    Args:
        settings: With the format of what will be pushed.
        partials: Whether text is reported before it is final.
        starts_at: Seconds of sound that the session has heard before.
    """

    keep_alive = None

    def __init__(
        self,
        vendor: str,
        settings: ListenSettings,
        options: ListenOptions,
        format: AudioFormat,
        model: str,
        partials: bool,
        *,
        starts_at: float = 0.0,
    ) -> None:
        self._vendor = vendor
        self._format = format
        self._options = options
        self._told = transcription(settings, options, model)
        self._detection = self._detected(settings)
        self._ends_turns = settings.tuning.endpointing == "vendor" and self._detection is not None
        self._partials = partials
        self._texts: dict[str, str] = {}  # of items that are not complete, in their order
        self._detected_items: set[str] = set()
        self._completed: set[str] = set()
        self._has_audio = False
        self._is_speaking = False
        self._is_committing = False
        self._is_finished = False
        self._starts_at = starts_at
        self._has_begun = not starts_at  # what comes before the answer to our update is of the turn before

    @property
    def is_over(self) -> bool:
        return self._is_finished and not self._is_committing and not self._texts

    @property
    def is_clean(self) -> bool:
        return self._has_begun

    def opening(self) -> Iterable[Message]:
        if self._starts_at:
            yield json.dumps({"type": "input_audio_buffer.clear"})  # silence that the server did not commit
        reduction = self._options.noise_reduction
        sound = {
            "format": audio_format(self._format),
            "noise_reduction": {"type": reduction} if reduction else None,
            "transcription": self._told,
            "turn_detection": self._detection,
        }
        yield json.dumps({"type": "session.update", "session": {"type": "transcription", "audio": {"input": sound}}})

    def audio(self, data: bytes) -> Message:
        self._has_audio = True
        return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(data).decode()})

    def finish(self) -> Iterable[Message]:
        """Commit what the server has not committed by itself; what it left behind then is silence."""
        self._is_finished = True
        if self._has_audio and (self._is_speaking or not self._detected_items):
            self._is_committing = True
            yield json.dumps({"type": "input_audio_buffer.commit"})

    def insist(self) -> Iterable[Message]:
        return []

    def receive(self, message: Message) -> Iterable[Result]:
        event = self._parsed(message)
        match event.get("type"):
            case "error":
                self._fail(event.get("error"))
            case "session.updated":
                self._has_begun = True
            case _ if not self._has_begun:
                pass
            case "input_audio_buffer.speech_started":
                self._is_speaking = True
                return [SpeechHeard(started=True, at=self._at(event.get("audio_start_ms")))]
            case "input_audio_buffer.speech_stopped":
                self._is_speaking = False
                self._detected_items.add(str(event.get("item_id")))
                return [SpeechHeard(started=False, at=self._at(event.get("audio_end_ms")))]
            case "input_audio_buffer.committed":
                self._committed(str(event.get("item_id")))
            case str(kind) if kind.startswith(_TRANSCRIPTION):
                return self._transcribed(kind.removeprefix(_TRANSCRIPTION), event)
        return []

    def closed(self) -> Iterable[Result]:
        raise VendorUnavailable("it hung up before the last transcript", vendor=self._vendor, operation="listen")

    def _detected(self, settings: ListenSettings) -> dict[str, Any] | None:
        if writes_while_hearing(self._told["model"]):
            return None
        if self._options.turn_detection is not None:
            return None if self._options.turn_detection.get("type") == "none" else self._options.turn_detection
        if settings.tuning.endpointing == "vendor":
            return {"type": "server_vad", "silence_duration_ms": round(settings.end_silence * 1000)}
        return None

    def _at(self, milliseconds: Any) -> float:
        """Seconds from the turn's beginning."""
        return max(0.0, milliseconds / 1000 - self._starts_at) if isinstance(milliseconds, (int, float)) else 0.0

    def _committed(self, item: str) -> None:
        if item not in self._detected_items:
            self._is_committing = False
        if item not in self._completed:
            self._texts.setdefault(item, "")

    def _transcribed(self, kind: str, event: dict[str, Any]) -> Iterable[Result]:
        item = str(event.get("item_id"))
        if kind == "delta" and item not in self._completed:
            self._texts[item] = self._texts.get(item, "") + str(event.get("delta") or "")
            text = " ".join(text.strip() for text in self._texts.values() if text.strip())
            return [Transcript(text=text, final=False)] if self._partials and text else []
        if kind == "failed":
            self._fail(event.get("error"))
        if kind != "completed" or item in self._completed:
            return []
        self._completed.add(item)
        self._texts.pop(item, None)
        text = str(event.get("transcript") or "").strip()
        ends_turn = self._ends_turns and item in self._detected_items
        return [Transcript(text=text, final=True, ends_turn=ends_turn)] if text else []

    def _parsed(self, message: Message) -> dict[str, Any]:
        try:
            event = json.loads(message)
        except ValueError as error:
            raise VendorReplyInvalid("a message is no JSON", vendor=self._vendor, operation="listen") from error
        if not isinstance(event, dict):
            raise VendorReplyInvalid("a message is no object", vendor=self._vendor, operation="listen")
        return event

    def _fail(self, error: Any) -> None:
        """Raise what an error stands for; its message may quote what was said, so only its code is told."""
        found = error if isinstance(error, dict) else {}
        code, kind = str(found.get("code") or ""), str(found.get("type") or "error")
        if code == COMMIT_EMPTY:
            self._is_committing = False
            return
        is_refusal = kind == "invalid_request_error" and code not in ("session_expired", "rate_limit_exceeded")
        refused: type[VendorError] = VendorRejected if is_refusal else VendorUnavailable
        reason = "".join(c for c in code or kind if c.isalnum() or c in "_.-")[:60]
        raise refused(f"it reports {reason}", vendor=self._vendor, operation="listen")
