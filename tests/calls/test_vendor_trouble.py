"""A speech vendor that is down, in whole calls: somebody stands in, and the record says so once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.lab.talkr_bot import BOTS
from tests.fakes.office import SOCKETS, Line, dial
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time

BOT = BOTS["en"]
SAYS = {topic.name: topic.says for topic in BOT.topics}
DOWN = {"acme": {"engine": "scripted", "fail_speech_after": 0, "fail_listening_after": 0}}


@pytest.mark.parametrize("line", SOCKETS)
@virtual_time
async def test_a_vendor_that_is_down_is_noted_once_and_heard_by_nobody(line: Line, tmp_path: Path) -> None:
    number = {"synthesizer": {"vendor": "acme"}, "recognizer": {"vendor": "acme"}}
    async with open_office(tmp_path, number=number, speech=DOWN) as office, dial(office, line) as caller:
        await caller.hears(BOT.greeting)
        for topic in ("location", "hours", "location"):
            await caller.say(topic)
            await caller.hears(SAYS[topic])
        await caller.hang_up()
    noted = sorted((note["what"], note["vendor"]) for note in office.notes("warning"))
    assert noted == [("recognizer_failed", "acme"), ("synthesizer_failed", "acme")]
    errors = office.reception.equipment.metrics.registry.get_sample_value
    for part in ("synthesizer", "recognizer"):
        assert errors("talkpath_errors_total", {"part": part, "vendor": "acme"}) == 1
    assert [turn["caller"] for turn in office.record["exchange"][1:]] == ["location", "hours", "location"]
