"""Attacks by a run directory, and the check that they do nothing."""

import hashlib
import json
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.reliability.hazards import expect, orderly
from tests.running import Ran, Trained

MOST_KILOBYTES = 2**20
MOST_SECONDS = 10
MARKER = "marker"
"""Name of a file that exists only if code from a spoilt file was run."""


@dataclass(frozen=True)
class Attack:
    """One idea, carried out on a copy of a run."""

    name: str
    carry_out: Callable[[Path], None]
    words: tuple[str, ...] = ()
    code: int = 4


def sign(run: Path) -> None:
    """Write the checksums of the files as they are into run.json, as an attacker would."""
    record = json.loads((run / "run.json").read_text())
    record.pop("checksum", None)
    record["files"] = {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in record["files"]}
    (run / "run.json").write_text(json.dumps(record))


def change_record(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change run.json, which then has no checksum of its own."""
    record = json.loads((run / "run.json").read_text())
    record.pop("checksum", None)
    change(record)
    (run / "run.json").write_text(json.dumps(record))


def predict(run: Path, trained: Trained) -> Ran:
    """Forecast with a run, in bounded time and memory."""
    return bounded("predict", "--run", run, "--future", trained.future, "--output", "-")


@cache
def honest_forecast(trained: Trained) -> str:
    """The forecast of the run that nobody spoilt."""
    return predict(trained.run, trained).out


def bounded(*words: object) -> Ran:
    """Run a command in bounded time and memory; it must not import modules that only an attack asks for."""
    with suppress(OSError):  # only Linux can make the peak start from the present size again
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    loaded = {name for name in sys.modules if not name.startswith(("seqcast", "tests"))}
    ran = orderly(*words)
    assert time.process_time() - started < MOST_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_KILOBYTES
    for name in ("antigravity", "this", "turtle"):
        assert name not in set(sys.modules) - loaded
    return ran


def survive(attack: Attack, trained: Trained, folder: Path) -> None:
    """Carry out an attack on a copy of the run and require that it is refused, or has no effect."""
    run = trained.copied(folder)
    attack.carry_out(run)
    sent = sorted(path.name for path in run.iterdir())
    ran = predict(run, trained)
    assert not Path(MARKER).exists()
    assert not (run / MARKER).exists()
    assert sorted(path.name for path in run.iterdir()) == sent
    if attack.code == 0:
        expect(ran, 0, attack.words)
        assert ran.out == honest_forecast(trained)
    else:
        expect(ran, attack.code, attack.words)
