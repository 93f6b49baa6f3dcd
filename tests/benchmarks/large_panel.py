"""Peak memory of training on ten million rows, and the time to read them beside that of pandas.

    python -m tests.benchmarks.large_panel [--series 10000] [--steps 1000] [--max-steps 20] [--file FILE]

Trains with few steps: memory is reached in the first of them. Every measurement is a process of its own, on the same
file, which was read once before, so that none pays for the disk. Prints one JSON document.

The panel is written as FILE where there is none: hourly values with a daily season of a size, level and phase of each
series' own, and noise; a series at a time, so that memory does not grow with the file.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

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


def series_lines(index: int, stamps: list[str]) -> str:
    """The rows of one series; the same for the same index and number of steps."""
    random = np.random.default_rng([0, index])
    level, size, phase = random.uniform(50, 150), random.uniform(5, 20), random.uniform(0, 2 * np.pi)
    season = size * np.sin(2 * np.pi * np.arange(len(stamps)) / 24 + phase)
    values = level + season + random.normal(0, 2, len(stamps))
    name = f"s{index:05d}"
    return "".join(f"{name},{stamp},{value:.3f}\n" for stamp, value in zip(stamps, values.tolist(), strict=True))


def write_panel(path: Path, num_series: int, num_steps: int) -> None:
    times = np.datetime64("2024-01-01T00", "s") + np.arange(num_steps) * np.timedelta64(1, "h")
    stamps = [str(time).replace("T", " ") for time in times]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("unique_id,ds,y\n")
        file.writelines(series_lines(index, stamps) for index in range(num_series))


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
    parser.add_argument("--file", type=Path, help="Where the panel is kept; default: made now and removed.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = given.file or Path(folder) / "large.csv"
        if not file.exists():
            write_panel(file, given.series, given.steps)
        print(json.dumps(measure(file, Path(folder) / "run", given.max_steps), indent=1))


if __name__ == "__main__":
    main()
