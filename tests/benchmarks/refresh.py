"""Cost and accuracy of training a run further on newer data (`--from`), beside training from the start.

    python tests/benchmarks/refresh.py --data ../shared/data --folder /tmp/refresh
    python tests/benchmarks/refresh.py --only nn5 --times 1 --max-steps 20 --folder /tmp/r   # smoke

Every table grows by ten days at a time. Each time a run is trained from the start, and the run of the time before is
trained further; both are scored on the days that follow, which neither has seen, at every daily origin. So are the first
run, which learns nothing new, and a training from the start with another seed, which tells the errors of two equal
trainings apart. What is measured is added to results.jsonl in the folder and not measured again.
"""

import argparse
import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqcast.panel.arrays import FloatArray

COMMAND = [sys.executable, "-c", "from seqcast.cli.app import main; main()"]
DAYS = 10
KINDS = ("fresh", "another seed", "further", "first run")
"""Trained from the start, the same with another seed, trained further, not trained again."""


@dataclass(frozen=True)
class Series:
    """A table, and how ten days of it are tested."""

    file: str
    time: str
    test_size: int
    stride: int


SETS = {
    "nyc_taxi": Series("nyc_taxi.csv", "timestamp", test_size=DAYS * 48, stride=48),
    "nn5": Series("nn5_daily.csv.gz", "ds", test_size=DAYS + 13, stride=1),  # ten origins of a horizon of 14
}


def seqcast(*words: object) -> tuple[str, float]:
    """Run one command; its stdout, and the processor time that it took in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"seqcast {' '.join(map(str, words))}\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_cut(series: Series, data: Path, target: Path, days_before_end: int) -> Path:
    """The table without its last days."""
    if not target.exists():
        frame = pd.read_csv(data / series.file, dtype=str, keep_default_na=False)
        days = pd.to_datetime(frame[series.time]).dt.normalize()
        frame[days <= days.max() - pd.Timedelta(days=days_before_end)].to_csv(target, index=False)
    return target


def score(table: Path, run: Path, stride: int) -> dict[str, Any]:
    """Errors of a run on the test part of a table, and the mean absolute error at each origin."""
    rows = run.with_suffix(".csv")
    words = ("backtest", table, "--run", run, "--test", "--stride", stride, "--json", "--output", rows, "--quiet")
    own = json.loads(seqcast(*words)[0])["metrics"]["seqcast"]
    frame = pd.read_csv(rows)
    by_origin = (frame["y"] - frame["seqcast"]).abs().groupby(frame["cutoff"]).mean()
    return {name: own[name] for name in ("mae", "mase", "wql")} | {"by_origin": by_origin.round(4).tolist()}


def measure(name: str, data: Path, folder: Path, number: int, times: int, options: list[str]) -> list[dict[str, Any]]:
    """The rows of one table: number 0 is that of the first run."""
    series = SETS[name]
    table = write_cut(series, data, folder / f"{name}-{number}.csv", DAYS * (times - number))
    rows = []
    kinds: dict[str, list[object]] = {"fresh": [*options]}
    if number:
        kinds["another seed"] = [*options, "--seed", 1]
        kinds["further"] = ["--from", folder / f"{name}-{number - 1}-{'further' if number > 1 else 'fresh'}"]
    for kind, words in kinds.items():
        run = folder / f"{name}-{number}-{kind.replace(' ', '-')}"
        _, seconds = seqcast(
            "train", table, *words, "--test-size", series.test_size, "--run", run, "--overwrite", "--quiet"
        )
        rows.append({"set": name, "number": number, "kind": kind, "cpu": round(seconds, 1)})
        rows[-1] |= score(table, run, series.stride)
    if number:
        rows.append({"set": name, "number": number, "kind": "first run", "cpu": 0.0})
        rows[-1] |= score(table, folder / f"{name}-0-fresh", series.stride)
    return rows


def table_of(rows: list[dict[str, Any]]) -> str:
    """Mean processor time and errors of each kind over all refreshes, in Markdown.

    The last column is the difference of the MAE to that of the fresh runs, and its standard error over the origins.
    """
    lines = ["| data | trained | processor time | MAE | wql | MAE - fresh |", "|---|---|---|---|---|---|"]
    for name in SETS:
        fresh, *_ = every = [of_kind(rows, name, kind) for kind in KINDS]
        for kind, own in zip(KINDS, every, strict=True):
            if own:
                cpu, mae, wql = (np.mean([row[key] for row in own]) for key in ("cpu", "mae", "wql"))
                gap = origins_of(own) - origins_of(fresh)
                noise = gap.std(ddof=1) / len(gap) ** 0.5
                lines.append(
                    f"| {name}, {len(own)} times | {kind} | {cpu:.0f} s | {mae:.5g} | {wql:.4g} | "
                    f"{gap.mean():.2g} +- {noise:.2g} |"
                )
    return "\n".join(lines)


def of_kind(rows: list[dict[str, Any]], name: str, kind: str) -> list[dict[str, Any]]:
    """The refreshes of one table."""
    return [row for row in rows if row["set"] == name and row["kind"] == kind and row["number"] > 0]


def origins_of(rows: list[dict[str, Any]]) -> FloatArray:
    """The mean absolute errors at all origins of all refreshes."""
    return np.concatenate([row["by_origin"] for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--only", choices=SETS)
    parser.add_argument("--times", type=int, default=3, help="refreshes, ten days apart")
    parser.add_argument("--max-steps", help="of every training from the start")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    file = given.folder / "results.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    options = [] if given.max_steps is None else ["--max-steps", given.max_steps]
    for name in [given.only] if given.only else SETS:
        for number in range(given.times + 1):
            if any((row["set"], row["number"]) == (name, number) for row in rows):
                continue
            found = measure(name, given.data, given.folder, number, given.times, options)
            rows += found
            with file.open("a") as lines:
                lines.writelines(json.dumps(row) + "\n" for row in found)
    print(table_of(rows))


if __name__ == "__main__":
    main()
