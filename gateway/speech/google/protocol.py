"""What Speech-to-Text is asked, and what its answers mean: messages as plain values, no client, no network.

Facts from the API's own descriptions in google-cloud-speech 2.41 (`speech_v1`, `speech_v2`) and its quotas page
(docs.cloud.google.com/speech-to-text/docs/quotas), both read November 2026. The voices' side is `speaking`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Literal

from audio.format import PCMU_8K, AudioFormat, Encoding
from gateway.events import Transcript
from gateway.speech.google.options import GoogleListenOptions
from gateway.speech_interfaces import ListenSettings, SpeechHeard
from gateway.text.language import bcp47

Version = Literal["v1", "v2"]
Message = dict[str, Any]

STREAM_SECONDS = 290.0
"""Audio in one stream; Google ends it after about 5 minutes."""
MAX_AUDIO_BYTES = 15_000
"""Of one message: v2 says 15 KB, the quotas page 25 KB."""
MAX_PHRASES = 500
"""Hints per stream; v1 takes 5000, v2 1200 in a phrase set."""
MAX_PHRASE = 100
"""Characters of a hint; Google refuses the whole request over a longer one."""
MAX_ALT_LANGUAGES = 3
"""v1: beside the first; v2 takes three altogether."""

_ENCODINGS = {Encoding.PCMU: "MULAW", Encoding.PCMA: "ALAW", Encoding.L16: "LINEAR16"}


def encoding_of(version: Version, format: AudioFormat) -> str:
    """Google's name of an encoding. v1 has no A-law: it is sent as linear samples."""
    if version == "v1" and format.encoding is Encoding.PCMA:
        return _ENCODINGS[Encoding.L16]
    return _ENCODINGS[format.encoding]


def first_message(
    settings: ListenSettings,
    options: GoogleListenOptions,
    *,
    version: Version,
    default_model: str,
    recognizer: str = "",
) -> Message:
    """The message that opens a stream, before any audio.

    Args:
        default_model: Where the settings name none.
        recognizer: v2: its whole name, see `recognizer_name`.

    Returns:
        A `StreamingRecognizeRequest` of the version, as its class takes it; absent fields are Google's defaults.
    """
    format = settings.format or PCMU_8K
    if version == "v1":
        return {
            "streaming_config": {
                "config": _config_v1(settings, options, format, default_model),
                **_stream_v1(settings, options),
            }
        }
    config = _config_v2(settings, options, format, default_model, is_own=not recognizer.endswith("/_"))
    return {
        "recognizer": recognizer,
        "streaming_config": {"config": config, "streaming_features": _stream_v2(settings, options)},
    }


def audio_message(version: Version, data: bytes) -> Message:
    """The message that carries audio, at most `MAX_AUDIO_BYTES` of it."""
    return {"audio_content" if version == "v1" else "audio": data}


def recognizer_name(recognizer: str | None, project: str, location: str) -> str:
    """v2's name of a recognizer; without an id the empty one, for which the first message says everything."""
    if recognizer and recognizer.startswith("projects/"):
        return recognizer
    return f"projects/{project}/locations/{location}/recognizers/{recognizer or '_'}"


def ends_turns(settings: ListenSettings) -> bool:
    """Whether Google's silence ends the caller's turn; other questions than open ones keep the gateway's."""
    return settings.tuning.endpointing == "vendor" and settings.kind == "free"


def phrases_of(settings: ListenSettings) -> list[str]:
    """What is likely, the question's own phrases first; too long ones are left out."""
    wanted = dict.fromkeys((*settings.phrases, *settings.hints))
    return [phrase for phrase in wanted if 0 < len(phrase) <= MAX_PHRASE][:MAX_PHRASES]


def _language(tag: str) -> str:
    return bcp47(tag) or tag


def _config_v1(
    settings: ListenSettings, options: GoogleListenOptions, format: AudioFormat, default_model: str
) -> Message:
    tuning, phrases = settings.tuning, phrases_of(settings)
    context: Message = {"phrases": phrases}
    if tuning.hints_boost:
        context["boost"] = tuning.hints_boost
    return _without_none(
        {
            "encoding": encoding_of("v1", format),
            "sample_rate_hertz": format.rate,
            "language_code": _language(settings.language),
            "alternative_language_codes": [_language(tag) for tag in tuning.alt_languages[:MAX_ALT_LANGUAGES]] or None,
            "max_alternatives": None if tuning.alternatives is None else tuning.alternatives + 1,
            "profanity_filter": tuning.profanity_filter,
            "speech_contexts": [context] if phrases and tuning.hints_boost != 0 else None,
            "adaptation": {"phrase_set_references": list(options.phrase_sets)} if options.phrase_sets else None,
            "transcript_normalization": _normalization(options),
            "enable_automatic_punctuation": tuning.punctuation,
            "enable_spoken_punctuation": options.enable_spoken_punctuation,
            "enable_spoken_emojis": options.enable_spoken_emojis,
            "model": settings.model or default_model,
            "use_enhanced": options.use_enhanced,
        }
    )


def _stream_v1(settings: ListenSettings, options: GoogleListenOptions) -> Message:
    return _without_none(
        {"interim_results": settings.tuning.interim is not False, **_voice_activity(settings, options)}
    )


