"""Whole calls with human voices and with noises: what interrupts the bot, how soon, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from config.call import BargeInSection
from gateway.lab.talkr_bot import BOTS
from tests.fakes.office import LINES, Line, dial
from tests.fakes.room import real_ears, room
from tests.fakes.sounds import NOISES, RATE, Sound, at_level, pink_noise, spoken, trimmed
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time
from tests.fakes.voices import RecordedVoice

BOT = BOTS["en"]
MIN_SPEECH = BargeInSection().min_speech
WORDS = [
    ("en", "privacy-thankyou"), ("en", "vm-goodbye"), ("en", "agent-pass"), ("en", "digits/day-4"),
    ("fr", "vm-goodbye"), ("fr", "privacy-thankyou"), ("es", "vm-goodbye"), ("es", "auth-thankyou"),
]  # fmt: skip
SILENT = {"local": {"engine": "scripted", "partials": False}}
"""Nobody is understood: only the sound itself can interrupt."""
SOUNDS: dict[str, Callable[[], Sound]] = {
    **{name: NOISES[name] for name in ("dtmf", "ringback", "melody", "clicks", "hum", "pink -30")},
    "comfort noise": lambda: pink_noise(10, -55),
}


def word(language: str, name: str) -> Sound:
    return at_level(trimmed(spoken(language, name))[: round(1.5 * RATE)], -21)


@pytest.mark.recordings
@pytest.mark.parametrize("line", LINES)
@virtual_time
async def test_human_words_stop_the_bot_as_soon_as_they_should(line: Line, tmp_path: Path) -> None:
    """From the caller's first voiced sample to the last of the bot that he hears."""
    took = []
    async with open_office(tmp_path, speech=SILENT, voice=RecordedVoice(seconds=4), **real_ears()) as office:
        office.is_truth_checked = False
        for name in WORDS:
            async with dial(office, line, background=False) as caller, room(caller.line) as there:
                await there.until(1.5)
                began = there.say(word(*name))
                await there.until(4.0)
                took.append(there.bot_stopped(began) - began)
    assert [record["barge_ins"] for record in office.records] == [1] * len(took)
    assert min(took) >= MIN_SPEECH
    assert median(took) <= MIN_SPEECH + 0.06, took
    assert max(took) <= MIN_SPEECH + 0.15, took


@pytest.mark.recordings
@pytest.mark.parametrize("name", SOUNDS)
@virtual_time
async def test_noise_never_interrupts_and_loses_no_key(name: str, tmp_path: Path) -> None:
    line = LINES[list(SOUNDS).index(name) % len(LINES)]
    voice = RecordedVoice(seconds=4)
    async with (
        open_office(tmp_path, speech=SILENT, voice=voice, **real_ears()) as office,
        dial(office, line, background=False) as caller,
        room(caller.line, noise=SOUNDS[name]()) as there,
    ):
        office.is_truth_checked = False
        await there.until(4.5)
        await caller.press("4711#", every=0.08)
        await office.asked(2, within=1)
        await there.until(9.5)
        assert len(office.bot.requests) == 2
    greeting, answer = office.record["said"][:2]
    assert (greeting["result"], answer["result"]) == ("played", "played")
    assert office.record["barge_ins"] == 0
    assert [turn["caller"] for turn in office.record["exchange"]] == ["", "4711"]
