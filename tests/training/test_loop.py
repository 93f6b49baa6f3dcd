import math
import re
import signal
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load

from seqcast.config import TrainingConfig
from seqcast.errors import DivergedError, StoppedError, option
from seqcast.model.network import ForecastNetwork
from seqcast.runtime import Runtime, cpu_trains_in_bfloat16
from seqcast.training import loop, step
from seqcast.training.checkpoint import first_state
from seqcast.training.counters import ValidationRecord
from seqcast.training.loop import Hooks, Progress, train
from seqcast.training.setup import TrainingSetup
from seqcast.training.step import learning_rate
from seqcast.training.validation import ValidationScore
from tests.panels import randomise, small_config, small_setup, wave_panel


def setup_of(**sections: dict[str, Any]) -> TrainingSetup:
    return small_setup(wave_panel(), small_config(**sections))


def same_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def script_validation(monkeypatch: pytest.MonkeyPatch, losses: list[float]) -> None:
    """Let validations find these losses, one after the other."""
    left = iter(losses)

    def scripted(_setup: TrainingSetup, _network: ForecastNetwork) -> ValidationScore:
        return ValidationScore(next(left), 0.5)

    monkeypatch.setattr(loop, "validate", scripted)


def rates(schedule: str, max_steps: int = 1000) -> list[float]:
    training = TrainingConfig(schedule=schedule, max_steps=max_steps, learning_rate=0.5)  # type: ignore[arg-type]
    return [learning_rate(training, step) for step in range(1, max_steps + 1)]


@pytest.mark.parametrize(("schedule", "first", "peak_at"), [("one-cycle", 0.02, 300), ("cosine", 0.005, 100)])
def test_the_learning_rate_rises_to_its_peak_and_falls_to_a_thousandth(
    schedule: str, first: float, peak_at: int
) -> None:
    found = rates(schedule)

    assert found[0] == pytest.approx(first, rel=0.01)
    assert found[peak_at - 1] == pytest.approx(0.5)
    assert found[-1] == pytest.approx(0.0005)
    assert all(np.diff(found[:peak_at]) > 0)
    assert all(np.diff(found[peak_at - 1 :]) < 0)


def test_the_cosine_schedule_rises_in_a_line_and_one_cycle_in_half_a_cosine() -> None:
    np.testing.assert_allclose(rates("cosine")[:100], 0.5 * np.arange(1, 101) / 100)
    assert rates("one-cycle")[149] == pytest.approx((0.5 / 25 + 0.5) / 2)


def test_the_optimiser_is_given_the_rate_of_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def spy(training: TrainingConfig, step: int) -> float:
        asked.append(step)
        return 0.0

    monkeypatch.setattr(step, "learning_rate", spy)
    setup = replace(setup_of(training={"weight_decay": 0.0}), linear=None)
    state = first_state(setup)

    train(setup, state=state)

    assert {1, 2, 3, 4, 5, 6} <= set(asked)
    assert same_weights(dict(setup.network.state_dict()), dict(state.network.state_dict()))


def test_training_makes_the_loss_smaller() -> None:
    setup = setup_of(training={"max_steps": 60, "batch_size": 16, "validate_every": 20, "learning_rate": 0.02})
    randomise(setup.network, spread=0.2)

    result = train(setup)

    first, *_, last = result.record.history
    assert first.step == 0
    assert last.validation_loss < 0.7 * first.validation_loss
    assert last.train_loss < result.record.history[1].train_loss


def test_two_runs_with_one_seed_are_equal_and_another_seed_is_another_run() -> None:
    torch.manual_seed(1)
    one = train(setup_of(model={"dropout": 0.3}))
    torch.manual_seed(2)
    two = train(setup_of(model={"dropout": 0.3}))
    three = train(setup_of(model={"dropout": 0.3}, training={"seed": 1}))

    assert same_weights(one.weights, two.weights)
    assert one.record.history == two.record.history
    assert not same_weights(one.weights, three.weights)


def test_the_last_step_is_validated_whatever_the_rhythm() -> None:
    result = train(setup_of(training={"max_steps": 5, "validate_every": 3}))

    assert [record.step for record in result.record.history] == [0, 3, 5]


