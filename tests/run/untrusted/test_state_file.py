"""Whether a checkpoint is whole, told without torch."""

import io
import json
import random
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from seqcast.run.untrusted.state_file import check_state
from tests.training.states import contents, sealed


@pytest.fixture(scope="module")
def state() -> bytes:
    """Tensors of every type that a state may have, a number without axes and nothing at all among them."""
    tensors = {
        "b.weight": torch.arange(6.0).reshape(2, 3),
        "a.step": torch.tensor(3.0),
        "long": torch.arange(5),
        "none": torch.zeros(0),
        "half": torch.ones(3, dtype=torch.float16),
    }
    return sealed(tensors, {"step": 3, "history": [{"step": 0}, {"step": 2}], "text": "\u00e9 \x1b"})


def check(data: bytes) -> None:
    check_state(io.BytesIO(data), len(data))


def test_what_training_seals_is_whole(state: bytes) -> None:
    check(state)


def test_a_flipped_bit_anywhere_is_damage(state: bytes) -> None:
    dice = random.Random(7)
    for place in {*range(0, len(state), 7), *range(len(state) - 40, len(state))}:
        flipped = bytearray(state)
        flipped[place] ^= 1 << dice.randrange(8)
        with pytest.raises(ValueError, match=r"."):
            check(bytes(flipped))


def test_changed_counters_are_damage(state: bytes) -> None:
    _, counters = contents(state)
    assert counters["step"] == 3
    with pytest.raises(ValueError, match="its checksum is not that of its content"):
        check(state.replace(b'\\"step\\": 3', b'\\"step\\": 4', 1))


def with_header(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def spoil(data: bytes) -> bytes:
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + size])
        change(header)
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data[8 + size :]

    return spoil


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda _: b"", "its header does not fit its length"),
        (lambda data: data[:50], "its header does not fit its length"),
        (lambda data: struct.pack("<Q", 2**60) + data[8:], "its header does not fit its length"),
        (lambda data: data[:-1], "its tensors do not fit its length"),
        (lambda data: data + bytes(4), "its tensors do not fit its length"),
        (lambda _: struct.pack("<Q", 2) + b"[]", "its header is no table"),
        (lambda _: save({"a": torch.zeros(2)}), "it holds no state of training"),
        (with_header(lambda header: header.update(__metadata__=[])), "it holds no state of training"),
        (with_header(lambda header: header.update(__metadata__={"state": 5})), "it holds no state of training"),
        (with_header(lambda header: header["long"].update(data_offsets=[9, 1])), "its tensors do not fit its length"),
        (with_header(lambda header: header["long"].update(data_offsets=["a", 1])), "no table of tensors"),
        (with_header(lambda header: header["long"].pop("data_offsets")), "no table of tensors"),
        (with_header(lambda header: header["long"].update(dtype="OBJECT")), "no table of tensors"),
        (with_header(lambda header: header["long"].update(shape=5)), "no table of tensors"),
        (with_header(lambda header: header["long"].update(shape=[1, 5])), "its checksum is not that of its content"),
        (with_header(lambda header: header.update(long=[])), "no table of tensors"),
        (with_header(lambda header: header["long"].update(data_offsets=[-40, 0])), "checksum|no table of tensors"),
    ],
)
def test_a_file_that_is_not_whole_is_told(spoil: Callable[[bytes], bytes], reason: str, state: bytes) -> None:
    with pytest.raises(ValueError, match=reason):
        check(spoil(state))


def test_large_tensors_are_checked_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(sealed({"a": torch.zeros(2**24)}, {}))
    tracemalloc.start()
    with path.open("rb") as file:
        check_state(file, path.stat().st_size)
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()
