"""Residuals of past forecasts: their distribution, their spread by forecast step, and how often each quantile held."""

from dataclasses import dataclass

import numpy as np

from seqcast.evaluation.backtest import Backtest
from seqcast.panel.arrays import FloatArray, IntArray

STEP_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Parts of the residuals of a forecast step below the numbers that show their spread."""
NUM_BINS = 41
"""Bins of the histogram; the middle one is around zero."""
SHOWN = 0.995
"""Part of the absolute residuals within the histogram."""


@dataclass(frozen=True, eq=False)
class Residuals:
    """Residuals, observed minus point forecast, of all windows of a backtest that were observed."""

    is_scaled: bool
    """Whether they are in units of the seasonal naive's error in the training part of each series, not of the data."""
    num_values: int
    edges: FloatArray
    """(bins + 1,) bounds of the bins, symmetric about zero."""
    counts: IntArray
    """(bins,) number of residuals in each bin."""
    by_step: FloatArray
    """(H, `STEP_QUANTILES`) quantiles of the residuals of each forecast step; NaN for a step without any."""
    levels: tuple[float, ...]
    """(Q,) the quantiles of the forecast."""
    share_below: FloatArray
    """(Q,) part of the observations that do not exceed each quantile."""


def residuals(done: Backtest) -> Residuals | None:
    """The residuals of a backtest; None if nothing was observed.

    They are scaled where every series has a scale and there are several, whose units may differ.
    """
    scales = done.scales.take(done.forecast.series_ids)
    is_scaled = len(done.scores.series_ids) > 1 and bool(scales.usable.all())
    values = done.actuals - done.forecast.point
    if is_scaled:
        values = values / scales.absolute[:, None]
    observed = np.isfinite(values)
    if not observed.any():
        return None
    edges = _edges(np.abs(values[observed]))
    quantiles = done.forecast.quantiles[observed]  # (values, Q)
    return Residuals(
        is_scaled=is_scaled,
        num_values=int(observed.sum()),
        edges=edges,
        counts=np.histogram(values[observed], edges)[0].astype(np.int64),
        by_step=_by_step(values),
        levels=done.forecast.quantile_levels,
        share_below=(done.actuals[observed][:, None] <= quantiles).mean(axis=0),
    )


def _edges(sizes: FloatArray) -> FloatArray:
    reach = float(np.quantile(sizes, SHOWN)) or float(sizes.max()) or 1.0
    return np.linspace(-reach, reach, NUM_BINS + 1)


def _by_step(values: FloatArray) -> FloatArray:
    found = np.full((values.shape[1], len(STEP_QUANTILES)), np.nan)
    for step, column in enumerate(values.T):
        seen = column[np.isfinite(column)]
        if len(seen):
            found[step] = np.quantile(seen, STEP_QUANTILES)
    return found
