"""What Azure's voices are asked, and what its recognizer reports: plain values, no SDK, no network.

Facts from the pages on the REST interface (learn.microsoft.com/azure/ai-services/speech-service/rest-text-to-speech),
on markup (.../speech-synthesis-markup-structure, -voice, -pronunciation) and from the detailed recognition result
(.../get-speech-recognition-results), read November 2026.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from audio.format import AudioFormat, Encoding
from gateway.events import Transcript
from gateway.speech.azure.options import AzureSpeakOptions
from gateway.speech_interfaces import ListenSettings, Utterance
from gateway.text.language import base, bcp47
from gateway.text.ssml import Malformed, narrowed
from gateway.tuning import Prosody

TICKS = 10_000_000
"""Of 100 ns, in a second."""
MAX_PHRASES = 500
"""Entries of a phrase list (.../improve-accuracy-phrase-list)."""
MAX_LANGUAGES = 4
"""Candidates of language identification at the start of a stream (.../language-identification)."""
SEGMENTATION = (100, 5000)
"""Milliseconds that a pause between utterances may have."""

SSML: dict[str, tuple[str, ...]] = {
    "break": ("time", "strength"),
    "p": (),
    "s": (),
    "say-as": ("interpret-as", "format", "detail"),
    "sub": ("alias",),
    "emphasis": ("level",),
    "prosody": ("pitch", "contour", "range", "rate", "volume"),
    "phoneme": ("alphabet", "ph"),
    "lang": ("xml:lang",),
}
"""Elements that Azure takes inside ``<voice>``, of which there is one around everything."""

VOICES: Mapping[str, str] = {
    "en": "en-GB-SoniaNeural",
    "en-US": "en-US-AvaMultilingualNeural",
    "en-AU": "en-AU-NatashaNeural",
    "en-CA": "en-CA-ClaraNeural",
    "en-IE": "en-IE-EmilyNeural",
    "fr": "fr-FR-DeniseNeural",
    "fr-BE": "fr-BE-CharlineNeural",
    "fr-CA": "fr-CA-SylvieNeural",
    "fr-CH": "fr-CH-ArianeNeural",
    "de": "de-DE-KatjaNeural",
    "de-AT": "de-AT-IngridNeural",
    "de-CH": "de-CH-LeniNeural",
    "nl": "nl-NL-FennaNeural",
    "nl-BE": "nl-BE-DenaNeural",
    "es": "es-ES-ElviraNeural",
    "es-MX": "es-MX-DaliaNeural",
    "it": "it-IT-ElsaNeural",
    "pt": "pt-PT-RaquelNeural",
    "pt-BR": "pt-BR-FranciscaNeural",
}
"""A voice for each language, by tag or base language (.../language-support?tabs=tts)."""
POLYGLOT = "en-US-AvaMultilingualNeural"
"""Speaks the other languages."""

_OUTPUTS = {
    (Encoding.PCMU, 8000): "raw-8khz-8bit-mono-mulaw",
    (Encoding.PCMA, 8000): "raw-8khz-8bit-mono-alaw",
    (Encoding.L16, 8000): "raw-8khz-16bit-mono-pcm",
    (Encoding.L16, 16000): "raw-16khz-16bit-mono-pcm",
}
_VOICE_LANGUAGE = re.compile(r"([a-z]{2,3}-(?:[A-Z][a-z]{3}-)?[A-Z]{2})-\w", re.ASCII)
_ROOT = re.compile(r"^<speak[^>]*>(.*)</speak>$", re.DOTALL)
_BARE_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")


# --- voices --------------------------------------------------------------------------------------------------------
def output_format(format: AudioFormat) -> str:
    """The value of X-Microsoft-OutputFormat: samples without a header."""
    return _OUTPUTS[format.encoding, format.rate]


def speech_path(options: AzureSpeakOptions) -> str:
    """Where a text is posted to, behind the base address."""
    deployment = f"?deploymentId={quote(options.deployment_id, safe='')}" if options.deployment_id else ""
    return f"/cognitiveservices/v1{deployment}"


def has_words(utterance: Utterance) -> bool:
    """Azure answers a text in which nothing can be said with an error, or with nothing."""
    return any(char.isalnum() for char in utterance.plain or utterance.text)


def voice_of(utterance: Utterance, default: str | None) -> str:
    """The voice that is asked for, else the entry's, else a usual one of the language."""
    language = bcp47(utterance.language) or utterance.language
    return utterance.voice or default or VOICES.get(language) or VOICES.get(base(language)) or POLYGLOT


