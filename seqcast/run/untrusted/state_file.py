"""checkpoint.safetensors and the checksum inside it, which is verified without torch.

The metadata of the file hold one text, `state`: the checksum, a space, and a JSON document of all but the tensors.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from seqcast.run.untrusted.bounded_json import parse_json

STATE_KEY = "state"
LARGEST_REST = 16 * 2**20
"""Size limit of all but the numbers of the tensors, in bytes: names, shapes, counters and history."""
BYTES_PER_MARK = 6
"""Fewest bytes of names and counters for each [, { and :, on average."""
_TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64"}
_PIECE = 2**20


@dataclass(frozen=True)
class StoredTensor:
    """One tensor, as the checksum takes it."""

    name: str
    dtype: str
    """As torch calls it, without `torch.`."""
    shape: tuple[int, ...]
    data: Iterable[bytes]
    """Its bytes, in pieces."""


def state_checksum(tensors: Iterable[StoredTensor], text: str) -> str:
    """Return the SHA-256 of everything in the file; the tensors must be in the order of their names."""
    digest = hashlib.sha256(text.encode())
    for tensor in tensors:
        digest.update(f"{tensor.name} torch.{tensor.dtype} {tensor.shape}\n".encode())
        for piece in tensor.data:
            digest.update(piece)
    return digest.hexdigest()


def read_header(data: bytes) -> dict[str, Any]:
    """Return the table of tensors and metadata at the front of a safetensors file.

    Raises:
        ValueError: It is not such a table.
    """
    header = parse_json(data, most_marks(len(data)), most_keys=len(data))
    if not isinstance(header, dict):
        raise ValueError("its header is no table")  # noqa: TRY004  # it is the text that is wrong
    return header


def most_marks(num_bytes: int) -> int:
    """Return how many marks names or counters of this length may have; see `parse_json`."""
    return 1000 + num_bytes // BYTES_PER_MARK


def split_state(header: dict[str, Any]) -> tuple[str, str]:
    """Return the checksum and the JSON document in the metadata.

    Raises:
        ValueError: The metadata hold something else.
    """
    metadata = header.get("__metadata__")
    state = metadata.get(STATE_KEY) if isinstance(metadata, dict) else None
    if not isinstance(state, str):
        raise ValueError("it holds no state of training")  # noqa: TRY004  # it is the text that is wrong
    checksum, _, text = state.partition(" ")
    return checksum, text


def check_state(file: BinaryIO, num_bytes: int) -> None:
    """Compare a checkpoint with its own checksum, in memory that does not grow with its tensors.

    Raises:
        ValueError: It is damaged.
    """
    header_size = int.from_bytes(file.read(8), "little")
    start = 8 + header_size
    if not 0 < header_size <= min(num_bytes - 8, LARGEST_REST):
        raise ValueError("its header does not fit its length")
    header = read_header(file.read(header_size))
    checksum, text = split_state(header)
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    try:
        lengths = [entry["data_offsets"][1] - entry["data_offsets"][0] for entry in entries.values()]
        if start + sum(lengths) != num_bytes or min(lengths, default=0) < 0:
            raise ValueError("its tensors do not fit its length")
        tensors = [_stored(file, start, name, entries[name]) for name in sorted(entries)]
        found = state_checksum(tensors, text)
    except (KeyError, TypeError, IndexError, OSError):
        raise ValueError("its header is no table of tensors") from None
    if found != checksum:
        raise ValueError("its checksum is not that of its content")


def _stored(file: BinaryIO, start: int, name: str, entry: dict[str, Any]) -> StoredTensor:
    first, last = entry["data_offsets"]
    return StoredTensor(name, _TYPES[entry["dtype"]], tuple(entry["shape"]), _pieces(file, start + first, last - first))


def _pieces(file: BinaryIO, start: int, num_bytes: int) -> Iterator[bytes]:
    file.seek(start)
    while num_bytes > 0 and (piece := file.read(min(_PIECE, num_bytes))):
        num_bytes -= len(piece)
        yield piece
