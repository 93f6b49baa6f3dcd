"""Models, future tables and comparisons for tests of forecasts."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seqcast.panel.frequency import Frequency, parse_frequency
from seqcast.panel.panel import Panel
from seqcast.panel.schema import Schema
from seqcast.reading.data_frames import table_from_frame
from seqcast.reading.table import Table
from seqcast.results.forecast import AttentionMap, Forecast
from seqcast.run.load import TrainedModel
from tests.panels import full_panel, random_model, small_config, wave_panel

HOURLY = parse_frequency("h")
SCHEMA = Schema("long", "shop", "day", ("sold",))
LEVELS = (0.1, 0.5, 0.9)
FIRST_CUTOFF = np.datetime64("2024-02-29T22", "us")


def model_of(panel: Panel, **sections: dict[str, Any]) -> TrainedModel:
    return random_model(panel, small_config(**sections))


@cache
def wave_model() -> TrainedModel:
    return model_of(wave_panel())


@cache
def full_model() -> TrainedModel:
    return model_of(full_panel())


def changed(panel: Panel, rows: Any, amount: float = 3.0) -> Panel:
    target = panel.target.copy()
    target[rows] = np.nan_to_num(target[rows]) + amount
    return replace(panel, target=target)


def future_table(panel: Panel, num_steps: int) -> Table:
    """Known covariates of the steps after the end of every series."""
    steps = np.arange(num_steps)
    frames = []
    for number in range(panel.num_series):
        times = panel.times(np.full(num_steps, number), panel.lengths[number] + steps)
        price = 3 + np.sin(steps + number)
        kind = [("a", "b", "c")[step % 3] for step in steps]
        frames.append(
            pd.DataFrame({"unique_id": panel.series_ids[number], "ds": times, "price": price, "price kind": kind})
        )
    return table_from_frame(pd.concat(frames))


def make_map(
    weights: NDArray[np.floating],
    ids: Sequence[str] | None = None,
    observed: NDArray[np.bool_] | None = None,
    frequency: Frequency = HOURLY,
    start: np.datetime64 | int = FIRST_CUTOFF,
) -> AttentionMap:
    """Attention of windows whose cutoffs are a step apart, as though every observed value were 1."""
    num_windows, horizon, context = weights.shape
    seen = np.ones((num_windows, context), bool) if observed is None else observed
    return AttentionMap(
        frequency=frequency,
        series_ids=tuple(ids or (f"s{window}" for window in range(num_windows))),
        cutoffs=frequency.advance(np.array([start]), np.arange(num_windows)),
        weights=weights.astype(np.float32),
        observed=seen,
        values=np.where(seen, 1.0, np.nan),
        point=np.zeros((num_windows, horizon)),
    )


def make_forecast(
    ids: tuple[str, ...] = ("b", "a"), alias: str = "h", start: str = "2024-01-01", levels: tuple[float, ...] = LEVELS
) -> Forecast:
    point = np.arange(len(ids) * 3, dtype=np.float64).reshape(len(ids), 3)
    offsets = np.array([-1.0, 0.0, 2.0])[: len(levels)]
    return Forecast(
        frequency=parse_frequency(alias),
        series_ids=ids,
        cutoffs=np.full(len(ids), np.datetime64(start, "us")),
        point=point,
        quantile_levels=levels,
        quantiles=point[:, :, None] + offsets,
    )


def make_attention(num_windows: int = 2, horizon: int = 3, context: int = 5, seed: int = 0) -> AttentionMap:
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(context), size=(num_windows, horizon)).astype(np.float32)
    observed = rng.random((num_windows, context)) > 0.3
    return AttentionMap(
        frequency=parse_frequency("h"),
        series_ids=tuple("xyz"[window % 3] for window in range(num_windows)),
        cutoffs=np.datetime64("2024-01-01T07", "us") + np.arange(num_windows).astype("timedelta64[D]"),
        weights=weights,
        observed=observed,
        values=np.where(observed, 1.0, np.nan),
        point=np.zeros((num_windows, horizon)),
    )


def assert_same(found: Forecast, expected: Forecast) -> None:
    np.testing.assert_array_equal(found.point, expected.point)
    np.testing.assert_array_equal(found.quantiles, expected.quantiles)
    np.testing.assert_array_equal(found.cutoffs, expected.cutoffs)
    assert found.series_ids == expected.series_ids
