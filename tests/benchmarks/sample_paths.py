"""Coverage of intervals of the sum, minimum and maximum over the horizon, on held-out test parts of real data.

    python -m tests.benchmarks.sample_paths --data ../shared/data --folder /tmp/paths                     # every file
    python -m tests.benchmarks.sample_paths --only tourism --folder /tmp/paths --option=--max-steps=50    # smoke

Beside the dependence that a run has learned, independent steps and comonotone ones (one normal score for all steps) are
drawn from the same forecasts. Trainings are kept in the folder and not repeated. Windows with a missing truth are left
out.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from seqcast.evaluation.backtest import BacktestPlan, backtest
from seqcast.results.dependence import StepDependence
from seqcast.results.forecast import Forecast
from seqcast.results.sample_paths import Aggregate, SamplePlan, draw_paths, draw_totals
from seqcast.run.directory import RunDirectory
from seqcast.run.load import TrainedModel, load_trained_model
from seqcast.run.source import read_run_source
from tests.benchmarks.accuracy_works import Work, works

FILES = ("nn5, rolling", "tourism, rolling", "stallion, rolling", "nyc_taxi, rolling", "epf_short, rolling")
LEVELS = (80, 95)
TOTALS: tuple[Aggregate, ...] = ("sum", "min", "max")
NUM_SAMPLES = 1000


def train(work: Work, data: Path, folder: Path, options: list[str]) -> RunDirectory:
    """The run of a file; trained if it is not there."""
    run = folder / work.group
    if not run.exists():
        sizes = ["--horizon", str(work.horizon), "--test-size", str(work.test_size)]
        words = ["train", str(data / work.file), *sizes, *work.options, *options, "--run", str(run), "--quiet"]
        subprocess.run([sys.executable, "-m", "seqcast", *words], check=True)
    return RunDirectory(run)


def dependences(model: TrainedModel) -> Iterator[tuple[str, StepDependence]]:
    yield "learned", model.require_dependence()
    yield "independent", StepDependence({}, 1)
    yield "comonotone", StepDependence({"common": 1.0}, 1)


def coverages(
    forecast: Forecast, truth: np.ndarray, dependence: StepDependence, aggregate: Aggregate
) -> tuple[float, ...]:
    """Part of the windows whose truth is inside the interval of each level."""
    paths = draw_paths(forecast, dependence, forecast.horizon, SamplePlan(NUM_SAMPLES))
    totals = draw_totals(forecast, paths, aggregate, LEVELS)
    known = np.isfinite(truth)
    inside = (totals.low <= truth[:, None]) & (truth[:, None] <= totals.high)
    return tuple(inside[known].mean(axis=0))


def measure(work: Work, data: Path, folder: Path, options: list[str]) -> None:
    """Print a line for each total."""
    directory = train(work, data, folder, options)
    record = directory.read_record()
    model = load_trained_model(directory, record, torch.device("cpu"))
    panel = read_run_source(record, model.config, None).panel
    tested = backtest(model, panel, BacktestPlan("test", stride=work.stride, baselines=False))
    steps = [f"{each:.1%}" for each in tested.scores.models[0].overall.coverage.values()]
    functions = {"sum": np.sum, "min": np.min, "max": np.max}
    for aggregate in TOTALS:
        truth = functions[aggregate](tested.actuals, axis=1)
        cells = [
            " / ".join(f"{100 * each:.1f}" for each in coverages(tested.forecast, truth, dependence, aggregate))
            for _, dependence in dependences(model)
        ]
        print(
            f"| {work.group} | {np.isfinite(truth).sum()} | {aggregate} | {' | '.join(cells)} | {' / '.join(steps)} |"
        )
    shares = ", ".join(f"{part} {share:.2f}" for part, share in model.require_dependence().shares.items())
    print(f"{work.group}: {shares}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folder", type=Path, default=Path("sample_paths"), help="where runs are kept")
    parser.add_argument("--only", action="append", default=[], help="a data set; may be repeated")
    parser.add_argument("--option", action="append", default=[], help="passed on to every training, as --option=--x")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    print(
        "| file | windows | total | learned | independent | comonotone | single steps |\n|---|---|---|---|---|---|---|"
    )
    for work in works():
        if work.name in FILES and (not args.only or work.group in args.only):
            measure(work, args.data, args.folder, args.option)


if __name__ == "__main__":
    main()
