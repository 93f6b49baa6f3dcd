"""model.safetensors: the weights and the scalers of a run, to bytes and back."""

import torch
from safetensors import SafetensorError
from safetensors.numpy import save  # five times as fast as that of torch, with the same bytes
from safetensors.torch import load
from torch import Tensor, nn

from seqcast.config import Config
from seqcast.errors import Place, RunError
from seqcast.model.ensemble import Ensemble, Networks, build_networks
from seqcast.model.shape import NetworkShape
from seqcast.model.skeleton import without_memory
from seqcast.run.directory import LARGEST_TENSORS, RunDirectory
from seqcast.run.record import MODEL_FILE, RunRecord
from seqcast.run.scaler_tensors import PREFIX, Form, expected_forms, form, most_bytes, scaler_tensors, scalers_from
from seqcast.storage import open_regular_file
from seqcast.tensors.scaling import PanelScalers

LARGEST_HEADER = 16 * 2**20
"""Size limit of the names, shapes and metadata in front of the tensors, in bytes."""
MANY_TABLES = 1000
"""Number of category tables above which the size of the file is looked at first: to build so many takes a second."""
SHORTEST_ENTRY = 50
"""Fewest bytes of a tensor with a few numbers, its name and shape included."""
LARGEST_ROUNDING = 1e-4
"""Largest distance from 1 of the sum of at most 65 shares in float32."""


def dump_model(networks: Networks, scalers: PanelScalers) -> bytes:
    """Return the bytes of a safetensors file that holds all weights and scalers, on the CPU."""
    tensors = networks.state_dict() | scaler_tensors(scalers)
    return save({name: value.detach().cpu().contiguous().numpy() for name, value in tensors.items()})


def tensor_bytes(module: nn.Module) -> int:
    """Return the size of all parameters and buffers."""
    return sum(value.numel() * value.element_size() for value in module.state_dict().values())


def read_model(directory: RunDirectory, record: RunRecord, config: Config) -> tuple[Networks, PanelScalers]:
    """Build the networks without allocating, then assign checked weights; check the scalers too.

    Raises:
        RunError: The file is absent or damaged, does not fit the configuration, or holds impossible values.
    """
    place = Place(file=str(directory.path / MODEL_FILE))
    shape = record.shape
    num_members = record.result.num_members if record.result else 1
    _require_room_for_categories(directory, shape, num_members)
    scaler_forms = expected_forms(record, config)
    expected = _expected_weights(config, shape, num_members) | scaler_forms
    num_bytes = sum(most_bytes(name, each) for name, each in expected.items())
    data = directory.read_verified(MODEL_FILE, record, num_bytes + LARGEST_HEADER)
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise RunError(f"damaged: {error}.", place=place) from None
    _require_forms(tensors, expected, place)
    weights = {name: value for name, value in tensors.items() if not name.startswith(PREFIX)}
    with without_memory():
        networks = build_networks(config, shape, num_members)
    networks.load_state_dict(weights, assign=True)
    if not all(_are_shares(each) for each in networks.modules() if isinstance(each, Ensemble)):
        raise RunError("refused: the shares of its networks in the forecast do not add up to one.", place=place)
    try:
        return networks, scalers_from(tensors, scaler_forms)
    except ValueError as error:
        raise RunError(f"refused: {error}.", place=place) from None


def _are_shares(ensemble: Ensemble) -> bool:
    """Whether those of the networks add up to one, and those of naive forecasts to no more."""
    shares, naive = ensemble.shares.double(), ensemble.naive_shares.double()
    not_negative = bool((shares >= 0).all()) and bool((naive >= 0).all())
    return (
        not_negative and abs(float(shares.sum()) - 1) < LARGEST_ROUNDING and float(naive.sum()) < 1 + LARGEST_ROUNDING
    )


def _require_room_for_categories(directory: RunDirectory, shape: NetworkShape, num_members: int) -> None:
    num_tables = num_members * sum(map(len, (shape.past_categories, shape.known_categories, shape.static_categories)))
    file = directory.path / MODEL_FILE
    if num_tables > MANY_TABLES:
        with open_regular_file(file, LARGEST_TENSORS) as (_, num_bytes):
            if num_tables * SHORTEST_ENTRY > num_bytes:
                reason = "its tensors do not fit the configuration: it is too short for its categories."
                raise RunError(reason, place=Place(file=str(file)))


def _require_forms(tensors: dict[str, Tensor], expected: dict[str, Form], place: Place) -> None:
    """Raise if the names, shapes, types or numbers of the tensors are not those that the configuration asks for."""
    found = {name: form(name, value) for name, value in tensors.items()}
    if found != expected:
        odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise RunError(f"its tensors do not fit the configuration: {', '.join(odd[:5])}.", place=place)
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise RunError("refused: it holds weights or scalers that are not finite.", place=place)


def _expected_weights(config: Config, shape: NetworkShape, num_members: int) -> dict[str, Form]:
    """Derive the form of all weights from those of one member: to build a hundred members may take a minute."""
    with without_memory():
        alone = build_networks(config, shape, 1).state_dict()
    expected: dict[str, Form] = {}
    for name, value in alone.items():
        ensemble, of_member, rest = name.partition(".members.0.")
        names = [f"{ensemble}.members.{number}.{rest}" for number in range(num_members)] if of_member else [name]
        size = torch.Size([num_members]) if name.endswith(".shares") else value.shape
        expected |= dict.fromkeys(names, (size, value.dtype))
    return expected
