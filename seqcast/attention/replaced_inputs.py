"""The effect of replacing the value at a single lag by the mean of its window before the encoder reads it.

Every replaced step is another window to encode, so the cost grows with the square of the context. In a long context
only every n-th step of a window is replaced, and its neighbour window takes other steps.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from seqcast.attention.changed_weights import Effect, point_forecast
from seqcast.forecasting import Forecasting
from seqcast.model.ensemble import Ensemble
from seqcast.model.network import Standardisation
from seqcast.panel.arrays import FloatArray
from seqcast.results.lag_profile import by_lag
from seqcast.results.origins import Origins
from seqcast.tensors.windows import WindowBatch

MOST_FORWARDS, MOST_STEPS = 4000, 1_344_000
"""Limits of the number of encoded windows and of their context steps in all."""
FEWEST_WINDOWS, ENOUGH_WINDOWS = 4, 8
"""Number of windows to encode at any cost, and number below which context steps are skipped first."""
_STEPS_PER_LAG = 4
"""Number of forecast steps that still reach each lag when context steps are skipped."""
_AT_ONCE = 64
_REPLACED_AT_ONCE = 128


@dataclass(frozen=True, eq=False)
class InputEffects:
    """The effects of replacing the value at each of L lags, summed over windows and the steps that reach the lag.

    They are in standard deviations of each window.
    """

    windows: FloatArray
    """(L,) number of pairs of a window and a step."""
    moved: FloatArray
    """(L,) absolute changes of the forecast."""
    worse: FloatArray
    """(L,) changes of the absolute error."""
    squared_change: FloatArray
    """(L,) squared changes of the forecast."""
    squared_growth: FloatArray
    """(L,) changes of the squared error."""

    @property
    def forecast_change(self) -> FloatArray:
        """(L,) mean absolute change; NaN for a lag that no step reaches."""
        return np.where(self.windows > 0, self.moved / np.maximum(self.windows, 1), np.nan)

    def of_band(self, first_lag: int, last_lag: int, spread: float) -> Effect:
        """The mean effect over the lags of a band, each replaced alone, in units of `spread`."""
        part = slice(first_lag - 1, last_lag)
        windows = max(float(self.windows[part].sum()), 1.0) * spread
        usefulness = float(self.squared_growth[part].sum() / max(self.squared_change[part].sum(), 1e-12))
        return Effect(float(self.moved[part].sum()) / windows, float(self.worse[part].sum()) / windows, usefulness)


def sampling(context: int, horizon: int) -> tuple[int, int]:
    """Returns n, if every n-th context step is to be replaced, and the number of windows for it.

    A context step is another lag for each forecast step, so every n-th step still reaches all lags.
    """

    def affordable(stride: int) -> int:
        positions = -(-context // stride)
        return min(MOST_FORWARDS // positions, MOST_STEPS // (positions * context))

    strides = range(1, max(1, horizon // _STEPS_PER_LAG) + 1)
    stride = next((each for each in strides if affordable(each) >= ENOUGH_WINDOWS), strides[-1])
    return stride, max(FEWEST_WINDOWS, affordable(stride))


@torch.inference_mode()
def replace_inputs(forecasting: Forecasting, origins: Origins) -> InputEffects:
    """The effect of the value at every lag, measured at some of the origins."""
    model, network = forecasting.model, forecasting.model.network
    stride, num_windows = sampling(model.context, model.horizon)
    sums = torch.zeros(5, model.horizon, model.context, dtype=torch.float64, device=forecasting.device)
    for _, batch in forecasting.batches(origins.spread(num_windows), _AT_ONCE):
        encoded = network.encode(batch)
        units, seen = encoded.standardisation, batch.future_observed
        base, truth = point_forecast(network, batch, encoded), units.apply(batch.future_target, seen)
        before = (base - truth) * seen
        for rows, positions in _pairs(batch.context_observed, stride):
            changed = _forecast_without(network, batch, units, rows, positions)
            after, own = (changed - truth[rows]) * seen[rows], before[rows]
            growth = (after.abs() - own.abs(), (after - own).square(), after.square() - own.square())
            parts = torch.stack([torch.ones_like(changed), (changed - base[rows]).abs(), *growth])
            sums.index_add_(2, positions, parts.double().transpose(1, 2))
    return InputEffects(*(by_lag(values) for values in sums.cpu().numpy()))


def _pairs(observed: Tensor, stride: int) -> list[tuple[Tensor, Tensor]]:
    """Windows and every `stride`-th of their observed positions (B, S), in pieces of bounded size."""
    num_windows, context = observed.shape
    position, window = torch.arange(context, device=observed.device), torch.arange(num_windows, device=observed.device)
    asked = observed & ((position[None] - window[:, None]) % stride == 0)
    rows, positions = (torch.split(each, _REPLACED_AT_ONCE) for each in asked.nonzero(as_tuple=True))
    return list(zip(rows, positions, strict=True))


def _forecast_without(
    network: Ensemble, batch: WindowBatch, units: Standardisation, rows: Tensor, positions: Tensor
) -> Tensor:
    """(pairs, horizon) point forecasts of windows `rows` with the values at `positions` replaced, in the same units."""
    repeated = WindowBatch(**{field.name: getattr(batch, field.name)[rows] for field in fields(batch)})
    own = Standardisation(units.location[rows], units.scale[rows])
    repeated.context_target[torch.arange(len(rows), device=rows.device), positions] = own.location[:, 0]
    return point_forecast(network, repeated, network.encode(repeated, own))
