"""A caller's end of a call as sound: what he says, what is around him, and what of the bot comes back into his phone.

Every 20 ms of loop time a frame is made of all three and sent when it has been spoken to its end, as a phone does it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from audio.codecs import convert
from audio.ear import SpeechDetector
from audio.echo import EchoCanceller
from audio.format import L16_8K
from audio.frame import Frame
from audio.judge_batch import JudgeBatch
from gateway.caller.line import CallerLine
from tests.fakes.sounds import FRAME, RATE, Sound, judge, to_pcm

PTIME = FRAME / RATE
VOICED = 300
"""Amplitude from which a recorded speaker counts as speaking (-41 dBFS)."""


LONGEST = 700  # s of a call
RECENT = 3  # stretches of what was heard that can have become longer in 20 ms


@dataclass(frozen=True)
class Echo:
    """What a hybrid or a loudspeaker returns: weaker, late, and coloured.

    Attributes:
        decibels: Its level relative to what was heard; delay: seconds.
    """

    decibels: float
    delay: float
    seed: int = 1

    @cached_property
    def response(self) -> Sound:
        decay = np.random.default_rng(self.seed).standard_normal(32) * np.exp(-np.arange(32) / 6)
        coloured = np.convolve(decay, [1, -0.95])  # no direct current
        return np.asarray(coloured / np.sqrt(np.sum(coloured**2)) * 10 ** (self.decibels / 20))


@dataclass
class Room:
    """See the module's docstring. Positions are samples since the room was opened.

    Attributes:
        noise: Repeated for ever.
        bot: What was heard of the gateway so far, and silence behind it.
        skew: How much faster than true the caller's clock runs, as a fraction.
    """

    line: CallerLine
    echo: Echo | None = None
    noise: Sound | None = None
    skew: float = 0.0
    bot: Sound = field(default_factory=lambda: np.zeros(LONGEST * RATE))
    is_silent: bool = False
    """Nothing is sent at all: hold, mute, silence suppression."""
    _speech: list[tuple[int, Sound]] = field(default_factory=list)
    _position: int = 0
    _heard: int = 0
    _began: float = 0.0

    def now(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    def say(self, sound: Sound, after: float = 0.0) -> float:
        """Speak from now on, or a little later. Returns when the first voiced sample is spoken, in room time."""
        start = max(self._position, round((self.now() + after) * RATE))
        self._speech.append((start, sound))
        voiced = np.flatnonzero(np.abs(sound) > VOICED)
        return (start + int(voiced[0])) / RATE

    async def until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, at - self.now()))

    def bot_stopped(self, after: float) -> float:
        """When the sound of the gateway ended that was heard at a moment, both in room time."""
        stretches = [(stretch.at - self._began, stretch.end - self._began) for stretch in self.line.heard()]
        return next(end for at, end in stretches if at <= after < end)

    def listen(self) -> None:
        """Take in what has been heard by now."""
        old, end = self._heard, min(round(self.now() * RATE), len(self.bot))
        self._heard = max(old, end)
        for stretch in self.line.heard()[-RECENT:]:
            start = round((stretch.at - self._began) * RATE)
            width = stretch.format.size(1.0) // stretch.format.rate
            first, last = max(old, start), min(end, start + len(stretch.data) // width)
            if first < last:
                data = stretch.data[(first - start) * width : (last - start) * width]
                self.bot[first:last] = np.frombuffer(convert(data, stretch.format, L16_8K), "<i2")

    async def run(self) -> None:
        self._began = loop_began = asyncio.get_running_loop().time()
        frames = 0
        while self.line.hung_up is None:
            frames += 1
            due = loop_began + frames * PTIME / (1 + self.skew)
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            self.listen()
            sound = self._mixed(self._position, self._position + FRAME)
            self._position += FRAME
            if not self.is_silent and self.line.hung_up is None:
                data = convert(to_pcm(sound), L16_8K, self.line.peer.format)
                await self.line.send_audio(Frame(data, self.line.peer.format))

    def _mixed(self, start: int, end: int) -> Sound:
        mixed = np.zeros(end - start)
        for at, sound in self._speech:
            first, last = max(at, start), min(at + len(sound), end)
            if first < last:
                mixed[first - start : last - start] += sound[first - at : last - at]
        if self.noise is not None:
            mixed += np.take(self.noise, np.arange(start, end), mode="wrap")
        if self.echo is not None:
            mixed += self._returned(self.echo, start, end)
        return mixed

    def _returned(self, echo: Echo, start: int, end: int) -> Sound:
        response, late = echo.response, round(echo.delay * RATE)
        first = start - late - len(response) + 1
        heard = np.zeros(end - start + len(response) - 1)
        known = self.bot[max(0, first) : max(0, end - late)]
        if len(known):
            heard[max(0, -first) : max(0, -first) + len(known)] = known
        return np.convolve(heard, response, mode="valid")


@asynccontextmanager
async def room(
    line: CallerLine, *, echo: Echo | None = None, noise: Sound | None = None, skew: float = 0.0
) -> AsyncIterator[Room]:
    """A room around a call that is up, to its end."""
    opened = Room(line, echo, noise, skew)
    task = asyncio.create_task(opened.run())
    await asyncio.sleep(0)
    try:
        yield opened
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()


def real_ears() -> dict[str, Any]:
    """Voice detection and echo cancelling as the gateway has them."""
    loop = asyncio.get_running_loop()
    batch = JudgeBatch(judge(), lambda flush: loop.call_later(0.01, flush))
    return {
        "detector": lambda format, on_event, min_speech: SpeechDetector(format, batch, on_event, min_speech=min_speech),
        "canceller": lambda format: EchoCanceller(format.rate),
    }
