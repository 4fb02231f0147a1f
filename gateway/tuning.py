"""How somebody speaks and listens, in terms that every speech vendor's adapter puts into its vendor's own.

None leaves a setting to whoever is asked next: the bot's wish, then the number's configuration, then the vendor's
default. What a vendor cannot do is left out; its page in ``docs/speech`` says what that is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from config.call import Endpointing, RecognizerSection, SynthesizerSection


@dataclass(frozen=True, slots=True, kw_only=True)
class Prosody:
    """How a voice speaks.

    Attributes:
        rate: Pace, as a factor of the voice's own: 1.2 is a fifth faster.
        pitch: Semitones above or below the voice's own.
        volume: Decibels above or below the voice's own.
    """

    rate: float | None = None
    pitch: float | None = None
    volume: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How a recognizer listens.

    Attributes:
        alt_languages: BCP 47 tags the caller may speak as well.
        hints_boost: How much likelier hints are made, from 0 (not at all) to 20.
        alternatives: How many further readings of a final are wanted.
        profanity_filter: Strong words are masked.
        punctuation: Transcripts have marks and capitals.
        interim: Partial transcripts are wanted.
        endpointing: Who decides that the caller's turn is over: the gateway by its own detector, or a vendor that
            declares ``own_endpointing``.
    """

    alt_languages: tuple[str, ...] = ()
    hints_boost: float | None = None
    alternatives: int | None = None
    profanity_filter: bool | None = None
    punctuation: bool | None = None
    interim: bool | None = None
    endpointing: Endpointing | None = None


T = TypeVar("T", Prosody, Tuning)


def over(first: T, then: T) -> T:
    """The first one's settings; where it has none, the other's."""
    kept = {name: value for name in first.__slots__ if (value := getattr(first, name)) not in (None, ())}
    return replace(then, **kept)


def prosody_of(section: SynthesizerSection) -> Prosody:
    """What a number says about how its voice speaks."""
    return Prosody(rate=section.rate, pitch=section.pitch, volume=section.volume)


def tuning_of(section: RecognizerSection) -> Tuning:
    """What a number says about how its recognizer listens."""
    return Tuning(
        alt_languages=section.alt_languages,
        hints_boost=section.hints_boost,
        alternatives=section.alternatives,
        profanity_filter=section.profanity_filter,
        punctuation=section.punctuation,
        interim=section.interim,
        endpointing=section.endpointing,
    )
