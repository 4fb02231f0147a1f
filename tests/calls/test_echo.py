"""Whole calls over lines that return the bot's own voice: nobody hears it, and a word over it is heard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.lab.talkr_bot import BOTS
from tests.fakes.callers import Phone
from tests.fakes.office import LINES, Line, Office, dial
from tests.fakes.room import Echo, Room, real_ears, room
from tests.fakes.sounds import RATE, Sound, at_level, spoken, trimmed
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time
from tests.fakes.voices import RecordedVoice

BOT = BOTS["en"]
LOUDEST = [(-12, 0.05), (-12, 0.4)]
ECHOES = [*LOUDEST, (-16, 0.12), (-20, 0.25), (-24, 0.05), (-30, 0.4)]
ON_LINES = [
    *((echo, line) for echo in LOUDEST for line in LINES),
    *((echo, LINES[index % len(LINES)]) for index, echo in enumerate(ECHOES) if echo not in LOUDEST),
]
"""The loudest echoes on every line, and the others on one each."""
on_lines = pytest.mark.parametrize(
    ("echo", "line"),
    [(Echo(*echo), line) for echo, line in ON_LINES],
    ids=[f"{echo[0]} dB {echo[1]} s {line}" for echo, line in ON_LINES],
)
HEARD_FROM = 40.0
"""Root mean square of a frame from which something is to be heard in it (-58 dBFS)."""


def likeness(heard: Sound, word: Sound) -> float:
    """How much a word that was said is what was heard, at the place where it is most: 1 exactly."""
    products = np.correlate(heard, word, mode="valid")
    energy = np.convolve(heard**2, np.ones(len(word)), mode="valid")
    return float(np.max(products / np.sqrt(np.maximum(energy, 1.0) * np.sum(word**2))))


def recognized(office: Office) -> list[float]:
    """Levels of the frames that recognizers were given, of 20 ms each."""
    levels = []
    for stream in office.vendors["local"].recognizer.streams:
        pcm = np.frombuffer(b"".join(frame.pcm() for frame in stream.frames), "<i2").astype(np.float64)
        frames = pcm[: len(pcm) // 160 * 160].reshape(-1, 160)
        levels += list(np.sqrt(np.mean(frames**2, axis=1)))
    return levels


@asynccontextmanager
async def echoing_call(
    folder: Path, line: Line, echo: Echo | None, noise: Sound | None = None, **given: Any
) -> AsyncIterator[tuple[Office, Phone, Room, RecordedVoice]]:
    """A call to a bot with a human voice. Whatever is sent to the recognizer is heard as "location" in the end."""
    voice = RecordedVoice(seconds=5)
    speech = {"local": {"engine": "scripted", "texts": ["location"], "partials": False}}
    async with (
        open_office(folder, speech=speech, voice=voice, **real_ears(), **given) as office,
        dial(office, line, background=False) as caller,
        room(caller.line, echo=echo, noise=noise) as there,
    ):
        office.is_truth_checked = False  # it knows scripted voices only
        yield office, caller, there, voice


@pytest.mark.recordings
@on_lines
@virtual_time
async def test_the_bots_own_voice_neither_interrupts_it_nor_reaches_it(echo: Echo, line: Line, tmp_path: Path) -> None:
    async with echoing_call(tmp_path, line, echo) as (office, caller, there, voice):
        await there.until(18.0)
        assert caller.line.hung_up is None
    assert office.record["barge_ins"] == 0
    assert [turn["kind"] for turn in office.record["exchange"]] == ["start"]
    assert len(office.bot.requests) == 1
    first, second = office.record["said"][:2]
    lengths = [len(voice.sound(text)) / RATE for text in (BOT.greeting, BOT.again)]
    assert [first["seconds"], second["seconds"]] == [pytest.approx(length, abs=0.02) for length in lengths]
    assert second["at"] - first["at"] == pytest.approx(7.0 + lengths[1], abs=0.1)  # listening begins with the silence
    assert np.mean(np.array(recognized(office)) > HEARD_FROM) < 0.02


@pytest.mark.recordings
@on_lines
@virtual_time
async def test_a_word_over_the_returning_voice_interrupts_it_and_is_heard(
    echo: Echo, line: Line, tmp_path: Path
) -> None:
    word = at_level(trimmed(spoken("en", "privacy-thankyou"))[:10000], -21)
    async with echoing_call(tmp_path, line, echo) as (office, _, there, _):
        await there.until(2.5)
        began = there.say(word)
        await office.asked(2, within=8)
        stopped = there.bot_stopped(began)
    assert office.record["barge_ins"] == 1
    assert 0.25 <= stopped - began <= 0.25 + 0.1
    first, second = office.record["exchange"][:2]
    assert first["bot_seconds"] == pytest.approx(stopped, abs=0.06)
    assert (second["caller"], second["barged_in"]) == ("location", True)
    stream = office.vendors["local"].recognizer.streams[0]
    pcm = np.frombuffer(b"".join(frame.pcm() for frame in stream.frames), "<i2").astype(np.float64)
    assert likeness(pcm, word) > 0.9
