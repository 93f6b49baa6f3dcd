"""Forecasts of a trained model and the attention behind them, as plain arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from seqcast.errors import UsageError
from seqcast.panel.arrays import BoolArray, FloatArray, IntArray
from seqcast.panel.frequency import Frequency, TimeArray

MODEL = "seqcast"
"""Name of the trained model among other forecasters, and of its column in tables."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """Forecasts of W windows, H steps each, in the units of the data.

    Windows are sorted by series in input order, then by cutoff.
    """

    frequency: Frequency
    series_ids: tuple[str, ...]
    """(W,) series of each window; repeats when a series has several cutoffs."""
    cutoffs: TimeArray
    """(W,) last observed time of each window."""
    point: FloatArray
    """(W, H)"""
    quantile_levels: tuple[float, ...]
    """(Q,) increasing; empty when the model gives points only."""
    quantiles: FloatArray
    """(W, H, Q), not decreasing along Q."""
    rolled_from_step: int | None = None
    """First step (1-based) that was forecast from forecasts, because it lies beyond the trained horizon."""
    least: FloatArray | None = None
    """(W,) value that no outcome is below, -inf where there is none; None: outcomes may be anything."""
    integer: bool = False
    """Whether outcomes are whole numbers."""

    def __post_init__(self) -> None:
        assert self.point.shape == (len(self.series_ids), self.horizon)
        assert len(self.cutoffs) == len(self.series_ids)
        assert self.quantiles.shape == (*self.point.shape, len(self.quantile_levels))

    @property
    def horizon(self) -> int:
        return int(self.point.shape[1])

    def times(self) -> TimeArray:
        """(W, H) time of each forecast step."""
        return self.frequency.advance(self.cutoffs[:, None], np.arange(1, self.horizon + 1)[None, :])


def joined_forecasts(parts: Sequence[Forecast]) -> Forecast:
    """The forecasts of parts of a panel by one model, one part after the other."""
    least = [part.least for part in parts if part.least is not None]
    return replace(
        parts[0],
        series_ids=tuple(series for part in parts for series in part.series_ids),
        cutoffs=np.concatenate([part.cutoffs for part in parts]),
        point=np.concatenate([part.point for part in parts]),
        quantiles=np.concatenate([part.quantiles for part in parts]),
        least=np.concatenate(least) if least else None,
    )


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """Attention weights of W windows, H forecast steps and S context positions.

    Position 0 is the oldest, so `lag_origin` = S - position and `lag_target` = lag_origin + step - 1, with step from 1
    to H.
    """

    frequency: Frequency
    series_ids: tuple[str, ...]
    """(W,)"""
    cutoffs: TimeArray
    """(W,) last time of the context."""
    weights: NDArray[np.float32]
    """(W, H, S), summing to 1 over S."""
    observed: BoolArray
    """(W, S) False where the context value was missing or lies before the series begins."""
    values: FloatArray
    """(W, S) the context values in the units of the data; NaN where not observed."""
    point: FloatArray
    """(W, H) the forecast that was made with these weights."""

    def __post_init__(self) -> None:
        num_windows, horizon, context = self.weights.shape
        assert len(self.series_ids) == len(self.cutoffs) == num_windows
        assert self.observed.shape == self.values.shape == (num_windows, context)
        assert self.point.shape == (num_windows, horizon)

    @property
    def horizon(self) -> int:
        return int(self.weights.shape[1])

    @property
    def context(self) -> int:
        return int(self.weights.shape[2])


def first_windows(series_ids: Sequence[str]) -> IntArray:
    """(N,) index of the first window of each series, if the windows of a series are next to each other."""
    ids = np.array(series_ids, dtype=object)
    return np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))


def interval(forecast: Forecast, level: float) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bound, (W, H) each, of the central interval for `level` percent of the outcomes.

    Bounds between two quantiles of the forecast are interpolated on the normal-score scale, on which the quantiles of a
    normal distribution lie on a line. Bounds beyond the outermost quantile follow the line from the median through it.

    Raises:
        UsageError: The level is not between 0 and 100, or the forecast has too few quantiles.
    """
    if not 0 < level < 100:
        raise UsageError(f"An interval level must be between 0 and 100, got {level:g}.")
    tail = (1 - level / 100) / 2
    return quantile(forecast, tail), quantile(forecast, 1 - tail)


def quantile(forecast: Forecast, probability: float) -> FloatArray:
    """(W, H) the value that the outcome stays below with `probability`, interpolated as in `interval`.

    Raises:
        UsageError: The forecast has no quantile on the side of `probability`.
    """
    levels = np.array(forecast.quantile_levels)
    exact = np.flatnonzero(np.isclose(levels, probability, rtol=0, atol=1e-9))
    if len(exact):
        return possible(forecast, forecast.quantiles[:, :, exact[0]], probability)
    first, second = _line_through(levels, probability)
    if first == second:
        raise UsageError(
            f"This forecast has no quantiles to take the {probability:g} quantile from.",
            hint="Train with the quantile loss, or ask for no intervals.",
        )
    start, end, score = (NormalDist().inv_cdf(p) for p in (levels[first], levels[second], probability))
    low, high = forecast.quantiles[:, :, first], forecast.quantiles[:, :, second]
    return possible(forecast, low + (high - low) * ((score - start) / (end - start)), probability)


def possible(forecast: Forecast, values: FloatArray, probability: float) -> FloatArray:
    """(W, H) the quantiles of `probability` among possible outcomes.

    Whole numbers leave as many outcomes outside of an interval as there were: its bounds move inwards to the next
    whole number, but not beyond the point forecast.
    """
    if forecast.least is not None:
        values = np.maximum(values, forecast.least[:, None])
    if not forecast.integer:
        return values
    point = np.rint(forecast.point)
    if probability == 0.5:
        return np.rint(values)
    return np.minimum(np.ceil(values), point) if probability < 0.5 else np.maximum(np.floor(values), point)


def as_possible(forecast: Forecast) -> Forecast:
    """The forecast with a point among possible outcomes, and no quantile below the smallest one.

    Quantiles stay between whole numbers, so that others can be interpolated from them; `quantile` rounds.
    """
    quantiles = forecast.quantiles
    if forecast.least is not None:
        quantiles = np.maximum(quantiles, forecast.least[:, None, None])
    return replace(forecast, point=possible(forecast, forecast.point, 0.5), quantiles=quantiles)


def _line_through(levels: FloatArray, probability: float) -> tuple[int, int]:
    """Indices of the neighbouring levels, or of the median and the outermost level; equal if there are no such two."""
    above = int(np.searchsorted(levels, probability))
    if 0 < above < len(levels):
        return above - 1, above
    if len(levels) == 0:
        return 0, 0
    return int(np.argmin(np.abs(levels - 0.5))), 0 if above == 0 else len(levels) - 1
