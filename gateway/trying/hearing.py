"""`talkpath hear`: a recording played to a recognizer as a call would bring it, and when it understood what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from audio.format import AudioFormat
from audio.frame import Frame
from gateway.errors import VendorError, VendorUnavailable
from gateway.events import Transcript
from gateway.kit.closing import closing
from gateway.speech.directory import SpeechDirectory
from gateway.speech_interfaces import ListenSettings, RecognitionStream, SpeechHeard
from gateway.trying.vendor import Tried
from gateway.trying.voiced import Stretch, spoken_stretches

MESSAGE = 0.1
"""Seconds of audio at a time, as a call passes it on."""
FAST = 8.0
"""How many times faster than a caller talks is fast: more than that, and bounded queues before a vendor run over."""
SILENCE_AFTER = 5.0
"""Longest silence, in seconds, in which a vendor may find by itself that the turn is over."""


@dataclass(frozen=True, slots=True)
class AudioEnded:
    """The recording is over."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something the recognizer said, or that the recording is over, in seconds since the first audio."""

    at: float
    what: Transcript | SpeechHeard | AudioEnded


@dataclass(slots=True)
class Hearing:
    """What became of a recording.

    Attributes:
        noticed: In order.
        audio_ended: When the recording's last audio had been sent.
        turn_ended: When the vendor said that the turn is over; None: it did not.
        ended: When nothing more could come.
    """

    noticed: list[Noticed] = field(default_factory=list)
    audio_ended: float | None = None
    turn_ended: float | None = None
    ended: float = 0.0

    @property
    def text(self) -> str:
        """All finals."""
        return " ".join(text for final in self.finals if (text := final.text.strip()))

    @property
    def complete_after(self) -> float | None:
        """Seconds from the end of the audio until a call goes on: the vendor's end of the turn, or of the results."""
        end = self.ended if self.turn_ended is None else self.turn_ended
        return None if self.audio_ended is None else end - self.audio_ended

    @property
    def finals(self) -> list[Transcript]:
        return [each.what for each in self.noticed if isinstance(each.what, Transcript) and each.what.final]

    @property
    def final_after(self) -> float | None:
        """Seconds from the end of the audio to the last final; negative where it came before; None: there was none."""
        at = [each.at for each in self.noticed if isinstance(each.what, Transcript) and each.what.final]
        return at[-1] - self.audio_ended if at and self.audio_ended is not None else None


async def hear(
    tried: Tried,
    settings: ListenSettings,
    audio: bytes,
    format: AudioFormat,
    *,
    within: float,
    speed: float = 1.0,
    on_noticed: Callable[[Noticed], None] = lambda noticed: None,
) -> Hearing:
    """Play a recording to one recognizer, with nobody behind it.

    Where the vendor decides when the turn is over (`settings.tuning.endpointing`), silence follows the recording, as
    on a line, until it does, for `SILENCE_AFTER` at most. Where it wants nothing but speech, the detector of a call
    says what that is.

    Args:
        within: Seconds until the stream is open, and from the end of the audio to that of the results.
        speed: How many times faster than a caller talks.
        on_noticed: Told of everything when it happens.

    Raises:
        VendorError: It cannot listen, or breaks off, or does not come to an end.
    """
    player = _Player(audio, format, speed, by_vendor=settings.tuning.endpointing == "vendor")
    if tried.recognizer.capabilities.speech_only:
        player.stretches = await asyncio.to_thread(spoken_stretches, audio, format)
    directory = SpeechDirectory({}, {tried.name: tried.recognizer})
    now = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(within) as patience, directory.listen(settings, format) as stream:
            patience.reschedule(now() + within + player.seconds / speed)
            return await _follow(stream, player, on_noticed)
    except TimeoutError as error:
        raise VendorUnavailable("nothing came in time", vendor=tried.name, operation="listen") from error
    except BaseExceptionGroup as group:  # of the task that plays
        ours, others = group.split(VendorError)
        if ours is None or others is not None:
            raise
        raise ours.exceptions[0] from None


async def _follow(stream: RecognitionStream, player: _Player, on_noticed: Callable[[Noticed], None]) -> Hearing:
    now = asyncio.get_running_loop().time
    hearing, begun = Hearing(), now()

    def over() -> None:
        if hearing.audio_ended is None:
            hearing.audio_ended = now() - begun
            on_noticed(Noticed(hearing.audio_ended, AudioEnded()))

    async with asyncio.TaskGroup() as tasks:
        playing = tasks.create_task(player.play(stream, begun, over))
        async with closing(stream.results()) as results:
            async for result in results:
                noticed = Noticed(now() - begun, result)
                hearing.noticed.append(noticed)
                if isinstance(result, Transcript) and result.ends_turn:
                    hearing.turn_ended = noticed.at
                    player.turn_is_over.set()
                on_noticed(noticed)
        playing.cancel()
    hearing.ended = now() - begun
    return hearing


class _Player:
    """Sends the recording in real time, or faster."""

    def __init__(self, audio: bytes, format: AudioFormat, speed: float, *, by_vendor: bool) -> None:
        self._format = format
        self._speed = speed
        self._length = len(audio)
        self._audio = audio + (format.silence(format.samples(format.size(SILENCE_AFTER))) if by_vendor else b"")
        self.turn_is_over = asyncio.Event()
        self.stretches: list[Stretch] | None = None
        """What is sent, where it is not everything."""

    @property
    def seconds(self) -> float:
        """Of the recording, and of the silence after it."""
        return self._format.seconds(len(self._audio))

    async def play(self, stream: RecognitionStream, begun: float, on_over: Callable[[], None]) -> None:
        size = self._format.size(MESSAGE)
        for start in range(0, len(self._audio), size):
            piece = self._audio[start : start + size]
            due = begun + self._format.seconds(start + len(piece)) / self._speed
            if await self._is_over_before(due):
                break
            if self._is_sent(self._format.seconds(start), self._format.seconds(start + len(piece))):
                await stream.push(Frame(piece, self._format, self._format.samples(start)))
            if start + size >= self._length:
                on_over()
        on_over()
        await stream.finish()

    def _is_sent(self, start: float, end: float) -> bool:
        return self.stretches is None or any(start < last and end > first for first, last in self.stretches)

    async def _is_over_before(self, due: float) -> bool:
        """A message leaves when its last sample has been spoken, unless the turn is over by then."""
        try:
            async with asyncio.timeout_at(due):
                await self.turn_is_over.wait()
        except TimeoutError:
            return False
        return True
