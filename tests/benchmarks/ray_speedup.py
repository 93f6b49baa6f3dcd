"""Seconds of `predict`, `backtest` and `inspect` in a single process, on one Ray worker and on two.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.ray_speedup [--rows 1e8] [--windows 20] [--only backtest]

On a machine with two free cores. The data are those of `cost_curves`: hourly series of 1,000 rows in Parquet files of a
million rows. Seconds are those of the whole command, the start of the cluster included. Every output is compared with
that of the single process, byte by byte. Prints one JSON document.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.cost_curves import LENGTH, TRAIN, TRAIN_STEPS, make_data
from tests.benchmarks.startup import SEQCAST

ENGINES = {
    "single": (),
    "one_worker": ("--engine", "ray", "--workers", "1"),
    "two_workers": ("--engine", "ray", "--workers", "2"),
}


def seqcast(*words: object) -> bytes:
    """Run a command in a process of its own; its standard output."""
    command = [sys.executable, "-c", SEQCAST, *map(str, words), "--quiet"]
    ran = subprocess.run(command, stdout=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
    if ran.returncode:
        sys.exit(f"{' '.join(command)}: exit {ran.returncode}")
    return ran.stdout


def measure(name: str, words: tuple[object, ...], file: Path | None) -> dict[str, object]:
    """Seconds by engine, and whether all of them have the same result."""
    seconds, results = {}, []
    for engine, options in ENGINES.items():
        started = time.perf_counter()
        printed = seqcast(name, *words, *options)
        seconds[engine] = round(time.perf_counter() - started, 1)
        results.append(printed if file is None else file.read_bytes())
    same = all(result == results[0] for result in results)
    ratio = round(seconds["one_worker"] / seconds["two_workers"], 2)
    return {"seconds": seconds, "one_over_two": ratio, "same_bytes": same}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=float, default=1e8)
    parser.add_argument("--windows", type=int, default=20, help="Origins of each series in `backtest` and `inspect`.")
    parser.add_argument("--only", choices=("predict", "backtest", "inspect"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = make_data(folder / "small", 100)
        seqcast("train", small, *TRAIN, "--max-steps", TRAIN_STEPS, "--run", folder / "run")
        data = make_data(folder / "data", int(given.rows) // LENGTH)
        common, file = (data, "--run", folder / "run"), folder / "forecast.parquet"
        commands: dict[str, tuple[tuple[object, ...], Path | None]] = {
            "predict": ((*common, "--output", file), file),
            "backtest": ((*common, "--windows", given.windows, "--stride", 1, "--json"), None),
            "inspect": ((*common, "--windows", given.windows, "--json"), None),
        }
        chosen = commands if given.only is None else {given.only: commands[given.only]}
        found = {command: measure(command, *how) for command, how in chosen.items()}
    print(json.dumps({"rows": int(given.rows), "windows": given.windows, **found}, indent=1))


if __name__ == "__main__":
    main()
