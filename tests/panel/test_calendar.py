"""Calendar features: which cycles a frequency resolves, and where a time stands in them."""

import numpy as np
import pytest

from seqcast.panel.calendar import calendar_features, calendar_names, recurring_cycles, resolved_cycles
from seqcast.panel.frequency import parse_frequency

CYCLES = (
    "s hour day week year, 5min hour day week year, h day week year, D week month year, B week month year, W-SUN year, "
    "MS month-of-year, 6MS month-of-year, QS quarter-of-year, YS, 1, 100ms day week year"
)


@pytest.mark.parametrize("row", CYCLES.split(", "))
def test_a_frequency_has_the_cycles_it_resolves(row: str) -> None:
    alias, *cycles = row.split()
    assert resolved_cycles(parse_frequency(alias)) == tuple(cycles)


RECURRING = (
    "h 47, h 48 day, h 8640 day week, h 17520 day week year, D 60 week month, MS 23, MS 24 month-of-year, 1 10000"
)


@pytest.mark.parametrize("row", RECURRING.split(", "))
def test_a_cycle_recurs_when_it_comes_round_twice(row: str) -> None:
    alias, steps, *cycles = row.split()
    frequency = parse_frequency(alias)
    starts = np.array([0]) if frequency.unit == "integer" else np.array(["2023-01-01"], "datetime64[us]")
    assert recurring_cycles(frequency, starts, frequency.advance(starts, np.array([int(steps)]))) == tuple(cycles)


def test_a_cycle_has_a_sine_and_a_cosine() -> None:
    assert calendar_names(("day", "week")) == ("sin-day", "cos-day", "sin-week", "cos-week")


@pytest.mark.parametrize(
    ("alias", "cycle", "time", "share"),
    [
        ("min", "hour", "2024-01-01T05:15", 1 / 4),
        ("h", "day", "2024-01-01T18:00", 3 / 4),
        ("D", "week", "2024-01-01", 0),
        ("D", "week", "2024-01-07", 6 / 7),
        ("D", "month", "2024-02-15", 14 / 29),
        ("D", "year", "2023-02-01", 31 / 365),
        ("D", "week", "1969-12-31", 2 / 7),
        ("MS", "month-of-year", "2024-10-01", 9 / 12),
        ("QE", "quarter-of-year", "2024-06-30", 1 / 4),
    ],
)
def test_a_feature_is_the_angle_of_the_time_in_its_cycle(alias: str, cycle: str, time: str, share: float) -> None:
    cycles = resolved_cycles(parse_frequency(alias))
    features = calendar_features(cycles, np.array([time], "datetime64[us]"))[0]
    column = calendar_names(cycles).index(f"sin-{cycle}")
    expected = [np.sin(2 * np.pi * share), np.cos(2 * np.pi * share)]
    assert features[column : column + 2] == pytest.approx(expected, abs=1e-6)


def test_features_have_a_row_per_time_and_a_column_per_name() -> None:
    cycles = ("day", "week")
    times = np.datetime64("2024-01-01", "s") + np.arange(7) * np.timedelta64(3600, "s")
    features = calendar_features(cycles, times)
    assert features.shape == (7, len(calendar_names(cycles)))
    assert features.dtype == np.float32


def test_features_do_not_depend_on_the_unit_of_the_times() -> None:
    times = np.datetime64("2024-03-05", "s") + np.arange(5) * np.timedelta64(60, "s")
    cycles = resolved_cycles(parse_frequency("min"))
    in_microseconds = calendar_features(cycles, times.astype("datetime64[us]"))
    assert np.array_equal(calendar_features(cycles, times), in_microseconds)


def test_features_stay_within_one() -> None:
    times = np.datetime64("1999-12-31", "s") + np.arange(731) * np.timedelta64(86_400, "s")
    assert np.abs(calendar_features(("week", "month", "year"), times)).max() <= 1


def test_no_cycle_is_no_feature() -> None:
    assert calendar_features((), np.arange(11)).shape == (11, 0)
