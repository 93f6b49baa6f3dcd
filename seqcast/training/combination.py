"""The forecast of a run: which trained networks make it, and how much of the linear start stays.

The trained networks have equal shares among each other; `training.stacking` settles how much of the linear start stays
beside them.
"""

import copy
from dataclasses import dataclass

from seqcast.model.ensemble import Ensemble
from seqcast.model.network import ForecastNetwork
from seqcast.training.checkpoint import TrainedMember, Weights
from seqcast.training.linear_start import LinearForecast, apply_linear_start
from seqcast.training.rounds import forecasting
from seqcast.training.setup import TrainingSetup
from seqcast.training.stacking import network_share
from seqcast.training.validation_forecasts import ValidationForecasts


@dataclass(frozen=True)
class Combination:
    """The forecast of a run, before calibration."""

    validated: Ensemble
    """Without knowledge of the validation part."""
    final: Ensemble
    """Refitted on it; the same as `validated` where nothing is refitted."""
    linear_share: float
    start_loss: float | None
    """Validation loss of the linear start; None where training does not begin with one."""
    forecasts: ValidationForecasts
    """Of the networks of `validated`."""


def combine(setup: TrainingSetup, newest: LinearForecast | None, members: tuple[TrainedMember, ...]) -> Combination:
    """Let the best networks share the forecast with the start.

    Args:
        setup: The training.
        newest: The linear start fitted on the validation part as well; None: it stays as it was.
        members: The trained networks.
    """
    records = [member.record for member in members]
    improved = [members[number] for number in forecasting(records, starts_trained=bool(setup.begun))]

    def start() -> ForecastNetwork:
        # Moved, even to where it is, its recurrent weights lie side by side again, as cuDNN asks.
        return copy.deepcopy(setup.network).to(setup.runtime.device)

    def network(weights: Weights) -> ForecastNetwork:
        built = start()
        built.load_state_dict(weights)
        return built

    before, after = start(), start()
    if newest is not None:
        apply_linear_start(after, newest)
    selected = [network(member.selected) for member in improved]
    judged = [before] * (setup.starts_linear or not selected) + selected
    forecasts = ValidationForecasts.of(setup, judged)
    share = 1 - network_share(forecasts, before, selected)
    if share == 1:
        improved, selected = [], []
    shares = [share] * (share > 0) + [(1 - share) / max(len(improved), 1)] * len(improved)
    validated = Ensemble([before] * (share > 0) + selected, shares)
    final = Ensemble([after] * (share > 0) + [network(member.weights) for member in improved], shares)
    device, start_loss = setup.runtime.device, forecasts.score_alone(before).loss if setup.starts_linear else None
    return Combination(validated.to(device).eval(), final.to(device).eval(), share, start_loss, forecasts)
