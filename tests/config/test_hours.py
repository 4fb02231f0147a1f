"""Opening hours: weeks, holidays, midnight, time zones."""

from __future__ import annotations

import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from config.hours import HoursSection

OFFICE = HoursSection(
    time_zone="Europe/Paris",
    weekly={"mon-fri": ["09:00-12:30", "14:00-18:00"], "sat": "9.30-12:00"},
    holidays={"2026-12-24": "09:00-12:00", "12-25": [], "2027-12-25": "10:00-11:00"},
)


def at(text: str, zone: str = "Europe/Paris") -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-20T08:59", False),  # a Friday
        ("2026-11-20T09:00", True),
        ("2026-11-20T12:29:59", True),
        ("2026-11-20T12:30", False),
        ("2026-11-20T13:59", False),
        ("2026-11-20T14:00", True),
        ("2026-11-20T17:59", True),
        ("2026-11-20T18:00", False),
        ("2026-11-21T09:29", False),  # Saturday
        ("2026-11-21T09:30", True),
        ("2026-11-22T10:00", False),  # Sunday
        ("2026-12-24T11:00", True),
        ("2026-12-24T15:00", False),
        ("2026-12-25T10:00", False),
        ("2028-12-25T10:00", False),
        ("2027-12-25T10:30", True),  # the date with its year goes before the one without
        ("2026-12-26T10:00", True),
    ],
)
def test_a_week_and_its_holidays(moment: str, is_open: bool) -> None:
    assert OFFICE.is_open(at(moment)) is is_open


def test_it_is_the_hours_own_zone_that_counts() -> None:
    assert OFFICE.is_open(datetime.datetime(2026, 11, 20, 8, 30, tzinfo=datetime.UTC))
    assert OFFICE.is_open(datetime.datetime(2026, 7, 3, 7, 0, tzinfo=datetime.UTC))  # in summer an hour earlier
    assert not OFFICE.is_open(datetime.datetime(2026, 7, 3, 6, 59, tzinfo=datetime.UTC))
    assert not OFFICE.is_open(at("2026-11-20T09:00", "Asia/Tokyo"))


def test_a_span_past_midnight_belongs_to_the_day_it_begins_on() -> None:
    night = HoursSection(weekly={"fri": "22:00-06:00"}, holidays=["2026-11-27"])
    assert [night.is_open(at(moment, "UTC")) for moment in ("2026-11-20T21:59", "2026-11-20T22:00")] == [False, True]
    assert [night.is_open(at(moment, "UTC")) for moment in ("2026-11-21T05:59", "2026-11-21T06:00")] == [True, False]
    assert not night.is_open(at("2026-11-20T03:00", "UTC"))  # nothing began on Thursday
    assert not night.is_open(at("2026-11-28T03:00", "UTC"))  # Friday was a holiday


def test_days_that_go_round_the_weekend_and_whole_days() -> None:
    hours = HoursSection(weekly={"sat-mon": "00:00-24:00", "wed,thu": "08:00-09:00"})
    opened = [hours.is_open(at(f"2026-11-{day}T08:30", "UTC")) for day in range(16, 23)]
    assert opened == [True, False, True, True, False, True, True]  # from Monday on


@given(st.datetimes(min_value=datetime.datetime(2000, 1, 1), max_value=datetime.datetime(2050, 1, 1)))
def test_always_and_never(moment: datetime.datetime) -> None:
    now = moment.replace(tzinfo=datetime.UTC)
    assert HoursSection(time_zone="America/New_York", weekly={"mon-sun": "00:00-24:00"}).is_open(now)
    assert not HoursSection().is_open(now)
    assert not HoursSection().is_known


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Paris"},
        {"time_zone": "../etc/passwd"},
        {"weekly": {"mon": "nine to five"}},
        {"weekly": {"mon": "09:00-09:00"}},
        {"weekly": {"mon": "24:00-25:00"}},
        {"weekly": {"mon": "10:00-24:30"}},
        {"weekly": {"monkey business": "09:00-10:00"}},
        {"weekly": {"mon-xyz": "09:00-10:00"}},
        {"holidays": ["25.12."]},
        {"holidays": ["2026-02-30"]},
        {"holidays": {"12-24": "noon"}},
    ],
)
def test_what_cannot_be_read_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HoursSection(**wrong)


def test_the_29th_of_february_is_a_day() -> None:
    assert HoursSection(holidays=["02-29"]).holidays == {"02-29": ()}
