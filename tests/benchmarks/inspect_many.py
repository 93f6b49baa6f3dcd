"""Peak memory of inspecting many windows, and its speed beside that of the forward pass alone.

    python -m tests.benchmarks.inspect_many [--series 1000] [--windows 20] [--horizon 48] [--context 336] [--by series]

The network is as it was initialised: what it attends to makes no difference to the cost. Prints one JSON document.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from typing import get_args

import numpy as np

from seqcast.attention.inspection import Question, inspect
from seqcast.attention.lag_report import GroupBy
from seqcast.config import Config
from seqcast.forecasting import attention_maps
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.panel import Panel
from seqcast.run.load import TrainedModel
from tests.panels import make_panel, small_setup, untrained_model

UNTRAINED = {"lag_bias": False}
"""Without a closed-form start, which takes longer than what is measured."""


def seconds(work: Callable[[], object]) -> float:
    """Processor time, which other programs on the machine hardly change."""
    started = time.process_time()
    work()
    return round(time.process_time() - started, 2)


def num_windows_of(model: TrainedModel, panel: Panel, windows: int) -> int:
    """The forward pass alone: every map is made and dropped."""
    return sum(len(part.series_ids) for part in attention_maps(model, panel, windows).maps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("series", 1000), ("windows", 20), ("horizon", 48), ("context", 336)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--by", choices=get_args(GroupBy), default="horizon")
    given = parser.parse_args()
    length = given.context + given.windows * given.horizon + 11 * given.horizon
    values = np.random.default_rng(0).normal(size=(given.series, length)).cumsum(axis=1)
    panel = make_panel(list(values), frequency=parse_frequency("h"))
    config = Config().override(model={"horizon": given.horizon, "context": given.context} | UNTRAINED)
    model = untrained_model(small_setup(panel, config))
    forward = seconds(lambda: num_windows_of(model, panel, given.windows))
    asked = Question(windows=given.windows, group_by=given.by)
    inspected = seconds(lambda: inspect(model, panel, asked))
    windows = given.series * given.windows
    result = {
        "windows": windows,
        "weights": windows * given.horizon * given.context,
        "forward_seconds": forward,
        "inspect_seconds": inspected,
        "inspect_windows_per_second": round(windows / inspected),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
