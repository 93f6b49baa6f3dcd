"""Which trained networks forecast, and how much of the linear start stays beside them.

A network that is a little better on validation is often no better afterwards, because validation also chose when to
stop. Half of the linear start beside it keeps most of its gain and takes away most of its risk; a network that is far
better forecasts alone.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from seqcast.model.ensemble import Ensemble
from seqcast.model.network import ForecastNetwork
from seqcast.training.checkpoint import TrainingResult
from seqcast.training.linear_start import LinearForecast
from seqcast.training.setup import TrainingSetup
from seqcast.training.validation import CLEAR_GAIN
from seqcast.training.warm_start import apply_warm_start


@dataclass(frozen=True)
class Combination:
    """The forecast of a run, before calibration."""

    validated: Ensemble
    """Without knowledge of the validation part."""
    final: Ensemble
    """Refitted on it; the same as `validated` where nothing is refitted."""
    linear_share: float


def combine(
    setup: TrainingSetup, start: dict[str, Tensor], newest: LinearForecast | None, results: tuple[TrainingResult, ...]
) -> Combination:
    """Networks that improved on their start share the forecast equally, with or without the start itself.

    Args:
        setup: Of the training.
        start: The weights before the first step.
        newest: The linear start fitted on the validation part as well; None: it stays as it was.
        results: The trained members.
    """
    improved = [result for result in results if result.best_step > 0]
    share = _linear_share(setup, improved) if improved else 1.0
    shares = [share] * (share > 0) + [(1 - share) / max(len(improved), 1)] * len(improved)

    def network(weights: dict[str, Tensor]) -> ForecastNetwork:
        built = copy.deepcopy(setup.network)
        built.load_state_dict(weights)
        return built

    before, after = network(start), network(start)
    if newest is not None:
        apply_warm_start(after, newest)
    validated = Ensemble([before] * (share > 0) + [network(result.selected) for result in improved], shares)
    final = Ensemble([after] * (share > 0) + [network(result.weights) for result in improved], shares)
    device = setup.runtime.device
    return Combination(validated.to(device).eval(), final.to(device).eval(), share)


def _linear_share(setup: TrainingSetup, improved: list[TrainingResult]) -> float:
    if not setup.starts_linear:
        return 0.0
    gains = [_gain(result.history[0].validation_loss, result.best.validation_loss) for result in improved]
    return 0.0 if float(np.mean(gains)) >= CLEAR_GAIN else 0.5


def _gain(start: float, best: float) -> float:
    """Part of the start's loss that was gained; the loss of a density may be negative."""
    return (start - best) / max(abs(start), 1e-9)
