"""The full state of training in one safetensors file: tensors as tensors, all else one JSON text in its metadata.

A checksum stands in front of that text. It is no metadata of its own, because their order is not the same every time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from seqcast.config import MOST_TRAINING_STEPS
from seqcast.errors import DivergedError, RunError
from seqcast.model.network import ForecastNetwork
from seqcast.run.trained import tensor_bytes

FORMAT_VERSION = 1
"""Raise when the meaning of a key changes; older files are then refused with the version that can read them."""
_Steps = Annotated[int, Field(ge=0, le=MOST_TRAINING_STEPS)]
NETWORKS_IN_A_STATE = 5
"""The newest, averaged and best weights, and two moments of the optimiser."""
LARGEST_REST = 64 * 2**20
"""Bytes of everything else: names and shapes, counters, history."""
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


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


@dataclass(frozen=True)
class TrainingResult:
    """One trained network and how it came about."""

    weights: dict[str, Tensor]
    """Refitted on training and validation part."""
    selected: dict[str, Tensor]
    """As they validated best; the validation part is unknown to them."""
    history: tuple[ValidationRecord, ...]
    best_step: int
    num_steps: int
    ended_by: str
    seconds: float = 0.0
    """Of this process; as little as the speed is it part of a saved state."""
    windows_per_second: float = 0.0
    failure: DivergedError | None = None
    """What ended training before its time; the weights are the best until then."""

    @property
    def best(self) -> ValidationRecord:
        """The validation of the best step."""
        return next(record for record in self.history if record.step == self.best_step)


class _Finished(BaseModel):
    """What is kept of an ensemble's finished member besides its weights."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    history: list[ValidationRecord]
    best_step: _Steps
    num_steps: _Steps
    ended_by: str

    @model_validator(mode="after")
    def _best_is_in_the_history(self) -> Self:
        _require_best(self.best_step, self.history)
        return self


