"""What forecasts lose without the value of a single lag: it becomes the mean of its window before the encoder reads it.

Encoding a window costs its context, and every step replaced is a window: the square of a long context. There each
window is asked about every few of its context steps only, other ones than its neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from seqcast.attention.effects import Effect, point_forecast
from seqcast.forecasting import Forecasting, Origins
from seqcast.model.ensemble import Ensemble
from seqcast.model.network import Standardisation
from seqcast.panel.panel import FloatArray
from seqcast.results.lag_profile import by_lag
from seqcast.tensors.windows import WindowBatch

MOST_FORWARDS, MOST_STEPS = 4000, 1_344_000
"""At most so many windows are encoded, and so many context steps in all."""
FEWEST_WINDOWS, ENOUGH_WINDOWS = 4, 8
"""Windows that are encoded whatever the cost; windows for the sake of which some context steps are passed over."""
_STEPS_PER_LAG = 4
"""Each lag is still reached by so many forecast steps."""
_AT_ONCE = 64
_REPLACED_AT_ONCE = 128


@dataclass(frozen=True, eq=False)
class InputEffects:
    """What replacing the value at each lag does: sums over windows and the steps that reach it, each (L,)."""

    windows: FloatArray
    """Of pairs of a window and a step."""
    moved: FloatArray
    """Of absolute forecast changes."""
    worse: FloatArray
    """Of changes of the absolute error, in parts of the mean error."""
    squared_change: FloatArray
    squared_growth: FloatArray
    """Of changes of the squared error."""

    @property
    def forecast_change(self) -> FloatArray:
        """(L,) mean absolute change; NaN where no step reaches the lag."""
        mean: FloatArray = np.where(self.windows > 0, self.moved / np.maximum(self.windows, 1), np.nan)
        return mean

    def of_band(self, first_lag: int, last_lag: int) -> Effect:
        """Mean over the lags of a band, each replaced alone."""
        part = slice(first_lag - 1, last_lag)
        windows = max(float(self.windows[part].sum()), 1.0)
        usefulness = float(self.squared_growth[part].sum() / max(self.squared_change[part].sum(), 1e-12))
        return Effect(float(self.moved[part].sum()) / windows, float(self.worse[part].sum()) / windows, usefulness)


def sampling(context: int, horizon: int) -> tuple[int, int]:
    """Of how many context steps one is replaced, and in how many windows.

    Encoding a window costs its context, and every step replaced is a window: the square of a long context. A step is a
    different lag of each forecast step, so every few of them meet every lag too.
    """

    def affordable(stride: int) -> int:
        positions = -(-context // stride)
        return min(MOST_FORWARDS // positions, MOST_STEPS // (positions * context))

    strides = range(1, max(1, horizon // _STEPS_PER_LAG) + 1)
    stride = next((each for each in strides if affordable(each) >= ENOUGH_WINDOWS), strides[-1])
    return stride, max(FEWEST_WINDOWS, affordable(stride))


@torch.inference_mode()
def replace_inputs(forecasting: Forecasting, origins: Origins) -> InputEffects:
    """The effect of every single lag's value, at some of the origins."""
    model, network = forecasting.model, forecasting.model.network
    stride, num_windows = sampling(model.context, model.horizon)
    sums = torch.zeros(5, model.horizon, model.context, dtype=torch.float64, device=forecasting.device)
    judged, base_error = 0, 0.0
    for _, batch in forecasting.batches(origins.spread(num_windows), _AT_ONCE):
        encoded = network.encode(batch)
        units, seen = encoded.standardisation, batch.future_observed
        base, truth = point_forecast(network, batch, encoded), units.apply(batch.future_target, seen)
        before = (base - truth) * seen
        base_error += float(before.abs().double().sum())
        judged += int(seen.sum())
        for rows, positions in _pairs(batch.context_observed, stride):
            changed = _forecast_without(network, batch, units, rows, positions)
            after, own = (changed - truth[rows]) * seen[rows], before[rows]
            growth = (after.abs() - own.abs(), (after - own).square(), after.square() - own.square())
            parts = torch.stack([torch.ones_like(changed), (changed - base[rows]).abs(), *growth])
            sums.index_add_(2, positions, parts.double().transpose(1, 2))
    windows, moved, worse, squared, growth_sum = (by_lag(values) for values in sums.cpu().numpy())
    mean_error = max(base_error / max(judged, 1), 1e-12)
    return InputEffects(windows, moved, worse / mean_error, squared, growth_sum)


def _pairs(observed: Tensor, stride: int) -> list[tuple[Tensor, Tensor]]:
    """Windows and their observed positions (B, S), every `stride`-th of each window, in pieces of bounded size."""
    num_windows, context = observed.shape
    position, window = torch.arange(context, device=observed.device), torch.arange(num_windows, device=observed.device)
    asked = observed & ((position[None] - window[:, None]) % stride == 0)
    rows, positions = asked.nonzero(as_tuple=True)
    pieces = (torch.split(each, _REPLACED_AT_ONCE) for each in (rows, positions))
    return list(zip(*pieces, strict=True))


def _forecast_without(
    network: Ensemble, batch: WindowBatch, units: Standardisation, rows: Tensor, positions: Tensor
) -> Tensor:
    """(pairs, horizon) point forecasts of windows `rows` without their values at `positions`, in the same units."""
    repeated = WindowBatch(**{field.name: getattr(batch, field.name)[rows] for field in fields(batch)})
    own = Standardisation(units.location[rows], units.scale[rows])
    repeated.context_target[torch.arange(len(rows), device=rows.device), positions] = own.location[:, 0]
    return point_forecast(network, repeated, network.encode(repeated, own))
