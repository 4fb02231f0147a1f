"""The ``speech_synthesis`` and ``speech_recognizer`` objects of an answer, as wishes the conversation understands.

The vendor's document describes these objects and names only vendor, voice, language, options and timeouts. The names
accepted here are the document's, and those of jambonz `synthesizer` and `recognizer` objects, whose vocabulary it uses
(docs.jambonz.org, read November 2026). The first name that has a value wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.actions import RecognizerChoice, SetSpeech, SynthesizerChoice
from gateway.backends.talkr.reply import Absent, Reply, flag, mapping, number, plain, text
from gateway.text.language import DEFAULT_REGIONS, base, bcp47
from gateway.tuning import Prosody, Tuning

VENDOR_ALIASES = {
    "microsoft": "azure",
    "11labs": "elevenlabs",
    "eleven": "elevenlabs",
    "eleven_labs": "elevenlabs",
    "gcp": "google",
    "google_cloud": "google",
    "whisper": "openai",
    "deepgramflux": "deepgram",
}
VENDOR_KEYS = ("vendor", "provider", "engine_vendor")
LANGUAGE_KEYS = ("language", "lang", "language_code", "locale")
VOICE_KEYS = ("voice", "voice_id", "voiceId", "voice_name", "voiceName")
BARGE_IN_KEYS = ("barge_in", "bargein", "bargeIn")
HINT_KEYS = ("hints", "phrases", "context")
RATE_KEYS = ("rate", "speed", "speakingRate", "speaking_rate")
PITCH_KEYS = ("pitch",)
VOLUME_KEYS = ("volume", "volumeGainDb", "volume_gain_db")
ALT_LANGUAGE_KEYS = ("altLanguages", "alt_languages", "alternativeLanguageCodes", "alternative_language_codes")
BOOST_KEYS = ("hintsBoost", "hints_boost", "boost")
ALTERNATIVES_KEYS = ("alternatives", "maxAlternatives", "max_alternatives", "n_best")
PROFANITY_KEYS = ("profanityFilter", "profanity_filter")
PUNCTUATION_KEYS = ("punctuation", "enableAutomaticPunctuation", "automatic_punctuation")
INTERIM_KEYS = ("interim", "interimResults", "interim_results", "partials")
MAX_HINTS = 500
MAX_HINT_LENGTH = 200
MAX_LANGUAGES = 10
MILLISECONDS_ABOVE = 60.0  # a bare number up to this means seconds


@dataclass(frozen=True, slots=True)
class Timer:
    """A recognizer's timer: the names it goes by, and the range in which it is obeyed, in seconds."""

    keys: tuple[str, ...]
    low: float
    high: float


