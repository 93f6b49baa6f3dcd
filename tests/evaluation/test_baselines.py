from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcast.evaluation.baselines import naive, point_forecast, seasonal_naive
from seqcast.panel.arrays import FloatArray
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.panel import Panel
from seqcast.results.forecast import Forecast
from seqcast.results.origins import Origins
from tests.panels import make_panel

NAN = np.nan


def panel_of(*series: list[float]) -> Panel:
    return make_panel([np.array(values, np.float64) for values in series])


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
    return panel_of(*series), windows


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
    panel, origins = panel_of(list(np.arange(17.0))), Origins(np.array([0]), np.array([11]))
    changed = replace(panel, target=np.where(np.arange(17) < 11, panel.target, 999))
    assert np.array_equal(naive(panel, origins, 5), naive(changed, origins, 5))
    assert np.array_equal(seasonal_naive(panel, origins, 5, season), seasonal_naive(changed, origins, 5, season))


@pytest.mark.parametrize(
    ("values", "horizon", "expected"),
    [
        ([1, 2, 3, 4, 5], 7, [3, 4, 5, 3, 4, 5, 3]),
        ([1, 2, 3, NAN, 5, 6], 3, [1, 5, 6]),
        ([NAN, 2, 3, NAN, 5, 6], 3, [6, 5, 6]),
    ],
    ids=["a longer horizon repeats the season", "the season before", "the last value for a phase never observed"],
)
def test_a_seasonal_naive_value_is_the_newest_at_its_phase(
    values: list[float], horizon: int, expected: list[float]
) -> None:
    origins = Origins(np.array([0]), np.array([len(values)]))
    assert seasonal_naive(panel_of(values), origins, horizon, 3).tolist() == [expected]


def test_the_series_before_is_not_read() -> None:
    panel = panel_of([1, 2, 3], [NAN, 7])
    assert np.isnan(naive(panel, Origins(np.array([1, 1]), np.array([0, 1])), 2)).all()
    assert np.isnan(seasonal_naive(panel, Origins(np.array([1, 1]), np.array([0, 1])), 2, 2)).all()


def test_the_panel_is_not_changed() -> None:
    panel = panel_of([1, NAN, 3])
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
