"""The local voice: hands texts to `speak_worker` processes and gives their audio on.

A text takes a few milliseconds, so an answer is read into memory as fast as it comes, whatever pace it is played at.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import structlog

from audio.format import L16_8K
from audio.frame import Frame
from gateway.errors import VendorError, VendorRejected, VendorUnavailable
from gateway.speech.local.installed_voices import installed_voices
from gateway.speech.local.markup import plain_offsets
from gateway.speech.local.pool import PoolLimits, WorkerPool
from gateway.speech.local.settings import LocalSpeechSection
from gateway.speech.local.voices import candidates
from gateway.speech.local.wire import Kind, Message
from gateway.speech_interfaces import SpokenFrame, SynthesizerCapabilities, Utterance, VoiceInfo
from gateway.tuning import Prosody

log = structlog.get_logger(__name__)

WORKER = "gateway.speech.local.speak_worker"
MAX_JOBS = 1000
NO_AUDIO_TIMEOUT = 10.0
"""Longest wait for the next piece; the workers' own watch is shorter, this bounds a queue that does not move."""
REACHED_BYTES = 4
SLOWEST, FASTEST = 80, 450
MOST = 1e6
UNITS_PER_SEMITONE = 4.0
"""Of espeak-ng's pitch, which reaches from an octave below the voice's own to one above in a hundred steps."""
NAMED_RATES = {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "fast": 1.3, "x-fast": 1.7}


class LocalSynthesizer:
    """espeak-ng in worker processes. `start` (or the first text) starts them, `close` ends them.

    Options of an utterance: ``rate`` (words per minute from 80 on, a factor below that, ``120%``, or ``slow`` ...
    ``fast``), ``pitch`` (0-99, or a percentage of the usual one), ``volume`` (percent, 100 as usual, up to 200).
    """

    capabilities = SynthesizerCapabilities(ssml=True, word_times=True, formats=())

    def __init__(self, settings: LocalSpeechSection) -> None:
        self._settings = settings
        self._unknown_voices: set[str] = set()
        self.pool = WorkerPool(
            WORKER,
            PoolLimits(
                size=settings.speak_processes,
                max_jobs=MAX_JOBS,
                start_timeout=settings.start_timeout,
                hang_after=settings.hang_after,
            ),
        )

    async def start(self) -> None:
        """Start the processes and wait for the first.

        Raises:
            VendorUnavailable: none starts.
        """
        await self.pool.wait_ready()

    async def close(self) -> None:
        await self.pool.close()

    async def speak(self, utterance: Utterance) -> AsyncIterator[SpokenFrame]:
        """Audio in the format that was asked for, 8 kHz PCM where none was.

        Raises:
            VendorRejected: the text is too long, or cannot be spoken.
            VendorUnavailable: the workers are busy, or cannot be kept alive.
        """
        speech = _Speech(self._request(utterance))
        offsets = plain_offsets(utterance.text, utterance.plain) if utterance.ssml else None
        target = utterance.format or L16_8K
        position = 0
        number = self.pool.submit(speech)
        try:
            while (piece := await speech.next_piece()) is not None:
                reached, audio = int.from_bytes(piece[:REACHED_BYTES], "big"), piece[REACHED_BYTES:]
                chars = offsets[min(reached, len(offsets) - 1)] if offsets else reached
                yield SpokenFrame(Frame(audio, target, position), chars)
                position += target.samples(len(audio))
        finally:
            self.pool.release(number)
        self._check_voice(utterance.voice, speech.voice)

    async def voices(self) -> Sequence[VoiceInfo]:
        """One for each language, and the variants in which any of them speaks (`fr+f3`, or `f3` alone).

        Raises:
            VendorUnavailable: espeak-ng's data cannot be read.
        """
        try:
            return await asyncio.to_thread(installed_voices)
        except OSError as error:
            reason = f"the data of espeak-ng cannot be read: {error.strerror}"
            raise VendorUnavailable(reason, vendor="local", operation="voices") from error

    def _request(self, utterance: Utterance) -> dict[str, Any]:
        if len(utterance.text) > self._settings.max_text:
            raise VendorRejected("the text is too long", vendor="local", operation="speak")
        target = utterance.format or L16_8K
        voice = utterance.voice or self._settings.voice
        return {
            "text": utterance.text,
            "ssml": utterance.ssml,
            "voices": candidates(utterance.language, voice),
            "format": [target.encoding.value, target.rate],
            "max_seconds": self._settings.max_seconds,
            **manner(utterance.options, utterance.prosody, rate=self._settings.rate, pitch=self._settings.pitch),
        }

    def _check_voice(self, asked: str | None, used: str) -> None:
        """Say once that a voice is none of ours."""
        if not asked or asked in self._unknown_voices or len(self._unknown_voices) > MAX_JOBS:
            return
        if "+" not in used and asked.lower() not in used.lower():
            self._unknown_voices.add(asked)
            log.warning("there is no such local voice, another one speaks", voice=asked, used=used)


