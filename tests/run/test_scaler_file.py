from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from seqcast.errors import RunError
from seqcast.run.scaler_file import dump_scalers, load_scalers
from seqcast.run.untrusted.joblib_reader import UnsafePickleError, read_joblib
from seqcast.tensors.scaling import CovariateSizes, Moments, PanelScalers, make_encoder, make_standard_scaler

FILE = "runs/a-1/scalers.joblib"


def scaler(size: int) -> StandardScaler:
    random = np.random.default_rng(size)
    variance = random.random(size)
    return make_standard_scaler(Moments(np.arange(1, size + 1), random.normal(size=size), variance, np.sqrt(variance)))


SCALERS = PanelScalers(
    target=scaler(7),
    known=scaler(2),
    past=None,
    static=scaler(3),
    known_categories=make_encoder([np.array(["a", "été", "\U0001f600"]), np.array(["long name"])]),
    past_categories=None,
    static_categories=None,
)
DATA = dump_scalers(SCALERS)
SIZES = SCALERS.sizes


def as_dict() -> dict[str, object]:
    return {field.name: getattr(SCALERS, field.name) for field in fields(SCALERS)}


def joblib_bytes(value: object) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer)
    return buffer.getvalue()


class TestRoundTrip:
    def test_every_number_comes_back_to_the_last_bit(self) -> None:
        again = load_scalers(DATA, SIZES, FILE)
        assert dump_scalers(again) == DATA
        assert again.sizes == SIZES
        assert again.target.scale_.tobytes() == SCALERS.target.scale_.tobytes()

    def test_a_notebook_reads_the_same_with_joblib(self) -> None:
        loaded = joblib.load(io.BytesIO(DATA))
        np.testing.assert_array_equal(loaded["target"].mean_, SCALERS.target.mean_)
        assert loaded["known_categories"].transform(np.array([["été", "long name"]])).tolist() == [[1.0, 0.0]]
        assert loaded["past"] is None

    def test_the_arrays_can_be_written_to(self) -> None:
        load_scalers(DATA, SIZES, FILE).target.mean_[0] = 1.0

    @pytest.mark.parametrize("version", ["0.24.1", "99.0"])
    def test_files_of_other_scikit_learn_versions_are_read_without_a_word(self, version: str) -> None:
        content = as_dict()
        content["target"] = scaler(7)
        content["target"].__dict__["_sklearn_version"] = version
        assert load_scalers(joblib_bytes(content), SIZES, FILE).sizes == SIZES

    def test_protocol_five_is_read(self) -> None:
        buffer = io.BytesIO()
        joblib.dump(as_dict(), buffer, protocol=5)
        assert load_scalers(buffer.getvalue(), SIZES, FILE).sizes == SIZES

    def test_files_without_alignment_are_read(self) -> None:
        class Unseekable(io.BytesIO):
            def tell(self) -> int:
                raise io.UnsupportedOperation

        buffer = Unseekable()
        joblib.dump(as_dict(), buffer)
        assert load_scalers(buffer.getvalue(), SIZES, FILE).sizes == SIZES

    def test_reading_imports_no_module(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_bytes(DATA)
        code = (
            "import pathlib, sys; from seqcast.run.scaler_file import load_scalers\n"
            "from seqcast.tensors.scaling import CovariateSizes, ScalerSizes\n"
            "sizes = ScalerSizes(7, CovariateSizes(2, (3, 1)), CovariateSizes(0, ()), CovariateSizes(3, ()))\n"
            "data, before = pathlib.Path(sys.argv[1]).read_bytes(), set(sys.modules)\n"
            "load_scalers(data, sizes, 'f')\n"
            "print(sorted(set(sys.modules) - before))"
        )
        command = [sys.executable, "-c", code, str(tmp_path / "data")]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def changed(**changes: object) -> dict[str, object]:
    return {**as_dict(), **changes}


def spoiled(**attributes: object) -> StandardScaler:
    target = scaler(7)
    for name, value in attributes.items():
        setattr(target, name, value)
    return target


ONES, NAN = np.ones(7), np.array([np.nan] * 7)

WRONG_CONTENT = {
    "not a dict": ([1], "does not hold known"),
    "a missing part": ({"target": SCALERS.target}, "does not hold known"),
    "an additional part": (changed(more=1), "does not hold known"),
    "no target": (changed(target=None), "does not hold a StandardScaler"),
    "another class": (changed(target=MinMaxScaler()), "names 'sklearn.preprocessing._data.MinMaxScaler'"),
    "an encoder as scaler": (changed(target=SCALERS.known_categories), "does not hold a StandardScaler"),
    "a role too many": (changed(past=scaler(5)), "is not an array of 0 values"),
    "a role too few": (changed(known=None), "does not hold a StandardScaler"),
    "no encoder": (changed(known_categories=None), "does not hold a OrdinalEncoder"),
    "an encoder too many": (changed(past_categories=SCALERS.known_categories), "does not have 0 columns"),
    "too few columns": (changed(known_categories=make_encoder([np.array(["a"])])), "does not have 2 columns"),
    "too few series": (changed(target=scaler(5)), "is not an array of 7 values"),
    "unsorted categories": (
        changed(known_categories=make_encoder([np.array(["b", "a", "c"]), np.array(["d"])])),
        "not in order",
    ),
    "a mean that is not finite": (changed(target=spoiled(mean_=NAN)), "not finite"),
    "a variance that is not finite": (changed(target=spoiled(var_=NAN)), "not finite"),
    "a scale that is not finite": (changed(target=spoiled(scale_=np.full(7, np.inf))), "not finite"),
    "a scale of zero": (changed(target=spoiled(scale_=np.zeros(7))), "not greater than zero"),
    "a negative variance": (changed(target=spoiled(var_=-ONES)), "is negative"),
    "a negative count": (changed(target=spoiled(n_samples_seen_=-np.arange(7))), "is negative"),
    "a mean of integers": (changed(target=spoiled(mean_=np.arange(7))), "mean_ in it is not an array of 7"),
    "a mean of two axes": (changed(target=spoiled(mean_=ONES[:, None])), "damaged"),
    "a mean that is text": (changed(target=spoiled(mean_="text")), "mean_ in it is not an array"),
    "a mean of float32": (changed(target=spoiled(mean_=ONES.astype(np.float32))), "has type 'f4'"),
    "a mean of foreign byte order": (changed(target=spoiled(mean_=ONES.astype(">f8"))), "has type 'f8'"),
    "a mean of objects": (changed(target=spoiled(mean_=ONES.astype(object))), "has type 'O8'"),
    "a matrix": (changed(target=spoiled(mean_=ONES.view(np.matrix))), "numpy.matrix"),
    "a function": (changed(target=os.system), r"names 'posix.system', which is not allowed"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize(("content", "reason"), WRONG_CONTENT.values(), ids=WRONG_CONTENT)
def test_wrong_content_is_refused_with_the_file_and_the_reason(content: object, reason: str) -> None:
    with pytest.raises(RunError, match=f"scalers.joblib: refused as unsafe or damaged: .*{reason}.* train again"):
        load_scalers(joblib_bytes(content), SIZES, FILE)


class Attack:
    """Leaves a mark wherever it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.marker),)


def text(value: str) -> bytes:
    return pickle.SHORT_BINUNICODE + bytes([len(value)]) + value.encode()


def name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + pickle.STACK_GLOBAL


def wrapper(shape: bytes, dtype: bytes = text("f8")) -> bytes:
    """A well-formed array of the given shape, up to the bytes of the array."""
    state = b"K\x03" + text("<") + b"NNNK\xffK\xffK\x00"
    return b"".join([
        name("joblib.numpy_pickle", "NumpyArrayWrapper"), b")\x81}(",
        text("subclass"), name("numpy", "ndarray"),
        text("shape"), shape,
        text("order"), text("C"),
        text("dtype"), name("numpy", "dtype"), dtype, b"\x89\x88\x87R(", state, b"tb",
        text("allow_mmap"), b"\x88",
        b"ub",
    ])  # fmt: skip


MAKE_MARK: dict[str, Callable[[str], bytes]] = {
    "reduce": lambda mark: joblib_bytes(Attack(Path(mark))),
    "in a place for scalers": lambda mark: joblib_bytes(changed(static=Attack(Path(mark)))),
    "behind the end": lambda mark: DATA + joblib_bytes(Attack(Path(mark))),
    "in an array of objects": lambda mark: joblib_bytes(
        changed(target=spoiled(mean_=np.array([Attack(Path(mark))] * 7)))
    ),
    "compressed": lambda mark: zlib.compress(joblib_bytes(Attack(Path(mark)))),
    "in the oldest format": lambda mark: b"ZF0x10".ljust(21) + zlib.compress(joblib_bytes(Attack(Path(mark)))),
    "text instructions": lambda mark: f"cos\nmkdir\n(S'{mark}'\ntR.".encode(),
    "instance instruction": lambda mark: f"(S'{mark}'\nios\nmkdir\n.".encode(),
    "dotted name": lambda mark: name("joblib", "numpy_pickle.os.mkdir") + text(mark) + b"\x85R.",
    "path cut elsewhere": lambda mark: name("joblib", "numpy_pickle.NumpyArrayWrapper") + text(mark) + b"\x85R.",
    "name that is no text": lambda mark: b"K\x01" + text("mkdir") + pickle.STACK_GLOBAL + text(mark) + b"\x85R.",
    "companion file": lambda mark: name("joblib.numpy_pickle_compat", "NDArrayWrapper") + text(mark) + b"\x85\x81.",
    "persistent id": lambda mark: text(mark) + pickle.BINPERSID + b".",
    "extension": lambda mark: pickle.EXT1 + b"\x01" + text(mark) + b"\x85R.",
}


@pytest.mark.parametrize("make", MAKE_MARK.values(), ids=MAKE_MARK)
def test_an_attack_is_refused_and_leaves_no_mark(tmp_path: Path, make: Callable[[str], bytes]) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(RunError, match="refused as unsafe or damaged"):
        load_scalers(make(str(marker)), SIZES, FILE)
    assert not marker.exists()


def test_the_attacks_would_work_on_joblib(tmp_path: Path) -> None:
    joblib.load(io.BytesIO(MAKE_MARK["reduce"](str(tmp_path / "marker"))))
    assert (tmp_path / "marker").exists()


HUGE = pickle.LONG1 + b"\x08" + struct.pack("<q", 2**60)

MALFORMED = {
    "empty": (b"", "damaged"),
    "only a stop": (b".", "more in it than one value"),
    "two values": (b"K\x01K\x02.", "more in it than one value"),
    "no pickle": (b"PK\x03\x04", "damaged"),
    "unknown instruction": (b"\xff.", "damaged"),
    "an array larger than the file": (wrapper(HUGE + b"\x85") + b"\x01\xff.", "larger than the file"),
    "an array of negative length": (wrapper(b"J\xff\xff\xff\xff\x85") + b"\x01\xff.", "larger than the file"),
    "an array whose length is text": (wrapper(text("7") + b"\x85") + b"\x01\xff.", "unexpected kind"),
    "an array whose type is no text": (wrapper(b"K\x00\x85", b"K\x08") + b".", "has no type"),
    "an array of very wide text": (wrapper(b"K\x00\x85", text("U10001")) + b".", "too wide"),
    "text beyond Unicode": (wrapper(b"K\x01\x85", text("U1")) + b"\xff\xff\xff\x7f.", "not Unicode"),
    "a call of a value": (text("x") + b")R.", "calls something that is not a type"),
    "a value too few": (b"R.", "too few values"),
    "attributes of a type": (name("numpy", "ndarray") + b"}b.", "not a new object"),
    "attributes set twice": (name("numpy", "ndarray") + b")\x81}b}b.", "not a new object"),
    "a list that is none": (b"}K\x01a.", "not a list"),
    "a dict that is none": (b"]" + text("a") + b"K\x01s.", "keys are not text"),
    "a key that is no text": (b"}K\x01K\x01s.", "keys are not text"),
    "a key without a value": (b"}(" + text("a") + b"u.", "damaged"),
    "a byte array of a terabyte": (pickle.BYTEARRAY8 + struct.pack("<Q", 2**40) + b".", "damaged"),
    "a mark that is absent": (b"K\x01t.", "damaged"),
    "a memory that is empty": (b"h\x07.", "damaged"),
    "a tower of tuples as a key": (b"}" + b")" + b"\x85" * 200_000 + b"K\x01s.", "keys are not text"),
    "a tower of tuples as a name": (b")" + b"\x85" * 200_000 + text("x") + b"\x93.", "without a name"),
}  # fmt: skip
ALLOWED = frozenset({"joblib.numpy_pickle.NumpyArrayWrapper", "numpy.ndarray", "numpy.dtype"})


@pytest.mark.parametrize(("data", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_data_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnsafePickleError, match=reason):
        read_joblib(data, ALLOWED)


def test_well_formed_data_made_the_same_way_is_read() -> None:
    data = wrapper(b"K\x02\x85") + struct.pack("<dd", 0.5, -7.0) + b"."
    array = read_joblib(data, ALLOWED)
    assert isinstance(array, np.ndarray)
    assert array.tolist() == [0.5, -7.0]


@pytest.mark.parametrize("instruction", [pickle.APPEND, pickle.SETITEM])
def test_single_items_are_read_as_many_are(instruction: bytes) -> None:
    data = {pickle.APPEND: b"]K\x07a.", pickle.SETITEM: b"}" + text("k") + b"K\x07s."}[instruction]
    assert read_joblib(data, ALLOWED) == {pickle.APPEND: [7], pickle.SETITEM: {"k": 7}}[instruction]


def test_every_truncation_is_refused() -> None:
    for length in range(len(DATA)):
        with pytest.raises(RunError, match="refused"):
            load_scalers(DATA[:length], SIZES, FILE)


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused_or_gives_scalers_of_the_same_sizes(position: int, change: int) -> None:
    data = bytearray(DATA)
    data[position] ^= change
    with suppress(RunError):
        assert load_scalers(bytes(data), SIZES, FILE).sizes == SIZES


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_with_words(data: bytes) -> None:
    with pytest.raises(RunError, match="refused"):
        load_scalers(data, SIZES, FILE)


def test_sizes_that_do_not_fit_the_configuration_are_refused() -> None:
    with pytest.raises(RunError, match="not an array of 4 values"):
        load_scalers(DATA, replace(SIZES, static=CovariateSizes(4, ())), FILE)
