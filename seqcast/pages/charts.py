"""The numbers of a chart of one series: its history, past and future forecasts, and the attention on its past."""

from dataclasses import dataclass, replace

import numpy as np

from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.frequency import TimeArray
from seqcast.panel.panel import Panel
from seqcast.results.forecast import AttentionMap, Forecast, interval

MOST_HISTORY = 600
"""Past steps of a chart, at most, unless the forecast is longer."""
HORIZONS_SHOWN = 3
"""Least length of the history, in horizons."""
SEASONS_SHOWN = 2
"""Least length of the history, in seasons."""


@dataclass(frozen=True, eq=False)
class Interval:
    """The bounds of an interval, (H,) each."""

    level: float
    """In percent."""
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, eq=False)
class Fan:
    """A forecast of H steps and its intervals, the widest first."""

    times: TimeArray
    """(H,)"""
    point: FloatArray
    intervals: tuple[Interval, ...]


@dataclass(frozen=True, eq=False)
class ForecastChart:
    """What is drawn of one series."""

    name: str
    times: TimeArray
    """(T,) times of the history."""
    history: FloatArray
    """(T,) NaN where not observed."""
    ahead: Fan | None
    """The forecast after the end of the series."""
    past: tuple[Fan, ...]
    """Forecasts of the past that lie within the history, oldest first."""
    attended_times: TimeArray
    """(S,) past steps that `ahead` attends to; empty if that is not known."""
    weights: FloatArray
    """(S,) part of the attention on each of these steps, mean over the forecast steps."""


@dataclass(frozen=True, eq=False)
class Forecasts:
    """All that is known of the series of a panel."""

    panel: Panel
    season: int
    levels: tuple[float, ...]
    """Levels of the intervals in percent."""
    ahead: Forecast | None = None
    past: Forecast | None = None
    attention: tuple[AttentionMap, ...] = ()

    def chart(self, series: int) -> ForecastChart:
        """The chart of the series with this index in the panel."""
        name, panel = self.panel.series_ids[series], self.panel
        ahead, past = _windows_of(self.ahead, name), _windows_of(self.past, name)
        end = self._end(series, ahead)
        shown = min(end, self._history_length(len(past)))
        rows = slice(int(panel.offsets[series]) + end - shown, int(panel.offsets[series]) + end)
        times = panel.times(np.array([series]), np.arange(end - shown, end))
        fans = [self._fan(self.past, int(window)) for window in past]
        attended, weights = self._attention(name, times)
        return ForecastChart(
            name=name,
            times=times,
            history=panel.target[rows],
            ahead=self._fan(self.ahead, int(ahead[-1])) if len(ahead) else None,
            past=tuple(fan for fan in fans if len(times) and fan.times[0] >= times[0]),
            attended_times=attended,
            weights=weights,
        )

    def _end(self, series: int, ahead: IntArray) -> int:
        """Rows of the series before the forecast; all of them without one."""
        if not len(ahead):
            return int(self.panel.lengths[series])
        assert self.ahead is not None
        start, cutoff = self.panel.starts[series : series + 1], self.ahead.cutoffs[ahead[-1:]]
        return int(self.panel.frequency.steps_between(start, cutoff)[0]) + 1

    def _history_length(self, num_past: int) -> int:
        forecasts = [each.horizon for each in (self.ahead, self.past) if each is not None]
        horizon = max(forecasts, default=1)
        context = max((each.context for each in self.attention), default=0)
        least = max(HORIZONS_SHOWN * horizon, SEASONS_SHOWN * self.season, context, min(num_past, 4) * horizon)
        return max(horizon, min(least, MOST_HISTORY))

    def _fan(self, forecast: Forecast | None, window: int) -> Fan:
        assert forecast is not None
        one = _one_window(forecast, window)
        levels = sorted(self.levels, reverse=True) if forecast.quantile_levels else []
        bounds = [(level, *interval(one, level)) for level in levels]
        intervals = tuple(Interval(level, low[0], high[0]) for level, low, high in bounds)
        return Fan(one.times()[0], one.point[0], intervals)

    def _attention(self, name: str, times: TimeArray) -> tuple[TimeArray, FloatArray]:
        """Times of the history, and the attention of the newest window of the series on them."""
        for each in self.attention:
            if name not in each.series_ids:
                continue
            window = len(each.series_ids) - 1 - each.series_ids[::-1].index(name)
            weights = each.weights[window].mean(axis=0, dtype=np.float64)
            lags = np.arange(each.context, 0, -1)
            attended = each.frequency.lagged(each.cutoffs[window : window + 1], lags)
            shown = (attended >= times[0]) & (attended <= times[-1]) if len(times) else np.zeros(len(attended), bool)
            return attended[shown], weights[shown]
        return times[:0], np.zeros(0)


def _windows_of(forecast: Forecast | None, name: str) -> IntArray:
    """The windows of a series, oldest first."""
    if forecast is None:
        return np.zeros(0, np.int64)
    return np.flatnonzero([each == name for each in forecast.series_ids])


def _one_window(forecast: Forecast, window: int) -> Forecast:
    rows = slice(window, window + 1)
    return replace(
        forecast,
        series_ids=forecast.series_ids[rows],
        cutoffs=forecast.cutoffs[rows],
        point=forecast.point[rows],
        quantiles=forecast.quantiles[rows],
        least=None if forecast.least is None else forecast.least[rows],
    )
