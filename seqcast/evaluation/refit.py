"""Rolling-origin forecasts by models that are trained again and again, on the values before each origin."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from seqcast.errors import NOTHING_KEPT, StoppedError
from seqcast.forecasting import Forecasting
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.panel import Panel
from seqcast.reading.future import head_panel
from seqcast.results.forecast import Forecast
from seqcast.results.origins import Origins
from seqcast.run.load import TrainedModel
from seqcast.runtime import Runtime, resolve_runtime
from seqcast.training.fit import train_model
from seqcast.training.loop import Hooks
from seqcast.training.plan import make_plan


@dataclass(frozen=True)
class Refit:
    """One training of a backtest before it starts."""

    number: int
    """Number of the training, from 1."""
    total: int
    last_time: str
    """Newest time in its training data."""


def refitted_forecast(
    model: TrainedModel,
    panel: Panel,
    origins: Origins,
    every: int,
    on_refit: Callable[[Refit], None] = lambda _refit: None,
    hooks: Hooks = Hooks(),
) -> Forecast:
    """Forecast the origins with models trained at every `every`-th origin of each series on the rows before it.

    Settings, budget and seed are those of the run. The newest steps before each origin are the validation part of its
    training. Values of the run's test part are used for training as soon as they lie before an
    origin. The origins of a series are at equal distances. `on_refit` is called before each training.

    Raises:
        DataError: There are too few rows before an origin to train on.
        DivergedError, StoppedError: As `training.loop.train`.
    """
    used, owner = np.unique(origins.series, return_inverse=True)
    panel = panel.take_series(used)
    origins = Origins(owner.astype(np.int64), origins.positions)
    rounds = _rounds(origins)
    group = rounds // every
    groups = np.unique(group)
    runtime = resolve_runtime(str(next(model.network.parameters()).device), model.config.training.precision)
    parts: list[tuple[IntArray, Forecast]] = []
    for number, each in enumerate(groups, 1):
        windows = np.flatnonzero(group == each)
        ends = _ends(origins, rounds.max() - rounds[windows].min())
        last = panel.times(np.arange(panel.num_series), ends - 1)[ends > 0].max()
        on_refit(Refit(number, len(groups), panel.frequency.show(last)))
        refitted = _trained(model, head_panel(panel, ends).take_series(np.flatnonzero(ends > 0)), runtime, hooks)
        forecasting = Forecasting(refitted, panel, ends)
        parts.append((windows, forecasting.forecast(origins[windows])))
    return _joined(parts)


def _rounds(origins: Origins) -> IntArray:
    """(W,) number of each origin within its series, such that all series have their newest origin in the same round."""
    counts = np.bincount(origins.series)
    to_newest = np.cumsum(counts)[origins.series] - 1 - np.arange(len(origins))
    rounds: IntArray = counts.max() - 1 - to_newest
    return rounds


def _ends(origins: Origins, rounds_back: int) -> IntArray:
    """(series,) rows of each series before the round that many rounds before the newest one."""
    newest = np.zeros(origins.series.max() + 1, np.int64)
    np.maximum.at(newest, origins.series, origins.positions)
    distances = np.diff(origins.positions)[np.diff(origins.series) == 0]
    stride = int(distances[0]) if len(distances) else 0
    ends: IntArray = np.maximum(newest - rounds_back * stride, 0)
    return ends


def _trained(model: TrainedModel, panel: Panel, runtime: Runtime, hooks: Hooks) -> TrainedModel:
    config = model.config.override(data={"test_size": 0})
    try:
        return train_model(panel, make_plan(panel, config), runtime, hooks).model
    except StoppedError as stop:
        raise StoppedError(stop.exit_code - 128, NOTHING_KEPT) from None


def _joined(parts: list[tuple[IntArray, Forecast]]) -> Forecast:
    """The forecasts of all windows in their order."""
    order = np.argsort(np.concatenate([windows for windows, _ in parts]))
    forecasts = [forecast for _, forecast in parts]
    ids = [name for forecast in forecasts for name in forecast.series_ids]
    return replace(
        forecasts[0],
        series_ids=tuple(ids[window] for window in order),
        cutoffs=np.concatenate([forecast.cutoffs for forecast in forecasts])[order],
        point=np.concatenate([forecast.point for forecast in forecasts])[order],
        quantiles=np.concatenate([forecast.quantiles for forecast in forecasts])[order],
        least=np.concatenate([_least(forecast) for forecast in forecasts])[order],
    )


def _least(forecast: Forecast) -> FloatArray:
    return np.full(len(forecast.point), -np.inf) if forecast.least is None else forecast.least
