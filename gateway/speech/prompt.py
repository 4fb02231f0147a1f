"""A finished prompt: what it is called, and whether it may be kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields

from pydantic import BaseModel

from audio.format import AudioFormat
from gateway.speech_interfaces import SpokenFrame, Utterance

Prompt = tuple[SpokenFrame, ...]

SHORTEST_PER_CHARACTER, LONGEST_PER_CHARACTER = 0.01, 1.0
LONGEST_REST = 20.0
"""Seconds beyond the text's own that pauses in markup may take."""
PIECE_OVERHEAD = 200
"""Bytes of memory that a piece costs beside its audio."""


def key_of(utterance: Utterance, salt: str = "") -> str:
    """A name for the whole effective request: every field of the utterance, its options and its format included.

    Args:
        salt: What else decides how it sounds, such as the vendor's own settings.
    """
    request = {item.name: getattr(utterance, item.name) for item in fields(utterance)}
    request["options"] = dict(utterance.options)
    target = utterance.format
    request["format"] = [target.encoding.value, target.rate] if target else None
    text = json.dumps([salt, request], sort_keys=True, ensure_ascii=False, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def salt_of(section: BaseModel) -> str:
    """What of a vendor's entry under `speech` goes into the names of its prompts: all of it but the secrets.

    A new key to the same account costs no prompt; another endpoint or adapter makes every one anew.
    """
    return section.model_dump_json()  # pydantic writes asterisks for a secret


def flaw_of(prompt: Sequence[SpokenFrame], utterance: Utterance, possible: Sequence[AudioFormat]) -> str | None:
    """Why a prompt must not be kept; None where nothing is wrong with it.

    Args:
        possible: The formats its synthesizer can make; empty: any.
    """
    made = {spoken.frame.format for spoken in prompt}
    if not any(spoken.frame.data for spoken in prompt):
        return "it has no audio"
    if len(made) != 1:
        return "its format changes"
    (format,) = made
    if (possible and format not in possible) or (not possible and utterance.format not in (None, format)):
        return "it has another format than was asked for"
    length = len((utterance.plain or utterance.text).strip())
    seconds = sum(spoken.frame.duration for spoken in prompt)
    if not length * SHORTEST_PER_CHARACTER <= seconds <= length * LONGEST_PER_CHARACTER + LONGEST_REST:
        return "its length does not fit the text"
    return None


def size_of(prompt: Sequence[SpokenFrame]) -> int:
    """Bytes of memory it takes, about."""
    return sum(len(spoken.frame.data) + PIECE_OVERHEAD for spoken in prompt)