def _config_v2(
    settings: ListenSettings, options: GoogleListenOptions, format: AudioFormat, default_model: str, *, is_own: bool
) -> Message:
    tuning = settings.tuning
    languages = [settings.language, *tuning.alt_languages][:MAX_ALT_LANGUAGES]
    features = _without_none(
        {
            "max_alternatives": None if tuning.alternatives is None else tuning.alternatives + 1,
            "profanity_filter": tuning.profanity_filter,
            "enable_automatic_punctuation": tuning.punctuation,
            "enable_spoken_punctuation": options.enable_spoken_punctuation,
            "enable_spoken_emojis": options.enable_spoken_emojis,
        }
    )
    return _without_none(
        {
            "explicit_decoding_config": {
                "encoding": encoding_of("v2", format),
                "sample_rate_hertz": format.rate,
                "audio_channel_count": 1,
            },
            "language_codes": [_language(tag) for tag in languages],
            "model": settings.model or (None if is_own else default_model),
            "features": features or None,
            "adaptation": _adaptation(settings, options),
            "transcript_normalization": _normalization(options),
        }
    )


def _stream_v2(settings: ListenSettings, options: GoogleListenOptions) -> Message:
    sensitivity = options.endpointing_sensitivity
    return _without_none(
        {
            "interim_results": settings.tuning.interim is not False,
            "endpointing_sensitivity": f"ENDPOINTING_SENSITIVITY_{sensitivity}" if sensitivity else None,
            **_voice_activity(settings, options),
        }
    )


def _voice_activity(settings: ListenSettings, options: GoogleListenOptions) -> Message:
    """Alike in both versions. Timeouts need the events."""
    end_ms = options.speech_end_timeout_ms
    if end_ms is None and ends_turns(settings):
        end_ms = round(settings.end_silence * 1000)
    timeout = _without_none(
        {"speech_start_timeout": _span(options.speech_start_timeout_ms), "speech_end_timeout": _span(end_ms)}
    )
    wanted = options.enable_voice_activity_events or bool(timeout)
    return {"enable_voice_activity_events": wanted or None, "voice_activity_timeout": timeout or None}


def _span(milliseconds: int | None) -> timedelta | None:
    return None if milliseconds is None else timedelta(milliseconds=milliseconds)


def _adaptation(settings: ListenSettings, options: GoogleListenOptions) -> Message | None:
    sets: list[Message] = [{"phrase_set": name} for name in options.phrase_sets]
    boost, phrases = settings.tuning.hints_boost, phrases_of(settings)
    if phrases and boost != 0:
        own: Message = {"phrases": [{"value": phrase} for phrase in phrases]}
        sets.append({"inline_phrase_set": own | ({"boost": boost} if boost else {})})
    return {"phrase_sets": sets} if sets else None


def _normalization(options: GoogleListenOptions) -> Message | None:
    kept = [
        {name: entry[name] for name in ("search", "replace", "case_sensitive") if name in entry}
        for entry in options.transcript_normalization
    ]
    return {"entries": kept} if kept else None


def _without_none(values: Message) -> Message:
    return {name: value for name, value in values.items() if value is not None}


class Reader:
    """Makes results of the answers of one caller turn, in both versions.

    Args:
        ends_turns: The end of Google's stream is the end of the turn; then a final waits for what follows it.
        tells_speech: Notices of speech are wanted.
    """

    def __init__(self, *, ends_turns: bool = False, tells_speech: bool = False) -> None:
        self._ends_turns = ends_turns
        self._tells_speech = tells_speech
        self._held: Transcript | None = None
        self._has_partial = False

    def read(self, response: Any, since: float = 0.0) -> Iterator[Transcript | SpeechHeard]:
        """What one `StreamingRecognizeResponse` says.

        Args:
            since: Seconds of the turn's audio before this stream of Google's began.
        """
        event = response.speech_event_type.name
        if self._tells_speech and event in ("SPEECH_ACTIVITY_BEGIN", "SPEECH_ACTIVITY_END"):
            offset = getattr(response, "speech_event_offset", None) or getattr(response, "speech_event_time", None)
            at = since + (offset.total_seconds() if offset else 0.0)
            yield SpeechHeard(started=event.endswith("BEGIN"), at=at)
        results = [result for result in response.results if result.alternatives]
        for result in results:
            if result.is_final:
                yield from self._final(result)
        partial = "".join(result.alternatives[0].transcript for result in results if not result.is_final).strip()
        if partial:
            self._has_partial = True
            yield from self._release()
            yield Transcript(text=partial, final=False)

    def end(self, *, by_vendor: bool) -> Iterator[Transcript]:
        """Google's stream is over; ``by_vendor``: before we said that the turn is."""
        yield from self._release(ends_turn=by_vendor)

    @property
    def holds_final(self) -> bool:
        """Whether a final waits to be told whether it ends the turn."""
        return self._held is not None

    def _final(self, result: Any) -> Iterator[Transcript]:
        had_partial, self._has_partial = self._has_partial, False
        text, others = _texts(result.alternatives)
        if not text and not had_partial:
            return
        yield from self._release()
        confidence = result.alternatives[0].confidence
        final = Transcript(
            text=text,
            final=True,
            confidence=min(1.0, confidence) if confidence > 0 else None,  # 0: Google did not say
            language=bcp47(result.language_code) or None,
            alternatives=others,
        )
        if self._ends_turns and text:
            self._held = final
        else:
            yield final

    def _release(self, *, ends_turn: bool = False) -> Iterator[Transcript]:
        if self._held is not None:
            held, self._held = self._held, None
            yield Transcript(
                text=held.text,
                final=True,
                ends_turn=ends_turn,
                confidence=held.confidence,
                language=held.language,
                alternatives=held.alternatives,
            )


def _texts(alternatives: Sequence[Any]) -> tuple[str, tuple[str, ...]]:
    first, *others = [alternative.transcript.strip() for alternative in alternatives]
    return first, tuple(dict.fromkeys(other for other in others if other and other != first))
