"""Tests of clocks of time zones against pandas and the standard library."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from seqcast.errors import UsageError
from seqcast.panel.clock import (
    COMMON_ZONES,
    Clock,
    find_zone,
    offset_name,
    offset_texts,
    to_utc,
    to_wall,
    unskipped,
    utc_offsets,
    wall_readings,
)
from seqcast.panel.frequency import Frequency, parse_frequency

HALF_HOURS = pd.date_range("2010-01-01", "2014-01-01", freq="30min", unit="us").to_numpy()


def at(*times: str) -> np.ndarray:
    return np.array(times, "datetime64[us]")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu", "+05:45"])
def test_the_clock_shows_what_pandas_says(zone: str) -> None:
    expected = pd.DatetimeIndex(HALF_HOURS).tz_localize("UTC").tz_convert(find_zone(zone)).tz_localize(None)
    wall = to_wall(zone, HALF_HOURS)
    assert (wall == expected.to_numpy()).all()
    readings = wall_readings(zone, wall)
    assert ((readings.first == HALF_HOURS) | (readings.second == HALF_HOURS)).all()
    assert not readings.is_skipped.any()


def test_times_far_away_and_before_zones_have_the_offset_of_their_rules() -> None:
    times = ["1700-05-01T12:00", "1945-06-01T12:00", "2500-07-01T12:00"]
    offsets = [datetime.fromisoformat(time).replace(tzinfo=ZoneInfo("Europe/Berlin")).utcoffset() for time in times]
    expected = [int(offset.total_seconds()) for offset in offsets if offset is not None]
    assert utc_offsets("Europe/Berlin", at(*times)).tolist() == expected
    assert np.isfinite(utc_offsets("Europe/Berlin", at("0000-01-01", "9999-12-31T23:59")).astype(float)).all()


def test_a_time_that_the_clock_skips_is_told_and_one_it_shows_twice_has_two_readings() -> None:
    found = wall_readings("Europe/Berlin", at("2024-03-31T02:30", "2024-10-27T02:30", "2024-07-01T12:00"))
    assert found.is_skipped.tolist() == [True, False, False]
    assert found.first.tolist() == at("2024-03-31T01:30", "2024-10-27T00:30", "2024-07-01T10:00").tolist()
    assert found.second[1:].tolist() == at("2024-10-27T01:30", "2024-07-01T10:00").tolist()


def test_a_day_whose_midnight_is_skipped_still_begins_at_midnight() -> None:
    days = at("2024-04-25", "2024-04-26", "2024-04-27")  # Cairo's clocks went forward at midnight of the 26th
    utc = to_utc("Africa/Cairo", days)
    assert to_wall("Africa/Cairo", utc)[1] == np.datetime64("2024-04-26T01:00")
    back = unskipped("Africa/Cairo", to_wall("Africa/Cairo", utc), utc, np.asarray(np.timedelta64(0, "us")))
    assert back.tolist() == days.tolist()


@pytest.mark.parametrize("name", ["", "Europe", "../../etc/passwd", "x" * 5000, "a\0b", "Mars/Base", "+25:00", "+1:00"])
def test_names_that_are_no_zones_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"--timezone .* is not a known time zone\. Give one such as Europe/Berlin"):
        find_zone(name)


def test_all_proposed_zones_exist() -> None:
    assert {str(find_zone(zone)) for zone in COMMON_ZONES} == set(COMMON_ZONES)


def test_offsets_are_written_with_minutes_and_with_seconds_where_there_are_any() -> None:
    assert [offset_name(minutes) for minutes in (0, 60, -210)] == ["UTC", "+01:00", "-03:30"]
    assert offset_texts(np.array([0, 7200, -12_600, 3208])) == ["+00:00", "+02:00", "-03:30", "+00:53:28"]


@pytest.mark.parametrize(
    ("clock", "time", "text"),
    [
        (Clock("Europe/Berlin", on_wall=False), "2024-03-31T01:00", "2024-03-31 03:00:00+02:00"),
        (Clock("Europe/Berlin", on_wall=True), "2024-03-31T00:00", "2024-03-31 00:00:00+01:00"),
        (Clock("+05:45", on_wall=True), "2024-03-31T00:00", "2024-03-31 00:00:00+05:45"),
        (None, "2024-03-31T00:00", "2024-03-31"),
    ],
)
def test_a_time_is_shown_with_its_offset(clock: Clock | None, time: str, text: str) -> None:
    assert Frequency("h", "microsecond", 3_600_000_000, clock=clock).show(at(time)[0]) == text


@pytest.mark.parametrize(("cutoff", "jump"), [("2024-03-31T12:00", -1), ("2024-10-27T12:00", 1)])
def test_lags_of_hours_follow_the_clock_over_its_changes(cutoff: str, jump: int) -> None:
    hourly = Frequency("h", "microsecond", 3_600_000_000, clock=Clock("Europe/Berlin", on_wall=False))
    past = hourly.lagged(at(cutoff), np.array([1, 24, 48]))
    assert (at(cutoff) - past).astype("timedelta64[h]").astype(int).tolist() == [0, 23 + jump, 47 + jump]
    assert hourly.wall(past)[1:].tolist() == (hourly.wall(at(cutoff)) - np.array([23, 47], "timedelta64[h]")).tolist()


def test_lags_without_a_clock_are_steps() -> None:
    assert parse_frequency("h").lagged(at("2024-03-31T12:00"), np.array([24]))[0] == np.datetime64("2024-03-30T13:00")
