"""Time of `predict`, `backtest` and `inspect` in a single process, on one Ray worker and on two.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.ray_speedup [--rows 1e8] [--windows 20] [--only backtest]

On a machine with two free cores. The data are those of `cost_curves`: hourly series of 1,000 rows in Parquet files of a
million rows. Seconds are those of the whole command, the start of the cluster included. Processor seconds are those of the
command itself, of its workers and of the other processes of Ray; they say why. Every output is compared with that of the
single process, byte by byte. Prints one JSON document.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.cost_curves import LENGTH, TRAIN, TRAIN_STEPS, make_data
from tests.benchmarks.startup import SEQCAST

ENGINES = {
    "single": (),
    "one_worker": ("--engine", "ray", "--workers", "1"),
    "two_workers": ("--engine", "ray", "--workers", "2"),
}


LOOK_SECONDS = 1.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class ProcessorTime:
    """Processor seconds of a process and of all below it, as far as they were seen."""

    root: int
    seconds: dict[int, float] = field(default_factory=dict)
    kinds: dict[int, str] = field(default_factory=dict)

    def look(self) -> None:
        """Read the times of the processes that are alive."""
        parents, seconds = {}, {}
        for process in filter(str.isdecimal, (each.name for each in Path("/proc").iterdir())):
            try:
                fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                self.kinds[int(process)] = self._kind(int(process))
            except OSError:  # it has ended
                continue
            parents[int(process)] = int(fields[1])
            seconds[int(process)] = (int(fields[11]) + int(fields[12])) / TICKS
        for process in parents:
            above = process
            while above != self.root and above in parents:
                above = parents[above]
            if above == self.root:
                self.seconds[process] = max(seconds[process], self.seconds.get(process, 0.0))

    def _kind(self, process: int) -> str:
        if process == self.root:
            return "command"
        words = Path(f"/proc/{process}/cmdline").read_bytes()
        kept = self.kinds.get(process, "ray")
        return "workers" if words.startswith((b"ray::Worker", b"ray::IDLE")) else kept

    def by_kind(self) -> dict[str, float]:
        """The sum of each kind of process."""
        sums = Counter[str]()
        for process, seconds in self.seconds.items():
            sums[self.kinds[process]] += seconds
        return {kind: round(seconds, 1) for kind, seconds in sums.items()}


def seqcast(*words: object) -> tuple[bytes, dict[str, float]]:
    """Run a command in a process of its own; its standard output and the processor seconds by kind of process."""
    command = [sys.executable, "-c", SEQCAST, *map(str, words), "--quiet"]
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(command, stdout=printed, env=os.environ | {"OMP_NUM_THREADS": "1"})
        times = ProcessorTime(process.pid)
        while process.poll() is None:
            times.look()
            time.sleep(LOOK_SECONDS)
        if process.returncode:
            sys.exit(f"{' '.join(command)}: exit {process.returncode}")
        printed.seek(0)
        return printed.read(), times.by_kind()


def measure(name: str, words: tuple[object, ...], file: Path | None) -> dict[str, object]:
    """Seconds and processor seconds by engine, and whether all of them have the same result."""
    seconds, processor_seconds, results = {}, {}, []
    for engine, options in ENGINES.items():
        started = time.perf_counter()
        printed, processor_seconds[engine] = seqcast(name, *words, *options)
        seconds[engine] = round(time.perf_counter() - started, 1)
        results.append(printed if file is None else file.read_bytes())
    same = all(result == results[0] for result in results)
    ratio = round(seconds["one_worker"] / seconds["two_workers"], 2)
    return {"seconds": seconds, "processor_seconds": processor_seconds, "one_over_two": ratio, "same_bytes": same}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=float, default=1e8)
    parser.add_argument("--windows", type=int, default=20, help="Origins of each series in `backtest` and `inspect`.")
    parser.add_argument("--only", choices=("predict", "backtest", "inspect"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = make_data(folder / "small", 100)
        seqcast("train", small, *TRAIN, "--max-steps", TRAIN_STEPS, "--run", folder / "run")
        data = make_data(folder / "data", int(given.rows) // LENGTH)
        common, file = (data, "--run", folder / "run"), folder / "forecast.parquet"
        commands: dict[str, tuple[tuple[object, ...], Path | None]] = {
            "predict": ((*common, "--output", file), file),
            "backtest": ((*common, "--windows", given.windows, "--stride", 1, "--json"), None),
            "inspect": ((*common, "--windows", given.windows, "--json"), None),
        }
        chosen = commands if given.only is None else {given.only: commands[given.only]}
        found = {command: measure(command, *how) for command, how in chosen.items()}
    print(json.dumps({"rows": int(given.rows), "windows": given.windows, **found}, indent=1))


if __name__ == "__main__":
    main()
