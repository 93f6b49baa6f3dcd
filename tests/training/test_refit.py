from __future__ import annotations

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
from tests.panels import small_config, small_setup, wave_panel
from tests.training.improvement import Interruption, assert_same_fit, let_training_improve

NUM_STEPS, NUM_REFIT_STEPS = 8, 2
CONFIG = small_config(
    data={"validation_size": 7, "test_size": 3},
    model={"dropout": 0.3},
    training={"max_steps": NUM_STEPS, "batch_size": 32, "refit": True},
)


def prepared(panel: Panel | None = None, **training: Any) -> TrainingSetup:
    """A training about to start, as another process would make it."""
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


@pytest.mark.usefixtures("_improving")
def test_the_values_of_the_validation_part_change_the_final_networks_alone() -> None:
    fitted, other = fit(prepared()), fit(prepared(with_other(wave_panel(), -10, -3)))

    assert same(weights_of(fitted, "validated"), weights_of(other, "validated"))
    assert fitted.result.linear_share == 0.5
    for member in ("final.members.0.decoder.attention.lag_bias", "final.members.1.decoder.head.linear.weight"):
        assert not same(weights_of(fitted, member), weights_of(other, member))


@pytest.mark.usefixtures("_improving")
def test_the_test_part_changes_nothing() -> None:
    assert_same_fit(fit(prepared(with_other(wave_panel(), -3, None))), fit(prepared()))


def test_a_start_that_training_does_not_beat_is_fitted_on_the_newest_rows_too() -> None:
    fitted = fit(prepared())
    newest = "members.0.decoder.attention.lag_bias"

    assert fitted.result.linear_share == 1
    assert not torch.equal(
        weights_of(fitted, "final")[f"final.{newest}"], weights_of(fitted, "validated")[f"validated.{newest}"]
    )


@pytest.mark.usefixtures("_improving")
def test_without_a_refit_there_is_one_set_of_networks() -> None:
    refitted, watched = fit(prepared()), Interruption()
    single = fit(prepared(refit=False), watched.hooks)

    assert single.networks.validated is None
    assert not any(progress.refit for progress in watched.told)
    kept = weights_of(refitted, "validated")
    assert same(
        {f"validated{name.removeprefix('final')}": value for name, value in weights_of(single, "final").items()}, kept
    )


@pytest.mark.usefixtures("_improving")
def test_a_refit_goes_on_for_a_quarter_of_the_steps_and_is_told_as_such() -> None:
    watched = Interruption()
    fitted = fit(prepared(), watched.hooks)

    steps = [(progress.refit, progress.step, progress.max_steps) for progress in watched.told]
    expected = [(False, step, NUM_STEPS) for step in range(1, NUM_STEPS + 1)]
    assert steps == expected + [(True, step, NUM_REFIT_STEPS) for step in range(1, NUM_REFIT_STEPS + 1)]
    assert [record.step for record in fitted.history] == [0, 2, 4, 6, 8]
    assert all(progress.validation is None for progress in watched.told[NUM_STEPS:])
    assert fitted.result.num_steps == NUM_STEPS


def test_a_refit_draws_windows_of_both_parts_anew_and_learns_slowly() -> None:
    setup = prepared()
    trained = {training_step(setup, number).draw for number in range(1, NUM_STEPS + 1)}
    refits = [refit_step(setup, number, 40) for number in range(1, 41)]

    assert not trained & {step.draw for step in refits}
    assert len({step.draw for step in refits}) == 40
    assert all(step.windows is setup.refit_windows for step in refits)
    assert (setup.refit_windows.last - setup.train_windows.last == 7).all()
    rates = [step.learning_rate for step in refits]
    assert max(rates) == pytest.approx(REFIT_RATE * setup.config.training.learning_rate)
    assert rates[-1] < 0.01 * max(rates)
    assert all(step.truth_chance == 0 for step in refits)


@pytest.mark.usefixtures("_improving")
@pytest.mark.parametrize("decoding", ["direct", "autoregressive"])
def test_a_run_stopped_after_any_step_or_refit_step_and_resumed_is_the_uninterrupted_run(decoding: str) -> None:
    def again() -> TrainingSetup:
        return small_setup(wave_panel(), CONFIG.override(model={"decoding": decoding}))

    expected = fit(again())

    for number in range(1, NUM_STEPS + NUM_REFIT_STEPS + 1):
        stop = Interruption(after=number)
        with pytest.raises(StoppedError):
            fit(again(), stop.hooks)
        torch.manual_seed(number)  # what another process's generator might hold
        assert_same_fit(fit(again(), resume_from=load_state(stop.saved, again())), expected)


@pytest.mark.usefixtures("_improving")
def test_a_run_stopped_twice_is_the_uninterrupted_run() -> None:
    expected = fit(prepared())
    first, second = Interruption(after=3), Interruption(after=NUM_STEPS + 1 - 3)
    with pytest.raises(StoppedError):
        fit(prepared(), first.hooks)
    with pytest.raises(StoppedError, match=r"The state of step 1 of the refit is saved; continue with --resume"):
        fit(prepared(), second.hooks, load_state(first.saved, prepared()))

    assert_same_fit(fit(prepared(), resume_from=load_state(second.saved, prepared())), expected)


@pytest.mark.usefixtures("_improving")
def test_training_and_loading_a_state_leave_the_network_of_the_setup_at_its_start() -> None:
    stop, setup = Interruption(after=5), prepared()
    before = {name: value.clone() for name, value in setup.network.state_dict().items()}

    with pytest.raises(StoppedError):
        fit(setup, stop.hooks)
    load_state(stop.saved, setup)

    assert same(before, dict(setup.network.state_dict()))


@pytest.mark.usefixtures("_improving")
def test_a_refit_that_diverges_leaves_the_weights_from_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    take_step = loop.take_step

    def diverging(setup: Any, state: Any, step: Any) -> float:
        return float("nan") if step.draw > NUM_STEPS + 1 else take_step(setup, state, step)

    monkeypatch.setattr(loop, "take_step", diverging)
    result = loop.train(prepared())

    assert "loss at step 2 of the refit is not finite" in str(result.failure)
    assert f"learning rate {refit_step(prepared(), 2, NUM_REFIT_STEPS).learning_rate:.2g}" in str(result.failure)
    assert same(result.weights, result.selected)


@pytest.mark.usefixtures("_improving")
def test_the_validation_part_is_scored_by_the_weights_that_do_not_know_it() -> None:
    panel, setup = wave_panel(), prepared()
    model = fit(setup).model
    assert model.validated is not None
    networks = {
        "before": replace(model, network=model.validated, validated=None),
        "after": replace(model, validated=None),
    }

    points = {name: backtest(each, panel, BacktestPlan("validation")).forecast.point for name, each in networks.items()}
    found = backtest(model, panel, BacktestPlan("validation")).forecast.point

    np.testing.assert_array_equal(found, points["before"])
    assert (found != points["after"]).any()


def test_the_rate_of_training_is_left_alone_by_the_refit() -> None:
    setup = prepared()

    assert training_step(setup, 3).learning_rate == learning_rate(setup.config.training, 3)
    assert training_step(setup, 3).windows is setup.train_windows
