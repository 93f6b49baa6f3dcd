"""One step of training: its windows, its learning rate and its update."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from seqcast.config import TrainingConfig
from seqcast.runtime import seed_step
from seqcast.tensors.windows import WindowBatch, WindowRange
from seqcast.training.checkpoint import TrainingState
from seqcast.training.setup import TrainingSetup

WARM_UP_SHARE = 0.1
REFIT_RATE = 0.5
"""Largest learning rate of a refit, as a part of training's."""
AVERAGE_DECAY = 0.99
"""Decay of the running average of weights, which is validated and kept (Polyak and Juditsky 1992)."""
TAUGHT_SHARE = 0.8
"""Part of training after which an autoregressive decoder is never fed the truth again."""


@dataclass(frozen=True)
class Step:
    """Everything that decides a step besides the state before it."""

    draw: int
    """Number of its random draws: the batch and the dropout of a step are a pure function of (seed, draw)."""
    averaged: int
    """Number of the step in the running average of weights."""
    learning_rate: float
    windows: WindowRange
    truth_chance: float
    """Probability of feeding an autoregressive decoder the truth."""


def training_step(setup: TrainingSetup, number: int) -> Step:
    """Step `number` (1-based) of the training that validation watches."""
    training = setup.config.training
    assert training.max_steps is not None
    # scheduled sampling (Bengio 2015): the chance falls linearly with training progress
    chance = 0.0 if setup.begun else max(0.0, 1 - number / (TAUGHT_SHARE * training.max_steps))
    return Step(number, number, learning_rate(training, number), setup.train_windows, chance)


def refit_step(setup: TrainingSetup, number: int, num_steps: int) -> Step:
    """Step `number` of the `num_steps` (1-based) with which the best weights take in the validation part."""
    training = setup.config.training
    assert training.max_steps is not None
    peak = training.model_copy(
        update={"learning_rate": REFIT_RATE * training.learning_rate, "max_steps": num_steps, "schedule": "cosine"}
    )
    return Step(training.max_steps + number, number, learning_rate(peak, number), setup.refit_windows, 0.0)


def take_step(setup: TrainingSetup, state: TrainingState, step: Step) -> float:
    """Update the weights once; returns the loss, and changes no weight when that is not finite."""
    training, network, world = setup.config.training, state.network, setup.runtime.world
    seed_step(training.seed, step.draw, world.rank)
    batch = state.batches.of(step.windows, (training.seed, step.draw))
    network.train()
    loss = state.gradients(batch, _use_truth(setup, batch, step.truth_chance))
    state.batches.prepare(step.windows, (training.seed, step.draw + 1))  # while a GPU is busy
    value = float(loss)
    if not math.isfinite(value):
        return value
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    world.add_up(gradients)
    scale = setup.runtime.loss_scale
    if scale != 1:
        for gradient in gradients:
            gradient.div_(scale)
    torch.nn.utils.clip_grad_norm_(network.parameters(), training.gradient_clip)
    state.optimizer.step(step.learning_rate)
    _update_average(state, step.averaged)
    state.counters.loss_sum += value
    state.counters.loss_count += 1
    return value


@torch.no_grad()
def _update_average(state: TrainingState, number: int) -> None:
    """Averaged <- d averaged + (1 - d) weights, d smaller in the first steps, while there is little to average."""
    decay = min(AVERAGE_DECAY, (1 + number) / (10 + number))
    torch._foreach_lerp_(list(state.averaged.parameters()), list(state.network.parameters()), 1 - decay)


def _use_truth(setup: TrainingSetup, batch: WindowBatch, chance: float) -> Tensor | None:
    if not setup.network.decoder.autoregressive:
        return None
    return torch.rand(batch.future_target.shape, device=batch.future_target.device) < chance


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
