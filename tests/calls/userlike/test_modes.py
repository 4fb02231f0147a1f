"""Userlike's behaviour modes, as settings of the number: who gets the call, the bot or people."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.call import AnswerWhenSection
from config.hours import HoursSection
from gateway.clock import LoopClock
from gateway.lab.userlike import LabUserlike
from gateway.lab.userlike_bots import SHOP_WELCOME
from gateway.reception import Reception
from tests.fakes.office import Office
from tests.fakes.party import rings
from tests.fakes.userlike import userlike_office
from tests.fakes.virtual_loop import virtual_time

NOON = datetime.datetime(2026, 11, 20, 12, 0, tzinfo=datetime.UTC)
NIGHT = datetime.datetime(2026, 11, 20, 23, 0, tzinfo=datetime.UTC)
DAYTIME = HoursSection(weekly={"mon-fri": "09:00-18:00"})


class Day(LoopClock):
    def __init__(self, wall: datetime.datetime) -> None:
        self._wall = wall

    def wall(self) -> datetime.datetime:
        return self._wall


def follow(office: Office, wall: datetime.datetime, rule: AnswerWhenSection, *, is_free: bool) -> None:
    """Let the office's number follow a rule, on a day on which somebody is free or nobody."""

    async def ask(name: str, key: str, body: Mapping[str, Any]) -> Any:
        return {"free": is_free}

    settings = office.reception.house.settings
    changes = {"answer_when": rule, "hours": DAYTIME}
    numbers = {key: number.model_copy(update=changes) for key, number in settings.numbers.items()}
    house = replace(office.reception.house, settings=settings.model_copy(update={"numbers": numbers}))
    office.reception = Reception(house, replace(office.reception.equipment, clock=Day(wall), ask_hook=ask))


@pytest.mark.parametrize(
    ("mode", "wall", "is_free", "for_bot"),
    [
        pytest.param("always", NOON, True, True, id="firewall"),
        pytest.param("outside_hours", NOON, False, False, id="service_time_by_day"),
        pytest.param("outside_hours", NIGHT, True, True, id="service_time_at_night"),
        pytest.param("nobody_free", NOON, True, False, id="backup_while_somebody_is_free"),
        pytest.param("nobody_free", NOON, False, True, id="backup_while_nobody_is"),
        pytest.param("nobody_free", NIGHT, True, True, id="backup_at_night"),
    ],
)
@virtual_time
async def test_ul02_behaviour_modes(mode: Any, wall: Any, is_free: bool, for_bot: bool, tmp_path: Path) -> None:
    async with LabUserlike() as lab, userlike_office(tmp_path, lab) as office:
        follow(office, wall, AnswerWhenSection(mode=mode, hook="who", people="200"), is_free=is_free)
        async with rings(office) as caller:
            if for_bot:
                await caller.hears(SHOP_WELCOME)
            else:
                await caller.over()
    assert [target.target for target in caller.transfers] == ([] if for_bot else ["200"])
    assert len(lab.requests) == (1 if for_bot else 0)


@virtual_time
async def test_ul02_in_mode_human_the_bot_is_one_of_a_hunt_group_and_busy_when_its_slots_are_taken(
    tmp_path: Path,
) -> None:
    async with (
        LabUserlike() as lab,
        userlike_office(tmp_path, lab, slots=1, human="300") as office,
        rings(office, call_id="call-1") as first,
        rings(office, call_id="call-2") as second,
    ):
        await first.hears(SHOP_WELCOME)
        await second.over()
    assert [target.target for target in second.transfers] == ["300"]
    assert len(lab.requests) == 1