class _Speech:
    """One text on its way. A worker that takes over from another says it all again; what was passed on is skipped."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._body = json.dumps(request, ensure_ascii=False).encode()
        self._pieces: deque[bytes] = deque()  # bounded by the longest speech, a few megabytes
        self._changed = asyncio.Event()
        self._received = 0
        self._to_skip = 0
        self._done = False
        self._error: VendorError | None = None
        self.voice = ""

    # --- the pool's side
    def opening(self) -> Iterable[tuple[Kind, bytes]]:
        self._to_skip = self._received
        return [(Kind.OPEN, self._body)]

    def receive(self, message: Message) -> None:
        match message.kind:
            case Kind.AUDIO_OUT:
                self._take(message.body)
            case Kind.DONE:
                self.voice = str(message.json().get("voice", ""))
                self._done = True
            case Kind.FAILED:
                reason = str(message.json().get("reason", ""))
                self._error = VendorRejected(reason, vendor="local", operation="speak")
            case _:
                return
        self._changed.set()

    def fail(self, error: VendorError) -> None:
        self._error = error
        self._changed.set()

    def _take(self, body: bytes) -> None:
        audio = body[REACHED_BYTES:]
        skipped = min(self._to_skip, len(audio))
        self._to_skip -= skipped
        if len(audio) > skipped:
            self._received += len(audio) - skipped
            self._pieces.append(body[:REACHED_BYTES] + audio[skipped:])

    # --- the caller's side
    async def next_piece(self) -> bytes | None:
        """The next piece; None after the last.

        Raises:
            VendorError: there will be no more, though there should.
        """
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._done:
                return None
            self._changed.clear()
            try:
                async with asyncio.timeout(NO_AUDIO_TIMEOUT):
                    await self._changed.wait()
            except TimeoutError:
                raise VendorUnavailable("no audio came", vendor="local", operation="speak") from None
        return self._pieces.popleft()


def manner(options: Mapping[str, Any], prosody: Prosody, *, rate: int, pitch: int) -> dict[str, float]:
    """Rate, pitch and volume as the worker takes them. Options beat prosody; what cannot be understood is left."""
    rate, pitch = round(rate * (prosody.rate or 1.0)), round(pitch + UNITS_PER_SEMITONE * (prosody.pitch or 0.0))
    factor = _number(options.get("rate"))
    words = rate if factor is None else factor if factor >= SLOWEST else rate * factor
    height = _number(options.get("pitch"))
    if height is None:
        height = pitch
    elif isinstance(options.get("pitch"), str) and options["pitch"].endswith("%"):
        height *= pitch
    volume = _number(options.get("volume"))
    plain = 10 ** ((prosody.volume or 0.0) / 20)
    louder = plain if volume is None else volume if str(options["volume"]).endswith("%") else volume / 100
    return {
        "rate": round(min(max(words, SLOWEST), FASTEST)),
        "pitch": round(min(max(height, 0), 99)),
        "volume": min(max(louder, 0.0), 2.0),
    }


def _number(value: object) -> float | None:
    """A number; a percentage as a factor; a named rate as one."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value) if -MOST <= value <= MOST else None
    text = str(value).strip().lower()
    if text in NAMED_RATES:
        return NAMED_RATES[text]
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        return None
    if not -MOST <= number <= MOST:  # false for what is not a number, too
        return None
    if not text.endswith("%"):
        return number
    return max(0.0, number / 100 + (1.0 if text[0] in "+-" else 0.0))
