from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from seqcast.errors import StoppedError
from seqcast.evaluation.backtest import BacktestPlan, backtest
from seqcast.panel.panel import Panel
from seqcast.training import loop
from seqcast.training.checkpoint import load_state
from seqcast.training.fit import Fit, fit
from seqcast.training.setup import TrainingSetup
from seqcast.training.step import REFIT_RATE, learning_rate, refit_step, training_step
from tests.panels import one_thread, small_config, small_setup, wave_panel
from tests.training.improvement import Interruption, assert_same_fit, let_training_improve, stopped_state

NUM_STEPS, NUM_REFIT_STEPS = 8, 8
CONFIG = small_config(
    data={"validation_size": 7, "test_size": 3},
    model={"dropout": 0.3},
    training={"max_steps": NUM_STEPS, "batch_size": 32, "refit": True},
)


def prepared(panel: Panel | None = None, **training: Any) -> TrainingSetup:
    return small_setup(panel or wave_panel(), CONFIG.override(training=training))


def with_other(panel: Panel, first: int, last: int | None) -> Panel:
    """The panel with other values in some rows of every series, counted from its end."""
    target = panel.target.copy()
    for begin, end in zip(panel.offsets[:-1], panel.offsets[1:], strict=True):
        rows = target[begin:end][first:last]
        rows += 20 * np.sin(np.arange(len(rows)))
    return replace(panel, target=target)


def weights_of(fitted: Fit, part: str) -> dict[str, torch.Tensor]:
    return {name: value for name, value in fitted.networks.state_dict().items() if name.startswith(part)}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.fixture
def _improving(monkeypatch: pytest.MonkeyPatch) -> None:
    let_training_improve(monkeypatch)


@pytest.fixture(scope="module")
def watched() -> Interruption:
    return Interruption()


@pytest.fixture(scope="module")
def fitted(watched: Interruption) -> Fit:
    """A training that improved and was refitted."""
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        let_training_improve(patch)
        return fit(prepared(), watched.hooks)


@pytest.mark.usefixtures("_improving")
def test_the_values_of_the_validation_part_change_the_final_networks_alone(fitted: Fit) -> None:
    other = fit(prepared(with_other(wave_panel(), -10, -3)))

    assert same(weights_of(fitted, "validated"), weights_of(other, "validated"))
    assert fitted.result.linear_share == 0.5
    for member in ("final.members.0.decoder.attention.lag_bias", "final.members.1.decoder.head.linear.weight"):
        assert not same(weights_of(fitted, member), weights_of(other, member))


@pytest.mark.usefixtures("_improving")
def test_the_test_part_changes_nothing(fitted: Fit) -> None:
    assert_same_fit(fit(prepared(with_other(wave_panel(), -3, None))), fitted)


def test_a_start_that_training_does_not_beat_is_fitted_on_the_newest_rows_too() -> None:
    fitted = fit(prepared(learning_rate=1e-9))
    newest = "members.0.decoder.attention.lag_bias"

    assert fitted.result.linear_share == 1
    assert not torch.equal(
        weights_of(fitted, "final")[f"final.{newest}"], weights_of(fitted, "validated")[f"validated.{newest}"]
    )


@pytest.mark.usefixtures("_improving")
def test_without_a_refit_there_is_one_set_of_networks(fitted: Fit) -> None:
    watched = Interruption()
    single = fit(prepared(refit=False), watched.hooks)

    assert single.networks.validated is None
    assert not any(progress.refit for progress in watched.told)
    kept = weights_of(fitted, "validated")
    assert same(
        {f"validated{name.removeprefix('final')}": value for name, value in weights_of(single, "final").items()}, kept
    )


def test_a_refit_takes_as_many_steps_as_training_and_is_told_as_such(fitted: Fit, watched: Interruption) -> None:
    steps = [(progress.refit, progress.step, progress.max_steps) for progress in watched.told]
    expected = [(False, step, NUM_STEPS) for step in range(1, NUM_STEPS + 1)]
    assert steps == expected + [(True, step, NUM_REFIT_STEPS) for step in range(1, NUM_REFIT_STEPS + 1)]
    assert [record.step for record in fitted.history] == [0, 2, 4, 6, 8]
    assert all(progress.validation is None for progress in watched.told[NUM_STEPS:])
    assert fitted.result.num_steps == NUM_STEPS


def test_a_refit_draws_windows_of_both_parts_anew_and_learns_slowly() -> None:
    setup = prepared()
    trained = [training_step(setup, number) for number in range(1, NUM_STEPS + 1)]
    refits = [refit_step(setup, number, 40) for number in range(1, 41)]

    assert not {step.draw for step in trained} & {step.draw for step in refits}
    assert len({step.draw for step in refits}) == 40
    assert all(step.windows is setup.refit_windows for step in refits)
    assert (setup.refit_windows.last - setup.train_windows.last == 7).all()
    rates = [step.learning_rate for step in refits]
    assert max(rates) == pytest.approx(REFIT_RATE * setup.config.training.learning_rate)
    assert rates[-1] < 0.01 * max(rates)
    assert all(step.truth_chance == 0 for step in refits)
    assert trained[2].learning_rate == learning_rate(setup.config.training, 3)
    assert trained[2].windows is setup.train_windows


@pytest.mark.usefixtures("_improving")
def test_a_refit_that_is_stopped_says_so() -> None:
    setup = prepared()
    state = load_state(stopped_state(fit, setup, after=NUM_STEPS), setup)

    with pytest.raises(StoppedError, match=r"The state of step 1 of the refit is saved; continue with"):
        fit(setup, Interruption(after=1).hooks, state)


@pytest.mark.usefixtures("_improving")
def test_training_and_loading_a_state_leave_the_network_of_the_setup_at_its_start() -> None:
    setup = prepared()
    before = {name: value.clone() for name, value in setup.network.state_dict().items()}

    load_state(stopped_state(fit, setup, after=5), setup)

    assert same(before, dict(setup.network.state_dict()))


@pytest.mark.usefixtures("_improving")
def test_a_refit_that_diverges_leaves_the_weights_from_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    take_step = loop.take_step

    def diverging(setup: Any, state: Any, step: Any) -> float:
        return float("nan") if step.draw > NUM_STEPS + 1 else take_step(setup, state, step)

    monkeypatch.setattr(loop, "take_step", diverging)
    setup = prepared()
    result = loop.train(setup)

    assert "loss at step 2 of the refit is not finite" in str(result.failure)
    assert f"learning rate {refit_step(setup, 2, NUM_REFIT_STEPS).learning_rate:.2g}" in str(result.failure)
    assert same(result.weights, result.selected)


def test_the_validation_part_is_scored_by_the_weights_that_do_not_know_it(fitted: Fit) -> None:
    panel, model = wave_panel(), fitted.model
    assert model.validated is not None
    networks = (model, replace(model, network=model.validated, validated=None), replace(model, validated=None))

    found, before, after = (backtest(each, panel, BacktestPlan("validation")).forecast.point for each in networks)

    np.testing.assert_array_equal(found, before)
    assert (found != after).any()
