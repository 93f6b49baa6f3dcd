from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcast.evaluation.baselines import naive, point_forecast, seasonal_naive
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.panel import Covariates, FloatArray, Panel, Schema
from seqcast.results.forecast import Forecast
from seqcast.results.origins import Origins

NAN = np.nan


def make_panel(*series: list[float]) -> Panel:
    offsets = np.cumsum([0, *map(len, series)])
    rows = int(offsets[-1])
    return Panel(
        schema=Schema("long", "unique_id", "ds", ("y",)),
        frequency=parse_frequency("h"),
        series_ids=tuple(f"s{index}" for index in range(len(series))),
        starts=np.full(len(series), np.datetime64("2024-01-01", "us")),
        offsets=offsets,
        target=np.concatenate([np.array(values, dtype=np.float64) for values in series]),
        known=Covariates.empty(rows),
        past=Covariates.empty(rows),
        static=Covariates.empty(len(series)),
    )


def naive_loop(values: FloatArray, origin: int, horizon: int) -> list[float]:
    seen = [value for value in values[:origin] if not np.isnan(value)]
    return [seen[-1] if seen else NAN] * horizon


def seasonal_loop(values: FloatArray, origin: int, horizon: int, season: int) -> list[float]:
    forecast = []
    for step in range(horizon):
        phase = [values[at] for at in range(origin) if (origin + step - at) % season == 0]
        seen = [value for value in phase if not np.isnan(value)]
        forecast.append(seen[-1] if seen else naive_loop(values, origin, 1)[0])
    return forecast


values_or_gaps = st.lists(st.one_of(st.just(NAN), st.integers(-99, 99).map(float)), min_size=1, max_size=23)


@st.composite
def panels_and_origins(draw: st.DrawFn) -> tuple[Panel, list[tuple[int, int]]]:
    series = draw(st.lists(values_or_gaps, min_size=1, max_size=3))
    windows = [(index, draw(st.integers(0, len(values)))) for index, values in enumerate(series) for _ in range(2)]
    return make_panel(*series), windows


@given(case=panels_and_origins(), horizon=st.integers(1, 11), season=st.integers(1, 7))
def test_both_agree_with_a_plain_loop(case: tuple[Panel, list[tuple[int, int]]], horizon: int, season: int) -> None:
    panel, windows = case
    series, origins = (np.array(column) for column in zip(*windows, strict=True))
    by_last = naive(panel, Origins(series, origins), horizon)
    by_season = seasonal_naive(panel, Origins(series, origins), horizon, season)
    for window, (index, origin) in enumerate(windows):
        own = panel.target[panel.offsets[index] : panel.offsets[index + 1]]
        assert np.array_equal(by_last[window], naive_loop(own, origin, horizon), equal_nan=True)
        assert np.array_equal(by_season[window], seasonal_loop(own, origin, horizon, season), equal_nan=True)


@pytest.mark.parametrize("season", [1, 3])
def test_values_from_the_origin_on_change_nothing(season: int) -> None:
    values = np.arange(17.0)
    changed = values.copy()
    changed[11:] = 999
    first, second = (
        (
            naive(make_panel(list(series)), Origins(np.array([0]), np.array([11])), 5),
            seasonal_naive(make_panel(list(series)), Origins(np.array([0]), np.array([11])), 5, season),
        )
        for series in (values, changed)
    )
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


def test_the_season_repeats_over_a_longer_horizon() -> None:
    panel = make_panel([1, 2, 3, 4, 5])
    assert seasonal_naive(panel, Origins(np.array([0]), np.array([5])), 7, 3).tolist() == [[3, 4, 5, 3, 4, 5, 3]]


def test_a_missing_value_is_replaced_by_the_season_before() -> None:
    panel = make_panel([1, 2, 3, NAN, 5, 6])
    assert seasonal_naive(panel, Origins(np.array([0]), np.array([6])), 3, 3).tolist() == [[1, 5, 6]]


def test_a_phase_never_observed_gets_the_last_value() -> None:
    panel = make_panel([NAN, 2, 3, NAN, 5, 6])
    assert seasonal_naive(panel, Origins(np.array([0]), np.array([6])), 3, 3).tolist() == [[6, 5, 6]]


def test_the_series_before_is_not_read() -> None:
    panel = make_panel([1, 2, 3], [NAN, 7])
    assert np.isnan(naive(panel, Origins(np.array([1, 1]), np.array([0, 1])), 2)).all()
    assert np.isnan(seasonal_naive(panel, Origins(np.array([1, 1]), np.array([0, 1])), 2, 2)).all()


def test_the_panel_is_not_changed() -> None:
    panel = make_panel([1, NAN, 3])
    origins = np.array([3])
    seasonal_naive(panel, Origins(np.array([0]), origins), 5, 2)
    assert np.array_equal(panel.target, [1, NAN, 3], equal_nan=True)
    assert origins.tolist() == [3]


def test_a_baseline_becomes_a_forecast_of_the_same_windows() -> None:
    like = Forecast(
        parse_frequency("h"),
        ("a", "b"),
        np.array(["2024-01-01", "2024-01-02"], "datetime64[us]"),
        np.zeros((2, 3)),
        (0.5,),
        np.zeros((2, 3, 1)),
        rolled_from_step=2,
    )
    forecast = point_forecast(like, np.ones((2, 3)))
    assert forecast.point.tolist() == [[1, 1, 1], [1, 1, 1]]
    assert forecast.quantile_levels == ()
    assert forecast.series_ids == like.series_ids
    assert forecast.rolled_from_step is None
