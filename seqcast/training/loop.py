"""The training loop: steps, validations, early stopping, and a state that can be saved and resumed at any step."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from seqcast.errors import DivergedError, SeqcastError, StoppedError, option
from seqcast.model.network import ForecastNetwork
from seqcast.run.record import Choice
from seqcast.runtime import flushed_denormals, keep_freed_memory
from seqcast.training.budget import REFIT_SHARE
from seqcast.training.checkpoint import TrainedMember, TrainingState, Weights, dump_state, first_state, new_optimizer
from seqcast.training.counters import MemberRecord, ValidationRecord
from seqcast.training.rounds import forecasting, patience
from seqcast.training.setup import TrainingSetup
from seqcast.training.step import Step, learning_rate, refit_step, take_step, training_step
from seqcast.training.validation import validate

DIVERGENCE = "divergence"
"""Reason given for the end of a training whose loss was not finite."""


@dataclass(frozen=True)
class Progress:
    """Progress of training, or of the refit after it; `validation` is set right after one."""

    step: int
    max_steps: int
    share: float
    """Part of the longest possible whole, all networks and their refits together, that is done."""
    loss: float
    windows_per_second: float
    validation: ValidationRecord | None = None
    refit: bool = False
    member: int = 1
    """Number of the network in its ensemble, from 1."""
    num_members: int = 1


@dataclass(frozen=True)
class Hooks:
    """How the loop talks to its caller; the defaults say nothing, keep nothing, and never stop."""

    on_progress: Callable[[Progress], None] = lambda _progress: None
    save: Callable[[bytes, tuple[ValidationRecord, ...]], None] = lambda _state, _history: None
    """Called with the full state and the history after every validation and before a stop."""
    on_choice: Callable[[Choice], None] = lambda _choice: None
    """Called with a choice that takes the scaled data to make."""
    stop_signal: Callable[[], int | None] = lambda: None
    """Asked after every step; a signal number ends training with the state saved."""


@flushed_denormals()
def train(setup: TrainingSetup, hooks: Hooks = Hooks(), state: TrainingState | None = None) -> TrainedMember:
    """Train until the budget is spent or validation stops improving, then refit the best weights on the newest data.

    Args:
        setup: The work; nothing in it is changed.
        hooks: How to talk to the caller.
        state: The state to continue from; it is changed. None: from the start.

    Raises:
        DivergedError: The very first loss is not finite, so that there are no weights to return.
        StoppedError: A signal asked to stop; the state is saved.
        SeqcastError: The device has too little memory; the state of the last validation is saved.
    """
    keep_freed_memory()
    state = state or first_state(setup)
    for network in (state.network, state.averaged):
        setup.runtime.world.follow_first(list(network.state_dict().values()))
    clock = _Clock(setup.config.training.batch_size or 0)
    failure = None
    try:
        ended_by = _select(setup, state, hooks, clock)
        weights = state.best_weights
        if setup.config.training.refit and _may_forecast(setup, state, ended_by):
            weights = _refit(setup, state, hooks, clock)
    except DivergedError as error:
        if not state.best_weights:
            raise
        ended_by, weights, failure = DIVERGENCE, state.best_weights, error
    record = _record(state, ended_by)
    return TrainedMember(weights, state.best_weights, record, clock.seconds, clock.windows_per_second, failure)


def _record(state: TrainingState, ended_by: str) -> MemberRecord:
    counters = state.counters
    return MemberRecord(
        history=counters.history, best_step=counters.best_step, num_steps=counters.step, ended_by=ended_by
    )


def _may_forecast(setup: TrainingSetup, state: TrainingState, ended_by: str) -> bool:
    """Whether the network may have a share in the forecast, beside those that were trained before it."""
    records = [*state.counters.finished, _record(state, ended_by)]
    return len(records) - 1 in forecasting(records, starts_trained=bool(setup.begun))


class _Clock:
    """Counts steps and seconds since training, or its continuation, began."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size, self.num_steps, self.started = batch_size, 0, time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    @property
    def windows_per_second(self) -> float:
        return self.num_steps * self.batch_size / max(self.seconds, 1e-9)


def _select(setup: TrainingSetup, state: TrainingState, hooks: Hooks, clock: _Clock) -> str:
    """Train on the training part and keep the weights that validate best; returns why it ended."""
    training, counters = setup.config.training, state.counters
    assert training.max_steps is not None
    assert training.validate_every is not None
    member = len(state.finished) + 1
    if not counters.history:  # training is not allowed to end worse than its start
        _validate_and_keep_best(setup, state)
    while counters.step < training.max_steps:
        just_validated = counters.step % training.validate_every == 0
        if just_validated and counters.step - counters.best_step >= patience(training):
            return f"no improvement in {counters.step - counters.best_step} steps"
        number = counters.step + 1
        loss = _checked_step(setup, state, training_step(setup, number), f"step {number}")
        _tell_way(state, hooks)
        counters.step = number
        clock.num_steps += 1
        record = None
        if number % training.validate_every == 0 or number == training.max_steps:
            record = _validate_and_keep_best(setup, state)
            _save(state, hooks)
        pace = clock.windows_per_second
        share = setup.share_done(number)
        hooks.on_progress(
            Progress(
                number, training.max_steps, share, loss, pace, record, member=member, num_members=setup.most_members
            )
        )
        _stop_if_asked(setup, state, hooks, f"step {number}")
    return "budget spent"


