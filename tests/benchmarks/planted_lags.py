"""Whether each score finds the planted lags by itself, without a lag bias, and how far its forecast is from the best one.

    python tests/benchmarks/planted_lags.py [--scores general,dot,concat] [--segment 1] [--option=--time-limit=5m]

200 series follow y_t = .55 y_{t-a} + .40 y_{t-b} + .3 e_t with standard normal e_t. Forecasts reach no further than the
shorter lag, so the best possible one knows both values. Prints the share of the attention on each lag and its neighbours,
whether the two lags are the strongest, and the mean squared error on the newest 96 steps over that of the best forecast.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent))
from accuracy import network_share, seqcast, table

NUM_SERIES, NUM_STEPS, BURN_IN, NUM_TEST = 200, 600, 300, 96
WEIGHTS, NOISE = (0.55, 0.40), 0.3
COLUMNS = (
    "lags",
    "score",
    "segment",
    "share on the first",
    "on the second",
    "found",
    "error / best",
    "network",
    "train, s",
)


def planted(lags: tuple[int, int], seed: int) -> tuple[pd.DataFrame, float]:
    """The table, and the mean squared error of the best possible forecast of its newest steps."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(NUM_SERIES, NUM_STEPS + BURN_IN))
    values = noise.copy()
    for step in range(max(lags), values.shape[1]):
        known = sum(weight * values[:, step - lag] for weight, lag in zip(WEIGHTS, lags, strict=True))
        values[:, step] = known + NOISE * noise[:, step]
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat([f"s{number:03d}" for number in range(NUM_SERIES)], NUM_STEPS),
            "ds": np.tile(pd.date_range("2024-01-01", periods=NUM_STEPS, freq="h"), NUM_SERIES),
            "y": values[:, BURN_IN:].ravel(),
        }
    )
    return frame, float(np.mean((NOISE * noise[:, -NUM_TEST:]) ** 2))


def measure(lags: tuple[int, int], score: str, seed: int, options: list[str]) -> list[str]:
    """One row of the table."""
    frame, best = planted(lags, seed)
    horizon = min(24, *lags)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file, run = folder / "planted.csv", folder / "run"
        frame.to_csv(file, index=False)
        sizes = ("--horizon", horizon, "--context", max(64, 24 + max(lags)), "--test-size", NUM_TEST)
        started = time.perf_counter()
        seqcast(
            "train", file, *sizes, "--score", score, "--no-lag-bias", *options, "--seed", seed, "--run", run, "--quiet"
        )
        seconds = time.perf_counter() - started
        scored, attended = folder / "cv.parquet", folder / "attention.parquet"
        seqcast("backtest", file, "--run", run, "--test", "--stride", horizon, "--output", scored, "--quiet")
        seqcast("inspect", file, "--run", run, "--windows", 1, "--format", "parquet", "--output", attended, "--quiet")
        forecasts, weights = pd.read_parquet(scored), pd.read_parquet(attended)
        network = network_share(run)
    error = float(((forecasts["seqcast"] - forecasts["y"]) ** 2).mean())
    share = weights.groupby("lag_target")["weight"].sum() / weights["weight"].sum()
    near = [f"{share.reindex([lag - 1, lag, lag + 1]).sum():.1%}" for lag in lags]
    found = "yes" if sorted(share.nlargest(2).index) == sorted(lags) else "no"
    segment = options[options.index("--segment") + 1] if "--segment" in options else "chosen"
    names = [", ".join(map(str, lags)), score, segment]
    return [*names, *near, found, f"{error / best:.3f}", f"{network:.0%}", f"{seconds:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lags", default="24,37")
    parser.add_argument("--scores", default="general,dot,concat")
    parser.add_argument("--segment", help="not given: chosen by the program")
    parser.add_argument("--option", action="append", default=[], help="one more option of train; may be repeated")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    first, second = (int(lag) for lag in given.lags.split(","))
    options = [*given.option, *(("--segment", given.segment) if given.segment else ())]
    rows = []
    for score in given.scores.split(","):
        rows.append(measure((first, second), score, given.seed, options))
        print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    print(table("Planted lags", COLUMNS, rows))


if __name__ == "__main__":
    main()
