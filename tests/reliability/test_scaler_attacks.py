"""scalers.joblib from a stranger: nothing in it is looked up, run, or allocated in bulk."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from tests.reliability.attacks import MARKER, Attack, predict, sign, survive
from tests.running import Trained


class Evil:
    """Makes the marker when it is unpickled."""

    def __init__(self, function: Callable[..., object] = os.system, *arguments: object) -> None:
        self.call = function, arguments or (f"touch {MARKER}",)

    def __reduce__(self) -> tuple[Any, Any]:
        return self.call


def replaced(data: bytes | Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """The scalers replaced by other bytes, or by what a function makes of them, vouched for by run.json."""

    def carry_out(run: Path) -> None:
        path = run / "scalers.joblib"
        path.write_bytes(data(path.read_bytes()) if callable(data) else data)
        sign(run)

    return carry_out


def changed(change: Callable[[dict[str, Any]], object], **options: Any) -> Callable[[Path], None]:
    """The scalers loaded, changed and dumped again by joblib."""

    def spoil(data: bytes) -> bytes:
        content = joblib.load(io.BytesIO(data))
        change(content)
        return dumped(content, **options)

    return replaced(spoil)


def dumped(content: object, **options: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(content, buffer, **options)
    return buffer.getvalue()


def objects(*items: object) -> np.ndarray[Any, Any]:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def set_scaler(name: str, value: object) -> Callable[[Path], None]:
    return changed(lambda content: setattr(content["target"], name, value))


def reencoded(**options: Any) -> bytes:
    """What an attacker would compress."""
    return dumped({"target": Evil()}, **options)


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value.encode())]) + value.encode()


def named(module: str, name: str, arguments: bytes = b")") -> bytes:
    """A pickle that calls module.name()."""
    return b"\x80\x04" + text(module) + text(name) + b"\x93" + arguments + b"R."


def wrapped(
    shape: bytes = b"K\x02\x85",
    dtype: str = "f8",
    order: str = "C",
    subclass: tuple[str, str] = ("numpy", "ndarray"),
    extra: bytes = b"",
) -> bytes:
    """A NumpyArrayWrapper written by hand, followed by two numbers."""
    wrapper = text("joblib.numpy_pickle") + text("NumpyArrayWrapper") + b"\x93)\x81"
    kind = (
        text("numpy")
        + text("dtype")
        + b"\x93"
        + text(dtype)
        + b"\x89\x88\x87R(K\x03"
        + text("<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    state = b"}(" + text("subclass") + text(subclass[0]) + text(subclass[1]) + b"\x93" + text("shape") + shape
    state += text("order") + text(order) + text("dtype") + kind + text("allow_mmap") + b"\x88" + extra + b"u"
    return b"\x80\x04" + wrapper + state + b"b" + struct.pack("<2d", 1.0, 2.0) + b"."


ZF = b"ZF" + b"0x40".ljust(19) + zlib.compress(pickle.dumps(Evil()))
WORDS = ("scalers.joblib", "refused as unsafe or damaged", "Nothing in it was run")

ATTACKS = [
    *(
        Attack(f"a pickle of protocol {protocol}", replaced(pickle.dumps(Evil(), protocol)), WORDS)
        for protocol in range(6)
    ),
    Attack("joblib's own pickle", replaced(dumped(Evil())), WORDS),
    Attack("an object beside the scalers", changed(lambda content: content.update(extra=Evil())), WORDS),
    Attack("an object instead of a scaler", changed(lambda content: content.update(target=Evil())), WORDS),
    Attack("an object as an attribute", set_scaler("evil", Evil()), WORDS),
    Attack("an object as the mean", set_scaler("mean_", Evil()), WORDS),
    Attack("an array of objects", set_scaler("mean_", objects(Evil(), Evil())), WORDS),
    Attack("an array of harmless objects", set_scaler("mean_", objects(1.0, 2.0)), WORDS),
    Attack(
        "categories that are objects",
        changed(lambda content: setattr(content["known_categories"], "categories_", [objects(Evil(), Evil(), Evil())])),
        WORDS,
    ),
    Attack("a structured type", set_scaler("mean_", np.zeros(2, [("a", "f8")])), WORDS),
    Attack("eval", replaced(pickle.dumps(Evil(eval, f"open({MARKER!r}, 'w')"))), WORDS),
    Attack("exec", replaced(pickle.dumps(Evil(exec, f"open({MARKER!r}, 'w')"))), WORDS),
    Attack("open", replaced(pickle.dumps(Evil(open, MARKER, "w"))), WORDS),
    Attack("an import", replaced(pickle.dumps(Evil(__import__, "antigravity"))), WORDS),
    Attack("getattr", replaced(pickle.dumps(Evil(getattr, "x", "upper"))), WORDS),
    Attack("pickle in pickle", replaced(pickle.dumps(Evil(pickle.loads, pickle.dumps(Evil())))), WORDS),
    Attack("joblib.load of another file", replaced(pickle.dumps(Evil(joblib.load, "other.joblib"))), WORDS),
    Attack("numpy loading objects", replaced(pickle.dumps(Evil(np.load, "other.npy", None, True))), WORDS),
    *(
        Attack(f"compressed by {kind}", replaced(reencoded(compress=(kind, 3))), WORDS)
        for kind in ("zlib", "gzip", "bz2", "lzma", "xz")
    ),
    Attack("gzip by hand", replaced(gzip.compress), WORDS),
    Attack("bzip2 by hand", replaced(bz2.compress), WORDS),
    Attack("xz by hand", replaced(lzma.compress), WORDS),
    Attack("an old ZF file", replaced(ZF), WORDS),
    Attack("the two letters ZF", replaced(b"ZF"), WORDS),
    Attack("a ZF bomb", replaced(b"ZF" + b"0xffffffffffff".ljust(19) + zlib.compress(b"0" * 10**6)), WORDS),
    Attack("a dotted name", replaced(named("sklearn.preprocessing._data", "StandardScaler.fit.__globals__")), WORDS),
    Attack("a dotted name through numpy", replaced(named("numpy", "ndarray.__class__.__base__.__subclasses__")), WORDS),
    Attack("a split of an allowed path", replaced(named("sklearn.preprocessing", "_data.StandardScaler")), WORDS),
    Attack("another split of an allowed path", replaced(named("sklearn", "preprocessing._data.StandardScaler")), WORDS),
    Attack(
        "a neighbour of an allowed name", replaced(named("sklearn.preprocessing._data", "FunctionTransformer")), WORDS
    ),
    Attack("a module inside an allowed one", replaced(named("joblib.numpy_pickle", "pickle")), WORDS),
    Attack("numpy's own command runner", replaced(named("numpy.f2py.diagnose", "run_command")), WORDS),
    Attack("a module of the program", replaced(named("seqcast.storage", "write_atomically")), WORDS),
    Attack("a module that acts when imported", replaced(named("antigravity", "x")), WORDS),
    Attack(
        "a name of one million letters",
        replaced(b"\x80\x04X" + struct.pack("<I", 10**6) + b"x" * 10**6 + text("y") + b"\x93)R."),
        WORDS,
    ),
    Attack("escapes in a name", replaced(named("\x1b[31m", "\x07")), WORDS),
    Attack("GLOBAL", replaced(b"cposix\nsystem\n(S'touch marker'\ntR."), WORDS),
    Attack("INST", replaced(b"(S'touch marker'\niposix\nsystem\n."), WORDS),
    Attack("OBJ", replaced(b"(cposix\nsystem\nS'touch marker'\no."), WORDS),
    Attack("EXT1", replaced(b"\x80\x02\x82\x01."), WORDS),
    Attack("a persistent id", replaced(b"Pmarker\n."), WORDS),
    Attack("NEWOBJ_EX", replaced(b"\x80\x04" + text("posix") + text("system") + b"\x93)}\x92."), WORDS),
    Attack("a buffer from outside", replaced(b"\x80\x05\x97."), WORDS),
    Attack("BUILD on a name", replaced(b"\x80\x04" + text("numpy") + text("ndarray") + b"\x93}b."), WORDS),
    Attack("an array as big as the world", replaced(wrapped(b"\x8a\x06\x00\x00\x00\x00\x00\x01\x85")), WORDS),
    Attack("an array of negative size", replaced(wrapped(b"J\xff\xff\xff\xff\x85")), WORDS),
    Attack("an array of two axes", replaced(wrapped(b"K\x01K\x02\x86")), WORDS),
    Attack("an array without axes", replaced(wrapped(b")")), WORDS),
    Attack("an array whose size is a text", replaced(wrapped(text("2") + b"\x85")), WORDS),
    Attack("an array whose size is true", replaced(wrapped(b"\x88\x85")), WORDS),
    Attack("an array of objects by hand", replaced(wrapped(dtype="O8")), WORDS),
    Attack("an array of times", replaced(wrapped(dtype="M8[s]")), WORDS),
    Attack("texts as wide as the world", replaced(wrapped(dtype="U99999")), WORDS),
    Attack("an array in an unknown order", replaced(wrapped(order="X")), WORDS),
    Attack("a memory map", replaced(wrapped(subclass=("numpy", "memmap"))), WORDS),
    Attack("a matrix", replaced(wrapped(subclass=("numpy", "matrix"))), WORDS),
    Attack(
        "an old wrapper of a companion file",
        replaced(named("joblib.numpy_pickle_compat", "NDArrayWrapper", b"(" + text("/etc/passwd") + b"t")),
        WORDS,
    ),
    Attack("a text longer than the file", replaced(b"\x80\x04X\xff\xff\xff\x7fabc."), WORDS),
    Attack("a text of 2^60 letters", replaced(b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"."), WORDS),
    Attack("a number of 2 GB", replaced(b"\x80\x04\x8b\xff\xff\xff\x7f1."), WORDS),
    Attack("a frame longer than the file", replaced(b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N."), WORDS),
    Attack("fifty million empty lists", replaced(b"\x80\x04(" + b"]" * 50_000_000 + b"t."), WORDS),
    Attack("ten million memories", replaced(b"\x80\x04N" + b"\x94" * 10_000_000 + b"."), WORDS),
    Attack("deep nesting", replaced(b"\x80\x04)" + b"\x85" * 100_000 + b"."), WORDS),
    Attack("deep nesting by lists", replaced(b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b"."), WORDS),
    Attack(
        "a list that laughs a billion times", replaced(b"\x80\x04](\x94" + b"h\x00h\x00\x86\x94" * 60 + b"e."), WORDS
    ),
    Attack("a dict within itself", replaced(b"\x80\x04}\x94" + text("target") + b"h\x00s."), WORDS),
    Attack("a memo that is not there", replaced(b"\x80\x04h\x63."), WORDS),
    Attack("a negative memo", replaced(b"\x80\x04j\xff\xff\xff\xff."), WORDS),
    Attack("an empty stack", replaced(b"\x80\x04R."), WORDS),
    Attack("marks without end", replaced(b"\x80\x04" + b"(" * 10_000 + b"t."), WORDS),
    Attack("no end", replaced(lambda data: data[:-1]), WORDS),
    Attack("half a file", replaced(lambda data: data[: len(data) // 2]), WORDS),
    Attack("something behind the end", replaced(lambda data: data + pickle.dumps(Evil())), WORDS),
    Attack("nothing", replaced(b""), WORDS),
    Attack("text", replaced(b"hello\n"), WORDS),
    Attack("a number", replaced(pickle.dumps(5)), WORDS),
    Attack("unknown protocol", replaced(b"\x80\xff."), WORDS),
    Attack("a missing part", changed(lambda content: content.pop("known")), WORDS),
    Attack("no scaler", changed(lambda content: content.update(target=None)), WORDS),
    Attack(
        "an encoder for a scaler", changed(lambda content: content.update(target=content["known_categories"])), WORDS
    ),
    *(
        Attack(f"{name} holds {value}", set_scaler(name, np.array([1.0, value])), WORDS)
        for name, value in (
            ("scale_", 0.0),
            ("scale_", -1.0),
            ("scale_", np.nan),
            ("mean_", np.inf),
            ("var_", -1.0),
            ("var_", np.nan),
        )
    ),
    Attack("a mean of another length", set_scaler("mean_", np.zeros(3)), WORDS),
    Attack("a mean of 32 bits", set_scaler("mean_", np.zeros(2, np.float32)), WORDS),
    Attack("a mean of another byte order", set_scaler("mean_", np.zeros(2, ">f8")), WORDS),
    Attack("a mean that is a list", set_scaler("mean_", [1.0, 2.0]), WORDS),
    Attack("a negative count", set_scaler("n_samples_seen_", np.array([5, -1])), WORDS),
    Attack(
        "categories out of order",
        changed(
            lambda content: (
                content["known_categories"].categories_[0].sort()
                or content["known_categories"].categories_.__setitem__(
                    0, content["known_categories"].categories_[0][::-1].copy()
                )
            )
        ),
        WORDS,
    ),
    Attack(
        "one category twice",
        changed(lambda content: content["known_categories"].categories_.__setitem__(0, np.array(["a", "a", "b"]))),
        WORDS,
    ),
    Attack(
        "one category more",
        changed(lambda content: content["known_categories"].categories_.__setitem__(0, np.array(["a", "b", "c", "d"]))),
        WORDS,
    ),
    Attack("an attribute nobody asked for", set_scaler("transform", "not callable"), code=0),
    Attack(
        "a wrong mean that is not vouched for",
        lambda run: (run / "scalers.joblib").write_bytes(dumped({"target": 1})) and None,
        ("checksum",),
    ),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_by_scalers_comes_to_nothing(
    attack: Attack, shops: Trained, in_tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    survive(attack, shops, tmp_path_factory.mktemp("attack"))


def test_the_payload_would_have_made_its_marker(in_tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Evil()))
    assert Path(MARKER).exists()


def test_reading_scalers_imports_nothing(shops: Trained) -> None:
    predict(shops.run, shops)
    before = set(sys.modules)
    predict(shops.run, shops)
    assert set(sys.modules) == before


def test_a_notebook_can_load_the_scalers(shops: Trained) -> None:
    assert joblib.load(shops.run / "scalers.joblib")["target"].mean_.shape == (2,)
