from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqcast.config import DataConfig
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.seasonality import MOST_SERIES, autocorrelation
from seqcast.run.source import read_source
from tests.panels import make_panel, planted_series, waves


def lags_of(*args: object, **kwargs: object) -> list[int]:
    return [peak.lag for peak in autocorrelation(make_panel(*args, **kwargs)).peaks()]  # type: ignore[arg-type]


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


@pytest.mark.parametrize("values", [[1.0] * 50, [np.nan] * 50, [1.0, 2.0]], ids=["constant", "missing", "short"])
def test_series_without_changes_have_no_season(values: list[float]) -> None:
    assert lags_of([np.array(values)]) == []


def test_many_series_are_sampled() -> None:
    panel = make_panel(waves([61] * (MOST_SERIES + 7), period=7))
    assert [peak.lag for peak in autocorrelation(panel).peaks()] == [7]


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
    assert {peak.lag for peak in autocorrelation(panel).peaks()} == expected
