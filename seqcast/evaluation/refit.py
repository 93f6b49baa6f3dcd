"""Rolling origins forecast by models that are trained anew as the origins move on, each on what was known there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from seqcast.errors import StoppedError
from seqcast.forecasting import Forecasting, Origins
from seqcast.panel.panel import IntArray, Panel
from seqcast.panel.wording import show_time
from seqcast.reading.future import head_panel
from seqcast.results.forecast import Forecast
from seqcast.run.load import TrainedModel
from seqcast.runtime import Runtime, resolve_runtime
from seqcast.training.fit import train_model
from seqcast.training.loop import Hooks
from seqcast.training.plan import make_plan


@dataclass(frozen=True)
class Refit:
    """One training of a backtest, about to start."""

    number: int
    """From 1."""
    total: int
    last_time: str
    """The newest time that it sees."""


def refitted_forecast(
    model: TrainedModel,
    panel: Panel,
    origins: Origins,
    every: int,
    on_refit: Callable[[Refit], None] = lambda _refit: None,
    hooks: Hooks = Hooks(),
) -> Forecast:
    """Forecast the origins, training anew at every `every`-th origin of each series on its rows before that origin.

    Settings, budget and seed are those of the run; the part of it that was kept for tests is trained on as it comes
    into the past, and the newest steps before each origin are its validation part.

    Args:
        model: The run; it makes no forecast itself.
        panel: The series.
        origins: One distance apart within each series.
        every: Origins from one training to the next.
        on_refit: Called before each training.
        hooks: Of the training loop.

    Raises:
        DataError: The rows before an origin are too few to train on.
        DivergedError, StoppedError: As `training.loop.train`.
    """
    used, owner = np.unique(origins.series, return_inverse=True)
    panel = panel.take_series(used)
    origins = Origins(owner.astype(np.int64), origins.positions)
    group = _rounds(origins) // every
    groups = np.unique(group)
    runtime = resolve_runtime(str(next(model.network.parameters()).device), model.config.training.precision)
    parts: list[tuple[IntArray, Forecast]] = []
    for number, each in enumerate(groups, 1):
        windows = np.flatnonzero(group == each)
        ends = _ends(origins, group, each)
        last = panel.times(np.arange(panel.num_series), ends - 1)[ends > 0].max()
        on_refit(Refit(number, len(groups), show_time(last)))
        refitted = _trained(model, head_panel(panel, ends).take_series(np.flatnonzero(ends > 0)), runtime, hooks)
        forecasting = Forecasting(refitted, panel, ends)
        parts.append((windows, forecasting.forecast(Origins(origins.series[windows], origins.positions[windows]))))
    return _joined(parts)


def _rounds(origins: Origins) -> IntArray:
    """(W,) which origin it is, counted so that the newest of all series are of one round; the oldest round is 0."""
    counts = np.bincount(origins.series)
    to_newest = np.cumsum(counts)[origins.series] - 1 - np.arange(len(origins))
    rounds: IntArray = counts.max() - 1 - to_newest
    return rounds


def _ends(origins: Origins, group: IntArray, number: int) -> IntArray:
    """(series,) rows that the training of a group may see: those before the group's first round, in every series."""
    rounds = _rounds(origins)
    first_round = rounds[group == number].min()
    newest = np.zeros(origins.series.max() + 1, np.int64)
    np.maximum.at(newest, origins.series, origins.positions)
    distances = np.diff(origins.positions)[np.diff(origins.series) == 0]
    stride = int(distances[0]) if len(distances) else 0
    ends: IntArray = np.maximum(newest - (rounds.max() - first_round) * stride, 0)
    return ends


def _trained(model: TrainedModel, panel: Panel, runtime: Runtime, hooks: Hooks) -> TrainedModel:
    config = model.config.override(data={"test_size": 0})
    try:
        return train_model(panel, make_plan(panel, config), runtime, hooks).model
    except StoppedError as stop:
        raise StoppedError(stop.exit_code - 128, "A backtest keeps no state: start it again.") from None


def _joined(parts: list[tuple[IntArray, Forecast]]) -> Forecast:
    """The forecasts of several parts of the windows in the order of all."""
    order = np.argsort(np.concatenate([windows for windows, _ in parts]))
    forecasts = [forecast for _, forecast in parts]
    ids = [name for forecast in forecasts for name in forecast.series_ids]
    return replace(
        forecasts[0],
        series_ids=tuple(ids[window] for window in order),
        cutoffs=np.concatenate([forecast.cutoffs for forecast in forecasts])[order],
        point=np.concatenate([forecast.point for forecast in forecasts])[order],
        quantiles=np.concatenate([forecast.quantiles for forecast in forecasts])[order],
    )
