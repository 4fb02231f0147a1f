"""What a scripted vendor does: an entry under `speech` with ``engine: scripted``, under any vendor's name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from config.base import Section


class ScriptedSpeechSection(Section):
    """A vendor that says and hears what its script says."""

    engine: Literal["scripted"] = "scripted"
    formats: tuple[str, ...] = ()
    """What it takes and makes, such as `pcmu/8000` or `l16/16000`, best first. Empty: whatever the line has."""
    speech_delay: float = Field(default=0.0, ge=0, le=60)
    """Seconds before the first audio of a text."""
    fail_speech_after: float | None = Field(default=None, ge=0)
    """Seconds of audio after which speaking fails; 0: before the first. Unset: never."""
    stall_speech_after: float | None = Field(default=None, ge=0)
    """Seconds of audio after which nothing more comes, and no error either."""
    faulty_requests: int | None = Field(default=None, ge=0)
    """How many requests, or streams, the faults befall; the later ones succeed. Unset: all."""
    texts: tuple[str, ...] = ()
    """What the caller is heard to say, one text for each stream in which somebody speaks; the last one again and
    again."""
    answers: dict[str, str] = Field(default_factory=dict)
    """What the caller is heard to say to a question of a kind (`digits`, `yesno` ...); goes before `texts`."""
    echo: bool = False
    """Hear which phrase, hint or text of the script the scripted voice says in the audio."""
    result_delay: float = Field(default=0.0, ge=0, le=60)
    """Seconds from the end of the turn to the transcript."""
    partials: bool = True
    """Report what was heard while the caller speaks."""
    turn_after: float | None = Field(default=None, ge=0)
    """Seconds of speech after which the recognizer itself says that the turn is over. Unset: it never does."""
    needs_hints: bool = False
    """Claim to hear nothing but hints."""
    fail_listening_after: float | None = Field(default=None, ge=0)
    """Seconds of audio after which a stream breaks; 0: when it is opened. Unset: never."""
    stall_listening: bool = False
    """Never deliver a result, and never end."""
