"""Accuracy on held-out test parts of real data, default options but for horizon, split and column roles.

    python tests/benchmarks/accuracy.py --data ../shared/data --folder /tmp/accuracy                # every row, 3 seeds
    python tests/benchmarks/accuracy.py --only epf_short --seeds 0 --folder /tmp/accuracy           # one data set
    python tests/benchmarks/accuracy.py --only "etth1-ot, horizon 24" --max-steps 5 --folder /tmp/a # smoke
    python tests/benchmarks/accuracy.py --list

Every row trains on what is before the test part and scores that part once. What is measured is added to results.jsonl in
the folder and not measured again; the tables, in Markdown, are of all that the file holds for the same options: mean and
range over seeds. AutoETS, AutoTheta and MSTL are scored where statsforecast is installed.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent))
from accuracy_works import Work, works

COMMAND = [sys.executable, "-c", "from seqcast.cli.app import main; main()"]
STATISTICAL = ("AutoETS", "AutoTheta", "MSTL")
NAIVE2 = {"smape": 18.383, "mase": 2.395}
"""Of M4 Hourly, whose mean ratio to a model's is its OWA (Makridakis et al. 2020)."""
M4_SEASON = 24
Numbers = dict[str, float]


def seqcast(*words: object) -> str:
    """Run one command; its stdout."""
    done = subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"seqcast {' '.join(map(str, words))}\n{done.stderr[-2000:]}")
    return done.stdout


def measure(work: Work, data: Path, seed: int, options: Sequence[str], *, statistical: bool) -> dict[str, Any]:
    """Train and score one row."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file, run = _first_rows(work, data / work.file, folder), folder / "run"
        words: list[object] = ["--horizon", work.horizon, "--test-size", work.test_size, "--seed", seed, *work.options]
        if work.validation_size is not None:
            words += ["--validation-size", work.validation_size]
        started = time.perf_counter()
        seqcast("train", file, *words, *options, "--run", run, "--quiet")
        seconds = time.perf_counter() - started
        score: dict[str, Callable[[], dict[str, Any]]] = {
            "z": lambda: _z_errors(work, file, run, folder / "cv.parquet"),
            "m4": lambda: _m4_scores(file, data / work.file.replace(".csv.gz", "_test.csv"), run, folder / "f.csv"),
            "mase": lambda: _backtest_scores(work, run, statistical=statistical),
        }
        return {**score[work.kind](), "network": network_share(run), "seconds": round(seconds, 1)}


def network_share(run: Path) -> float:
    """Share of the networks in the forecast of a run; the linear start has the rest."""
    return 1 - float(json.loads((run / "run.json").read_text())["result"]["linear_share"])


def _first_rows(work: Work, file: Path, folder: Path) -> Path:
    if work.rows is None:
        return file
    cut = folder / file.name
    pd.read_csv(file, dtype=str, keep_default_na=False)[: work.rows].to_csv(cut, index=False)
    return cut


def _z_errors(work: Work, file: Path, run: Path, output: Path) -> Numbers:
    """Errors over every test origin, in units of the training part's standard deviation, against the file itself."""
    seqcast("backtest", "--run", run, "--test", "--stride", work.stride, "--output", output, "--quiet")
    frame, wide = pd.read_parquet(output), pd.read_csv(file)
    names = list(frame["unique_id"].unique())
    fit_rows = len(wide) - work.test_size - work.validation_size
    deviation = wide[names][:fit_rows].std(ddof=0).to_numpy()
    times = pd.to_datetime(wide.iloc[:, 0])
    row_of = pd.Series(np.arange(len(times)), index=times)
    rows = row_of.reindex(pd.to_datetime(frame[frame.columns[1]])).to_numpy().astype(int)
    column = pd.Categorical(frame["unique_id"], categories=names).codes
    num_origins = work.test_size - work.horizon + 1
    assert len(frame) == num_origins * work.horizon * len(names), "a test origin is missing"
    truth = wide[names].to_numpy()[rows, column]
    error = (frame["seqcast"].to_numpy() - truth) / deviation[column]
    covered = {f"in {level}": _share_inside(frame, truth, level) for level in (80, 95)}
    return {"mse": float(np.mean(error**2)), "mae": float(np.mean(np.abs(error))), **covered}


def _m4_scores(train_file: Path, test_file: Path, run: Path, output: Path) -> Numbers:
    """sMAPE, MASE and OWA as in the competition, against the test file."""
    seqcast("predict", "--run", run, "--output", output, "--quiet")
    history, future, forecast = (pd.read_csv(file, parse_dates=["ds"]) for file in (train_file, test_file, output))
    both = future.merge(forecast, on=["unique_id", "ds"], how="left", validate="one_to_one")
    error, size = (both["seqcast"] - both["y"]).abs(), both["seqcast"].abs() + both["y"].abs()
    smape = float((200 * error / size).groupby(both["unique_id"]).mean().mean())
    changes = history.groupby("unique_id")["y"].diff(M4_SEASON).abs()
    scale = changes.groupby(history["unique_id"]).mean()
    mase = float((error.groupby(both["unique_id"]).mean() / scale).mean())
    owa = (smape / NAIVE2["smape"] + mase / NAIVE2["mase"]) / 2
    covered = {f"in {level}": _share_inside(both, both["y"].to_numpy(), level) for level in (80, 95)}
    return {"smape": smape, "mase": mase, "owa": owa, **covered}


