"""Split-conformal correction of the quantiles on validation windows (Romano, Patterson and Candes 2019, one-sided).

For each forecast step and quantile level the correction is the quantile, at that level, of truth minus forecast over
the validation windows, in window-standardised units. The median stays: intervals are calibrated, the point is not
moved.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqcast.training.loop import TrainingSetup, judged, validation_batches

FEWEST_WINDOWS = 30
"""With fewer validation windows quantiles are left as they were learned."""
POOLED_WINDOWS = 200
"""Weight, in windows, of the correction shared by all steps against that of a single step."""


@torch.no_grad()
def conformal_correction(setup: TrainingSetup) -> Tensor:
    """Corrections (horizon, Q) of the network's quantiles; zeros where there is too little to learn them from.

    Only validation windows are looked at.
    """
    network = setup.network.eval()
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
    every = torch.cat(residuals)  # (windows, horizon, Q)
    own_share = len(every) / (len(every) + POOLED_WINDOWS)
    for column, level in enumerate(levels):
        if level == 0.5:
            continue
        by_step = torch.nanquantile(every[..., column], level, dim=0)
        pooled = torch.nanmedian(by_step)
        shift = torch.nan_to_num(own_share * by_step + (1 - own_share) * pooled)
        correction[:, column] = shift.to(correction.device)
    return correction
