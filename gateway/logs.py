"""Structured logs on standard error: a constant message, key-values, and no personal data unless it is asked for.

What is personal stands under keys that begin with ``pii.`` and is dropped before it is written. Texts that others wrote
(errors of vendors and libraries, tracebacks) may hold numbers and secrets nobody marked: what looks like one is masked.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor

from config.server import LoggingSection

PII = "pii."
"""Keys that begin so hold personal data: numbers, transcripts, replies, digits."""
MASK = "***"
MAX_TEXT = 20_000  # characters of one value
NAMES = frozenset({"timestamp", "level", "logger", "call_id", "leg_id", "file", "filename", "line"})
"""Keys whose values are ours, and name something."""

_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic|digest)\s+[\w.~+/=-]{6,}"), rf"\1 {MASK}"),
    (re.compile(r"://[^/@\s]+@"), f"://{MASK}@"),
    (
        re.compile(r"(?i)(token|api[_-]?key|secret|passw(?:or)?d|signature)(['\"]?\s*[=:]\s*['\"]?)[^\s'\"&,;}]+"),
        rf"\1\2{MASK}",
    ),
)
_PHONE = re.compile(r"(?<![\w.])\+?\d(?:[ ()/-]{0,2}\d){6,}(?!\w)")
# Names of calls that have many digits, too, and that a log is searched for: UUIDs, Asterisk's unique ids
# (`1795261293.2817`: seconds since 1970 and a counter) and channels (`PJSIP/601-0000001a`), where the part before the
# counter may be a telephone number.
_ID_OR_PHONE = re.compile(
    r"(?P<id>(?<!\w)(?i:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(?!\w)|(?<![\w.+])1\d{9}\.\d{1,9}(?!\w|\.\d))"
    r"|(?P<technology>(?<!\w)[A-Z]\w{1,19}/)(?P<who>[^\s;,]{1,80}?)(?P<counter>-[0-9a-f]{8}(?!\w))"
    rf"|{_PHONE.pattern}"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a terminal obeys some of them


def set_up(settings: LoggingSection) -> None:
    """Configure logging for this process, that of libraries included."""
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    first: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last = _finish(as_json=as_json, pii=settings.pii)
    level = getattr(logging, settings.level.upper())
    structlog.configure(
        processors=[*first, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _set_up_libraries([*first, structlog.stdlib.add_logger_name], last, max(level, logging.WARNING))


def _finish(*, as_json: bool, pii: bool) -> list[Processor]:
    """What every entry passes last. Tracebacks never have local variables, which hold what callers say."""
    if as_json:
        traceback = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False, max_frames=30))
        renderer: Processor = structlog.processors.JSONRenderer()
    else:
        traceback = structlog.processors.ExceptionRenderer()
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    drop: list[Processor] = [] if pii else [_drop_personal_data]
    return [*drop, traceback, _Masking(keeps_numbers=pii), renderer]


def _set_up_libraries(first: list[Processor], last: list[Processor], level: int) -> None:
    """What libraries log by the standard library looks the same, and is masked the same."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=first, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _drop_personal_data(_: Any, __: str, event: EventDict) -> EventDict:
    for key in [key for key in event if key.startswith(PII)]:
        del event[key]
    return event


class _Masking:
    """Masks what looks like a secret, or like a telephone number.

    Args:
        keeps_numbers: Personal data is wanted; secrets never are.
    """

    def __init__(self, *, keeps_numbers: bool) -> None:
        self._keeps_numbers = keeps_numbers

    def __call__(self, _: Any, __: str, event: EventDict) -> EventDict:
        return {key: self._masked(key, value) for key, value in event.items()}

    def _masked(self, key: str, value: Any) -> Any:
        if isinstance(value, str):
            return value if key in NAMES else self._text(value)
        if isinstance(value, Mapping):
            return {name: self._masked(str(name), item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._masked(key, item) for item in value]
        if isinstance(value, bool | int | float) or value is None:
            return value
        return self._text(str(value))

    def _text(self, text: str) -> str:
        text = _CONTROLS.sub("\ufffd", text[:MAX_TEXT])
        for pattern, instead in _SECRETS:
            text = pattern.sub(instead, text)
        return text if self._keeps_numbers else _ID_OR_PHONE.sub(_mask_number, text)


def _mask_number(found: re.Match[str]) -> str:
    if found["id"]:
        return found["id"]
    if found["who"]:
        return found["technology"] + _PHONE.sub(MASK, found["who"]) + found["counter"]
    return MASK