class _Counters(BaseModel):
    """Everything in the file that is no tensor, with the type it must have."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    format: int
    identity: str
    step: _Steps
    loss_sum: FiniteFloat
    loss_count: _Steps
    best_loss: float | None
    best_step: _Steps
    stale_validations: _Steps
    refit_step: _Steps
    history: list[ValidationRecord]
    without_moments: list[str]
    finished: list[_Finished]

    @model_validator(mode="after")
    def _best_is_in_the_history(self) -> Self:
        if self.history:
            _require_best(self.best_step, self.history)
        return self


def _require_best(best_step: int, history: list[ValidationRecord]) -> None:
    if best_step not in {record.step for record in history}:
        raise ValueError("best_step has no validation record")


@dataclass
class TrainingState:
    """Everything that changes while training; nothing else does."""

    network: ForecastNetwork
    averaged: ForecastNetwork
    """The same network with the running average of its weights: what is validated and kept."""
    optimizer: torch.optim.Optimizer
    step: int = 0
    loss_sum: float = 0.0
    """Of the steps since the last validation."""
    loss_count: int = 0
    best_loss: float = float("inf")
    best_step: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    stale_validations: int = 0
    refit_step: int = 0
    """Steps done of the refit that follows training."""
    start_losses: Tensor = field(default_factory=lambda: torch.zeros(0))
    """(validation windows,) losses before the first step; on the CPU."""
    history: list[ValidationRecord] = field(default_factory=list)
    finished: tuple[TrainingResult, ...] = ()
    """The members of an ensemble that were trained before this one."""


def largest_state(network: ForecastNetwork, num_members: int) -> int:
    """Bytes that a dumped state of this network, the last of an ensemble, may have."""
    return (NETWORKS_IN_A_STATE + 2 * (num_members - 1)) * tensor_bytes(network) + LARGEST_REST


def dump_state(state: TrainingState, identity: str) -> bytes:
    """The state as the bytes of one file; `identity` names the work it belongs to."""
    tensors = {f"network.{name}": value for name, value in state.network.state_dict().items()}
    tensors |= {f"averaged.{name}": value for name, value in state.averaged.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in state.best_weights.items()}
    for name, parameter in state.network.named_parameters():
        for moment, value in state.optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{moment}.{name}"] = value
    tensors["start_losses"] = state.start_losses
    for number, result in enumerate(state.finished):
        tensors |= {f"finished.{number}.weights.{name}": value for name, value in result.weights.items()}
        tensors |= {f"finished.{number}.selected.{name}": value for name, value in result.selected.items()}
    counters = {
        "format": FORMAT_VERSION,
        "identity": identity,
        "step": state.step,
        "loss_sum": state.loss_sum,
        "loss_count": state.loss_count,
        "best_loss": state.best_loss if state.history else None,
        "best_step": state.best_step,
        "stale_validations": state.stale_validations,
        "refit_step": state.refit_step,
        "history": [asdict(record) for record in state.history],
        "finished": [_finished_record(result) for result in state.finished],
        "without_moments": [n for n, p in state.network.named_parameters() if p not in state.optimizer.state],
    }
    cpu = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}
    text = json.dumps(counters)
    return save(cpu, metadata={"state": f"{_fingerprint(cpu, text)} {text}"})


def restore_state(state: TrainingState, data: bytes, identity: str) -> None:
    """Put a dumped state back, strictly: every key must be there, with its shape.

    Raises:
        RunError: The bytes are damaged, of another format, of other work, or lack a key.
    """
    tensors, counters = _parse(data)
    _require_identity(counters, identity)
    with _complaints():
        kept = _Counters.model_validate_json(json.dumps(counters))
        _require_finite(tensors)
        state.network.load_state_dict(_weights(tensors, "network.", state.network))
        state.averaged.load_state_dict(_weights(tensors, "averaged.", state.network))
        state.best_weights = _weights(tensors, "best.", state.network) if kept.history else {}
        state.finished = tuple(
            _finished(tensors, number, record, state.network) for number, record in enumerate(kept.finished)
        )
        start, expected = tensors["start_losses"], state.start_losses
        if (start.shape, start.dtype) != (expected.shape, expected.dtype):
            raise ValueError("start_losses do not fit the validation windows")
        state.start_losses = start
        if kept.step:
            _restore_optimizer(state, tensors, kept.without_moments)
    state.step, state.best_step = kept.step, kept.best_step
    state.loss_sum, state.loss_count = kept.loss_sum, kept.loss_count
    state.best_loss = float("inf") if kept.best_loss is None else kept.best_loss
    state.stale_validations, state.refit_step = kept.stale_validations, kept.refit_step
    state.history = kept.history


def finished_members(data: bytes, network: ForecastNetwork, identity: str) -> tuple[TrainingResult, ...]:
    """The members of an ensemble that were trained before the one whose state this is; `network` is one like them.

    Raises:
        RunError: As `restore_state`.
    """
    tensors, counters = _parse(data)
    _require_identity(counters, identity)
    with _complaints():
        records = _Counters.model_validate_json(json.dumps(counters)).finished
        return tuple(_finished(tensors, number, record, network) for number, record in enumerate(records))


@contextmanager
def _complaints() -> Iterator[None]:
    """What does not fit inside becomes a RunError."""
    try:
        yield
    except (KeyError, ValueError) as error:
        reason = _first_complaint(error) if isinstance(error, ValidationError) else str(error)
        raise RunError(
            f"checkpoint.safetensors is incomplete: {reason}.", hint="Start afresh with --overwrite."
        ) from None


def _require_identity(counters: dict[str, Any], identity: str) -> None:
    if counters.get("format") != FORMAT_VERSION:
        found = str(counters.get("format"))[:20]
        raise RunError(f"checkpoint.safetensors has format {found}, this seqcast reads {FORMAT_VERSION}.")
    if counters.get("identity") != identity:
        raise RunError(
            "checkpoint.safetensors belongs to other data or options than these.",
            hint="Resume with the same data and options, or start afresh with --overwrite.",
        )


def _finished_record(result: TrainingResult) -> dict[str, Any]:
    fields = {name: getattr(result, name) for name in _Finished.model_fields}
    return fields | {"history": [asdict(record) for record in result.history]}


def _finished(tensors: dict[str, Tensor], number: int, record: _Finished, network: ForecastNetwork) -> TrainingResult:
    weights, selected = (_weights(tensors, f"finished.{number}.{part}.", network) for part in ("weights", "selected"))
    numbers = record.model_dump(exclude={"history"})
    return TrainingResult(weights, selected, tuple(record.history), **numbers)


def _first_complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))[:80]!r}: {first['msg']}"


def _require_finite(tensors: dict[str, Tensor]) -> None:
    for name, value in tensors.items():
        # a window without a finite loss before the first step is no reason to stop
        if name != "start_losses" and not bool(torch.isfinite(value).all()):
            raise ValueError(f"{name} holds numbers that are not finite")


def _parse(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        tensors = load(data)
        header_size = int.from_bytes(data[:8], "little")
        checksum, _, text = json.loads(data[8 : 8 + header_size])["__metadata__"]["state"].partition(" ")
        if checksum != _fingerprint(tensors, text):
            raise ValueError("its checksum is not that of its content")
        counters = json.loads(text)
        if not isinstance(counters, dict):
            raise TypeError("its counters are no table")
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"checkpoint.safetensors is damaged: {error}.", hint="Start afresh with --overwrite.") from None
    return tensors, counters


def _fingerprint(tensors: dict[str, Tensor], text: str) -> str:
    """SHA-256 of all that the file holds: safetensors itself would load a flipped bit in silence."""
    digest = hashlib.sha256(text.encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def _weights(tensors: dict[str, Tensor], prefix: str, network: ForecastNetwork) -> dict[str, Tensor]:
    """The tensors under `prefix`, which must be exactly those of the network."""
    found = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    expected = {name: (value.shape, value.dtype) for name, value in network.state_dict().items()}
    kinds = {name: (value.shape, value.dtype) for name, value in found.items()}
    odd = sorted(name for name in expected.keys() | kinds.keys() if expected.get(name) != kinds.get(name))
    if odd:
        raise ValueError(f"{prefix}{odd[0]} does not fit the network")
    return found


def _restore_optimizer(state: TrainingState, tensors: dict[str, Tensor], without_moments: list[str]) -> None:
    """Moments of every parameter but those that no gradient has reached, which have none yet."""
    indexed = state.optimizer.state_dict()
    indexed["state"] = {
        index: _moments(tensors, name, parameter.shape)
        for index, (name, parameter) in enumerate(state.network.named_parameters())
        if name not in without_moments
    }
    state.optimizer.load_state_dict(indexed)


def _moments(tensors: dict[str, Tensor], name: str, shape: torch.Size) -> dict[str, Tensor]:
    moments = {moment: tensors[f"optimizer.{moment}.{name}"] for moment in MOMENTS}
    if any(value.shape != (torch.Size() if moment == "step" else shape) for moment, value in moments.items()):
        raise ValueError(f"the optimizer's moments do not fit {name}")
    return moments
