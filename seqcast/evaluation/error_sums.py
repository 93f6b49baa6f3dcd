"""Errors of forecasts, summed per series and step in one pass; every measure is computed from these sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from seqcast.panel.arrays import BoolArray, FloatArray
from seqcast.results.forecast import Forecast, first_windows, interval


@dataclass(frozen=True, eq=False)
class ErrorSums:
    """Sums over the windows of each of N series, (N, H) each, of the values that were both observed and forecast."""

    possible: FloatArray
    """Number of all values, scored or not."""
    count: FloatArray
    """Number of scored values."""
    absolute: FloatArray
    """|e|, where e is the observed value minus the point forecast."""
    squared: FloatArray
    """e^2"""
    symmetric: FloatArray
    """200 |e| / (|y| + |forecast|), 0 where both are 0."""
    quantile_loss: FloatArray
    """Twice the quantile loss, mean over the forecast's quantiles; |e| for a forecast without quantiles."""
    magnitude: FloatArray
    """|y|"""
    covered: Mapping[str, FloatArray]
    """Number of values inside the interval, by its level in percent; empty for a forecast without quantiles."""

    def total(self) -> "ErrorSums":
        """(1, H) sums over all series."""
        plain = {name: getattr(self, name).sum(axis=0, keepdims=True) for name in _PLAIN}
        covered = {level: counts.sum(axis=0, keepdims=True) for level, counts in self.covered.items()}
        return ErrorSums(**plain, covered=covered)

    def plus(self, other: "ErrorSums") -> "ErrorSums":
        """The sums of both, row by row."""
        plain = {name: getattr(self, name) + getattr(other, name) for name in _PLAIN}
        covered = {level: counts + other.covered[level] for level, counts in self.covered.items()}
        return ErrorSums(**plain, covered=covered)


_PLAIN = tuple(each.name for each in fields(ErrorSums) if each.name != "covered")


def sum_errors(actuals: FloatArray, forecast: Forecast, levels: Sequence[float]) -> ErrorSums:
    """Sum the errors against `actuals` (W, H), NaN where not observed; series in the order of the forecast.

    Raises:
        UsageError: A level is not between 0 and 100.
    """
    assert actuals.shape == forecast.point.shape
    starts = first_windows(forecast.series_ids)
    scored = ~(np.isnan(actuals) | np.isnan(forecast.point))

    def total(values: FloatArray | BoolArray) -> FloatArray:
        return np.add.reduceat(np.where(scored, values, 0.0), starts, axis=0)

    covered = {}
    for level in levels if forecast.quantile_levels else ():
        low, high = interval(forecast, level)
        covered[f"{level:.10g}"] = total((low <= actuals) & (actuals <= high))
    errors = np.abs(actuals - forecast.point)
    sizes = np.abs(actuals) + np.abs(forecast.point)
    return ErrorSums(
        possible=np.add.reduceat(np.ones_like(actuals), starts, axis=0),
        count=total(scored),
        absolute=total(errors),
        squared=total(np.square(errors)),
        symmetric=total(np.divide(200 * errors, sizes, out=np.zeros_like(errors), where=sizes > 0)),
        quantile_loss=total(_quantile_loss(actuals, forecast)),
        magnitude=total(np.abs(actuals)),
        covered=covered,
    )


def _quantile_loss(actuals: FloatArray, forecast: Forecast) -> FloatArray:
    if not forecast.quantile_levels:
        return np.abs(actuals - forecast.point)
    total = np.zeros_like(actuals)
    for index, level in enumerate(forecast.quantile_levels):
        error = actuals - forecast.quantiles[:, :, index]
        total += np.maximum(level * error, (level - 1) * error)
    return 2 * total / len(forecast.quantile_levels)
