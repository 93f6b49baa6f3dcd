"""The training loop: steps, validations, early stopping, and a state that can be put down and taken up at any step."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seqcast.config import Config, TrainingConfig
from seqcast.data.panel import FloatArray, IntArray
from seqcast.data.windows import PanelTensors, WindowBatch, WindowRange
from seqcast.errors import DivergedError, SeqcastError, StoppedError
from seqcast.model.network import ForecastNetwork, NetworkOutput
from seqcast.runtime import Runtime, flushed_denormals, keep_freed_memory, seed_step
from seqcast.training.checkpoint import TrainingState, ValidationRecord, dump_state, restore_state
from seqcast.training.losses import loss_sums, window_weights

VALIDATION_BATCH = 512
WARM_UP_SHARE = 0.1
DOUBT = 2.0
"""Standard errors by which training must improve on its start to be believed."""
FEWEST_CLUSTERS = 5
"""Of which a standard error is taken."""
AVERAGE_DECAY = 0.99
"""Of the running average of weights that is validated and kept (Polyak and Juditsky 1992): steadier than any step's."""
TAUGHT_SHARE = 0.8
"""Part of training after which an autoregressive decoder is never fed the truth again."""


@dataclass(frozen=True)
class TrainingSetup:
    """What stays the same from the first step to the last."""

    config: Config
    season: int
    network: ForecastNetwork
    tensors: PanelTensors
    train_windows: WindowRange
    validation_series: IntArray
    validation_origins: IntArray
    runtime: Runtime
    identity: str
    """Fingerprint of data and options: a checkpoint of other work is refused."""


@dataclass(frozen=True)
class Progress:
    """How far training is; `validation` is set right after one."""

    step: int
    max_steps: int
    loss: float
    windows_per_second: float
    validation: ValidationRecord | None = None


@dataclass(frozen=True)
class TrainingResult:
    """The best weights and how they came about."""

    weights: dict[str, Tensor]
    history: tuple[ValidationRecord, ...]
    best: ValidationRecord
    num_steps: int
    ended_by: str
    seconds: float
    windows_per_second: float


@dataclass(frozen=True)
class Hooks:
    """How the loop talks to its caller; the defaults say nothing, keep nothing, and never stop."""

    on_progress: Callable[[Progress], None] = lambda _progress: None
    save: Callable[[bytes, tuple[ValidationRecord, ...]], None] = lambda _state, _history: None
    """Called with the full state and the history after every validation and before a stop."""
    stop_signal: Callable[[], int | None] = lambda: None
    """Asked after every step; a signal number ends training with the state saved."""


@flushed_denormals()
def train(setup: TrainingSetup, hooks: Hooks = Hooks(), resume_from: bytes | None = None) -> TrainingResult:
    """Train until the budget is spent or validation stops improving.

    Raises:
        DivergedError: A loss is not finite; the last good state is saved.
        StoppedError: A signal asked to stop; the state is saved.
        RunError: `resume_from` does not fit.
        SeqcastError: The device has too little memory; the state of the last validation is saved.
    """
    training = setup.config.training
    keep_freed_memory()
    state = _first_state(setup)
    if resume_from is not None:
        restore_state(state, resume_from, setup.identity)
    assert training.max_steps is not None
    assert training.validate_every is not None
    started, first_step, ended_by = time.perf_counter(), state.step, "budget spent"

    def speed() -> float:
        done = (state.step - first_step) * (training.batch_size or 0)
        return done / max(time.perf_counter() - started, 1e-9)

    if not state.history:  # training is not allowed to end worse than the warm start
        _validate_and_keep_best(setup, state)
    while state.step < training.max_steps:
        if state.stale_validations >= training.patience:
            ended_by = f"no improvement in {training.patience} validations"
            break
        try:
            loss = _train_step(setup, state)
        except torch.OutOfMemoryError:
            raise _out_of_memory(setup, state) from None
        if not math.isfinite(loss):
            raise _diverged(setup, state)
        record = None
        if state.step % training.validate_every == 0 or state.step == training.max_steps:
            record = _validate_and_keep_best(setup, state)
            hooks.save(dump_state(state, setup.identity), tuple(state.history))
        hooks.on_progress(Progress(state.step, training.max_steps, loss, speed(), record))
        _stop_if_asked(setup, state, hooks)
    best = next(record for record in state.history if record.step == state.best_step)
    seconds = time.perf_counter() - started
    return TrainingResult(state.best_weights, tuple(state.history), best, state.step, ended_by, seconds, speed())


