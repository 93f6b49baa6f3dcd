"""How much of the attention content decides: the weight that moves from window to window.

A step's weight on a position is the same for every window as far as nine of ten windows have it; the rest moves. Past
windows are compared that differ in their values, covariates, season and series. Their origins do not lie a fixed number
of steps apart, as then all of them would have the same hour or weekday.
"""

from dataclasses import dataclass

import numpy as np

from seqcast.attention.lag_report import Relative
from seqcast.attention.level import LevelShare, level_share
from seqcast.attention.states import StateEffects, state_effects
from seqcast.errors import DataError
from seqcast.forecasting import Forecasting
from seqcast.panel.arrays import FloatArray
from seqcast.panel.panel import Panel
from seqcast.results.lag_profile import by_lag
from seqcast.results.origins import Origins, known_origins
from seqcast.run.load import TrainedModel

MOST_WINDOWS, FEWEST_WINDOWS = 64, 8
MOST_VALUES = 8_000_000
"""Most weights of all compared windows together."""
RARE = 0.1
"""Part of the windows that may lack a weight that counts as the same for every window."""


@dataclass(frozen=True, eq=False)
class ContentMovement:
    """The weight that moves, from past windows."""

    moving: FloatArray
    """(H, S) part of the weight of each step on each position, oldest first, that is not the same for every window."""
    num_windows: int
    level: LevelShare
    """The part of the forecast that goes through the level, in the same windows."""
    states: StateEffects
    """What goes through the recurrent states, in the same windows."""

    @property
    def decided(self) -> float:
        """Part of all weight that content decides; the rest is the same for every window."""
        return float(self.moving.sum() / len(self.moving))

    def by_lag(self, relative: Relative) -> FloatArray:
        """(L,) the moving part of each lag's share."""
        if relative == "target":
            return by_lag(self.moving) / len(self.moving)
        summed: FloatArray = self.moving.sum(axis=0)[::-1] / len(self.moving)
        return summed

    def as_dict(self) -> dict[str, object]:
        """The printed numbers."""
        return {
            "decided": self.decided,
            "same": 1 - self.decided,
            "states": self.states.share,
            "num_windows": self.num_windows,
        }


def content_movement(model: TrainedModel, panel: Panel, origins: Origins | None = None) -> ContentMovement | None:
    """Compare the attention of past windows of the panel; None where there are fewer than `FEWEST_WINDOWS`.

    The windows are those of `varied_origins` unless `origins` are given.
    """
    try:
        origins = varied_origins(model, panel, MOST_WINDOWS) if origins is None else origins
    except DataError:  # no past origin
        return None
    if len(origins) < FEWEST_WINDOWS:
        return None
    forecasting = Forecasting(model, panel, origins.earliest(panel.lengths))
    maps = list(forecasting.attention(origins))
    weights = np.concatenate([each.weights for each in maps])
    observed = np.concatenate([each.observed for each in maps])
    level, states = level_share(forecasting, origins), state_effects(forecasting, origins)
    return ContentMovement(moving_weights(weights, observed), len(weights), level, states)


def moving_weights(weights: FloatArray, observed: FloatArray) -> FloatArray:
    """(H, S) the part of the mean weight (W, H, S) that less than nine of ten windows have.

    Positions (W, S) that were not observed say nothing.
    """
    seen = np.sort(np.where(observed[:, None, :], weights, np.inf), axis=0)  # those not observed come last
    counts = observed.sum(axis=0)
    rank = np.floor(RARE * np.maximum(counts - 1, 0)).astype(np.int64)
    common = np.take_along_axis(seen, np.broadcast_to(rank, seen.shape[1:])[None], axis=0)[0]
    mean = (weights * observed[:, None, :]).sum(axis=0, dtype=np.float64) / np.maximum(counts, 1)
    total = np.maximum(mean.sum(axis=1, keepdims=True), 1e-12)
    moving: FloatArray = ((mean - np.minimum(common, mean)) / total).astype(np.float64)
    return moving


def varied_origins(model: TrainedModel, panel: Panel, most_windows: int) -> Origins:
    """Past origins of all series whose truth is known, each moved back by a random part of the horizon.

    They are evenly spread, and fewer than `most_windows` if all their weights together would be many.

    Raises:
        DataError: No series has one.
    """
    known = known_origins(panel, model.horizon, model.context, len(panel.target))
    return moved_back(model, known.spread(num_varied(model, most_windows)))


def num_varied(model: TrainedModel, most_windows: int) -> int:
    """The number of windows to compare, fewer than `most_windows` if all their weights together would be many."""
    return max(FEWEST_WINDOWS, min(most_windows, MOST_VALUES // (model.horizon * model.context)))


def moved_back(model: TrainedModel, origins: Origins) -> Origins:
    """The origins, each moved back by a random part of the horizon where a whole context is left before it."""
    moved = origins.positions - np.random.default_rng(0).integers(0, model.horizon, len(origins))
    return Origins(origins.series, np.where(moved >= model.context, moved, origins.positions))
