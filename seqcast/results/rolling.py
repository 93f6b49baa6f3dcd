"""Forecasts that build on forecasts, beyond the horizon that a network was trained for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from seqcast.panel.panel import FloatArray, IntArray
from seqcast.tensors.windows import PanelTensors


def widened(point: FloatArray, first: FloatArray, rounds_before: int, point_column: int) -> FloatArray:
    """Quantiles (windows, horizon, Q) around a point forecast (windows, horizon) that rests on earlier rounds.

    Their distance d_h from it is that of the `first` round, (windows, horizon, Q), whose widest is added for each of
    the rounds before, in squares: sqrt(d_h^2 + rounds * max d^2). The network's own distance is not asked for: it takes
    its scale from a history that consists of smooth forecasts by then.
    """
    squares = (first - first[..., point_column, None]) ** 2
    side = np.sign(np.arange(first.shape[-1]) - point_column)
    distance = np.sqrt(squares + rounds_before * squares.max(axis=1, keepdims=True))
    quantiles: FloatArray = point[..., None] + side * distance
    return quantiles


def writable(tensors: PanelTensors) -> PanelTensors:
    """A copy that forecasts may be written into."""
    return replace(
        tensors,
        target=tensors.target.clone(),
        observed=tensors.observed.clone(),
        past_features=tensors.past_features.clone(),
        past_codes=tensors.past_codes.clone(),
    )


def append_forecast(tensors: PanelTensors, series: IntArray, positions: IntArray, point: FloatArray) -> None:
    """Write a point forecast (windows, horizon) behind a history, as if observed; past covariates are unknown there.

    Args:
        tensors: `writable` ones.
        series: (windows,) the series of each window.
        positions: (windows,) the step of it that is forecast first.
        point: In the units of the data.
    """
    scaled = (point - tensors.mean[series, None]) / tensors.scale[series, None]
    steps = torch.from_numpy(positions[:, None] + np.arange(point.shape[1])).to(tensors.target.device)
    rows = tensors.offsets[torch.from_numpy(series).to(steps.device)][:, None] + steps
    tensors.target[rows] = torch.from_numpy(scaled).to(tensors.target)
    tensors.observed[rows] = True
    tensors.past_features[rows] = 0.0  # as tensors.scaling writes what is missing
    tensors.past_codes[rows] = 0