def check_resumable(setup: TrainingSetup, resume_from: bytes) -> None:
    """Refuse a state that training could not continue from, before anything of its run is written.

    Raises:
        RunError: The state is damaged, incomplete, or of other work.
    """
    restore_state(_first_state(setup), resume_from, setup.identity)


def _first_state(setup: TrainingSetup) -> TrainingState:
    training = setup.config.training
    optimizer = torch.optim.AdamW(
        setup.network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
    )
    averaged = copy.deepcopy(setup.network).requires_grad_(False)
    return TrainingState(setup.network, averaged, optimizer, start_losses=torch.zeros(len(setup.validation_series)))


def _train_step(setup: TrainingSetup, state: TrainingState) -> float:
    """One optimiser step on the batch that (seed, step) decides; returns its loss."""
    training, network = setup.config.training, setup.network
    state.step += 1
    seed_step(training.seed, state.step)
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(training, state.step)
    assert training.batch_size is not None
    batch = _gather(setup, *setup.train_windows.locate(_draw(setup, state.step)))
    network.train()
    with setup.runtime.autocast():
        output = network(batch, _use_truth(setup, batch, state.step))
    sums, counts = _loss_sums(setup, output, batch)
    loss = sums.sum() / counts.sum().clamp(min=1e-6)
    value = float(loss.detach())
    if not math.isfinite(value):
        return value
    state.optimizer.zero_grad(set_to_none=True)
    scale = setup.runtime.loss_scale
    (loss * scale).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    if scale != 1:
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter.grad /= scale
    torch.nn.utils.clip_grad_norm_(network.parameters(), training.gradient_clip)
    state.optimizer.step()
    _update_average(state)
    state.loss_sum += value
    state.loss_count += 1
    return value


@torch.no_grad()
def _update_average(state: TrainingState) -> None:
    """Averaged <- d averaged + (1 - d) weights, d smaller in the first steps, while there is little to average."""
    decay = min(AVERAGE_DECAY, (1 + state.step) / (10 + state.step))
    for average, weight in zip(state.averaged.parameters(), state.network.parameters(), strict=True):
        average.lerp_(weight, 1 - decay)


def _draw(setup: TrainingSetup, step: int) -> IntArray:
    """Window numbers of a step: a pure function of (seed, step), so there is no sampler state to lose."""
    training = setup.config.training
    generator = np.random.default_rng([training.seed, step])
    return generator.integers(0, len(setup.train_windows), size=training.batch_size, dtype=np.int64)


def _gather(setup: TrainingSetup, series: IntArray, origins: IntArray) -> WindowBatch:
    device = setup.runtime.device
    shape = setup.network.shape
    return setup.tensors.gather(
        torch.from_numpy(series).to(device), torch.from_numpy(origins).to(device), shape.context, shape.horizon
    )


def _use_truth(setup: TrainingSetup, batch: WindowBatch, step: int) -> Tensor | None:
    """Scheduled sampling (Bengio 2015): the chance of being fed the truth falls linearly with training progress."""
    if not setup.network.decoder.autoregressive:
        return None
    assert setup.config.training.max_steps is not None
    chance = max(0.0, 1 - step / (TAUGHT_SHARE * setup.config.training.max_steps))
    return torch.rand(batch.future_target.shape, device=batch.future_target.device) < chance


