"""`talkpath say`: a text spoken as a call would have it spoken, and what can be measured of that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from audio import levels
from audio.format import AudioFormat
from audio.frame import Frame, join
from gateway.errors import VendorError, VendorReplyInvalid
from gateway.kit.closing import closing
from gateway.speech.directory import SpeechDirectory
from gateway.speech.fallback import Patience
from gateway.speech_interfaces import SpokenFrame, Synthesizer, SynthesizerCapabilities, Utterance
from gateway.trying.vendor import Tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What came of a text.

    Attributes:
        audio: As the line takes it.
        made: The format in which the vendor made it.
        first: Seconds from the request to the first audio.
        whole: Seconds to the last.
    """

    audio: Frame
    made: AudioFormat
    first: float
    whole: float

    @property
    def level(self) -> float:
        """Of the speech in it, pauses left out, in dBFS."""
        return levels.active_level(self.audio.pcm(), self.audio.format.rate)

    @property
    def peak(self) -> float:
        """Of the loudest sample, in dBFS."""
        return levels.peak(self.audio.pcm())


async def say(tried: Tried, utterance: Utterance, target: AudioFormat, *, within: float) -> Said:
    """Have a text spoken by one vendor, with nobody behind it.

    Args:
        target: What the line takes.
        within: Seconds until the first audio, and between two pieces of it.

    Raises:
        VendorError: It cannot, or takes too long.
    """
    now = asyncio.get_running_loop().time
    voice = _Observed(tried.synthesizer)
    directory = SpeechDirectory({tried.name: voice}, {}, patience=Patience(first=within, next=within))
    pieces: list[Frame] = []
    asked = now()
    first = asked
    troubles: list[VendorError] = []
    async with closing(directory.speak(utterance, target, on_trouble=troubles.append)) as spoken:
        async for piece in spoken:
            first = first if pieces else now()
            pieces.append(piece.frame)
    if troubles:  # it had said everything, and yet did not come to its end; a call lets that pass
        raise troubles[0]
    if not pieces or voice.made is None:
        raise VendorReplyInvalid("there was nothing to say", vendor=tried.name, operation="speak")
    return Said(audio=join(pieces), made=voice.made, first=first - asked, whole=now() - asked)


class _Observed:
    """A synthesizer, and the format in which it speaks."""

    def __init__(self, synthesizer: Synthesizer) -> None:
        self._synthesizer = synthesizer
        self.made: AudioFormat | None = None

    @property
    def capabilities(self) -> SynthesizerCapabilities:
        return self._synthesizer.capabilities

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        async with closing(self._synthesizer.speak(utterance)) as pieces:
            async for piece in pieces:
                self.made = piece.frame.format
                yield piece
