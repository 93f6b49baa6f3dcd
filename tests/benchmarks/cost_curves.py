"""How time and memory grow with the rows of a table: reading, training, `predict`, `backtest`, `inspect` and `check`.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.cost_curves [--rows 1e5 1e6 1e7] [--whole-up-to 1e7] [--only predict]

Hourly series of 1,000 rows lie in Parquet files of a million rows, in order. Each measurement is a process of its own:
processor seconds, so that other work on the machine counts little, and the largest resident set. `read` and `train`
hold the whole table and are measured up to --whole-up-to rows; the other commands read groups of series. Prints one JSON
document: the measurements, rows a second, and the exponents of time and memory between neighbouring sizes.
"""

import argparse
import json
import math
import multiprocessing
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from tests.benchmarks.startup import SEQCAST

LENGTH, SERIES_IN_FILE = 1000, 1000
TRAIN_STEPS = 50
TRAIN = ("--horizon", "24", "--context", "96", "--hidden", "16", "--no-refit", "--quiet")
READ = (
    "import sys; from seqcast.config import DataConfig; from seqcast.run.source import read_source; "
    "read_source(sys.argv[1], DataConfig())"
)
HOLDS_ALL = ("read", "train")
COMMANDS = (*HOLDS_ALL, "predict", "backtest", "inspect", "check")


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    cpu_seconds: float
    peak_mib: int


def make_data(folder: Path, num_series: int) -> Path:
    """A data set of noisy daily waves, made by another process: a child's peak memory counts that of its parent."""
    making = multiprocessing.get_context("spawn").Process(target=write_data, args=(folder, num_series))
    making.start()
    making.join()
    assert making.exitcode == 0
    return folder


def write_data(folder: Path, num_series: int) -> None:
    import numpy as np
    import pandas as pd

    folder.mkdir()
    random = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=LENGTH, freq="h")
    day = 10 * np.sin(2 * np.pi * np.arange(LENGTH) / 24)
    for first in range(0, num_series, SERIES_IN_FILE):
        count = min(SERIES_IN_FILE, num_series - first)
        names = [f"s{number:07}" for number in range(first, first + count)]
        values = 50 + day + random.normal(size=(count, LENGTH))
        frame = pd.DataFrame(
            {"unique_id": np.repeat(names, LENGTH), "ds": np.tile(times, count), "y": np.round(values.ravel(), 2)}
        )
        frame.to_parquet(folder / f"{first:07}.parquet", index=False)


def cost_of(code: str, *words: str) -> Cost:
    """The cost of a command in a process of its own, whose output is dropped."""
    quiet = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    command = [sys.executable, "-c", code, *words]
    process = os.posix_spawn(sys.executable, command, os.environ, file_actions=quiet)
    _, status, usage = os.wait4(process, 0)
    assert status == 0, words
    return Cost(round(usage.ru_utime + usage.ru_stime, 2), round(usage.ru_maxrss / 1024))


def measure(name: str, data: str, run: str, folder: Path) -> Cost:
    """The cost of one command on a table."""
    if name == "read":
        return cost_of(READ, data)
    if name == "train":
        steps = ("--max-steps", str(TRAIN_STEPS), "--overwrite", "--run", str(folder / "trained"))
        return cost_of(SEQCAST, "train", data, *TRAIN, *steps)
    words = {
        "predict": ("--run", run, "--output", str(folder / "forecast.parquet")),
        "backtest": ("--run", run, "--windows", "1", "--json"),
        "inspect": ("--run", run, "--json"),
        "check": ("--json",),
    }
    return cost_of(SEQCAST, name, data, *words[name])


def step_seconds(run: Path) -> float:
    """Wall-clock seconds of a training divided by its steps, the fit of its start included."""
    result = json.loads((run / "run.json").read_text())["result"]
    return float(round(result["seconds"] / result["num_steps"], 4))


def exponents(costs: dict[int, Cost]) -> dict[str, dict[str, float]]:
    """Growth of time and memory from each size to the next: 0 is constant, 1 is in proportion to the rows."""
    sizes = sorted(costs)
    found = {}
    for small, large in pairwise(sizes):
        growth = {
            name: getattr(costs[large], name) / getattr(costs[small], name) for name in ("cpu_seconds", "peak_mib")
        }
        span = math.log(large / small)
        found[f"{small:,} to {large:,}"] = {name: round(math.log(ratio) / span, 2) for name, ratio in growth.items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=float, nargs="+", default=[1e5, 1e6, 1e7])
    parser.add_argument("--whole-up-to", type=float, default=1e7, help="Most rows that read and train are given.")
    parser.add_argument("--only", nargs="+", default=COMMANDS, choices=COMMANDS)
    given = parser.parse_args()
    costs: dict[str, dict[int, Cost]] = {name: {} for name in given.only}
    steps: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = str(folder / "run")
        cost_of(SEQCAST, "train", str(make_data(folder / "small", 20)), *TRAIN, "--max-steps", "50", "--run", run)
        for rows in map(int, given.rows):
            data = str(make_data(folder / str(rows), rows // LENGTH))
            for command in given.only:
                if command not in HOLDS_ALL or rows <= given.whole_up_to:
                    costs[command][rows] = measure(command, data, run, folder)
                    print(f"{command}, {rows:,} rows: {costs[command][rows]}", file=sys.stderr)
                if command == "train" and rows in costs["train"]:
                    steps[f"{rows:,} rows"] = step_seconds(folder / "trained")
    found = {
        command: {
            "costs": {
                f"{rows:,} rows": asdict(cost) | {"rows_per_cpu_second": round(rows / cost.cpu_seconds)}
                for rows, cost in of_command.items()
            },
            "exponents": exponents(of_command),
        }
        for command, of_command in costs.items()
    }
    print(json.dumps({**found, "seconds_a_training_step": steps}, indent=1))


if __name__ == "__main__":
    main()