def _refit(setup: TrainingSetup, state: TrainingState, hooks: Hooks, clock: _Clock) -> Weights:
    """Go on from the best weights with the windows of the validation part among the others; returns the average.

    How long to train was learned before, so nothing is left to choose, and no validation is needed.
    """
    training, counters = setup.config.training, state.counters
    assert training.validate_every is not None
    num_steps, member = refit_length(setup, counters.best_step), len(state.finished) + 1
    if counters.refit_step == 0:
        state.network.load_state_dict(state.best_weights)
        state.averaged.load_state_dict(state.best_weights)
        state.optimizer = new_optimizer(state.network, training)
    while counters.refit_step < num_steps:
        number = counters.refit_step + 1
        place = f"step {number} of the refit"
        loss = _checked_step(setup, state, refit_step(setup, number, num_steps), place)
        counters.refit_step = number
        clock.num_steps += 1
        if number % training.validate_every == 0:
            _save(state, hooks)
        pace = clock.windows_per_second
        share = setup.share_done(training.max_steps or 0, refit_steps=number)
        hooks.on_progress(
            Progress(number, num_steps, share, loss, pace, refit=True, member=member, num_members=setup.most_members)
        )
        _stop_if_asked(setup, state, hooks, place)
    return _copied(state.averaged)


def _tell_way(state: TrainingState, hooks: Hooks) -> None:
    """Tell how gradients are computed, once it is settled for the first network."""
    choice, state.gradients.choice = state.gradients.choice, None
    if choice is not None and not state.finished:
        hooks.on_choice(choice)


def refit_length(setup: TrainingSetup, best_step: int) -> int:
    """Steps of a refit: a part of those that led to the best weights, or up to the first validation where none did."""
    steps = best_step or setup.config.training.validate_every
    assert steps is not None
    return max(1, round(REFIT_SHARE * steps))


def _checked_step(setup: TrainingSetup, state: TrainingState, step: Step, place: str) -> float:
    """Take a step; `place` names it in the message of a failure."""
    try:
        loss = take_step(setup, state, step)
    except torch.OutOfMemoryError:
        raise _out_of_memory(setup, place) from None
    if not math.isfinite(loss):
        raise _diverged(setup, state, place, step.learning_rate)
    return loss


def _validate_and_keep_best(setup: TrainingSetup, state: TrainingState) -> ValidationRecord:
    """Validate the running average of the weights and keep it when it is the best so far."""
    counters, score = state.counters, validate(setup, state.averaged)
    rate = learning_rate(setup.config.training, counters.step)
    if not math.isfinite(score.loss):
        raise _diverged(setup, state, f"step {counters.step}", rate)
    train_loss = counters.loss_sum / max(counters.loss_count, 1)
    member = len(state.finished) + 1
    record = ValidationRecord(counters.step, train_loss, score.loss, score.relative_mae, rate, member)
    counters.loss_sum, counters.loss_count = 0.0, 0
    if counters.best_loss is None or score.loss < counters.best_loss:
        counters.best_loss, counters.best_step = score.loss, counters.step
        state.best_weights = _copied(state.averaged)
    counters.history += (record,)
    return record


def _copied(network: ForecastNetwork) -> Weights:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _diverged(setup: TrainingSetup, state: TrainingState, place: str, rate: float) -> DivergedError:
    training = setup.config.training
    kept = "there are no weights to keep"
    if state.finished:
        place += f" of network {len(state.finished) + 1}"
        kept = "the networks trained before it are kept"
    if state.best_weights:
        kept = f"the weights of step {state.counters.best_step} are kept"
    remedies = [option("learning_rate", f"{training.learning_rate / 4:.2g}")]
    if setup.runtime.precision != "float32":
        remedies.append(option("precision", "float32"))
    return DivergedError(
        f"Training diverged: the loss at {place} is not finite (learning rate {rate:.2g}); {kept}.",
        hint=f"Train another run with {' or '.join(remedies)}.",
    )


def _out_of_memory(setup: TrainingSetup, place: str) -> SeqcastError:
    size = setup.config.training.batch_size or 1
    smaller = f"{option('batch_size', size // 2)}, " if size > 1 else ""
    return SeqcastError(
        f"{setup.runtime.device} ran out of memory at {place}, with batches of {size} windows.",
        hint=f"Train again with {smaller}a shorter {option('context')} or a smaller {option('hidden')}.",
    )


def _save(state: TrainingState, hooks: Hooks) -> None:
    earlier = tuple(record for member in state.counters.finished for record in member.history)
    hooks.save(dump_state(state), earlier + state.counters.history)


def _stop_if_asked(setup: TrainingSetup, state: TrainingState, hooks: Hooks, place: str) -> None:
    number = setup.runtime.world.first_signal(hooks.stop_signal(), setup.runtime.device)
    if number is not None:
        _save(state, hooks)
        raise StoppedError(number, f"The state of {place} is saved; continue with {option('resume')}.")
