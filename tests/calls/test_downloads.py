"""What a call has left is downloaded by who asks as an operator does."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import httpx

from gateway.lab.talkr_bot import BOTS
from gateway.records.journal import read, replay
from tests.fakes.office import dial
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time

GREETING = BOTS["en"].greeting


@virtual_time
async def test_the_journal_can_be_replayed_and_the_recording_heard(tmp_path: Path) -> None:
    async with (
        open_office(tmp_path, number={"recording": {"mode": "on"}}) as office,
        httpx.AsyncClient(base_url=f"http://{office.address}/api/", trust_env=False) as api,
    ):
        async with dial(office) as caller:
            await caller.hears(GREETING)
            (call,) = (await api.get("calls", params={"leg_id": caller.line.peer.leg_id})).json()
            call_id = call["call_id"]
            assert (await api.get(f"calls/{call_id}/recording")).status_code == 409
            await caller.hang_up()
        await office.calls_over()
        journal = await api.get(f"calls/{call_id}/journal")
        recording = await api.get(f"calls/{call_id}/recording")
    (tmp_path / "again.jsonl").write_bytes(journal.content)
    setup, steps = read(tmp_path / "again.jsonl")
    assert steps
    assert not replay(setup, steps)
    with wave.open(io.BytesIO(recording.content)) as file:
        assert file.getnchannels() == 2
        assert file.getnframes() > 8000


@virtual_time
async def test_a_call_that_was_not_recorded_has_no_recording(tmp_path: Path) -> None:
    async with (
        open_office(tmp_path) as office,
        httpx.AsyncClient(base_url=f"http://{office.address}/api/", trust_env=False) as api,
    ):
        async with dial(office) as caller:
            await caller.hears(GREETING)
            await caller.hang_up()
        await office.calls_over()
        call_id = office.record["call_id"]
        missing = await api.get(f"calls/{call_id}/recording")
        assert (missing.status_code, missing.json()) == (404, {"error": f"call {call_id} has no recording"})
        assert (await api.get(f"calls/{call_id}/journal")).status_code == 200
