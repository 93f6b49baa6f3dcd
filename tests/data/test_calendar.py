"""Calendar features: which cycles a frequency resolves, and where a time stands in them."""

from __future__ import annotations

import numpy as np
import pytest

from seqcast.data.calendar import calendar_features, calendar_names
from seqcast.data.frequency import parse_frequency


@pytest.mark.parametrize(
    ("alias", "cycles"),
    [
        ("s", ["hour", "day", "week", "year"]),
        ("5min", ["hour", "day", "week", "year"]),
        ("h", ["day", "week", "year"]),
        ("D", ["week", "month", "year"]),
        ("B", ["week", "month", "year"]),
        ("W-SUN", ["year"]),
        ("MS", ["month-of-year"]),
        ("6MS", ["month-of-year"]),
        ("QS", ["quarter-of-year"]),
        ("YS", []),
        ("1", []),
        ("100ms", ["day", "week", "year"]),
    ],
)
def test_a_frequency_has_the_cycles_it_resolves(alias: str, cycles: list[str]) -> None:
    expected = tuple(f"{wave}-{cycle}" for cycle in cycles for wave in ("sin", "cos"))
    assert calendar_names(parse_frequency(alias)) == expected


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
    frequency = parse_frequency(alias)
    features = calendar_features(frequency, np.array([time], "datetime64[ns]"))[0]
    column = calendar_names(frequency).index(f"sin-{cycle}")
    expected = [np.sin(2 * np.pi * share), np.cos(2 * np.pi * share)]
    assert features[column : column + 2] == pytest.approx(expected, abs=1e-6)


def test_features_have_a_row_per_time_and_a_column_per_name() -> None:
    frequency = parse_frequency("h")
    times = np.datetime64("2024-01-01", "s") + np.arange(7) * np.timedelta64(3600, "s")
    features = calendar_features(frequency, times)
    assert features.shape == (7, len(calendar_names(frequency)))
    assert features.dtype == np.float32


def test_features_do_not_depend_on_the_unit_of_the_times() -> None:
    times = np.datetime64("2024-03-05", "s") + np.arange(5) * np.timedelta64(60, "s")
    frequency = parse_frequency("min")
    in_nanoseconds = calendar_features(frequency, times.astype("datetime64[ns]"))
    assert np.array_equal(calendar_features(frequency, times), in_nanoseconds)


def test_features_stay_within_one() -> None:
    times = np.datetime64("1999-12-31", "s") + np.arange(731) * np.timedelta64(86_400, "s")
    assert np.abs(calendar_features(parse_frequency("D"), times)).max() <= 1


def test_integer_steps_have_no_features() -> None:
    assert calendar_features(parse_frequency("1"), np.arange(11)).shape == (11, 0)
