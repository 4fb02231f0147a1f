"""How a call ended, from a closed set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal[
    "completed",  # the conversation ran its course, whoever hung up
    "abandoned",  # the caller hung up before the first input
    "no_input",  # hung up, or fell back, on silence
    "transferred",  # the caller is with somebody else
    "bot_failed",  # the fallback ended the call, because of the bot
    "leg_failed",  # the connection to the caller broke
    "too_long",  # `max_call`
    "operator",  # somebody asked for it by the API
    "refused",  # never answered: unknown number, full, draining
    "internal_error",  # a bug here; the traceback is in the log
]
Party = Literal["caller", "bot", "gateway", "transfer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOutcome:
    """How a call ended.

    Attributes:
        by: Who ended it.
        reason: A few words of detail, free of personal data.
    """

    result: Result
    by: Party
    reason: str = ""
