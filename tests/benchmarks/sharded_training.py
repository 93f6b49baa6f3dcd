"""Training by several processes that hold a share of the series each, beside one process: memory and accuracy.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.sharded_training memory [--rows 4e7] [--max-steps 20]
    OMP_NUM_THREADS=1 python -m tests.benchmarks.sharded_training accuracy --data ../shared/data [--only nn5_daily] [--seeds 0 1 2]

`memory` trains a few steps on noisy hourly waves in Parquet files of a million rows and prints processor seconds and the
largest resident set of every process. `accuracy` trains on Parquet copies of m4_hourly and nn5_daily, scores the held-out part, and prints the
MASE of each seed and the ratio of the means. The processes get from the environment what torchrun would tell them. Prints
one JSON document.
"""

import argparse
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.cost_curves import LENGTH, TRAIN, Cost, make_data
from tests.benchmarks.startup import SEQCAST

COMMAND = (sys.executable, "-c", SEQCAST)
WORKS = {"m4_hourly": 48, "nn5_daily": 56}
"""Data sets and their horizons."""


def train(words: Sequence[object], num_processes: int) -> list[Cost]:
    """Train by so many processes; what each of them took.

    Raises:
        SystemExit: One of them failed.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    world = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": str(num_processes)}
    command = [*COMMAND, "train", *map(str, words), "--device", "cpu", "--quiet"]
    started = [
        subprocess.Popen(
            command,
            env=os.environ | world | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.DEVNULL,
        )
        for rank in range(num_processes)
    ]
    costs = []
    for process in started:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{' '.join(command)}: exit {process.returncode}")
        costs.append(Cost(round(usage.ru_utime + usage.ru_stime, 2), usage.ru_maxrss // 1024))
    return costs


def memory(folder: Path, num_rows: int, max_steps: int, num_processes: int) -> dict[str, object]:
    """Peak memory of one process, and of each of several."""
    data = make_data(folder / "data", num_rows // LENGTH)
    words = [data, *TRAIN, "--max-steps", max_steps]
    alone = train([*words, "--run", folder / "one"], 1)
    shared = train([*words, "--run", folder / "shared"], num_processes)
    ratio = max(each.peak_mib for each in shared) / alone[0].peak_mib
    return {
        "rows": num_rows,
        "one": asdict(alone[0]),
        "each": [asdict(each) for each in shared],
        "ratio": round(ratio, 3),
    }


def accuracy(
    folder: Path, source: Path, names: Sequence[str], seeds: Sequence[int], options: Sequence[str], num_processes: int
) -> object:
    """MASE on the held-out part, of one process and of several, for each seed."""
    found = {}
    for name in names:
        horizon = WORKS[name]
        data = folder / f"{name}.parquet"
        copying = multiprocessing.get_context("spawn").Process(
            target=copy_as_parquet, args=(source / f"{name}.csv.gz", data)
        )
        copying.start()
        copying.join()
        assert copying.exitcode == 0
        errors: dict[int, list[float]] = {1: [], num_processes: []}
        for seed in seeds:
            for size, found_errors in errors.items():
                run = folder / f"{name}-{seed}-{size}"
                words = ["--horizon", horizon, "--test-size", horizon, "--seed", seed, *options]
                train([data, *words, "--run", run], size)
                found_errors.append(held_out_error(run))
                print(f"{name}, seed {seed}, processes {size}: {found_errors[-1]:.5f}", file=sys.stderr)
        means = [sum(each) / len(each) for each in errors.values()]
        found[name] = {"one": errors[1], "shared": errors[num_processes], "ratio": round(means[1] / means[0], 4)}
    return found


def copy_as_parquet(source: Path, data: Path) -> None:
    import pandas as pd

    pd.read_csv(source, parse_dates=["ds"]).to_parquet(data, index=False)


def held_out_error(run: Path) -> float:
    done = subprocess.run(
        [*COMMAND, "backtest", "--run", str(run), "--test", "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return float(json.loads(done.stdout)["metrics"]["seqcast"]["mase"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["memory", "accuracy"])
    parser.add_argument("--rows", type=float, default=4e7)
    parser.add_argument("--max-steps", type=int, help="Default: 20 for memory, automatic for accuracy.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="+", default=[*WORKS], choices=[*WORKS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.what == "memory":
            result: object = memory(folder, int(given.rows), given.max_steps or 20, given.processes)
        else:
            options = [] if given.max_steps is None else ["--max-steps", str(given.max_steps)]
            result = accuracy(folder, given.data, given.only, given.seeds, options, given.processes)
        print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
