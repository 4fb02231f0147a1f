"""What a TALKR bot says about speech, as it comes to a vendor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from audio.format import PCMU_8K
from gateway.backends.talkr.reply import parse_reply
from gateway.backends.talkr.speech import speech_wish
from gateway.speech_interfaces import ListenSettings, Utterance
from gateway.text.language import DEFAULT_REGIONS


def utterance_wished(speech_synthesis: Mapping[str, Any]) -> Utterance:
    """A text, to be said as the bot wants it."""
    choice = _wished(speech_synthesis=speech_synthesis).synthesizer
    return Utterance(
        text="Bonjour.",
        plain="Bonjour.",
        vendor=choice.vendor,
        language=choice.language,
        voice=choice.voice,
        model=choice.model,
        prosody=choice.prosody,
        options=choice.options,
        format=PCMU_8K,
    )


def listening_wished(speech_recognizer: Mapping[str, Any]) -> ListenSettings:
    """A turn, to be heard as the bot wants it."""
    choice = _wished(speech_recognizer=speech_recognizer).recognizer
    return ListenSettings(
        vendor=choice.vendor,
        language=choice.language,
        model=choice.model,
        hints=choice.hints,
        tuning=choice.tuning,
        options=choice.options,
        format=PCMU_8K,
    )


def _wished(**data: Any) -> Any:
    wish = speech_wish(parse_reply(json.dumps({"session": "s", "data": data}).encode()), DEFAULT_REGIONS)
    assert wish.settings is not None
    return wish.settings
