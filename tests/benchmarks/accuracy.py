"""Accuracy on held-out test parts of real data, default options but for horizon and split.

    python tests/benchmarks/accuracy.py --data ../shared/data [--seeds 0,1,2] [name ...]

Every row trains with `--test-size`, which training never sees, and scores it with `backtest --test`. Prints one table in
Markdown: MASE of seqcast (mean and range over seeds) and of the naive forecasts, skill, interval coverage, seconds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Work:
    """One row: a file, what a person would say about it, and what is held out."""

    name: str
    file: str
    horizon: int
    test_size: int
    stride: int
    options: tuple[str, ...] = ()


EVENTS = "easter_day,good_friday,new_year,christmas,labor_day,independence_day,revolution_day_memorial,regional_games,fifa_u_17_world_cup,football_gold_cup,beer_capital,music_fest"
DAYS = ",".join(f"day_{i}" for i in range(7))
WORKS = (
    Work("air passengers", "air_passengers.csv", 12, 24, 1),
    Work("sunspots", "sunspots_monthly.csv", 132, 264, 12),
    Work("peyton manning", "peyton_manning.csv", 90, 365, 7),
    Work("yosemite", "yosemite_temps.csv", 288, 2016, 144),
    Work("nyc taxi", "nyc_taxi.csv", 48, 1344, 24),
    Work("exchange rate", "exchange_rate.csv", 96, 1518, 8, ("--time", "date")),
    Work("tourism", "tourism_quarterly.csv.gz", 8, 8, 1, ("--static", "State,Region,Purpose")),
    Work("nn5", "nn5_daily.csv.gz", 56, 56, 1),
    Work("vic_elec", "vic_elec_30min.csv.gz", 336, 1344, 48, ("--target", "demand", "--known", "temperature,holiday")),
    Work("vic_elec, no covariates", "vic_elec_30min.csv.gz", 336, 1344, 48, ("--target", "demand")),
    Work("epf", "epf_short.csv", 24, 168, 24, ("--known", f"Exogenous1,Exogenous2,{DAYS}")),
    Work("epf, no covariates", "epf_short.csv", 24, 168, 24),
    Work(
        "stallion",
        "stallion.parquet",
        6,
        6,
        1,
        (
            *("--id", "agency,sku", "--time", "date", "--target", "volume"),
            *("--known", f"price_regular,price_actual,discount,{EVENTS}"),
            *("--past", "industry_volume,soda_volume,avg_max_temp"),
            *("--static", "agency,sku,avg_population_2017,avg_yearly_household_income_2017"),
        ),
    ),
    Work(
        "stallion, no covariates",
        "stallion.parquet",
        6,
        6,
        1,
        ("--id", "agency,sku", "--time", "date", "--target", "volume"),
    ),
)


def seqcast(*words: object) -> str:
    """Run one command; its stdout."""
    done = subprocess.run(["seqcast", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"seqcast {' '.join(map(str, words))}\n{done.stderr[-2000:]}")
    return done.stdout


def measure(work: Work, data: Path, seed: int) -> dict[str, float]:
    """Train and score one row."""
    with tempfile.TemporaryDirectory() as folder:
        run, file = Path(folder) / "run", data / work.file
        start = time.perf_counter()
        split = ("--horizon", work.horizon, "--test-size", work.test_size, "--seed", seed)
        seqcast("train", file, *split, *work.options, "--run", run, "--quiet")
        seconds = time.perf_counter() - start
        scored = json.loads(seqcast("backtest", "--run", run, "--test", "--stride", work.stride, "--json", "--quiet"))
    metrics = scored["metrics"]
    ours = metrics["seqcast"]
    coverage = {f"in{level}": ours["coverage"][str(level)] for level in (80, 95)}
    naive = {name: metrics[name]["mase"] for name in ("naive", "seasonal_naive")}
    return {"mase": ours["mase"], "wql": ours["wql"], **naive, **coverage, "seconds": seconds}


def row(name: str, found: list[dict[str, float]]) -> str:
    """One line of the table."""
    mean = {key: sum(each[key] for each in found) / len(found) for key in found[0]}
    values = [each["mase"] for each in found]
    skill = 1 - mean["mase"] / mean["seasonal_naive"]
    spread = f"{mean['mase']:.3f} ({min(values):.3f} to {max(values):.3f})"
    numbers = f"{mean['seasonal_naive']:.3f} | {mean['naive']:.3f} | {skill:+.1%}"
    covered = f"{mean['in80']:.1%} | {mean['in95']:.1%}"
    return f"| {name} | {spread} | {numbers} | {covered} | {mean['seconds']:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="rows to measure; default: all")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", default="0")
    args = parser.parse_args()
    print(
        "| data | MASE seqcast | seasonal naive | naive | skill | in 80 % | in 95 % | seconds |\n|---|---|---|---|---|---|---|---|"
    )
    for work in WORKS:
        if not args.names or work.name in args.names:
            found = [measure(work, args.data, int(seed)) for seed in args.seeds.split(",")]
            print(row(work.name, found), flush=True)


if __name__ == "__main__":
    main()
