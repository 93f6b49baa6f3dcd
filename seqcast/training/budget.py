"""The budget of an automatic training: how large its batches are, and how many steps one processor core affords."""

from dataclasses import dataclass

import numpy as np

from seqcast.config import TrainingConfig
from seqcast.run.record import Choice
from seqcast.training.rounds import default_interval, most_steps

SMALLEST_AUTOMATIC_BATCH, LARGEST_AUTOMATIC_BATCH = 16, 256
FEWEST_AUTOMATIC_STEPS, MOST_AUTOMATIC_STEPS = 200, 5000
ENOUGH_STEPS = 300
"""Where windows take so long that fewer steps would be affordable, batches are smaller."""
BUDGET_SECONDS = 200.0
"""Time of one core that automatic training may spend on its steps and refits."""
WINDOW_SECONDS, SEGMENT_SECONDS = 100e-6, 5e-6
"""Time that one core takes for a window, and for each step of its recurrence."""
PAIR_SECONDS, OWN_PAIR_SECONDS = 4e-9, 40e-9
"""Time that one core takes for each pair of a forecast and a context step: where the forecast steps of a segment share
their query, and where each has its own, because covariates differ; the latter with their part of the validations."""
STEP_SECONDS = 10e-3
"""Time that one core takes for a step whatever its windows are, with its part of the validations."""
REFIT_SHARE = 1.0
"""Steps of the refit, as a part of those that led to the best weights."""


@dataclass(frozen=True)
class WindowCost:
    """The sizes that decide how long a window of a training step takes."""

    context: int
    horizon: int
    segment: int
    own_queries: bool
    """Whether each forecast step of a segment has a query of its own, because covariates tell them apart."""

    @property
    def seconds(self) -> float:
        """Time of one processor core."""
        num_segments = -(-self.context // self.segment) - (-self.horizon // self.segment)
        pair = OWN_PAIR_SECONDS if self.own_queries else PAIR_SECONDS
        return WINDOW_SECONDS + SEGMENT_SECONDS * num_segments + pair * self.context * self.horizon


def choose_budget(
    training: TrainingConfig, cost: WindowCost, num_windows: int, choices: list[Choice]
) -> tuple[int, int, int]:
    """Batch size, most steps and steps between validations; the same with every mechanism, so that they compare."""
    batch_size = training.batch_size
    if batch_size is None:
        batch_size = _choose_batch(training, cost, num_windows)
        choices.append(Choice("batch size", str(batch_size), f"{num_windows:,} training windows"))
    max_steps = training.max_steps
    if max_steps is None and training.time_limit is not None:
        max_steps = MOST_AUTOMATIC_STEPS  # `training.pace` settles it
    elif max_steps is None:
        useful = 100 * num_windows / batch_size
        wanted = min(_affordable_steps(training, cost, batch_size), useful)
        max_steps = int(np.clip(wanted, FEWEST_AUTOMATIC_STEPS, MOST_AUTOMATIC_STEPS))
        choices.append(
            Choice("max steps", str(max_steps), f"{max_steps * batch_size / num_windows:.3g} passes over them")
        )
    every = training.validate_every or default_interval(max_steps)
    return batch_size, max_steps, every


def core_seconds(training: TrainingConfig, cost: WindowCost) -> float:
    """Time that one processor core may take for all steps and refits, if no network stops early."""
    assert training.batch_size is not None
    return most_steps(training) * _step_seconds(training, cost, training.batch_size)


def _choose_batch(training: TrainingConfig, cost: WindowCost, num_windows: int) -> int:
    wanted = 2 ** int(np.log2(max(num_windows / 8, 1)))
    batch_size = int(np.clip(wanted, SMALLEST_AUTOMATIC_BATCH, LARGEST_AUTOMATIC_BATCH))
    while batch_size > SMALLEST_AUTOMATIC_BATCH and _affordable_steps(training, cost, batch_size) < ENOUGH_STEPS:
        batch_size //= 2
    return batch_size


def _affordable_steps(training: TrainingConfig, cost: WindowCost, batch_size: int) -> float:
    return BUDGET_SECONDS / _step_seconds(training, cost, batch_size)


def _step_seconds(training: TrainingConfig, cost: WindowCost, batch_size: int) -> float:
    """Time that one processor core takes for a step and its part of the refit."""
    return (1 + REFIT_SHARE * training.refit) * (STEP_SECONDS + batch_size * cost.seconds)
