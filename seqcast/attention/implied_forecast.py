"""The forecast that attention alone would make: the attended values, weighted, beside the model's and the naive one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from seqcast.evaluation.baselines import seasonal_naive
from seqcast.panel.frequency import TimeArray
from seqcast.panel.panel import FloatArray, Panel
from seqcast.panel.wording import show_time
from seqcast.results.forecast import AttentionMap


@dataclass(frozen=True, eq=False)
class ImpliedForecast:
    """Sum over s of a_ts y_s for the newest window of the first series, and how far it is from the forecast overall."""

    series_id: str
    cutoff: TimeArray
    """(1,) last observed time of that window."""
    times: TimeArray
    """(H,)"""
    implied: FloatArray
    """(H,) NaN where nothing was observed."""
    forecast: FloatArray
    """(H,)"""
    seasonal_naive: FloatArray
    """(H,)"""
    explained: float | None
    """Part of the variance of the forecasts of all windows, each around the mean of its context, that the attended
    values have too: 1 - sum (forecast - implied)^2 / sum (forecast - mean)^2. None where forecasts do not vary."""

    def as_dict(self) -> dict[str, object]:
        """The numbers of the printed table under the same names."""
        columns = zip(self.times, self.implied, self.forecast, self.seasonal_naive, strict=True)
        steps = [
            {
                "ds": show_time(time).replace(" ", "T"),
                "attention_implied": _or_none(implied),
                "seqcast": _or_none(forecast),
                "seasonal_naive": _or_none(naive),
            }
            for time, implied, forecast, naive in columns
        ]
        cutoff = show_time(self.cutoff[0]).replace(" ", "T")
        return {"unique_id": self.series_id, "cutoff": cutoff, "explained": self.explained, "steps": steps}


@dataclass(frozen=True, eq=False)
class _Window:
    """What is kept of the window that is shown."""

    series_id: str
    cutoff: TimeArray
    """(1,)"""
    implied: FloatArray
    forecast: FloatArray


class ImpliedSums:
    """Takes in maps as they stream by and keeps the newest window of the first series, and two sums."""

    def __init__(self, panel: Panel, season: int) -> None:
        self._panel, self._season = panel, season
        self._shown: _Window | None = None
        self._between, self._around = 0.0, 0.0

    def watch(self, maps: Iterable[AttentionMap]) -> Iterator[AttentionMap]:
        """The same maps, looked at in passing."""
        for attention in maps:
            self._add(attention)
            yield attention

    def result(self) -> ImpliedForecast:
        """What was found; at least one window must have passed."""
        assert self._shown is not None, "no attention map has passed"
        shown, panel = self._shown, self._panel
        index, horizon = np.array([panel.series_ids.index(shown.series_id)]), len(shown.forecast)
        origin = panel.frequency.steps_between(panel.starts[index], shown.cutoff) + 1
        naive = seasonal_naive(panel, index, origin, horizon, self._season)
        return ImpliedForecast(
            series_id=shown.series_id,
            cutoff=shown.cutoff,
            times=panel.frequency.advance(shown.cutoff, np.arange(1, horizon + 1)),
            implied=shown.implied,
            forecast=shown.forecast,
            seasonal_naive=naive[0],
            explained=1 - self._between / self._around if self._around > 0 else None,
        )

    def _add(self, attention: AttentionMap) -> None:
        implied = implied_values(attention)
        first = attention.series_ids[0] if self._shown is None else self._shown.series_id
        of_first = [window for window, series in enumerate(attention.series_ids) if series == first]
        if of_first:
            newest = of_first[-1]
            cutoff = attention.cutoffs[newest : newest + 1]
            self._shown = _Window(first, cutoff, implied[newest], attention.point[newest])
        level = _mean_seen(attention.values)[:, None]
        between, around = attention.point - implied, attention.point - level
        usable = np.isfinite(between) & np.isfinite(around)
        self._between += float(np.square(between[usable]).sum())
        self._around += float(np.square(around[usable]).sum())


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


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
