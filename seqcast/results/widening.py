"""Intervals of forecasts that rest on less: beyond the trained horizon, and where nothing was ever observed."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from seqcast.panel.arrays import FloatArray

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