TIMERS = {
    "start_timeout": Timer(
        ("timeout", "no_input_timeout", "initialSpeechTimeoutMs", "initial_silence_timeout", "start_timeout"), 1.0, 30.0
    ),
    "end_silence": Timer(
        ("speech_timeout", "speechTimeout", "asrTimeout", "end_timeout", "end_silence_timeout", "silence_timeout"),
        0.2,
        5.0,
    ),
    "max_length": Timer(("max_duration", "max_speech_timeout", "recognition_timeout"), 2.0, 60.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechWish:
    """What an answer says about speech.

    Attributes:
        settings: The action; None when the answer says nothing.
        asked: For the journal, by timer: ``{"asked": as written, "used": seconds}``.
    """

    settings: SetSpeech | None
    asked: dict[str, dict[str, Any]]


def region_table(configured: Mapping[str, str], language: str) -> dict[str, str]:
    """Region by base language: the operator's, else that of the number's own language, else the usual one."""
    own = {base(tag): tag.rpartition("-")[2] for tag in [bcp47(language)] if "-" in tag}
    return {**DEFAULT_REGIONS, **own, **{base(key): value.rpartition("-")[2] for key, value in configured.items()}}


def speech_wish(reply: Reply, regions: Mapping[str, str]) -> SpeechWish:
    """Both objects and the conversation's language. A missing object is None, an explicit null an empty choice."""
    asked: dict[str, dict[str, Any]] = {}
    synthesizer = None if isinstance(reply.synthesis, Absent) else _synthesizer(reply.synthesis or {}, regions)
    recognizer = None if isinstance(reply.recognizer, Absent) else _recognizer(reply.recognizer or {}, regions, asked)
    language = bcp47(reply.slug, regions) or None
    if synthesizer is None and recognizer is None and language is None:
        return SpeechWish(settings=None, asked={})
    return SpeechWish(
        settings=SetSpeech(synthesizer=synthesizer, recognizer=recognizer, language=language), asked=asked
    )


def _synthesizer(wish: Mapping[str, Any], regions: Mapping[str, str]) -> SynthesizerChoice:
    return SynthesizerChoice(
        vendor=_vendor(wish),
        voice=_first(wish, VOICE_KEYS),
        language=bcp47(_first(wish, LANGUAGE_KEYS) or "", regions) or None,
        model=_first(wish, ("model", "model_id", "engine")),
        prosody=Prosody(
            rate=_pace(wish),
            pitch=_number(wish, PITCH_KEYS, -20.0, 20.0),
            volume=_number(wish, VOLUME_KEYS, -30.0, 16.0),
        ),
        options=_options(wish),
    )


def _recognizer(
    wish: Mapping[str, Any], regions: Mapping[str, str], asked: dict[str, dict[str, Any]]
) -> RecognizerChoice:
    timers: dict[str, float] = {}
    for name, timer in TIMERS.items():
        found = _timer(wish, timer)
        if found is not None:
            timers[name], asked[name] = found
    return RecognizerChoice(
        vendor=_vendor(wish),
        language=bcp47(_first(wish, LANGUAGE_KEYS) or "", regions) or None,
        model=_first(wish, ("model",)),
        hints=_hints(wish),
        barge_in=_barge_in(wish),
        tuning=_tuning(wish, regions),
        options=_options(wish),
        **timers,
    )


def _tuning(wish: Mapping[str, Any], regions: Mapping[str, str]) -> Tuning:
    alternatives = _number(wish, ALTERNATIVES_KEYS, 0, 10)
    return Tuning(
        alt_languages=_languages(wish, regions),
        hints_boost=_number(wish, BOOST_KEYS, 0, 20),
        alternatives=None if alternatives is None else round(alternatives),
        profanity_filter=_flag(wish, PROFANITY_KEYS),
        punctuation=_flag(wish, PUNCTUATION_KEYS),
        interim=_flag(wish, INTERIM_KEYS),
    )


def _languages(wish: Mapping[str, Any], regions: Mapping[str, str]) -> tuple[str, ...]:
    for key in ALT_LANGUAGE_KEYS:
        items = wish.get(key)
        tags = [bcp47(text(item) or "", regions) for item in items[:MAX_LANGUAGES]] if isinstance(items, list) else []
        if found := tuple(dict.fromkeys(tag for tag in tags if tag)):
            return found
    return ()


def _number(wish: Mapping[str, Any], keys: tuple[str, ...], low: float, high: float) -> float | None:
    """The first of the keys that has a number, held within the range; words such as ``fast`` are no number."""
    for key in keys:
        value = number(wish.get(key))
        if value is not None:
            return min(high, max(low, value))
    return None


def _pace(wish: Mapping[str, Any]) -> float | None:
    """A factor. What is none, such as words per minute, is not guessed at."""
    return next((v for key in RATE_KEYS if (v := number(wish.get(key))) is not None and 0.25 <= v <= 4.0), None)


def _flag(wish: Mapping[str, Any], keys: tuple[str, ...]) -> bool | None:
    return next((found for key in keys if (found := flag(wish.get(key))) is not None), None)


def _first(wish: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((found for key in keys if (found := text(wish.get(key)))), None)


def canonical_vendor(name: str) -> str:
    """A vendor's name in lower case, its usual aliases resolved."""
    lower = name.strip().lower().removeprefix("custom:")
    return VENDOR_ALIASES.get(lower, lower)


def _vendor(wish: Mapping[str, Any]) -> str | None:
    name = _first(wish, VENDOR_KEYS)
    return canonical_vendor(name) if name else None


def _options(wish: Mapping[str, Any]) -> dict[str, Any]:
    """``options``, else the object named after the vendor; without a vendor, that of any vendor the document names."""
    vendor = _vendor(wish)
    nested = [key for key, value in wish.items() if isinstance(value, dict) and value]
    if "options" in nested:
        found = wish["options"]
    else:
        wanted = {vendor} if vendor else {"elevenlabs", "google", "azure"}
        found = next((wish[key] for key in nested if canonical_vendor(key.removesuffix("Options")) in wanted), {})
    return mapping(plain(found))


def _timer(wish: Mapping[str, Any], timer: Timer) -> tuple[float, dict[str, Any]] | None:
    """The first usable value among the timer's names, each also with ``Ms`` or ``_ms`` behind it."""
    for key in timer.keys:
        for name in (key, f"{key}Ms", f"{key}_ms"):
            value = number(wish.get(name))
            if value is None or value < 0:
                continue
            in_ms = name.endswith(("Ms", "_ms")) or value > MILLISECONDS_ABOVE
            used = min(timer.high, max(timer.low, value / 1000 if in_ms else value))
            return used, {"key": name, "asked": plain(wish[name]), "used": used}
    return None


def _hints(wish: Mapping[str, Any]) -> tuple[str, ...]:
    for key in HINT_KEYS:
        value = wish.get(key)
        items = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
        hints = [_hint(item) for item in items[:MAX_HINTS]]
        if found := tuple(dict.fromkeys(hint for hint in hints if hint and len(hint) <= MAX_HINT_LENGTH)):
            return found
    return ()


def _hint(item: Any) -> str:
    return text(item) or (_first(item, ("phrase", "text", "value")) or "" if isinstance(item, dict) else "")


def _barge_in(wish: Mapping[str, Any]) -> bool | None:
    for key in BARGE_IN_KEYS:
        value = wish.get(key)
        found = flag(mapping(value).get("enable") if isinstance(value, dict) else value)
        if found is not None:
            return found
    return None
