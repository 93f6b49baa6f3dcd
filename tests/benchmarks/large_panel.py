"""Peak memory of training on ten million rows, and the time to read them beside that of pandas.

    python -m tests.benchmarks.large_panel [--series 10000] [--steps 1000] [--max-steps 20] [--file FILE]

Trains with few steps: memory is reached in the first of them. Every measurement is a process of its own, on the same
file, which was read once before, so that none pays for the disk. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.benchmarks.make_large_panel import write_large_panel

PANDAS_READ = "import sys, pandas; pandas.read_csv(sys.argv[1], engine='pyarrow')"
SEQCAST_READ = (
    "import sys; from seqcast.config import DataConfig; from seqcast.run.source import read_source; "
    "read_source(sys.argv[1], DataConfig())"
)
IMPORTS = "import pandas, pyarrow.csv, seqcast.config, seqcast.run.source"


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    seconds: float
    peak_mib: float


def cost_of(command: list[str]) -> Cost:
    """Run a command to its end; its own peak memory, not that of other children.

    Raises:
        SystemExit: It failed.
    """
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit {process.returncode}")
    return Cost(round(time.perf_counter() - started, 2), round(usage.ru_maxrss / 1024, 1))


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def measure(file: Path, run: Path, max_steps: int) -> dict[str, object]:
    """Train, then read alone, then read with pandas."""
    with file.open("rb") as warmed:
        while warmed.read(2**24):
            pass
    command = [sys.executable, "-c", "from seqcast.cli.app import main; main()", "train", str(file)]
    command += ["--horizon", "24", "--max-steps", str(max_steps), "--run", str(run), "--quiet"]
    train = cost_of(command)
    imports = cost_of(python(IMPORTS)).seconds
    ingest, pandas_read = (cost_of(python(code, str(file))) for code in (SEQCAST_READ, PANDAS_READ))
    return {
        "file_mib": round(file.stat().st_size / 2**20, 1),
        "train": asdict(train),
        "import_seconds": imports,
        "ingest": {**asdict(ingest), "without_imports": round(ingest.seconds - imports, 2)},
        "pandas_pyarrow_read": {**asdict(pandas_read), "without_imports": round(pandas_read.seconds - imports, 2)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--max-steps", type=int, default=20)
    parser.add_argument("--file", type=Path, help="A panel made before; default: made now and removed.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = given.file or Path(folder) / "large.csv"
        if not file.exists():
            write_large_panel(file, given.series, given.steps)
        print(json.dumps(measure(file, Path(folder) / "run", given.max_steps), indent=1))


if __name__ == "__main__":
    main()
