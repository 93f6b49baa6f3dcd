"""What an ONNX file holds, found without building anything from it.

Only the fields that decide whether the file is safe are looked at: operators, tensors whose numbers lie in other files,
and metadata. The numbers of fields are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; the encoding is
https://protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE, _FUNCTION, _TRAINING, _ENTRY = range(9)
_PARTS: dict[int, dict[int, int]] = {
    _MODEL: {7: _GRAPH, 14: _ENTRY, 20: _TRAINING, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _TRAINING: {1: _GRAPH, 2: _GRAPH},
}
"""The parts of each kind of message that are messages themselves, by the number of their field."""
_NODE_DOMAIN, _TENSOR_FILE, _TENSOR_LOCATION = 7, 13, 14
_LONGEST_VARINT = 10
_TAG_BITS = 32
"""Bits of the number and the kind of a field; protobuf drops further ones, and so would see another field."""
_DEEPEST = 30
_OTHER = "its bytes have another format"


@dataclass
class OnnxParts:
    """What was found."""

    metadata: dict[str, str] = field(default_factory=dict)
    needs_files: bool = False
    """Whether tensors name other files as the place of their numbers."""
    domains: set[str] = field(default_factory=set)
    """Sets of operators other than that of ONNX itself."""


def onnx_parts(data: bytes) -> OnnxParts:
    """Return what an ONNX file holds.

    Raises:
        ValueError: The bytes are no ONNX file.
    """
    found = OnnxParts()
    _look(memoryview(data), _MODEL, found, 0)
    return found


def _look(data: memoryview, kind: int, found: OnnxParts, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    for number, value in _fields(data):
        part = _PARTS.get(kind, {}).get(number)
        if part == _ENTRY and isinstance(value, memoryview):
            key, text = _entry(value)
            if key in found.metadata:
                raise ValueError("it has a key of its metadata twice")
            found.metadata[key] = text
        elif part is not None and isinstance(value, memoryview):
            _look(value, part, found, depth + 1)
        elif kind == _TENSOR and (number == _TENSOR_FILE or (number == _TENSOR_LOCATION and value != 0)):
            found.needs_files = True
        elif kind == _NODE and number == _NODE_DOMAIN and isinstance(value, memoryview) and len(value):
            found.domains.add(str(value, "utf-8"))


def _entry(data: memoryview) -> tuple[str, str]:
    """Return key and value of one line of the metadata."""
    texts = {number: str(value, "utf-8") for number, value in _fields(data) if isinstance(value, memoryview)}
    return texts.get(1, ""), texts.get(2, "")


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and the value of each field of a message; of a number of fixed size, 0."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        if tag >> _TAG_BITS:
            raise ValueError(_OTHER)
        value: int | memoryview = 0
        match tag & 7:
            case 0:
                value, place = _varint(data, place)
            case 1:
                place += 8
            case 2:
                length, place = _varint(data, place)
                value = data[place : place + length]
                place += length
            case 5:
                place += 4
            case _:
                raise ValueError(_OTHER)
        if place > len(data):
            raise ValueError("it ends too early")
        yield tag >> 3, value


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """Return a number of variable length and the place behind it."""
    number = 0
    for count, byte in enumerate(data[place : place + _LONGEST_VARINT]):
        number |= (byte & 127) << (7 * count)
        if byte < 128:
            return number, place + count + 1
    raise ValueError(_OTHER)