def judged(batch: WindowBatch) -> Tensor:
    """(batch, horizon) True where a forecast counts: a window without any observed context has no scale to judge by."""
    return batch.future_observed & batch.context_observed.any(dim=1, keepdim=True)


def _loss_sums(setup: TrainingSetup, output: NetworkOutput, batch: WindowBatch) -> tuple[Tensor, Tensor]:
    target = output.standardisation.apply(batch.future_target, batch.future_observed)
    quantiles = torch.tensor(setup.config.model.quantiles, device=target.device)
    context = output.standardisation.apply(batch.context_target, batch.context_observed)
    weights = window_weights(context, batch.context_observed, output.standardisation.scale, setup.season)
    return loss_sums(setup.config.training.loss, output.values.float(), target, judged(batch), quantiles, weights)


def learning_rate(training: TrainingConfig, step: int) -> float:
    """Learning rate of a step (1-based): up to the peak, then down to a thousandth of it.

    one-cycle: cosine up from 1/25 in the first 30 % (Smith and Topin 2017); cosine: linear warm-up in the first 10 %.
    """
    assert training.max_steps is not None
    progress = step / training.max_steps
    peak, low = training.learning_rate, training.learning_rate / 1000
    rise = 0.3 if training.schedule == "one-cycle" else WARM_UP_SHARE
    if progress < rise:
        share = progress / rise
        if training.schedule == "cosine":
            return peak * share
        return peak / 25 + (peak - peak / 25) * (1 - math.cos(math.pi * share)) / 2
    return low + (peak - low) * (1 + math.cos(math.pi * (progress - rise) / (1 - rise))) / 2


def _validate_and_keep_best(setup: TrainingSetup, state: TrainingState) -> ValidationRecord:
    """Validate the average; it is kept when it is the best so far and better than the start beyond doubt."""
    score = validate(setup, state.averaged)
    if not math.isfinite(score.loss):
        raise _diverged(setup, state)
    rate = learning_rate(setup.config.training, state.step)
    train_loss = state.loss_sum / max(state.loss_count, 1)
    record = ValidationRecord(state.step, train_loss, score.loss, score.relative_mae, rate)
    if not state.history:
        state.start_losses = score.window_losses
    state.loss_sum, state.loss_count = 0.0, 0
    if score.loss < state.best_loss and (not state.history or _beats_start(setup, state, score)):
        state.best_loss, state.best_step, state.stale_validations = score.loss, state.step, 0
        state.best_weights = {name: value.detach().clone() for name, value in state.averaged.state_dict().items()}
    else:
        state.stale_validations += 1
    state.history.append(record)
    return record


def validation_batches(setup: TrainingSetup) -> Iterator[tuple[IntArray, IntArray, WindowBatch]]:
    """Series, origins and values of the validation windows, in bounded pieces."""
    for first in range(0, len(setup.validation_series), VALIDATION_BATCH):
        part = slice(first, first + VALIDATION_BATCH)
        series, origins = setup.validation_series[part], setup.validation_origins[part]
        yield series, origins, _gather(setup, series, origins)


def _beats_start(setup: TrainingSetup, state: TrainingState, score: ValidationScore) -> bool:
    """Whether the loss fell by more than `DOUBT` standard errors since the start of training.

    The warm start is a linear forecast, simple and hard to beat under change; a network that is better on validation by
    chance is worse elsewhere (the standard error rule of Breiman et al. 1984, section 3.4.3). Windows of one series are
    not independent, nor are windows of one time, so the gain must hold over both kinds of clusters.
    """
    gains = (state.start_losses - score.window_losses).numpy()
    block = setup.validation_origins // setup.network.shape.horizon
    return bool(gains.sum() > 0) and all(_beyond_doubt(gains, cluster) for cluster in (setup.validation_series, block))


