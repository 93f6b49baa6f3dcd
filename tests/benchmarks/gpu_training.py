"""Training steps on a GPU beside cuDNN's own LSTM encoder and decoder of the same hidden size.

    python -m tests.benchmarks.gpu_training [--batch 256 --batch 1024 --batch 4096] [--segment 24 --segment 1] [--seconds 3]

Prints windows/s, utilisation (that of NVML, which `pip install nvidia-ml-py` brings) and peak memory of a whole training
step: replayed from a CUDA graph or computed kernel by kernel, in float32 and bfloat16. The bare step is that of
`training_speed`, with one recurrent step per time step, and autocast in bfloat16. Then a network is trained for a while
and forecasts on the GPU and on the CPU; the exit status is 1 where these differ by more than 1e-4 of their spread, and 2
without a GPU. `--device cpu --precision float32` tries the script, and shows nothing else.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from seqcast.config import Config
from seqcast.errors import UsageError
from seqcast.forecasting import predict
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.panel import Panel
from seqcast.runtime import describe_device, resolve_runtime
from seqcast.training.checkpoint import first_state
from seqcast.training.fit import train_model
from seqcast.training.gradients import GradientPass, recorder
from seqcast.training.plan import make_plan
from seqcast.training.setup import TrainingSetup, prepare
from seqcast.training.step import take_step, training_step
from tests.benchmarks.training_speed import CONTEXT, HIDDEN, HORIZON, bare_step
from tests.panels import make_panel, waves

NUM_SERIES, LENGTH = 256, 2000
WARM_UP_STEPS = 10
LARGEST_DIFFERENCE = 1e-4
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Pace:
    """What some steps took."""

    windows_per_second: float
    utilisation: float | None
    """Percent of the time in which kernels ran; None where nobody tells."""
    peak_mib: float


def make_work() -> Panel:
    return make_panel(waves([LENGTH] * NUM_SERIES, period=24), frequency=parse_frequency("h"))


def config_of(segment: int, batch: int, max_steps: int) -> Config:
    return Config().override(
        model={"segment": segment, "location": "last", "hidden": HIDDEN, "horizon": HORIZON, "context": CONTEXT},
        training={"batch_size": batch, "max_steps": max_steps, "validate_every": max_steps},
    )


def seqcast_step(setup: TrainingSetup, *, graph: bool) -> Callable[[], object]:
    state, number = first_state(setup), 0
    state.gradients = GradientPass(setup, state.network, recorder(setup) if graph else None)

    def step() -> None:
        nonlocal number
        number += 1
        take_step(setup, state, training_step(setup, number))
        if state.gradients.choice is not None and "replayed" not in state.gradients.choice.value:
            print(state.gradients.choice.line)
            state.gradients.choice = None

    return step


def pace_of(step: Callable[[], object], device: torch.device, batch: int, seconds: float) -> Pace:
    """The pace of a step over so many seconds, after some that are not counted."""
    on_gpu = device.type == "cuda"
    for _ in range(WARM_UP_STEPS):
        step()
    if on_gpu:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    started, num_steps, told = time.perf_counter(), 0, list[int]()
    while time.perf_counter() - started < seconds:
        step()
        num_steps += 1
        if on_gpu and time.perf_counter() - started > (len(told) + 1) * seconds / 10:
            told += utilisation(device)
    if on_gpu:
        torch.cuda.synchronize(device)
    elapsed = time.perf_counter() - started
    peak = torch.cuda.max_memory_allocated(device) / 2**20 if on_gpu else 0.0
    return Pace(num_steps * batch / elapsed, sum(told) / len(told) if told else None, peak)


def utilisation(device: torch.device) -> list[int]:
    """What NVML tells of the last moments; nothing where it is not installed."""
    try:
        return [torch.cuda.utilization(device)]
    except ModuleNotFoundError:
        return []


def show(name: str, precision: str, batch: int, pace: Pace, bare: Pace) -> None:
    used = "-" if pace.utilisation is None else f"{pace.utilisation:.0f} %"
    times = pace.windows_per_second / bare.windows_per_second
    print(
        f"| {name} | {precision} | {batch:,} | {pace.windows_per_second:,.0f} | {times:.2f} | {used} |"
        f" {pace.peak_mib:,.0f} |",
        flush=True,
    )


def measure(panel: Panel, given: argparse.Namespace) -> None:
    print("| step | precision | batch | windows/s | of the bare one | utilisation | peak MiB |")
    print("|---|---|---|---|---|---|---|")
    batches, segments, seconds = given.batch or [256, 1024, 4096], given.segment or [24, 1], given.seconds
    for precision in given.precision or PRECISIONS:
        runtime = resolve_runtime(given.device, precision)
        made = {
            segment: prepare(panel, make_plan(panel, config_of(segment, batches[0], 1_000_000)), runtime)
            for segment in segments
        }
        for batch in batches:
            bare = pace_of(bare_step(batch, runtime.device, runtime.autocast), runtime.device, batch, seconds)
            show("bare LSTM", precision, batch, bare, bare)
            for segment, setup in made.items():
                config = setup.config.override(training={"batch_size": batch})
                own = replace(setup, plan=replace(setup.plan, config=config))
                for graph in (False, True):
                    pace = pace_of(seqcast_step(own, graph=graph), runtime.device, batch, seconds)
                    way = "replayed" if graph else "kernel by kernel"
                    show(f"seqcast, segments of {segment}, {way}", precision, batch, pace, bare)


def difference(panel: Panel, device: str) -> float:
    """Largest difference of forecasts on the device and on the CPU, as a part of their spread, after some training."""
    runtime = resolve_runtime(device, "auto")
    model = train_model(panel, make_plan(panel, config_of(24, 256, 300)), runtime).model
    here = predict(model, panel).forecast
    there = predict(replace(model, network=model.network.cpu()), panel).forecast
    return float(abs(there.quantiles - here.quantiles).max() / here.quantiles.std())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, action="append")
    parser.add_argument("--segment", type=int, action="append")
    parser.add_argument("--precision", choices=PRECISIONS, action="append")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--device", default="cuda")
    given = parser.parse_args()
    try:
        device = resolve_runtime(given.device, "float32").device
    except UsageError as error:
        print(f"nothing was measured: {error}", file=sys.stderr)
        return 2
    print(f"{describe_device(device)}, torch {torch.__version__}, CUDA {torch.version.cuda}")
    if device.type == "cuda" and not utilisation(device):
        print("utilisation is not known: NVML is missing (pip install nvidia-ml-py)")
    panel = make_work()
    measure(panel, given)
    found = difference(panel, given.device)
    print(f"forecasts on {device} and on the CPU differ by at most {found:.1e} of their spread")
    return int(found > LARGEST_DIFFERENCE)


if __name__ == "__main__":
    sys.exit(main())
