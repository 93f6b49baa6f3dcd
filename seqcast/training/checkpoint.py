"""The full state of training in one safetensors file: tensors as tensors, all else one JSON text in its metadata.

A checksum stands in front of that text. It is no metadata of its own, because their order is not the same every time.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from seqcast.errors import RunError
from seqcast.model.network import ForecastNetwork

FORMAT_VERSION = 1
"""Raise when the meaning of a key changes; older files are then refused with the version that can read them."""
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
    start_losses: Tensor = field(default_factory=lambda: torch.zeros(0))
    """(validation windows,) losses before the first step; on the CPU."""
    history: list[ValidationRecord] = field(default_factory=list)


def dump_state(state: TrainingState, identity: str) -> bytes:
    """The state as the bytes of one file; `identity` names the work it belongs to."""
    tensors = {f"network.{name}": value for name, value in state.network.state_dict().items()}
    tensors |= {f"averaged.{name}": value for name, value in state.averaged.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in state.best_weights.items()}
    for name, parameter in state.network.named_parameters():
        for moment, value in state.optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{moment}.{name}"] = value
    tensors["start_losses"] = state.start_losses
    counters = {
        "format": FORMAT_VERSION,
        "identity": identity,
        "step": state.step,
        "loss_sum": state.loss_sum,
        "loss_count": state.loss_count,
        "best_loss": state.best_loss if state.history else None,
        "best_step": state.best_step,
        "stale_validations": state.stale_validations,
        "history": [asdict(record) for record in state.history],
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
    if counters.get("format") != FORMAT_VERSION:
        raise RunError(
            f"checkpoint.safetensors has format {counters.get('format')}, this seqcast reads {FORMAT_VERSION}."
        )
    if counters.get("identity") != identity:
        raise RunError(
            "checkpoint.safetensors belongs to other data or options than these.",
            hint="Resume with the same data and options, or start afresh with --overwrite.",
        )
    try:
        state.network.load_state_dict(_weights(tensors, "network.", state.network))
        state.averaged.load_state_dict(_weights(tensors, "averaged.", state.network))
        state.best_weights = _weights(tensors, "best.", state.network) if counters["history"] else {}
        if tensors["start_losses"].shape != state.start_losses.shape:
            raise ValueError("start_losses do not fit the validation windows")
        state.start_losses = tensors["start_losses"]
        if counters["step"]:
            _restore_optimizer(state, tensors, counters["without_moments"])
        state.step, state.best_step = int(counters["step"]), int(counters["best_step"])
        state.loss_sum, state.loss_count = float(counters["loss_sum"]), int(counters["loss_count"])
        state.best_loss = float("inf") if counters["best_loss"] is None else float(counters["best_loss"])
        state.stale_validations = int(counters["stale_validations"])
        state.history = [ValidationRecord(**record) for record in counters["history"]]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RunError(
            f"checkpoint.safetensors is incomplete: {error}.", hint="Start afresh with --overwrite."
        ) from None


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
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
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
    expected = {name: value.shape for name, value in network.state_dict().items()}
    shapes = {name: value.shape for name, value in found.items()}
    odd = sorted(name for name in expected.keys() | shapes.keys() if expected.get(name) != shapes.get(name))
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