def _beyond_doubt(gains: FloatArray, cluster: IntArray) -> bool:
    """Whether the sum of the gains exceeds `DOUBT` standard errors over clusters; too few clusters raise no doubt."""
    _, index = np.unique(cluster, return_inverse=True)
    sums = np.bincount(index, gains)
    return len(sums) < FEWEST_CLUSTERS or bool(sums.sum() > DOUBT * math.sqrt(len(sums)) * sums.std(ddof=1))


@dataclass(frozen=True)
class ValidationScore:
    """What one validation found."""

    loss: float
    relative_mae: float | None
    """Absolute error over that of the seasonal naive forecast; None where that one has no error."""
    window_losses: Tensor
    """(validation windows,) loss of each, summed over its steps; on the CPU."""


@torch.no_grad()
def validate(setup: TrainingSetup, network: ForecastNetwork) -> ValidationScore:
    """Loss of a network running freely, and its absolute error relative to the seasonal naive forecast."""
    network.eval()
    sums: list[Tensor] = []
    count = error_sum = naive_sum = 0.0
    for series, origins, batch in validation_batches(setup):
        with setup.runtime.autocast():
            output = network(batch)
        window_sums, window_counts = _loss_sums(setup, output, batch)
        sums.append(window_sums)
        count += float(window_counts.sum())
        units = output.standardisation
        point = output.values[..., network.layout.point_index].float() * units.scale + units.location
        naive, comparable = _seasonal_naive(setup, series, origins)
        comparable = comparable & batch.future_observed
        error_sum += float(((point - batch.future_target).abs() * comparable).sum())
        naive_sum += float(((naive - batch.future_target).abs() * comparable).sum())
    losses = torch.cat(sums).cpu()
    relative_mae = error_sum / naive_sum if naive_sum else None
    return ValidationScore(float(losses.sum()) / max(count, 1e-6), relative_mae, losses)


def _seasonal_naive(setup: TrainingSetup, series: IntArray, origins: IntArray) -> tuple[Tensor, Tensor]:
    """The value a whole number of seasons before each forecast step, (batch, horizon), and where it was observed."""
    steps = np.arange(1, setup.network.shape.horizon + 1)
    back = setup.season * -(-steps // setup.season)
    positions = origins[:, None] + (steps - 1 - back)[None]
    rows = torch.from_numpy(np.maximum(positions, 0)).to(setup.runtime.device)
    rows = rows + setup.tensors.offsets[torch.from_numpy(series).to(rows.device)][:, None]
    inside = torch.from_numpy(positions >= 0).to(rows.device)
    return setup.tensors.target[rows], setup.tensors.observed[rows] & inside


def _diverged(setup: TrainingSetup, state: TrainingState) -> DivergedError:
    rate = learning_rate(setup.config.training, state.step)
    kept = "the best weights so far are kept" if state.best_weights else "there are no earlier weights to keep"
    return DivergedError(
        f"Training diverged: the loss at step {state.step} is not finite (learning rate {rate:.2g}); {kept}.",
        hint=f"Try --learning-rate {setup.config.training.learning_rate / 4:.2g} or --precision float32.",
    )


def _out_of_memory(setup: TrainingSetup, state: TrainingState) -> SeqcastError:
    size = setup.config.training.batch_size or 1
    smaller = f"--batch-size {size // 2}, " if size > 1 else ""
    return SeqcastError(
        f"{setup.runtime.device} ran out of memory at step {state.step}, with batches of {size} windows.",
        hint=f"Train again with {smaller}a shorter --context or a smaller --hidden.",
    )


def _stop_if_asked(setup: TrainingSetup, state: TrainingState, hooks: Hooks) -> None:
    number = hooks.stop_signal()
    if number is not None:
        hooks.save(dump_state(state, setup.identity), tuple(state.history))
        raise StoppedError(number, f"The state of step {state.step} is saved; continue with --resume.")
