"""Test of shorter contexts: the attention on them, and the error of the trained network with them."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from seqcast.attention.context_length import with_context
from seqcast.attention.lag_report import LagReport
from seqcast.forecasting import Forecasting
from seqcast.panel.panel import Panel
from seqcast.results.origins import known_origins
from seqcast.run.load import TrainedModel
from seqcast.tensors.windows import WindowBatch

PARTS = (1, 2, 3, 4, 6, 8)
"""Divisors of the context, one for each length to test."""
MOST_WINDOWS = 512
TOLERATED_LOSS = 0.02
"""Largest increase of the error, as a part of it, for which a shorter context is suggested."""
_AT_ONCE = 256


@dataclass(frozen=True)
class ContextRow:
    """One length of context, in steps."""

    context: int
    duration: str
    share: float
    """Part of the attention on the newest `context` steps."""
    error: float
    """Mean absolute error of the trained network with this context, in standard deviations of each series."""
    error_change: float
    """Difference from the error with the whole context, as a part of that error."""


@dataclass(frozen=True)
class ContextSuggestion:
    """The tested lengths, longest first, and the suggested one."""

    rows: tuple[ContextRow, ...]
    suggested: int
    """The shortest context whose error grows by at most `TOLERATED_LOSS`."""
    num_windows: int


def suggest_context(model: TrainedModel, panel: Panel, report: LagReport, windows: int) -> ContextSuggestion:
    """Score shorter contexts at the newest `windows` origins of each series whose truth is known.

    The network was trained on the whole context. One that is trained on a shorter context may do better.

    Raises:
        DataError: No series has an origin whose truth is known.
    """
    model = model.as_validated
    origins = known_origins(panel, model.horizon, model.context, windows).spread(MOST_WINDOWS)
    forecasting = Forecasting(model, panel, origins.earliest(panel.lengths))
    lengths = sorted({max(1, model.context // part) for part in PARTS}, reverse=True)
    shortened = [with_context(model, length) for length in lengths]
    errors, count = np.zeros(len(lengths)), 0
    with torch.inference_mode():
        for _, batch in forecasting.batches(origins, _AT_ONCE):
            errors += [_absolute_error(shorter, _newest(batch, shorter.context)) for shorter in shortened]
            count += int(batch.future_observed.sum())
    errors /= max(count, 1)
    rows = tuple(
        ContextRow(
            context=length,
            duration=panel.frequency.duration(length),
            share=float(report.step_weights[:, -length:].sum() / report.horizon),
            error=float(error),
            error_change=float(error / max(errors[0], 1e-12) - 1),
        )
        for length, error in zip(lengths, errors, strict=True)
    )
    good = [row.context for row in rows if row.error_change <= TOLERATED_LOSS]
    return ContextSuggestion(rows, min(good), len(origins))


def _newest(batch: WindowBatch, context: int) -> WindowBatch:
    """The batch with the newest `context` past steps only."""
    steps = context + batch.future_target.shape[1]
    return replace(
        batch,
        context_target=batch.context_target[:, -context:],
        context_observed=batch.context_observed[:, -context:],
        past_features=batch.past_features[:, -context:],
        past_codes=batch.past_codes[:, -context:],
        known_features=batch.known_features[:, -steps:],
        known_codes=batch.known_codes[:, -steps:],
    )


def _absolute_error(model: TrainedModel, batch: WindowBatch) -> float:
    """Sum of absolute errors in series-scaled units."""
    output = model.network(batch)
    point = output.values[..., model.network.layout.point_index]
    scaled = point * output.standardisation.scale + output.standardisation.location
    error = (scaled - batch.future_target).abs() * batch.future_observed
    return float(error.double().sum())
