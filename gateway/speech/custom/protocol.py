"""The messages of ``docs/speech/custom.md``, without I/O.

Their shapes are those of jambonz' custom speech vendors (its guide "Adding custom speech vendors", November 2026), so
that an engine written for it needs little or no change; what is added may be ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from audio.format import AudioFormat, Encoding
from gateway.errors import VendorRejected, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.turn_protocol import Message, Result
from gateway.speech_interfaces import ListenSettings, SpeechHeard, Utterance

ENCODINGS = {Encoding.L16: "LINEAR16", Encoding.PCMU: "MULAW", Encoding.PCMA: "ALAW"}
MAX_SAID = 200
"""Characters of an engine's own words on what is wrong."""
_NOT_PASSED_ON = frozenset({"uri", "authToken", "sampleRate"})
"""Of jambonz' ``customOptions``: where the engine is, is for the operator to say, never for a bot."""


def speak_request(utterance: Utterance, format: AudioFormat) -> dict[str, Any]:
    """The body of a request for speech."""
    asked = {
        "text": utterance.text,
        "type": "ssml" if utterance.ssml else "text",
        "language": utterance.language,
        "voice": utterance.voice,
        "model": utterance.model,
        **_named(format),
        "rate": utterance.prosody.rate,
        "pitch": utterance.prosody.pitch,
        "volume": utterance.prosody.volume,
        "sensitive": utterance.sensitive or None,
        "options": own_options(utterance.options) or None,
    }
    return {name: value for name, value in asked.items() if value is not None}


def listen_request(settings: ListenSettings, format: AudioFormat, partials: bool) -> dict[str, Any]:
    """The first message of a turn."""
    tuning = settings.tuning
    asked = {
        "type": "start",
        "language": settings.language,
        "format": "raw",
        **_named(format),
        "interimResults": partials,
        "model": settings.model,
        "kind": settings.kind,
        "phrases": list(settings.phrases) or None,
        "hints": list(settings.hints) or None,
        "hintsBoost": tuning.hints_boost,
        "altLanguages": list(tuning.alt_languages) or None,
        "maxAlternatives": tuning.alternatives,
        "profanityFilter": tuning.profanity_filter,
        "punctuation": tuning.punctuation,
        "endSilenceMs": round(settings.end_silence * 1000) if tuning.endpointing == "vendor" else None,
        "sensitive": settings.sensitive or None,
        "options": own_options(settings.options) or None,
    }
    return {name: value for name, value in asked.items() if value is not None}


def own_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Everything an operator or a bot wrote, from jambonz' ``customOptions.options`` as well."""
    custom = options.get("customOptions")
    custom = custom if isinstance(custom, Mapping) else {}
    inner = custom.get("options")
    found = {**options, **custom, **(inner if isinstance(inner, Mapping) else {})}
    return {name: value for name, value in found.items() if name not in (*_NOT_PASSED_ON, "customOptions", "options")}


def _named(format: AudioFormat) -> dict[str, Any]:
    return {"encoding": ENCODINGS[format.encoding], "sampleRateHz": format.rate}


class CustomTurn:
    """A turn's messages; see `gateway.kit.turn_protocol.TurnProtocol`.

    When it has said everything, the engine says that it is done, and hears the next turn; or it hangs up.
    """

    keep_alive = None

    def __init__(self, vendor: str, settings: ListenSettings, format: AudioFormat, partials: bool) -> None:
        self._vendor = vendor
        self._settings = settings
        self._partials = partials
        self._start = listen_request(settings, format, partials)
        self._is_finished = False
        self.is_over = False
        self.is_clean = False

    def opening(self) -> Iterable[Message]:
        return [json.dumps(self._start)]

    def audio(self, data: bytes) -> Message:
        return data

    def finish(self) -> Iterable[Message]:
        self._is_finished = True
        return ['{"type": "stop"}']

    def insist(self) -> Iterable[Message]:
        return []

    def receive(self, message: Message) -> Iterable[Result]:
        match self._parsed(message):
            case {"type": "transcription", "alternatives": [*alternatives], **rest}:
                return self._transcribed(alternatives, rest)
            case {"type": "transcription"}:
                raise self._invalid("a transcription has no alternatives")
            case {"type": "speech", "started": bool(started), "at": int() | float() as at}:
                return [SpeechHeard(started=started, at=float(at))]
            case {"type": "done"} if self._is_finished:
                self.is_over = self.is_clean = True
            case {"type": "done"}:
                raise self._invalid("it is done before the end of the turn")
            case {"type": "error", **error}:
                raise self._reported(error)
        return []

    def closed(self) -> Iterable[Result]:
        if not self._is_finished:
            raise VendorUnavailable("it hung up in the middle of a turn", vendor=self._vendor, operation="listen")
        self.is_over = True
        return []

    def _transcribed(self, alternatives: list[Any], rest: Mapping[str, Any]) -> list[Result]:
        final = rest.get("is_final") is True
        texts = [self._text(alternative) for alternative in alternatives]
        if not texts or not texts[0] or not (final or self._partials):
            return []
        confidence = alternatives[0].get("confidence")
        language = rest.get("language")
        return [
            Transcript(
                text=texts[0],
                final=final,
                ends_turn=final and rest.get("ends_turn") is True and self._settings.tuning.endpointing == "vendor",
                confidence=min(1.0, max(0.0, confidence)) if isinstance(confidence, (int, float)) else None,
                language=language if isinstance(language, str) else None,
                alternatives=tuple(text for text in texts[1:] if text) if final else (),
            )
        ]

    def _text(self, alternative: Any) -> str:
        text = alternative.get("transcript") if isinstance(alternative, dict) else None
        if not isinstance(text, str):
            raise self._invalid("an alternative has no transcript")
        return text.strip()

    def _parsed(self, message: Message) -> dict[str, Any]:
        try:
            parsed = json.loads(message)
        except ValueError as error:
            raise self._invalid("a message is no JSON") from error
        if not isinstance(parsed, dict):
            raise self._invalid("a message is no object")
        return parsed

    def _reported(self, error: Mapping[str, Any]) -> VendorUnavailable | VendorRejected:
        said = " ".join(str(error.get("error") or "").split())[:MAX_SAID]
        reason = "it reports an error" + (f": {said}" if said and not self._settings.sensitive else "")
        kind = VendorRejected if error.get("retryable") is False else VendorUnavailable
        return kind(reason, vendor=self._vendor, operation="listen")

    def _invalid(self, reason: str) -> VendorReplyInvalid:
        return VendorReplyInvalid(reason, vendor=self._vendor, operation="listen")
