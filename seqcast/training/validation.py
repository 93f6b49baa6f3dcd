"""Validation: the loss of a network that runs freely."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seqcast.model.ensemble import Ensemble
from seqcast.model.network import ForecastNetwork, NetworkOutput
from seqcast.panel.arrays import IntArray
from seqcast.tensors.windows import WindowBatch
from seqcast.training.setup import TrainingSetup, gather, window_losses

VALIDATION_BATCH = 512
MOST_PAIRS = 8_000_000
"""Pairs of a forecast and a context step in a batch, as attention takes much longer for more at once."""


@dataclass(frozen=True)
class ValidationScore:
    """Result of one validation."""

    loss: float
    relative_mae: float | None
    """Absolute error over that of the seasonal naive forecast; None where there is no such ratio."""
    naive_is_exact: bool = False
    """Whether the seasonal naive forecast makes no error, so that there is no ratio to it."""


@torch.no_grad()
def validate(setup: TrainingSetup, network: ForecastNetwork | Ensemble) -> ValidationScore:
    """Loss of a network running freely, and its absolute error relative to the seasonal naive forecast."""
    network.eval()
    return score(setup, _forecasts(setup, network), network.layout.point_index)


def _forecasts(
    setup: TrainingSetup, network: ForecastNetwork | Ensemble
) -> Iterator[tuple[WindowBatch, NetworkOutput]]:
    for _, _, batch in validation_batches(setup):
        with setup.runtime.autocast():
            output = network(batch)
        yield batch, output


@torch.no_grad()
def score(
    setup: TrainingSetup, forecasts: Iterable[tuple[WindowBatch, NetworkOutput]], point_index: int
) -> ValidationScore:
    """The score of forecasts of the validation windows.

    Args:
        setup: The training.
        forecasts: The `validation_batches` and their forecasts.
        point_index: Column of the point forecast.
    """
    sums: list[Tensor] = []
    count = error_sum = naive_sum = 0.0
    num_comparable = 0
    parts = pieces(setup, len(setup.validation_series))
    for part, (batch, output) in zip(parts, forecasts, strict=True):
        series, origins = setup.validation_series[part], setup.validation_origins[part]
        window_sums, window_counts = window_losses(setup, output, batch)
        sums.append(window_sums)
        count += float(window_counts.sum())
        units = output.standardisation
        point = output.values[..., point_index].float() * units.scale + units.location
        naive, comparable = _seasonal_naive(setup, series, origins)
        comparable = comparable & batch.future_observed
        num_comparable += int(comparable.sum())
        error_sum += float(((point - batch.future_target).abs() * comparable).sum())
        naive_sum += float(((naive - batch.future_target).abs() * comparable).sum())
    losses = torch.cat(sums)
    setup.runtime.world.follow_first([losses])  # so that all processes decide alike
    relative_mae = error_sum / naive_sum if naive_sum else math.inf
    loss = float(losses.sum()) / max(count, 1e-6)
    naive_is_exact = num_comparable > 0 and naive_sum == 0
    return ValidationScore(loss, relative_mae if math.isfinite(relative_mae) else None, naive_is_exact)


def _seasonal_naive(setup: TrainingSetup, series: IntArray, origins: IntArray) -> tuple[Tensor, Tensor]:
    """The value a whole number of seasons before each forecast step, (batch, horizon), and where it was observed."""
    steps = np.arange(1, setup.network.shape.horizon + 1)
    back = setup.season * -(-steps // setup.season)
    positions = origins[:, None] + (steps - 1 - back)[None]
    return setup.tensors.values_at(setup.tensors.index(series), setup.tensors.index(positions))


def validation_batches(setup: TrainingSetup) -> Iterator[tuple[IntArray, IntArray, WindowBatch]]:
    """Series, origins and values of the validation windows, in bounded pieces."""
    for part in pieces(setup, len(setup.validation_series)):
        series, origins = setup.validation_series[part], setup.validation_origins[part]
        yield series, origins, gather(setup, series, origins)


def pieces(setup: TrainingSetup, num_windows: int) -> Iterator[slice]:
    """Rows of as many windows as are forecast at once."""
    shape = setup.network.shape
    size = min(VALIDATION_BATCH, max(1, MOST_PAIRS // (shape.context * shape.horizon)))
    for first in range(0, num_windows, size):
        yield slice(first, first + size)


def horizon_block(setup: TrainingSetup) -> IntArray:
    """(windows,) which stretch of one horizon a validation window begins in."""
    block: IntArray = setup.validation_origins // setup.network.shape.horizon
    return block


def num_independent(setup: TrainingSetup) -> int:
    """Validation windows that do not overlap: one per series and horizon."""
    return len(np.unique(np.stack([setup.validation_series, horizon_block(setup)]), axis=1).T)
