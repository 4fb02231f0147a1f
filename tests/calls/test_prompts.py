"""Whole calls with prompts that were spoken in advance, or are recordings: whoever is dead by then, they are heard."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from audio.codecs import g711
from audio.format import Encoding
from audio.levels import active_level, gain
from audio.loudness import TARGET_DBFS
from audio.wav import write_wav
from gateway.lab.talkr_bot import BOTS
from gateway.plugins import installed
from gateway.prompts.desk import open_desk
from gateway.speech.overrides import Overrides
from gateway.speech.scripted.signal import duration_of, resemblance, spoken_pcm
from tests.fakes.callers import Phone, own_words
from tests.fakes.mortal import MortalVendor, MortalVoice
from tests.fakes.office import NUMBER, SOCKETS, Line, dial, settings_of
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time

GREETING = BOTS["en"].greeting
APOLOGY = own_words("apology", "en-GB")
KEPT = {"prompts": {"directory": "kept", "overrides": "recordings"}}
VOICE = {"synthesizer": {"vendor": "acme", "voice": "anna", "rate": 1.1}}
CLEARLY = 0.95
on_each_line = pytest.mark.parametrize("line", SOCKETS)


def acme(**script: object) -> dict[str, dict[str, object]]:
    return {"acme": {"engine": "scripted", **script}}


def vendors(**voices: MortalVoice) -> dict[str, MortalVendor]:
    return {name: MortalVendor(voice) for name, voice in voices.items()}


def render(folder: Path, *also: str) -> list[str]:
    """What an operator does before calls come. Returns what could not be spoken."""

    async def work() -> list[str]:
        file = folder / "talkpath.yaml"
        desk = open_desk(file, settings_of(file), installed(), [NUMBER], also, starts_vendors=True)
        async with desk as opened:
            return [entry.title for entry in await opened.render(retry_after=0)]

    return asyncio.run(work())


def heard_by(caller: Phone) -> bytes:
    """Everything that came down the line, pauses left out."""
    return b"".join(g711.decode(stretch.data, Encoding.PCMU) for stretch in caller.line.heard())


def heard_as(caller: Phone, text: str) -> float:
    return resemblance(heard_by(caller), text, 8000)


@on_each_line
@pytest.mark.parametrize("formats", [[], ["pcmu/8000"], ["l16/24000", "l16/8000"]], ids=str)
@virtual_time
async def test_what_was_rendered_is_heard_when_every_synthesizer_is_dead(
    line: Line, formats: list[str], tmp_path: Path
) -> None:
    dead = {"acme": MortalVoice(is_dead=True, formats=formats), "local": MortalVoice(is_dead=True)}
    office = open_office(
        tmp_path, faults="ok,403", number=VOICE, speech=acme(formats=formats), more=KEPT, vendors=vendors(**dead)
    )
    async with office as opened:
        opened.is_truth_checked = False  # what is heard is the script's sound no more, bit by bit
        assert await asyncio.to_thread(render, tmp_path, GREETING) == []
        async with dial(opened, line) as caller:
            await caller.until(duration_of(GREETING) + 1.0)
            await caller.say("location")
            await caller.wait(duration_of(APOLOGY) + 4.0)
            await caller.hang_up()
    assert heard_as(caller, GREETING) > CLEARLY
    assert heard_as(caller, APOLOGY) > CLEARLY
    assert heard_as(caller, own_words("filler", "en-GB")) < 0.5
    assert active_level(heard_by(caller), 8000) == pytest.approx(TARGET_DBFS, abs=0.5)
    assert [voice.refused for voice in dead.values()] == [[], []]
    assert opened.notes("warning") == []
    assert [said["text"] for said in opened.record["said"]] == [GREETING, APOLOGY]


@virtual_time
async def test_what_a_call_was_told_is_told_again_as_it_was_by_a_dead_synthesizer(tmp_path: Path) -> None:
    voice = MortalVoice()
    number = {"synthesizer": {"vendor": "acme", "volume": 3.0}}
    office = open_office(tmp_path, number=number, speech=acme(), more=KEPT, vendors=vendors(acme=voice))
    async with office as opened:
        opened.is_truth_checked = False
        for _ in range(2):
            async with dial(opened) as caller:
                await caller.hears(GREETING)  # the very bytes of the voice: nothing was levelled
                await caller.hang_up()
            voice.is_dead = True
    assert [said.plain for said in voice.requests] == [GREETING]
    assert voice.refused == []


@virtual_time
async def test_a_restart_costs_no_prompt(tmp_path: Path) -> None:
    for is_dead in (False, True):
        voice, local = MortalVoice(is_dead=is_dead), MortalVoice(is_dead=True)
        office = open_office(tmp_path, number=VOICE, speech=acme(), more=KEPT, vendors=vendors(acme=voice, local=local))
        async with office as opened, dial(opened) as caller:
            opened.is_truth_checked = False
            await caller.hears(GREETING)
            await caller.hang_up()
        assert voice.refused == local.refused == []
        for journal in (tmp_path / "records").glob("*/*.jsonl"):
            journal.unlink()  # the office counts the calls of its own day


@on_each_line
@virtual_time
async def test_a_recording_goes_before_cache_and_vendor(line: Line, tmp_path: Path) -> None:
    spoken = "somebody in a studio says it with a smile"
    write_wav(tmp_path / "studio.wav", gain(spoken_pcm(spoken, 22050), -14), 22050)
    Overrides(tmp_path / "recordings").put(f" {GREETING.upper()} ", tmp_path / "studio.wav", "en", "anna")
    voice = MortalVoice()
    office = open_office(tmp_path, number=VOICE, speech=acme(), more=KEPT, vendors=vendors(acme=voice))
    async with office as opened, dial(opened, line) as caller:
        opened.is_truth_checked = False
        await caller.until(duration_of(spoken) + 1.0)
        await caller.hang_up()
    assert heard_as(caller, spoken) > CLEARLY
    assert heard_as(caller, GREETING) < 0.5
    assert active_level(heard_by(caller), 8000) == pytest.approx(TARGET_DBFS, abs=0.5)
    assert voice.requests == []
    assert [said["text"] for said in opened.record["said"]] == [GREETING]


@virtual_time
async def test_another_voice_speaks_although_a_recording_replaces_the_first_one(tmp_path: Path) -> None:
    write_wav(tmp_path / "studio.wav", spoken_pcm("a studio", 8000), 8000)
    Overrides(tmp_path / "recordings").put(GREETING, tmp_path / "studio.wav", "en", "berta")
    office = open_office(tmp_path, number=VOICE, speech=acme(), more=KEPT)
    async with office as opened, dial(opened) as caller:
        await caller.hears(GREETING)
        await caller.hang_up()
