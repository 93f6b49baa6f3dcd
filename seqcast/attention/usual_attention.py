"""What a model attends to on its validation windows, kept with the run so that a forecast can tell when it differs."""

from __future__ import annotations

import numpy as np
import torch

from seqcast.model.ensemble import Ensemble
from seqcast.results.lag_profile import by_lag, total_variation
from seqcast.run.record import AttentionRecord
from seqcast.training.setup import TrainingSetup
from seqcast.training.validation import validation_batches

USUAL_QUANTILE = 0.95
_DIGITS = 6


@torch.inference_mode()
def usual_attention(setup: TrainingSetup, network: Ensemble) -> AttentionRecord | None:
    """Mean lag profile of the validation windows, and how far single windows stray from it.

    None without attention, and where it is not finite.
    """
    if not network.attends:
        return None
    pieces = []
    for _, _, batch in validation_batches(setup):
        weights = network(batch).weights
        assert weights is not None
        pieces.append(by_lag(weights.double().cpu().numpy() / setup.network.shape.horizon).astype(np.float32))
    profiles = np.concatenate(pieces)  # (windows, lags)
    mean = profiles.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():
        return None
    distances = [total_variation(profile.astype(np.float64), mean) for profile in profiles]
    usual = float(np.quantile(distances, USUAL_QUANTILE))
    return AttentionRecord(
        profile=tuple(round(float(share), _DIGITS) for share in mean), usual_distance=round(usual, _DIGITS)
    )
