"""Forecasts anyone can make, to compare with: the last value, and the value one season ago.

A window begins at an origin: the number of rows of its series that lie before the forecast. Nothing at or after the
origin is read.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seqcast.panel.panel import FloatArray, IntArray, Panel
from seqcast.results.forecast import Forecast

NAIVE = "naive"
SEASONAL_NAIVE = "seasonal_naive"


def naive(panel: Panel, series: IntArray, origins: IntArray, horizon: int) -> FloatArray:
    """(W, H) the last observed value before each origin; NaN where there is none.

    Args:
        panel: The series.
        series: (W,) index of each window's series.
        origins: (W,) rows of the series before the forecast, 0 to the length of the series.
        horizon: H, steps to forecast.
    """
    return np.repeat(_last_observed(panel, series, origins)[:, None], horizon, axis=1)


def seasonal_naive(panel: Panel, series: IntArray, origins: IntArray, horizon: int, season: int) -> FloatArray:
    """(W, H) the newest observed value before each origin at the same phase of the season.

    Where a phase was never observed, the last observed value; NaN where there is none.

    Args:
        panel: The series.
        series: (W,) index of each window's series.
        origins: (W,) rows of the series before the forecast, 0 to the length of the series.
        horizon: H, steps to forecast.
        season: Steps after which the series repeats itself.
    """
    assert season >= 1
    phases = np.arange(min(season, horizon))
    positions = origins[:, None] - season + phases
    values = _newest_at_phase(panel, series, positions, season)
    values = np.where(np.isnan(values), _last_observed(panel, series, origins)[:, None], values)
    return values[:, np.arange(horizon) % season]


def point_forecast(like: Forecast, point: FloatArray) -> Forecast:
    """A forecast of the same windows without quantiles; `point` is (W, H)."""
    return replace(like, point=point, quantile_levels=(), quantiles=np.empty((*point.shape, 0)), rolled_from_step=None)


def _last_observed(panel: Panel, series: IntArray, origins: IntArray) -> FloatArray:
    rows = np.where(np.isnan(panel.target), -1, np.arange(len(panel.target)))
    newest_row = np.concatenate([[-1], np.maximum.accumulate(rows)])
    found = newest_row[panel.offsets[series] + origins]
    # A row before the first of its own series belongs to the one before.
    own = found >= panel.offsets[series]
    return np.where(own, panel.target[found], np.nan)


def _newest_at_phase(panel: Panel, series: IntArray, positions: IntArray, season: int) -> FloatArray:
    """Values at `positions` (W, P) of the series, or whole seasons earlier until one is observed; NaN if none is."""
    values = np.full(positions.size, np.nan)
    starts = np.broadcast_to(panel.offsets[series][:, None], positions.shape).ravel()
    wanted = positions.flatten()
    cells = np.flatnonzero(wanted >= 0)
    while len(cells):
        values[cells] = panel.target[starts[cells] + wanted[cells]]
        cells = cells[np.isnan(values[cells])]
        wanted[cells] -= season
        cells = cells[wanted[cells] >= 0]
    return values.reshape(positions.shape)
