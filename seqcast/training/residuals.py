"""Truth minus forecast quantiles of past windows, and the corrections that follow from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from seqcast.model.calibration import WindowTraits
from seqcast.model.ensemble import Ensemble
from seqcast.model.network import NetworkOutput
from seqcast.panel.arrays import BoolArray, FloatArray, IntArray
from seqcast.tensors.windows import WindowBatch
from seqcast.training.setup import TrainingSetup, gather, judged
from seqcast.training.validation import pieces

FEWEST_WINDOWS = 10
"""Fewest windows to calibrate by; with fewer, quantiles are left as they were learned."""
POOLED_WINDOWS = 30
"""Weight, in independent windows, of the correction shared by all steps against that of a single step."""
LEARNED_WINDOWS = 5
"""Weight, in independent windows, of the quantiles as they were learned."""


@dataclass(frozen=True)
class Residuals:
    """Truth minus quantiles of windows, in window-standardised units."""

    values: FloatArray
    """(windows, horizon, L); NaN where there is no truth."""
    cluster: IntArray
    """(windows,) as from `clusters`."""

    def __getitem__(self, chosen: BoolArray | IntArray) -> Self:
        return type(self)(self.values[chosen], self.cluster[chosen])

    @property
    def num_independent(self) -> int:
        """Windows that do not overlap."""
        return len(np.unique(self.cluster))


def window_batches(setup: TrainingSetup, series: IntArray, origins: IntArray) -> Iterator[tuple[slice, WindowBatch]]:
    """The windows (series[b], origins[b]) in bounded pieces, and the rows of each piece."""
    for rows in pieces(setup, len(series)):
        yield rows, gather(setup, series[rows], origins[rows])


def clusters(setup: TrainingSetup, series: IntArray, origins: IntArray) -> IntArray:
    """(windows,) number of the series and the horizon-long stretch of time that each window begins in."""
    stretch = origins // setup.network.shape.horizon
    cluster: IntArray = series * (int(stretch.max(initial=0)) + 1) + stretch
    return cluster


@torch.no_grad()
def window_residuals(network: Ensemble, batch: WindowBatch) -> tuple[FloatArray, WindowTraits]:
    """(batch, horizon, L) truth minus the quantiles before calibration, and the traits of the windows."""
    return output_residuals(network, batch, network(batch))


def output_residuals(network: Ensemble, batch: WindowBatch, output: NetworkOutput) -> tuple[FloatArray, WindowTraits]:
    """As `window_residuals`, of what the network has forecast."""
    units = output.standardisation
    truth = units.apply(batch.future_target, batch.future_observed)
    difference = truth[..., None] - network.layout.quantiles(output.values.float())
    found: FloatArray = difference.masked_fill(~judged(batch)[..., None], torch.nan).cpu().numpy()
    return found, network.traits(batch, units)


def correction(network: Ensemble, residuals: Residuals) -> Tensor:
    """(horizon, L) corrections of the network's quantiles; zeros where there is too little to learn them from.

    Args:
        network: The network before calibration.
        residuals: Those of windows of one kind.
    """
    by_step = residual_quantiles(residuals, network.layout.levels)
    found = np.zeros_like(by_step)
    known = np.isfinite(by_step).all(axis=1)
    if known.any():
        independent = residuals.num_independent
        own_share = independent / (independent + POOLED_WINDOWS)
        trust = independent / (independent + LEARNED_WINDOWS)
        shared = np.median(by_step[known], axis=0)
        found[known] = trust * (own_share * by_step[known] + (1 - own_share) * shared)
    return torch.from_numpy(found).to(network.calibration.flat)


def residual_quantiles(residuals: Residuals, levels: Sequence[float], factor: float = 1.0) -> FloatArray:
    """(horizon, L) quantiles of the residuals, farther out where independent windows are few; zero at the median.

    NaN at a step without any truth, and everywhere if there are too few windows.

    Args:
        residuals: Those of windows of one kind, for quantiles at the levels.
        levels: (L,) of the quantiles.
        factor: How many times as many truths may lie beyond a quantile as its level says, but no more than half.
    """
    outside = [min(factor * min(level, 1 - level), 0.5) for level in levels]
    sides = [1 - part if level > 0.5 else part for part, level in zip(outside, levels, strict=True)]
    if len(residuals.values) < FEWEST_WINDOWS:
        return np.full(residuals.values.shape[1:], np.nan)
    shares = np.array([_cautious(side, max(residuals.num_independent, 1)) for side in sides])
    found = _known_quantiles(residuals.values, shares)
    return np.where(np.isfinite(found) & (np.array(levels) == 0.5), 0.0, found)


def _known_quantiles(values: FloatArray, shares: FloatArray) -> FloatArray:
    """(horizon, L) quantile `shares[l]` of the values (windows, horizon, L) that are not NaN; NaN without any.

    The same as `numpy.nanquantile`, which takes a hundred times as long.
    """
    ordered = np.sort(values, axis=0)  # NaN last
    count = np.isfinite(values).sum(axis=0)
    place = shares * np.maximum(count - 1, 0)
    first = np.floor(place).astype(np.int64)
    low, high = (
        np.take_along_axis(ordered, each[None], axis=0)[0]
        for each in (first, np.minimum(first + 1, np.maximum(count - 1, 0)))
    )
    quantiles: FloatArray = low + (high - low) * (place - first)
    return quantiles


def _cautious(level: float, count: int) -> float:
    """The empirical quantile that covers `level` in the mean over samples of `count`: the (n + 1) / n fold of it.

    For few windows that lies beyond the sample; it is then halfway to its end.
    """
    if level < 0.5:
        return 1 - _cautious(1 - level, count)
    return min(level * (count + 1) / count, (1 + level) / 2)
