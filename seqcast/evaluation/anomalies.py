"""The observations of a panel that the forecasts made before them did not expect.

A forecast is made every `stride` steps. Of each, the last `stride` steps up to the `horizon` judge, so exactly one
forecast judges an observation: where both are equal, as they are by default, the newest one before it.

A forecast repeats what is odd in its context: the week after a holiday would be an anomaly, too. So later forecasts see
an anomaly as the nearer bound of its interval. Observations are cleaned like this from the first to the last, as in the
robust smoothing of Gelper, Fried and Croux (2010). A level that shifts for good is still followed, step by step.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seqcast.errors import DataError, UsageError, option
from seqcast.forecasting import Forecasting
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.frequency import TimeArray
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.reading.future import pad_panel
from seqcast.results.anomalies import DATA_PARTS, Anomalies, AttendedLags, joined_events
from seqcast.results.forecast import interval
from seqcast.results.normal_scores import is_two_sided, scores_of
from seqcast.results.origins import Origins, observed_ends, rolling_origins
from seqcast.results.rolling import overwrite, writable
from seqcast.run.load import TrainedModel
from seqcast.training.plan import Split

USUAL_LEVEL = 99.0
"""Level of the interval, in percent, outside of which an observation is an anomaly."""
SEASONS_JOINED = 0.25
"""Longest stretch without an anomaly within one event, in seasons."""
LAGS_TOLD = 3
QUANTILES_AT_ONCE = 4_000_000
"""Forecast quantiles that are held at the same time."""


@dataclass(frozen=True)
class AnomalyPlan:
    """What is an anomaly, and which forecasts judge."""

    level: float = USUAL_LEVEL
    """Level of the interval in percent."""
    horizon: int | None = None
    """Most steps ahead; None: the stride, or else the trained horizon."""
    stride: int | None = None
    """Steps from one forecast to the next; None: the horizon."""
    join: int | None = None
    """Most steps between two anomalies of one event; None: a quarter of a season."""
    clip: bool = True
    """Let later forecasts see an anomaly as the nearer bound of its interval."""

    def __post_init__(self) -> None:
        if not 0 < self.level < 100:
            raise UsageError(f"{option('level', f'{self.level:g}')}: a level lies between 0 and 100.")
        if self.join is not None and self.join < 0:
            raise UsageError(f"{option('join', self.join)}: a number of steps is at least 0.")

    def steps(self, trained: int) -> tuple[int, int]:
        """Horizon and stride for a trained horizon.

        Raises:
            UsageError: A number is out of range, or they leave observations without a forecast.
        """
        horizon = next(number for number in (self.horizon, self.stride, trained) if number is not None)
        stride = horizon if self.stride is None else self.stride
        for number, given in ((horizon, option("horizon", horizon)), (stride, option("stride", stride))):
            if not 1 <= number <= trained:
                raise UsageError(f"{given}: give 1 to {trained}, the trained horizon.")
        if stride > horizon:
            raise UsageError(
                f"forecasts of {horizon} steps that are {stride} steps apart do not reach every observation.",
                hint=f"Give {option('stride', horizon)} or less.",
            )
        return horizon, stride

    def largest_gap(self, season: int) -> int:
        """Most steps between two anomalies of one event."""
        return max(1, round(SEASONS_JOINED * season)) if self.join is None else self.join


@dataclass(frozen=True, eq=False)
class AnomalySearch:
    """The anomalies of a panel, and what was searched."""

    anomalies: Anomalies
    num_series: int
    """Series with an observation that was judged."""
    num_judged: dict[str, int]
    """Observations that were judged, by `DataPart`."""
    horizon: int
    stride: int
    largest_gap: int
    """Most steps between two anomalies of one event."""
    notices: tuple[Notice, ...]


def find_anomalies(
    model: TrainedModel, panel: Panel, plan: AnomalyPlan = AnomalyPlan(), split: Split | None = None
) -> AnomalySearch:
    """Judge every observation that has a context before it, or in short series all but the first few.

    Windows that reach into the training or the validation part are judged by the network as it was validated, which has
    not learned from the validation part.

    Args:
        model: The trained model.
        panel: The observations, with known covariates.
        plan: What is an anomaly, and which forecasts judge.
        split: The rows of each series that training knew; None: as training would split this panel.

    Raises:
        UsageError: The model has no quantiles, or the plan does not fit it.
        DataError: No observation can be judged.
    """
    if not is_two_sided(model.network.layout.levels):
        raise UsageError(
            "this run forecasts no quantiles, so there are no intervals to be outside of.",
            hint=f"Train with {option('loss', 'quantile')}, and quantiles on both sides of the median.",
        )
    horizon, stride = plan.steps(model.horizon)
    if split is None:
        assert model.config.data.validation_size is not None
        split = Split.of(panel.lengths, model.config.data.validation_size, model.config.data.test_size)
    last = observed_ends(panel) - horizon
    origins = rolling_origins(np.minimum(model.context, np.maximum(last, 1)), last, stride)
    if not len(origins):
        hint = f"Give a longer table, or a shorter {option('horizon')}."
        raise DataError(f"no series has {horizon} observed steps behind a first one.", hint=hint)
    search = _Search(model, panel, split, range(horizon - stride, horizon), plan)
    found = _Piece.joined(list(search.pieces(origins)))
    gap = plan.largest_gap(model.season)
    return AnomalySearch(
        anomalies=found.anomalies(panel, plan.level, gap),
        num_series=len(np.unique(origins.series)),
        num_judged=dict(zip(DATA_PARTS, found.num_judged.tolist(), strict=True)),
        horizon=horizon,
        stride=stride,
        largest_gap=gap,
        notices=search.notices,
    )


def split_at(model: TrainedModel, panel: Panel, last_time: TimeArray) -> Split:
    """The split of another panel than that of training, by time; series that training did not know are new.

    Args:
        model: The trained model.
        panel: Observations, some of which may have been in the training table.
        last_time: (1,) that of the training table.
    """
    assert model.config.data.validation_size is not None
    steps, _ = panel.frequency.locate(panel.starts, last_time)
    is_known = np.isin(np.array(panel.series_ids, dtype=object), np.array(model.series_ids, dtype=object))
    rows = np.where(is_known, np.clip(steps + 1, 0, panel.lengths), 0)
    return Split.of(rows, model.config.data.validation_size, model.config.data.test_size)


@dataclass(frozen=True, eq=False)
class _Piece:
    """The anomalies of some windows, N of them."""

    num_judged: IntArray
    """(3,) observations judged in each of `DATA_PARTS`."""
    rows: IntArray
    """(N, 4) series, position, rows before the forecast, and index of the part."""
    numbers: FloatArray
    """(N, 5) observation, point, lower bound, upper bound, score."""
    lags: IntArray
    """(N, K); K = 0 without attention."""
    weights: FloatArray
    """(N, K)"""

    @classmethod
    def joined(cls, pieces: list["_Piece"]) -> "_Piece":
        """All pieces, sorted by series, then by position."""
        rows = np.concatenate([each.rows for each in pieces])
        order = np.lexsort((rows[:, 1], rows[:, 0]))
        numbers, lags, weights = (
            np.concatenate([getattr(each, name) for each in pieces])[order] for name in ("numbers", "lags", "weights")
        )
        return cls(np.sum([each.num_judged for each in pieces], axis=0), rows[order], numbers, lags, weights)

    def anomalies(self, panel: Panel, level: float, largest_gap: int) -> Anomalies:
        series, positions, starts, parts = self.rows.T
        values, point, low, high, scores = self.numbers.T
        return Anomalies(
            level=level,
            frequency=panel.frequency,
            series_ids=tuple(panel.series_ids[number] for number in series),
            times=panel.times(series, positions),
            cutoffs=panel.times(series, starts - 1),
            parts=np.array(DATA_PARTS)[parts],
            values=values,
            point=point,
            low=low,
            high=high,
            scores=scores,
            events=joined_events(series, positions, largest_gap),
            lags=AttendedLags(self.lags, self.weights) if self.lags.shape[1] else None,
        )


class _Search:
    """Forecasts of origins, compared with the observations at some of their steps."""

    def __init__(self, model: TrainedModel, panel: Panel, split: Split, steps: range, plan: AnomalyPlan) -> None:
        self.model, self.panel, self.split, self.steps, self.plan = model, panel, split, steps, plan
        self.notices: tuple[Notice, ...] = ()

    def pieces(self, origins: Origins) -> Iterator[_Piece]:
        """The anomalies of all windows, in pieces of bounded size."""
        unasked = self.model.horizon - self.steps.stop
        padded = pad_panel(self.panel, unasked) if unasked else self.panel
        # Training has seen the months and the level of what it learned from, although a forecast may not read them yet.
        known_ends = np.maximum(origins.earliest(self.panel.lengths), self.split.train_ends)
        final = Forecasting(self.model, padded, known_ends)
        if self.plan.clip:
            final.tensors = writable(final.tensors)
        validated = Forecasting(self.model.as_validated, padded, known_ends, final.tensors)
        self.notices = final.notices()
        size = max(1, QUANTILES_AT_ONCE // (self.model.horizon * len(self.model.network.layout.levels)))
        is_known = origins.positions + self.steps.start < self.split.validation_ends[origins.series]
        # One origin of every series after the other, if what comes later depends on it.
        number = np.arange(len(origins)) - np.searchsorted(origins.series, origins.series)
        turn = number if self.plan.clip else np.zeros_like(number)
        for each in range(int(turn.max()) + 1):
            for forecasting, chosen in ((validated, is_known), (final, ~is_known)):
                now = origins[np.flatnonzero(chosen & (turn == each))]
                for first in range(0, len(now), size):
                    yield self._piece(forecasting, now[first : first + size])

    def _piece(self, forecasting: Forecasting, origins: Origins) -> _Piece:
        forecast = forecasting.forecast(origins, self.steps.stop)
        values = origins.actuals(self.panel, self.steps.stop)
        low, high = interval(forecast, self.plan.level)
        positions = origins.positions[:, None] + np.arange(self.steps.stop)
        parts = _part_of(self.split, origins.series[:, None], positions)
        is_judged = np.isfinite(values) & (np.arange(self.steps.stop) >= self.steps.start)
        window, step = np.nonzero(is_judged & ((values < low) | (values > high)))
        scores = scores_of(values, forecast.quantile_levels, forecast.quantiles)
        series, place = origins.series[window], positions[window, step]
        lags, weights = self._attended(forecasting, origins, window, step)
        if self.plan.clip:
            overwrite(forecasting.tensors, series, place, np.clip(values, low, high)[window, step])
        return _Piece(
            num_judged=np.bincount(parts[is_judged], minlength=len(DATA_PARTS)),
            rows=np.stack([series, place, origins.positions[window], parts[window, step]], axis=1),
            numbers=np.stack([each[window, step] for each in (values, forecast.point, low, high, scores)], axis=1),
            lags=lags,
            weights=weights,
        )

    def _attended(
        self, forecasting: Forecasting, origins: Origins, window: IntArray, step: IntArray
    ) -> tuple[IntArray, FloatArray]:
        """(N, K) the most attended lags of the forecast steps (N,) of the windows (N,), and (N, K) their weights."""
        if not self.model.network.attends or not len(window):
            size = (len(window), min(LAGS_TOLD, self.model.context) if self.model.network.attends else 0)
            return np.empty(size, np.int64), np.empty(size)
        asked, place = np.unique(window, return_inverse=True)
        lags, weights, first = [], [], 0
        for attention in forecasting.attention(origins[asked]):
            inside = (place >= first) & (place < first + len(attention.weights))
            chosen = attention.weights[place[inside] - first, step[inside]]  # (anomalies, context)
            position = np.argsort(-chosen, axis=1, kind="stable")[:, :LAGS_TOLD]
            lags.append(attention.context - position + step[inside, None])
            weights.append(np.take_along_axis(chosen, position, axis=1).astype(np.float64))
            first += len(attention.weights)
        return np.concatenate(lags), np.concatenate(weights)


def _part_of(split: Split, series: IntArray, positions: IntArray) -> IntArray:
    """Index among `DATA_PARTS` of the rows at the positions of the series; the arrays broadcast."""
    is_trained, is_known = positions < split.train_ends[series], positions < split.validation_ends[series]
    return np.where(is_trained, 0, np.where(is_known, 1, 2))
