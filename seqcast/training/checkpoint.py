"""The full state of training in one safetensors file: tensors as tensors, all else one JSON text in its metadata.

A checksum stands in front of that text. It is not a metadata key of its own, because their order varies.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import save  # five times as fast as that of torch, with the same bytes
from safetensors.torch import load
from torch import Tensor

from seqcast.config import MOST_MEMBERS, MOST_ROUNDS, TrainingConfig
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
from seqcast.training.batches import Batches
from seqcast.training.counters import FORMAT_VERSION, Counters, MemberRecord, parse_counters
from seqcast.training.gradients import GradientPass, recorder
from seqcast.training.optimizer import MOMENTS, AdamW
from seqcast.training.rounds import most_members
from seqcast.training.setup import TrainingSetup

NETWORKS_IN_A_STATE = 5
"""The newest, averaged and best weights, and two moments of the optimiser."""
MEMBER_PARTS = ("weights", "selected")
LONGEST_SHOWN = 80

Weights = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class TrainedMember:
    """One trained network and how it came about."""

    weights: Weights
    """Refitted on the training and the validation part."""
    selected: Weights
    """The weights that validated best; they do not know the validation part."""
    record: MemberRecord
    seconds: float = 0.0
    """Time this process took; like the speed, it is not saved."""
    windows_per_second: float = 0.0
    failure: DivergedError | None = None
    """The error that ended training before its time; the weights are the best until then."""

    @property
    def refitted(self) -> bool:
        """Whether the weights have learned from the validation part."""
        return any(not torch.equal(weight, self.selected[name]) for name, weight in self.weights.items())


@dataclass
class TrainingState:
    """Everything that changes while training; nothing else does."""

    network: ForecastNetwork
    averaged: ForecastNetwork
    """The same network with the running average of its weights: it is validated and kept."""
    optimizer: AdamW
    gradients: GradientPass
    """How the gradients of this network are computed."""
    batches: Batches
    """The batches of the steps."""
    counters: Counters
    best_weights: Weights = field(default_factory=dict)
    finished: tuple[TrainedMember, ...] = ()
    """Members of the ensemble that were trained before this one."""


def first_state(setup: TrainingSetup, finished: tuple[TrainedMember, ...] = ()) -> TrainingState:
    """Returns the state before the first step of the member that follows the finished ones."""
    device = setup.runtime.device
    network = copy.deepcopy(setup.network).to(device)  # which lays recurrent weights side by side again, as cuDNN asks
    averaged = copy.deepcopy(network).to(device).requires_grad_(False)
    counters = Counters(identity=setup.identity, finished=tuple(member.record for member in finished))
    optimizer = new_optimizer(network, setup.config.training)
    gradients, batches = GradientPass(setup, network, recorder(setup)), Batches(setup)
    return TrainingState(network, averaged, optimizer, gradients, batches, counters, finished=finished)


def new_optimizer(network: ForecastNetwork, training: TrainingConfig) -> AdamW:
    """Returns an optimiser that has seen no gradient."""
    return AdamW(network.parameters(), training.weight_decay)


def largest_state(network: ForecastNetwork, training: TrainingConfig) -> int:
    """Bytes that a dumped state of this network may have."""
    return (NETWORKS_IN_A_STATE + 2 * (most_members(training) - 1)) * tensor_bytes(network) + LARGEST_REST


def dump_state(state: TrainingState) -> bytes:
    """Returns the state as the bytes of one file."""
    tensors = {f"network.{name}": value for name, value in state.network.state_dict().items()}
    tensors |= {f"averaged.{name}": value for name, value in state.averaged.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in state.best_weights.items()}
    for name, parameter in state.network.named_parameters():
        for moment, value in state.optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{moment}.{name}"] = value
    for number, member in enumerate(state.finished):
        tensors |= {f"finished.{number}.weights.{name}": value for name, value in member.weights.items()}
        tensors |= {f"finished.{number}.selected.{name}": value for name, value in member.selected.items()}
    without_moments = tuple(n for n, p in state.network.named_parameters() if p not in state.optimizer.state)
    cpu = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    text = state.counters.model_copy(update={"without_moments": without_moments}).model_dump_json()
    arrays = {name: value.numpy() for name, value in cpu.items()}
    return save(arrays, metadata={STATE_KEY: f"{_fingerprint(cpu, text)} {text}"})


def load_state(data: bytes, setup: TrainingSetup) -> TrainingState:
    """Returns a dumped state, read strictly: every key must be there, with its shape, and no other.

    Raises:
        RunError: The bytes are damaged, of another format, of other work, lack a key, or are none that this work saves.
    """
    tensors, text = _parse(data, setup.identity)
    state, training = first_state(setup), setup.config.training
    with _complaints():
        counters = state.counters = parse_counters(text, training, most_members(training))
        _require_finite(tensors)
        _require_known(tensors, counters, state.network)
        state.network.load_state_dict(_weights(tensors, "network.", state.network))
        state.averaged.load_state_dict(_weights(tensors, "averaged.", state.network))
        state.best_weights = _weights(tensors, "best.", state.network)
        state.finished = tuple(
            _finished(tensors, number, record, state.network) for number, record in enumerate(counters.finished)
        )
        _restore_optimizer(state, tensors)
    return state


def _finished(tensors: Weights, number: int, record: MemberRecord, network: ForecastNetwork) -> TrainedMember:
    weights, selected = (_weights(tensors, f"finished.{number}.{part}.", network) for part in MEMBER_PARTS)
    return TrainedMember(weights, selected, record)


def require_size(data: bytes, network: ForecastNetwork, identity: str) -> None:
    """Refuse a state of other work, or of a network of another size; `network` may be without memory of its own.

    Raises:
        RunError: As `load_state`.
    """
    weights, moments = len(network.state_dict()), len(MOMENTS) * len(list(network.parameters()))
    with _complaints():
        if len(_read_header(data)) > 2 + (3 + len(MEMBER_PARTS) * (MOST_MEMBERS + MOST_ROUNDS)) * weights + moments:
            raise ValueError("it has more tensors than its networks")
    tensors, _ = _parse(data, identity)
    with _complaints():
        _weights(tensors, "network.", network)


@contextmanager
def _complaints() -> Iterator[None]:
    """Raise a RunError in place of the errors inside, which say what does not fit."""
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


def _first_complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))[:80]!r}: {first['msg']}"


def _require_finite(tensors: Weights) -> None:
    for name, value in tensors.items():
        if not bool(torch.isfinite(value).all()):
            raise ValueError(f"{name} holds numbers that are not finite")


def _require_known(tensors: Weights, counters: Counters, network: ForecastNetwork) -> None:
    """Raise for a tensor that belongs to no part of the state."""
    prefixes = ["network.", "averaged.", "best."]
    prefixes += [f"finished.{number}.{part}." for number in range(len(counters.finished)) for part in MEMBER_PARTS]
    names = {f"optimizer.{moment}.{name}" for moment in MOMENTS for name, _ in network.named_parameters()}
    surplus = sorted(set(tensors) - names)
    unknown = next((name for name in surplus if not name.startswith(tuple(prefixes))), None)
    if unknown is not None:
        raise ValueError(f"{unknown[:LONGEST_SHOWN]!r} is no part of it")


def _parse(data: bytes, identity: str) -> tuple[Weights, str]:
    """Returns the tensors and the text of the counters, which are those of this work."""
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
    _require_identity(counters, identity)
    return tensors, text


def _read_header(data: bytes) -> dict[str, Any]:
    return read_header(data[8 : 8 + int.from_bytes(data[:8], "little")])


def _fingerprint(tensors: Weights, text: str) -> str:
    """Returns the checksum of everything in the file: safetensors itself would load a flipped bit in silence."""
    stored = (
        StoredTensor(name, str(value.dtype).removeprefix("torch."), tuple(value.shape), [value.numpy().tobytes()])
        for name, value in sorted(tensors.items())
    )
    return state_checksum(stored, text)


def _weights(tensors: Weights, prefix: str, network: ForecastNetwork) -> Weights:
    """The tensors under `prefix`, which must be exactly those of the network."""
    found = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    expected = {name: (value.shape, value.dtype) for name, value in network.state_dict().items()}
    kinds = {name: (value.shape, value.dtype) for name, value in found.items()}
    odd = sorted(name for name in expected.keys() | kinds.keys() if expected.get(name) != kinds.get(name))
    if odd:
        raise ValueError(f"{prefix}{odd[0]} does not fit the network")
    return found


def _restore_optimizer(state: TrainingState, tensors: Weights) -> None:
    """Restore the moments of every parameter but those that no gradient has reached, which have none yet."""
    names, without_moments = [name for name, _ in state.network.named_parameters()], state.counters.without_moments
    if not set(without_moments) <= set(names):
        raise ValueError("it tells of parameters that the network does not have")
    state.optimizer.state = {
        parameter: _moments(tensors, name, parameter)
        for name, parameter in state.network.named_parameters()
        if name not in without_moments
    }


def _moments(tensors: Weights, name: str, parameter: Tensor) -> Weights:
    moments = {moment: tensors[f"optimizer.{moment}.{name}"] for moment in MOMENTS}
    for moment, value in moments.items():
        expected = torch.Size() if moment == "step" else parameter.shape
        if value.shape != expected or value.dtype != torch.float32:
            raise ValueError(f"the optimizer's moments do not fit {name}")
        if moment != "exp_avg" and bool((value < 0).any()):
            raise ValueError(f"{moment} of {name} is negative")
    return {moment: value.to(parameter.device) for moment, value in moments.items()}
