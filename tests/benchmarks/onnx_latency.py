"""Time from a fresh shell to a forecast of one series with an exported model, beside the run and `import torch`.

    python -m tests.benchmarks.onnx_latency [--repeat 5]

The median time and processor time of several runs of each, taken in turn, and the milliseconds of one window in a process
that has everything loaded. Prints one JSON document.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from seqcast.forecasting import predict
from seqcast.portable.export import export_model
from seqcast.portable.forecasting import predict as predict_with_onnx
from seqcast.portable.onnx_file import OnnxModel
from seqcast.run.directory import RunDirectory
from seqcast.run.load import load_trained_model
from seqcast.run.source import read_run_source
from tests.benchmarks.startup import ENVIRONMENT, SEQCAST

NUM_STEPS = 1000


def seconds_of(*words: str) -> tuple[float, float]:
    """Time and processor time of one fresh interpreter."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", *words], env=ENVIRONMENT, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, cpu


def made(folder: Path) -> tuple[Path, Path, Path]:
    """A table of one hourly series, a run that was trained on it, and the exported model."""
    data, run, model = folder / "data.csv", folder / "run", folder / "model.onnx"
    times = pd.date_range("2024-01-01", periods=NUM_STEPS, freq="h")
    noise = np.random.default_rng(0).normal(size=NUM_STEPS)
    pd.DataFrame({"ds": times, "y": 50 + 10 * np.sin(2 * np.pi * times.hour / 24) + noise}).to_csv(data, index=False)
    seconds_of(SEQCAST, "train", str(data), "--horizon", "24", "--max-steps", "100", "--run", str(run))
    seconds_of(SEQCAST, "export", str(run), str(model))
    return data, run, model


def warm_milliseconds(data: Path, run: Path, repeat: int) -> dict[str, float]:
    """Median time of a forecast of the table in a process that has all it needs."""
    directory = RunDirectory(run)
    record = directory.read_record()
    model = load_trained_model(directory, record, torch.device("cpu"))
    exported = OnnxModel.from_bytes(export_model(model, record), "model.onnx")
    panel = read_run_source(record, model.config, str(data)).panel
    makers = {"torch": lambda: predict(model, panel), "onnx": lambda: predict_with_onnx(exported, panel)}
    seconds: dict[str, list[float]] = {name: [] for name in makers}
    for _ in range(10 * repeat):
        for name, make in makers.items():
            started = time.perf_counter()
            make()
            seconds[name].append(time.perf_counter() - started)
    return {name: round(1000 * statistics.median(each), 2) for name, each in seconds.items()}


def measure(repeat: int) -> dict[str, object]:
    """Median seconds of each command, and their share of what importing torch takes."""
    with tempfile.TemporaryDirectory() as name:
        data, run, model = made(Path(name))
        predicting = (SEQCAST, "predict", str(data))
        commands = {
            "import torch": ("import torch",),
            "seqcast predict --onnx": (*predicting, "--onnx", str(model)),
            "seqcast predict --run": (*predicting, "--run", str(run)),
        }
        rounds = [{each: seconds_of(*words) for each, words in commands.items()} for _ in range(repeat + 1)]
        found = {each: [round_[each] for round_ in rounds[1:]] for each in commands}  # the first compiles modules
        document: dict[str, object] = {"warm_milliseconds": warm_milliseconds(data, run, repeat)}
        for place, kind in enumerate(("seconds", "processor_seconds")):
            median = {each: statistics.median(value[place] for value in values) for each, values in found.items()}
            document[kind] = {each: round(value, 3) for each, value in median.items()}
            document[f"{kind}_over_import_torch"] = {
                each: round(value / median["import torch"], 3) for each, value in median.items()
            }
        return document


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    print(json.dumps(measure(parser.parse_args().repeat), indent=1))
