"""Voices behind one another: when one fails or is too slow, the next goes on where it stopped.

Nothing here waits longer than the deadlines, so the caller hears somebody, or the call learns that nobody can speak.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import numpy as np
import structlog

from audio.frame import Frame
from gateway.errors import MediaError, VendorError, VendorReplyInvalid, VendorUnavailable
from gateway.kit.closing import closing
from gateway.speech_interfaces import SpokenFrame, Synthesizer, Utterance

log = structlog.get_logger(__name__)

CHARACTERS_PER_SECOND = 14.0
"""How fast speech is, where a vendor does not say how far it came."""
FASTEST = 20.0
"""Characters in a second that a voice hardly exceeds."""
TAIL = 0.03
SILENT_PEAK = 100  # -50 dBFS
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Scripts that put no space between words: Thai, Lao, Burmese, Khmer, Chinese, Japanese."""
_BEGUN_WORD = re.compile(rf"[^\s{_UNSPACED}]*\Z")
_WORD_LEFT = re.compile(rf"[^\s{_UNSPACED}]*")
_SENTENCE_END = re.compile(r"[.!?…。！？:;\n]+[\"'»”)]*\s*")


@dataclass(frozen=True, slots=True)
class Voice:
    """Somebody who can speak, and how the utterance is put to them."""

    synthesizer: Synthesizer
    utterance: Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds until a voice counts as failed.

    Attributes:
        first: Until its first audio.
        next: Until each further piece; counted only while somebody waits for it.
    """

    first: float = 2.0
    next: float = 2.0


class _Progress:
    """How much of the plain text has been said."""

    def __init__(self, plain: str) -> None:
        self._plain = plain
        self._begun = 0  # where the present voice began
        self._reached: int | None = None
        self._told = 0
        self._seconds = 0.0
        self._last: Frame | None = None

    def note(self, spoken: SpokenFrame) -> SpokenFrame:
        """Count a frame; returns it with its reach in the whole text."""
        self._seconds += spoken.frame.duration
        self._last = spoken.frame
        if spoken.chars is None:
            return spoken
        self._reached = min(self._begun + spoken.chars, len(self._plain))
        self._told = max(self._told, self._reached)  # a word that is begun again has been told of
        return replace(spoken, chars=self._told)

    def has_begun(self) -> bool:
        return self._seconds > 0

    def rest(self) -> str:
        """What the next voice has to say; it is taken that it will."""
        if self._reached is not None:
            self._begun = _word_start(self._plain, self._begun, self._reached)
        elif self._has_come_to_its_end():
            self._begun = len(self._plain)
        elif self._seconds:
            self._begun = _sentence_start(self._plain, self._begun, round(self._seconds * CHARACTERS_PER_SECOND))
        self._reached, self._seconds, self._last = None, 0.0, None
        return self._plain[self._begun :]

    def _has_come_to_its_end(self) -> bool:
        """Everything was said, and only the goodbye was missing: what came is long enough, and ends in silence."""
        rest = self._plain[self._begun :].rstrip()
        if self._last is None or self._seconds * FASTEST < len(rest) or _SENTENCE_END.search(rest, 0, len(rest) - 1):
            return False
        tail = np.frombuffer(self._last.pcm(), "<i2")[-round(TAIL * self._last.format.rate) :].astype(np.int32)
        return bool(np.abs(tail).max(initial=0) < SILENT_PEAK)


async def speak_with_fallback(
    voices: Sequence[Voice],
    patience: Patience,
    on_trouble: Callable[[VendorError], None] | None = None,
    on_asked: Callable[[Voice], None] | None = None,
) -> AsyncIterator[SpokenFrame]:
    """Audio of the first voice that can, in whatever format it makes; `chars` counts in the first utterance's text.

    A voice that fails before its first audio leaves the whole text, markup included, to the next. One that fails later
    leaves the rest, from the last word known to be said, else from the beginning of the sentence; as plain text.

    Args:
        on_trouble: Told of every voice that failed.
        on_asked: Told of every voice that is asked, with what it is asked to say.

    Raises:
        VendorError: of the last voice, when none could finish.
    """
    whole = voices[0].utterance.plain or voices[0].utterance.text
    progress = _Progress(whole)
    trouble: VendorError | None = None
    rest = whole
    for voice in voices:
        utterance = voice.utterance
        if rest != whole:
            utterance = replace(utterance, text=rest, plain=rest, ssml=False)
        if on_asked is not None:
            on_asked(replace(voice, utterance=utterance))
        try:
            async with closing(_bounded(voice.synthesizer, utterance, patience)) as pieces:
                async for spoken in pieces:
                    yield progress.note(spoken)
            return
        except (VendorError, MediaError) as error:
            trouble = _as_vendor_error(error, utterance.vendor)
        except Exception as error:  # an adapter's bug is one more way for its vendor to fail: the next one speaks
            log.exception("synthesizer's adapter failed", vendor=utterance.vendor)
            reason = f"its adapter raised {type(error).__name__}"
            trouble = VendorReplyInvalid(reason, vendor=utterance.vendor, operation="speak")
        if on_trouble is not None:
            on_trouble(trouble)
        else:
            log.warning("a voice failed", vendor=utterance.vendor, reason=trouble.reason)
        rest = progress.rest()
        if not rest.strip():
            return
    assert trouble is not None, "there is at least one voice"
    raise trouble


async def _bounded(synthesizer: Synthesizer, utterance: Utterance, patience: Patience) -> AsyncIterator[SpokenFrame]:
    """A voice's frames, none of which may take too long.

    Raises:
        VendorUnavailable: one did.
        VendorReplyInvalid: there was a text, but no audio.
    """
    wait, has_audio = patience.first, False
    async with closing(synthesizer.speak(utterance)) as pieces:
        while True:
            async with _deadline(wait, utterance.vendor):
                spoken = await anext(pieces, None)
            if spoken is None:
                break
            if spoken.frame.data:
                wait, has_audio = patience.next, True
                yield spoken
    if not has_audio and any(character.isalnum() for character in utterance.plain or utterance.text):
        raise VendorReplyInvalid("no audio came", vendor=utterance.vendor, operation="speak")


@asynccontextmanager
async def _deadline(seconds: float, vendor: str) -> AsyncIterator[None]:
    """A VendorUnavailable when the block takes longer; a TimeoutError of the vendor's own is none of ours."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise VendorUnavailable("no audio came in time", vendor=vendor, operation="speak") from error


def _as_vendor_error(error: VendorError | MediaError, vendor: str) -> VendorError:
    return error if isinstance(error, VendorError) else VendorReplyInvalid(str(error), vendor=vendor, operation="speak")


def _word_start(text: str, begun: int, reached: int) -> int:
    """Where to go on behind ``reached`` characters: a word of which less than all was said is begun again."""
    left = _WORD_LEFT.match(text, reached)
    assert left is not None, "it matches nothing, too"
    word = _BEGUN_WORD.search(text, begun, reached)
    if word is None or not word[0] or not left[0]:
        return reached
    return word.start() if any(map(str.isalnum, left[0])) else left.end()


def _sentence_start(text: str, begun: int, spoken: int) -> int:
    """The beginning of the last sentence that was reached ``spoken`` characters after ``begun``."""
    starts = [begun, *(match.end() for match in _SENTENCE_END.finditer(text, begun))]
    return max(start for start in starts if start <= begun + spoken)
