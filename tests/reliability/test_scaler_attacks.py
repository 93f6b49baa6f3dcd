"""A hostile scalers.joblib: seqcast never opens it, so nothing in it can do anything."""

import io
import os
import pickle
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from tests.reliability.attacks import MARKER, Attack, bounded, sign, survive
from tests.running import Trained

SCALERS = "scalers.joblib"


class Evil:
    """Makes the marker when it is unpickled."""

    def __init__(self, function: Callable[..., object] = os.system, *arguments: object) -> None:
        self.call = function, arguments or (f"touch {MARKER}",)

    def __reduce__(self) -> tuple[Any, Any]:
        return self.call


def dumped(content: object, **options: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(content, buffer, **options)
    return buffer.getvalue()


def evil_mean() -> np.ndarray[Any, Any]:
    """An array of objects, which joblib unpickles even where it checks the names of classes."""
    array = np.empty(1, dtype=object)
    array[0] = Evil()
    return array


HOSTILE: dict[str, bytes] = {
    **{f"a pickle of protocol {protocol}": pickle.dumps(Evil(), protocol) for protocol in (0, 2, 5)},
    "joblib's own pickle": dumped({"target": Evil()}),
    "an array of objects": dumped({"target": evil_mean()}),
    "eval": pickle.dumps(Evil(eval, f"open({MARKER!r}, 'w')")),
    "an import": pickle.dumps(Evil(__import__, "antigravity")),
    **{f"compressed by {kind}": dumped(Evil(), compress=(kind, 3)) for kind in ("zlib", "bz2", "xz")},
    "the oldest format": b"ZF" + b"0x40".ljust(19) + zlib.compress(pickle.dumps(Evil())),
    "a bomb": b"ZF" + b"0xffffffffffff".ljust(19) + zlib.compress(b"0" * 10**6),
    "an instruction in text": b"cposix\nsystem\n(S'touch marker'\ntR.",
    "five million empty lists": b"\x80\x04(" + b"]" * 5_000_000 + b"t.",
    "text": b"hello\n",
    "nothing": b"",
}


def replaced(data: bytes, *, vouched_for: bool) -> Callable[[Path], None]:
    def carry_out(run: Path) -> None:
        (run / SCALERS).write_bytes(data)
        if vouched_for:
            sign(run)

    return carry_out


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_scalers_file_does_nothing(
    data: bytes, shops: Trained, in_tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    survive(Attack("", replaced(data, vouched_for=True), code=0), shops, tmp_path_factory.mktemp("attack"))


@pytest.mark.parametrize("vouched_for", [True, False])
def test_verifying_a_run_checks_only_the_checksum_of_its_scalers(
    vouched_for: bool, shops: Trained, in_tmp_path: Path
) -> None:
    run = shops.copied(in_tmp_path)
    replaced(HOSTILE["joblib's own pickle"], vouched_for=vouched_for)(run)
    ran = bounded("runs", "verify", run)
    assert ran.code == (0 if vouched_for else 4)
    assert not Path(MARKER).exists()


def test_the_payload_would_have_made_its_marker(in_tmp_path: Path) -> None:
    joblib.load(io.BytesIO(HOSTILE["joblib's own pickle"]))
    assert Path(MARKER).exists()


WATCHED = """
import sys
seen = []
def watch(event, arguments):
    if event == "pickle.find_class" or (event == "open" and "scalers" in str(arguments[0])):
        seen.append((event, *map(str, arguments)))
sys.addaudithook(watch)
from seqcast.cli.app import main
try:
    main()
except SystemExit as end:
    print("exit", end.code)
print(seen, sorted({"sklearn", "joblib", "scipy.stats", "sympy", "torch._dynamo"} & set(sys.modules)))
"""


def test_forecasting_opens_no_scalers_file_unpickles_nothing_and_loads_neither_scikit_learn_nor_a_compiler(
    shops: Trained, tmp_path: Path
) -> None:
    output = str(tmp_path / "forecast.csv")
    words = ["predict", "--run", str(shops.run), "--future", str(shops.future), "--quiet", "--output", output]
    ran = subprocess.run([sys.executable, "-c", WATCHED, *words], capture_output=True, text=True, check=True)
    assert ran.stdout == "exit 0\n[] []\n"
