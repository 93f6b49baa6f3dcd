"""Reads a file written by joblib as inert data: no name in it is looked up, no code of it or for it is run.

A pickle is a list of instructions for a stack machine. Here the few instructions that joblib.dump needs for dicts,
arrays and estimators build `Built` records and arrays, whatever the file says; any other instruction is refused.
joblib puts the bytes of an array right after the instruction that completes its `NumpyArrayWrapper`.
"""

from __future__ import annotations

import io
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
NDARRAY = "numpy.ndarray"
DTYPE = "numpy.dtype"
FLOAT64 = "numpy.float64"

_MAX_INSTRUCTIONS = 500_000
"""Scalers with a thousand columns of categories in each role have 130,000; the numbers of an array take none."""
_MAX_NAME = 100
_MAX_TEXT_WIDTH = 10_000
_MAX_CODE_POINT = 0x10FFFF
_DTYPE_CODE = re.compile(r"f8|i8|U[1-9]\d{0,4}")


class UnsafePickleError(ValueError):
    """The file holds something other than the allowed records, plain values and arrays of numbers or text."""


@dataclass(frozen=True)
class Name:
    """A reference to `module.name`, which is never resolved."""

    path: str


@dataclass(eq=False)
class Built:
    """What the file says about one object: its type, the arguments to make it, and its attributes."""

    type: str
    arguments: tuple[Any, ...]
    state: Any = None


class _Mark:
    """Where the items of a tuple, list or dict begin on the stack."""


_MARK = _Mark()


def read_joblib(data: bytes, allowed: frozenset[str]) -> object:
    """The value in `data`, objects as `Built` records; only types whose dotted path is in `allowed` are admitted.

    Memory stays within a small multiple of `len(data)`.

    Raises:
        UnsafePickleError: The data is not such a file, is cut short, or holds anything not admitted.
    """
    machine = _Machine(data, allowed)
    try:
        return machine.run()
    # What the parts of a malformed stream run into: short arguments, an empty stack, a key that is no key.
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        if isinstance(error, UnsafePickleError):
            raise
        raise UnsafePickleError(f"it is damaged ({type(error).__name__})") from None


