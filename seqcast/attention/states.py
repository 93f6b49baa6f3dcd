"""The part of a forecast that goes through the recurrent states of its network, which no lag shows.

Attended values are copied into the forecast, each by its weight. The recurrence reads the same values, and its states
decide the weights, the gate of what is copied, and what the head adds. So a value z_s moves the forecast f on two ways,
which finite differences tell apart by moving it only where it is copied and only where it is read:

    states = sum |df / dz_s read|  /  (sum |df / dz_s read| + sum |df / dz_s copied|)

over windows, forecast steps and some context steps s of each window. It is 0 for the linear start.
"""

from dataclasses import fields, replace

import numpy as np
import torch
from torch import Tensor

from seqcast.attention.changed_weights import point_forecast
from seqcast.forecasting import Forecasting
from seqcast.model.ensemble import Ensemble
from seqcast.model.network import Standardisation
from seqcast.results.origins import Origins
from seqcast.tensors.windows import WindowBatch

MOVE = 0.05
"""Change of a value, in standard deviations of the window."""
MOST_WINDOWS, NUM_POSITIONS = 32, 8
"""Windows, and moved values of each."""
MOST_VALUES = 4_000_000
"""Most attention weights of all forecasts that are made at once."""


@torch.inference_mode()
def state_share(forecasting: Forecasting, origins: Origins) -> float:
    """The part of the effect of single values that goes through the states, 0 to 1, measured at some of the origins."""
    model, network = forecasting.model, forecasting.model.network
    sums, at_once = np.zeros(2), max(1, MOST_VALUES // (model.horizon * model.context))
    for _, batch in forecasting.batches(origins.spread(MOST_WINDOWS), MOST_WINDOWS):
        units = network.networks[0].standardise(batch)
        moved = (torch.split(each, at_once) for each in _moved_values(batch.context_observed))
        for rows, positions in zip(*moved, strict=True):
            effects = value_effects(network, batch, units, rows, positions)
            sums += [float(effect.abs().sum()) for effect in effects]
    return float(sums[0] / max(sums.sum(), 1e-12))


def value_effects(
    network: Ensemble, batch: WindowBatch, units: Standardisation, rows: Tensor, positions: Tensor
) -> tuple[Tensor, Tensor]:
    """Returns the effects (pairs, horizon) of a value where it is read, and where it is copied.

    A pair is a window of `rows` and one of its `positions`. An effect is the change of the forecast over that of the
    value, both in the units of the window.
    """
    own = Standardisation(units.location[rows], units.scale[rows])
    repeated = WindowBatch(**{field.name: getattr(batch, field.name)[rows] for field in fields(batch)})
    pairs = torch.arange(len(rows), device=rows.device)
    encoded = []
    for sign in (1, -1):
        target = repeated.context_target.clone()
        target[pairs, positions] += sign * MOVE * own.scale[:, 0]
        encoded.append(network.encode(replace(repeated, context_target=target), own))

    def forecast(read: int, copied: int) -> Tensor:
        return point_forecast(network, repeated, encoded[read].copying_from(encoded[copied])).double()

    both_up, read_up, copied_up, both_down = forecast(0, 0), forecast(0, 1), forecast(1, 0), forecast(1, 1)
    read = (both_up - copied_up + read_up - both_down) / (4 * MOVE)
    copied = (both_up - read_up + copied_up - both_down) / (4 * MOVE)
    return read, copied


def _moved_values(observed: Tensor) -> tuple[Tensor, Tensor]:
    """Windows and some observed positions of each (B, S), evenly spread and other ones in the next window."""
    num_windows, context = observed.shape
    stride = max(1, context // NUM_POSITIONS)
    position, window = np.arange(context)[None], np.arange(num_windows)[:, None]
    asked = torch.from_numpy((position - 3 * window) % stride == 0).to(observed.device)
    rows, positions = (observed & asked).nonzero(as_tuple=True)
    return rows, positions
