"""Whether today's forecasts look where the model looked when it was validated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqcast.errors import DataError
from seqcast.forecasting import attention_maps, observed_ends
from seqcast.panel.arrays import evenly_spread
from seqcast.panel.notices import Notice
from seqcast.panel.panel import FloatArray, Panel
from seqcast.results.forecast import AttentionMap
from seqcast.results.lag_profile import by_lag, padded, total_variation
from seqcast.run.load import TrainedModel

MOST_SERIES = 256
LEAST_DISTANCE = 0.25
"""A quarter of the weight on other lags than usual: less is not worth a warning, however steady validation was."""
MUCH_MISSING = 0.25
"""Part of the usual weight that may fall on missing steps without a warning."""


def drift_notices(model: TrainedModel, panel: Panel) -> tuple[Notice, ...]:
    """Warnings about the newest windows of at most `MOST_SERIES` series, spread evenly.

    The distance of the mean profile from the one stored at training is the part of the weight that lies elsewhere
    (total variation). It is unusual when it exceeds what 95 of 100 single validation windows stayed within, and
    `LEAST_DISTANCE`. Steps that are missing get no weight; what they cost is the weight their lags usually have.
    """
    if model.attention is None:
        return ()
    with_values = np.flatnonzero(observed_ends(panel) > 0)
    chosen = evenly_spread(len(with_values), MOST_SERIES)
    try:
        maps = list(attention_maps(model, panel.take_series(with_values[np.unique(chosen)])).maps)
    except DataError:  # no series is long enough to have been looked at before
        return ()
    usual, num_windows = np.array(model.attention.profile), sum(len(each.series_ids) for each in maps)
    today = np.sum([by_lag(each.weights.sum(axis=0, dtype=np.float64)) for each in maps], axis=0) / (
        num_windows * model.horizon
    )
    missing = float(sum(_usual_weight_missing(usual, each).sum() for each in maps)) / num_windows
    return (*_far(model, usual, today), *_missing(missing))


def _far(model: TrainedModel, usual: FloatArray, today: FloatArray) -> Iterator[Notice]:
    assert model.attention is not None
    distance = total_variation(today, usual)
    if distance > max(LEAST_DISTANCE, model.attention.usual_distance):
        text = (
            f"attention differs from training: {100 * distance:.0f} % of the weight lies on other lags than on the"
            f" validation windows (usual: up to {100 * model.attention.usual_distance:.0f} %); see `seqcast inspect`"
        )
        yield Notice("repair", text)


def _missing(share: float) -> Iterator[Notice]:
    if share > MUCH_MISSING:
        text = f"{100 * share:.0f} % of the attention usually lies on steps that are missing today"
        yield Notice("repair", text)


def _usual_weight_missing(usual: FloatArray, attention: AttentionMap) -> FloatArray:
    """(W,) the usual weight of the lags that are missing, mean over steps."""
    horizon, context = attention.horizon, attention.context
    num_lags = context + horizon - 1  # the model may look at another context than it was trained on
    usual = padded(usual[:num_lags], num_lags)
    reached = np.maximum(by_lag(np.ones((horizon, context))), 1)
    by_step = (usual / reached)[np.arange(horizon)[:, None] + np.arange(context)[None, :]]  # (horizon, lag_origin - 1)
    missing: FloatArray = (~attention.observed[:, ::-1]).astype(np.float64) @ by_step.sum(axis=0)
    return missing
