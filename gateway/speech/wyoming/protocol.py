"""What is asked of Wyoming servers, and what their events mean; without I/O (wyoming 1.10: asr, tts, audio, info)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from audio.format import AudioFormat, Encoding, MediaError
from gateway.errors import VendorError, VendorReplyInvalid, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.turn_protocol import Result
from gateway.speech.wyoming.framing import Event
from gateway.speech.wyoming.options import ListenOptions, SpeakOptions
from gateway.speech_interfaces import ListenSettings, Utterance, VoiceInfo


def synthesize(utterance: Utterance, options: SpeakOptions, default_voice: str | None) -> Event:
    """The request for a text."""
    name = utterance.voice or default_voice
    voice = {"name": name} if name else {"language": utterance.language}
    if name and options.speaker:
        voice["speaker"] = options.speaker
    data: dict[str, Any] = {"text": utterance.text, "voice": voice}
    if utterance.ssml:
        data["text_format"] = "ssml"
    return Event("synthesize", data)


def transcribe(settings: ListenSettings, options: ListenOptions, default_model: str | None) -> Event:
    """The beginning of a turn. Callers who may speak several languages leave the server to find out which."""
    language = options.language or (None if settings.tuning.alt_languages else settings.language.split("-")[0])
    asked = {
        "name": settings.model or options.name or default_model,
        "language": language,
        "transcript_names": list(settings.phrases),
        "transcript_terms": list(settings.hints),
    }
    return Event("transcribe", {name: value for name, value in asked.items() if value})


def format_of(event: Event) -> AudioFormat:
    """The format that ``audio-start`` or ``audio-chunk`` names. Raises MediaError: not mono of 16 bits."""
    rate, width, channels = (event.data.get(name) for name in ("rate", "width", "channels"))
    if not isinstance(rate, int) or not 4000 <= rate <= 192_000 or width != 2 or channels != 1:
        raise MediaError(f"sound of {rate} Hz, {width} bytes and {channels} channels cannot be used")
    return AudioFormat(Encoding.L16, rate)


def reported(event: Event, vendor: str, operation: str) -> VendorError:
    """What an ``error`` event stands for. Its text may quote what was said, so only its code is told."""
    code = "".join(c for c in str(event.data.get("code") or "") if c.isalnum() or c in "_.-")[:60]
    return VendorUnavailable("it reports an error" + (f": {code}" if code else ""), vendor=vendor, operation=operation)


def voices_in(info: Event) -> list[VoiceInfo]:
    """The installed voices that an ``info`` event names."""
    return [
        VoiceInfo(
            name=str(voice.get("name") or ""),
            languages=tuple(str(tag).replace("_", "-") for tag in _list(voice.get("languages"))),
            about=str(voice.get("description") or ""),
        )
        for program in _list(info.data.get("tts"))
        for voice in _list(program.get("voices") if isinstance(program, Mapping) else None)
        if isinstance(voice, Mapping) and voice.get("installed") is not False and voice.get("name")
    ]


class WyomingTurn:
    """A turn's events; see `gateway.kit.turn_protocol.TurnProtocol`. The one ``transcript`` is its end.

    Args:
        request: As `transcribe` makes it.
        format: What will be pushed.
        partials: Whether pieces of a transcript are told.
    """

    keep_alive = None
    is_clean = True
    """No turn ends a connection by the protocol; servers that end it all the same (faster-whisper's) hang up."""

    def __init__(
        self,
        vendor: str,
        request: Event,
        format: AudioFormat,
        partials: bool,
    ) -> None:
        self._vendor = vendor
        self._request = request
        self._format = format
        self._partials = partials
        self._text = ""
        self.is_over = False

    def opening(self) -> Iterable[Event]:
        return [self._request, Event("audio-start", _described(self._format))]

    def audio(self, data: bytes) -> Event:
        return Event("audio-chunk", _described(self._format), data)

    def finish(self) -> Iterable[Event]:
        return [Event("audio-stop")]

    def insist(self) -> Iterable[Event]:
        return []

    def receive(self, event: Event) -> Iterable[Result]:
        match event.type:
            case "transcript":
                self.is_over = True
                text, language = self._text_of(event), event.data.get("language")
                if text.strip():
                    known = language if isinstance(language, str) else None
                    return [Transcript(text=text.strip(), final=True, language=known)]
            case "transcript-chunk":
                self._text += self._text_of(event)
                if self._partials and self._text.strip():
                    return [Transcript(text=self._text.strip(), final=False)]
            case "error":
                raise reported(event, self._vendor, "listen")
        return []

    def closed(self) -> Iterable[Result]:
        raise VendorUnavailable("it hung up without a transcript", vendor=self._vendor, operation="listen")

    def _text_of(self, event: Event) -> str:
        text = event.data.get("text")
        if not isinstance(text, str):
            raise VendorReplyInvalid("a transcript has no text", vendor=self._vendor, operation="listen")
        return text


def _described(format: AudioFormat) -> dict[str, Any]:
    return {"rate": format.rate, "width": format.encoding.bytes_per_sample, "channels": 1}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
