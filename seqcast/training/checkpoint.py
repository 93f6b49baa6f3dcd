"""The full state of training in one safetensors file: tensors as tensors, all else one JSON text in its metadata.

A checksum stands in front of that text. It is no metadata of its own, because their order is not the same every time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from seqcast.config import MOST_MEMBERS
from seqcast.errors import DivergedError, RunError, option
from seqcast.model.network import ForecastNetwork
from seqcast.run.model_file import tensor_bytes
from seqcast.run.record import CHECKPOINT_FILE
from seqcast.run.untrusted.bounded_json import parse_json
from seqcast.run.untrusted.state_file import (
    LARGEST_REST,
    STATE_KEY,
    StoredTensor,
    most_marks,
    read_header,
    split_state,
    state_checksum,
)
from seqcast.training.counters import Counters, FinishedCounters, ValidationRecord, parse_counters
from seqcast.training.setup import TrainingSetup

FORMAT_VERSION = 1
"""Raise when the meaning of a key changes; older files are then refused with the version that can read them."""
NETWORKS_IN_A_STATE = 5
"""The newest, averaged and best weights, and two moments of the optimiser."""
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
MEMBER_PARTS = ("weights", "selected")
LONGEST_SHOWN = 80


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

    @property
    def refitted(self) -> bool:
        """Whether the weights have learned from the validation part."""
        return any(not torch.equal(weight, self.selected[name]) for name, weight in self.weights.items())


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
    return save(cpu, metadata={STATE_KEY: f"{_fingerprint(cpu, text)} {text}"})


def restore_state(state: TrainingState, data: bytes, setup: TrainingSetup) -> None:
    """Put a dumped state back, strictly: every key must be there, with its shape, and no other.

    Raises:
        RunError: The bytes are damaged, of another format, of other work, lack a key, or are none that this work saves.
    """
    tensors, counters = _parse(data)
    _require_identity(counters, setup.identity)
    with _complaints():
        kept = parse_counters(counters, setup.config.training)
        _require_finite(tensors)
        _require_known(tensors, kept, state.network)
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


def finished_members(data: bytes, setup: TrainingSetup) -> tuple[TrainingResult, ...]:
    """The members of an ensemble that were trained before the one whose state this is.

    Raises:
        RunError: As `restore_state`.
    """
    tensors, counters = _parse(data)
    _require_identity(counters, setup.identity)
    with _complaints():
        records = parse_counters(counters, setup.config.training).finished
        return tuple(_finished(tensors, number, record, setup.network) for number, record in enumerate(records))


def require_size(data: bytes, network: ForecastNetwork, identity: str) -> None:
    """Refuse a state of other work, or of a network of another size; `network` may be without memory of its own.

    Raises:
        RunError: As `restore_state`.
    """
    weights, moments = len(network.state_dict()), len(MOMENTS) * len(list(network.parameters()))
    with _complaints():
        if len(_read_header(data)) > 2 + (3 + len(MEMBER_PARTS) * MOST_MEMBERS) * weights + moments:
            raise ValueError("it has more tensors than its networks")
    tensors, counters = _parse(data)
    _require_identity(counters, identity)
    with _complaints():
        _weights(tensors, "network.", network)


@contextmanager
def _complaints() -> Iterator[None]:
    """What does not fit inside becomes a RunError."""
    try:
        yield
    except (KeyError, ValueError) as error:
        reason = _first_complaint(error) if isinstance(error, ValidationError) else str(error)
        raise RunError(
            f"{CHECKPOINT_FILE} is incomplete: {reason}.", hint=f"Start afresh with {option('overwrite')}."
        ) from None


def _require_identity(counters: dict[str, Any], identity: str) -> None:
    if counters.get("format") != FORMAT_VERSION:
        found = str(counters.get("format"))[:20]
        raise RunError(
            f"{CHECKPOINT_FILE} has format {found}, this seqcast reads {FORMAT_VERSION}.",
            hint=f"Resume with the seqcast that began the run, or start afresh with {option('overwrite')}.",
        )
    if counters.get("identity") != identity:
        raise RunError(
            f"{CHECKPOINT_FILE} belongs to other data or options than these.",
            hint=f"Resume with the same data and options, or start afresh with {option('overwrite')}.",
        )


def _finished_record(result: TrainingResult) -> dict[str, Any]:
    fields = {name: getattr(result, name) for name in FinishedCounters.model_fields}
    return fields | {"history": [asdict(record) for record in result.history]}


def _finished(
    tensors: dict[str, Tensor], number: int, record: FinishedCounters, network: ForecastNetwork
) -> TrainingResult:
    weights, selected = (_weights(tensors, f"finished.{number}.{part}.", network) for part in MEMBER_PARTS)
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


def _require_known(tensors: dict[str, Tensor], kept: Counters, network: ForecastNetwork) -> None:
    """Raise for a tensor that nothing of the state is made of."""
    prefixes = ["network.", "averaged.", *(["best."] if kept.history else [])]
    prefixes += [f"finished.{number}.{part}." for number in range(len(kept.finished)) for part in MEMBER_PARTS]
    names = {f"optimizer.{moment}.{name}" for moment in MOMENTS for name, _ in network.named_parameters()}
    surplus = sorted(set(tensors) - names - {"start_losses"})
    unknown = next((name for name in surplus if not name.startswith(tuple(prefixes))), None)
    if unknown is not None:
        raise ValueError(f"{unknown[:LONGEST_SHOWN]!r} is no part of it")


def _parse(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        tensors = load(data)
        checksum, text = split_state(_read_header(data))
        if checksum != _fingerprint(tensors, text):
            raise ValueError("its checksum is not that of its content")
        counters = parse_json(text, most_marks(len(text)))
        if not isinstance(counters, dict):
            raise TypeError("its counters are no table")
    except (SafetensorError, ValueError, TypeError) as error:
        raise RunError(
            f"{CHECKPOINT_FILE} is damaged: {error}.", hint=f"Start afresh with {option('overwrite')}."
        ) from None
    return tensors, counters


def _read_header(data: bytes) -> dict[str, Any]:
    return read_header(data[8 : 8 + int.from_bytes(data[:8], "little")])


def _fingerprint(tensors: dict[str, Tensor], text: str) -> str:
    """Of all that the file holds: safetensors itself would load a flipped bit in silence."""
    stored = (
        StoredTensor(name, str(value.dtype).removeprefix("torch."), tuple(value.shape), [value.numpy().tobytes()])
        for name, value in sorted(tensors.items())
    )
    return state_checksum(stored, text)


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
    if not set(without_moments) <= {name for name, _ in state.network.named_parameters()}:
        raise ValueError("it tells of parameters that the network does not have")
    indexed = state.optimizer.state_dict()
    indexed["state"] = {
        index: _moments(tensors, name, parameter.shape)
        for index, (name, parameter) in enumerate(state.network.named_parameters())
        if name not in without_moments
    }
    state.optimizer.load_state_dict(indexed)


def _moments(tensors: dict[str, Tensor], name: str, shape: torch.Size) -> dict[str, Tensor]:
    moments = {moment: tensors[f"optimizer.{moment}.{name}"] for moment in MOMENTS}
    for moment, value in moments.items():
        expected = torch.Size() if moment == "step" else shape
        if value.shape != expected or value.dtype != torch.float32:
            raise ValueError(f"the optimizer's moments do not fit {name}")
        if moment != "exp_avg" and bool((value < 0).any()):
            raise ValueError(f"{moment} of {name} is negative")
    return moments
