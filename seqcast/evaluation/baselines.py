"""Simple forecasts to compare with: the last value and the value one season ago, from rows before the origin only."""

from dataclasses import replace

import numpy as np

from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.panel import Panel
from seqcast.results.forecast import Forecast
from seqcast.results.origins import Origins


def naive(panel: Panel, origins: Origins, horizon: int) -> FloatArray:
    """(W, horizon) the last observed value before each origin; NaN if there is none."""
    return np.repeat(origins.newest_values(panel)[:, None], horizon, axis=1)


def seasonal_naive(panel: Panel, origins: Origins, horizon: int, season: int) -> FloatArray:
    """(W, horizon) the newest observed value before each origin at the same phase of the season, in steps.

    For a phase that was never observed it is the last observed value; NaN if there is none.
    """
    assert season >= 1
    positions = origins.positions[:, None] - season + np.arange(min(season, horizon))
    values = _newest_at_phase(panel, origins.series, positions, season)
    values = np.where(np.isnan(values), origins.newest_values(panel)[:, None], values)
    return values[:, np.arange(horizon) % season]


def point_forecast(like: Forecast, point: FloatArray) -> Forecast:
    """A forecast of the same windows by `point` (W, H), without quantiles."""
    return replace(
        like,
        point=point,
        quantile_levels=(),
        quantiles=np.empty((*point.shape, 0)),
        rolled_from_step=None,
        least=None,
        integer=False,
    )


def _newest_at_phase(panel: Panel, series: IntArray, positions: IntArray, season: int) -> FloatArray:
    """Values at `positions` (W, P) of the series, or whole seasons earlier if not observed; NaN if none is."""
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
