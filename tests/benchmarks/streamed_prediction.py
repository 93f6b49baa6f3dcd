"""Peak memory and time of `predict` on Parquet data sets of growing size, read in groups of series and as a whole.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.streamed_prediction [--rows 1e6 1e7] [--whole-up-to 1e7]

The hourly series of 1,000 rows lie in files of a million rows, in order. Each forecast runs in a process of its own,
whose largest resident set is its peak memory. Prints one JSON document.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.startup import SEQCAST

LENGTH, SERIES_IN_FILE = 1000, 1000
TRAIN = ("--horizon", "24", "--context", "96", "--hidden", "16", "--max-steps", "50", "--quiet")
WHOLE = (
    "from seqcast.reading import series_groups; from seqcast.reading.series_groups import SeriesGroups;"
    "series_groups.group_series = lambda *_: SeriesGroups((), 'asked for');"
)


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


def measured(code: str, words: list[str]) -> dict[str, float]:
    """Peak memory in MiB and seconds of a command in a process of its own."""
    started = time.perf_counter()
    process = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", code + SEQCAST, *words])
    _, status, usage = os.wait4(process, 0)
    assert status == 0, words
    return {"peak_mib": round(usage.ru_maxrss / 1024), "seconds": round(time.perf_counter() - started, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=float, nargs="+", default=[1e6, 1e7])
    parser.add_argument("--whole-up-to", type=float, default=1e7, help="Most rows that are read as a whole, too.")
    given = parser.parse_args()
    result: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = str(folder / "run")
        measured("", ["train", str(make_data(folder / "train", 20)), *TRAIN, "--run", run])
        for rows in map(int, given.rows):
            data = str(make_data(folder / str(rows), rows // LENGTH))
            words = ["predict", data, "--run", run, "--quiet", "--output"]
            result[f"{rows:,} rows"] = {"in groups": measured("", [*words, f"{folder}/{rows}.parquet"])}
            if rows <= given.whole_up_to:
                result[f"{rows:,} rows"]["as a whole"] = measured(WHOLE, [*words, f"{folder}/{rows}-whole.parquet"])
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
