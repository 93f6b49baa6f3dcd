from typing import Any

import pytest
import torch
from torch import Tensor

from seqcast.model.network import ForecastNetwork
from seqcast.training import combination
from seqcast.training.checkpoint import TrainedMember
from seqcast.training.combination import Combination, combine
from seqcast.training.counters import MemberRecord, ValidationRecord
from seqcast.training.fit import fit
from seqcast.training.linear_start import LinearForecast, apply_linear_start
from seqcast.training.setup import TrainingSetup
from tests.panels import CONTEXT, HORIZON, small_config, small_setup, wave_panel
from tests.training.improvement import let_training_improve

Weights = dict[str, Tensor]
NEWEST = LinearForecast(
    weights=torch.eye(HORIZON, CONTEXT, dtype=torch.float64),
    residual_quantiles=torch.tensor([-1.0, 0.0, 1.0]).expand(HORIZON, 3),
    drift=torch.zeros(HORIZON),
    fitted=torch.eye(CONTEXT, HORIZON, dtype=torch.float64),
    naive_season=1,
    naive_share=0.0,
    widening=1.0,
    error=1.0,
    noise=torch.ones(HORIZON),
)


def prepared(**sections: dict[str, Any]) -> TrainingSetup:
    return small_setup(wave_panel(), small_config(**sections))


def result(setup: TrainingSetup, start: float, best: float, number: int = 1) -> TrainedMember:
    """A member that came from one validation loss to another; its weights are told by `number`."""

    def weights(value: float) -> Weights:
        return {name: torch.full_like(old, value) for name, old in setup.network.state_dict().items()}

    best_step = 2 if best < start else 0
    history = tuple(ValidationRecord(step, 0.0, loss, None, 0.1, number) for step, loss in ((0, start), (2, best)))
    return TrainedMember(
        weights(number + 0.5),
        weights(number),
        MemberRecord(history=history, best_step=best_step, num_steps=2, ended_by="budget spent"),
    )


def start_of(setup: TrainingSetup) -> Weights:
    return {name: value.clone() for name, value in setup.network.state_dict().items()}


def combined(setup: TrainingSetup, *results: TrainedMember, newest: LinearForecast | None = None) -> Combination:
    return combine(setup, newest, results)


def marks(networks: tuple[ForecastNetwork, ...]) -> list[float]:
    """What tells the trained members from one another."""
    return [float(network.decoder.head.linear.weight.detach()[0, 0]) for network in networks]


def test_the_start_alone_forecasts_where_nothing_beat_it() -> None:
    setup = prepared()
    found = combined(setup, result(setup, 1.0, 1.2), result(setup, 1.0, 1.1), newest=NEWEST)

    assert found.linear_share == 1
    assert found.validated.shares.tolist() == found.final.shares.tolist() == [1]
    (before,), (after,) = found.validated.networks, found.final.networks
    start = start_of(setup)
    assert all(torch.equal(value, start[name]) for name, value in before.state_dict().items())
    apply_linear_start(setup.network, NEWEST)
    newest = setup.network.state_dict()
    assert all(torch.equal(value, newest[name]) for name, value in after.state_dict().items())


@pytest.mark.parametrize(
    ("losses", "chosen"),
    [
        ([(1.0, 0.9)], [1]),
        ([(1.0, 0.86), (1.0, 0.85)], [1, 2]),
        ([(1.0, 0.9), (1.0, 0.85)], [2]),  # more than 2 % worse than the best
        ([(1.0, 1.1), (1.0, 0.9)], [2]),
        ([(-1.0, -1.1)], [1]),  # such as those of a density
    ],
)
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_best_networks_divide_their_share_equally(
    share: float, losses: list[tuple[float, float]], chosen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(combination, "network_share", lambda *_: share)
    setup = prepared()
    found = combined(setup, *[result(setup, *pair, number) for number, pair in enumerate(losses, 1)])

    shares = [1 - share] * (share < 1) + [share / len(chosen)] * len(chosen)
    assert found.linear_share == 1 - share
    assert found.final.shares.tolist() == found.validated.shares.tolist() == pytest.approx(shares)
    assert marks(found.validated.networks)[share < 1 :] == chosen
    assert marks(found.final.networks)[share < 1 :] == [number + 0.5 for number in chosen]


def test_networks_whose_share_is_zero_do_not_forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combination, "network_share", lambda *_: 0.0)
    setup = prepared()
    found = combined(setup, result(setup, 1.0, 0.9))

    assert found.linear_share == 1
    assert len(found.final.networks) == len(found.validated.networks) == 1


def test_without_lag_bias_there_is_no_linear_start_to_keep() -> None:
    setup = prepared(model={"lag_bias": False})
    found = combined(setup, result(setup, 1.0, 0.99))

    assert found.linear_share == 0
    assert marks(found.validated.networks) == [1]


def test_the_networks_are_ready_to_forecast() -> None:
    setup = prepared()
    found = combined(setup, result(setup, 1.0, 0.9))

    assert not found.final.training
    assert not any(network.training for network in found.validated.networks)


@pytest.mark.parametrize("training_improves", [True, False])
def test_a_fit_without_lag_bias_reports_no_linear_share(
    training_improves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if training_improves:
        let_training_improve(monkeypatch)
    fitted = fit(prepared(model={"lag_bias": False}, training={"learning_rate": 1e-9} if not training_improves else {}))

    assert (fitted.result.best_step > 0) == training_improves
    assert fitted.result.linear_share == 0
    assert len(fitted.networks.final.networks) == 1
