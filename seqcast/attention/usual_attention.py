"""The attention on the validation windows, stored with the run, and warnings when today's attention differs from it."""

from collections.abc import Iterator

import numpy as np
import torch

from seqcast.errors import DataError
from seqcast.forecasting import attention_maps
from seqcast.model.ensemble import Ensemble
from seqcast.panel.arrays import FloatArray, evenly_spread
from seqcast.panel.notices import Notice
from seqcast.panel.panel import Panel
from seqcast.results.forecast import AttentionMap
from seqcast.results.lag_profile import by_lag, padded, total_variation
from seqcast.results.origins import observed_ends
from seqcast.run.load import TrainedModel
from seqcast.run.record import AttentionRecord
from seqcast.training.setup import TrainingSetup
from seqcast.training.validation import validation_batches

USUAL_QUANTILE = 0.95
"""Part of the single validation windows whose distance from the mean profile counts as usual."""
MOST_SERIES = 256
"""Number of series, evenly spread, whose newest window is compared."""
LEAST_DISTANCE = 0.25
"""No warning while less than a quarter of the weight lies on unusual lags, however steady validation was."""
MUCH_MISSING = 0.25
"""Part of the usual weight that may fall on missing steps without a warning."""
_DIGITS = 6


@torch.inference_mode()
def usual_attention(setup: TrainingSetup, network: Ensemble) -> AttentionRecord | None:
    """Mean lag profile of the validation windows, and how far single windows stray from it.

    Returns None without attention, and if the attention is not finite.
    """
    if not network.attends:
        return None
    pieces = []
    for _, _, batch in validation_batches(setup):
        weights = network(batch, write_out=True).weights
        assert weights is not None
        pieces.append(by_lag(weights.double().cpu().numpy() / setup.network.shape.horizon).astype(np.float32))
    profiles = np.concatenate(pieces)  # (windows, lags)
    mean = profiles.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():
        return None
    distances = [total_variation(profile.astype(np.float64), mean) for profile in profiles]
    usual = float(np.quantile(distances, USUAL_QUANTILE))
    profile = tuple(round(float(share), _DIGITS) for share in mean)
    return AttentionRecord(profile=profile, usual_distance=round(usual, _DIGITS))


def drift_notices(model: TrainedModel, panel: Panel) -> tuple[Notice, ...]:
    """Warnings when the newest windows attend to unusual lags, or when many usual lags are missing.

    The distance between two profiles is their total variation: the part of the weight that lies on other lags. It is
    unusual above `LEAST_DISTANCE` and above what `USUAL_QUANTILE` of the validation windows stayed within. A missing
    step costs the weight that its lag usually has.
    """
    if model.attention is None:
        return ()
    with_values = np.flatnonzero(observed_ends(panel) > 0)
    chosen = with_values[evenly_spread(len(with_values), MOST_SERIES)]
    try:
        maps = list(attention_maps(model, panel.take_series(chosen)).maps)
    except DataError:  # no series has a past origin
        return ()
    usual, num_windows = np.array(model.attention.profile), sum(len(each.series_ids) for each in maps)
    sums = np.sum([by_lag(each.weights.sum(axis=0, dtype=np.float64)) for each in maps], axis=0)
    today = sums / (num_windows * model.horizon)
    missing = float(sum(_usual_weight_missing(usual, each).sum() for each in maps)) / num_windows
    return tuple(_warnings(total_variation(today, usual), model.attention.usual_distance, missing))


def _warnings(distance: float, usual_distance: float, missing: float) -> Iterator[Notice]:
    if distance > max(LEAST_DISTANCE, usual_distance):
        yield Notice(
            "repair",
            f"attention differs from training: {100 * distance:.0f} % of the weight lies on other lags than on the"
            f" validation windows (usual: up to {100 * usual_distance:.0f} %); see `seqcast inspect`",
        )
    if missing > MUCH_MISSING:
        yield Notice("repair", f"{100 * missing:.0f} % of the attention usually lies on steps that are missing today")


def _usual_weight_missing(usual: FloatArray, attention: AttentionMap) -> FloatArray:
    """(W,) usual weight of the missing lags, mean over steps."""
    horizon, context = attention.horizon, attention.context
    num_lags = context + horizon - 1  # the model may look at another context than it was trained on
    usual = padded(usual[:num_lags], num_lags)
    reached = np.maximum(by_lag(np.ones((horizon, context))), 1)
    by_step = (usual / reached)[np.arange(horizon)[:, None] + np.arange(context)[None, :]]  # (horizon, lag_origin - 1)
    missing: FloatArray = (~attention.observed[:, ::-1]).astype(np.float64) @ by_step.sum(axis=0)
    return missing
