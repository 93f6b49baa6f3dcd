"""Measures of forecasts against what was observed: overall, by forecast step and by series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from seqcast.panel.arrays import BoolArray, FloatArray, IntArray
from seqcast.panel.panel import Panel

MEASURES = ("mae", "mse", "rmse", "smape", "mase", "rmsse", "wql")
"""Fields of `Metrics` that hold one number per group."""
SPREAD = (0.1, 0.5, 0.9)
"""Parts of all series below the numbers that show how coverage spreads over them."""
MOST_SERIES = 1000
"""Number of series whose scores are listed one by one. Those of others follow from the backtest table."""


@dataclass(frozen=True, eq=False)
class SeasonalScales:
    """The errors of the seasonal naive in the training part of each series, which are the units of mase and rmsse."""

    season: int
    series_ids: tuple[str, ...]
    absolute: FloatArray
    """(series,) mean |y_t - y_{t - season}|; NaN if no such pair was observed."""
    squared: FloatArray
    """(series,) mean (y_t - y_{t - season})^2; NaN if no such pair was observed."""

    def take(self, series_ids: Sequence[str]) -> Self:
        """The scales of the given series, in the given order."""
        row_of_series = {series: row for row, series in enumerate(self.series_ids)}
        rows = [row_of_series[series] for series in series_ids]
        return replace(self, series_ids=tuple(series_ids), absolute=self.absolute[rows], squared=self.squared[rows])

    @property
    def usable(self) -> BoolArray:
        """(series,) False if the training part is too short, or repeats itself exactly."""
        return np.nan_to_num(self.absolute) > 0


def seasonal_scales(panel: Panel, train_lengths: IntArray, season: int) -> SeasonalScales:
    """The scales of the first `train_lengths` (series,) rows of each series, without pairs with a missing value."""
    assert season >= 1
    series = panel.series_of_row
    positions = np.arange(len(series)) - panel.offsets[series]
    rows = np.flatnonzero((positions >= season) & (positions < train_lengths[series]))
    differences = panel.target[rows] - panel.target[rows - season]
    observed = ~np.isnan(differences)
    owners, differences = series[rows][observed], differences[observed]
    counts = np.bincount(owners, minlength=panel.num_series)
    absolute = np.bincount(owners, np.abs(differences), panel.num_series)
    squared = np.bincount(owners, np.square(differences), panel.num_series)
    return SeasonalScales(season, panel.series_ids, ratio(absolute, counts), ratio(squared, counts))


@dataclass(frozen=True, eq=False)
class Metrics:
    """The measures of one model over all forecasts (shape ()), by step (H,) or by series (N,).

    NaN for a group that has nothing to score.
    """

    mae: FloatArray
    mse: FloatArray
    rmse: FloatArray
    smape: FloatArray
    """Mean of 200 |e| / (|y| + |forecast|), from 0 to 200, as in the M4 competition."""
    mase: FloatArray
    """Mean of |e| over the absolute scale of the series (Hyndman & Koehler 2006)."""
    rmsse: FloatArray
    """Root of the mean of e^2 over the squared scale of the series, mean over series (M5 competition)."""
    wql: FloatArray
    """Twice the quantile loss over the sum of |y|, mean over the forecast's quantiles (Rangapuram et al. 2021).

    For a forecast without quantiles it is sum |e| / sum |y|, as if the forecast were certain.
    """
    coverage: Mapping[str, FloatArray]
    """Share of observations inside the interval, by its level in percent; empty for a forecast without quantiles."""

    @classmethod
    def joined(cls, groups: Sequence[Self]) -> Self:
        """The measures (N,) of groups of series, end to end."""
        plain = {name: np.concatenate([getattr(group, name) for group in groups]) for name in MEASURES}
        levels = groups[0].coverage
        return cls(
            **plain, coverage={each: np.concatenate([group.coverage[each] for group in groups]) for each in levels}
        )

    def record(self, group: int | tuple[()]) -> dict[str, object]:
        """The numbers of one group by name, None for NaN."""
        plain: dict[str, object] = {name: _number(getattr(self, name)[group]) for name in MEASURES}
        return {**plain, "coverage": {level: _number(share[group]) for level, share in self.coverage.items()}}


@dataclass(frozen=True, eq=False)
class ModelScores:
    """The scores of one model."""

    model: str
    overall: Metrics
    """Shape ()."""
    by_step: Metrics
    """(H,)"""
    by_series: Metrics
    """(N,) in the order of `Scores.series_ids`."""
    num_values: int
    """Number of scored values."""
    num_unscored: int
    """Number of values that are left out because they, or their forecasts, are missing."""

    def coverage_spread(self, level: str) -> tuple[float, float, float]:
        """Coverage of the series at a tenth, the half and nine tenths of all scored ones; NaN without any."""
        shares = self.by_series.coverage[level]
        shares = shares[~np.isnan(shares)]
        low, middle, high = np.quantile(shares, SPREAD) if len(shares) else np.full(3, np.nan)
        return float(low), float(middle), float(high)


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of several models on the same windows."""

    models: tuple[ModelScores, ...]
    series_ids: tuple[str, ...]
    season: int
    """Season of the scales of mase and rmsse, in steps."""
    num_windows: int
    num_unscaled_series: int
    """Number of series without a usable scale, which are left out of mase and rmsse."""

    def of(self, model: str) -> ModelScores:
        return next(scores for scores in self.models if scores.model == model)

    def skill(self, model: str, reference: str) -> float:
        """1 - error / error of the reference, by mase, or by mae if no series has a scale; NaN if undefined."""
        ours, theirs = self.of(model).overall, self.of(reference).overall
        measure = "mae" if np.isnan(theirs.mase) else "mase"
        base = float(getattr(theirs, measure))
        return 1 - float(getattr(ours, measure)) / base if base > 0 else float("nan")

    def as_dict(self, reference: str | None = None, most_series: int = MOST_SERIES) -> dict[str, object]:
        """The measures of each model, overall, `by_step` (from 1 on) and `by_series`, of the first `most_series`.

        With a `reference` there is the `skill` relative to the error of that model.
        """
        return {scores.model: self._document(scores, reference, most_series) for scores in self.models}

    def _document(self, scores: ModelScores, reference: str | None, most_series: int) -> dict[str, object]:
        skill = {} if reference is None else {"skill": _number(np.float64(self.skill(scores.model, reference)))}
        steps, names = range(len(scores.by_step.mae)), self.series_ids[:most_series]
        return {
            **scores.overall.record(()),
            **skill,
            "coverage_spread": {
                level: [_number(np.float64(share)) for share in scores.coverage_spread(level)]
                for level in scores.overall.coverage
            },
            "num_values": scores.num_values,
            "num_unscored": scores.num_unscored,
            "by_step": [{"step": step + 1, **scores.by_step.record(step)} for step in steps],
            "by_series": [{"unique_id": name, **scores.by_series.record(row)} for row, name in enumerate(names)],
        }


def ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> FloatArray:
    """The ratio of each element; NaN where the denominator is not positive."""
    top, bottom = np.broadcast_arrays(np.asarray(numerator, np.float64), denominator)
    result: FloatArray = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
    return result


def _number(value: FloatArray | np.float64) -> float | None:
    return None if np.isnan(value) else float(value)
