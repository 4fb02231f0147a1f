"""`talkpath serve` as a process: how it drains, what it reloads, and what a kill leaves."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from gateway.call.commands import EndCall
from gateway.events import DigitPressed
from gateway.records.journal import read
from tests.fakes.processes import HAPPENS_WITHIN, NUMBER, command, journals, serving, steps_of, until, written
from tests.fakes.terse import ANSWER, GREETING, TerseBot

pytestmark = pytest.mark.asyncio
OTHER, THIRD = "+441632960001", "+441632960002"


def numbers(*called: str) -> dict[str, dict[str, str]]:
    return {number: {"bot": "reception"} for number in called}


async def test_reloads_by_both_ways_and_drains_at_the_first_signal(tmp_path: Path) -> None:
    async with TerseBot() as bot, serving(written(tmp_path, bot.url)) as gateway:
        async with gateway.called(OTHER) as refused:
            await refused.over()
            assert refused.line.heard() == []

        # by the API: a right configuration, then a wrong one
        written(tmp_path, bot.url, numbers=numbers(NUMBER, OTHER))
        assert await gateway.reload() == {"reloaded": True, "problems": [], "needs_restart": []}
        written(tmp_path, bot.url, numbers={NUMBER: {"bot": "nobody"}})
        wrong = await gateway.reload()
        assert (wrong["reloaded"], wrong["needs_restart"]) == (False, [])
        assert "nobody" in wrong["problems"][0]
        assert f"talkpath.yaml:1: numbers.{NUMBER}.bot" in wrong["problems"][0]

        # by the signal: a wrong one, then a right one
        gateway.signal(signal.SIGHUP)
        (logged,) = (await gateway.logs("configuration not reloaded", times=2))["problems"]
        assert "there is no bot 'nobody'" in logged
        async with gateway.called(OTHER) as caller:  # as the last right one says
            await caller.hears(GREETING)
        written(tmp_path, bot.url, numbers=numbers(NUMBER, THIRD))
        gateway.signal(signal.SIGHUP)
        await gateway.logs("configuration reloaded", times=2)
        async with gateway.called(OTHER) as refused:
            await refused.over()

        async with gateway.called(THIRD) as caller:
            await caller.hears(GREETING)
            gateway.signal(signal.SIGTERM)
            await gateway.logs("draining")
            assert await gateway.status("/health/ready") == 503
            assert await gateway.status("/health/live") == 200
            with pytest.raises(InvalidStatus) as late:
                async with gateway.called(THIRD):
                    pass
            assert late.value.response.status_code == 503
            await caller.press("12#")
            await caller.hears(ANSWER)
            await caller.hang_up()
        assert await gateway.ended() == 0
    assert "12" in bot.heard
    last = read(max(journals(tmp_path), key=lambda path: path.stat().st_mtime_ns))[1][-1]
    (end,) = [item for item in last.commands if isinstance(item, EndCall)]
    assert (end.outcome.result, end.outcome.by) == ("completed", "caller")


async def test_a_second_signal_ends_it_without_waiting_for_calls(tmp_path: Path) -> None:
    async with (
        TerseBot() as bot,
        serving(written(tmp_path, bot.url, server={"port": 0, "drain_timeout": 3600})) as gateway,
        gateway.called() as caller,
    ):
        await caller.hears(GREETING)
        gateway.signal(signal.SIGTERM)
        await gateway.logs("draining")
        gateway.signal(signal.SIGTERM)
        await caller.line.wait_until_over()
        assert await gateway.ended() == 0
    (journal,) = journals(tmp_path)
    assert (await command("replay", str(journal)))[0] == 0
    assert [step.event for step in steps_of(tmp_path)]


async def test_a_kill_loses_no_line_that_was_written_and_the_next_start_works_on_the_same_folder(
    tmp_path: Path,
) -> None:
    file = written(tmp_path, "")
    async with TerseBot() as bot:
        written(tmp_path, bot.url)
        async with serving(file) as gateway, gateway.called() as caller:
            await caller.hears(GREETING)
            await caller.press("12")
            await until(lambda: sum(isinstance(step.event, DigitPressed) for step in steps_of(tmp_path)) == 2)
            (call,) = await gateway.get("/api/calls")
            before = steps_of(tmp_path)
            gateway.signal(signal.SIGKILL)
            assert await gateway.ended() == -signal.SIGKILL
            assert (await caller.line.wait_until_over()).by == "failure"
        (journal,) = journals(tmp_path)
        assert steps_of(tmp_path)[: len(before)] == before

        code, out, errors = await command("replay", str(journal))
        assert (code, errors) == (0, "")
        assert f"{len(steps_of(tmp_path))} steps, 0 differences" in out
        whole = journal.read_bytes()
        journal.write_bytes(whole[: whole.rindex(b"{") + 7])  # killed in the middle of a line
        code, out, errors = await command("replay", str(journal))
        assert (code, errors) == (0, "")
        assert "0 differences" in out

        async with serving(file) as gateway:
            async with gateway.called() as caller:
                await caller.hears(GREETING)
            await gateway.logs("call ended")
            assert len(journals(tmp_path)) == 2
            kept: list[dict[str, Any]] = []
            async with asyncio.timeout(HAPPENS_WITHIN):
                while not kept:  # stored a moment after the call
                    kept = await gateway.get("/api/records")
            assert [record["call_id"] for record in kept] != [
                call["call_id"]
            ]  # that one never came to a record, only to a journal
            gateway.signal(signal.SIGTERM)
            assert await gateway.ended() == 0
