from pathlib import Path

import numpy as np
import pytest

from seqcast.config import DataConfig
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.seasonality import MOST_SERIES, autocorrelation, summarise
from seqcast.run.source import read_source
from tests.panels import make_panel, planted_series, waves

HOURLY = parse_frequency("h")


def lags_of(*args: object, **kwargs: object) -> list[int]:
    return list(autocorrelation(make_panel(*args, **kwargs)).peaks())  # type: ignore[arg-type]


def test_a_season_is_found_and_its_multiples_are_not_seasons_of_their_own() -> None:
    assert lags_of(waves((211, 197), period=7)) == [7]


def test_a_week_within_days_is_found_beside_them() -> None:
    steps = np.arange(24 * 7 * 6)
    random = np.random.default_rng(0)
    workday = (steps // 24) % 7 < 5
    values = 10 * np.sin(2 * np.pi * steps / 24) * np.where(workday, 1, 0.3) + random.normal(0, 0.5, len(steps))
    assert sorted(lags_of([values], frequency=parse_frequency("h"))) == [24, 168]


def test_planted_lags_are_found_and_their_sum_is_not() -> None:
    assert sorted(lags_of(planted_series(11, 307, (7, 11)))) == [7, 11]


@pytest.mark.parametrize("seed", range(5))
def test_noise_repeats_after_no_lag(seed: int) -> None:
    assert lags_of([np.random.default_rng(seed).normal(size=499)]) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_random_walk_repeats_after_no_lag(seed: int) -> None:
    assert lags_of([np.random.default_rng(seed).normal(size=499).cumsum()]) == []


def test_a_trend_hides_no_season() -> None:
    assert lags_of([values + 3.0 * np.arange(len(values)) for values in waves((211,), period=7)]) == [7]


def test_missing_values_take_no_part() -> None:
    values = waves((503,), period=7)[0]
    values[np.random.default_rng(0).random(503) < 0.1] = np.nan
    assert lags_of([values]) == [7]


def test_it_is_the_textbook_autocorrelation_of_the_changes() -> None:
    values = np.random.default_rng(0).normal(size=53)
    panel = make_panel([values], frequency=parse_frequency("1"))
    changes = np.diff(values) - np.diff(values).mean()
    expected = [(changes[lag:] * changes[: len(changes) - lag]).mean() / changes.var() for lag in range(17)]
    assert np.allclose(autocorrelation(panel).values[:17], expected)


@pytest.mark.parametrize(
    "values",
    [[1.0] * 99, [0.0] * 99, [np.nan] * 99, [1.0, 2.0] + [np.nan] * 97, [1.0, 2.0]],
    ids=["constant", "zero", "missing", "two values", "short"],
)
def test_series_without_changes_have_no_season(values: list[float]) -> None:
    panel = make_panel([np.array(values)], frequency=HOURLY)
    assert (autocorrelation(panel).peaks(), summarise(panel).seasons[0].autocorrelation) == ((), None)


@pytest.mark.parametrize("size", [2.0**-990, 2.0**900])
def test_values_of_any_size_are_measured_alike(size: float) -> None:
    wave = waves((211,), period=7)[0]
    small, large = (autocorrelation(make_panel([values])).values for values in (wave, size * wave))
    assert np.array_equal(small, large, equal_nan=True)


def test_many_series_are_sampled() -> None:
    panel = make_panel(waves([61] * (MOST_SERIES + 7), period=7))
    assert autocorrelation(panel).peaks() == (7,)


@pytest.mark.parametrize(
    ("name", "columns", "expected"),
    [
        ("ETTh1.csv", {}, {24}),
        ("m4_hourly.csv.gz", {}, {24, 168}),
        ("vic_elec_30min.csv.gz", {"target": ("demand",)}, {48, 336}),
        ("sunspots_monthly.csv", {}, set()),
        ("air_passengers.csv", {}, {12}),
        ("exchange_rate.csv", {}, set()),
    ],
)
def test_the_seasons_of_real_data_are_found_and_none_is_invented(
    name: str, columns: dict[str, tuple[str, ...]], expected: set[int], shared_data: Path
) -> None:
    panel = read_source(str(shared_data / name), DataConfig().model_copy(update=columns)).panel
    assert set(autocorrelation(panel).peaks()) == expected


def test_the_summary_counts_steps_series_and_missing_values() -> None:
    series = [np.arange(7.0), np.arange(5.0), np.arange(11.0)]
    series[1][[2, 3]] = np.nan
    summary = summarise(make_panel(series))
    assert (summary.num_series, summary.num_rows, summary.num_missing) == (3, 23, 2)
    assert (summary.shortest, summary.median_length, summary.longest) == (5, 7.0, 11)


def test_the_summary_has_the_first_and_the_last_time_of_all_series() -> None:
    starts = np.array(["2024-01-05", "2024-01-01", "2024-01-03"], "datetime64[us]")
    summary = summarise(make_panel([np.arange(7.0), np.arange(2.0), np.arange(3.0)], starts=starts))
    assert (summary.first_time, summary.last_time) == ("2024-01-01", "2024-01-11")
    assert (summary.latest_start, summary.earliest_end) == ("2024-01-05", "2024-01-02")


def test_the_summary_measures_the_seasons_of_the_frequency_by_the_autocorrelation() -> None:
    panel = make_panel([np.sin(2 * np.pi * np.arange(241) / 24)], frequency=HOURLY)
    day, week = summarise(panel).seasons
    assert (day.season, day.duration, day.autocorrelation) == (24, "1 day", autocorrelation(panel).values[24])
    assert day.autocorrelation == pytest.approx(1, abs=0.05)
    assert (week.season, week.duration, week.autocorrelation) == (168, "1 week", None)


def test_a_frequency_without_seasons_has_none_to_measure() -> None:
    assert summarise(make_panel([np.arange(9.0)], frequency=parse_frequency("YS"))).seasons == ()
