"""Mean and scale of each series of a panel, also where its own rows do not show them.

A series that training saw keeps its fitted numbers. Its own history decides where it is new, or where it is far from
what training saw (other units, another level). As far as that history is short, the scale is drawn towards the usual
one of the panel: the geometric mean of the scales, or of scale / |level| where that differs less between series.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from seqcast.panel.arrays import BoolArray, FloatArray, IntArray
from seqcast.panel.panel import Panel
from seqcast.tensors.scaling import Moments, PanelScalers, fit_target, leading_rows

FEWEST_ROWS, MOST_ROWS = 10, 100
"""Observed rows from which a scale is trusted: two seasons, but at least and at most so many."""
FAR_LEVEL = 10.0
"""Distance of a level from that in training, in the greater of the two scales, from which it counts as another one."""
FAR_SCALE = 20.0
"""Ratio of a scale to that in training from which it counts as another one."""
SMALLEST_SCALE = float(np.finfo(np.float64).tiny)


def rows_for_scale(season: int) -> int:
    """Observed rows from which a scale is trusted."""
    return min(max(FEWEST_ROWS, 2 * season), MOST_ROWS)


@dataclass(frozen=True)
class PanelScale:
    """The usual scale of the series of a panel."""

    log_scale: float
    """Mean logarithm of the scale."""
    log_ratio: float
    """Mean logarithm of scale / |mean|."""
    is_relative: bool
    """Whether the scale follows the level of a series."""
    num_series: int
    """Series that these means rest on."""

    @classmethod
    def of(cls, moments: Moments, fewest_rows: int) -> Self:
        """The usual scale of series with moments; constant series, and very short ones beside others, say nothing."""
        lively = moments.variance > 0
        if (lively & (moments.count >= fewest_rows)).any():
            lively &= moments.count >= fewest_rows
        if not lively.any():
            return cls(0.0, 0.0, is_relative=True, num_series=0)
        log_scale = np.log(moments.scale[lively])
        log_ratio = log_scale - np.log(np.maximum(np.abs(moments.mean[lively]), SMALLEST_SCALE))
        follows = log_ratio.std() <= log_scale.std() and np.median(log_ratio) < 0
        return cls(float(log_scale.mean()), float(log_ratio.mean()), bool(follows), len(log_scale))

    def at(self, level: FloatArray) -> FloatArray:
        """The usual scale of series at the given levels."""
        return self._relative(level) if self.is_relative else np.full(level.shape, np.exp(self.log_scale))

    def of_constant(self, level: FloatArray) -> FloatArray:
        """The scale by which to judge series that never moved: no larger than their level suggests."""
        absolute = np.full(level.shape, np.exp(self.log_scale))
        return np.where(
            level == 0, absolute, np.minimum(self._relative(level), absolute if self.num_series else np.inf)
        )

    def without(self, scale: FloatArray, level: FloatArray) -> FloatArray:
        """(series,) the usual scale of the other series, as each of the series behind these means would find it."""
        own = np.log(scale) - (np.log(np.maximum(np.abs(level), SMALLEST_SCALE)) if self.is_relative else 0.0)
        usual = self.log_ratio if self.is_relative else self.log_scale
        if self.num_series < 2:
            return self.at(level)
        others = (self.num_series * usual - own) / (self.num_series - 1)
        usual_scale: FloatArray = np.exp(others) * (np.abs(level) if self.is_relative else 1.0)
        return usual_scale

    def _relative(self, level: FloatArray) -> FloatArray:
        with np.errstate(over="ignore", under="ignore"):
            scale = np.exp(self.log_ratio) * np.abs(level)
        relative: FloatArray = np.where(level == 0, np.exp(self.log_scale), np.clip(scale, SMALLEST_SCALE, 1e300))
        return relative


@dataclass(frozen=True, eq=False)
class SeriesScales:
    """The numbers by which targets are scaled: (value - mean) / scale; (series,) each."""

    mean: FloatArray
    scale: FloatArray
    is_known: BoolArray
    """False where a series has so few rows that its scale rests on that of the panel."""
    has_moved: BoolArray
    """True where a series that training saw is far from what it was then, and is scaled by its own history."""


def series_scales(
    scalers: PanelScalers, panel: Panel, series_map: IntArray | None = None, ends: IntArray | None = None
) -> SeriesScales:
    """The scales of a panel's series.

    Args:
        scalers: Fitted on the panel of the run.
        panel: That panel, or another one.
        series_map: (series,) position of each series of `panel` in the run's panel, -1 where the run never saw it;
            None when it is the run's own panel.
        ends: (series,) how many leading rows of a series may be looked at; None for all.
    """
    series_map = np.arange(panel.num_series) if series_map is None else series_map
    fewest = rows_for_scale(panel.frequency.seasons[0] if panel.frequency.seasons else 1)
    usual = PanelScale.of(scalers.target, fewest)
    own = fit_target(panel, leading_rows(panel, panel.lengths if ends is None else ends))
    fitted = scalers.target.take(series_map)
    is_fitted = (series_map >= 0) & (fitted.count > 0)
    fitted_scale, own_scale = trusted_scale(fitted, usual, fewest), trusted_scale(own, usual, fewest)
    has_moved = is_fitted & (own.count > 0) & _is_far(own, own_scale, fitted, fitted_scale, fewest)
    use_fitted = is_fitted & ~has_moved
    return SeriesScales(
        mean=np.where(use_fitted, fitted.mean, own.mean),
        scale=np.where(use_fitted, fitted_scale, own_scale),
        is_known=np.where(use_fitted, fitted.count, own.count) >= fewest,
        has_moved=has_moved,
    )


def trusted_scale(moments: Moments, usual: PanelScale, fewest_rows: int) -> FloatArray:
    """(series,) scales, drawn towards the usual one as far as rows are missing to `fewest_rows`."""
    missing = np.clip(1 - moments.count / fewest_rows, 0, 1)
    deviation = np.sqrt(moments.variance)
    blended = np.hypot(np.sqrt(1 - missing) * deviation, np.sqrt(missing) * usual.at(moments.mean))
    constant = usual.of_constant(moments.mean)
    scale = np.where(missing > 0, blended, np.where(moments.variance > 0, moments.scale, constant))
    return np.maximum(scale, SMALLEST_SCALE)


def _is_far(
    own: Moments, own_scale: FloatArray, fitted: Moments, fitted_scale: FloatArray, fewest_rows: int
) -> BoolArray:
    with np.errstate(over="ignore"):
        moved = np.abs(own.mean - fitted.mean) > FAR_LEVEL * np.maximum(own_scale, fitted_scale)
        ratio = own_scale / fitted_scale
    measured = (own.count >= fewest_rows) & (own.variance > 0)
    is_far: BoolArray = moved | (measured & ((ratio > FAR_SCALE) | (ratio < 1 / FAR_SCALE)))
    return is_far