def test_every_step_is_told_and_the_result_tells_how_training_went() -> None:
    told: list[Progress] = []

    result = train(setup_of(), Hooks(on_progress=told.append))

    history = result.record.history
    assert [progress.step for progress in told] == [1, 2, 3, 4, 5, 6]
    assert [record.step for record in history] == [0, 2, 4, 6]
    by_step = {record.step: record for record in history}
    assert [progress.validation for progress in told] == [by_step.get(step) for step in range(1, 7)]
    assert all(progress.windows_per_second > 0 and progress.max_steps == 6 for progress in told)
    losses = [progress.loss for progress in told]
    means = [0.0, np.mean(losses[0:2]), np.mean(losses[2:4]), np.mean(losses[4:6])]
    assert [record.train_loss for record in history] == pytest.approx(means)
    assert result.record.best in history
    assert (result.record.num_steps, result.record.ended_by) == (6, "budget spent")
    assert result.windows_per_second == pytest.approx(6 * 3 / result.seconds, rel=0.2)


def test_training_stops_when_validation_no_longer_improves_and_keeps_the_best_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script_validation(monkeypatch, [3.0, 4.0, 1.0, 2.0, 1.0, 0.5])
    at_step: dict[int, dict[str, torch.Tensor]] = {}
    setup = setup_of(training={"max_steps": 50, "patience": 4})

    def remember(state: bytes, history: tuple[ValidationRecord, ...]) -> None:
        at_step[history[-1].step] = {
            name.removeprefix("averaged."): value for name, value in load(state).items() if name.startswith("averaged.")
        }

    result = train(setup, Hooks(save=remember))

    assert [record.validation_loss for record in result.record.history] == [3.0, 4.0, 1.0, 2.0, 1.0]
    assert result.record.best.step == 4
    assert same_weights(result.weights, at_step[4])
    assert not same_weights(result.weights, at_step[8])
    assert (result.record.num_steps, result.record.ended_by) == (8, "no improvement in 4 steps")


def test_training_that_only_makes_it_worse_gives_the_weights_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    script_validation(monkeypatch, [1.0, 2.0, 3.0, 4.0])
    setup = setup_of()
    state = first_state(setup)

    result = train(setup, state=state)

    assert result.record.best.step == 0
    assert same_weights(result.weights, dict(setup.network.state_dict()))
    assert not same_weights(result.weights, dict(state.network.state_dict()))


def test_an_improvement_renews_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    script_validation(monkeypatch, [5.0, 3.0, 4.0, 2.0, 4.0, 1.0, 4.0])

    result = train(setup_of(training={"max_steps": 12, "patience": 4}))

    assert (result.record.num_steps, result.record.best.step, result.record.ended_by) == (12, 10, "budget spent")


