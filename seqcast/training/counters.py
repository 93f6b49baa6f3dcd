"""All that a saved state of training holds besides tensors, and what of it is possible at all."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from seqcast.config import MOST_MEMBERS, MOST_TRAINING_STEPS, TrainingConfig

Steps = Annotated[int, Field(ge=0, le=MOST_TRAINING_STEPS)]


@dataclass(frozen=True)
class ValidationRecord:
    """One line of metrics.jsonl. Holds no clock time, so a resumed run writes the same file."""

    step: int
    train_loss: float
    """Mean over the steps since the last validation."""
    validation_loss: float
    relative_mae: float | None
    """Mean absolute validation error over that of the seasonal naive forecast; None where that one has no error."""
    learning_rate: float
    member: int
    """Which network of an ensemble, from 1."""


History = Annotated[list[ValidationRecord], Field(fail_fast=True)]


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class FinishedCounters(_Kept):
    """What is kept of an ensemble's finished member besides its weights."""

    history: History
    best_step: Steps
    num_steps: Steps
    ended_by: Annotated[str, Field(max_length=200)]

    @model_validator(mode="after")
    def _best_is_in_the_history(self) -> Self:
        _require_best(self.best_step, self.history)
        return self


class Counters(_Kept):
    """Everything in the file that is no tensor, with the type it must have."""

    format: int
    identity: str
    step: Steps
    loss_sum: FiniteFloat
    loss_count: Steps
    best_loss: FiniteFloat | None
    best_step: Steps
    stale_validations: Steps
    refit_step: Steps
    history: History
    without_moments: Annotated[list[str], Field(fail_fast=True)]
    finished: Annotated[list[FinishedCounters], Field(max_length=MOST_MEMBERS)]

    @model_validator(mode="after")
    def _best_is_in_the_history(self) -> Self:
        if self.history:
            _require_best(self.best_step, self.history)
        return self


def parse_counters(values: dict[str, Any], training: TrainingConfig) -> Counters:
    """The counters of a state that a training with these settings may have saved.

    Raises:
        ValueError: A value is absent, of another type, or out of reach of this training.
    """
    kept = Counters.model_validate_json(json.dumps(values))
    if len(kept.finished) >= training.ensemble:
        raise ValueError(f"it has {len(kept.finished)} finished networks beside its own, of {training.ensemble} in all")
    assert training.max_steps is not None
    steps = (kept.step, kept.refit_step, *(member.num_steps for member in kept.finished))
    if max(steps) > training.max_steps:
        raise ValueError(f"it is at step {max(steps):,} of {training.max_steps:,}")
    histories = [*(member.history for member in kept.finished), kept.history]
    for number, history in enumerate(histories, start=1):
        _require_possible(history, number, training.max_steps)
    return kept


def _require_best(best_step: int, history: list[ValidationRecord]) -> None:
    if best_step not in {record.step for record in history}:
        raise ValueError("best_step has no validation record")


def _require_possible(history: list[ValidationRecord], member: int, max_steps: int) -> None:
    steps = [record.step for record in history]
    if any(later <= earlier for earlier, later in pairwise([-1, *steps])) or max(steps, default=0) > max_steps:
        raise ValueError("the steps of its validations are not in order")
    if any(record.member != member for record in history):
        raise ValueError("its validations are of another network of the ensemble")
    numbers = [(r.train_loss, r.validation_loss, r.relative_mae or 0.0, r.learning_rate) for r in history]
    if not all(math.isfinite(number) for row in numbers for number in row):
        raise ValueError("its validations hold numbers that are not finite")
