"""What remains of whole calls on both media lines: recording, journal, record and log, held against what was heard."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from audio.codecs import g711
from audio.format import Encoding
from gateway.lab.talkr_bot import BOTS
from gateway.records.journal import read
from tests.fakes.callers import own_words, sound
from tests.fakes.office import LINES, Line, Office, dial
from tests.fakes.talkr_office import open_office
from tests.fakes.trouble import no_file_over
from tests.fakes.virtual_loop import virtual_time

BOT = BOTS["en"]
SAYS = {topic.name: topic.says for topic in BOT.topics}
RATE = 8000
TOLERANCE = 0.020
RECORDED = {"recording": {"mode": "on"}}
NOTICE = "This call is recorded."
on_each_line = pytest.mark.parametrize("line", LINES)


def recording(office: Office) -> tuple[np.ndarray, np.ndarray]:
    """Caller and bot of the one call, as samples."""
    (path,) = (office.folder / "records").glob("*/*.wav")
    assert path.stat().st_mode & 0o777 == 0o600
    with wave.open(str(path)) as file:
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return both[:, 0], both[:, 1]


def place_of(text: str, samples: np.ndarray) -> float | None:
    """Where a text is heard in a recording, in seconds; None: it is not."""
    wanted = np.frombuffer(g711.decode(sound(text), Encoding.PCMU), "<i2").astype(float)
    spectrum = np.fft.rfft(samples.astype(float), len(samples) + len(wanted))
    likeness = np.fft.irfft(spectrum * np.conj(np.fft.rfft(wanted, len(samples) + len(wanted))))[: len(samples)]
    best = int(likeness.argmax())
    found = samples[best : best + len(wanted)].astype(float)
    if len(found) < len(wanted) or likeness[best] < 0.9 * float((wanted**2).sum()):
        return None
    return best / RATE


def answered_at(office: Office) -> float:
    """Call time from which the call is recorded."""
    return float(next(note["at"] for note in office.record["notes"] if note["kind"] == "recording_started"))


@on_each_line
@virtual_time
async def test_the_recording_has_both_sides_where_they_were_and_is_as_long_as_the_call(
    line: Line, tmp_path: Path
) -> None:
    async with open_office(tmp_path, number=RECORDED) as office, dial(office, line) as caller:
        await caller.hears(BOT.greeting)
        await caller.wait(3.0)
        await caller.say("location")
        await caller.hears(SAYS["location"])
        await caller.wait(1.0)
        await caller.hang_up()
    began = answered_at(office)
    left, right = recording(office)
    assert len(left) / RATE == pytest.approx(office.record["seconds"] - began, abs=TOLERANCE)
    greeting, answer = office.record["said"]
    asked = office.record["exchange"][1]["at"]
    place = place_of("location", left)
    assert place is not None
    spoken = asked["stopped"] - len(sound("location")) / RATE - began
    assert place == pytest.approx(spoken, abs=0.15)  # the detector's own idea of where speech ends
    for item, text in ((greeting, BOT.greeting), (answer, SAYS["location"])):
        place = place_of(text, right)
        assert place is not None
        assert place + item["seconds"] + began == pytest.approx(item["at"], abs=0.25)  # marks come back a little later
    assert place_of(SAYS["location"], left) is None


@on_each_line
@virtual_time
async def test_the_announcement_is_over_before_the_first_sample_is_kept(line: Line, tmp_path: Path) -> None:
    number = {"recording": {"mode": "on", "announce": NOTICE}}
    async with open_office(tmp_path, number=number) as office, dial(office, line) as caller:
        await caller.hears(NOTICE)
        await caller.hears(BOT.greeting)
        await caller.hang_up()
    left, right = recording(office)
    assert len(left) / RATE == pytest.approx(office.record["seconds"] - answered_at(office), abs=TOLERANCE)
    assert place_of(NOTICE, right) is None
    # Where a line confirms the end of the notice late, the recording begins a little into what follows.
    place = place_of(BOT.greeting, np.concatenate([np.zeros(RATE, "<i2"), right]))
    assert place is not None
    assert 0.7 < place <= 1.001
    greeting = office.record["exchange"][0]
    assert greeting["at"]["sent"] > answered_at(office) - 1.5  # the notice before it does not count as the greeting


@on_each_line
@virtual_time
async def test_the_parts_of_each_turn_sum_to_the_wall_time(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office, line) as caller:
        await caller.hears(BOT.greeting)
        asked = await caller.say("location")
        heard = await caller.hears(SAYS["location"])
        await caller.say("password")
        await caller.hears(SAYS["code"])
        await caller.press("1234#")
        keyed = caller.now()
        thanked = await caller.hears(BOT.code_heard.format(code="1 2 3 4"))
        await caller.hang_up()
    turns = office.record["exchange"]
    for turn in turns:
        assert sum(turn["stages"].values()) == pytest.approx(turn["answer_seconds"], abs=TOLERANCE)
        assert turn["at"]["sent"] - turn["at"]["stopped"] == pytest.approx(turn["answer_seconds"], abs=1e-5)
    # What the books say is what the caller had to wait. His ear is a network and a buffer away from both ends.
    assert turns[1]["answer_seconds"] == pytest.approx(heard.at - asked.until, abs=0.15)
    assert turns[3]["answer_seconds"] == pytest.approx(thanked.at - keyed, abs=0.25)


@on_each_line
@virtual_time
async def test_a_disk_that_is_full_costs_the_books_and_not_the_call(line: Line, tmp_path: Path) -> None:
    async with open_office(tmp_path, number=RECORDED) as office:
        with no_file_over(40_000):
            async with dial(office, line) as caller:
                await caller.hears(BOT.greeting)
                await caller.say("location")
                await caller.hears(SAYS["location"])
                await caller.hang_up()
            await office.calls_over()
            await office.written()
        async with dial(office, line) as caller:
            await caller.hears(BOT.greeting)
            await caller.hang_up()
    full, after = office.records
    assert [turn["caller"] for turn in full["exchange"]] == ["", "location"]
    assert after["result"] == "abandoned"
    sizes = [path.stat().st_size for path in sorted((office.folder / "records").glob("*/*.wav"))]
    assert min(sizes) <= 40_000


@virtual_time
async def test_a_journal_is_private_and_tells_the_whole_call(tmp_path: Path) -> None:
    async with open_office(tmp_path) as office, dial(office) as caller:
        await caller.hears(BOT.greeting)
        await caller.say("location")
        await caller.hears(SAYS["location"])
        await caller.hang_up()
    (path,) = (office.folder / "records").glob("*/*.jsonl")
    assert path.stat().st_mode & 0o777 == 0o600
    setup, steps = read(path)
    assert setup.info.call_id == office.record["call_id"]
    assert steps[-1].now <= office.record["seconds"]
    assert own_words("apology") not in path.read_text()
