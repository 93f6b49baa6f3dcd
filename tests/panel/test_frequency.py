"""Steps of time: arithmetic, aliases, seasons and words."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast.errors import DataError, UsageError
from seqcast.panel.frequency import Frequency, fixed_frequency, parse_frequency
from seqcast.panel.wording import show_time

ALIASES = [
    "h",
    "15min",
    "2h",
    "D",
    "3D",
    "W-SUN",
    "4W",
    "s",
    "250ms",
    "10us",
    "MS",
    "ME",
    "6MS",
    "QS-FEB",
    "QE-DEC",
    "YS-JAN",
    "YE-DEC",
    "MS@15",
    "QS-JAN@30",
    "B",
    "2B",
    "1",
    "10",
]


def _start(frequency: Frequency) -> np.ndarray:
    if frequency.unit == "integer":
        return np.array([5])
    start = np.datetime64("2023-03-01T05:30:00", "us")
    if frequency.unit == "month":
        day = min(frequency.anchor, 31)
        start = np.datetime64(f"2023-03-{day:02}T05:30:00", "us")
    return np.array([start])


def _day(text: str) -> np.ndarray:
    return np.array([text], "datetime64[us]")


@pytest.mark.parametrize("alias", ALIASES)
@settings(max_examples=20)
@given(steps=st.lists(st.integers(-700, 700), min_size=1, max_size=7))
def test_steps_between_undoes_advance(alias: str, steps: list[int]) -> None:
    frequency = parse_frequency(alias)
    taken = np.array(steps)
    assert frequency.steps_between(_start(frequency), frequency.advance(_start(frequency), taken)).tolist() == steps


@pytest.mark.parametrize("alias", ALIASES)
@settings(max_examples=20)
@given(first=st.integers(0, 100), second=st.integers(0, 100))
def test_advancing_twice_is_advancing_by_the_sum(alias: str, first: int, second: int) -> None:
    frequency = parse_frequency(alias)
    halfway = frequency.advance(_start(frequency), np.array([first]))
    end = frequency.advance(_start(frequency), np.array([first + second]))
    assert frequency.advance(halfway, np.array([second])).tolist() == end.tolist()


@pytest.mark.parametrize("alias", ["h", "15min", "D", "B", "MS", "ME", "QS-JAN", "QE-DEC", "YS-JAN", "YE-DEC", "W-SUN"])
def test_advance_agrees_with_the_pandas_date_range(alias: str) -> None:
    expected = pd.date_range("2023-01-01", periods=53, freq=alias).to_numpy().astype("datetime64[us]")
    assert np.array_equal(parse_frequency(alias).advance(expected[:1], np.arange(53)), expected)


@pytest.mark.parametrize(
    ("alias", "days"),
    [
        ("ME", ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]),
        ("MS@30", ["2023-01-30", "2023-02-28", "2023-03-30"]),
        ("B", ["2024-01-05", "2024-01-08", "2024-01-09"]),
    ],
)
def test_month_ends_days_of_month_and_business_days_are_kept(alias: str, days: list[str]) -> None:
    reached = parse_frequency(alias).advance(_day(days[0]), np.arange(len(days)))
    assert [str(day) for day in reached.astype("datetime64[D]")] == days


def test_the_arrays_of_advance_broadcast() -> None:
    starts = np.array(["2024-01-01", "2024-01-08"], "datetime64[us]")
    assert parse_frequency("D").advance(starts[:, None], np.arange(3)).shape == (2, 3)


@pytest.mark.parametrize(
    ("alias", "steps", "year"),
    [("D", 100_600, "2299"), ("MS", 12_000, "3024"), ("B", 100_000, "2407"), ("YS", 12_000, "14024")],
)
def test_steps_reach_far_years(alias: str, steps: int, year: str) -> None:
    time = parse_frequency(alias).advance(_day("2024-01-01"), np.array([steps]))
    assert str(time[0]).split("-")[0] == year


@pytest.mark.parametrize("alias", ["1000YS", "40000D", "99999999B"])
def test_steps_beyond_countable_times_are_refused(alias: str) -> None:
    frequency = parse_frequency(alias)
    with pytest.raises(
        DataError, match=rf"100,000 steps \({frequency.name}\) lead too far away for times to be counted"
    ):
        frequency.advance(_day("2024-01-01"), np.array([-1, 100_000]))


def test_nothing_advances_to_nothing() -> None:
    assert len(parse_frequency("D").advance(_day("2024-01-01")[:0], np.empty(0, np.int64))) == 0


@pytest.mark.parametrize(
    ("alias", "start", "time"),
    [
        ("h", "2024-01-01", "2024-01-01T00:30"),
        ("2h", "2024-01-01", "2024-01-01T01:00"),
        ("MS", "2024-01-01", "2024-01-02"),
        ("QS", "2024-01-01", "2024-02-01"),
        ("B", "2024-01-05", "2024-01-06"),
        ("2B", "2024-01-05", "2024-01-08"),
        ("B", "2024-01-05", "2024-01-08T06:00"),
    ],
)
def test_a_time_off_the_grid_is_refused(alias: str, start: str, time: str) -> None:
    frequency = parse_frequency(alias)
    with pytest.raises(DataError, match=re.escape(f"is not a whole number of steps ({frequency.name}) after {start}")):
        frequency.steps_between(_day(start), _day(time))


OLD_AND_NEW = (
    "H=h T=min S=s L=ms U=us 60min=h 24h=D M=ME Q=QE A=YE AS=YS Y=YE W=7D W-SUN=W-SUN A-DEC=YE-DEC Q-mar=QE-DEC "
    "QS-OCT=QS-JAN 12MS=YS 3M=QE 2QS-JAN=2QS-JAN 4W-WED=4W-WED 7D=7D 010=10"
)


@pytest.mark.parametrize("pair", [*OLD_AND_NEW.split(), " 15 min =15min"])
def test_old_and_new_aliases_mean_the_same(pair: str) -> None:
    given_alias, alias = pair.split("=")
    assert parse_frequency(given_alias).alias == alias


def test_an_integer_off_the_grid_is_refused() -> None:
    with pytest.raises(DataError, match=r"time 17 is not a whole number of steps \(integer steps of 5\) after 5\."):
        parse_frequency("5").steps_between(np.array([5]), np.array([10, 17]))


@pytest.mark.parametrize("alias", ALIASES)
def test_every_alias_reads_back_unchanged(alias: str) -> None:
    frequency = parse_frequency(alias)
    assert parse_frequency(frequency.alias) == frequency


REFUSED = {
    " is not a frequency. Use a pandas alias such as": (
        *("", "fortnight", "h-SUN", "W-JAN", "MS-JAN", "QS-XXX", "MS@0", "MS@32", "D@3", "-1h", "W@3", "1-SUN", "1.5h"),
    ),
    ": a step must be positive": ("0", "0h"),
    ": a step that long is not supported": ("99999999D", "99999999W", "99999YS"),
    ": steps below a microsecond are not supported": ("ns", "1000ns", "5N"),
}


@pytest.mark.parametrize(("alias", "why"), [(alias, why) for why, aliases in REFUSED.items() for alias in aliases])
def test_an_alias_that_is_no_step_is_refused(alias: str, why: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"--freq {alias!r}{why}")):
        parse_frequency(alias)


SEASONS = (
    "h 24 168, 30min 48 336, 5min 288 2016, min 1440 10080, s 60 3600, 7h 24, 12h 2 14, D 7, 2D, B 5, 2B, W-SUN 52, 2W, "
    "MS 12, 6MS 2, 5MS, QS 4, YS, 1, 100ms 600 36000"
)


@pytest.mark.parametrize("row", SEASONS.split(", "))
def test_seasons_follow_from_the_step(row: str) -> None:
    alias, *seasons = row.split()
    assert parse_frequency(alias).seasons == tuple(map(int, seasons))


# alias, number of steps, words
DURATIONS = """\
h 1 1 hour, h 24 1 day, h 168 1 week, h 37 1 day 13 hours, h 0 0 hours, h -25 -1 day 1 hour, 30min 3 1 hour 30 minutes,
30min 0 0 minutes, D 8 1 week 1 day, W-SUN 52 52 weeks, MS 12 1 year, MS 18 1 year 6 months, MS 3 3 months, QS 1 1 quarter,
QS 6 1 year 2 quarters, YS 2 2 years, B 5 5 business days, B 1 1 business day, 1 1 1 step, 10 37 37 steps,
250ms 5 1 second 250 milliseconds, us 1001 1 millisecond 1 microsecond, MS 0 0 months, 7 0 0 steps
"""


@pytest.mark.parametrize("row", DURATIONS.replace("\n", " ").split(", "))
def test_durations_are_said_as_a_person_would(row: str) -> None:
    alias, steps, words = row.strip().split(" ", 2)
    assert parse_frequency(alias).duration(int(steps)) == words


# alias, words
NAMES = """\
h hourly, 30min every 30 minutes, min every minute, s every second, D daily, 36h every 1 day 12 hours,
W-SUN weekly on Sundays, 7D weekly, 2W every 2 weeks, MS monthly at month start, ME monthly at month end,
MS@15 monthly on day 15, QS-JAN quarterly at month start, YE-DEC yearly at month end, 6MS every 6 months at month start,
B every business day, 2B every 2 business days, 1 integer steps, 10 integer steps of 10
"""


@pytest.mark.parametrize("row", NAMES.replace("\n", " ").split(", "))
def test_names_are_said_as_a_person_would(row: str) -> None:
    alias, name = row.strip().split(" ", 1)
    assert parse_frequency(alias).name == name


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (np.datetime64("2024-01-31", "us"), "2024-01-31"),
        (np.datetime64("2024-01-31T05:30", "s"), "2024-01-31 05:30:00"),
        (np.datetime64("2024-01-31T05:30:00.250", "us"), "2024-01-31 05:30:00.25"),
        (np.int64(7), "7"),
    ],
)
def test_times_are_shown_without_needless_zeros(time: np.datetime64 | np.int64, text: str) -> None:
    assert show_time(time) == text


def test_the_weekday_of_a_weekly_step_is_in_its_alias() -> None:
    assert fixed_frequency(7 * 86_400 * 10**6, weekday=2).alias == "W-WED"
