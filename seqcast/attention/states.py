"""The effect of past values that goes through the recurrent states: how large it is, and which lags the states read.

Attended values are copied into the forecast, each by its weight. The recurrence reads the same values, and its states
decide the weights, the gate of what is copied, and what the head adds. So a value z_s reaches the forecast f_t in two
ways, which derivatives tell apart:

    states = sum |df_t / dz_s read|  /  (sum |df_t / dz_s read| + sum |df_t / dz_s copied|)

over windows, forecast steps t and context steps s, with the units of each window held fixed. What goes through the
states, added up by lag, tells which lags the recurrence reads. It is 0 for the linear start.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from seqcast.attention.changed_weights import point_forecast
from seqcast.attention.lag_report import Relative
from seqcast.forecasting import Forecasting
from seqcast.model.ensemble import Ensemble
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.results.lag_profile import by_lag
from seqcast.results.origins import Origins
from seqcast.tensors.windows import WindowBatch

NUM_STEPS = 6
"""Forecast steps, at least, that each window is asked about; the next window is asked about others."""
WORTH_TELLING = 0.01
"""Smallest share of the states whose lags are told."""
MOST_VALUES = 2_000_000
"""Most attention weights of all windows that are read at once."""


@dataclass(frozen=True, eq=False)
class StateEffects:
    """Mean absolute change of each forecast step (H) over that of each past value (S, oldest first)."""

    read: FloatArray
    """(H, S) through the recurrent states."""
    copied: FloatArray
    """(H, S) through the attended values."""

    @property
    def share(self) -> float:
        """The part of the effect of single values that goes through the states, 0 to 1."""
        read, copied = float(self.read.sum()), float(self.copied.sum())
        return read / max(read + copied, 1e-12)

    def by_lag(self, relative: Relative) -> FloatArray:
        """(L,) the part of each lag in what goes through the states, with sum 1; 0 where they carry nothing."""
        summed = by_lag(self.read) if relative == "target" else self.read.sum(axis=0)[::-1]
        return summed / max(float(summed.sum()), 1e-12)


def state_effects(forecasting: Forecasting, origins: Origins) -> StateEffects:
    """The effects of all past values on forecasts of some origins.

    Each window is asked about some forecast steps only, so that the cost does not grow with the horizon. Together they
    are asked about all steps.
    """
    model, network = forecasting.model, forecasting.model.network
    stride = max(1, min(len(origins), model.horizon // NUM_STEPS))
    sums, counts = np.zeros((2, model.horizon, model.context)), np.zeros((model.horizon, model.context))
    first = 0
    for _, batch in forecasting.batches(origins, max(1, MOST_VALUES // counts.size)):
        observed = batch.context_observed.cpu().numpy()
        windows = np.arange(first, first + len(observed))
        asked = np.arange(0, model.horizon, stride)[:, None] + windows % stride  # (steps, windows)
        inside, observed = asked < model.horizon, np.broadcast_to(observed, (len(asked), *observed.shape))
        np.add.at(counts, asked[inside], observed[inside])
        for total, effects in zip(sums, value_effects(network, batch, asked), strict=True):
            np.add.at(total, asked[inside], np.abs(effects[inside]))
        first += len(windows)
    read, copied = sums / np.maximum(counts, 1)
    return StateEffects(read, copied)


def value_effects(network: Ensemble, batch: WindowBatch, asked: IntArray) -> tuple[FloatArray, FloatArray]:
    """Returns the derivatives (K, B, S) by each value where it is read, and where it is copied.

    Forecasts and values are in the units of the window, which are held fixed.

    Args:
        network: The networks that forecast.
        batch: B windows.
        asked: (K, B) forecast step of each window, from 0 on, K times; a step beyond the horizon gives zeros.
    """
    # cuDNN has no derivatives of a recurrence that is not being trained.
    with torch.inference_mode(False), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        batch = WindowBatch(**{field.name: getattr(batch, field.name).clone() for field in fields(batch)})
        units = network.networks[0].standardise(batch)
        leaves = tuple(batch.context_target.clone().requires_grad_() for _ in range(2))
        read, copied = (network.encode(replace(batch, context_target=values), units) for values in leaves)
        forecast = point_forecast(network, batch, read.copying_from(copied))
        horizon = torch.arange(forecast.shape[1], device=forecast.device)
        found: list[list[FloatArray]] = [[], []]
        for steps in torch.from_numpy(asked).to(forecast.device):
            wanted = (forecast * (horizon == steps[:, None])).sum()
            slopes = torch.autograd.grad(wanted, leaves, retain_graph=True, allow_unused=True, materialize_grads=True)
            for way, slope in zip(found, slopes, strict=True):
                way.append((slope.double() * units.scale).cpu().numpy())
    return np.stack(found[0]), np.stack(found[1])
