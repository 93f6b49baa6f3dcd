"""Scores from sums of errors. The sums of groups of series add up, so that a long table is scored group by group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from seqcast.evaluation.error_sums import ErrorSums, sum_errors
from seqcast.evaluation.metrics import Metrics, ModelScores, Scores, SeasonalScales, ratio
from seqcast.panel.arrays import FloatArray
from seqcast.results.forecast import Forecast, first_windows


@dataclass(frozen=True, eq=False)
class ScaledSums:
    """Errors in units of the scale of their series: one row for each series, or one for all of them."""

    absolute: FloatArray
    """(N, H) sum of |e| over the absolute scale."""
    count: FloatArray
    """(N, H) number of values in `absolute`."""
    step_roots: FloatArray
    """(N, H) root of the mean e^2 at a step over the squared scale, 0 where it is undefined."""
    num_step_roots: FloatArray
    """(N, H) number of series in `step_roots`."""
    roots: FloatArray
    """(N, 1) root of the mean e^2 over the squared scale, 0 where it is undefined."""
    num_roots: FloatArray
    """(N, 1) number of series in `roots`."""

    @classmethod
    def of(cls, sums: ErrorSums, scales: SeasonalScales) -> Self:
        """One row for each series of the sums."""
        usable, squared = scales.usable[:, None], np.where(scales.usable, scales.squared, 0)[:, None]
        absolute = ratio(sums.absolute, np.where(usable, scales.absolute[:, None], 0))
        by_step = np.sqrt(ratio(ratio(sums.squared, sums.count), squared))
        whole = np.sqrt(ratio(ratio(sums.squared.sum(1), sums.count.sum(1))[:, None], squared))
        return cls(
            absolute=np.where(usable, absolute, 0),
            count=np.where(usable, sums.count, 0),
            step_roots=np.nan_to_num(by_step),
            num_step_roots=np.isfinite(by_step).astype(np.float64),
            roots=np.nan_to_num(whole),
            num_roots=np.isfinite(whole).astype(np.float64),
        )

    def total(self) -> "ScaledSums":
        """One row for all series."""
        return ScaledSums(**{name: values.sum(axis=0, keepdims=True) for name, values in vars(self).items()})

    def plus(self, other: "ScaledSums") -> "ScaledSums":
        """The sums of both, row by row."""
        return ScaledSums(**{name: values + getattr(other, name) for name, values in vars(self).items()})


@dataclass(frozen=True, eq=False)
class ModelSums:
    """The errors of one model on a group of series."""

    errors: ErrorSums
    """(1, H) over all series."""
    scaled: ScaledSums
    """(1, H) over all series."""
    by_series: Metrics
    """(N,)"""

    @classmethod
    def of(cls, sums: ErrorSums, scales: SeasonalScales) -> Self:
        """The sums over series of the sums (N, H) of each."""
        scaled = ScaledSums.of(sums, scales)
        return cls(sums.total(), scaled.total(), _metrics(sums, scaled, (1,)))


@dataclass(frozen=True, eq=False)
class ScoreSums:
    """The errors of several models on the windows of a group of series."""

    models: Mapping[str, ModelSums]
    series_ids: tuple[str, ...]
    season: int
    num_windows: int
    num_unscaled_series: int

    @classmethod
    def of(
        cls, actuals: FloatArray, forecasts: Mapping[str, Forecast], scales: SeasonalScales, levels: Sequence[float]
    ) -> Self:
        """The sums of forecasts by model name; arguments as `score`.

        Raises:
            UsageError: A level is not between 0 and 100.
        """
        first = next(iter(forecasts.values()))
        series_ids = tuple(first.series_ids[window] for window in first_windows(first.series_ids))
        own_scales = scales.take(series_ids)
        models = {}
        for name, forecast in forecasts.items():
            assert forecast.series_ids == first.series_ids, "models must forecast the same windows"
            models[name] = ModelSums.of(sum_errors(actuals, forecast, levels), own_scales)
        return cls(models, series_ids, scales.season, len(actuals), int(np.sum(~own_scales.usable)))


def score(
    actuals: FloatArray, forecasts: Mapping[str, Forecast], scales: SeasonalScales, levels: Sequence[float] = ()
) -> Scores:
    """Score forecasts of the same windows, by model name, against `actuals` (W, H), NaN where not observed.

    Every scored value has the same weight, except that rmsse is a mean over series. Values that are missing in
    `actuals` or in a model's forecast are left out and counted.

    Raises:
        UsageError: A level is not between 0 and 100.
    """
    return joined_scores([ScoreSums.of(actuals, forecasts, scales, levels)])


def joined_scores(groups: Sequence[ScoreSums]) -> Scores:
    """The scores of the same models on groups of series that have no series in common."""
    return Scores(
        models=tuple(_scores(name, [group.models[name] for group in groups]) for name in groups[0].models),
        series_ids=tuple(series for group in groups for series in group.series_ids),
        season=groups[0].season,
        num_windows=sum(group.num_windows for group in groups),
        num_unscaled_series=sum(group.num_unscaled_series for group in groups),
    )


def _scores(model: str, groups: Sequence[ModelSums]) -> ModelScores:
    errors, scaled = groups[0].errors, groups[0].scaled
    for group in groups[1:]:
        errors, scaled = errors.plus(group.errors), scaled.plus(group.scaled)
    num_values = int(errors.count.sum())
    return ModelScores(
        model=model,
        overall=_metrics(errors, scaled, (0, 1)),
        by_step=_metrics(errors, scaled, (0,)),
        by_series=Metrics.joined([group.by_series for group in groups]),
        num_values=num_values,
        num_unscored=int(errors.possible.sum()) - num_values,
    )


def _metrics(sums: ErrorSums, scaled: ScaledSums, axes: tuple[int, ...]) -> Metrics:
    """The measures over `axes`: 0 are the series, 1 the steps."""
    count = sums.count.sum(axes)
    mse = ratio(sums.squared.sum(axes), count)
    roots, num_roots = (scaled.roots, scaled.num_roots) if 1 in axes else (scaled.step_roots, scaled.num_step_roots)
    return Metrics(
        mae=ratio(sums.absolute.sum(axes), count),
        mse=mse,
        rmse=np.sqrt(mse),
        smape=ratio(sums.symmetric.sum(axes), count),
        mase=ratio(scaled.absolute.sum(axes), scaled.count.sum(axes)),
        rmsse=ratio(roots.sum(axes), num_roots.sum(axes)),
        wql=ratio(sums.quantile_loss.sum(axes), sums.magnitude.sum(axes)),
        coverage={level: ratio(covered.sum(axes), count) for level, covered in sums.covered.items()},
    )
