"""A trained model as it is used: network, scalers and record, to and from a run directory."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from seqcast.config import Config
from seqcast.errors import RunError, UsageError, option
from seqcast.model.ensemble import Ensemble, Networks, build_networks
from seqcast.model.network import NetworkShape
from seqcast.panel.calendar import calendar_names
from seqcast.panel.frequency import Frequency, parse_frequency
from seqcast.panel.panel import Schema
from seqcast.run.agreement import require_agreement
from seqcast.run.directory import RunDirectory
from seqcast.run.record import MODEL_FILE, RUN_FILE, SCALERS_FILE, AttentionRecord, RunRecord, SchemaRecord, ShapeRecord
from seqcast.run.scaler_file import load_scalers
from seqcast.tensors.scaling import CovariateSizes, PanelScalers, ScalerSizes

LARGEST_HEADER = 16 * 2**20
"""Bytes that the names, shapes and metadata of a file of tensors may take."""
MANY_TABLES = 1000
"""Of categories; to build that many takes a second, even without memory."""
SHORTEST_ENTRY = 50
"""Bytes that a tensor of a few numbers takes at least, its name and shape among them."""
LARGEST_ROUNDING = 1e-4
"""By which the sum of at most 65 shares in float32 may miss 1."""


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """Everything a forecast needs. The network is in evaluation mode."""

    config: Config
    schema: Schema
    frequency: Frequency
    series_ids: tuple[str, ...]
    scalers: PanelScalers
    network: Ensemble
    attention: AttentionRecord | None = None
    """What it attended to when it was validated, where its run says so."""
    validated: Ensemble | None = None
    """The network before it was refitted on the validation part; None where it was not."""

    @property
    def horizon(self) -> int:
        return self.network.shape.horizon

    @property
    def context(self) -> int:
        return self.network.shape.context

    @property
    def season(self) -> int:
        return self.network.shape.season

    @property
    def as_validated(self) -> TrainedModel:
        """The model to judge by the validation part."""
        return self if self.validated is None else replace(self, network=self.validated, validated=None)


def dump_networks(networks: Networks) -> bytes:
    """All weights of a run as the bytes of a safetensors file, on the CPU."""
    return save({name: value.detach().cpu().contiguous() for name, value in networks.state_dict().items()})


def load_trained_model(directory: RunDirectory, record: RunRecord, device: torch.device) -> TrainedModel:
    """Read a finished run; whatever device it was trained on, it is built on `device`.

    Raises:
        RunError: Training has not finished, or a file is absent, damaged or does not fit the configuration.
    """
    if not record.files.get(MODEL_FILE):
        raise RunError(
            f"{directory.path}: this run has no finished model (its status is {record.status!r}).",
            hint=f"Finish it with `seqcast train DATA {option('run')} {directory.path} {option('resume')}`.",
        )
    config = directory.read_config(record)
    frequency = _frequency(directory, record)
    require_agreement(record, config, str(directory.path / RUN_FILE))
    shape = NetworkShape(**record.shape.model_dump())
    networks = _build(directory, record, config, shape).to(device).eval()
    scalers_data = directory.read_verified(SCALERS_FILE, record)
    scalers = load_scalers(scalers_data, _scaler_sizes(record, config), str(directory.path / SCALERS_FILE))
    return TrainedModel(
        config,
        Schema(**record.columns.model_dump()),
        frequency,
        record.series_ids,
        scalers,
        networks.final,
        record.attention,
        networks.validated,
    )


def tensor_bytes(module: nn.Module) -> int:
    """Bytes of all parameters and buffers."""
    return sum(value.numel() * value.element_size() for value in module.state_dict().values())


def _build(directory: RunDirectory, record: RunRecord, config: Config, shape: NetworkShape) -> Networks:
    """Build without allocating, then assign checked weights."""
    file = directory.path / MODEL_FILE
    num_members = record.result.num_members if record.result else 1
    num_tables = num_members * sum(map(len, (shape.past_categories, shape.known_categories, shape.static_categories)))
    if num_tables > MANY_TABLES and num_tables * SHORTEST_ENTRY > directory.size_of(MODEL_FILE):
        raise RunError(f"{file}: its tensors do not fit the configuration: it is too short for its categories.")
    expected = _expected_tensors(config, shape, num_members)
    num_bytes = sum(size.numel() * kind.itemsize for size, kind in expected.values())
    data = directory.read_verified(MODEL_FILE, record, num_bytes + LARGEST_HEADER)
    try:
        weights = load(data)
    except SafetensorError as error:
        raise RunError(f"{file}: damaged: {error}.") from None
    found = {name: (value.shape, value.dtype) for name, value in weights.items()}
    if found != expected:
        odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise RunError(f"{file}: its tensors do not fit the configuration: {', '.join(odd[:5])}.")
    if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
        raise RunError(f"{file}: refused: it holds weights that are not finite.")
    with torch.device("meta"):
        networks = build_networks(config, shape, num_members)
    networks.load_state_dict(weights, assign=True)
    if not all(_are_shares(each.shares) for each in networks.modules() if isinstance(each, Ensemble)):
        raise RunError(f"{file}: refused: the shares of its networks in the forecast are no shares of one whole.")
    return networks


def _expected_tensors(
    config: Config, shape: NetworkShape, num_members: int
) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """Shapes and types of all weights, told from those of one member: to build a hundred of them may take a minute."""
    with torch.device("meta"):
        alone = build_networks(config, shape, 1).state_dict()
    expected: dict[str, tuple[torch.Size, torch.dtype]] = {}
    for name, value in alone.items():
        ensemble, of_member, rest = name.partition(".members.0.")
        names = [f"{ensemble}.members.{number}.{rest}" for number in range(num_members)] if of_member else [name]
        size = torch.Size([num_members]) if name.endswith(".shares") else value.shape
        expected |= dict.fromkeys(names, (size, value.dtype))
    return expected


def _are_shares(shares: torch.Tensor) -> bool:
    return bool((shares >= 0).all()) and abs(float(shares.double().sum()) - 1) < LARGEST_ROUNDING


def _frequency(directory: RunDirectory, record: RunRecord) -> Frequency:
    try:
        return parse_frequency(record.frequency)
    except UsageError:
        raise RunError(f"{directory.path / RUN_FILE}: damaged: {record.frequency[:40]!r} is no frequency.") from None


def _scaler_sizes(record: RunRecord, config: Config) -> ScalerSizes:
    """What the scalers must have been fitted on, given the network's sizes."""

    def role(num_numeric: int, num_codes: tuple[int, ...]) -> CovariateSizes:
        return CovariateSizes(num_numeric, tuple(count - 1 for count in num_codes))

    shape = record.shape
    return ScalerSizes(
        num_series=len(record.series_ids),
        known=role(shape.num_known - len(calendar_names(config.data.calendar or ())), shape.known_categories),
        past=role(shape.num_past, shape.past_categories),
        static=role(shape.num_static, shape.static_categories),
    )


def schema_record(schema: Schema) -> SchemaRecord:
    """The schema as run.json keeps it."""
    return SchemaRecord(**asdict(schema))


def shape_record(shape: NetworkShape) -> ShapeRecord:
    """The network's sizes as run.json keeps them."""
    return ShapeRecord(**asdict(shape))
