"""Forecasts written after the history, for forecasts beyond the trained horizon, which build on them."""

from dataclasses import replace

import numpy as np
import torch

from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.tensors.windows import PanelTensors


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
