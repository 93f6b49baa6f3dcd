"""Test of whether the errors of one model are smaller than those of another by more than chance.

It is the test of Diebold and Mariano (1995) with the small-sample correction of Harvey, Leybourne and Newbold (1997) on
the scaled absolute error, whose mean is mase. In a panel the errors at one time are not independent, because all series
have the same weather and holidays; nor are the errors of one series. So, as in Timmermann and Zhu (2019), the
differences are summed over the series of each cutoff and tested. Then they are summed over the cutoffs of each series
and tested again. A difference counts if both tests agree, or the only one that has enough cutoffs or series.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from seqcast.evaluation.metrics import SeasonalScales
from seqcast.panel.arrays import FloatArray
from seqcast.panel.frequency import Frequency, TimeArray
from seqcast.results.forecast import Forecast

Measure = Literal["mase", "mae"]
SIGNIFICANCE = 0.05
"""Largest two-sided p-value that is not called a tie."""
FEWEST_UNITS = 5
"""Smallest number of series, or of cutoffs whose horizons do not overlap, for a test."""


@dataclass(frozen=True)
class Comparison:
    """The comparison of one model with another on the values that both forecast."""

    model: str
    against: str
    measure: Measure
    """mae if no series has a scale."""
    difference: float | None
    """Measure of the model minus that of the other, negative if the model is better; None without a common value."""
    p_value: float | None
    """The greater one of `p_value_over_cutoffs` and `p_value_over_series`; None if both are None."""
    p_value_over_cutoffs: float | None
    """None if fewer than `FEWEST_UNITS` cutoffs do not overlap."""
    p_value_over_series: float | None
    """None for fewer than `FEWEST_UNITS` series. With a single cutoff, series count as independent."""
    num_cutoffs: int
    num_series: int
    series_won: int
    """Number of series on which the model has the smaller error."""

    @property
    def verdict(self) -> Literal["better", "worse", "tie", "unclear"]:
        """`better` or `worse` beyond chance, a `tie`, or `unclear` if there are too few values for a test."""
        if self.p_value is None or self.difference is None:
            return "unclear"
        if self.p_value >= SIGNIFICANCE:
            return "tie"
        return "better" if self.difference < 0 else "worse"

    def as_dict(self) -> dict[str, object]:
        """The fields and the verdict under their names."""
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True, eq=False)
class _Differences:
    """Loss differences of two models, summed for the tests."""

    count: int
    by_series: FloatArray
    """(N,) sums of the series that have some."""
    cutoffs: TimeArray
    """(C,) sorted."""
    by_cutoff: FloatArray
    """(C,)"""

    @classmethod
    def of(cls, differences: FloatArray, like: Forecast) -> Self:
        """The sums of differences (W, H), NaN where there is none."""
        usable = np.isfinite(differences)
        windows = np.flatnonzero(usable.any(axis=1))
        sums = np.nansum(differences[windows], axis=1)
        series = np.unique(np.array(like.series_ids, dtype=object)[windows], return_inverse=True)[1]
        cutoff_times: NDArray[Any] = like.cutoffs[windows]
        cutoffs, cutoff = np.unique(cutoff_times, return_inverse=True)
        return cls(int(usable.sum()), _totals(series, sums), cutoffs, _totals(cutoff, sums))

    @classmethod
    def joined(cls, groups: Sequence[Self]) -> Self:
        """The sums of groups of series that have no series in common."""
        cutoffs, place = np.unique(np.concatenate([group.cutoffs for group in groups]), return_inverse=True)
        by_cutoff = _totals(place, np.concatenate([group.by_cutoff for group in groups]))
        by_series = np.concatenate([group.by_series for group in groups])
        return cls(sum(group.count for group in groups), by_series, cutoffs, by_cutoff)


@dataclass(frozen=True, eq=False)
class ComparisonSums:
    """A model compared with others on the windows of a group of series."""

    model: str
    frequency: Frequency
    horizon: int
    has_scale: bool
    """Whether some series has a scale."""
    differences: Mapping[str, Mapping[Measure, _Differences]]
    """By the name of the other model."""

    @classmethod
    def of(cls, actuals: FloatArray, forecasts: Mapping[str, Forecast], scales: SeasonalScales, model: str) -> Self:
        """The sums of the model and each of the others; arguments as `compare_models`."""
        own = forecasts[model]
        scale = scales.take(own.series_ids)
        units = {"mase": np.where(scale.usable, scale.absolute, np.nan)[:, None], "mae": np.ones((len(actuals), 1))}
        own_errors = np.abs(actuals - own.point)
        differences: dict[str, dict[Measure, _Differences]] = {}
        for name in [each for each in forecasts if each != model]:
            gained = own_errors - np.abs(actuals - forecasts[name].point)
            differences[name] = {
                measure: _Differences.of(gained / units[measure], own) for measure in get_args(Measure)
            }
        return cls(model, own.frequency, own.horizon, bool(scale.usable.any()), differences)


def compare_models(
    actuals: FloatArray, forecasts: Mapping[str, Forecast], scales: SeasonalScales, model: str
) -> tuple[Comparison, ...]:
    """Compare the model with each of the others; `actuals` is (W, H), NaN where not observed."""
    return joined_comparisons([ComparisonSums.of(actuals, forecasts, scales, model)])


def joined_comparisons(groups: Sequence[ComparisonSums]) -> tuple[Comparison, ...]:
    """The comparisons of the same models on groups of series that have no series in common."""
    measure: Measure = "mase" if any(group.has_scale for group in groups) else "mae"
    return tuple(
        _compare(groups[0], name, measure, _Differences.joined([group.differences[name][measure] for group in groups]))
        for name in groups[0].differences
    )


def _compare(like: ComparisonSums, against: str, measure: Measure, found: _Differences) -> Comparison:
    by_series, by_cutoff = (_means(sums, found.count) for sums in (found.by_series, found.by_cutoff))
    over_cutoffs = diebold_mariano(by_cutoff, most_overlapping(found.cutoffs, like.frequency, like.horizon))
    over_series = diebold_mariano(by_series)
    p_values = [p_value for p_value in (over_cutoffs, over_series) if p_value is not None]
    return Comparison(
        model=like.model,
        against=against,
        measure=measure,
        difference=float(found.by_series.sum()) / found.count if found.count else None,
        p_value=max(p_values, default=None),
        p_value_over_cutoffs=over_cutoffs,
        p_value_over_series=over_series,
        num_cutoffs=len(by_cutoff),
        num_series=len(by_series),
        series_won=int(np.sum(by_series < 0)),
    )


def _totals(clusters: NDArray[np.intp], sums: FloatArray) -> FloatArray:
    """The sum of each cluster."""
    return np.asarray(np.bincount(clusters, sums), np.float64)


def _means(totals: FloatArray, count: int) -> FloatArray:
    """The sum of each cluster, scaled so that the mean of the sums is the mean over all values."""
    return np.asarray(totals * (len(totals) / max(count, 1)), np.float64)


def most_overlapping(times: TimeArray, frequency: Frequency, horizon: int) -> int:
    """The largest number of cutoffs whose horizons all overlap; `times` are sorted."""
    ends = frequency.advance(times, np.full(len(times), horizon, np.int64))
    counts = np.searchsorted(times, ends, side="left") - np.arange(len(times))
    return int(counts.max(initial=1))


def diebold_mariano(differences: FloatArray, overlap: int = 1) -> float | None:
    """Two-sided p-value for a mean of zero; None if fewer than `FEWEST_UNITS` differences do not overlap.

    Args:
        differences: Loss differences in the order of time.
        overlap: h, the number of successive differences that depend on each other; 1: all are independent. The
            differences of an optimal forecast are a moving average of order h - 1, whose autocovariances are summed.
    """
    length = len(differences)
    if length < FEWEST_UNITS * overlap:
        return None
    mean, centred = float(differences.mean()), differences - differences.mean()
    covariances = [float(centred[lag:] @ centred[: length - lag]) / length for lag in range(overlap)]
    variance = covariances[0] + 2 * sum(covariances[1:])
    if variance <= 0:  # possible with equal weights, but not with Bartlett's (Newey and West 1987)
        variance = covariances[0] + 2 * sum((1 - lag / overlap) * c for lag, c in enumerate(covariances[1:], 1))
    if variance <= np.finfo(np.float64).eps * max(mean**2, np.finfo(np.float64).tiny):
        return 0.0 if mean else 1.0
    correction = (length + 1 - 2 * overlap + overlap * (overlap - 1) / length) / length
    statistic = mean / math.sqrt(variance / length) * math.sqrt(correction)
    from scipy.special import stdtr  # scipy.stats takes a second longer to import

    return float(2 * stdtr(length - 1, -abs(statistic)))
