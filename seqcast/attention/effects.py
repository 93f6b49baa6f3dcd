"""What a change of a window, or of its attention, does to the forecast."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from seqcast.model.ensemble import EncodedByEach, Ensemble
from seqcast.tensors.windows import WindowBatch


@dataclass(frozen=True)
class Effect:
    """What a change does to the forecast."""

    forecast_change: float
    """Mean absolute change of the point forecast, in standard deviations of the window."""
    error_change: float
    """Change of the mean absolute error as a part of it: 0.1 is ten percent worse."""
    usefulness: float
    """Growth of the squared error over the squared change of the forecast: 1 where what was taken away told the truth
    as well as it could be told (the error left is unrelated to it), 0 where it was as good as any other, -1 where it
    was noise. Unlike the change of the error it does not shrink where the data are noisy."""


def point_forecast(network: Ensemble, batch: WindowBatch, encoded: EncodedByEach) -> Tensor:
    """(batch, horizon) point forecast in standard deviations of the window."""
    return network.decode(batch, encoded).values[..., network.layout.point_index]