class _Machine:
    """The stack, the memo and the stream of one file being read."""

    def __init__(self, data: bytes, allowed: frozenset[str]) -> None:
        self.data, self.allowed = data, allowed
        self.stream = io.BytesIO(data)
        self.stack: list[Any] = []
        self.memo: list[Any] = []

    def run(self) -> object:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(self.stream)):
            if number >= _MAX_INSTRUCTIONS:
                raise UnsafePickleError("it has more instructions than scalers need")
            if opcode.name in _PUSHED:
                self.stack.append(_PUSHED[opcode.name](argument))
            elif opcode.name in _ACTIONS:
                _ACTIONS[opcode.name](self, argument)
            elif opcode.name not in _IGNORED:
                raise UnsafePickleError(f"instruction {opcode.name} is not allowed")
        if self.stream.tell() != len(self.data) or len(self.stack) != 1:
            raise UnsafePickleError("there is more in it than one value")
        return self.stack[0]

    def remember(self, _: object) -> None:
        self.memo.append(self.stack[-1])

    def recall(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise UnsafePickleError("it is damaged (too few values)")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items

    def pop_to_mark(self) -> list[Any]:
        items: list[Any] = []
        while (item := self.stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def name(self, _: object) -> None:
        module, name = self.pop(2)
        if type(module) is not str or type(name) is not str:
            raise UnsafePickleError("it names something without a name")
        path = f"{module}.{name}"
        # The exact pair: "a.b" + "c" and "a" + "b.c" are one path but not one thing.
        if "." in name or path not in self.allowed:
            raise UnsafePickleError(f"it names {path[:_MAX_NAME]!a}, which is not allowed")
        self.stack.append(Name(path))

    def make(self, _: object) -> None:
        type_name, arguments = self.pop(2)
        if type(type_name) is not Name or type(arguments) is not tuple:
            raise UnsafePickleError("it calls something that is not a type")
        self.stack.append(Built(type_name.path, arguments))

    def build(self, _: object) -> None:
        target, state = self.pop(2)
        if type(target) is not Built or target.state is not None:
            raise UnsafePickleError("it gives attributes to something that is not a new object")
        target.state = state
        self.stack.append(self.read_array(state) if target.type == WRAPPER else target)

    def read_array(self, wrapper: dict[str, Any]) -> NDArray[Any]:
        """The array whose bytes follow in the stream, after checking that they are there."""
        dtype, (length,) = _checked_dtype(wrapper["dtype"]), wrapper["shape"]
        if wrapper["subclass"] != Name(NDARRAY) or wrapper["order"] not in ("C", "F") or type(length) is not int:
            raise UnsafePickleError("an array in it is of an unexpected kind")
        if wrapper.get("numpy_array_alignment_bytes") is not None:
            self.stream.read(self.stream.read(1)[0])
        start, num_bytes = self.stream.tell(), length * dtype.itemsize
        if length < 0 or num_bytes > len(self.data) - start:
            raise UnsafePickleError("an array in it is larger than the file")
        self.stream.seek(num_bytes, io.SEEK_CUR)
        array = np.frombuffer(self.data, dtype, length, start).copy()
        if dtype.kind == "U" and array.view(np.uint32).max(initial=0) > _MAX_CODE_POINT:
            raise UnsafePickleError("a text in it is not Unicode")
        return array

    def collect_tuple(self, _: object) -> None:
        self.stack.append(tuple(self.pop_to_mark()))

    def append(self, _: object) -> None:
        self.extend_list(self.pop(1))

    def append_many(self, _: object) -> None:
        self.extend_list(self.pop_to_mark())

    def extend_list(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise UnsafePickleError("it appends to something that is not a list")
        self.stack[-1].extend(items)

    def set_item(self, _: object) -> None:
        self.update_dict(self.pop(2))

    def set_items(self, _: object) -> None:
        self.update_dict(self.pop_to_mark())

    def update_dict(self, items: list[Any]) -> None:
        keys = items[::2]
        if type(self.stack[-1]) is not dict or any(type(key) is not str for key in keys):
            raise UnsafePickleError("it has a dict whose keys are not text")
        self.stack[-1].update(zip(keys, items[1::2], strict=True))


def _checked_dtype(dtype: Any) -> np.dtype[Any]:
    """A little-endian float64, int64 or fixed-width text type; never one of objects."""
    if type(dtype) is not Built or dtype.type != DTYPE or type(dtype.arguments[0]) is not str:
        raise UnsafePickleError("an array in it has no type")
    code, state = dtype.arguments[0], dtype.state
    if not _DTYPE_CODE.fullmatch(code) or type(state) is not tuple or state[1] != "<" or state[2:5] != (None,) * 3:
        raise UnsafePickleError(f"an array in it has type {code[:_MAX_NAME]!a}, which is not allowed")
    if code.startswith("U") and int(code[1:]) > _MAX_TEXT_WIDTH:
        raise UnsafePickleError("a text in it is too wide")
    return np.dtype(f"<{code}")


_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})

_PUSHED: dict[str, Callable[[Any], object]] = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
    "MARK": lambda _: _MARK,
    **dict.fromkeys(
        ["BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE"], lambda value: value
    ),
}

_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MEMOIZE": _Machine.remember,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "STACK_GLOBAL": _Machine.name,
    "NEWOBJ": _Machine.make,
    "REDUCE": _Machine.make,
    "BUILD": _Machine.build,
    "TUPLE": _Machine.collect_tuple,
    "TUPLE1": lambda machine, _: machine.stack.append(tuple(machine.pop(1))),
    "TUPLE2": lambda machine, _: machine.stack.append(tuple(machine.pop(2))),
    "TUPLE3": lambda machine, _: machine.stack.append(tuple(machine.pop(3))),
    "APPEND": _Machine.append,
    "APPENDS": _Machine.append_many,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
}
