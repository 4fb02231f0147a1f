"""May the caller interrupt now? One pure function; its truth table is a test."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto

from config.call import BargeInSection, Interruption


class Verdict(Enum):
    NO = auto()
    """Not now: digits are typed ahead, speech waits for the end of the prompt where it is recognised."""
    PAUSE = auto()
    """Reversible: pause, and see whether words follow."""
    STOP = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt to interrupt.

    Attributes:
        by: Speech or a key.
        voiced: Seconds of voice so far (speech only).
        words: Recognized words so far (speech only).
        prompt_age: Seconds since the bot's stretch of speech became audible; None: not audible yet.
        interruptible: The prompt that plays may be interrupted, and no hang-up or transfer waits behind it.
    """

    by: Interruption
    voiced: float
    words: int
    prompt_age: float | None
    interruptible: bool


def judge(attempt: Attempt, rules: BargeInSection, by: Collection[Interruption]) -> Verdict:
    """Decide on an attempt.

    Args:
        attempt: What the caller does, and what he does it to.
        rules: The number's settings.
        by: What may interrupt on this turn; the question may widen or narrow `rules.by`.
    """
    if attempt.by not in by or not attempt.interruptible:
        return Verdict.NO
    if attempt.prompt_age is None or attempt.prompt_age < rules.protect:
        return Verdict.NO
    if attempt.by == "digits":
        return Verdict.STOP
    if attempt.words >= max(1, rules.min_words):
        return Verdict.STOP
    if rules.min_words or attempt.voiced < rules.min_speech:
        return Verdict.NO
    return Verdict.PAUSE if rules.confirm_within else Verdict.STOP