def _share_inside(frame: pd.DataFrame, truth: Any, level: int) -> float:
    return float(np.mean((frame[f"seqcast-lo-{level}"] <= truth) & (truth <= frame[f"seqcast-hi-{level}"])))


def _backtest_scores(work: Work, run: Path, *, statistical: bool) -> dict[str, Any]:
    models = ["--models", ",".join(STATISTICAL)] if statistical else []
    text = seqcast("backtest", "--run", run, "--test", "--stride", work.stride, *models, "--json", "--quiet")
    document = json.loads(text)
    metrics, ours = document["metrics"], document["metrics"]["seqcast"]
    others = {name: numbers["mase"] for name, numbers in metrics.items() if name != "seqcast"}
    verdicts = {f"{each['against']} verdict": each["verdict"] for each in document["comparisons"]}
    covered = {f"in {level}": ours["coverage"][str(level)] for level in (80, 95)}
    return {"mase": ours["mase"], "wql": ours["wql"], **others, **verdicts, **covered}


def versions() -> dict[str, str]:
    """What the numbers were measured with."""
    libraries = ("seqcast", "torch", "numpy", "pandas")
    found = {name: importlib.metadata.version(name) for name in libraries}
    return {"python": platform.python_version(), **found, "cores": str(len(os.sched_getaffinity(0)))}


def table(heading: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """One table in Markdown."""
    lines = [heading, "", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def spread(found: Sequence[dict[str, Any]], key: str) -> str:
    """`mean (least to greatest)` over seeds; a dash where it was not measured."""
    values = [each[key] for each in found if each.get(key) is not None]
    if not values:
        return "-"
    mean = f"{np.mean(values):.4f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.4f} to {max(values):.4f})"


def share(found: Sequence[dict[str, Any]], key: str) -> str:
    return f"{np.mean([each[key] for each in found]):.1%}"


def show(results: Sequence[dict[str, Any]]) -> None:
    """Print a table for each kind of work."""
    measured = {work: [each for each in results if each["work"] == work.name] for work in works()}
    for kind, heading, measures in (
        ("z", "Every test origin, in units of the training part's standard deviation", ("mse", "mae")),
        ("m4", "M4 Hourly", ("smape", "mase", "owa")),
        ("mase", "MASE", ("mase", "seasonal_naive", *STATISTICAL)),
    ):
        rows = []
        for work, found in measured.items():
            if work.kind == kind and found:
                numbers = [_with_verdict(found, name) for name in measures]
                seeds = ",".join(str(each["seed"]) for each in found)
                seconds = f"{np.mean([each['seconds'] for each in found]):.0f}"
                shares = [share(found, name) for name in ("network", "in 80", "in 95")]
                rows.append([work.name, *numbers, *shares, seeds, seconds])
        if rows:
            names = ["seqcast" if kind == "mase" and name == "mase" else name for name in measures]
            print(table(heading, ["work", *names, "network", "in 80 %", "in 95 %", "seeds", "train, s"], rows))
    for text in dict.fromkeys(json.dumps(each["versions"]) for each in results):
        print(", ".join(f"{name} {version}" for name, version in json.loads(text).items()))


def _with_verdict(found: Sequence[dict[str, Any]], name: str) -> str:
    """The numbers of a model, and in how many runs seqcast was better, a tie, ... beside it."""
    verdicts = [each[f"{name} verdict"] for each in found if f"{name} verdict" in each]
    counts = [f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts)]
    text = spread(found, name)
    return f"{text}; {', '.join(counts)}" if counts else text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folder", type=Path, default=Path("accuracy"), help="where results.jsonl is kept")
    parser.add_argument("--only", action="append", default=[], help="a row, or all of a data set; may be repeated")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--max-steps", type=int, help="of each training, to try it out")
    parser.add_argument("--option", action="append", default=[], help="passed on to every training, as --option=--x")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    args = parser.parse_args()
    groups = set(args.only) - {work.name for work in works()}
    chosen = [work for work in works() if not args.only or work.name in args.only or work.group in groups]
    if args.list or not chosen:
        raise SystemExit("\n".join(work.name for work in works()))
    options = [*args.option, *([] if args.max_steps is None else ["--max-steps", str(args.max_steps)])]
    args.folder.mkdir(parents=True, exist_ok=True)
    file = args.folder / "results.jsonl"
    results = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    results = [each for each in results if each["options"] == options]
    done = {(each["work"], each["seed"]) for each in results}
    has_statsforecast = importlib.util.find_spec("statsforecast") is not None
    seeds = [int(seed) for seed in args.seeds.split(",")]
    for work in chosen:
        for seed in seeds:
            if (work.name, seed) not in done:
                # Statistical models have no seed, so once is enough.
                numbers = measure(work, args.data, seed, options, statistical=has_statsforecast and seed == seeds[0])
                result = {"work": work.name, "seed": seed, "options": options, **numbers, "versions": versions()}
                results.append(result)
                with file.open("a") as lines:
                    lines.write(json.dumps(result) + "\n")
                print(json.dumps(result), file=sys.stderr, flush=True)
    show(results)


if __name__ == "__main__":
    main()
