"""The share of the trained networks in the forecast, beside the linear start: one number, fitted on validation windows.

Stacking (Breiman 1996) with one weight in [0, 1]. The weight is the mean of those that minimise the loss outside of one
block of time each. Where independent windows are few, it is drawn towards the best weight for independent errors of
these sizes, which is one half for equal ones (Bates and Granger 1969; Claeskens et al. 2016). It is then drawn towards
zero as far as its gain lies within the noise, since validation also chose when to stop: by 1 - (standard error /
gain)^2, as James and Stein (1961) shrink, and the less the clearer the networks are better.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from seqcast.model.ensemble import Ensemble
from seqcast.model.network import ForecastNetwork, NetworkOutput
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.training.plan import FEWEST_CLUSTERS
from seqcast.training.setup import TrainingSetup, window_losses
from seqcast.training.validation import horizon_block, num_independent
from seqcast.training.validation_forecasts import ValidationForecasts

NUM_SHARES = 21
"""Number of shares that are tried, from 0 to 1."""
MOST_BLOCKS = 5
EQUAL_WINDOWS = 5
"""Weight of equal errors, and of the share that errors of these sizes suggest, in independent validation windows."""


def network_share(forecasts: ValidationForecasts, start: ForecastNetwork, networks: Sequence[ForecastNetwork]) -> float:
    """Share of the networks together, in [0, 1]; 0 without any, and 1 where training does not start linear."""
    setup = forecasts.setup
    if not networks:
        return 0.0
    if not setup.starts_linear:
        return 1.0
    losses = _losses_by_share(forecasts, start, networks)
    gains = losses[0] - losses[-1]  # of the networks alone, which validation has chosen
    fitted, independent = share_outside_blocks(losses, time_blocks(setup)), num_independent(setup)
    before, alone = float(losses[0].sum()), float(losses[-1].sum())
    measured = min(alone / before, 1.0) if min(before, alone) > 0 else 1.0  # the loss of a density may be negative
    remaining = (independent * measured + EQUAL_WINDOWS) / (independent + EQUAL_WINDOWS)
    usual = 1 / (1 + remaining**2)
    share = (independent * fitted + EQUAL_WINDOWS * usual) / (independent + EQUAL_WINDOWS)
    doubt = 1 - min(trust(gains, cluster) for cluster in (setup.validation_series, horizon_block(setup)))
    return round(share * (1 - doubt * remaining**2), 2)


def share_outside_blocks(losses: FloatArray, block: IntArray) -> float:
    """The mean of the shares that minimise the losses (NUM_SHARES, windows) outside of one block (windows,) each."""
    blocks = np.unique(block)
    outside = [losses[:, (block != each) | (len(blocks) == 1)].sum(axis=1) for each in blocks]
    return float(np.mean([np.argmin(each) for each in outside])) / (NUM_SHARES - 1)


def trust(gains: FloatArray, cluster: IntArray) -> float:
    """1 - (standard error / gain)^2 of the summed gains of windows, at least 0; windows of a cluster stay together.

    1 where there are too few clusters to tell the standard error from.
    """
    total = gains.sum()
    if total <= 0:
        return 0.0
    _, index = np.unique(cluster, return_inverse=True)
    sums = np.bincount(index, gains)
    if len(sums) < FEWEST_CLUSTERS:
        return 1.0
    variance = len(sums) * sums.var(ddof=1)
    return max(0.0, 1 - float(variance / total**2))


@torch.no_grad()
def _losses_by_share(
    forecasts: ValidationForecasts, start: ForecastNetwork, networks: Sequence[ForecastNetwork]
) -> FloatArray:
    """(NUM_SHARES, validation windows) loss of each window, for each share of the networks."""
    setup = forecasts.setup
    alone = Ensemble([start], [1.0])
    together = Ensemble(networks, [1 / len(networks)] * len(networks)).to(setup.runtime.device)
    parts: list[Tensor] = []
    for batch, (before, after) in forecasts.batches(alone, together):
        losses = []
        for share in np.linspace(0, 1, NUM_SHARES):
            values = torch.lerp(before.values.float(), after.values.float(), float(share))
            losses.append(window_losses(setup, NetworkOutput(values, None, before.standardisation), batch)[0])
        parts.append(torch.stack(losses))
    losses_by_share = torch.cat(parts, dim=1)
    setup.runtime.world.follow_first([losses_by_share])
    result: FloatArray = losses_by_share.double().cpu().numpy()
    return result


def time_blocks(setup: TrainingSetup) -> IntArray:
    """(windows,) block of each validation window: a stretch of time, or a group of series where there is but one."""
    group = horizon_block(setup)
    if len(np.unique(group)) == 1:
        group = setup.validation_series
    _, rank = np.unique(group, return_inverse=True)
    blocks: IntArray = rank * MOST_BLOCKS // (rank.max() + 1)
    return blocks