@pytest.mark.parametrize(
    ("max_steps", "every", "given", "ended"),
    [
        (97, 1, None, 97),  # a small number of steps is not cut
        (149, 2, None, 100),
        (400, 17, None, 170),  # ten validations
        (400, 17, 30, 34),  # at the next validation
    ],
)
def test_patience_counts_steps(
    max_steps: int, every: int, given: int | None, ended: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_validation(monkeypatch, [1.0, *[2.0] * 400])
    monkeypatch.setattr("seqcast.training.loop.take_step", lambda *_: 1.0)

    result = train(setup_of(training={"max_steps": max_steps, "validate_every": every, "patience": given}))

    assert result.record.num_steps == ended


def test_what_is_kept_is_the_running_average_of_the_weights() -> None:
    setup = setup_of(training={"max_steps": 3, "validate_every": 1})
    name = "decoder.head.linear.weight"
    seen = [setup.network.state_dict()[name].clone()]
    averages: list[torch.Tensor] = []

    def remember(state: bytes, _history: tuple[ValidationRecord, ...]) -> None:
        tensors = load(state)
        seen.append(tensors[f"network.{name}"])
        averages.append(tensors[f"averaged.{name}"])

    train(setup, Hooks(save=remember))

    expected = seen[0]
    for number, (weight, average) in enumerate(zip(seen[1:], averages, strict=True), start=1):
        decay = min(0.99, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * weight
        torch.testing.assert_close(average, expected)


def spy_on_teaching(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """The share of steps that each forward pass was fed the truth of; None where the network ran freely."""
    shares: list[float | None] = []
    forward = ForecastNetwork.forward

    def spy(network: ForecastNetwork, batch: Any, use_truth: torch.Tensor | None = None) -> Any:
        shares.append(None if use_truth is None else float(use_truth.float().mean()))
        return forward(network, batch, use_truth)

    monkeypatch.setattr(ForecastNetwork, "forward", spy)
    return shares


def test_an_autoregressive_network_is_taught_less_and_less_and_validated_running_freely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shares = spy_on_teaching(monkeypatch)

    train(
        setup_of(
            model={"decoding": "autoregressive"},
            training={"max_steps": 20, "batch_size": 400, "validate_every": 20},
        )
    )

    before, *taught, after = shares
    assert before is after is None
    assert taught == pytest.approx([max(0.0, 1 - step / 16) for step in range(1, 21)], abs=0.05)
    assert taught[15:] == [0.0] * 5
    shares.clear()
    train(setup_of())
    assert set(shares) == {None}  # direct decoding is never taught


def test_a_loss_that_is_not_finite_ends_training_and_keeps_what_was_saved() -> None:
    setup = setup_of(training={"learning_rate": 0.04})
    state = first_state(setup)
    saved: list[tuple[ValidationRecord, ...]] = []

    def spoil(progress: Progress) -> None:
        if progress.step == 3:
            setup.tensors.target[:] = torch.inf

    result = train(setup, Hooks(on_progress=spoil, save=lambda _state, history: saved.append(history)), state)

    failure = result.failure
    assert failure is not None
    assert re.search(
        r"loss at step 4 is not finite \(learning rate 0\.0\d+\); the weights of step [02] are", str(failure)
    )
    assert failure.hint == (f"Train another run with {option('learning_rate', '0.01')}.",)
    assert failure.exit_code == 5
    assert result.record.ended_by == "divergence"
    assert all(torch.equal(result.weights[name], value) for name, value in result.selected.items())
    assert [[record.step for record in history] for history in saved] == [[0, 2]]
    assert all(bool(torch.isfinite(value).all()) for value in state.network.state_dict().values())


@pytest.mark.parametrize("losses", [None, [math.nan]], ids=["no finite value", "no finite validation"])
def test_a_loss_that_is_not_finite_from_the_start_leaves_no_weights(
    losses: list[float] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = setup_of()
    if losses is None:
        setup.tensors.target[:] = torch.nan
    else:
        script_validation(monkeypatch, losses)

    with pytest.raises(DivergedError, match=r"loss at step [01] is not finite .*; there are no weights to keep"):
        train(setup)


@pytest.mark.parametrize(
    ("losses", "kept"),
    [
        ([1.0, math.nan], "the weights of step 0 are kept"),
        ([1.0, 0.5, math.inf], "the weights of step [02] are kept"),
    ],
)
def test_a_validation_that_is_not_finite_ends_training_and_is_not_saved(
    losses: list[float], kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_validation(monkeypatch, losses)
    saved: list[tuple[ValidationRecord, ...]] = []

    failure = train(setup_of(), Hooks(save=lambda _state, history: saved.append(history))).failure

    assert re.search(f"loss at step {2 * len(losses) - 2} is not finite .*{kept}", str(failure))
    assert len(saved) == len(losses) - 2


def test_an_absurd_learning_rate_gives_a_result_of_finite_numbers_or_an_error_with_words() -> None:
    setup = setup_of(training={"learning_rate": 10.0, "loss": "student-t", "max_steps": 40, "gradient_clip": 1e30})

    try:
        result = train(setup)
    except DivergedError as error:
        assert "Training diverged" in str(error)  # noqa: PT017  # either ending is right
    else:
        assert all(bool(torch.isfinite(value).all()) for value in result.weights.values())


def test_a_signal_saves_the_state_of_its_step_and_ends_training() -> None:
    saved: list[tuple[ValidationRecord, ...]] = []
    told: list[int] = []
    hooks = Hooks(
        on_progress=lambda progress: told.append(progress.step),
        save=lambda _state, history: saved.append(history),
        stop_signal=lambda: signal.SIGTERM if told[-1] == 3 else None,
    )

    with pytest.raises(StoppedError, match=r"Stopped by SIGTERM\. The state of step 3 is saved; .* --resume") as caught:
        train(setup_of(), hooks)

    assert caught.value.exit_code == 143
    assert told == [1, 2, 3]
    assert [[record.step for record in history] for history in saved] == [[0, 2], [0, 2]]


def test_the_loss_scale_of_float16_changes_no_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = train(setup_of())
    assert Runtime(torch.device("cuda"), torch.float16, "").loss_scale == 1024.0
    monkeypatch.setattr(Runtime, "loss_scale", 1024.0)

    found = train(setup_of())

    assert found.record.history == expected.record.history


@pytest.mark.skipif(not cpu_trains_in_bfloat16(), reason="this processor cannot train in bfloat16")
def test_training_in_bfloat16_gives_float32_weights_close_to_those_of_float32() -> None:
    half = setup_of()
    half = replace(half, runtime=replace(half.runtime, dtype=torch.bfloat16))

    found, expected = train(half), train(setup_of())

    assert all(value.dtype == torch.float32 for value in found.weights.values())
    loss, expected_loss = (result.record.history[-1].validation_loss for result in (found, expected))
    assert loss == pytest.approx(expected_loss, rel=0.02)
    assert loss != expected_loss
