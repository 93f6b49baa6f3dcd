"""Forecasts beyond the trained horizon, which build on earlier forecasts."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import torch

from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.tensors.windows import PanelTensors

UNSURE = 2.0
"""How much wider than elsewhere intervals are where nothing was ever observed."""


def widened(point: FloatArray, first: FloatArray, rounds_before: int, point_column: int) -> FloatArray:
    """Quantiles (windows, horizon, Q) around a point forecast (windows, horizon) that builds on earlier rounds.

    With the distances d_h of the quantiles from the point in the `first` round, (windows, horizon, Q), the distances
    are sqrt(d_h^2 + rounds_before * max d^2). The network's own quantiles would be too narrow: they take their scale
    from a history of smooth forecasts.
    """
    squares = (first - first[..., point_column, None]) ** 2
    side = np.sign(np.arange(first.shape[-1]) - point_column)
    distance = np.sqrt(squares + rounds_before * squares.max(axis=1, keepdims=True))
    quantiles: FloatArray = point[..., None] + side * distance
    return quantiles


def unsure(quantiles: FloatArray, first: FloatArray, levels: Sequence[float], scale: FloatArray) -> FloatArray:
    """Quantiles (windows, horizon, Q) so wide that they claim to know nothing but the spread of the series.

    Their distances from the median are `UNSURE` times the widest ones of the `first` round, (windows, steps, Q), or of
    a normal distribution with the `scale` (windows,) of the series, if those are greater.
    """
    column = levels.index(0.5)
    scores = np.array([NormalDist().inv_cdf(level) for level in levels])
    widest = np.abs(first - first[..., column, None]).max(axis=1, keepdims=True)
    distance = UNSURE * np.maximum(widest, np.abs(scores) * scale[:, None, None])
    wide: FloatArray = quantiles[..., column, None] + np.sign(scores) * distance
    return wide


def writable(tensors: PanelTensors) -> PanelTensors:
    """A copy whose tensors may be changed."""
    return replace(
        tensors,
        target=tensors.target.clone(),
        observed=tensors.observed.clone(),
        past_features=tensors.past_features.clone(),
        past_codes=tensors.past_codes.clone(),
    )


def append_forecast(tensors: PanelTensors, series: IntArray, positions: IntArray, point: FloatArray) -> None:
    """Write a point forecast (windows, horizon) after the history as if it was observed, without past covariates.

    Args:
        tensors: A `writable` copy.
        series: (windows,) index of each window's series.
        positions: (windows,) position of the first forecast step in the series.
        point: The forecast in the units of the data.
    """
    scaled = (point - tensors.mean[series, None]) / tensors.scale[series, None]
    steps = torch.from_numpy(positions[:, None] + np.arange(point.shape[1])).to(tensors.target.device)
    rows = tensors.offsets[torch.from_numpy(series).to(steps.device)][:, None] + steps
    tensors.target[rows] = torch.from_numpy(scaled).to(tensors.target)
    tensors.observed[rows] = True
    tensors.past_features[rows] = 0.0  # missing, as in tensors.scaling
    tensors.past_codes[rows] = 0


def overwrite(tensors: PanelTensors, series: IntArray, positions: IntArray, values: FloatArray) -> None:
    """Write other values (N,) in the units of the data in place of observations.

    Args:
        tensors: A `writable` copy.
        series: (N,) index of each observation's series.
        positions: (N,) position of each observation in its series.
        values: What takes their place.
    """
    scaled = (values - tensors.mean[series]) / tensors.scale[series]
    own_series, steps = (torch.from_numpy(index).to(tensors.target.device) for index in (series, positions))
    rows = tensors.offsets[own_series] + steps
    tensors.target[rows] = torch.from_numpy(scaled).to(tensors.target)
