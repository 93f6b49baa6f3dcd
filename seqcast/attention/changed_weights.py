"""The effect of changing attention weights on the forecasts of one set of windows.

A change removes weights and scales the rest to sum to 1 again, or lets positions exchange their weights. Windows are
encoded once for all changes, and only sums per window are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seqcast.evaluation.significance import diebold_mariano
from seqcast.forecasting import Forecasting
from seqcast.model.ensemble import EncodedByEach, Ensemble
from seqcast.model.network import Standardisation, newest_value
from seqcast.panel.arrays import BoolArray, FloatArray, IntArray
from seqcast.results.origins import Origins
from seqcast.tensors.windows import WindowBatch

_AT_ONCE = 64


@dataclass(frozen=True)
class Effect:
    """The effect of changing a window, or its attention, on the forecast.

    Its unit is the forecast's own spread: the mean distance of a forecast from the mean of its context.
    """

    forecast_change: float
    """Mean absolute change of the point forecast."""
    error_change: float
    """Change of the mean absolute error; positive is worse."""
    usefulness: float
    """Growth of the squared error over the squared change of the forecast. 1: the remaining error is unrelated to what
    was removed. 0: what was removed was as good as anything else. -1: it was noise. Unlike `error_change`, it does not
    shrink with the noise of the data."""
    p_value: float | None = None
    """Two-sided probability of such an `error_change` by chance; None where it was not tested."""


@dataclass(frozen=True)
class LastValue:
    """How far the forecasts repeat the last observed value, which is lag 1 by origin."""

    explained: float
    """1 - sum (forecast - last value)^2 / sum (forecast - mean of the context)^2, at least 0."""
    instead: Effect
    """The effect of forecasting the last value instead."""


@dataclass(frozen=True, eq=False)
class ChangeSums:
    """Sums over the touched steps of W windows, in standard deviations of each window."""

    num_steps: FloatArray
    """(W,) touched steps."""
    num_judged: FloatArray
    """(W,) touched steps whose truth is known."""
    moved: FloatArray
    """(W,) absolute changes of the forecast."""
    worse: FloatArray
    """(W,) changes of the absolute error."""
    squared_change: FloatArray
    """(W,) squared changes of the forecast at judged steps."""
    squared_growth: FloatArray
    """(W,) changes of the squared error."""

    def effect(self, spread: float, clusters: Sequence[IntArray]) -> Effect:
        """The mean effect in units of `spread`; windows of a cluster are not independent."""
        judged = max(float(self.num_judged.sum()), 1.0)
        return Effect(
            float(self.moved.sum()) / max(float(self.num_steps.sum()), 1.0) / spread,
            float(self.worse.sum()) / judged / spread,
            float(self.squared_growth.sum() / max(self.squared_change.sum(), 1e-12)),
            chance(self.worse, clusters),
        )


@dataclass(frozen=True, eq=False)
class WeightChanges:
    """What windows forecast with their own weights, with changed ones, and without looking at anything."""

    spread: float
    """Mean absolute distance of the forecasts from the mean of their context, in standard deviations of the window."""
    without: Effect
    """The effect of forecasting the mean of the context, as if nothing were attended."""
    last_value: LastValue
    changes: tuple[ChangeSums, ...]
    """One for each change, in the order given."""
    clusters: tuple[IntArray, ...]
    """(W,) series and time of each window, as numbers."""

    def effect(self, number: int) -> Effect:
        """The effect of one change."""
        return self.changes[number].effect(self.spread, self.clusters)


@dataclass(frozen=True, eq=False)
class WeightChange:
    """One change of the attention weights of all windows."""

    keep: BoolArray | None = None
    """(H, S) True on weights that stay in use; None: all."""
    order: IntArray | None = None
    """(H, S) position whose weight each position gets; None: its own."""

    def touched(self, horizon: int) -> BoolArray:
        """(H,) True for forecast steps that the change can reach."""
        touched: BoolArray = np.zeros(horizon, bool)
        if self.keep is not None:
            touched = touched | ~np.all(self.keep, axis=1)
        if self.order is not None:
            touched = touched | np.any(self.order != np.arange(self.order.shape[1]), axis=1)
        return touched

    def apply(self, encoded: EncodedByEach, device: torch.device) -> EncodedByEach:
        """The encoded windows with the change in force."""
        if self.keep is not None:
            encoded = encoded.keeping(torch.from_numpy(self.keep).to(device))
        if self.order is not None:
            encoded = encoded.reordered(torch.from_numpy(self.order).to(device))
        return encoded


@torch.inference_mode()
def change_weights(forecasting: Forecasting, origins: Origins, changes: Sequence[WeightChange]) -> WeightChanges:
    """Forecast the origins with each of the changes."""
    model, device = forecasting.model, forecasting.device
    touched = [torch.from_numpy(change.touched(model.horizon)).to(device) for change in changes]
    everywhere = torch.ones(model.horizon, dtype=torch.bool, device=device)
    pieces: list[list[Tensor]] = [[] for _ in range(len(changes) + 2)]
    variation = torch.zeros(2, dtype=torch.float64)
    for _, batch in forecasting.batches(origins, _AT_ONCE):
        encoded = model.network.encode(batch)
        base, units = point_forecast(model.network, batch, encoded), encoded.standardisation
        truth = units.apply(batch.future_target, batch.future_observed)
        mean, last = (value.expand_as(base) for value in reference_values(batch, units))
        variants = [(mean, everywhere), (last, everywhere)]
        variation += torch.stack([(base - value).double().square().sum().cpu() for value in (last, mean)])
        for number, (change, steps) in enumerate(zip(changes, touched, strict=True), 2):
            forecast = point_forecast(model.network, batch, change.apply(encoded, device))
            pieces[number].append(_window_sums(forecast, base, truth, steps, batch.future_observed))
        for number, (forecast, steps) in enumerate(variants):
            pieces[number].append(_window_sums(forecast, base, truth, steps, batch.future_observed))
    without, instead, *sums = (ChangeSums(*torch.cat(each).numpy().T) for each in pieces)
    spread = max(float(without.moved.sum() / max(without.num_steps.sum(), 1.0)), 1e-9)
    clusters = (
        origins.series,
        np.unique(forecasting.panel.times(origins.series, origins.positions), return_inverse=True)[1],
    )
    around_last, around_mean = variation.tolist()
    last_value = LastValue(max(0.0, 1 - around_last / max(around_mean, 1e-12)), instead.effect(spread, clusters))
    return WeightChanges(spread, without.effect(spread, clusters), last_value, tuple(sums), clusters)


def chance(worse: FloatArray, clusters: Sequence[IntArray]) -> float | None:
    """Two-sided p-value of a mean of zero of (W,) values: the largest of those over sums by each kind of cluster.

    None where there are too few clusters of either kind.
    """
    found = []
    for cluster in clusters:
        _, index = np.unique(cluster, return_inverse=True)
        sums: FloatArray = np.bincount(index, worse).astype(np.float64)
        p_value = diebold_mariano(sums)
        found += [] if p_value is None else [p_value]
    return max(found, default=None)


def point_forecast(network: Ensemble, batch: WindowBatch, encoded: EncodedByEach) -> Tensor:
    """(batch, horizon) point forecast in standard deviations of the window."""
    return network.decode(batch, encoded).values[..., network.layout.point_index]


def reference_values(batch: WindowBatch, units: Standardisation) -> tuple[Tensor, Tensor]:
    """(batch, 1) mean and last observed value of each context in the units of its window."""
    target, seen = batch.context_target, batch.context_observed
    mean = target.sum(dim=1, keepdim=True) / seen.sum(dim=1, keepdim=True).clamp(min=1)
    known = seen.any(dim=1, keepdim=True)
    return units.apply(mean, known), units.apply(newest_value(target, seen), known)


def _window_sums(changed: Tensor, base: Tensor, truth: Tensor, steps: Tensor, seen: Tensor) -> Tensor:
    """(batch, 6) the fields of `ChangeSums`."""
    judged, touched = steps & seen, steps.expand_as(seen)
    after, before, moved = (each.double() for each in (changed - truth, base - truth, changed - base))
    parts = (
        touched.double(),
        judged.double(),
        moved.abs() * touched,
        (after.abs() - before.abs()) * judged,
        moved.square() * judged,
        (after.square() - before.square()) * judged,
    )
    return torch.stack([part.sum(dim=1) for part in parts], dim=1).cpu()
