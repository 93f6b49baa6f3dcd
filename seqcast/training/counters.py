"""Everything a saved state of training holds besides tensors, and the checks of values that come from a file."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from seqcast.config import MOST_MEMBERS, MOST_ROUNDS, MOST_TRAINING_STEPS, TrainingConfig
from seqcast.errors import Place, RunError

FORMAT_VERSION = 2
"""Raise when the meaning of a key changes; older files are then refused with the version that can read them."""

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
    """Number of the network in its ensemble, from 1."""


_LINE = TypeAdapter(ValidationRecord)

History = Annotated[tuple[ValidationRecord, ...], Field(fail_fast=True)]


def parse_metrics(data: bytes, file: str) -> tuple[ValidationRecord, ...]:
    """Return the validations in the bytes of metrics.jsonl.

    Raises:
        RunError: A line is none.
    """
    records = []
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            record = _LINE.validate_json(line, strict=True)
        except ValidationError:
            record = None
        if record is None or not _is_finite(record):
            raise RunError("damaged: this is no validation.", place=Place(file=file, line=number))
        records.append(record)
    return tuple(records)


class MemberRecord(BaseModel):
    """How one network of an ensemble came about."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    history: History
    best_step: Steps
    num_steps: Steps
    ended_by: Annotated[str, Field(max_length=200)]

    @property
    def best(self) -> ValidationRecord:
        """The validation of the best step."""
        return next(record for record in self.history if record.step == self.best_step)


class Counters(BaseModel):
    """The numbers that change while a network is trained, as memory and a saved state hold them."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: int = FORMAT_VERSION
    identity: str
    """Fingerprint of the data and options."""
    step: Steps = 0
    loss_sum: FiniteFloat = 0.0
    """Sum of the losses of the steps since the last validation."""
    loss_count: Steps = 0
    best_loss: FiniteFloat | None = None
    """None before the first validation."""
    best_step: Steps = 0
    refit_step: Steps = 0
    """Number of steps done of the refit that follows training."""
    history: History = ()
    without_moments: Annotated[tuple[str, ...], Field(fail_fast=True)] = ()
    """Names of the parameters that no gradient has reached; set when the state is saved."""
    finished: Annotated[tuple[MemberRecord, ...], Field(max_length=MOST_MEMBERS + MOST_ROUNDS)] = ()
    """Members of the ensemble that were trained before this one."""


def parse_counters(text: str, training: TrainingConfig, most_members: int) -> Counters:
    """Returns the counters of a state that a training with these settings, and so many networks, may have saved.

    Raises:
        ValueError: A value is absent, of another type, or out of reach of this training.
    """
    counters = Counters.model_validate_json(text)
    missing = sorted(Counters.model_fields.keys() - counters.model_fields_set)
    if missing:
        raise ValueError(f"{missing[0]!r} is missing")
    if len(counters.finished) >= most_members:
        raise ValueError(f"it has {len(counters.finished)} finished networks besides its own, of {most_members}")
    assert training.max_steps is not None
    steps = (counters.step, counters.refit_step, *(member.num_steps for member in counters.finished))
    if max(steps) > training.max_steps:
        raise ValueError(f"it is at step {max(steps):,} of {training.max_steps:,}")
    if counters.best_loss is None:
        raise ValueError("it has no best loss")
    networks: tuple[MemberRecord | Counters, ...] = (*counters.finished, counters)
    for number, network in enumerate(networks, start=1):
        _require_possible(network, number, training.max_steps)
    return counters


def _require_possible(trained: MemberRecord | Counters, number: int, max_steps: int) -> None:
    steps = [record.step for record in trained.history]
    if trained.best_step not in steps:
        raise ValueError("best_step has no validation record")
    if any(later <= earlier for earlier, later in pairwise([-1, *steps])) or max(steps) > max_steps:
        raise ValueError("the steps of its validations are not in order")
    if any(record.member != number for record in trained.history):
        raise ValueError("its validations are of another network of the ensemble")
    if not all(map(_is_finite, trained.history)):
        raise ValueError("its validations hold numbers that are not finite")


def _is_finite(record: ValidationRecord) -> bool:
    numbers = (record.train_loss, record.validation_loss, record.relative_mae or 0.0, record.learning_rate)
    return all(map(math.isfinite, numbers))
