"""Which known anomalies `seqcast anomalies` finds, at how many false alarms a week.

    python -m tests.benchmarks.anomalies --data ../shared/data --folder /tmp/anomalies                      # everything
    python -m tests.benchmarks.anomalies --only planted --folder /tmp/anomalies --option=--max-steps=50     # smoke

The model learns from what is before the first anomaly. *nyc_taxi* has five known events. *planted* is made here: 24 noisy
hourly series with a daily and a weekly season. After the training part, sixteen of them have one anomaly each: a spike of
one hour, a dropout of six hours, a level that is shifted for five days, or a slow drift over ten days that ends at once.
An event that overlaps an anomaly has found it. One that overlaps none is a false alarm, but for the day after an anomaly
of nyc_taxi and the rest of a series with a planted one, whose contexts hold the anomaly. Trainings are kept in the folder
and not repeated.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from seqcast.evaluation.anomalies import AnomalyPlan, find_anomalies
from seqcast.results.anomalies import Anomalies
from seqcast.run.directory import RunDirectory
from seqcast.run.load import load_trained_model
from seqcast.run.source import read_run_source

PLANS = (
    *(AnomalyPlan(level) for level in (95, 99, 99.9)),
    AnomalyPlan(99, clip=False),
    AnomalyPlan(99, horizon=1),
)
HOURS, TRAINED_HOURS, NUM_SERIES, NUM_CLEAN = 24 * 7 * 24, 24 * 7 * 16, 24, 8
TAXI_TEST = 48 * (30 + 31 + 31)


@dataclass(frozen=True)
class Label:
    """A known anomaly."""

    kind: str
    series: str
    start: pd.Timestamp
    end: pd.Timestamp
    until: pd.Timestamp
    """Until then, events are no false alarms."""


TAXI = tuple(
    Label(kind, "value", pd.Timestamp(start), pd.Timestamp(end), pd.Timestamp(end) + pd.Timedelta(days=1))
    for kind, start, end in (
        ("marathon", "2014-11-02 00:00", "2014-11-02 23:30"),
        ("Thanksgiving", "2014-11-27 00:00", "2014-11-28 23:30"),
        ("Christmas", "2014-12-24 12:00", "2014-12-26 23:30"),
        ("New Year", "2014-12-31 12:00", "2015-01-01 23:30"),
        ("storm", "2015-01-26 12:00", "2015-01-27 23:30"),
    )
)


LENGTHS = {"spike": 1, "dropout": 6, "level shift": 120, "drift": 240}
"""Hours of each planted anomaly."""


def planted(file: Path) -> tuple[Label, ...]:
    """Write the series and return what was planted in them."""
    random = np.random.default_rng(0)
    steps, times = np.arange(HOURS), pd.date_range("2024-01-01", periods=HOURS, freq="h")
    frames, labels = [], []
    for number in range(NUM_SERIES):
        noise = random.normal(size=HOURS)
        for step in range(1, HOURS):
            noise[step] += 0.6 * noise[step - 1]
        daily = (6 + number % 4) * np.sin(2 * np.pi * (steps + number) / 24)
        values = 80 + daily + 3 * np.sin(2 * np.pi * steps / 168) + noise
        if number >= NUM_CLEAN:
            kind = tuple(LENGTHS)[number % len(LENGTHS)]
            start = TRAINED_HOURS + 168 + int(random.integers(4 * 168))
            end = start + LENGTHS[kind]
            amount = 4 * float(noise.std()) * random.choice([-1, 1])
            change = {"spike": 1.5 * amount, "level shift": amount, "drift": np.linspace(0, 1.5 * amount, end - start)}
            values[start:end] = 55 if kind == "dropout" else values[start:end] + change[kind]
            labels.append(Label(kind, f"s{number}", times[start], times[end - 1], times[-1]))
        frames.append(pd.DataFrame({"unique_id": f"s{number}", "ds": times, "y": values.round(3)}))
    pd.concat(frames).to_csv(file, index=False)
    return tuple(labels)


def train(file: Path, run: Path, words: Sequence[str]) -> RunDirectory:
    """The run of a file; trained if it is not there."""
    if not run.exists():
        subprocess.run([sys.executable, "-m", "seqcast", "train", str(file), *words, "--run", str(run)], check=True)
    return RunDirectory(run)


def found_and_false(anomalies: Anomalies, labels: Sequence[Label]) -> tuple[dict[str, list[bool]], int]:
    """Whether each anomaly of each kind was found, and the number of false alarms among new observations."""
    first, last = anomalies.event_bounds
    is_new = anomalies.parts[last] == "new"
    events = [
        (anomalies.series_ids[start], pd.Timestamp(anomalies.times[start]), pd.Timestamp(anomalies.times[end]))
        for start, end in zip(first[is_new], last[is_new], strict=True)
    ]
    found: dict[str, list[bool]] = {}
    for label in labels:
        hit = any(name == label.series and begin <= label.end and end >= label.start for name, begin, end in events)
        found.setdefault(label.kind, []).append(hit)
    false = sum(
        not any(name == each.series and begin <= each.until and end >= each.start for each in labels)
        for name, begin, end in events
    )
    return found, false


def measure(name: str, directory: RunDirectory, labels: Sequence[Label], steps_per_week: int) -> None:
    """Print a line for each plan."""
    record = directory.read_record()
    model = load_trained_model(directory, record, torch.device("cpu"))
    panel = read_run_source(record, model.config, None).panel
    for plan in PLANS:
        search = find_anomalies(model, panel, plan)
        found, false = found_and_false(search.anomalies, labels)
        week = pd.Timedelta(days=7)
        weeks = search.num_judged["new"] / steps_per_week - sum((each.until - each.start) / week for each in labels)
        outside = np.sum(search.anomalies.parts == "new") / search.num_judged["new"]
        hits = ", ".join(f"{kind} {sum(each)}/{len(each)}" for kind, each in found.items())
        ahead = f"1 to {search.horizon}" if search.horizon > 1 else "1"
        ahead += "" if plan.clip else ", nothing clipped"
        print(f"| {name} | {plan.level:g} % | {ahead} | {hits} | {false / weeks:.2f} | {outside:.1%} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folder", type=Path, default=Path("anomalies"), help="where runs are kept")
    parser.add_argument("--only", choices=["nyc_taxi", "planted"])
    parser.add_argument("--option", action="append", default=[], help="passed on to every training, as --option=--x")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    print("| data | level | steps ahead | found | false alarms a week | outside |\n|---|---|---|---|---|---|")
    if args.only != "planted":
        words = ["--horizon", "48", "--test-size", str(TAXI_TEST), *args.option]
        measure("nyc_taxi", train(args.data / "nyc_taxi.csv", args.folder / "nyc_taxi", words), TAXI, 336)
    if args.only != "nyc_taxi":
        file = args.folder / "planted.csv"
        labels = planted(file)
        words = ["--horizon", "24", "--test-size", str(HOURS - TRAINED_HOURS), *args.option]
        measure("planted", train(file, args.folder / "planted", words), labels, 168)


if __name__ == "__main__":
    main()