def speech_markup(utterance: Utterance, options: AzureSpeakOptions, default_voice: str | None = None) -> str:
    """The whole request: one voice, its style, its prosody, and the text; plain text is escaped."""
    voice = voice_of(utterance, default_voice)
    language = bcp47(utterance.language) or utterance.language
    spoken = _VOICE_LANGUAGE.match(voice)
    text = _inner(utterance)
    if spoken is not None and base(spoken[1]) != base(language):
        text = _element("lang", {"xml:lang": language}, text)
    text = _element("prosody", _prosody(utterance.prosody, options), text)
    style = {"style": options.style, "styledegree": _figure(options.styledegree), "role": options.role}
    text = _element("mstts:express-as", style, text)
    text = _element("voice", {"name": voice, "effect": options.effect}, text)
    return (
        '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" '
        f'xmlns:mstts="https://www.w3.org/2001/mstts" xml:lang={quoteattr(language)}>{text}</speak>'
    )


def _inner(utterance: Utterance) -> str:
    if utterance.ssml:
        try:
            found = _ROOT.match(narrowed(utterance.text, SSML))
            return found[1] if found else escape(utterance.plain)
        except Malformed:
            return escape(utterance.plain)
    return escape(utterance.text)


def _element(name: str, attributes: Mapping[str, str | None], content: str) -> str:
    """The content inside an element; as it is, where the element would say nothing."""
    written = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items() if value is not None)
    return f"<{name}{written}>{content}</{name}>" if written else content


def _prosody(neutral: Prosody, options: AzureSpeakOptions) -> dict[str, str | None]:
    rate = None if neutral.rate is None else f"{(neutral.rate - 1) * 100:+.0f}%"
    pitch = None if neutral.pitch is None else f"{neutral.pitch:+g}st"
    # Volume is of 100, which is what a voice has: it can only be lowered.
    quieter = neutral.volume is not None and neutral.volume < 0
    volume = f"{(10 ** ((neutral.volume or 0) / 20) - 1) * 100:+.0f}%" if quieter else None
    own = options.pitch
    if own is not None and _BARE_NUMBER.fullmatch(own):
        own = f"{float(own):+g}st"
    return {"rate": options.rate or rate, "pitch": own or pitch, "volume": options.volume or volume}


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"


# --- recognition ---------------------------------------------------------------------------------------------------
def phrases_of(settings: ListenSettings) -> list[str]:
    """What is likely, the question's own phrases first."""
    if settings.tuning.hints_boost == 0:
        return []
    return [phrase for phrase in dict.fromkeys((*settings.phrases, *settings.hints)) if phrase.strip()][:MAX_PHRASES]


def phrase_weight(settings: ListenSettings) -> float | None:
    """Azure's weight, from 0 to 2 (1 is its own), for a boost from 0 to 20."""
    boost = settings.tuning.hints_boost
    return None if boost is None else round(boost / 10, 2)


def languages_of(settings: ListenSettings) -> list[str]:
    """What may be spoken, the likeliest first."""
    tags = dict.fromkeys(bcp47(tag) or tag for tag in (settings.language, *settings.tuning.alt_languages))
    return list(tags)[:MAX_LANGUAGES]


def ends_turns(settings: ListenSettings) -> bool:
    """Whether the end of an utterance is that of the turn; other questions than open ones keep the gateway's."""
    return settings.tuning.endpointing == "vendor" and settings.kind == "free"


def segmentation_ms(settings: ListenSettings, own: int | None) -> int | None:
    """The pause that ends an utterance, in milliseconds; None leaves it to Azure."""
    if own is None and ends_turns(settings):
        return min(SEGMENTATION[1], max(SEGMENTATION[0], round(settings.end_silence * 1000)))
    return own


def transcript(text: str, detail: str, settings: ListenSettings, language: str | None = None) -> Transcript | None:
    """The final that a ``recognized`` event with words stands for; None where there are none.

    Args:
        detail: The result's JSON, in the detailed format.
    """
    readings = _readings(detail)
    name = "ITN" if settings.tuning.punctuation is False else "Display"  # ITN: numbers as figures, but no marks
    texts = [str(reading.get(name) or reading.get("Display") or "").strip() for reading in readings]
    said = (texts[0] if texts and texts[0] else text).strip()
    if not said:
        return None
    wanted = settings.tuning.alternatives or 0
    others = dict.fromkeys(other for other in texts[1:] if other and other != said)
    confidence = readings[0].get("Confidence") if readings else None
    known = isinstance(confidence, (int, float)) and 0 < confidence <= 1
    return Transcript(
        text=said,
        final=True,
        ends_turn=ends_turns(settings),
        confidence=float(confidence) if known and confidence is not None else None,
        language=bcp47(language or "") or None,
        alternatives=tuple(others)[:wanted],
    )


def _readings(detail: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(detail).get("NBest", [])
    except (ValueError, AttributeError):
        return []
    return [reading for reading in found if isinstance(reading, dict)] if isinstance(found, list) else []
