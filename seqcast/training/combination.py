"""The forecast of a run: which trained networks make it, how much of the linear start stays, and its calibration.

The trained networks have equal shares among each other; `training.stacking` settles how much of the linear start stays
beside them.

The quantiles get a split-conformal correction on the validation windows (Romano, Patterson and Candes 2019, one-sided).
For each forecast step and quantile level it is the quantile, at that level, of truth minus forecast over these windows,
in window-standardised units. The median stays: intervals are calibrated, the point is not moved.
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seqcast.model.ensemble import Ensemble
from seqcast.model.network import ForecastNetwork
from seqcast.training.checkpoint import TrainedMember, Weights
from seqcast.training.linear_start import LinearForecast, apply_linear_start
from seqcast.training.rounds import forecasting
from seqcast.training.setup import TrainingSetup, judged
from seqcast.training.stacking import network_share
from seqcast.training.validation import num_independent, validation_batches

FEWEST_WINDOWS = 10
"""Fewest validation windows to calibrate by; with fewer, quantiles are left as they were learned."""
POOLED_WINDOWS = 30
"""Weight, in independent windows, of the correction shared by all steps against that of a single step."""
LEARNED_WINDOWS = 5
"""Weight, in independent windows, of the quantiles as they were learned."""


@dataclass(frozen=True)
class Combination:
    """The forecast of a run, before calibration."""

    validated: Ensemble
    """Without knowledge of the validation part."""
    final: Ensemble
    """Refitted on it; the same as `validated` where nothing is refitted."""
    linear_share: float


def combine(setup: TrainingSetup, newest: LinearForecast | None, members: tuple[TrainedMember, ...]) -> Combination:
    """Let the best networks share the forecast with the start.

    Args:
        setup: The training.
        newest: The linear start fitted on the validation part as well; None: it stays as it was.
        members: The trained networks.
    """
    improved = [members[number] for number in forecasting([member.record for member in members])]

    def network(weights: Weights) -> ForecastNetwork:
        built = copy.deepcopy(setup.network)
        built.load_state_dict(weights)
        return built

    before, after = copy.deepcopy(setup.network), copy.deepcopy(setup.network)
    if newest is not None:
        apply_linear_start(after, newest)
    selected = [network(member.selected) for member in improved]
    share = 1 - network_share(setup, before, selected)
    if share == 1:
        improved, selected = [], []
    shares = [share] * (share > 0) + [(1 - share) / max(len(improved), 1)] * len(improved)
    validated = Ensemble([before] * (share > 0) + selected, shares)
    final = Ensemble([after] * (share > 0) + [network(member.weights) for member in improved], shares)
    device = setup.runtime.device
    return Combination(validated.to(device).eval(), final.to(device).eval(), share)


@torch.no_grad()
def conformal_correction(setup: TrainingSetup, network: Ensemble) -> Tensor:
    """Corrections (horizon, Q) of the network's quantiles; zeros where there is too little to learn them from.

    Only validation windows are looked at.
    """
    levels = setup.config.model.quantiles
    correction = torch.zeros_like(network.calibration)
    if len(setup.validation_series) < FEWEST_WINDOWS:
        return correction
    residuals: list[Tensor] = []
    for _, _, batch in validation_batches(setup):
        output = network(batch)
        truth = output.standardisation.apply(batch.future_target, batch.future_observed)
        difference = (truth[..., None] - output.values.float()).cpu()
        residuals.append(difference.masked_fill(~judged(batch)[..., None].cpu(), torch.nan))
    every = torch.cat(residuals).numpy()  # (windows, horizon, Q)
    known = np.isfinite(every[..., 0]).any(axis=0)  # (horizon,)
    if not known.any():
        return correction
    independent = num_independent(setup)
    own_share = independent / (independent + POOLED_WINDOWS)
    trust = independent / (independent + LEARNED_WINDOWS)
    for column, level in enumerate(levels):
        if level == 0.5:
            continue
        by_step = np.nanquantile(every[:, known, column], _cautious(level, independent), axis=0)
        shift = trust * (own_share * by_step + (1 - own_share) * np.median(by_step))
        correction[known, column] = torch.from_numpy(shift).to(correction)
    return correction


def _cautious(level: float, count: int) -> float:
    """The empirical quantile that covers `level` in the mean over samples of `count`: the (n + 1) / n fold of it.

    For few windows that lies beyond the sample; it is then halfway to its end.
    """
    if level < 0.5:
        return 1 - _cautious(1 - level, count)
    return min(level * (count + 1) / count, (1 + level) / 2)
