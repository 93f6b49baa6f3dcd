"""Checkpoints taken apart and put together again."""

import hashlib
import json
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

Contents = tuple[dict[str, Tensor], dict[str, Any]]


def contents(state: bytes) -> Contents:
    """Tensors and counters of a checkpoint."""
    header = json.loads(state[8 : 8 + int.from_bytes(state[:8], "little")])
    _checksum, text = header["__metadata__"]["state"].split(" ", 1)
    return load(state), json.loads(text)


def sealed(tensors: dict[str, Tensor], counters: object) -> bytes:
    """A checkpoint of this content whose checksum is right."""
    text = json.dumps(counters)
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode() + value.numpy().tobytes())
    return save(tensors, metadata={"state": f"{digest.hexdigest()} {text}"})


def without(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}
