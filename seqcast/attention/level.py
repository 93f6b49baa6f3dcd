"""The part of a forecast that goes through the level of its window, which no lag shows.

A network forecasts location + scale x g(z) from values z in the units of the window. If all values rise by 1, so does
the forecast: by 1 - sum dg/dz through the location, and by the rest through the attended lags. A forecast of a random
walk is all level, one that copies attended values as they are is all lags.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seqcast.attention.changed_weights import point_forecast
from seqcast.config import Location
from seqcast.forecasting import Forecasting
from seqcast.model.ensemble import Ensemble
from seqcast.model.network import Standardisation
from seqcast.results.origins import Origins
from seqcast.tensors.windows import WindowBatch

SHIFT = 0.05
"""Shift of the location, in standard deviations of the window."""
_AT_ONCE = 64


@dataclass(frozen=True)
class LevelShare:
    """The part of the level."""

    share: float
    """Part of the forecast's response to a shift of all values that goes through the location, 0 to 1."""
    location: Location
    """What the location of a window is."""


@torch.inference_mode()
def level_share(forecasting: Forecasting, origins: Origins) -> LevelShare:
    """The part of the level in the forecasts of some origins."""
    location = forecasting.model.config.model.location
    assert location is not None
    responses = [
        level_response(forecasting.model.network, batch).abs().mean(dim=1).cpu().numpy()
        for _, batch in forecasting.batches(origins, _AT_ONCE)
    ]
    level = float(np.concatenate(responses).mean())
    return LevelShare(level / (level + abs(1 - level)), location)


def level_response(network: Ensemble, batch: WindowBatch) -> Tensor:
    """(batch, horizon) change of the forecast over that of the location, by central differences."""
    units = network.networks[0].standardise(batch)

    def moved(shift: float) -> Tensor:
        other = Standardisation(units.location + shift * units.scale, units.scale)
        return point_forecast(network, batch, network.encode(batch, other)).double() + shift

    return (moved(SHIFT) - moved(-SHIFT)) / (2 * SHIFT)
