"""The forecast implied by attention alone: the weighted attended values, beside the model's and the naive forecast."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from seqcast.config import SEASONAL_NAIVE
from seqcast.evaluation.baselines import seasonal_naive
from seqcast.panel.arrays import FloatArray
from seqcast.panel.frequency import Frequency, TimeArray
from seqcast.panel.panel import Panel
from seqcast.results.forecast import MODEL, AttentionMap
from seqcast.results.origins import Origins


@dataclass(frozen=True, eq=False)
class ImpliedForecast:
    """The newest window of the first series, and how much of all forecasts the attended values explain."""

    series_id: str
    frequency: Frequency
    cutoff: TimeArray
    """(1,) last observed time of the window."""
    times: TimeArray
    """(H,)"""
    implied: FloatArray
    """(H,) sum over s of a_ts y_s; NaN if nothing was observed."""
    forecast: FloatArray
    """(H,)"""
    seasonal_naive: FloatArray
    """(H,)"""
    explained: float | None = None
    """1 - sum (forecast - implied)^2 / sum (forecast - mean of the context)^2 over all windows; None if the forecasts
    do not vary."""

    def as_dict(self) -> dict[str, object]:
        """The numbers of the printed table under the same names."""
        columns = {"attention_implied": self.implied, MODEL: self.forecast, SEASONAL_NAIVE: self.seasonal_naive}
        steps = [
            {"ds": self.frequency.iso(time)}
            | {name: float(row[step]) if np.isfinite(row[step]) else None for name, row in columns.items()}
            for step, time in enumerate(self.times)
        ]
        cutoff = self.frequency.iso(self.cutoff[0])
        return {"unique_id": self.series_id, "cutoff": cutoff, "explained": self.explained, "steps": steps}


@dataclass(frozen=True, eq=False)
class ImpliedTotals:
    """The sums over the windows of some series, and the newest window of the first series."""

    shown: ImpliedForecast
    between: float
    """Sum of (forecast - implied)^2."""
    around: float
    """Sum of (forecast - mean of the context)^2."""

    def plus(self, other: "ImpliedTotals") -> "ImpliedTotals":
        """The sums over both; `other` is about later series."""
        return ImpliedTotals(self.shown, self.between + other.between, self.around + other.around)

    def result(self) -> ImpliedForecast:
        """The implied forecast."""
        return replace(self.shown, explained=1 - self.between / self.around if self.around > 0 else None)


class ImpliedSums:
    """Two sums over streaming attention maps, and the newest window of the first series."""

    def __init__(self, panel: Panel, season: int) -> None:
        self._panel, self._season = panel, season
        self._shown: ImpliedForecast | None = None
        self._between, self._around = 0.0, 0.0

    def watch(self, maps: Iterable[AttentionMap]) -> Iterator[AttentionMap]:
        """Yield the same maps and add each of them."""
        for attention in maps:
            self._add(attention)
            yield attention

    def totals(self) -> ImpliedTotals:
        """The sums so far; at least one window must have passed."""
        assert self._shown is not None, "no attention map has passed"
        return ImpliedTotals(self._shown, self._between, self._around)

    def result(self) -> ImpliedForecast:
        """The implied forecast; at least one window must have passed."""
        return self.totals().result()

    def _add(self, attention: AttentionMap) -> None:
        implied = implied_values(attention)
        first = attention.series_ids[0] if self._shown is None else self._shown.series_id
        of_first = [window for window, series in enumerate(attention.series_ids) if series == first]
        if of_first:
            self._shown = self._window(attention, implied, of_first[-1])
        level = _mean_seen(attention.values)[:, None]
        between, around = attention.point - implied, attention.point - level
        usable = np.isfinite(between) & np.isfinite(around)
        self._between += float(np.square(between[usable]).sum())
        self._around += float(np.square(around[usable]).sum())

    def _window(self, attention: AttentionMap, implied: FloatArray, window: int) -> ImpliedForecast:
        series_id, cutoff, frequency = attention.series_ids[window], attention.cutoffs[[window]], attention.frequency
        series = np.array([self._panel.series_ids.index(series_id)])
        origins = Origins(series, frequency.steps_between(self._panel.starts[series], cutoff) + 1)
        return ImpliedForecast(
            series_id=series_id,
            frequency=frequency,
            cutoff=cutoff,
            times=frequency.advance(cutoff, np.arange(1, attention.horizon + 1)),
            implied=implied[window],
            forecast=attention.point[window],
            seasonal_naive=seasonal_naive(self._panel, origins, attention.horizon, self._season)[0],
        )


def implied_values(attention: AttentionMap) -> FloatArray:
    """(W, H) sum over s of a_ts y_s over observed steps, whose weights sum to 1; NaN for a window without any."""
    values = np.where(attention.observed, attention.values, 0.0)
    implied: FloatArray = np.einsum("wts,ws->wt", attention.weights, values)
    implied[~attention.observed.any(axis=1)] = np.nan
    return implied


def _mean_seen(values: FloatArray) -> FloatArray:
    seen = np.isfinite(values)
    mean: FloatArray = np.where(seen, values, 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    return mean
