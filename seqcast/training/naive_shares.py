"""The share of a naive forecast in the combination, beside networks and linear start.

A naive forecast has a share where it alone is better on the validation windows than all the others together, by the
point error. The share minimises that error outside of one block of time each, as in `training.stacking`. Where
independent windows are few, it is drawn towards the best share for independent errors of these sizes, which is one half
for equal ones (Bates and Granger 1969). It is believed as far as the gain is more than noise, the more the clearer the
naive forecast is better. So a forecast does not stay behind the best naive one by more than chance.

Quantiles come from the residuals of the same naive forecast, which learns nothing, so these are honest out of sample.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from seqcast.config import NAIVE_FORECASTS, Loss
from seqcast.model.ensemble import Ensemble, least_value
from seqcast.model.naive import NaiveForecasts, SeenContext
from seqcast.panel.arrays import FloatArray
from seqcast.tensors.windows import WindowRange
from seqcast.training.combination import Combination
from seqcast.training.losses import loss_sums, step_weights
from seqcast.training.residuals import window_batches
from seqcast.training.setup import TrainingSetup, judged
from seqcast.training.stacking import EQUAL_WINDOWS, NUM_SHARES, share_outside_blocks, time_blocks, trust
from seqcast.training.validation import horizon_block, num_independent
from seqcast.training.validation_forecasts import ValidationForecasts

MOST_WINDOWS = 4096
"""Most windows whose residuals make the quantiles."""
MOST_VALUES = 4_000_000
"""Most steps of these windows together."""
FEWEST_WINDOWS = 64
"""Fewest windows, however long they are."""
SMALLEST_SHARE = 0.05
"""A smaller share, of the naive forecast or of the others, is left out: it changes little and is more to explain."""
UPPER_QUARTILE = 0.74
"""Upper quartile of a Student t with the degrees of freedom that a raw value of 0 stands for, 4.1."""
SMALLEST_SPREAD = 1e-3


@dataclass(frozen=True)
class _Judged:
    """Point forecasts of the W validation windows in window-standardised units, and what they are judged by."""

    combined: Tensor
    """(W, horizon) of networks and linear start together."""
    naive: Tensor
    """(K, W, horizon)"""
    target: Tensor
    """(W, horizon)"""
    counted: Tensor
    """(W, horizon) True where a forecast counts."""
    weights: Tensor
    """(W, horizon) as in the loss."""
    loss: Loss
    """A loss of points."""

    def losses(self, points: Tensor) -> FloatArray:
        """(W,) loss of each window for points (W, horizon)."""
        unused = self.weights.new_empty(0)
        sums, _ = loss_sums(self.loss, points[..., None], self.target, self.counted, unused, self.weights)
        result: FloatArray = sums.double().cpu().numpy()
        return result


def with_naive(setup: TrainingSetup, combination: Combination) -> Combination:
    """The combination with its naive forecasts: their shares, and quantiles from the residuals on the newest data."""
    shares = naive_shares(combination.forecasts, combination.validated)
    before = naive_offsets(setup, setup.train_windows)
    after = naive_offsets(setup, setup.refit_windows) if setup.config.training.refit else before
    validated, final = combination.validated.with_naive(shares, before), combination.final.with_naive(shares, after)
    return replace(combination, validated=validated, final=final)


def naive_shares(forecasts: ValidationForecasts, combined: Ensemble) -> Tensor:
    """(K,) share of each naive forecast beside `combined`; at most one is not 0."""
    setup, shares = forecasts.setup, torch.zeros(len(NAIVE_FORECASTS))
    judged_points = _judged_points(forecasts, combined)
    losses = [judged_points.losses(points) for points in (judged_points.combined, *judged_points.naive)]
    together, *alone = losses
    best = int(np.argmin([each.sum() for each in alone]))
    gains = together - alone[best]
    if not gains.sum() > 0:
        return shares
    simple = judged_points.naive[best]
    by_share = np.stack(
        [
            judged_points.losses(torch.lerp(judged_points.combined, simple, float(share)))
            for share in np.linspace(0, 1, NUM_SHARES)
        ]
    )
    remaining = float(alone[best].sum() / together.sum())
    fitted, usual = share_outside_blocks(by_share, time_blocks(setup)), 1 / (1 + remaining**2)
    independent = num_independent(setup)
    share = (independent * fitted + EQUAL_WINDOWS * usual) / (independent + EQUAL_WINDOWS)
    doubt = 1 - min(trust(gains, cluster) for cluster in (setup.validation_series, horizon_block(setup)))
    share = share * (1 - doubt * remaining**2)
    if SMALLEST_SHARE <= share <= 1 - SMALLEST_SHARE:
        shares[best] = round(share, 2)
    else:
        shares[best] = round(share)
    return shares


@torch.no_grad()
def _judged_points(forecasts: ValidationForecasts, combined: Ensemble) -> _Judged:
    setup = forecasts.setup
    parts: list[tuple[Tensor, ...]] = []
    for batch, (output,) in forecasts.batches(combined):
        units = output.standardisation
        context = units.apply(batch.context_target, batch.context_observed)
        seen = SeenContext(context, batch.context_observed)
        points = output.values[..., combined.layout.point_index].float()
        naive = torch.stack([combined.naive.points(name, seen) for name in NAIVE_FORECASTS], dim=1)
        target = units.apply(batch.future_target, batch.future_observed)
        least = least_value(batch, units)
        weights = step_weights(context, batch.context_observed, units.scale, setup.season, least, target.shape[1])
        parts.append((points, naive, target, judged(batch), weights))
    points, naive, target, counted, weights = (torch.cat(column) for column in zip(*parts, strict=True))
    setup.runtime.world.follow_first([points])  # so that all processes decide alike
    loss = setup.config.training.loss
    own = "mae" if loss in ("quantile", "student-t") else loss
    return _Judged(points, naive.transpose(0, 1), target, counted, weights, own)


@torch.no_grad()
def naive_offsets(setup: TrainingSetup, windows: WindowRange) -> Tensor:
    """(K, horizon, width) what makes quantiles, or a density, of each naive point; zeros with a loss of points.

    Quantiles are those of the residuals on these windows, without a move of the median.
    """
    network = setup.network
    naive = NaiveForecasts(network.shape, network.layout).to(setup.runtime.device)
    if network.layout.width == 1:
        return naive.offsets
    at_most = MOST_VALUES // (network.shape.context + network.shape.horizon)
    series, origins = windows.spread(int(np.clip(at_most, FEWEST_WINDOWS, MOST_WINDOWS)))
    parts: list[Tensor] = []
    for _, batch in window_batches(setup, series, origins):
        units = network.standardise(batch)
        seen = SeenContext(units.apply(batch.context_target, batch.context_observed), batch.context_observed)
        truth = units.apply(batch.future_target, batch.future_observed)
        missed = torch.stack([truth - naive.points(name, seen) for name in NAIVE_FORECASTS])
        parts.append(missed.masked_fill(~judged(batch), torch.nan).cpu())
    residuals = torch.cat(parts, dim=1).double().numpy()  # (K, windows, horizon)
    residuals[:, :, np.isnan(residuals).all(axis=(0, 1))] = 0.0  # a step that was never observed
    if network.layout.increasing:
        return torch.from_numpy(_quantiles(residuals, setup.config.model.quantiles)).to(naive.offsets)
    spread = np.nanmedian(np.abs(residuals), axis=1) / UPPER_QUARTILE
    raw = torch.from_numpy(np.log(np.expm1(np.maximum(spread, SMALLEST_SPREAD)))).to(naive.offsets)
    return torch.stack([torch.zeros_like(raw), raw, torch.zeros_like(raw)], dim=-1)


def _quantiles(residuals: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """(K, horizon, Q) quantiles of residuals (K, windows, horizon), on their side of 0."""
    quantiles: FloatArray = np.moveaxis(np.nanquantile(residuals, levels, axis=1), 0, -1)
    side = np.sign(np.array(levels) - 0.5)
    return np.maximum(side * quantiles, 0) * side
