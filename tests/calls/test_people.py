"""Who answers: the bot, or the people behind the PBX, by opening hours and by who is free."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.call import AnswerWhenSection
from gateway.clock import LoopClock
from gateway.errors import VendorUnavailable
from gateway.lab.talkr_bot import BOTS
from gateway.reception import Reception
from tests.fakes.office import Office
from tests.fakes.party import BUSY, Party, rings
from tests.fakes.talkr_office import open_office
from tests.fakes.virtual_loop import virtual_time

GREETING = BOTS["en"].greeting
HOURS = {"time_zone": "Europe/Paris", "weekly": {"mon-fri": "09:00-18:00"}}
OPEN = datetime.datetime(2026, 11, 20, 9, 0, tzinfo=datetime.UTC)
CLOSED = datetime.datetime(2026, 11, 20, 19, 0, tzinfo=datetime.UTC)


class FixedClock(LoopClock):
    """The loop's time, on a certain day."""

    def __init__(self, wall: datetime.datetime) -> None:
        self._wall = wall

    def wall(self) -> datetime.datetime:
        return self._wall


class Service:
    """The operator's, which knows who is free."""

    def __init__(self, answer: Any = None, takes: float = 0.0) -> None:
        self.answer = answer
        self.takes = takes
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    async def __call__(self, name: str, key: str, body: Mapping[str, Any]) -> Any:
        self.asked.append((name, body))
        await asyncio.sleep(self.takes)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def conduct(mode: str, people: str | None = "200", **rule: Any) -> dict[str, Any]:
    answer_when = {"mode": mode, "people": people, **rule}
    return {"answer_when": answer_when, "hours": HOURS, "transfer": {"allow": ["2*"]}}


def at(office: Office, wall: datetime.datetime, service: Service | None = None) -> None:
    """Let an office have that time; and that service, which its number asks."""
    house = office.reception.house
    if service is not None:
        rule = AnswerWhenSection(mode="nobody_free", hook="desk", people="200")
        numbers = {
            key: number.model_copy(update={"answer_when": rule}) for key, number in house.settings.numbers.items()
        }
        house = replace(house, settings=house.settings.model_copy(update={"numbers": numbers}))
    equipment = replace(office.reception.equipment, clock=FixedClock(wall), ask_hook=service)
    office.reception = Reception(house, equipment)


async def bot_answers(caller: Party) -> None:
    await caller.hears(GREETING[:20])


@pytest.mark.parametrize(("wall", "for_people"), [(OPEN, True), (CLOSED, False)], ids=["open", "closed"])
@virtual_time
async def test_outside_hours_the_bot_answers_and_within_them_people(
    wall: datetime.datetime, for_people: bool, tmp_path: Path
) -> None:
    async with open_office(tmp_path, number=conduct("outside_hours")) as office:
        at(office, wall)
        async with rings(office) as caller:
            if for_people:
                await caller.over()
            else:
                await bot_answers(caller)
    assert [target.target for target in caller.transfers] == (["200"] if for_people else [])
    assert len(office.bot.requests) == (0 if for_people else 1)
    assert office.outcome[0] == ("transferred" if for_people else "abandoned")


@virtual_time
async def test_people_who_do_not_take_the_caller_leave_him_to_the_bot(tmp_path: Path) -> None:
    async with open_office(tmp_path, number=conduct("outside_hours")) as office:
        at(office, OPEN)
        async with rings(office, BUSY) as caller:
            await bot_answers(caller)
            assert [target.target for target in caller.transfers] == ["200"]
    assert len(office.bot.requests) == 1


@virtual_time
async def test_without_a_target_the_call_is_refused_and_the_pbx_goes_on(tmp_path: Path) -> None:
    async with open_office(tmp_path, number=conduct("outside_hours", people=None)) as office:
        at(office, OPEN)
        async with rings(office) as caller:
            await caller.over()
    assert (caller.hangup, caller.transfers, office.records) == ("busy", [], [])


@virtual_time
async def test_on_a_line_that_cannot_transfer_it_is_the_same(tmp_path: Path) -> None:
    async with open_office(tmp_path, number=conduct("outside_hours")) as office:
        at(office, OPEN)
        async with rings(office) as caller:
            caller.capabilities = replace(caller.capabilities, can_transfer=False)
            await caller.over()
    assert (caller.hangup, office.records) == ("busy", [])


@pytest.mark.parametrize(
    ("answer", "for_people"),
    [
        ({"free": True}, True),
        ({"free": False}, False),
        ({"free": "yes"}, False),
        ([], False),
        (VendorUnavailable("gone", vendor="hook"), False),
    ],
    ids=["free", "not_free", "strange", "nonsense", "gone"],
)
@virtual_time
async def test_the_bot_answers_where_nobody_is_free(answer: Any, for_people: bool, tmp_path: Path) -> None:
    service = Service(answer)
    async with open_office(tmp_path, number=conduct("always")) as office:
        at(office, OPEN, service)
        async with rings(office) as caller:
            if for_people:
                await caller.over()
            else:
                await bot_answers(caller)
    assert [name for name, _ in service.asked] == ["desk"]
    assert service.asked[0][1]["event"] == "availability"
    assert service.asked[0][1]["number"] == caller.info.called
    assert bool(caller.transfers) is for_people


@virtual_time
async def test_a_service_that_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    service = Service({"free": True}, takes=60.0)
    async with open_office(tmp_path, number=conduct("always")) as office:
        at(office, OPEN, service)
        async with rings(office) as caller:
            began = asyncio.get_running_loop().time()
            await bot_answers(caller)
            assert asyncio.get_running_loop().time() - began < 3
    assert caller.transfers == []


@virtual_time
async def test_while_closed_nobody_is_asked_who_is_free(tmp_path: Path) -> None:
    service = Service({"free": True})
    async with open_office(tmp_path, number=conduct("always")) as office:
        at(office, CLOSED, service)
        async with rings(office) as caller:
            await bot_answers(caller)
    assert service.asked == []


@virtual_time
async def test_a_caller_who_hangs_up_while_people_are_rung_is_no_failure(tmp_path: Path) -> None:
    async with open_office(tmp_path, number=conduct("outside_hours")) as office:
        at(office, OPEN)
        async with rings(office, BUSY) as caller:
            caller.transfer_takes = 10.0
            await caller.until(lambda: bool(caller.transfers))
            caller.close()
    assert office.outcome == ("abandoned", "caller")
    assert len(office.bot.requests) == 0
