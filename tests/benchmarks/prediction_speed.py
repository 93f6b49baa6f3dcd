"""CPU time of a forecast: one series from a fresh shell beside `import torch`, and 1,000 series in a warm process.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.prediction_speed [--series 1000] [--repeat 5]

The network is as it was initialised: its weights make no difference to the cost. Prints one JSON document.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from seqcast.config import Config
from seqcast.forecasting import predict
from seqcast.panel.frequency import parse_frequency
from seqcast.samples import CO2, sample_path
from tests.benchmarks.startup import ENVIRONMENT, SEQCAST
from tests.panels import make_panel, small_setup, untrained_model

STEPS, HORIZON, CONTEXT = 600, 24, 168


def cpu_seconds(arguments: list[str], folder: str) -> float:
    """CPU time of one fresh interpreter, which other work on the machine changes little."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def fresh_shell(repeat: int) -> dict[str, float]:
    """Least CPU seconds of `import torch` and of `seqcast predict` with one series, taken in turn, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        run = f"{folder}/run"
        train = ["train", str(sample_path(CO2)), "--max-steps", "5", "--run", run, "--quiet"]
        cpu_seconds([SEQCAST, *train], folder)
        commands = {
            "import torch": ["import torch"],
            "predict": [SEQCAST, "predict", "--run", run, "--quiet"],
        }
        rounds = [{name: cpu_seconds(words, folder) for name, words in commands.items()} for _ in range(repeat + 1)]
    best = {name: round(min(each[name] for each in rounds[1:]), 3) for name in commands}
    return {**best, "ratio": round(best["predict"] / best["import torch"], 2)}


def warm(num_series: int, repeat: int) -> float:
    """Median CPU seconds of a forecast of hourly series in a process that has forecast before."""
    random = np.random.default_rng(0)
    panel = make_panel(list(random.normal(size=(num_series, STEPS)).cumsum(axis=1)), frequency=parse_frequency("h"))
    config = Config().override(model={"horizon": HORIZON, "context": CONTEXT, "lag_bias": False})
    model = untrained_model(small_setup(panel, config))
    spent = []
    for _ in range(repeat + 1):
        started = time.process_time()
        predict(model, panel)
        spent.append(time.process_time() - started)
    return round(statistics.median(spent[1:]), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    result = {
        "fresh_shell_cpu_seconds": fresh_shell(given.repeat),
        "warm_cpu_seconds": warm(given.series, given.repeat),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
